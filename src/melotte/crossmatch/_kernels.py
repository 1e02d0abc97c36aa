"""Compiled kernels of the local engine: the geometry of a pair and the search.

The index holds the spectra in declination zones, sorted by right ascension inside a zone, with a table of right
ascension buckets per zone so that a source finds its window without a search. The sources only stream past it: their
order is free and they are never held together.

Every number of a pair is computed from that pair alone, and sums over the sources of a spectrum run in the order
(separation, source_id): the result does not depend on batches, threads or partitions, to the last bit. Kernels are
compiled without ``fastmath`` for the same reason.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

# Numba keeps compiled code by file: a change of `bucket` needs this file touched, too.
from ._order import FLOATS, INTS, LONGS, bucket, compiled

RAD = math.pi / 180.0
ARCSEC_PER_RAD = 206264.80624709636
RAD_PER_MAS = RAD / 3.6e6
#: Windows are wider than the radius by this much (rad; 2e-6 arcsec), far above the rounding of any angle here.
SLACK = 1e-11
#: Below this (rad; 3.4 arcmin) the first terms left out of the series are under 1e-18 of the result.
SMALL = 1e-3

_jit: Any = numba.njit(cache=True, nogil=True)


@_jit
def _cos_dec(dec_deg):  # type: ignore[no-untyped-def]
    # 90 - |dec| is exact in binary: no digits of the cosine are lost at a pole.
    return math.sin((90.0 - abs(dec_deg)) * RAD)


@_jit
def _ra_difference(a, b):  # type: ignore[no-untyped-def]
    """a - b in (-180, 180], each step exact for neighbours on either side of 0/360."""
    d = a - b
    if d > 180.0:
        d = (a - 360.0) - b
    elif d <= -180.0:
        d = a - (b - 360.0)
    return d


@_jit
def _sin_cos(x):  # type: ignore[no-untyped-def]
    """Sine and cosine; by series, complete to double precision, for the small angles of a pair."""
    if abs(x) < SMALL:
        s = x * x
        return x * (1.0 - s * (1.0 / 6.0 - s / 120.0)), 1.0 - s * (0.5 - s / 24.0)
    return math.sin(x), math.cos(x)


@_jit
def offsets(ra_s, dec_s, ra_0, dec_0, east, north):  # type: ignore[no-untyped-def]
    """Where a source is as seen from a spectrum: (east, north, along the line of sight), up to a common factor.

    The source's direction, moved by (``east``, ``north``) rad along the tangent plane at its catalogue position, in
    the local (east, north, radial) frame of the spectrum. Written in differences of angles, so that the error is
    1e-16 of the separation or of the motion, not of the radian.
    """
    sin_a, cos_a = _sin_cos(_ra_difference(ra_s, ra_0) * RAD)
    d_dec = (dec_s - dec_0) * RAD
    sin_d, cos_d = _sin_cos(d_dec)
    # 1 - cos(a) without cancellation.
    versed = sin_a * sin_a / (1.0 + cos_a) if cos_a > 0.0 else 1.0 - cos_a
    sin_s = math.sin(dec_s * RAD)
    cos_s = _cos_dec(dec_s)
    if abs(d_dec) < SMALL:
        sin_0 = sin_s * cos_d - cos_s * sin_d
        cos_0 = cos_s * cos_d + sin_s * sin_d
    else:
        sin_0 = math.sin(dec_0 * RAD)
        cos_0 = _cos_dec(dec_0)
    e = east * cos_a + north * sin_0 * sin_a - cos_0 * sin_a
    n = -east * sin_s * sin_a + north * (cos_d - sin_0 * sin_s * versed) + (cos_0 * sin_s * versed - sin_d)
    x = cos_s * sin_a
    y = sin_d + cos_s * sin_0 * versed
    z = cos_d - cos_s * cos_0 * versed
    return e, n, east * x + north * y + z


@_jit
def _separation(e, n, r):  # type: ignore[no-untyped-def]
    """Great-circle separation (arcsec) of a direction from the line of sight."""
    h = math.sqrt(e * e + n * n)
    if h < SMALL * r:
        x = h / r
        s = x * x
        return x * (1.0 - s * (1.0 / 3.0 - s / 5.0)) * ARCSEC_PER_RAD
    return math.atan2(h, r) * ARCSEC_PER_RAD


@_jit
def _position_angle(e, n):  # type: ignore[no-untyped-def]
    """Position angle (deg), east of north, in [0, 360)."""
    angle = math.atan2(e, n) / RAD
    if angle < 0.0:
        angle += 360.0
    return angle if angle < 360.0 else 0.0


@compiled(*(FLOATS,) * 8, numba.float64[::1], numba.float64[::1])
def pairwise(  # type: ignore[no-untyped-def]
    ra_s, dec_s, epoch_s, ra_0, dec_0, pmra, pmdec, epoch_0, separation, angle
):
    """Separation and position angle of given pairs, row by row, at the epoch of the spectrum."""
    for i in range(len(ra_s)):
        east = 0.0
        north = 0.0
        if not (math.isnan(pmra[i]) or math.isnan(pmdec[i])):
            scale = (epoch_s[i] - epoch_0[i]) * RAD_PER_MAS
            east = pmra[i] * scale
            north = pmdec[i] * scale
        e, n, r = offsets(ra_s[i], dec_s[i], ra_0[i], dec_0[i], east, north)
        separation[i] = _separation(e, n, r)
        angle[i] = _position_angle(e, n)


@_jit
def _grown(array, capacity):  # type: ignore[no-untyped-def]
    larger = np.empty(capacity, dtype=array.dtype)
    # An explicit loop: numba's slice assignment brings a shape check that takes seconds to compile.
    for k in range(len(array)):
        larger[k] = array[k]
    return larger


@compiled(*(FLOATS,) * 5, *(numba.float64,) * 4, FLOATS, FLOATS, LONGS, FLOATS, INTS, INTS, FLOATS, FLOATS, FLOATS)
def search(  # type: ignore[no-untyped-def]
    ra, dec, pmra, pmdec, epoch, radius_arcsec, first_epoch, last_epoch, height, low, high, first, scale, start,
    order, ra_s, dec_s, epoch_s
):  # fmt: skip
    """All pairs of an indexed spectrum and one of these sources within the radius at the spectrum's epoch.

    The window of a source is the radius plus the longest way it can have moved between its own epoch and the first
    or the last epoch of the spectra: no motion is too fast to be found.

    Returns
    -------
    spectrum, source, separation, angle, moved : ndarray
        Row of the spectrum, row of the source, arcsec, deg, and whether a proper motion was applied.
    """
    n_zones = len(low)
    capacity = max(1024, len(ra) // 4)
    found = 0
    spectrum = np.empty(capacity, dtype=np.int32)
    source = np.empty(capacity, dtype=np.int32)
    separation = np.empty(capacity, dtype=np.float64)
    angle = np.empty(capacity, dtype=np.float64)
    moved = np.empty(capacity, dtype=np.bool_)
    radius = radius_arcsec / ARCSEC_PER_RAD
    lo = np.empty(2)
    hi = np.empty(2)
    for i in range(len(ra)):
        has_motion = not (math.isnan(pmra[i]) or math.isnan(pmdec[i]))
        reach = radius + SLACK
        if has_motion:
            span = max(abs(first_epoch - epoch[i]), abs(last_epoch - epoch[i]))
            reach += math.sqrt(pmra[i] * pmra[i] + pmdec[i] * pmdec[i]) * RAD_PER_MAS * span
        reach_deg = reach / RAD
        z_first = min(max(int((dec[i] - reach_deg + 90.0) / height), 0), n_zones - 1)
        z_last = min(int((dec[i] + reach_deg + 90.0) / height), n_zones - 1)
        # Half-width in right ascension of a cap (spherical right triangle): sin(w) = sin(reach) / cos(dec).
        n_windows = 1
        lo[0] = 0.0
        hi[0] = 360.0
        cos_0 = _cos_dec(dec[i])
        if reach < 1.5 and abs(dec[i]) + reach_deg < 90.0 - 1e-6:
            ratio = math.sin(reach) / cos_0 if reach > 0.01 else reach / cos_0
            if ratio < 1.0:
                # asin(x) < x (1 + x^2) for small x: wide enough, and much cheaper.
                half = math.asin(ratio) if ratio > 0.01 else ratio * (1.0 + ratio * ratio)
                width = half / RAD + SLACK / cos_0
                if width < 180.0:
                    lo[0] = ra[i] - width
                    hi[0] = ra[i] + width
                    if lo[0] < 0.0:
                        n_windows = 2
                        lo[1] = lo[0] + 360.0
                        hi[1] = 360.0
                        lo[0] = 0.0
                    elif hi[0] >= 360.0:
                        n_windows = 2
                        lo[1] = 0.0
                        hi[1] = hi[0] - 360.0
                        hi[0] = 360.0
        for z in range(z_first, z_last + 1):
            for w in range(n_windows):
                if lo[w] > high[z] or hi[w] < low[z]:
                    continue
                size = first[z + 1] - first[z]
                b = first[z] + bucket(lo[w], low[z], scale[z], size)
                k = start[b]
                top = start[b + 1]
                stop = start[first[z + 1]]
                while top - k > 16:
                    middle = (k + top) // 2
                    if ra_s[middle] < lo[w]:
                        k = middle
                    else:
                        top = middle
                while k < stop and ra_s[k] < lo[w]:
                    k += 1
                while k < stop and ra_s[k] <= hi[w]:
                    if abs(dec_s[k] - dec[i]) <= reach_deg:
                        east = 0.0
                        north = 0.0
                        if has_motion:
                            years = (epoch_s[k] - epoch[i]) * RAD_PER_MAS
                            east = pmra[i] * years
                            north = pmdec[i] * years
                        e, n, r = offsets(ra_s[k], dec_s[k], ra[i], dec[i], east, north)
                        sep = _separation(e, n, r)
                        if sep <= radius_arcsec:
                            if found == capacity:
                                capacity *= 2
                                spectrum = _grown(spectrum, capacity)
                                source = _grown(source, capacity)
                                separation = _grown(separation, capacity)
                                angle = _grown(angle, capacity)
                                moved = _grown(moved, capacity)
                            spectrum[found] = order[k]
                            source[found] = i
                            separation[found] = sep
                            angle[found] = _position_angle(e, n)
                            moved[found] = has_motion
                            found += 1
                    k += 1
    return (
        spectrum[:found].copy(),
        source[:found].copy(),
        separation[:found].copy(),
        angle[:found].copy(),
        moved[:found].copy(),
    )
