"""Tables for `melotte.galaxy.dynamics` from astropy coordinates, whatever their frame and units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import astropy.units as u
import numpy as np
import polars as pl
from astropy.coordinates import ICRS, SkyCoord

from ..errors import SchemaError

_COLUMNS = {
    "ra": ("ra", u.deg),
    "dec": ("dec", u.deg),
    "distance": ("distance", u.pc),
    "pmra": ("pm_ra_cosdec", u.mas / u.yr),
    "pmdec": ("pm_dec", u.mas / u.yr),
    "rv": ("radial_velocity", u.km / u.s),
}


def from_skycoord(coordinates: SkyCoord, names: Sequence[str] | None = None, **errors: u.Quantity) -> pl.DataFrame:
    """A table of stars or clusters as `melotte.galaxy.dynamics` takes it.

    Parameters
    ----------
    coordinates : astropy.coordinates.SkyCoord
        Positions with distance, proper motion and radial velocity in any frame that transforms to ICRS. NaN or a mask
        means missing: the row comes out masked, with a reason.
    names : sequence of str, optional
        Names of the rows; 1, 2, ... by default.
    **errors : astropy.units.Quantity
        ``distance_error``, ``distance_modulus_error``, ``pmra_error``, ``pmdec_error``, ``rv_error``: one value or one
        a row, in any unit; ``pmra_pmdec_corr``, a number.

    Returns
    -------
    polars.DataFrame
        ``cluster``, ``ra``, ``dec`` [deg], ``distance`` [pc], ``pmra``, ``pmdec`` [mas/yr], ``rv`` [km/s], the errors.

    Raises
    ------
    SchemaError
        If the coordinates have no distance or no velocity, the names do not fit, or an error is unknown or has a
        wrong unit.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.coordinates import SkyCoord
    >>> from melotte.galaxy import from_skycoord
    >>> m67 = SkyCoord(132.846 * u.deg, 11.814 * u.deg, 889 * u.pc, pm_ra_cosdec=-10.97 * u.mas / u.yr,
    ...                pm_dec=-2.94 * u.mas / u.yr, radial_velocity=34.0 * u.km / u.s)
    >>> from_skycoord(m67, ["M 67"])["distance"][0]
    889.0
    """
    if coordinates.data.norm().unit == u.dimensionless_unscaled or "s" not in coordinates.data.differentials:
        raise SchemaError(
            "the coordinates lack a distance or a velocity",
            where="SkyCoord",
            expected="distance, pm_ra_cosdec, pm_dec and radial_velocity",
        )
    icrs = coordinates.transform_to(ICRS()).reshape(-1)
    n = len(icrs)
    labels = [str(i + 1) for i in range(n)] if names is None else [str(name) for name in names]
    if len(labels) != n:
        raise SchemaError(f"{len(labels)} names", where="names", expected=f"{n}, one a row")
    table: dict[str, Any] = {"cluster": labels}
    for column, (attribute, unit) in _COLUMNS.items():
        table[column] = _plain(getattr(icrs, attribute), unit, n, column)
    units = {f"{column}_error": unit for column, (_, unit) in _COLUMNS.items() if column not in {"ra", "dec"}}
    units |= {"distance_modulus_error": u.mag, "pmra_pmdec_corr": u.dimensionless_unscaled}
    for name, value in errors.items():
        if name not in units:
            raise SchemaError(f"unknown error {name!r}", where="from_skycoord", expected=", ".join(units))
        table[name] = _plain(value, units[name], n, name)
    return pl.DataFrame(table).with_columns(pl.col(pl.Float64).fill_nan(None))


def _plain(values: Any, unit: u.UnitBase, n: int, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    try:
        plain = u.Quantity(values).to_value(unit)
        plain = np.ma.filled(np.ma.asarray(np.broadcast_to(getattr(plain, "unmasked", plain), n), dtype=float), np.nan)
    except (u.UnitConversionError, ValueError) as error:
        raise SchemaError(f"{name}: {error}", where="from_skycoord", expected=f"{unit}, one value or {n}") from error
    mask = getattr(values, "mask", None)
    out = np.array(plain, dtype=float)
    if mask is not None:
        out[np.broadcast_to(mask, n)] = np.nan
    return out
