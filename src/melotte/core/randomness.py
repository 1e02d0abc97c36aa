"""One seed, one generator per (stage, cluster): the result does not depend on order, chunks or threads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Streams:
    """A family of independent random generators named by text.

    Parameters
    ----------
    seed : int
        The seed of the run (``[run] seed`` in the configuration).
    path : tuple of str
        Names of the streams above this one.

    Notes
    -----
    The name is hashed (SHA-256) into the spawn key of a `numpy.random.SeedSequence`, so that the generator of
    one cluster is the same whether it is drawn first, last, alone or by another thread.
    """

    seed: int
    path: tuple[str, ...] = ()

    def child(self, name: str) -> Streams:
        """The sub-family called ``name`` (a stage)."""
        return Streams(self.seed, (*self.path, name))

    def sequence(self, name: str) -> np.random.SeedSequence:
        """The seed sequence called ``name``."""
        digest = hashlib.sha256("\x1f".join((*self.path, name)).encode()).digest()
        key = tuple(int(word) for word in np.frombuffer(digest[:16], dtype="<u4"))
        return np.random.SeedSequence(self.seed, spawn_key=key)

    def generator(self, name: str) -> np.random.Generator:
        """The generator called ``name`` (a cluster)."""
        return np.random.Generator(np.random.PCG64DXSM(self.sequence(name)))
