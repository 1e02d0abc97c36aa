"""Whether the errors mean what they say: simulated surveys with known truth through the whole pipeline."""

from .measure import STATISTICS, Measured, measure
from .settings import CalibrationConfig
from .tables import COVERAGE, SELECTION, coverage_table, selection_table

__all__ = [
    "COVERAGE",
    "SELECTION",
    "STATISTICS",
    "CalibrationConfig",
    "Measured",
    "coverage_table",
    "measure",
    "selection_table",
]
