"""Gaia radial velocities with the archive's column names (DR3: Katz et al. 2023, A&A 674, A5).

Positions are those of the release at its epoch. Rows without a velocity are dropped and counted. Temperatures and
gravities are those of GSP-Phot, which publishes no symmetric errors; its [M/H] is not an [Fe/H] and is not read.
"""

from __future__ import annotations

from ...schema.gaia import gaia_release
from .layout import Layout, column


def layout(release: str | None = None) -> Layout:
    """The layout of an archive table of a release (DR3 if not said)."""
    gaia = gaia_release(release or "DR3")
    return Layout(
        title="Gaia RVS",
        sources={
            "spectrum_id": column("source_id", required=True),
            gaia.id_column: column("source_id", required=True),
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
        epoch=gaia.epoch,
        drop_without_rv=True,
    )
