"""The single source of every column: what it is, in which unit, with which UCD, label and format."""

from .convert import from_qtable, to_qtable
from .core import Column, Dtype, Schema
from .definitions import CATALOGUE, CLUSTERS, MATCHES, MEMBER_STARS, MEMBERS, SPECTRA, STARS, TABLES
from .dynamics import DYNAMICS, SNAPSHOTS

__all__ = [
    "CATALOGUE",
    "CLUSTERS",
    "DYNAMICS",
    "MATCHES",
    "MEMBERS",
    "MEMBER_STARS",
    "SNAPSHOTS",
    "SPECTRA",
    "STARS",
    "TABLES",
    "Column",
    "Dtype",
    "Schema",
    "from_qtable",
    "to_qtable",
]
