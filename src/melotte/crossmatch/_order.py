"""Compiled kernels of the local engine: ordering the spectra for the search, and the pairs after it."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

_jit: Any = numba.njit(cache=True, nogil=True)


def _readable(kind: Any) -> Any:
    """A contiguous array that is only read: writable ones pass, too, and one compilation serves both."""
    return numba.types.Array(kind, 1, "C", readonly=True)


FLOATS = _readable(numba.float64)
LONGS = _readable(numba.int64)
INTS = _readable(numba.int32)


def compiled(*arguments: Any) -> Any:
    """Compile for these argument types and no others, or load from the cache, on import."""
    return numba.njit([arguments], cache=True, nogil=True)


@_jit
def bucket(ra, low, scale, count):  # type: ignore[no-untyped-def]
    b = int((ra - low) * scale)
    if b < 0:
        return 0
    if b >= count:
        return count - 1
    return b


@compiled(FLOATS, FLOATS, numba.float64, numba.int64)
def zone_extents(ra, dec, height, n_zones):  # type: ignore[no-untyped-def]
    """Per zone: lowest and highest right ascension, and the first bucket (one bucket per spectrum, at least one)."""
    low = np.full(n_zones, 1e9)
    high = np.full(n_zones, -1e9)
    count = np.zeros(n_zones, dtype=np.int64)
    for i in range(len(ra)):
        z = min(int((dec[i] + 90.0) / height), n_zones - 1)
        count[z] += 1
        low[z] = min(low[z], ra[i])
        high[z] = max(high[z], ra[i])
    first = np.zeros(n_zones + 1, dtype=np.int64)
    for z in range(n_zones):
        first[z + 1] = first[z] + max(count[z], 1)
    return low, high, first


@_jit
def _sort_rows(order, lo, hi, key, tie):  # type: ignore[no-untyped-def]
    """Sort the rows ``order[lo:hi]`` by (key, tie) in place: Shell's method, which is insertion for a few rows."""
    gap = 1
    while gap < (hi - lo) // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for k in range(lo + gap, hi):
            row = order[k]
            j = k
            while j >= lo + gap and (
                key[order[j - gap]] > key[row] or (key[order[j - gap]] == key[row] and tie[order[j - gap]] > tie[row])
            ):
                order[j] = order[j - gap]
                j -= gap
            order[j] = row
        gap //= 3


@compiled(FLOATS, FLOATS, numba.float64, numba.int64, FLOATS, FLOATS, LONGS)
def fill_index(ra, dec, height, n_zones, low, high, first):  # type: ignore[no-untyped-def]
    """Order of the spectra by (zone, right ascension), and where each bucket starts in it."""
    n = len(ra)
    scale = np.zeros(n_zones)
    for z in range(n_zones):
        width = high[z] - low[z]
        if width > 0.0:
            # A hair less than one bucket per spectrum, so that the highest one falls inside the table.
            scale[z] = (first[z + 1] - first[z]) / width * (1.0 - 1e-12)
    start = np.zeros(first[n_zones] + 1, dtype=np.int32)
    where = np.empty(n, dtype=np.int32)
    for i in range(n):
        z = min(int((dec[i] + 90.0) / height), n_zones - 1)
        b = first[z] + bucket(ra[i], low[z], scale[z], first[z + 1] - first[z])
        where[i] = b
        start[b + 1] += 1
    for b in range(len(start) - 1):
        start[b + 1] += start[b]
    fill = start[:-1].copy()
    order = np.empty(n, dtype=np.int32)
    for i in range(n):
        order[fill[where[i]]] = i
        fill[where[i]] += 1
    for b in range(len(start) - 1):
        lo = start[b]
        hi = start[b + 1]
        if hi - lo > 1:
            _sort_rows(order, lo, hi, ra, ra)
    return scale, start, order


@compiled(numba.int64, numba.int64, INTS, LONGS, FLOATS, FLOATS)
def account(begin_spectrum, end_spectrum, spectrum, source_id, separation, g_mag):  # type: ignore[no-untyped-def]
    """Canonical order of the pairs, number of sources and flux fraction, for a range of spectra.

    Returns
    -------
    order : ndarray of int32
        Pairs by (spectrum, separation, source_id); a source given twice with the same astrometry appears once.
    n_in_radius : ndarray of int32
        Of ``order``.
    fraction : ndarray of float64
        Of ``order``; NaN where a magnitude among the sources of the spectrum is missing.
    conflict : int
        A pair whose source_id occurs again for the same spectrum with another separation; -1 if none.
    """
    n_spectra = end_spectrum - begin_spectrum
    start = np.zeros(n_spectra + 1, dtype=np.int32)
    for i in range(len(spectrum)):
        s = spectrum[i] - begin_spectrum
        if 0 <= s < n_spectra:
            start[s + 1] += 1
    for s in range(n_spectra):
        start[s + 1] += start[s]
    n = start[n_spectra]
    fill = start[:-1].copy()
    order = np.empty(n, dtype=np.int32)
    for i in range(len(spectrum)):
        s = spectrum[i] - begin_spectrum
        if 0 <= s < n_spectra:
            order[fill[s]] = i
            fill[s] += 1
    number = np.empty(n, dtype=np.int32)
    fraction = np.empty(n, dtype=np.float64)
    conflict = -1
    kept = 0
    for s in range(n_spectra):
        lo = start[s]
        hi = start[s + 1]
        if lo == hi:
            continue
        if hi - lo > 1:
            _sort_rows(order, lo, hi, source_id, separation)
            for k in range(lo + 1, hi):
                a = order[k]
                b = order[k - 1]
                if source_id[a] == source_id[b] and separation[a] != separation[b]:
                    conflict = a
            _sort_rows(order, lo, hi, separation, source_id)
        begin = kept
        brightest = math.inf
        complete = True
        for k in range(lo, hi):
            pair = order[k]
            if (
                kept > begin
                and source_id[order[kept - 1]] == source_id[pair]
                and separation[order[kept - 1]] == separation[pair]
            ):
                continue
            order[kept] = pair
            kept += 1
            if math.isnan(g_mag[pair]):
                complete = False
            else:
                brightest = min(brightest, g_mag[pair])
        total = 0.0
        if complete:
            for k in range(begin, kept):
                total += 10.0 ** (-0.4 * (g_mag[order[k]] - brightest))
        for k in range(begin, kept):
            number[k] = kept - begin
            if complete:
                fraction[k] = 10.0 ** (-0.4 * (g_mag[order[k]] - brightest)) / total
            else:
                fraction[k] = math.nan
    return order[:kept].copy(), number[:kept].copy(), fraction[:kept].copy(), conflict
