"""The cluster catalogue."""

from __future__ import annotations

from dataclasses import replace

from ..core import Column, Schema
from ..quantities import FEH, RV
from .columns import percentiles, real
from .inputs import CLUSTERS
from .stars import MEMBER_STARS

CATALOGUE = Schema(
    "clusters",
    "The cluster catalogue: radial velocity and metallicity per cluster",
    (
        *(
            CLUSTERS[n]
            for n in (
                "cluster",
                "ra",
                "dec",
                "pmra",
                "pmdec",
                "parallax",
                "distance",
                "log_age",
                "a_v",
                "distance_modulus",
            )
        ),
        Column(
            "n_all",
            "int32",
            "",
            "meta.number",
            "Number of matched stars",
            False,
            "%5d",
            label="Nall",
            minimum=0,
        ),
        Column(
            "n_rv",
            "int32",
            "",
            "meta.number",
            "Number of stars used for the radial velocity (flag 1 or 12)",
            False,
            "%5d",
            label="Nflag1",
            minimum=0,
        ),
        *RV.clipped_columns(),
        real(
            "rv_corrected",
            "km / s",
            "spect.dopplerVeloc;pos.barycenter;stat.median",
            "rv_med plus the survey's zero point against the reference survey",
            "%9.4f",
            label="RVcor",
        ),
        real(
            "rv_corrected_error",
            "km / s",
            "stat.error;spect.dopplerVeloc",
            "Uncertainty of rv_corrected, that of the zero point included",
            "%8.4f",
            label="e_RVcor",
            error_of="rv_corrected",
            minimum=0.0,
        ),
        *RV.model_columns(posterior_of="rv_model, errors the stars share included"),
        real(
            "rv_dispersion",
            "km / s",
            "phys.veloc.dispersion",
            "Intrinsic dispersion of the radial velocities, binaries apart: median of the posterior",
            "%7.4f",
            label="sigRV",
            minimum=0.0,
        ),
        *percentiles("rv_dispersion", "sigRV", "km / s", "phys.veloc.dispersion", "rv_dispersion", "%7.4f"),
        real(
            "binary_fraction",
            "",
            "stat.fit.param;arith.ratio",
            "Fraction of the members that are binaries: median of the posterior",
            "%6.4f",
            label="fbin",
            minimum=0.0,
            maximum=1.0,
        ),
        *percentiles("binary_fraction", "fbin", "", "stat.fit.param;arith.ratio", "binary_fraction", "%6.4f"),
        real(
            "n_model",
            "",
            "meta.number;stat.value",
            "Expected number of members among the stars with a radial velocity: sum of rv_probability",
            "%8.2f",
            label="Nmod",
            minimum=0.0,
        ),
        Column(
            "n_feh",
            "int32",
            "",
            "meta.number",
            "Number of stars used for [Fe/H] (flag 12, or 2 of a survey without radial velocities)",
            False,
            "%5d",
            label="Nflag12",
            minimum=0,
        ),
        *FEH.clipped_columns(),
        *FEH.model_columns(),
        Column("note", "string", "", "meta.note", "What a user of this row must know", True, label="Note"),
    ),
    key=("cluster",),
)
#: Coordinates of a cluster that the cluster catalogue lacks are masked, not dropped.
CATALOGUE = replace(
    CATALOGUE, columns=tuple(replace(c, nullable=True) if c.name in {"ra", "dec"} else c for c in CATALOGUE)
)

#: Every table that is documented and published, by file stem.
TABLES = {"clusters": CATALOGUE, "members": MEMBER_STARS}
