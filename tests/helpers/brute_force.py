"""All pairs of two lists the slow way, in extended precision: the reference of the cross-match tests."""

from __future__ import annotations

import numpy as np
import polars as pl

PI = np.arccos(np.longdouble(-1))


def _frame(ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vector, local east and local north."""
    a, d = (v.astype(np.longdouble) * PI / 180 for v in (ra, dec))
    zero = np.zeros_like(a)
    return (
        np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1),
        np.stack([-np.sin(a), np.cos(a), zero], axis=-1),
        np.stack([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)], axis=-1),
    )


def all_pairs(
    spectra: pl.DataFrame, sources: pl.DataFrame, radius_arcsec: float, epoch: float
) -> dict[tuple[str, int], tuple[float, float]]:
    """(spectrum_id, source_id) -> (separation in arcsec, position angle in deg), every pair looked at.

    Double precision discards what is more than 1.01 radii away, the rest is measured in extended precision with
    vector products: no formula is shared with the package.
    """
    seen, _, _ = _frame(spectra["ra"].to_numpy(), spectra["dec"].to_numpy())
    _, east_s, north_s = _frame(spectra["ra"].to_numpy(), spectra["dec"].to_numpy())
    radial, east, north = _frame(sources["ra"].to_numpy(), sources["dec"].to_numpy())
    pm = sources.select("pmra", "pmdec").with_columns(
        pl.when(pl.any_horizontal(pl.all().is_null())).then(0.0).otherwise(pl.all()).name.keep()
    )
    motion = sum(
        pm[name].to_numpy()[:, None].astype(np.longdouble) * axis * PI / 180 / 3600 / 1000
        for name, axis in (("pmra", east), ("pmdec", north))
    )
    fast_radial, fast_motion = radial.astype(float), np.asarray(motion).astype(float)
    chord = 2 * np.sin(min(np.radians(1.01 * radius_arcsec / 3600) + 1e-9, np.pi) / 2)
    ids, names = sources["source_id"].to_list(), spectra["spectrum_id"].to_list()
    epochs = spectra["ref_epoch"].fill_null(2000.0).to_numpy()
    out = {}
    for i, name in enumerate(names):
        years = epochs[i] - epoch
        moved = fast_radial + years * fast_motion
        moved /= np.linalg.norm(moved, axis=1)[:, None]
        near = np.flatnonzero(((moved - seen[i].astype(float)) ** 2).sum(axis=1) <= chord**2)
        if not len(near):
            continue
        there = radial[near] + np.longdouble(years) * motion[near]
        cross = np.sqrt((np.cross(seen[i], there) ** 2).sum(axis=1))
        separation = np.arctan2(cross, there @ seen[i]) * 180 * 3600 / PI
        angle = np.mod(np.arctan2(there @ east_s[i], there @ north_s[i]) * 180 / PI, 360)
        for j, s, a in zip(near, separation, angle, strict=True):
            if s <= radius_arcsec:
                out[name, ids[j]] = (float(s), float(a))
    return out
