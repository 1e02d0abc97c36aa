"""Orbits in any `Potential`: scipy's DOP853, all orbits of a batch as one system, for backends without a kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.interpolate import BPoly

from .components import Array
from .integrator import NOT_FINITE, OK, TOO_MANY_STEPS, UNBOUND
from .potential import Potential


def integrate_generic(
    potential: Potential,
    start: Array,
    times: Array,
    span: float,
    tolerance: float,
    sign: float,
    snapshots: Array,
    extremes: Array,
    seen: Any,
    drift: Array,
    status: Any,
) -> None:
    """Fill the same output arrays as `melotte.galaxy.integrator.integrate`.

    The orbits are sampled every 1/512 of the span (at most 2 Myr); turning points are refined between samples with
    the quintic through value, velocity and acceleration. Orbits do not go on beyond ``span`` and the last snapshot.
    """
    snapshots[:], extremes[:], drift[:], seen[:] = np.nan, np.nan, np.nan, 0
    finite = np.isfinite(start).all(axis=1)
    status[:] = np.where(finite, OK, NOT_FINITE)
    rows = np.flatnonzero(finite)
    if not rows.size:
        return
    energy = 0.5 * (start[rows, 3:] ** 2).sum(axis=1) + potential.potential(start[rows, :3])
    status[rows[energy >= 0]] = UNBOUND
    rows, energy = rows[energy < 0], energy[energy < 0]
    end = max(span, float(times.max(initial=0.0)))
    if not rows.size:
        return
    n = rows.size

    def slope(t: float, y: Array) -> Array:
        state = y.reshape(n, 6)
        return np.concatenate([state[:, 3:], potential.acceleration(state[:, :3], sign * t)], axis=1).ravel()

    grid = np.unique(
        np.concatenate(
            [
                np.linspace(0.0, end, max(2, int(np.ceil(end / min(end / 512, 0.002))))) if end > 0 else np.zeros(1),
                times,
            ]
        )
    )
    y0 = start[rows].ravel()
    if end > 0:
        size = np.repeat([np.abs(start[rows, :3]).max(), np.abs(start[rows, 3:]).max()], 3)
        atol = np.tile(np.concatenate([size[:3], size[3:]]), n) * 1e-3 * tolerance
        solution = solve_ivp(slope, (0.0, end), y0, method="DOP853", t_eval=grid, rtol=1e-2 * tolerance, atol=atol)
        if not solution.success:
            status[rows] = TOO_MANY_STEPS
            return
        path = solution.y.T.reshape(grid.size, n, 6)
    else:
        path = y0.reshape(1, n, 6)
    snapshots[rows] = np.moveaxis(path[np.searchsorted(grid, times)], 0, 1)
    force = np.stack([potential.acceleration(p[:, :3], sign * t) for p, t in zip(path, grid, strict=True)])
    for i, row in enumerate(rows):
        x, v, a = path[:, i, :3], path[:, i, 3:], force[:, i]
        for axes, columns in ((slice(0, 3), (0, 1)), (slice(0, 2), (2, 3))):
            value = (x[:, axes] ** 2).sum(axis=1)
            rate = 2.0 * (x[:, axes] * v[:, axes]).sum(axis=1)
            curve = 2.0 * ((v[:, axes] ** 2).sum(axis=1) + (x[:, axes] * a[:, axes]).sum(axis=1))
            low, high = _extremes(grid, value, rate, curve)
            extremes[row, columns] = np.sqrt(low), np.sqrt(high)
            if columns == (0, 1):
                turns = np.diff(np.sign(rate))
                seen[row] = (turns > 0).sum(), (turns < 0).sum()
        low, high = _extremes(grid, x[:, 2], v[:, 2], a[:, 2])
        extremes[row, 4] = max(-low, high)
        if potential.axisymmetric:
            along = 0.5 * (v**2).sum(axis=1) + potential.potential(x)
            drift[row] = np.abs(along / energy[i] - 1.0).max()


def _extremes(grid: Array, value: Array, rate: Array, curve: Array) -> tuple[float, float]:
    """Smallest and largest value of the quintic spline through value, first and second derivative."""
    candidates = [value]
    turning = np.flatnonzero(rate[:-1] * rate[1:] < 0.0)
    if turning.size:
        for k in turning:
            pair = slice(k, k + 2)
            quintic = BPoly.from_derivatives(grid[pair], np.stack([value[pair], rate[pair], curve[pair]], axis=1))
            t0, t1 = grid[pair]
            d = quintic.derivative()
            for _ in range(50):
                middle = 0.5 * (t0 + t1)
                if d(middle) * rate[k] > 0.0:
                    t0 = middle
                else:
                    t1 = middle
            candidates.append(np.atleast_1d(quintic(0.5 * (t0 + t1))))
    everything = np.concatenate(candidates)
    return float(everything.min()), float(everything.max())
