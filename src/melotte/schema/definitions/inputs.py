"""What the run starts from: spectra, members, clusters, and their matches."""

from __future__ import annotations

from dataclasses import replace

from ..core import Column, Schema
from .columns import (
    ASTROMETRY,
    BP_RP,
    CLUSTER,
    DEC,
    G_MAG,
    GAIA_RELEASE,
    MEASURED,
    N_CLUSTERS,
    OBS_MJD,
    PARALLAX,
    PMDEC,
    PMRA,
    PROBABILITY,
    RA,
    REF_EPOCH,
    SOURCE_ID,
    SOURCE_IDS,
    SPECTRUM_ID,
    real,
)

SPECTRA = Schema(
    "spectra",
    "One row per spectrum of a survey, whatever the survey",
    (SPECTRUM_ID, *SOURCE_IDS, *ASTROMETRY, OBS_MJD, *MEASURED),
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
        real(
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
        real("log_age", "dex", "time.age", "log10 of the age in years", "%5.2f", label="logAge"),
        real("a_v", "mag", "phys.absorption;em.opt.V", "Extinction in the V band", "%5.2f", label="AV"),
        real(
            "distance_modulus",
            "mag",
            "phot.mag.distMod",
            "Distance modulus, free of extinction",
            "%6.2f",
            label="DM",
        ),
        real("distance", "pc", "pos.distance", "Heliocentric distance", "%7.1f", label="Dist", minimum=0.0),
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
        real(
            "separation",
            "arcsec",
            "pos.angDistance",
            "Great-circle separation at the epoch of the spectrum's coordinates",
            "%8.5f",
            label="Sep",
            minimum=0.0,
        ),
        real(
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
        real(
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
