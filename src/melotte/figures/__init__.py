"""Figures: every function takes tables and optional axes and returns the `matplotlib.figure.Figure`.

Nothing here touches pyplot or leaves a setting of matplotlib changed.
"""

from .cmd import cmd_pair
from .comparison import FEH, RV, Quantity, compare, literature_panels
from .corner import corner
from .gradient_set import gradient_drawings
from .gradients import metallicity_distribution, residuals
from .look import DOUBLE, SINGLE, STYLE_FILE, save, style
from .orbits import eccentricity, energy_momentum, orbit, positions
from .overview import catalogue_overview
from .parameters import kiel
from .recovery import recovery
from .sky import sky_coverage
from .velocity import rv_selection, zero_point
from .zero_points import survey_matrix

__all__ = [
    "DOUBLE",
    "FEH",
    "RV",
    "SINGLE",
    "STYLE_FILE",
    "Quantity",
    "catalogue_overview",
    "cmd_pair",
    "compare",
    "corner",
    "eccentricity",
    "energy_momentum",
    "gradient_drawings",
    "kiel",
    "literature_panels",
    "metallicity_distribution",
    "orbit",
    "positions",
    "recovery",
    "residuals",
    "rv_selection",
    "save",
    "sky_coverage",
    "style",
    "survey_matrix",
    "zero_point",
]
