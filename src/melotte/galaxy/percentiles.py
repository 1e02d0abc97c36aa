"""Percentiles of a stream of draws, in memory that does not grow with their number."""

from __future__ import annotations

from typing import Final

import numpy as np

from .components import Array

_BINS: Final = 1 << 16
_LEVELS: Final = (16.0, 50.0, 84.0)


class Percentiles:
    """16th, 50th and 84th percentile of blocks of draws, in constant memory.

    The first block is kept: up to its size the percentiles are exact. Beyond, draws are counted in 65,536 bins over
    three times the range of the first block, and the percentiles are good to a bin.
    """

    def __init__(self) -> None:
        self._first: Array | None = None
        self._counts: Array | None = None
        self._low = self._width = np.empty(0)

    def add(self, values: Array) -> None:
        """Add draws, shape (draws, quantities)."""
        if self._first is None:
            self._first = values.copy()
            return
        if self._counts is None:
            low, high = self._first.min(axis=0), self._first.max(axis=0)
            reach = np.maximum(high - low, 1e-12 * np.maximum(np.abs(low), 1e-12))
            self._low, self._width = low - reach, 3.0 * reach / _BINS
            self._counts = np.zeros((values.shape[1], _BINS + 2))
            self._count(self._first)
        self._count(values)

    def _count(self, values: Array) -> None:
        assert self._counts is not None
        place = np.nan_to_num(np.floor((values - self._low) / self._width) + 1)  # a column may be NaN throughout
        index = np.clip(place, 0, _BINS + 1).astype(np.int64)
        for column, bins in enumerate(index.T):
            self._counts[column] += np.bincount(bins, minlength=_BINS + 2)

    def result(self) -> Array | None:
        """Percentiles, shape (3, quantities); None without draws."""
        if self._counts is None:
            if self._first is None or not len(self._first):
                return None
            exact: Array = np.percentile(self._first, _LEVELS, axis=0)
            return exact
        edges = self._low[:, None] + self._width[:, None] * np.arange(_BINS + 1)
        total = self._counts.cumsum(axis=1)
        out = [[np.interp(q / 100.0 * t[-1], t[:-1], e) for t, e in zip(total, edges, strict=True)] for q in _LEVELS]
        return np.array(out)
