r"""The ridge of the thin disc in (L_Z, E): its model, its likelihood, its posterior.

The circular orbit has the lowest energy E_c of all orbits of one L_Z in the plane. In a disc whose velocities scatter
about the circular one like a Gaussian in two directions, the excess x = E - E_c(L_Z) is exponential with mean m (the
distribution functions of Shu 1969, ApJ 158, 505, and Dehnen 1999, AJ 118, 1201: exp(-x / sigma^2)). An error of the
velocity along one direction (the line of sight), of mean energy n, adds to one of the two: x is then distributed like
(a Z_1^2 + b Z_2^2) / 2 with standard normal Z, b = m and a = m + 2 n. The ridge is E_c + m, its scatter m, and
m = m_0 (L_Z / L_0)^beta, times (t / t_0)^gamma if the disc is heated as it ages. A share f of the clusters belongs to
another population, with M > m in place of m.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize
from scipy.special import i0e
from scipy.stats import multivariate_t

from ..errors import ConfigError, ConvergenceError
from ..galaxy import Axisymmetric, load_potential

Array = np.ndarray[Any, np.dtype[np.float64]]

#: Without and with heating.
PARAMETERS: Final = ("m0", "beta", "contrast", "share")
HEATED: Final = ("m0", "beta", "gamma", "contrast", "share")
#: The other population is hotter by at least the first, at most the second factor, and is at most this share.
_CONTRAST: Final = (3.0, 100.0)
_SHARE: Final = 0.5
_ANGLES: Final = (np.arange(64) + 0.5) * (0.5 * np.pi / 64)
#: Importance sampling: degrees of freedom of the proposal, draws per round and at the end, rounds at most.
_FREEDOM: Final = 5.0
_ROUND: Final = 1000
_FINAL: Final = 3000
_ROUNDS: Final = 12
#: Effective share of a round's draws above which the proposal fits, and draws kept in the end.
_FITS: Final = 0.5
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
    a = mean + 2.0 * noise
    product = a * mean
    value: Array = np.log(i0e(x * noise / product)) - x / a - 0.5 * np.log(product)
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
    draws : ndarray, shape (D, P)
        `PARAMETERS`, or `HEATED`: m0 [km2/s2], beta (and gamma), contrast M / m, share f.
    best : ndarray, shape (P,)
        At the maximum of the posterior.
    pivots : tuple of float
        L_0 [kpc km/s] and, with heating, t_0 [yr]: where m is m0.
    ess : float
        Effective number of the draws.
    """

    draws: Array
    best: Array
    pivots: tuple[float, ...]
    ess: float

    def mean_excess(self, l_z: Array) -> Array:
        """m(L_Z) at the medians of the posterior, at the age t_0 [km2/s2]."""
        m0, beta = np.median(self.draws[:, :2], axis=0)
        out: Array = m0 * (np.abs(l_z) / self.pivots[0]) ** beta
        return out

    def judge(self, x: Array, l_z: Array, noise: Array, age: Array | None = None) -> tuple[Array, Array]:
        """p-value and probability of the other population for each cluster, shape (N,), averaged over the posterior."""
        p_value, p_other = np.zeros(len(x)), np.zeros(len(x))
        logs = _logs(self.pivots, l_z, age)
        for draw in self.draws:
            mean = draw[0] * np.exp(draw[1:-2] @ logs)
            p_value += survival(x, mean, noise)
            disc = np.log1p(-draw[-1]) + density(x, mean, noise)
            other = np.log(draw[-1]) + density(x, draw[-2] * mean, noise)
            p_other += np.exp(other - np.logaddexp(disc, other))
        return np.minimum(p_value / len(self.draws), 1.0), p_other / len(self.draws)


def _logs(pivots: tuple[float, ...], l_z: Array, age: Array | None) -> Array:
    """Logarithms of what m is a power of, over their pivots, shape (K, N)."""
    powers = [np.abs(l_z), *([] if age is None or len(pivots) == 1 else [age])]
    return np.stack([np.log(v / pivot) for v, pivot in zip(powers, pivots, strict=True)])


def fit_ridge(x: Array, l_z: Array, noise: Array, rng: np.random.Generator, *, age: Array | None = None) -> Ridge:
    """Fit the ridge.

    Parameters
    ----------
    x : ndarray, shape (N,)
        Excess of energy over the circular orbit [km2/s2], not negative.
    l_z : ndarray, shape (N,)
        Angular momentum [kpc km/s], positive.
    noise : ndarray, shape (N,)
        Mean excess due to the errors [km2/s2].
    rng : numpy.random.Generator
    age : ndarray, shape (N,), optional
        Ages [yr]: m grows with a power of them.

    Returns
    -------
    Ridge

    Raises
    ------
    ConvergenceError
        If the draws are worth fewer than 400 independent ones.

    Notes
    -----
    Priors: flat in ln m0 and in f (0 to 0.5), beta and gamma normal with mean 0 and standard deviation 2, M / m
    log-uniform from 3 to 100. Adaptive importance sampling (Cappe et al. 2004, J. Comput. Graph. Stat. 13, 907): a
    Student proposal takes the mean and covariance of the draws of the round before, until half of them count.
    """
    pivots = (float(np.median(l_z)), *(() if age is None else (float(np.exp(np.median(np.log(age)))),)))
    logs = _logs(pivots, l_z, age)
    free = len(pivots) + 3
    scale = float(np.median(x)) + 1e-3

    def log_posterior(p: Array) -> Array:
        u = _natural(p, scale)
        mean = u[:, 0, None] * np.exp(u[:, 1:-2] @ logs)
        share = u[:, -1, None]
        disc = np.log1p(-share) + density(x, mean, noise)
        other = np.log(share) + density(x, u[:, -2, None] * mean, noise)
        # The last two are sampled as logits of flat variables: log(q (1 - q)) is their prior.
        size = np.abs(p[:, -2:])
        prior = -0.125 * (p[:, 1:-2] ** 2).sum(axis=1) - (size + 2.0 * np.log1p(np.exp(-size))).sum(axis=1)
        value: Array = np.logaddexp(disc, other).sum(axis=1) + prior
        return np.where(np.isfinite(value), value, -np.inf)

    start = np.array([0.3, *[0.0] * len(pivots), -0.5, -2.0])
    found = minimize(
        lambda p: min(-float(log_posterior(p[None])[0]), 1e12),
        start,
        method="Nelder-Mead",
        options={
            "maxiter": 1000,
            "xatol": 1e-3,
            "fatol": 1e-3,
            "initial_simplex": start + 0.5 * np.eye(free + 1, free),
        },
    )
    centre, covariance = found.x, np.diag([0.1, *[0.5] * len(pivots), 1.5, 1.0]) ** 2
    draws, weight = centre[None], np.ones(1)
    for size in [_ROUND] * _ROUNDS + [_FINAL]:
        if size == _ROUND and len(weight) > 1 and _effective(weight) > _FITS * _ROUND:
            continue
        proposal = multivariate_t(centre, covariance, df=_FREEDOM)
        draws = proposal.rvs(size=size, random_state=rng)
        log_weight = log_posterior(draws) - proposal.logpdf(draws)
        weight = np.exp(log_weight - log_weight.max())
        weight /= weight.sum()
        centre = weight @ draws
        apart = draws - centre
        # A little wider than the draws say: too narrow a proposal does not know that it is.
        covariance = 1.1 * (weight[:, None] * apart).T @ apart + 1e-8 * np.eye(free)
    if _effective(weight) < _KEPT:
        raise ConvergenceError(
            f"the draws of the ridge of the thin disc are worth {_effective(weight):.0f} independent ones",
            expected=f"{_KEPT} or more",
            hint="are there enough clusters with an orbit?",
        )
    # Systematic resampling: draw k comes up as often as its weight says, to within one.
    places = (np.arange(_KEPT) + rng.uniform()) / _KEPT
    kept = draws[np.minimum(np.searchsorted(np.cumsum(weight), places), len(draws) - 1)]
    return Ridge(_natural(kept, scale), _natural(found.x[None], scale)[0], pivots, _effective(weight))


def _effective(weight: Array) -> float:
    return 1.0 / float((weight**2).sum())


def _natural(p: Array, scale: float) -> Array:
    """From the sampled variables, unbounded, to m0, the powers, contrast and share."""
    low, high = np.log(_CONTRAST)
    q = 1.0 / (1.0 + np.exp(-np.clip(p[:, -2:], -30.0, 30.0)))
    contrast = np.exp(low + (high - low) * q[:, 0])
    m0 = scale * np.exp(np.clip(p[:, 0], -20.0, 20.0))
    return np.column_stack([m0, np.clip(p[:, 1:-2], -20.0, 20.0), contrast, _SHARE * q[:, 1]])
