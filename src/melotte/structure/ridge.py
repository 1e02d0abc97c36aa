r"""The ridge of the thin disc in (L_Z, E): its model, its likelihood, its posterior.

The circular orbit has the lowest energy E_c of all orbits of one L_Z in the plane. In a disc whose velocities scatter
about the circular one like a Gaussian in two directions, the excess x = E - E_c(L_Z) is exponential with mean m (the
distribution functions of Shu 1969, ApJ 158, 505, and Dehnen 1999, AJ 118, 1201: exp(-x / sigma^2)). An error of the
velocity along one direction (the line of sight), of mean energy n, adds to one of the two: x is then distributed like
(a Z_1^2 + b Z_2^2) / 2 with standard normal Z, b = m and a = m + 2 n. The ridge is E_c + m, its scatter m, and
m = m_0 (L_Z / L_0)^beta. A share f of the clusters belongs to another population, with M > m in place of m.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize
from scipy.special import i0e

from ..errors import ConfigError, ConvergenceError
from ..galaxy import Axisymmetric, load_potential

Array = np.ndarray[Any, np.dtype[np.float64]]

PARAMETERS: Final = ("m0", "beta", "contrast", "share")
#: The other population is hotter by at least the first, at most the second factor, and is at most this share.
_CONTRAST: Final = (3.0, 100.0)
_SHARE: Final = 0.5
_ANGLES: Final = (np.arange(64) + 0.5) * (0.5 * np.pi / 64)
_WALKERS: Final = 20
_WARM_UP: Final = 300
_STEPS: Final = 1200
_LONGEST: Final = 24_000
_LENGTH: Final = 50.0
#: Draws kept, about.
_KEPT: Final = 400


class CircularOrbits:
    """Energy of the circular orbit of an angular momentum.

    Parameters
    ----------
    potential : str
        As in the configuration; it must be axisymmetric.
    zero : float
        Added to the energies [km2/s2].

    Raises
    ------
    ConfigError
        If the potential is not known or not axisymmetric.
    """

    def __init__(self, potential: str = "mcmillan2017", zero: float = 0.0) -> None:
        found = load_potential(potential)
        if not isinstance(found, Axisymmetric):
            raise ConfigError(
                f"the potential {potential!r} has no circular orbits",
                where="[galaxy] potential",
                expected="an axisymmetric potential for the ridge of the thin disc",
            )
        R = np.geomspace(0.01, 200.0, 2001)
        speed = found.v_circ(R)
        momentum = R * speed
        rising = np.concatenate([[True], np.diff(np.maximum.accumulate(momentum)) > 0])
        energy = 0.5 * speed**2 + found.evaluate(R, np.zeros_like(R))[0] + zero
        self._log = np.log(momentum[rising])
        self._curve = CubicSpline(self._log, energy[rising])

    def energy(self, l_z: Array) -> Array:
        """Energy [km2/s2] at L_z [kpc km/s], either sense of rotation; NaN outside 0.01 < R < 200 kpc."""
        with np.errstate(divide="ignore"):
            x = np.log(np.abs(l_z))
        inside = (x >= self._log[0]) & (x <= self._log[-1])
        out: Array = np.where(inside, self._curve(np.clip(x, self._log[0], self._log[-1])), np.nan)
        return out


def density(x: Array, mean: Array, noise: Array) -> Array:
    """Log density of an excess x [km2/s2] given the mean of the population and the energy of the noise."""
    if not noise.any():
        exponential: Array = -x / mean - np.log(mean)
        return exponential
    a, b = mean + 2.0 * noise, mean
    with np.errstate(invalid="ignore", divide="ignore"):
        half = x * (a - b) / (2.0 * a * b)
        value: Array = np.log(i0e(half)) + half - x * (a + b) / (2.0 * a * b) - 0.5 * np.log(a * b)
    return value


def survival(x: Array, mean: Array, noise: Array) -> Array:
    """Probability of an excess above x: the mean over the angle t of exp(-x / (a cos^2 t + b sin^2 t))."""
    a, b = np.broadcast_arrays(mean + 2.0 * noise, mean)
    width = a[..., None] * np.cos(_ANGLES) ** 2 + b[..., None] * np.sin(_ANGLES) ** 2
    out: Array = np.exp(-np.asarray(x)[..., None] / width).mean(axis=-1)
    return out


@dataclass(frozen=True)
class Ridge:
    """The posterior of the ridge.

    Attributes
    ----------
    draws : ndarray, shape (D, 4)
        m0 [km2/s2], beta, contrast M / m, share f.
    best : ndarray, shape (4,)
        At the maximum of the posterior.
    l_0 : float
        Pivot of the power law [kpc km/s].
    tau : float
        Autocorrelation time of the chain [steps].
    """

    draws: Array
    best: Array
    l_0: float
    tau: float

    def mean_excess(self, l_z: Array) -> Array:
        """m(L_Z) at the medians of the posterior [km2/s2]."""
        m0, beta = np.median(self.draws[:, :2], axis=0)
        out: Array = m0 * (np.abs(l_z) / self.l_0) ** beta
        return out

    def judge(self, x: Array, l_z: Array, noise: Array) -> tuple[Array, Array]:
        """p-value and probability of the other population for each cluster, shape (N,), averaged over the posterior."""
        p_value, p_other = np.zeros(len(x)), np.zeros(len(x))
        log_l = np.log(np.abs(l_z) / self.l_0)
        for m0, beta, contrast, share in self.draws:
            mean = m0 * np.exp(beta * log_l)
            p_value += survival(x, mean, noise)
            disc = np.log1p(-share) + density(x, mean, noise)
            other = np.log(share) + density(x, contrast * mean, noise)
            p_other += np.exp(other - np.logaddexp(disc, other))
        return np.minimum(p_value / len(self.draws), 1.0), p_other / len(self.draws)


def fit_ridge(x: Array, l_z: Array, noise: Array, seed: int) -> Ridge:
    """Fit the ridge.

    Parameters
    ----------
    x : ndarray, shape (N,)
        Excess of energy over the circular orbit [km2/s2], not negative.
    l_z : ndarray, shape (N,)
        Angular momentum [kpc km/s], positive.
    noise : ndarray, shape (N,)
        Mean excess due to the errors [km2/s2].
    seed : int
        Seed of the sampler.

    Returns
    -------
    Ridge

    Raises
    ------
    ConvergenceError
        If the chain stays shorter than 50 autocorrelation times.

    Notes
    -----
    Priors: flat in ln m0 and in f (0 to 0.5), beta normal with mean 0 and standard deviation 2, M / m
    log-uniform from 3 to 100. Sampled with emcee (Foreman-Mackey et al. 2013, PASP 125, 306).
    """
    import emcee

    l_0 = float(np.median(l_z))
    log_l = np.log(l_z / l_0)
    low, high = np.log(_CONTRAST)
    # A cluster exactly on the circular orbit has a finite density; the logarithm of the mean must not run away.
    scale = float(np.median(x)) + 1e-3

    def log_posterior(p: Array) -> Array:
        p = np.atleast_2d(p)
        ln_m, beta, ln_c, share = (p[:, n, None] for n in range(4))
        bad = ((ln_c < low) | (ln_c > high) | (share <= 0) | (share >= _SHARE) | (np.abs(ln_m) > 10))[:, 0]
        share = np.clip(share, 1e-12, 1 - 1e-12)
        mean = scale * np.exp(np.clip(ln_m, -10, 10) + np.clip(beta, -20, 20) * log_l)
        disc = np.log1p(-share) + density(x, mean, noise)
        other = np.log(share) + density(x, np.exp(np.clip(ln_c, 0, 7)) * mean, noise)
        value: Array = np.logaddexp(disc, other).sum(axis=1) - 0.125 * beta[:, 0] ** 2
        return np.where(bad | ~np.isfinite(value), -np.inf, value)

    start = np.array([0.3, 0.0, np.log(8.0), 0.05])
    found = minimize(lambda p: min(-float(log_posterior(p)[0]), 1e12), start, method="Nelder-Mead",
                     options={"maxiter": 4000, "xatol": 1e-4, "fatol": 1e-4})  # fmt: skip
    rng = np.random.Generator(np.random.PCG64DXSM(seed))
    walkers = found.x + rng.normal(size=(_WALKERS, 4)) * [0.05, 0.1, 0.1, 0.0]
    walkers[:, 2] = np.clip(walkers[:, 2], low + 0.01, high - 0.01)
    walkers[:, 3] = np.clip(found.x[3] * np.exp(rng.normal(size=_WALKERS) * 0.3), 1e-4, _SHARE - 0.01)
    moves = [(emcee.moves.DEMove(), 0.8), (emcee.moves.DESnookerMove(), 0.2)]
    sampler = emcee.EnsembleSampler(_WALKERS, 4, log_posterior, vectorize=True, moves=moves)
    sampler.random_state = np.random.RandomState(seed % 2**32).get_state()
    state = sampler.run_mcmc(walkers, _WARM_UP, store=False)
    tau, wanted = np.inf, _STEPS
    while sampler.iteration < _LONGEST:
        state = sampler.run_mcmc(state, wanted)
        tau = float(np.max(sampler.get_autocorr_time(tol=0)))
        if np.isfinite(tau) and sampler.iteration > _LENGTH * tau:
            break
        wanted = sampler.iteration
    else:
        raise ConvergenceError(
            f"the ridge of the thin disc has not converged after {sampler.iteration} steps (tau = {tau:.0f})",
            expected=f"{_LENGTH:g} autocorrelation times",
            hint="are there enough clusters with an orbit?",
        )
    flat = sampler.get_chain(thin=max(1, int(tau)), flat=True)
    flat = flat[:: max(1, len(flat) // _KEPT)]
    return Ridge(_natural(flat, scale), _natural(found.x[None], scale)[0], l_0, tau)


def _natural(p: Array, scale: float) -> Array:
    return np.stack([scale * np.exp(p[:, 0]), p[:, 1], np.exp(p[:, 2]), p[:, 3]], axis=1)
