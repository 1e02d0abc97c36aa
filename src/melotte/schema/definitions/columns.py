"""Columns of more than one table."""

from __future__ import annotations

from .. import gaia
from ..core import Column
from ..quantities import quantities


def real(name: str, unit: str, ucd: str, description: str, fmt: str, **more: object) -> Column:
    """A column of numbers."""
    return Column(name, "float64", unit, ucd, description, format=fmt, **more)  # type: ignore[arg-type]


def labelled(name: str, label: str, unit: str, ucd: str, description: str, fmt: str, **more: object) -> Column:
    """`real` with a label for the CDS."""
    return real(name, unit, ucd, description, fmt, label=label, **more)


def percentiles(name: str, label: str, unit: str, ucd: str, of: str, fmt: str) -> tuple[Column, ...]:
    """Percentiles 16 and 84 of the posterior of a column."""
    return tuple(
        real(
            f"{name}_p{p}",
            unit,
            f"{ucd};stat.value",
            f"Percentile {p} of the posterior of {of}",
            fmt,
            label=f"{label}{p}",
        )
        for p in (16, 84)
    )


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
    f"Gaia data release of source_id: {gaia.names()}",
    False,
    label="Release",
)
#: One identifier per Gaia release: those that the survey gives.
SOURCE_IDS = tuple(
    Column(
        release.id_column,
        "int64",
        "",
        "meta.id",
        f"Gaia {release.title} source identifier given by the survey",
        True,
        "%19d",
        label=release.id_label,
    )
    for release in gaia.RELEASES
)
RA = real(
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
DEC = real(
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
REF_EPOCH = real(
    "ref_epoch",
    "yr",
    "meta.ref;time.epoch",
    "Julian epoch of the coordinates",
    "%9.4f",
    label="Epoch",
    minimum=1800.0,
    maximum=2200.0,
)
OBS_MJD = real("obs_mjd", "d", "time.epoch;obs", "Modified Julian date of the observation", "%11.5f", label="MJD")
PARALLAX = real("parallax", "mas", "pos.parallax.trig", "Parallax", "%8.4f", label="plx")
PMRA = real(
    "pmra",
    "mas / yr",
    "pos.pm;pos.eq.ra",
    "Proper motion in right ascension, times cos(dec)",
    "%9.3f",
    label="pmRA",
)
PMDEC = real("pmdec", "mas / yr", "pos.pm;pos.eq.dec", "Proper motion in declination", "%9.3f", label="pmDE")
G_MAG = real("phot_g_mean_mag", "mag", "phot.mag;em.opt", "Gaia G magnitude", "%7.4f", label="Gmag")
BP_RP = real("bp_rp", "mag", "phot.color;em.opt.B;em.opt.R", "Gaia colour BP-RP", "%7.4f", label="BP-RP")
PROBABILITY = real(
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
SNR = real("snr", "", "stat.snr", "Signal-to-noise ratio (LAMOST: g band)", "%8.2f", label="SNR")
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

ASTROMETRY = (RA, DEC, REF_EPOCH, PMRA, PMDEC, PARALLAX, G_MAG, BP_RP)
MEASURED = (*(c for q in quantities(of_every_star=True) for c in q.columns), SNR, N_VISITS, ERROR_NOTE)
