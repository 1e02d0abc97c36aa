"""Percentiles of everything derived, from draws of what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl

from ..core.randomness import Streams
from . import frames, legacy
from .components import Array
from .orbits import TOLERANCE, Orbits, integrate_orbits
from .percentiles import Percentiles
from .potential import Potential
from .sun import Sun, SunDraws

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]

#: Error of one step for draws: positions to 1e-4 kpc over 500 Myr, far below what the errors of the input spread.
DRAW_TOLERANCE: Final = 1e-6
#: Draws of one cluster held at a time.
BLOCK: Final = 8192

#: Receives the draws of one cluster, block by block, in the order of the clusters.
Sink = Callable[[pl.DataFrame], None]


@dataclass(frozen=True)
class Observed:
    """What was measured, one entry a row; NaN is missing. Errors are standard deviations."""

    name: Sequence[str]
    ra: Array  #: deg
    dec: Array  #: deg
    distance: Array  #: kpc
    pmra: Array  #: mas/yr
    pmdec: Array  #: mas/yr
    rv: Array  #: km/s
    distance_modulus_error: Array  #: mag
    pmra_error: Array  #: mas/yr
    pmdec_error: Array  #: mas/yr
    pm_correlation: Array
    rv_error: Array  #: km/s

    def __len__(self) -> int:
        return len(self.name)

    def __getitem__(self, row: int) -> Observed:
        values = {k: v[row : row + 1] for k, v in vars(self).items() if k != "name"}
        return Observed(name=[self.name[row]], **values)

    def galactocentric(self, sun: Sun | SunDraws, k: float) -> tuple[Array, Array]:
        """Position and velocity, shape (N, 3) [kpc, km/s]."""
        seen = frames.heliocentric(self.ra, self.dec, self.distance, self.pmra, self.pmdec, self.rv, k=k)
        return frames.to_galactocentric(*seen, sun)

    def draw(self, rng: np.random.Generator, size: int) -> Observed:
        """``size`` draws of a table of one row.

        Distance modulus, radial velocity and proper motion are normal, the latter with its correlation; an error that
        is missing counts as zero.
        """
        normal = rng.standard_normal((size, 4))
        error = {
            n: float(np.nan_to_num(getattr(self, n)[0]))
            for n in ("distance_modulus_error", "pmra_error", "pmdec_error", "pm_correlation", "rv_error")
        }
        rho = error["pm_correlation"]
        same = np.broadcast_to
        return Observed(
            name=[self.name[0]] * size,
            ra=same(self.ra, size),
            dec=same(self.dec, size),
            distance=self.distance * 10.0 ** (0.2 * error["distance_modulus_error"] * normal[:, 0]),
            pmra=self.pmra + error["pmra_error"] * normal[:, 1],
            pmdec=self.pmdec + error["pmdec_error"] * (rho * normal[:, 1] + np.sqrt(1.0 - rho**2) * normal[:, 2]),
            rv=self.rv + error["rv_error"] * normal[:, 3],
            **{n: same(getattr(self, n), size) for n in error},
        )


@dataclass(frozen=True)
class Chain:
    """From measured values to derived ones."""

    sun: Sun
    potential: Potential
    times: Array  #: look-back times [Myr]
    span: float  #: Myr
    published: bool = False  #: the chain of `melotte.galaxy.legacy`

    @property
    def k(self) -> float:
        """km/s per (mas/yr kpc)."""
        return frames.K_365 if self.published else frames.K_JULIAN

    def run(
        self, seen: Observed, sun: Sun | SunDraws, potential: Potential, *, tolerance: float = TOLERANCE, jobs: int = 1
    ) -> tuple[dict[str, Array], Orbits]:
        """Derived quantities by the names of the schema, shape (N,), and the orbits."""
        position, velocity = seen.galactocentric(sun, self.k)
        momentum = frames.published_momentum(frames.angular_momentum(position, velocity))
        place = frames.cylindrical(position, velocity)
        start = position, velocity
        if self.published:
            start = legacy.unrotated_start(position, velocity, self.sun.z)
        orbits = integrate_orbits(
            *start,
            potential,
            times=self.times,
            span=self.span,
            patience=max(self.span, legacy.SPAN),
            tolerance=tolerance,
            jobs=jobs,
        )
        if self.published:
            # The published extremes are those of the future; the snapshots above are of the past.
            future = integrate_orbits(*start, potential, times=(), span=legacy.SPAN, forward=True, jobs=jobs)
            orbits = replace(future, times=orbits.times, position=orbits.position, velocity=orbits.velocity)
        guiding = orbits.guiding_radius
        if self.published and hasattr(potential, "guiding_radius"):
            guiding = potential.guiding_radius(momentum[:, 2])
        known = np.where(np.isfinite(position).all(axis=1) & np.isfinite(velocity).all(axis=1), 1.0, np.nan)
        return {
            "u_lsr": velocity[:, 0],
            "v_lsr": velocity[:, 1],
            "w_lsr": velocity[:, 2],
            "l_x": momentum[:, 0],
            "l_y": momentum[:, 1],
            "l_z": momentum[:, 2],
            "r_gc": place.R,
            "z_gc": place.z,
            "v_r": place.v_R * known,
            "v_phi": -place.v_phi * known,
            "r_peri": orbits.r_peri,
            "r_apo": orbits.r_apo,
            "ecc": orbits.eccentricity,
            "z_max": orbits.z_max,
            "guiding_radius": guiding,
            "energy": orbits.energy + (legacy.GALPOT_ZERO_POINT if self.published else 0.0),
        }, orbits


def sample(
    observed: Observed,
    chain: Chain,
    *,
    draws: int,
    rng: Streams,
    sample_sun: bool = False,
    potentials: Sequence[Potential] = (),
    jobs: int = 1,
    sink: Sink | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, Array], Array, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Percentiles of the derived quantities of each row.

    Parameters
    ----------
    observed : Observed
    chain : Chain
    draws : int
        Draws per row.
    rng : Streams
        One stream per row by its name, and one for the Suns, which are the same for all rows.
    sample_sun : bool
        Draw the Sun too.
    potentials : sequence of Potential
        Drawn with equal weight (draw i takes number i modulo their count); empty for that of ``chain`` alone.
    jobs : int
        Threads. The result does not depend on it.
    sink : callable, optional
        Gets all draws, row by row in order.
    progress : callable, optional
        Called with rows done and rows in all.

    Returns
    -------
    quantities : dict of ndarray, shape (N, 3)
        By name; 16th, 50th, 84th percentile.
    snapshots : ndarray, shape (N, 3, M, 2)
        Percentiles of R and z at the look-back times.
    used : ndarray of int, shape (N,)
        Draws behind them: bound, energy conserved.
    """
    choices = list(potentials) or [chain.potential]
    suns = chain.sun.draw(rng.generator("the Sun"), draws) if sample_sun else None

    def one(row: int, inner: int = 1) -> tuple[Array | None, int]:
        single = observed[row]
        generator = rng.generator(f"row {observed.name[row]}")
        percentiles, good_draws = Percentiles(), 0
        for first in range(0, draws, BLOCK):
            size = min(BLOCK, draws - first)
            drawn = single.draw(generator, size)
            sun = chain.sun if suns is None else suns[first : first + size]
            values, good = _block(chain, drawn, sun, choices, first, inner)
            good_draws += int(good.sum())
            if good.any():
                percentiles.add(values[good])
            if sink is not None:
                sink(_frame(observed.name[row], first, values, good, chain.times))
        return percentiles.result(), good_draws

    rows = [row for row in range(len(observed)) if _complete(observed[row])]
    out = np.full((len(observed), 3, len(names(chain.times))), np.nan)
    used = np.zeros(len(observed), dtype=np.int64)
    with ThreadPoolExecutor(max(jobs, 1)) as pool:
        # Draws are handed on in order and a block at a time: then the threads share a block, otherwise the rows.
        results = (one(row, jobs) for row in rows) if sink is not None else pool.map(one, rows)
        for done, (row, (result, number)) in enumerate(zip(rows, results, strict=True), start=1):
            used[row] = number
            if result is not None:
                out[row] = result
            if progress is not None:
                progress(done, len(rows))
    m = 2 * len(chain.times)
    scalars = names(chain.times)[: out.shape[2] - m]
    return (
        {name: out[:, :, n] for n, name in enumerate(scalars)},
        out[:, :, out.shape[2] - m :].reshape(len(observed), 3, len(chain.times), 2),
        used,
    )


def names(times: Array) -> list[str]:
    """Names of the columns of all draws: the quantities of the schema, then R and z at each look-back time."""
    from ..schema.dynamics import SAMPLED

    return [*SAMPLED, *(f"{axis}_gc_{t:g}_myr" for t in times for axis in "rz")]


def _complete(row: Observed) -> bool:
    needed = (row.ra, row.dec, row.distance, row.pmra, row.pmdec, row.rv)
    return bool(np.isfinite(np.concatenate(needed)).all()) and bool(row.distance[0] > 0)


def _block(
    chain: Chain, drawn: Observed, sun: Sun | SunDraws, choices: Sequence[Potential], first: int, jobs: int
) -> tuple[Array, Mask]:
    """Derived quantities of a block of draws, shape (draws, quantities), and which draws are good."""
    size, m = len(drawn), len(chain.times)
    values, good = np.empty((size, len(names(chain.times)))), np.zeros(size, dtype=np.bool_)
    for number, potential in enumerate(choices):
        rows = np.flatnonzero((first + np.arange(size)) % len(choices) == number)
        if not rows.size:
            continue
        if rows.size == size:
            part, star = drawn, sun
        else:
            part = Observed(
                [drawn.name[int(r)] for r in rows], **{k: v[rows] for k, v in vars(drawn).items() if k != "name"}
            )
            star = (
                sun if isinstance(sun, Sun) else SunDraws(sun.position[rows], sun.velocity[rows], sun.tilt_sine[rows])
            )
        derived, orbits = chain.run(part, star, potential, tolerance=DRAW_TOLERANCE, jobs=jobs)
        R = np.hypot(orbits.position[..., 0], orbits.position[..., 1])
        places = np.stack([R, orbits.position[..., 2]], axis=2).reshape(len(part), 2 * m)
        values[rows] = np.concatenate([np.stack(list(derived.values()), axis=1), places], axis=1)
        good[rows] = orbits.good
    return values, good


def _frame(name: str, first: int, values: Array, good: Mask, times: Array) -> pl.DataFrame:
    columns = {n: pl.Series(values[:, i]).fill_nan(None) for i, n in enumerate(names(times))}
    return pl.DataFrame(
        {
            "cluster": [name] * len(values),
            "draw": np.arange(first, first + len(values), dtype=np.int64),
            **columns,
            "good": good,
        }
    )
