"""Isochrones: which stars of a cluster are giants, and where the sequence lies in the colour-magnitude diagram."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from .. import datasets
from ..errors import MelotteError, ReadError

FloatArray = NDArray[np.float64]

#: PARSEC evolutionary phases: 0 pre-main sequence, 1 main sequence, 2 subgiant branch, 3 red-giant branch, 4 and up
#: core helium burning and later; fractions lie between two of them. From 1 to 2 a star leaves the main sequence (hook,
#: Hertzsprung gap) and counts as neither.
LAST_DWARF_PHASE = 1.0
FIRST_GIANT_PHASE = 2.0

#: Temperatures at which the branches are tabulated, K.
_GRID_K: FloatArray = np.arange(3000.0, 8005.0, 10.0)

_FLOATS = ("MH", "logAge", "Mini", "logTe", "logg", "phase", "Gmag_DR2", "G_BPmag_DR2", "G_RPmag_DR2")

#: Extinction in the Gaia DR2 bands, A_X = k_X A0 with k_X = c1 + c2 C + c3 C^2 + c4 C^3 + c5 A0 + c6 A0^2 + c7 C A0
#: and C the intrinsic BP - RP: Gaia Collaboration, Babusiaux et al. 2018, A&A 616, A10, Eq. 1 and Table 1 (form of
#: Danielski et al. 2018, A&A 614, A19). A_0 (550 nm) is taken equal to A_V.
_EXTINCTION = {
    "G": (0.9761, -0.1704, 0.0086, 0.0011, -0.0438, 0.0013, 0.0099),
    "BP": (1.1517, -0.0871, -0.0333, 0.0173, -0.0230, 0.0006, 0.0043),
    "RP": (0.6104, -0.0170, -0.0026, -0.0017, -0.0078, 0.00005, 0.0006),
}
#: Colours outside are set to the nearer end before the cubic is evaluated (3500-10000 K, the fit's range).
_COLOUR_RANGE = (-0.06, 2.5)


@dataclass(frozen=True, eq=False)
class Isochrone:
    """One isochrone of the grid.

    Attributes
    ----------
    mh, log_age : float
        Metallicity [M/H] (dex) and log10 of the age in years.
    points : polars.DataFrame
        By rising initial mass: ``initial_mass`` (Msun), ``teff`` (K), ``logg`` (dex), ``phase`` and absolute magnitudes
        ``g``, ``bp``, ``rp`` (mag).
    """

    mh: float
    log_age: float
    points: pl.DataFrame

    def logg_dividing(self, teff: ArrayLike) -> FloatArray:
        """Log g half-way between the main sequence and the giant branch.

        Where a branch has several log g at one temperature, the one nearest to the other branch counts; beyond its
        ends a branch is continued at the log g of the end. The branches are tabulated every 10 K.

        Parameters
        ----------
        teff : array_like
            Effective temperature, K (3000 to 8000).

        Returns
        -------
        ndarray
            Log g in dex (cgs): a star at or below it is nearer to the giant branch. NaN where ``teff`` is, or if the
            isochrone has only one of the branches.
        """
        dwarfs, giants = self._branches
        return np.asarray(np.interp(np.asarray(teff, dtype=float), _GRID_K, (dwarfs + giants) / 2))

    @functools.cached_property
    def _branches(self) -> tuple[FloatArray, FloatArray]:
        """Lower edge of the main sequence and upper edge of the giants in log g, on the temperature grid."""
        phase = self.points["phase"].to_numpy()
        teff, logg = self.points["teff"].to_numpy(), self.points["logg"].to_numpy()
        dwarf, giant = phase <= LAST_DWARF_PHASE, phase >= FIRST_GIANT_PHASE
        return _edge(teff[dwarf], logg[dwarf], np.fmin), _edge(teff[giant], logg[giant], np.fmax)

    def magnitudes(self, distance_modulus: float, a_v: float) -> pl.DataFrame:
        """The isochrone as seen at a distance behind extinction.

        Parameters
        ----------
        distance_modulus : float
            Distance modulus free of extinction, mag.
        a_v : float
            Extinction A_V, mag.

        Returns
        -------
        polars.DataFrame
            ``points`` and ``phot_g_mean_mag``, ``bp_rp``: apparent Gaia DR2 magnitude and colour.

        References
        ----------
        Extinction coefficients: Gaia Collaboration, Babusiaux et al. 2018, A&A 616, A10, Table 1.
        """
        colour = np.clip((self.points["bp"] - self.points["rp"]).to_numpy(), *_COLOUR_RANGE)
        extinction = {band: a_v * _coefficient(band, colour, a_v) for band in _EXTINCTION}
        return self.points.with_columns(
            (pl.col("g") + distance_modulus + pl.Series(extinction["G"])).alias("phot_g_mean_mag"),
            (pl.col("bp") - pl.col("rp") + pl.Series(extinction["BP"] - extinction["RP"])).alias("bp_rp"),
        )


def _coefficient(band: str, colour: FloatArray, a_v: float) -> FloatArray:
    c1, c2, c3, c4, c5, c6, c7 = _EXTINCTION[band]
    return c1 + colour * (c2 + colour * (c3 + colour * c4)) + a_v * (c5 + c6 * a_v) + c7 * colour * a_v


def _edge(teff: FloatArray, logg: FloatArray, choose: Callable[..., FloatArray]) -> FloatArray:
    """``choose`` (fmin, fmax) of log g over all pieces of a branch that cross each grid temperature."""
    edge = np.full(_GRID_K.shape, np.nan)
    for k in range(len(teff) - 1):
        (t0, g0), (t1, g1) = sorted(((teff[k], logg[k]), (teff[k + 1], logg[k + 1])))
        first, last = np.searchsorted(_GRID_K, t0, "left"), np.searchsorted(_GRID_K, t1, "right")
        if first < last:
            between = g0 + (g1 - g0) * ((_GRID_K[first:last] - t0) / (t1 - t0) if t1 > t0 else 0.0)
            edge[first:last] = choose(edge[first:last], between)
    known = np.isfinite(edge)
    return np.interp(_GRID_K, _GRID_K[known], edge[known]) if known.any() else edge


class Isochrones:
    """A grid of isochrones in [M/H] and age.

    Parameters
    ----------
    table : polars.DataFrame
        Columns MH, logAge, Mini, logTe, logg, phase, Gmag_DR2, G_BPmag_DR2, G_RPmag_DR2 (PARSEC, Bressan et al. 2012,
        MNRAS 427, 127).
    name : str
        Name of the grid, for messages.
    path : path, optional
        The file it was read from.
    """

    def __init__(self, table: pl.DataFrame, *, name: str = "isochrones", path: Path | None = None) -> None:
        missing = [c for c in _FLOATS if c not in table.columns]
        if missing or table.is_empty():
            raise ReadError(
                f"an isochrone grid without {', '.join(missing) or 'rows'}", where=name, expected=", ".join(_FLOATS)
            )
        if bad := [c for c in ("MH", "logAge") if not table[c].is_finite().fill_null(False).all()]:
            raise ReadError(f"an isochrone grid with rows without {bad[0]}", where=name, expected="numbers")
        self.name = name
        self.path = path
        keys = table.select(pl.col("MH").round(3), pl.col("logAge").round(3))
        self._parts = {
            (float(mh), float(age)): part.select(
                pl.col("Mini").alias("initial_mass"),
                (10.0 ** pl.col("logTe")).alias("teff"),
                "logg",
                "phase",
                pl.col("Gmag_DR2").alias("g"),
                pl.col("G_BPmag_DR2").alias("bp"),
                pl.col("G_RPmag_DR2").alias("rp"),
            ).sort("initial_mass", maintain_order=True)
            for (mh, age), part in table.with_columns(keys).group_by("MH", "logAge", maintain_order=True)
        }
        self._keys = np.array(sorted(self._parts))
        self._built: dict[tuple[float, float], Isochrone] = {}

    def nearest(self, log_age: float, mh: float = 0.0) -> Isochrone:
        """The isochrone nearest in [M/H], and of that metallicity the nearest in log age.

        Parameters
        ----------
        log_age : float
            log10 of the age in years.
        mh : float
            [M/H], dex.

        Returns
        -------
        Isochrone

        Raises
        ------
        MelotteError
            If the age lies more than 0.5 dex outside the grid.
        """
        mhs = np.unique(self._keys[:, 0])
        best = float(mhs[np.argmin(np.abs(mhs - mh))])
        ages = self._keys[self._keys[:, 0] == best, 1]
        age = float(ages[np.argmin(np.abs(ages - log_age))])
        if not abs(age - log_age) <= 0.5:
            raise MelotteError(
                f"no isochrone near log age {log_age:g}",
                where=self.name,
                expected=f"log age from {ages.min():g} to {ages.max():g}",
            )
        key = (best, age)
        if key not in self._built:
            self._built[key] = Isochrone(best, age, self._parts[key])
        return self._built[key]

    def logg_dividing(self, teff: ArrayLike, log_age: float, mh: float = 0.0) -> FloatArray:
        """Log g that divides giants from dwarfs: `Isochrone.logg_dividing` of the nearest isochrone."""
        return self.nearest(log_age, mh).logg_dividing(teff)


def load_isochrones(name_or_path: str | Path, *, data_dir: Path | None = None) -> Isochrones:
    """Read an isochrone grid.

    Parameters
    ----------
    name_or_path : str or path
        A registered dataset (``parsec_v1.2S_gaia_dr2``) or a CSV file with its columns.
    data_dir : path, optional
        Local mirror, searched first.

    Returns
    -------
    Isochrones

    Raises
    ------
    DatasetError
        If there is no such file.
    ReadError
        If it is not an isochrone grid.
    """
    path = datasets.locate(str(name_or_path), data_dir=data_dir)
    try:
        table = pl.read_csv(path, schema_overrides=dict.fromkeys(_FLOATS, pl.Float64))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ReadError(f"not an isochrone table: {error}", where=path, expected="CSV") from error
    return Isochrones(table, name=str(name_or_path), path=path)
