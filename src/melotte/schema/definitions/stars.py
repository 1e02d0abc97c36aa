"""Stars: repeat spectra combined, members with their quality flag."""

from __future__ import annotations

from dataclasses import replace

from ..core import Column, Schema
from .columns import (
    ASTROMETRY,
    CLUSTER,
    GAIA_RELEASE,
    MEASURED,
    N_CLUSTERS,
    PROBABILITY,
    SOURCE_ID,
    SOURCE_IDS,
    SPECTRUM_ID,
    real,
)
from .inputs import MATCHES

N_SPECTRA = Column(
    "n_spectra",
    "int32",
    "",
    "meta.number;obs",
    "Number of spectra of this star in the survey",
    False,
    "%3d",
    label="Nspec",
    minimum=1,
)
RV_CHI2 = real(
    "rv_chi2",
    "",
    "stat.fit.chi2",
    "Chi-square of the star's radial velocities about their weighted mean (two or more spectra)",
    "%9.3f",
    label="chi2",
    minimum=0.0,
)
RV_CHI2_PROBABILITY = real(
    "rv_chi2_probability",
    "",
    "stat.probability",
    "Probability of a larger chi-square if the radial velocity is constant; small means variable",
    "%8.2e",
    label="Pchi2",
    minimum=0.0,
    maximum=1.0,
)

STARS = Schema(
    "stars",
    "One row per star: its repeat spectra combined",
    (
        SOURCE_ID,
        GAIA_RELEASE,
        replace(SPECTRUM_ID, description="Identifier of the spectrum of highest S/N among those combined"),
        *SOURCE_IDS,
        *ASTROMETRY,
        *(replace(c, nullable=True) for c in (MATCHES["separation"], MATCHES["n_in_radius"], MATCHES["flux_fraction"])),
        replace(MATCHES["method"], nullable=False),
        N_SPECTRA,
        RV_CHI2,
        RV_CHI2_PROBABILITY,
        *MEASURED,
    ),
    key=("source_id",),
)

# --- quality control -------------------------------------------------------------------------------------------
FLAG = Column(
    "flag",
    "int32",
    "",
    "meta.code.qual",
    "0: not used; 1: used for the radial velocity; 12: used for radial velocity and [Fe/H]; 2: used for [Fe/H] only",
    False,
    "%2d",
    label="Flag",
    codes=(
        ("0", "not used: radial velocity or its error missing, or outside the cluster's limits rv_low to rv_high"),
        ("1", "used for the radial velocity of the cluster, not for its [Fe/H]"),
        ("12", "used for radial velocity and [Fe/H]"),
        ("2", "used for [Fe/H] only: the survey gives no radial velocity"),
    ),
)
REASON = Column(
    "reason",
    "string",
    "",
    "meta.note",
    "Why the star has this flag: the test it met or failed, with value and threshold",
    False,
    label="Reason",
)

MEMBER_STARS = Schema(
    "members",
    "One row per matched star of a cluster, with its quality flag and the reason",
    (
        CLUSTER,
        *STARS.columns,
        PROBABILITY,
        N_CLUSTERS,
        real(
            "rv_low",
            "km / s",
            "spect.dopplerVeloc;stat.min",
            "Lowest radial velocity accepted in this cluster",
            "%9.3f",
            label="RVlow",
        ),
        real(
            "rv_high",
            "km / s",
            "spect.dopplerVeloc;stat.max",
            "Highest radial velocity accepted in this cluster",
            "%9.3f",
            label="RVhigh",
        ),
        real(
            "rv_deviation",
            "",
            "stat.value",
            "(rv - mean of the draws) / sigma of the draws of the cluster",
            "%7.3f",
            label="RVdev",
        ),
        real(
            "rv_probability",
            "",
            "stat.probability",
            "Probability that the star belongs to the cluster, given the list's probability and its radial velocity",
            "%6.4f",
            label="PRV",
            minimum=0.0,
            maximum=1.0,
        ),
        real(
            "logg_giant",
            "dex",
            "phys.gravity",
            "log g below which a star of this temperature is a giant in this cluster",
            "%6.3f",
            label="loggG",
        ),
        real(
            "feh_trend",
            "dex",
            "phys.abund.Fe;arith.diff",
            "Trend of [Fe/H] with Teff, subtracted from feh for the cluster (where a trend was fitted)",
            "%7.3f",
            label="dFeH",
        ),
        Column(
            "giant_rule",
            "string",
            "",
            "meta.note",
            "How logg_giant was set: isochrone or fixed",
            True,
            label="Rule",
        ),
        FLAG,
        REASON,
    ),
    key=("cluster", "source_id"),
)
