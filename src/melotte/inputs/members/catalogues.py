"""The published membership lists and cluster catalogues: their files, column names and Gaia release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...config import GaiaRelease
from ..surveys.layout import Source, column


@dataclass(frozen=True)
class Catalogue:
    """A published catalogue: where it lies, how its columns are named, which Gaia release it speaks of."""

    dataset: str
    sources: Mapping[str, Source]
    gaia_release: GaiaRelease = "DR2"


MEMBER_LISTS: dict[str, Catalogue] = {
    # Cantat-Gaudin et al. 2018, A&A 618, A93.
    "cantat2018": Catalogue(
        "cantat2018_members",
        {
            "cluster": column("Cluster", required=True),
            "source_id": column("Source", "GaiaDR2", required=True),
            "ra": column("ra", "RA_ICRS", required=True),
            "dec": column("dec", "DE_ICRS", required=True),
            "pmra": column("pmra", "pmRA*", "pmRA"),
            "pmdec": column("pmdec", "pmDE"),
            "parallax": column("parallax", "plx"),
            "phot_g_mean_mag": column("phot_g_mean_mag", "Gmag"),
            "bp_rp": column("bp_rp", "BP-RP"),
            "probability": column("PMemb", "proba", required=True),
        },
    ),
    # Cantat-Gaudin et al. 2020, A&A 640, A1; VizieR table nodup: members of probability 0.7 and higher only.
    "cantat2020": Catalogue(
        "cantat2020_members",
        {
            "cluster": column("Cluster", required=True),
            "source_id": column("GaiaDR2", "Source", required=True),
            "ra": column("RA_ICRS", "ra", required=True),
            "dec": column("DE_ICRS", "dec", required=True),
            "pmra": column("pmRA*", "pmRA"),
            "pmdec": column("pmDE", "pmdec"),
            "parallax": column("plx", "parallax"),
            "phot_g_mean_mag": column("Gmag", "phot_g_mean_mag"),
            "bp_rp": column("BP-RP", "bp_rp"),
            "probability": column("proba", "PMemb", required=True),
        },
    ),
    # Tarricq et al. 2022, A&A 659, A59: Gaia EDR3, whose identifiers and astrometry are those of DR3.
    "tarricq2022": Catalogue(
        "tarricq2022_members",
        {
            "cluster": column("Cluster", required=True),
            "source_id": column("Source", "GaiaEDR3", required=True),
            "ra": column("ra", "RA_ICRS", required=True),
            "dec": column("dec", "DE_ICRS", required=True),
            "pmra": column("pmra", "pmRA"),
            "pmdec": column("pmdec", "pmDE"),
            "parallax": column("parallax", "plx"),
            "phot_g_mean_mag": column("phot_g_mean_mag", "Gmag"),
            "bp_rp": column("bp_rp", "BP-RP"),
            "probability": column("PMemb", "Proba", "proba", required=True),
        },
        "DR3",
    ),
    # Hunt & Reffert 2023, A&A 673, A114.
    "hunt2023": Catalogue(
        "hunt2023_members",
        {
            "cluster": column("Name", "Cluster", required=True),
            "source_id": column("GaiaDR3", "Source", required=True),
            "ra": column("RA_ICRS", "ra", required=True),
            "dec": column("DE_ICRS", "dec", required=True),
            "pmra": column("pmRA", "pmra"),
            "pmdec": column("pmDE", "pmdec"),
            "parallax": column("Plx", "parallax"),
            "phot_g_mean_mag": column("Gmag", "phot_g_mean_mag"),
            "bp_rp": column("BP-RP", "bp_rp"),
            "probability": column("Prob", "probability", required=True),
        },
        "DR3",
    ),
}

CLUSTER_CATALOGUES: dict[str, Catalogue] = {
    # The 2018 catalogue has distances (the mode of the likelihood), but neither ages nor extinctions.
    "cantat2018": Catalogue(
        "cantat2018",
        {
            "cluster": column("Cluster", required=True),
            "ra": column("RAJ2000", required=True),
            "dec": column("DEJ2000", required=True),
            "pmra": column("pmRA"),
            "pmdec": column("pmDE"),
            "parallax": column("plx"),
            "r50": column("r50"),
            "n_members": column("Nstars"),
            "distance": column("dmode", required=True),
        },
    ),
    "cantat2020": Catalogue(
        "cantat2020",
        {
            "cluster": column("Cluster", required=True),
            "ra": column("RA_ICRS", required=True),
            "dec": column("DE_ICRS", required=True),
            "pmra": column("pmRA*", "pmRA"),
            "pmdec": column("pmDE"),
            "parallax": column("plx"),
            "r50": column("r50"),
            "n_members": column("nbstars07"),
            "log_age": column("AgeNN", required=True),
            "a_v": column("AVNN", required=True),
            "distance_modulus": column("DMNN", required=True),
            "distance": column("DistPc", required=True),
        },
    ),
    # Dias et al. 2021, MNRAS 504, 356.
    "dias2021": Catalogue(
        "dias2021",
        {
            "cluster": column("Cluster", required=True),
            "ra": column("RA_ICRS", required=True),
            "dec": column("DE_ICRS", required=True),
            "pmra": column("pmRA"),
            "pmdec": column("pmDE"),
            "parallax": column("Plx"),
            "r50": column("r50"),
            "n_members": column("N"),
            "log_age": column("logage", required=True),
            "a_v": column("Av", required=True),
            "distance": column("Dist", required=True),
        },
    ),
    "hunt2023": Catalogue(
        "hunt2023",
        {
            "cluster": column("Name", required=True),
            "ra": column("RA_ICRS", required=True),
            "dec": column("DE_ICRS", required=True),
            "pmra": column("pmRA"),
            "pmdec": column("pmDE"),
            "parallax": column("Plx"),
            "r50": column("r50"),
            "n_members": column("N"),
            "log_age": column("logAge50", required=True),
            "a_v": column("AV50", required=True),
            "distance_modulus": column("MOD50", required=True),
            "distance": column("dist50", required=True),
        },
        "DR3",
    ),
}
