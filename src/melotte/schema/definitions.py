"""The tables stages meet in, column by column.

Spelling follows the Gaia archive (``source_id``, ``pmra``, ``parallax_error``). ``_error`` is an uncertainty,
``_scatter`` the star-to-star standard deviation; the two are never mixed.
"""

from __future__ import annotations

from dataclasses import replace

from .core import Column, Schema


def _col(name: str, unit: str, ucd: str, description: str, fmt: str, **more: object) -> Column:
    return Column(name, "float64", unit, ucd, description, format=fmt, **more)  # type: ignore[arg-type]


def _percentiles(name: str, label: str, unit: str, ucd: str, of: str, fmt: str) -> tuple[Column, ...]:
    """Percentiles 16 and 84 of the posterior of a column."""
    return tuple(
        _col(
            f"{name}_p{p}",
            unit,
            f"{ucd};stat.value",
            f"Percentile {p} of the posterior of {of}",
            fmt,
            label=f"{label}{p}",
        )
        for p in (16, 84)
    )


def required(column: Column) -> Column:
    """The same column, not nullable."""
    return replace(column, nullable=False)


# --- identifiers and astrometry --------------------------------------------------------------------------------
CLUSTER = Column(
    "cluster",
    "string",
    "",
    "meta.id;meta.main",
    "Cluster name as in the membership list",
    False,
    label="Cluster",
)
SPECTRUM_ID = Column(
    "spectrum_id",
    "string",
    "",
    "meta.id;obs",
    "Identifier of the spectrum in the survey (LAMOST: obsid)",
    False,
    label="ObsID",
)
SOURCE_ID = Column(
    "source_id",
    "int64",
    "",
    "meta.id",
    "Gaia source identifier in the release named by gaia_release",
    False,
    "%19d",
    label="GaiaID",
)
GAIA_RELEASE = Column(
    "gaia_release",
    "string",
    "",
    "meta.version",
    "Gaia data release of source_id: DR2 or DR3",
    False,
    label="Release",
)
SOURCE_ID_DR2 = Column(
    "source_id_dr2",
    "int64",
    "",
    "meta.id",
    "Gaia DR2 source identifier given by the survey",
    True,
    "%19d",
    label="GaiaDR2",
)
SOURCE_ID_DR3 = Column(
    "source_id_dr3",
    "int64",
    "",
    "meta.id",
    "Gaia (E)DR3 source identifier given by the survey",
    True,
    "%19d",
    label="GaiaDR3",
)
RA = _col(
    "ra",
    "deg",
    "pos.eq.ra;meta.main",
    "Right ascension (ICRS) at ref_epoch",
    "%12.8f",
    nullable=False,
    label="RAdeg",
    minimum=0.0,
    maximum=360.0,
)
DEC = _col(
    "dec",
    "deg",
    "pos.eq.dec;meta.main",
    "Declination (ICRS) at ref_epoch",
    "%+12.8f",
    nullable=False,
    label="DEdeg",
    minimum=-90.0,
    maximum=90.0,
)
REF_EPOCH = _col(
    "ref_epoch",
    "yr",
    "meta.ref;time.epoch",
    "Julian epoch of the coordinates",
    "%9.4f",
    label="Epoch",
    minimum=1800.0,
    maximum=2200.0,
)
OBS_MJD = _col("obs_mjd", "d", "time.epoch;obs", "Modified Julian date of the observation", "%11.5f", label="MJD")
PARALLAX = _col("parallax", "mas", "pos.parallax.trig", "Parallax", "%8.4f", label="plx")
PMRA = _col(
    "pmra",
    "mas / yr",
    "pos.pm;pos.eq.ra",
    "Proper motion in right ascension, times cos(dec)",
    "%9.3f",
    label="pmRA",
)
PMDEC = _col("pmdec", "mas / yr", "pos.pm;pos.eq.dec", "Proper motion in declination", "%9.3f", label="pmDE")
G_MAG = _col("phot_g_mean_mag", "mag", "phot.mag;em.opt", "Gaia G magnitude", "%7.4f", label="Gmag")
BP_RP = _col("bp_rp", "mag", "phot.color;em.opt.B;em.opt.R", "Gaia colour BP-RP", "%7.4f", label="BP-RP")
PROBABILITY = _col(
    "probability",
    "",
    "stat.probability",
    "Membership probability in the membership list",
    "%4.2f",
    label="Prob",
    minimum=0.0,
    maximum=1.0,
)
N_CLUSTERS = Column(
    "n_clusters",
    "int32",
    "",
    "meta.number",
    "Number of clusters whose member list, after the probability cut, has this star",
    False,
    "%2d",
    label="Nclus",
    minimum=1,
)

# --- stellar measurements --------------------------------------------------------------------------------------
RV = _col(
    "rv",
    "km / s",
    "spect.dopplerVeloc;pos.barycenter",
    "Barycentric radial velocity as published by the survey (no zero-point correction)",
    "%9.3f",
    label="RV",
)
RV_ERROR = _col(
    "rv_error",
    "km / s",
    "stat.error;spect.dopplerVeloc",
    "Uncertainty of rv",
    "%8.3f",
    label="e_RV",
    error_of="rv",
    minimum=0.0,
)
TEFF = _col("teff", "K", "phys.temperature.effective", "Effective temperature", "%8.2f", label="Teff")
TEFF_ERROR = _col(
    "teff_error",
    "K",
    "stat.error;phys.temperature.effective",
    "Uncertainty of teff",
    "%7.2f",
    label="e_Teff",
    error_of="teff",
    minimum=0.0,
)
LOGG = _col("logg", "dex", "phys.gravity", "log10 of the surface gravity in cm s-2", "%6.3f", label="logg")
LOGG_ERROR = _col(
    "logg_error",
    "dex",
    "stat.error;phys.gravity",
    "Uncertainty of logg",
    "%6.3f",
    label="e_logg",
    error_of="logg",
    minimum=0.0,
)
FEH = _col("feh", "dex", "phys.abund.Fe", "Iron abundance [Fe/H]", "%7.3f", label="[Fe/H]")
FEH_ERROR = _col(
    "feh_error",
    "dex",
    "stat.error;phys.abund.Fe",
    "Uncertainty of feh",
    "%6.3f",
    label="e_[Fe/H]",
    error_of="feh",
    minimum=0.0,
)
SNR = _col("snr", "", "stat.snr", "Signal-to-noise ratio (LAMOST: g band)", "%8.2f", label="SNR")
N_VISITS = Column(
    "n_visits",
    "int32",
    "",
    "meta.number;obs",
    "Number of visits the survey itself averaged in this row",
    True,
    "%3d",
    label="Nobs",
    minimum=1,
)
ERROR_NOTE = Column(
    "error_note",
    "string",
    "",
    "meta.note",
    "Errors that are not measured: floor, imputed or assumed, with the column they concern",
    True,
    label="ErrNote",
)

_ASTROMETRY = (RA, DEC, REF_EPOCH, PMRA, PMDEC, PARALLAX, G_MAG, BP_RP)
_MEASURED = (RV, RV_ERROR, TEFF, TEFF_ERROR, LOGG, LOGG_ERROR, FEH, FEH_ERROR, SNR, N_VISITS, ERROR_NOTE)

SPECTRA = Schema(
    "spectra",
    "One row per spectrum of a survey, whatever the survey",
    (SPECTRUM_ID, SOURCE_ID_DR2, SOURCE_ID_DR3, *_ASTROMETRY, OBS_MJD, *_MEASURED),
)

MEMBERS = Schema(
    "members",
    "One row per star of a cluster in the membership list, after the probability cut",
    (
        CLUSTER,
        SOURCE_ID,
        GAIA_RELEASE,
        RA,
        DEC,
        REF_EPOCH,
        PMRA,
        PMDEC,
        PARALLAX,
        G_MAG,
        BP_RP,
        PROBABILITY,
        N_CLUSTERS,
    ),
    key=("cluster", "source_id"),
)

CLUSTERS = Schema(
    "clusters",
    "One row per cluster: the literature parameters the run uses",
    (
        CLUSTER,
        replace(RA, description="Right ascension (ICRS) of the cluster centre", format="%8.4f"),
        replace(DEC, description="Declination (ICRS) of the cluster centre", format="%+8.4f"),
        PMRA,
        PMDEC,
        PARALLAX,
        _col(
            "r50",
            "deg",
            "phys.angSize;pos.errorEllipse",
            "Radius that holds half of the members",
            "%6.3f",
            label="r50",
            minimum=0.0,
        ),
        Column(
            "n_members",
            "int32",
            "",
            "meta.number",
            "Number of members in the cluster catalogue",
            True,
            "%5d",
            label="Nmemb",
            minimum=0,
        ),
        _col("log_age", "dex", "time.age", "log10 of the age in years", "%5.2f", label="logAge"),
        _col("a_v", "mag", "phys.absorption;em.opt.V", "Extinction in the V band", "%5.2f", label="AV"),
        _col(
            "distance_modulus",
            "mag",
            "phot.mag.distMod",
            "Distance modulus, free of extinction",
            "%6.2f",
            label="DM",
        ),
        _col("distance", "pc", "pos.distance", "Heliocentric distance", "%7.1f", label="Dist", minimum=0.0),
    ),
    key=("cluster",),
)

MATCHES = Schema(
    "matches",
    "One row per pair of a spectrum and a Gaia source within the search radius",
    (
        SPECTRUM_ID,
        SOURCE_ID,
        GAIA_RELEASE,
        _col(
            "separation",
            "arcsec",
            "pos.angDistance",
            "Great-circle separation at the epoch of the spectrum's coordinates",
            "%8.5f",
            label="Sep",
            minimum=0.0,
        ),
        _col(
            "position_angle",
            "deg",
            "pos.posAng",
            "Position angle of the Gaia source as seen from the spectrum's position, east of north",
            "%7.2f",
            label="PA",
            minimum=0.0,
            maximum=360.0,
        ),
        Column(
            "n_in_radius",
            "int32",
            "",
            "meta.number",
            "Number of sources of the matched list within the search radius",
            True,
            "%3d",
            label="Nrad",
            minimum=1,
        ),
        _col(
            "flux_fraction",
            "",
            "phot.flux;arith.ratio",
            "G flux of this source over that of all sources within the radius",
            "%6.4f",
            label="FluxFr",
            minimum=0.0,
            maximum=1.0,
        ),
        Column(
            "propagated",
            "bool",
            "",
            "meta.code",
            "Whether the Gaia position was moved to the epoch of the spectrum",
            False,
            label="Prop",
        ),
        Column(
            "method",
            "string",
            "",
            "meta.note",
            "How the pair was found: source_id or position",
            False,
            label="Method",
        ),
    ),
    key=("spectrum_id", "source_id"),
)

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
RV_CHI2 = _col(
    "rv_chi2",
    "",
    "stat.fit.chi2",
    "Chi-square of the star's radial velocities about their weighted mean (two or more spectra)",
    "%9.3f",
    label="chi2",
    minimum=0.0,
)
RV_CHI2_PROBABILITY = _col(
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
        SOURCE_ID_DR2,
        SOURCE_ID_DR3,
        *_ASTROMETRY,
        *(replace(c, nullable=True) for c in (MATCHES["separation"], MATCHES["n_in_radius"], MATCHES["flux_fraction"])),
        replace(MATCHES["method"], nullable=False),
        N_SPECTRA,
        RV_CHI2,
        RV_CHI2_PROBABILITY,
        *_MEASURED,
    ),
    key=("source_id",),
)

# --- quality control -------------------------------------------------------------------------------------------
FLAG = Column(
    "flag",
    "int32",
    "",
    "meta.code.qual",
    "0: not used; 1: used for the radial velocity; 12: used for radial velocity and [Fe/H]",
    False,
    "%2d",
    label="Flag",
    codes=(
        ("0", "not used: radial velocity or its error missing, or outside the cluster's limits rv_low to rv_high"),
        ("1", "used for the radial velocity of the cluster, not for its [Fe/H]"),
        ("12", "used for radial velocity and [Fe/H]"),
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
        _col(
            "rv_low",
            "km / s",
            "spect.dopplerVeloc;stat.min",
            "Lowest radial velocity accepted in this cluster",
            "%9.3f",
            label="RVlow",
        ),
        _col(
            "rv_high",
            "km / s",
            "spect.dopplerVeloc;stat.max",
            "Highest radial velocity accepted in this cluster",
            "%9.3f",
            label="RVhigh",
        ),
        _col(
            "rv_deviation",
            "",
            "stat.value",
            "(rv - mean of the draws) / sigma of the draws of the cluster",
            "%7.3f",
            label="RVdev",
        ),
        _col(
            "rv_probability",
            "",
            "stat.probability",
            "Probability that the star belongs to the cluster, given the list's probability and its radial velocity",
            "%6.4f",
            label="PRV",
            minimum=0.0,
            maximum=1.0,
        ),
        _col(
            "logg_giant",
            "dex",
            "phys.gravity",
            "log g below which a star of this temperature is a giant in this cluster",
            "%6.3f",
            label="loggG",
        ),
        _col(
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
        _col(
            "rv_med",
            "km / s",
            "spect.dopplerVeloc;pos.barycenter;stat.median",
            "Radial velocity of the cluster: centre of the medians of the draws, survey zero point not removed",
            "%9.4f",
            label="RVmed",
        ),
        _col(
            "rv_med_error",
            "km / s",
            "stat.error;spect.dopplerVeloc",
            "Uncertainty of rv_med: standard deviation of the medians of the draws",
            "%8.4f",
            label="e_RVmed",
            error_of="rv_med",
            minimum=0.0,
        ),
        _col(
            "rv_mean",
            "km / s",
            "spect.dopplerVeloc;pos.barycenter;stat.mean",
            "Centre of the means of the draws, survey zero point not removed",
            "%9.4f",
            label="RVmean",
        ),
        _col(
            "rv_mean_error",
            "km / s",
            "stat.error;spect.dopplerVeloc",
            "Uncertainty of rv_mean: standard deviation of the means of the draws",
            "%8.4f",
            label="e_RVmean",
            error_of="rv_mean",
            minimum=0.0,
        ),
        _col(
            "rv_scatter",
            "km / s",
            "stat.stdev;spect.dopplerVeloc",
            "Sample standard deviation of the measured radial velocities of the stars used (two or more)",
            "%8.4f",
            label="s_RV",
            scatter_of="rv_med",
            minimum=0.0,
        ),
        _col(
            "rv_corrected",
            "km / s",
            "spect.dopplerVeloc;pos.barycenter;stat.median",
            "rv_med plus the survey's zero point against the reference survey",
            "%9.4f",
            label="RVcor",
        ),
        _col(
            "rv_corrected_error",
            "km / s",
            "stat.error;spect.dopplerVeloc",
            "Uncertainty of rv_corrected, that of the zero point included",
            "%8.4f",
            label="e_RVcor",
            error_of="rv_corrected",
            minimum=0.0,
        ),
        _col(
            "rv_model",
            "km / s",
            "spect.dopplerVeloc;pos.barycenter",
            "Radial velocity of the cluster from the mixture model: median of the posterior, zero point not removed",
            "%9.4f",
            label="RVmod",
        ),
        _col(
            "rv_model_error",
            "km / s",
            "stat.error;spect.dopplerVeloc",
            "Half the distance of rv_model_p16 and rv_model_p84",
            "%8.4f",
            label="e_RVmod",
            error_of="rv_model",
            minimum=0.0,
        ),
        *_percentiles(
            "rv_model",
            "RVmod",
            "km / s",
            "spect.dopplerVeloc;pos.barycenter",
            "rv_model, errors the stars share included",
            "%9.4f",
        ),
        _col(
            "rv_dispersion",
            "km / s",
            "phys.veloc.dispersion",
            "Intrinsic dispersion of the radial velocities, binaries apart: median of the posterior",
            "%7.4f",
            label="sigRV",
            minimum=0.0,
        ),
        *_percentiles("rv_dispersion", "sigRV", "km / s", "phys.veloc.dispersion", "rv_dispersion", "%7.4f"),
        _col(
            "binary_fraction",
            "",
            "stat.fit.param;arith.ratio",
            "Fraction of the members that are binaries: median of the posterior",
            "%6.4f",
            label="fbin",
            minimum=0.0,
            maximum=1.0,
        ),
        *_percentiles("binary_fraction", "fbin", "", "stat.fit.param;arith.ratio", "binary_fraction", "%6.4f"),
        _col(
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
            "Number of stars used for [Fe/H] (flag 12)",
            False,
            "%5d",
            label="Nflag12",
            minimum=0,
        ),
        _col(
            "feh_med",
            "dex",
            "phys.abund.Fe;stat.median",
            "[Fe/H] of the cluster: centre of the medians of the draws",
            "%8.4f",
            label="[Fe/H]med",
        ),
        _col(
            "feh_med_error",
            "dex",
            "stat.error;phys.abund.Fe",
            "Uncertainty of feh_med: standard deviation of the medians of the draws",
            "%7.4f",
            label="e_[Fe/H]med",
            error_of="feh_med",
            minimum=0.0,
        ),
        _col(
            "feh_mean",
            "dex",
            "phys.abund.Fe;stat.mean",
            "Centre of the means of the draws of [Fe/H]",
            "%8.4f",
            label="[Fe/H]mean",
        ),
        _col(
            "feh_mean_error",
            "dex",
            "stat.error;phys.abund.Fe",
            "Uncertainty of feh_mean: standard deviation of the means of the draws",
            "%7.4f",
            label="e_[Fe/H]mean",
            error_of="feh_mean",
            minimum=0.0,
        ),
        _col(
            "feh_scatter",
            "dex",
            "stat.stdev;phys.abund.Fe",
            "Sample standard deviation of the measured [Fe/H] of the stars used (two or more)",
            "%7.4f",
            label="s_[Fe/H]",
            scatter_of="feh_med",
            minimum=0.0,
        ),
        _col(
            "feh_model",
            "dex",
            "phys.abund.Fe",
            "[Fe/H] of the cluster from the mixture model: median of the posterior",
            "%8.4f",
            label="[Fe/H]mod",
        ),
        _col(
            "feh_model_error",
            "dex",
            "stat.error;phys.abund.Fe",
            "Half the distance of feh_model_p16 and feh_model_p84",
            "%7.4f",
            label="e_[Fe/H]mod",
            error_of="feh_model",
            minimum=0.0,
        ),
        *_percentiles("feh_model", "[Fe/H]mod", "dex", "phys.abund.Fe", "feh_model", "%8.4f"),
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
