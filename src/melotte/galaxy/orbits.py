"""Orbits of many points at once: look-back snapshots, refined turning points, integrals, and why a row has none."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ConfigError
from .components import Array
from .frames import angular_momentum
from .generic import integrate_generic
from .integrator import NOT_FINITE, OK, TOO_MANY_STEPS, UNBOUND, integrate
from .potential import Axisymmetric, Potential, TabulatedPotential

#: 1 kpc/(km/s) in Myr (Julian years).
MYR: Final = 648000.0 / np.pi * 149597870.7 * 1e3 / (365.25 * 86400.0 * 1e6)

#: Error of one step: keeps |dE/E| below 1e-7 over 500 Myr for disc orbits.
TOLERANCE: Final = 1e-7
#: Orbits whose energy drifts by more than this are masked.
ENERGY_GATE: Final = 1e-6

_REASONS = {
    NOT_FINITE: "no position or velocity",
    UNBOUND: "unbound: total energy is not negative",
    TOO_MANY_STEPS: "the integrator ran out of steps",
}


@dataclass(frozen=True)
class Orbits:
    """Orbits of N points. Rows with a ``reason`` hold NaN in everything the integration would have given.

    Attributes
    ----------
    times : ndarray, shape (M,)
        Look-back times of the snapshots [Myr]; negative is the future.
    position, velocity : ndarray, shape (N, M, 3)
        Galactocentric, right-handed [kpc, km/s].
    r_peri, r_apo : ndarray, shape (N,)
        Smallest and largest distance from the Galactic centre [kpc].
    R_min, R_max : ndarray
        Smallest and largest distance from the rotation axis [kpc].
    z_max : ndarray
        Largest distance from the mid-plane [kpc].
    energy : ndarray
        Total energy, zero at infinity [km2/s2].
    momentum : ndarray, shape (N, 3)
        r x v, right-handed [kpc km/s].
    guiding_radius : ndarray
        Radius of the circular orbit of the same L_z [kpc]; NaN if the potential is not axisymmetric.
    passages : ndarray of int, shape (N, 2)
        Pericentres and apocentres passed. Where one is 0, the extreme is only a bound.
    energy_error : ndarray
        max |E - E_0| / |E_0| along the orbit; NaN if the potential is not axisymmetric (energy is not conserved then).
    reason : ndarray of str, shape (N,)
        Why a row is masked; empty where it is not.
    """

    times: Array
    position: Array
    velocity: Array
    r_peri: Array
    r_apo: Array
    R_min: Array
    R_max: Array
    z_max: Array
    energy: Array
    momentum: Array
    guiding_radius: Array
    passages: np.ndarray[tuple[int, int], np.dtype[np.int64]]
    energy_error: Array
    reason: np.ndarray[tuple[int], np.dtype[np.str_]]

    @property
    def eccentricity(self) -> Array:
        """``(r_apo - r_peri) / (r_apo + r_peri)`` from the distances to the centre, shape (N,)."""
        return (self.r_apo - self.r_peri) / (self.r_apo + self.r_peri)

    @property
    def good(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Rows without a reason."""
        return np.asarray(self.reason == "", dtype=np.bool_)


def integrate_orbits(
    position: ArrayLike,
    velocity: ArrayLike,
    potential: Potential,
    *,
    times: Sequence[float] | Array = (0.0, 100.0, 200.0, 300.0, 400.0, 500.0),
    span: float = 500.0,
    patience: float = 10_000.0,
    forward: bool = False,
    tolerance: float = TOLERANCE,
    energy_gate: float = ENERGY_GATE,
    max_steps: int = 2_000_000,
    jobs: int = 1,
) -> Orbits:
    """Integrate orbits into the past (or the future).

    Parameters
    ----------
    position, velocity : array_like, shape (N, 3)
        Galactocentric, right-handed [kpc, km/s]. Rows with NaN are masked.
    potential : Potential
    times : sequence of float
        Times of the snapshots, look-back if not ``forward`` [Myr]; any order, not negative.
    span : float
        Extremes are sought over this time at least [Myr].
    patience : float
        An orbit that has not passed both a pericentre and an apocentre goes on, at most for this long [Myr].
    forward : bool
        Into the future instead.
    tolerance : float
        Relative error of one step.
    energy_gate : float
        Orbits with a larger relative energy error are masked (axisymmetric potentials only).
    max_steps : int
        Steps after which an orbit is given up.
    jobs : int
        Threads. The result does not depend on it.

    Returns
    -------
    Orbits

    Raises
    ------
    ConfigError
        If shapes do not fit or a time is negative.
    """
    x, v = np.atleast_2d(np.asarray(position, dtype=float)), np.atleast_2d(np.asarray(velocity, dtype=float))
    if x.ndim != 2 or x.shape != v.shape or x.shape[1] != 3:
        raise ConfigError(f"positions have shape {x.shape}, velocities {v.shape}", expected="both (N, 3)")
    t = np.asarray(times, dtype=float)
    if t.ndim != 1 or not np.all(np.isfinite(t)) or np.any(t < 0) or not span >= 0:
        raise ConfigError(f"times {times} and span {span} are not possible", expected="finite, not negative")
    sign = 1.0 if forward else -1.0
    order = np.argsort(t, kind="stable")
    start = np.ascontiguousarray(np.concatenate([x, sign * v], axis=1))
    n, m = len(start), len(t)
    snapshots, extremes, drift = np.empty((n, m, 6)), np.empty((n, 5)), np.empty(n)
    seen, status = np.zeros((n, 2), dtype=np.int64), np.zeros(n, dtype=np.int64)
    elapsed = np.ascontiguousarray(t[order] / MYR)
    limits = span / MYR, max(patience, span, float(t.max(initial=0.0))) / MYR

    def chunk(rows: slice) -> None:
        out = snapshots[rows], extremes[rows], seen[rows], drift[rows], status[rows]
        if isinstance(potential, TabulatedPotential):
            integrate(*potential.table, start[rows], elapsed, *limits, tolerance, max_steps, *out)
        else:
            integrate_generic(potential, start[rows], elapsed, limits[0], tolerance, sign, *out)

    size = max(1, min(2048, -(-n // max(jobs, 1))))
    chunks = [slice(first, first + size) for first in range(0, n, size)]
    if jobs > 1 and len(chunks) > 1:
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(chunk, chunks))
    else:
        for rows in chunks:
            chunk(rows)

    again = np.flatnonzero((status == OK) & (drift > energy_gate))
    if again.size and isinstance(potential, TabulatedPotential):
        # Rare orbits through the innermost kiloparsec: once more with smaller steps before the gate decides.
        out = tuple(np.ascontiguousarray(a[again]) for a in (snapshots, extremes, seen, drift, status))
        integrate(*potential.table, start[again], elapsed, *limits, 1e-4 * tolerance, max_steps, *out)
        for target, source in zip((snapshots, extremes, seen, drift, status), out, strict=True):
            target[again] = source

    back = np.empty_like(snapshots)
    back[:, order] = snapshots
    reason = np.full(n, "", dtype="U80")
    for code, text in _REASONS.items():
        reason[status == code] = text
    gated = (status == OK) & ~(drift <= energy_gate) & np.isfinite(drift)
    reason[gated] = [f"energy error {d:.1e} above {energy_gate:.1e}" for d in drift[gated]]
    bad = reason != ""
    back[bad], extremes[bad] = np.nan, np.nan
    momentum = angular_momentum(x, v)
    return Orbits(
        times=sign * -1.0 * t,
        position=back[..., :3],
        velocity=sign * back[..., 3:],
        r_peri=extremes[:, 0],
        r_apo=extremes[:, 1],
        R_min=extremes[:, 2],
        R_max=extremes[:, 3],
        z_max=extremes[:, 4],
        energy=_energy(x, v, potential),
        momentum=momentum,
        guiding_radius=(
            potential.guiding_radius(momentum[:, 2]) if isinstance(potential, Axisymmetric) else np.full(n, np.nan)
        ),
        passages=seen,
        energy_error=drift,
        reason=reason,
    )


def _energy(x: Array, v: Array, potential: Potential) -> Array:
    energy = np.full(len(x), np.nan)
    known = np.isfinite(x).all(axis=1) & np.isfinite(v).all(axis=1)
    if known.any():
        energy[known] = 0.5 * (v[known] ** 2).sum(axis=1) + potential.potential(x[known])
    return energy
