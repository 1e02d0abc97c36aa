"""Numbers that describe differences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

#: Standard deviation over median absolute deviation, for a Gaussian.
MAD_TO_SD = 1.4826022185056018
#: Standard error of a median over that of a mean, for a Gaussian: sqrt(pi / 2).
MEDIAN_FACTOR = float(np.sqrt(np.pi / 2))


@dataclass(frozen=True)
class Offset:
    """The distribution of differences, in the unit of the quantity.

    Attributes
    ----------
    n : int
        Number of differences.
    median, mean : float or None
        None without a difference.
    sd : float or None
        Classical standard deviation (n - 1); None below two.
    robust_sd : float or None
        1.4826 times the median absolute deviation from the median; None below two.
    median_error : float or None
        sqrt(pi / 2) robust_sd / sqrt(n): the asymptotic standard error of the median of a Gaussian of that width.
    mean_error : float or None
        sd / sqrt(n).
    """

    n: int
    median: float | None = None
    mean: float | None = None
    sd: float | None = None
    robust_sd: float | None = None
    median_error: float | None = None
    mean_error: float | None = None


def describe(differences: ArrayLike) -> Offset:
    """Median, mean, classical and robust scatter of differences.

    Parameters
    ----------
    differences : array_like, shape (n,)
        Finite numbers.
    """
    d = np.asarray(differences, dtype=np.float64)
    n = int(d.size)
    if n == 0:
        return Offset(0)
    median, mean = float(np.median(d)), float(np.mean(d))
    if n == 1:
        return Offset(1, median, mean)
    sd = float(np.std(d, ddof=1))
    robust = MAD_TO_SD * float(np.median(np.abs(d - median)))
    root = float(np.sqrt(n))
    return Offset(n, median, mean, sd, robust, MEDIAN_FACTOR * robust / root, sd / root)
