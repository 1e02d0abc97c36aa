"""Compiled kernels: random numbers, normal deviates, means and medians of many draws.

The arithmetic is IEEE 754 double precision without contraction or reordering, and no library function other than the
square root is called: the same seed gives the same bits on every machine.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
WordArray = NDArray[np.uint64]

#: Draws made at a time: inner loops run over these, so that they use the vector units.
LANES = 32
#: Up to this many stars medians come from a sorting network.
NETWORK_LIMIT = 32
#: Half-width of the window in which the next median is sought, in standard deviations of the medians so far.
_WINDOW = 2.5
_SMALL = 16

_U = np.uint64
_ONE = _U(0x3FF0000000000000)
_MANTISSA = _U(0x000FFFFFFFFFFFFF)
_TWO52 = _U(0x4330000000000000)

_log = logging.getLogger(__name__)
_F = TypeVar("_F", bound=Callable[..., Any])


def _compiled(function: _F) -> _F:
    if function.__name__ == "draw_centres":  # the outermost kernel, which contains the others, is kept on disk
        try:
            return cast(_F, njit(nogil=True, error_model="numpy", cache=True)(function))
        except RuntimeError as error:
            _log.info("the compiled kernel cannot be kept and is compiled in every process: %s", error)
    return cast(_F, njit(nogil=True, error_model="numpy")(function))


def _intrinsic(function: _F) -> Callable[[Any], Any]:
    return cast(Callable[[Any], Any], intrinsic(function))


@_intrinsic
def _as_float(typingctx: Any, x: Any) -> Any:
    """The double with these bits."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.float64))

    return types.float64(types.uint64), generate


@_intrinsic
def _as_bits(typingctx: Any, x: Any) -> Any:
    """The bits of a double."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.uint64))

    return types.uint64(types.float64), generate


@_compiled
def _rotate(x: Any, k: int) -> Any:
    return (x << _U(k)) | (x >> _U(64 - k))


@_compiled
def fill_words(state: WordArray, words: WordArray) -> None:
    """Random 64-bit words from two interleaved xoshiro256++ generators.

    Parameters
    ----------
    state : ndarray of uint64, shape (8,)
        The two states, advanced in place.
    words : ndarray of uint64, even length
        Filled: even positions by the first generator, odd ones by the second.

    References
    ----------
    Blackman & Vigna 2021, ACM Trans. Math. Softw. 47, 36.
    """
    a0, a1, a2, a3 = state[0], state[1], state[2], state[3]
    b0, b1, b2, b3 = state[4], state[5], state[6], state[7]
    for j in range(words.size // 2):
        words[2 * j] = _rotate(a0 + a3, 23) + a0
        t = a1 << _U(17)
        a2 ^= a0
        a3 ^= a1
        a1 ^= a2
        a0 ^= a3
        a2 ^= t
        a3 = _rotate(a3, 45)
        words[2 * j + 1] = _rotate(b0 + b3, 23) + b0
        t = b1 << _U(17)
        b2 ^= b0
        b3 ^= b1
        b1 ^= b2
        b0 ^= b3
        b2 ^= t
        b3 = _rotate(b3, 45)
    state[0], state[1], state[2], state[3] = a0, a1, a2, a3
    state[4], state[5], state[6], state[7] = b0, b1, b2, b3


@_compiled
def normals(words: WordArray, z: FloatArray) -> None:
    """Standard normal deviates from random words, by the Box-Muller transform.

    Parameters
    ----------
    words : ndarray of uint64, even length
        Random words; ``words[j]`` gives the radius and ``words[h + j]`` (h = half the length) the angle of a pair.
    z : ndarray, same length
        Filled with the pairs ``z[j]``, ``z[h + j]``.

    Notes
    -----
    The radius uses 52 bits: \\|z\\| <= 8.49, beyond which a normal has 2e-17 of its probability. The angle is drawn in
    a quarter of the circle and each coordinate gets a random sign. Logarithm (atanh series), sine and cosine (Taylor)
    are polynomials good to 1e-11 relative, written out so that the loop is vectorised.

    References
    ----------
    Box & Muller 1958, Ann. Math. Stat. 29, 610.
    """
    half = words.size // 2
    for j in range(half):
        w1, w2 = words[j], words[half + j]
        u = 2.0 - _as_float((w1 >> _U(12)) | _ONE)  # (0, 1]
        bits = _as_bits(u)
        exponent = _as_float((bits >> _U(52)) | _TWO52) - 4503599627371519.0  # 2^52 + 1023
        m = _as_float((bits & _MANTISSA) | _ONE)
        high = m > 1.4142135623730951
        m = 0.5 * m if high else m
        exponent = exponent + 1.0 if high else exponent
        s = (m - 1.0) / (m + 1.0)
        q = s * s
        series = 2.0 + q * (
            2.0 / 3 + q * (2.0 / 5 + q * (2.0 / 7 + q * (2.0 / 9 + q * (2.0 / 11 + q * (2.0 / 13 + q * (2.0 / 15))))))
        )
        radius = np.sqrt(-(exponent * 0.6931471805599453 + s * series))  # sqrt(-2 ln u) / sqrt(2)
        angle = (_as_float((w2 >> _U(12)) | _ONE) - 1.5) * 1.5707963267948966  # (-pi/4, pi/4)
        y = angle * angle
        sine = angle * (1.0 + y * (-1 / 6 + y * (1 / 120 + y * (-1 / 5040 + y * (1 / 362880 + y * (-1 / 39916800))))))
        cosine = 1.0 + y * (
            -0.5 + y * (1 / 24 + y * (-1 / 720 + y * (1 / 40320 + y * (-1 / 3628800 + y * (1 / 479001600)))))
        )
        z[j] = _as_float(_as_bits(radius * (cosine - sine)) ^ ((w2 & _U(1)) << _U(63)))
        z[half + j] = _as_float(_as_bits(radius * (cosine + sine)) ^ ((w2 & _U(2)) << _U(62)))


@_compiled
def _scale(
    x: FloatArray, values: FloatArray, errors: FloatArray, origin: float, total: FloatArray, squares: FloatArray
) -> None:
    """Deviates -> draws relative to ``origin``, in place; per lane their sum and sum of squares."""
    lanes = x.shape[1]
    for b in range(lanes):
        total[b] = 0.0
        squares[b] = 0.0
    for i in range(values.size):
        value, error = values[i] - origin, errors[i]
        for b in range(lanes):
            drawn = value + error * x[i, b]
            x[i, b] = drawn
            total[b] += drawn
        for b in range(lanes):
            squares[b] += x[i, b] * x[i, b]


@_compiled
def _sort_network(flat: FloatArray, lanes: int, pairs: NDArray[np.int64]) -> None:
    """Apply compare-exchange pairs to the rows (of ``lanes`` elements) of ``flat``, every lane at once."""
    for c in range(pairs.shape[0]):
        first = _U(pairs[c, 0] * lanes)
        step = _U((pairs[c, 1] - pairs[c, 0]) * lanes)
        for b in range(lanes):
            o = first + _U(b)
            p, q = flat[o], flat[o + step]
            flat[o] = p if p < q else q
            flat[o + step] = p if p > q else q


@_compiled
def _partition(a: FloatArray, first: int, last: int | np.int64, pivot: float, with_equal: bool) -> int:
    """Move the elements below ``pivot`` (or equal, if asked) to the front; where they end."""
    i = first
    for j in range(first, last):
        t = a[j]
        below = t <= pivot if with_equal else t < pivot
        a[j] = a[i]
        a[i] = t
        i += below
    return i


@_compiled
def select(a: FloatArray, n: int | np.int64, rank: int | np.int64) -> float:
    """The element of ``rank`` (from 0) of the first ``n`` of ``a``, which it reorders: what follows is not smaller."""
    first, last = 0, n
    while last - first > _SMALL:
        pivot = a[(first + last) // 2]
        middle = _partition(a, first, last, pivot, False)
        if rank < middle:
            last = middle
        else:
            # Equal elements together, so that ties cannot stall the search.
            first = _partition(a, middle, last, pivot, True)
            if rank < first:
                return float(pivot)
    for i in range(first + 1, last):
        t = a[i]
        j = i
        while j > first and a[j - 1] > t:
            a[j] = a[j - 1]
            j -= 1
        a[j] = t
    return float(a[rank])


@_compiled
def _middle(a: FloatArray, n: int | np.int64, rank: int | np.int64, two: bool) -> float:
    """Element of ``rank``, or its mean with the next one."""
    lower = select(a, n, rank)
    if not two:
        return lower
    upper = np.inf
    for i in range(rank + 1, n):
        upper = a[i] if a[i] < upper else upper
    return 0.5 * (lower + upper)


@_compiled
def _column_median(x: FloatArray, b: int, low: float, high: float, row: FloatArray) -> float:
    """Median of column ``b``: only the values in the window are ordered, if the median is among them."""
    n = x.shape[0]
    count, below = _U(0), _U(0)
    for i in range(n):
        t = x[i, b]
        row[count] = t
        count += _U(t >= low) & _U(t <= high)
        below += _U(t < low)
    rank = (n - 1) // 2
    two = n % 2 == 0
    found, inside = np.int64(count), rank - np.int64(below)
    if inside >= 0 and inside + np.int64(two) < found:
        return _middle(row, found, inside, two)
    for i in range(n):
        row[i] = x[i, b]
    return _middle(row, n, rank, two)


@_compiled
def draw_centres(
    values: FloatArray,
    errors: FloatArray,
    state: WordArray,
    pairs: NDArray[np.int64],
    words: WordArray,
    flat: FloatArray,
    x: FloatArray,
    row: FloatArray,
    total: FloatArray,
    squares: FloatArray,
    means: FloatArray,
    medians: FloatArray,
    pooled: FloatArray,
) -> None:
    """Draw all stars of one cluster many times.

    Parameters
    ----------
    values, errors : ndarray, shape (n,)
        Measured values and their errors.
    state : ndarray of uint64, shape (8,)
        State of the generators, advanced in place.
    pairs : ndarray of int64, shape (m, 2)
        Sorting network for n rows; not used for n above `NETWORK_LIMIT`.
    words : ndarray of uint64, shape (n * LANES,)
        Scratch.
    flat, x : ndarray, shapes (n * LANES,) and (n, LANES)
        Scratch: two views of the same memory.
    row, total, squares : ndarray, shapes (n + 1,), (LANES,), (LANES,)
        Scratch.
    means : ndarray, shape (draws,)
        Filled with the mean over the stars of each draw.
    medians : ndarray, shape (draws,) or (0,)
        Filled with the medians, if not empty.
    pooled : ndarray, shape (2,)
        Filled with mean and standard deviation (population) of all values drawn.
    """
    n, draws, lanes = values.size, means.size, x.shape[1]
    wanted = medians.size > 0
    origin = values[0]  # sums about a value of the cluster lose no digits
    sum_all, squares_all = 0.0, 0.0
    low, high = -np.inf, np.inf
    m_count, m_mean, m_square = 0, 0.0, 0.0
    lower, upper = (n - 1) // 2, n // 2
    for start in range(0, draws, lanes):
        used = lanes if start + lanes <= draws else draws - start
        fill_words(state, words)
        normals(words, flat)
        _scale(x, values, errors, origin, total, squares)
        for b in range(used):
            means[start + b] = origin + total[b] / n
            sum_all += total[b]
            squares_all += squares[b]
        if not wanted:
            continue
        if n <= NETWORK_LIMIT:
            _sort_network(flat, lanes, pairs)
            for b in range(used):
                medians[start + b] = origin + 0.5 * (x[lower, b] + x[upper, b])
            continue
        for b in range(used):
            found = _column_median(x, b, low, high, row)
            medians[start + b] = origin + found
            m_count += 1
            step = found - m_mean
            m_mean += step / m_count
            m_square += step * (found - m_mean)
        if m_count > 1:
            width = _WINDOW * np.sqrt(m_square / (m_count - 1))
            low, high = m_mean - width, m_mean + width
    mean = sum_all / (n * draws)
    variance = squares_all / (n * draws) - mean * mean
    pooled[0] = origin + mean
    pooled[1] = np.sqrt(variance) if variance > 0.0 else 0.0


def sorting_network(n: int) -> NDArray[np.int64]:
    """Compare-exchange pairs that put the middle of ``n`` rows in place.

    Batcher's odd-even merge sort (1968, AFIPS Spring Joint Computer Conf. 32, 307), without the pairs that do not bear
    on the middle row or rows.

    Parameters
    ----------
    n : int
        Number of rows.

    Returns
    -------
    ndarray of int64, shape (m, 2)
    """
    pairs: list[tuple[int, int]] = []
    p = 1
    while p < n:
        k = p
        while k >= 1:
            for j in range(k % p, n - k, 2 * k):
                pairs += [
                    (i + j, i + j + k) for i in range(min(k, n - j - k)) if (i + j) // (2 * p) == (i + j + k) // (2 * p)
                ]
            k //= 2
        p *= 2
    needed, kept = {(n - 1) // 2, n // 2}, []
    for pair in reversed(pairs):
        if needed & set(pair):
            needed |= set(pair)
            kept.append(pair)
    return np.array(kept[::-1], dtype=np.int64).reshape(-1, 2)
