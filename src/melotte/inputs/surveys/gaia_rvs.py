"""Gaia DR3 radial velocities (Katz et al. 2023, A&A 674, A5) with the archive's column names.

Positions are those of Gaia DR3 at epoch 2016.0. Rows without a velocity are dropped and counted. Temperatures and
gravities are those of GSP-Phot, which publishes no symmetric errors; its [M/H] is not an [Fe/H] and is not read.
"""

from __future__ import annotations

from ...core.constants import GAIA_EPOCH
from .layout import Layout, column


def layout() -> Layout:
    """The layout of a Gaia DR3 archive table."""
    return Layout(
        title="Gaia RVS",
        sources={
            "spectrum_id": column("source_id", required=True),
            "source_id_dr3": column("source_id", required=True),
            "ra": column("ra", required=True),
            "dec": column("dec", required=True),
            "ref_epoch": column("ref_epoch"),
            "pmra": column("pmra"),
            "pmdec": column("pmdec"),
            "parallax": column("parallax"),
            "phot_g_mean_mag": column("phot_g_mean_mag"),
            "bp_rp": column("bp_rp"),
            "rv": column("radial_velocity", required=True),
            "rv_error": column("radial_velocity_error", required=True),
            "teff": column("teff_gspphot"),
            "logg": column("logg_gspphot"),
            "n_visits": column("rv_nb_transits"),
        },
        epoch=GAIA_EPOCH["DR3"],
        drop_without_rv=True,
    )
