"""Which identifiers have come by already: exact repeats across the batches of a stream."""

from __future__ import annotations

from typing import Any

import numpy as np


class Seen:
    """A growing sorted set of 64-bit keys with a few numbers attached to each.

    Memory is 8 bytes a key plus the payload: 6.5 million spectra with their coordinates take about 100 MB.
    """

    def __init__(self, payload: tuple[str, ...]) -> None:
        self._keys: Any = np.empty(0, dtype=np.uint64)
        self._payload: tuple[Any, ...] = tuple(np.empty(0, dtype=t) for t in payload)

    def lookup(self, keys: Any) -> tuple[Any, tuple[Any, ...]]:
        """Whether each key is known, and the payload of its first appearance.

        Parameters
        ----------
        keys : array of uint64, shape (n,)

        Returns
        -------
        known : array of bool, shape (n,)
        payload : tuple of arrays, shape (n,)
            Meaningless where ``known`` is false.
        """
        if not len(self._keys):
            return np.zeros(len(keys), dtype=bool), tuple(np.zeros(len(keys), p.dtype) for p in self._payload)
        index = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return self._keys[index] == keys, tuple(p[index] for p in self._payload)

    def add(self, keys: Any, *payload: Any) -> None:
        """Add keys that are not known yet and do not repeat."""
        merged = np.concatenate([self._keys, keys])
        # Two sorted runs in a row: the stable sort merges them in linear time.
        tail = np.argsort(keys, kind="stable")
        merged[len(self._keys) :] = keys[tail]
        order = np.argsort(merged, kind="stable")
        self._keys = merged[order]
        self._payload = tuple(
            np.concatenate([old, new[tail].astype(old.dtype)])[order]
            for old, new in zip(self._payload, payload, strict=True)
        )
