"""SDSS-V BOSS (R about 2000) stars of open clusters: the OCCAM value-added catalogue of DR20.

``RAdeg`` and ``DEdeg`` are rounded to 0.001 deg (3.6 arcsec): join on the Gaia DR3 ids, not on the positions.
``E_FeH_CLAM`` is 0.01 for every star: the step [Fe/H] is rounded to, not an error. No published estimate of the real
one was found. The scatter of [Fe/H] within the clusters of the catalogue gives one (1.4826 times the median absolute
deviation; RV members of 4000 to 7500 K, clusters of ten or more): 0.063 dex in the median of 42 clusters, 0.044 dex
of 29 if stars the catalogue rejects by [Fe/H] are left out. 0.05 dex is used.
"""

from __future__ import annotations

from .layout import Floor, Layout, column

FEH_ERROR = Floor(0.05, "the scatter within the clusters of the catalogue; it gives no error worth believing")


def layout() -> Layout:
    """The layout of the BOSS-OCCAM catalogue."""
    return Layout(
        title="BOSS",
        sources={
            "spectrum_id": column("SDSS_ID", required=True),
            "source_id_dr3": column("GaiaDR3_ID", required=True),
            "ra": column("RAdeg", required=True),
            "dec": column("DEdeg", required=True),
            "pmra": column("PMRA"),
            "pmdec": column("PMDE"),
            "rv": column("V_RAD", required=True),
            "rv_error": column("E_V_RAD", required=True),
            "teff": column("Teff", required=True),
            "logg": column("logg", required=True),
            "feh": column("FeH_CLAM", required=True),
            "feh_error": column("E_FeH_CLAM"),
        },
        floors={"feh_error": FEH_ERROR},
        notes=("BOSS: positions are rounded to 3.6 arcsec; use the Gaia DR3 ids",),
    )
