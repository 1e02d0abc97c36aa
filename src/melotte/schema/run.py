"""What a run keeps besides its catalogue, so that the run can be opened again."""

from __future__ import annotations

from .core import Column, Schema
from .definitions import CATALOGUE, MEMBER_STARS
from .definitions.columns import real

ZERO_POINT_STARS = Schema(
    "zero_point_stars",
    "Stars in common with the reference survey of the radial velocities",
    (
        MEMBER_STARS["source_id"],
        MEMBER_STARS["spectrum_id"],
        Column("gaia_release", "string", "", "meta.version", "Gaia release of the identifiers compared", False),
        real("rv", "km / s", "spect.dopplerVeloc", "Radial velocity of the survey", "%8.2f"),
        real("rv_reference", "km / s", "spect.dopplerVeloc", "Radial velocity of the reference", "%8.2f"),
        real("difference", "km / s", "spect.dopplerVeloc;arith.diff", "Reference minus survey", "%8.2f"),
    ),
    key=("source_id",),
)

REJECTED = Schema(
    "rejected",
    "Clusters with matched stars and no radial velocity",
    (
        CATALOGUE["cluster"],
        Column("n_all", "int32", "", "meta.number", "Number of matched stars", False, "%5d"),
        Column("reason", "string", "", "meta.note", "Why the cluster has no radial velocity", False),
    ),
    key=("cluster",),
)
