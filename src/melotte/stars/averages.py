"""Inverse-variance means of groups of rows, for a million rows at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def has_valid_error(quantity: str) -> pl.Expr:
    """Whether a row has a value of ``quantity`` and a positive error of it."""
    return pl.col(quantity).is_not_null() & (pl.col(f"{quantity}_error") > 0).fill_null(False)


@dataclass(frozen=True)
class WeightedMeans:
    """Inverse-variance means of the groups of a column; NaN where there is none.

    Attributes
    ----------
    mean, error : ndarray, shape (n_groups,)
        In the unit of the values. The error is inflated by sqrt(chi2 / (n - 1)) where larger than 1; NaN, and the mean
        the first value of the group, if no value has a valid error.
    chi2 : ndarray, shape (n_groups,)
        Chi-square about the mean, of groups with two valid values or more.
    n_valid : ndarray of int, shape (n_groups,)
        Number of values with a valid error.
    """

    mean: FloatArray
    error: FloatArray
    chi2: FloatArray
    n_valid: NDArray[np.int64]


def weighted_means(values: pl.Series, errors: pl.Series, starts: NDArray[np.int64]) -> WeightedMeans:
    """Inverse-variance mean of each group of rows.

    Parameters
    ----------
    values, errors : polars.Series, length n
        A quantity and its uncertainty, in one unit; rows of a group are adjacent, in order of preference.
    starts : ndarray of int64, shape (n_groups,)
        First row of each group.

    Returns
    -------
    WeightedMeans
    """
    n_rows, n_groups = len(values), len(starts)
    group = np.repeat(np.arange(n_groups), np.diff(np.append(starts, n_rows)))
    v, e = (x.cast(pl.Float64).fill_null(np.nan).to_numpy() for x in (values, errors))
    valid = ~np.isnan(v) & (e > 0)
    v, e, of = v[valid], e[valid], group[valid]
    smallest = np.full(n_groups, np.inf)
    np.minimum.at(smallest, of, e)
    weight = (smallest[of] / e) ** 2  # relative to the best value: no overflow, however small the errors

    def total(x: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(of, weights=x, minlength=n_groups), dtype=np.float64)

    n_valid = np.bincount(of, minlength=n_groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = total(weight)
        mean = total(weight * v) / weights
        mean += total(weight * (v - mean[of])) / weights  # second step: equal values average to themselves exactly
        chi2 = np.where(n_valid > 1, total(((v - mean[of]) / e) ** 2), np.nan)
        error = smallest / np.sqrt(weights) * np.fmax(1.0, np.sqrt(chi2 / (n_valid - 1)))
    single = n_valid == 1  # as published, to the last digit
    alone = single[of]
    mean[of[alone]], error[of[alone]] = v[alone], e[alone]
    first = first_known(values, starts)
    fallback = (n_valid == 0) & (first >= 0)
    mean[fallback] = values.cast(pl.Float64).to_numpy()[first[fallback]]
    error[n_valid == 0] = np.nan
    return WeightedMeans(mean, error, chi2, n_valid)


def first_known(values: pl.Series, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row of the first value that is not missing in each group of adjacent rows; -1 if there is none."""
    known = values.is_not_null().to_numpy()
    rows = np.flatnonzero(known)
    where = np.searchsorted(rows, starts)
    found = np.append(rows, -1)[where]
    ends = np.append(starts[1:], len(values))
    return np.where(found < ends, found, -1)
