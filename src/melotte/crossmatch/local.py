"""The local engine: one call for tables that are in memory."""

from __future__ import annotations

import numpy as np
import polars as pl

from ..errors import CrossmatchError
from .index import SkyIndex, Sources, check_positions, floats, in_order, release_epoch


def match_positions(
    spectra: pl.DataFrame, sources: pl.DataFrame, *, radius_arcsec: float, gaia_release: str
) -> pl.DataFrame:
    """All sources within a radius of each spectrum, at the epoch of the spectrum's coordinates.

    Parameters
    ----------
    spectra : polars.DataFrame
        SPECTRA columns ``spectrum_id``, ``ra``, ``dec`` (deg, ICRS), ``ref_epoch`` (Julian year; missing means
        J2000).
    sources : polars.DataFrame
        ``source_id`` (Int64), ``ra``, ``dec`` (deg, ICRS), and where known ``ref_epoch`` (missing means that of the
        release), ``pmra``, ``pmdec`` (mas/yr), ``phot_g_mean_mag``. A source listed several times with the same
        astrometry (a star in two clusters) counts once.
    radius_arcsec : float
        Search radius; a pair at exactly this separation is inside.
    gaia_release : str
        A release of the registry: ``"DR3"``.

    Returns
    -------
    polars.DataFrame
        MATCHES, in the order of the spectra and, within one, of separation. A source without a proper motion is
        matched at its catalogue position and has ``propagated`` false. ``flux_fraction`` is missing where any
        magnitude within the radius is.

    Raises
    ------
    CrossmatchError
        If a position is missing, a spectrum_id occurs twice, or a source_id occurs with different astrometry.

    Notes
    -----
    Fu et al. 2022, Sect. 2. The separation is the great circle at the spectrum's epoch after linear motion in space
    (`melotte.crossmatch.epoch`); parallax is left out (at most 0.77 arcsec, 1 mas at 1 kpc).
    """
    release_epoch(gaia_release)
    check_positions(spectra, "spectrum_id", what="spectra")
    check_unique_spectra(spectra["spectrum_id"])
    astrometry = [c for c in ("source_id", "ra", "dec", "ref_epoch", "pmra", "pmdec") if c in sources.columns]
    columns = [*astrometry, *(c for c in ("phot_g_mean_mag",) if c in sources.columns)]
    found = Sources.from_frame(sources.select(columns), gaia_release=gaia_release)
    index = SkyIndex(
        floats(spectra, "ra"), floats(spectra, "dec"), floats(spectra, "ref_epoch"), radius_arcsec=radius_arcsec
    )
    ids = spectra["spectrum_id"].cast(pl.String)
    return in_order(index.find(found), ids).frame(ids, gaia_release=gaia_release, method="position")


def check_unique_spectra(spectrum_id: pl.Series) -> None:
    """Raise a `CrossmatchError` if a spectrum_id occurs twice."""
    # Sorting hashes is several times faster than counting strings; equal hashes are looked at again.
    hashes = np.sort(spectrum_id.hash().to_numpy())
    if (hashes[1:] == hashes[:-1]).any() and spectrum_id.is_duplicated().any():
        twice = spectrum_id.filter(spectrum_id.is_duplicated())[0]
        raise CrossmatchError(
            f"spectrum_id {twice!r} occurs more than once",
            expected="one row per spectrum",
            hint="use a column that is unique, or let the adapter number the rows",
        )
