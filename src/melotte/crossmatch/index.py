"""The sky index of the spectra and the pairs found in it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ..core.constants import J2000
from ..errors import CrossmatchError
from ..schema.definitions import MATCHES
from ..schema.gaia import gaia_release as record

FloatArray = NDArray[np.float64]

#: Zones are this many radii high: a source then touches one or two of them.
_ZONE_RADII = 4.0
_MAX_ZONES = 1 << 17
#: Rows are counted with 32 bits inside one index; larger sets are split before.
MAX_ROWS = 2**31 - 1


@dataclass(frozen=True)
class Pairs:
    """Pairs of a spectrum (row of the index) and a source, in the order they were found.

    Attributes
    ----------
    spectrum : ndarray of int32
        Row of the spectrum.
    source_id : ndarray of int64
    separation : ndarray of float64
        arcsec, at the epoch of the spectrum.
    angle : ndarray of float64
        Position angle, deg.
    moved : ndarray of bool
        Whether a proper motion was applied.
    g_mag : ndarray of float64
        G magnitude of the source, NaN if unknown.
    """

    spectrum: NDArray[np.int32]
    source_id: NDArray[np.int64]
    separation: FloatArray
    angle: FloatArray
    moved: NDArray[np.bool_]
    g_mag: FloatArray

    @staticmethod
    def join(parts: Sequence[Pairs]) -> Pairs:
        """All pairs of several searches."""
        if not parts:
            none = np.empty(0)
            return Pairs(none.astype(np.int32), none.astype(np.int64), none, none, none.astype(np.bool_), none)
        return Pairs(
            np.concatenate([p.spectrum for p in parts]),
            np.concatenate([p.source_id for p in parts]),
            np.concatenate([p.separation for p in parts]),
            np.concatenate([p.angle for p in parts]),
            np.concatenate([p.moved for p in parts]),
            np.concatenate([p.g_mag for p in parts]),
        )


@dataclass(frozen=True)
class Sources:
    """Gaia-like sources as plain arrays: deg, mas/yr, Julian years, mag; NaN where unknown."""

    source_id: NDArray[np.int64]
    ra_deg: FloatArray
    dec_deg: FloatArray
    pmra_masyr: FloatArray
    pmdec_masyr: FloatArray
    epoch: FloatArray
    g_mag: FloatArray

    @staticmethod
    def from_frame(frame: pl.DataFrame, *, gaia_release: str) -> Sources:
        """Columns of the MEMBERS schema; a missing ``ref_epoch`` is that of the release.

        Raises
        ------
        CrossmatchError
            If ``source_id``, ``ra`` or ``dec`` is missing, empty in a row, or ``source_id`` is not an integer.
        """
        check_positions(frame, "source_id", what="sources")
        if frame.schema["source_id"] != pl.Int64:
            raise CrossmatchError(
                f"source_id of the sources has type {frame.schema['source_id']}",
                expected="Int64: a Gaia id does not fit a floating-point number",
            )
        epoch = floats(frame, "ref_epoch")
        return Sources(
            np.ascontiguousarray(frame["source_id"].to_numpy()),
            wrapped(floats(frame, "ra")),
            floats(frame, "dec"),
            floats(frame, "pmra"),
            floats(frame, "pmdec"),
            np.where(np.isnan(epoch), release_epoch(gaia_release), epoch),
            floats(frame, "phot_g_mean_mag"),
        )

    def __len__(self) -> int:
        return len(self.source_id)


def release_epoch(gaia_release: str) -> float:
    """Reference epoch of a Gaia release.

    Raises
    ------
    CrossmatchError
        If the release is not known.
    """
    return record(gaia_release, error=CrossmatchError).epoch


def floats(frame: pl.DataFrame, name: str) -> FloatArray:
    """A column as float64 with NaN for missing values; all NaN if there is no such column."""
    if name not in frame.columns:
        return np.full(frame.height, np.nan)
    if not frame.schema[name].is_numeric() and frame.schema[name] != pl.Null:
        raise CrossmatchError(f"column {name!r} has type {frame.schema[name]}", expected="numbers")
    values = frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.ascontiguousarray(values)


def wrapped(ra_deg: FloatArray) -> FloatArray:
    """Right ascension in [0, 360)."""
    if not len(ra_deg) or (ra_deg.min() >= 0.0 and ra_deg.max() < 360.0):
        return ra_deg
    ra = np.mod(ra_deg, 360.0)
    return np.where(ra >= 360.0, 0.0, ra)


def check_positions(frame: pl.DataFrame, key: str, *, what: str) -> None:
    """Raise a `CrossmatchError` unless every row has an id and a position on the sky."""
    for name in (key, "ra", "dec"):
        if name not in frame.columns:
            raise CrossmatchError(f"the {what} have no column {name!r}", expected=f"{key}, ra, dec")
        missing = frame[name].is_null()
        if frame.schema[name].is_float():
            missing = missing | ~frame[name].is_finite()
        if missing.any():
            row = int(missing.fill_null(True).arg_true()[0])
            raise CrossmatchError(f"row {row + 1} of the {what} has no {name}", expected="a value in every row")
    for name in ("ra", "dec"):
        if not frame.schema[name].is_numeric():
            raise CrossmatchError(f"{name} of the {what} has type {frame.schema[name]}", expected="numbers, deg")
    outside = ~frame["dec"].is_between(-90.0, 90.0)
    if outside.any():
        row = int(outside.arg_true()[0])
        raise CrossmatchError(
            f"row {row + 1} of the {what} has dec = {frame['dec'][row]} deg", expected="-90 to 90 deg"
        )


class SkyIndex:
    """Spectra in declination zones, ready for sources to be matched against them.

    Parameters
    ----------
    ra_deg, dec_deg : ndarray, shape (n,)
        ICRS coordinates, deg.
    epoch : ndarray, shape (n,)
        Julian epoch of each position; NaN means J2000.
    radius_arcsec : float
        Search radius.

    Notes
    -----
    The spectra are indexed and the sources stream past, in any order: memory is that of the spectra (about
    50 bytes each) and of one batch of sources. The search window of a source is the radius plus the longest way it
    can have moved to any epoch of the spectra, so that no fast star is lost.
    """

    def __init__(self, ra_deg: FloatArray, dec_deg: FloatArray, epoch: FloatArray, *, radius_arcsec: float) -> None:
        from . import _kernels, _order

        if not (np.isfinite(radius_arcsec) and 0 < radius_arcsec <= 648000):
            raise CrossmatchError(f"a search radius of {radius_arcsec} arcsec", expected="above 0, at most 180 deg")
        if len(ra_deg) > MAX_ROWS:
            raise CrossmatchError(f"{len(ra_deg):,} spectra in one index", expected=f"at most {MAX_ROWS:,}")
        self._search = _kernels.search
        self.radius_arcsec = float(radius_arcsec)
        self.n_spectra = len(ra_deg)
        ra = wrapped(np.ascontiguousarray(ra_deg, dtype=np.float64))
        dec = np.ascontiguousarray(dec_deg, dtype=np.float64)
        epoch = np.where(np.isnan(epoch), J2000, epoch)
        self._height = max(_ZONE_RADII * radius_arcsec / 3600.0, 180.0 / _MAX_ZONES)
        n_zones = max(int(np.ceil(180.0 / self._height)), 1)
        self._low, self._high, self._first = _order.zone_extents(ra, dec, self._height, n_zones)
        self._scale, self._start, self._order = _order.fill_index(
            ra, dec, self._height, n_zones, self._low, self._high, self._first
        )
        self._ra, self._dec, self._epoch = ra[self._order], dec[self._order], epoch[self._order]
        self._epochs = (float(epoch.min()), float(epoch.max())) if len(epoch) else (J2000, J2000)

    def find(self, sources: Sources) -> Pairs:
        """All pairs within the radius at the epoch of the spectrum; safe to call from several threads at once."""
        spectrum, row, separation, angle, moved = self._search(
            sources.ra_deg,
            sources.dec_deg,
            sources.pmra_masyr,
            sources.pmdec_masyr,
            sources.epoch,
            self.radius_arcsec,
            *self._epochs,
            self._height,
            self._low,
            self._high,
            self._first,
            self._scale,
            self._start,
            self._order,
            self._ra,
            self._dec,
            self._epoch,
        )
        return Pairs(spectrum, sources.source_id[row], separation, angle, moved, sources.g_mag[row])


@dataclass(frozen=True)
class OrderedPairs:
    """Pairs by (spectrum, separation, source_id), with what is known per spectrum.

    Attributes
    ----------
    pairs : Pairs
        As found.
    order : ndarray of int32
        The rows of ``pairs`` in order, each source once per spectrum.
    number : ndarray of int32
        Sources within the radius of the spectrum, along ``order``.
    fraction : ndarray of float64
        Flux fraction along ``order``; NaN where any magnitude within the radius is missing.
    """

    pairs: Pairs
    order: NDArray[np.int32]
    number: NDArray[np.int32]
    fraction: FloatArray

    def __len__(self) -> int:
        return len(self.order)

    def frame(
        self, spectrum_id: pl.Series, *, gaia_release: str, method: str, rows: slice = slice(None)
    ) -> pl.DataFrame:
        """The pairs, or some rows of them, as MATCHES."""
        order = self.order[rows]
        separation = self.pairs.separation[order]
        return pl.DataFrame(
            {
                "spectrum_id": spectrum_id.gather(pl.Series(self.pairs.spectrum[order])),
                "source_id": self.pairs.source_id[order],
                "gaia_release": pl.repeat(gaia_release, len(order), eager=True),
                "separation": separation,
                # The direction to a source at the very same position is not defined.
                "position_angle": pl.Series(np.where(separation > 0.0, self.pairs.angle[order], np.nan)).fill_nan(None),
                "n_in_radius": self.number[rows],
                "flux_fraction": pl.Series(self.fraction[rows]).fill_nan(None),
                "propagated": self.pairs.moved[order],
                "method": pl.repeat(method, len(order), eager=True),
            },
            schema=MATCHES.polars_schema(),
        )


def in_order(pairs: Pairs, spectrum_id: pl.Series, *, pool: ThreadPoolExecutor | None = None) -> OrderedPairs:
    """Put pairs in their canonical order and count per spectrum.

    Parameters
    ----------
    pairs : Pairs
    spectrum_id : polars.Series
        Ids of the spectra of the index.
    pool : ThreadPoolExecutor, optional
        Do two halves of the spectra at a time.

    Raises
    ------
    CrossmatchError
        If one source_id is in the list twice with different astrometry.
    """
    from . import _order

    def account(begin: int, end: int) -> Any:
        return _order.account(begin, end, pairs.spectrum, pairs.source_id, pairs.separation, pairs.g_mag)

    n = len(spectrum_id)
    halves = [account(0, n)] if pool is None else list(pool.map(account, (0, n // 2), (n // 2, n)))
    order, number, fraction = (np.concatenate([h[i] for h in halves]) for i in range(3))
    conflict = max(h[3] for h in halves)
    if conflict >= 0:
        row = int(pairs.spectrum[conflict])
        raise CrossmatchError(
            f"Gaia source {pairs.source_id[conflict]}, near spectrum {spectrum_id[row]!r}, is in the list twice with "
            "different astrometry",
            expected="one position per source_id",
            hint="remove the duplicates of the source list",
        )
    return OrderedPairs(pairs, order, number, fraction)
