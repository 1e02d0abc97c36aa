"""Which identifiers have come by already: exact repeats across the batches of a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class _Run:
    """Sorted keys, and the numbers attached to them."""

    keys: Any
    payload: tuple[Any, ...]

    def merged(self, other: _Run) -> _Run:
        keys = np.concatenate([self.keys, other.keys])
        order = np.argsort(keys, kind="stable")  # two sorted runs in a row: merged in linear time
        payload = (np.concatenate(both)[order] for both in zip(self.payload, other.payload, strict=True))
        return _Run(keys[order], tuple(payload))


class Seen:
    """A growing set of 64-bit keys with a few numbers attached to each.

    The keys are kept in sorted runs, each more than twice as long as the next, so that n keys added batch by batch cost
    O(n log n). Memory is 8 bytes a key plus the payload: 6.5 million spectra with their coordinates take about 100 MB.
    """

    def __init__(self, payload: tuple[str, ...]) -> None:
        self._dtypes = tuple(np.dtype(t) for t in payload)
        self._runs: list[_Run] = []

    def lookup(self, keys: Any) -> tuple[Any, tuple[Any, ...]]:
        """Whether each key is known, and the payload of its first appearance.

        Parameters
        ----------
        keys : array of uint64, shape (n,)

        Returns
        -------
        known : array of bool, shape (n,)
        payload : tuple of arrays, shape (n,)
            Zero where ``known`` is false.
        """
        known = np.zeros(len(keys), dtype=bool)
        payload = tuple(np.zeros(len(keys), dtype) for dtype in self._dtypes)
        order = np.argsort(keys)  # neighbouring keys are found in neighbouring memory
        wanted = keys[order]
        for run in self._runs:
            index = np.minimum(np.searchsorted(run.keys, wanted), len(run.keys) - 1)
            hit = run.keys[index] == wanted
            known[order[hit]] = True
            for found, values in zip(payload, run.payload, strict=True):
                found[order[hit]] = values[index[hit]]
        return known, payload

    def add(self, keys: Any, *payload: Any) -> None:
        """Add keys that are not known yet and do not repeat."""
        if not len(keys):
            return
        order = np.argsort(keys)
        columns = zip(payload, self._dtypes, strict=True)
        run = _Run(keys[order], tuple(values[order].astype(dtype) for values, dtype in columns))
        while self._runs and len(self._runs[-1].keys) <= 2 * len(run.keys):
            run = self._runs.pop().merged(run)
        self._runs.append(run)
