"""From a problem to a posterior: exact where it is Gaussian, emcee otherwise, with a verdict on convergence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from ..core.randomness import Streams
from .groups import Array
from .optimum import Optimum, find, gaussian, is_gaussian
from .problem import Problem
from .proposals import ConditionalProposal, OutlierProposal, independent, whole, whole_half

#: Independent draws of an exact posterior, in chains of equal length.
EXACT_CHAINS: Final = 4
EXACT_DRAWS: Final = 1000
#: Steps that are not used; first look at convergence.
_WARM_UP: Final = 100
_FIRST_LOOK: Final = 300
#: Draws kept of a fit.
KEPT: Final = 4000
#: A chain must be this many autocorrelation times long (Foreman-Mackey et al. 2013; emcee's documentation).
LENGTH: Final = 50.0
#: Fu et al. 2022, Sect. 4.1. What they discarded is not said: a tenth here.
LEGACY_WALKERS: Final = 300
LEGACY_STEPS: Final = 10_000
_LEGACY_DISCARD: Final = LEGACY_STEPS // 10


@dataclass(frozen=True)
class Settings:
    """How to sample."""

    sampler: str = "auto"
    walkers: int = 32
    max_steps: int = 20_000
    ess: float = 1000.0
    r_hat: float = 1.01
    legacy: bool = False


@dataclass(frozen=True)
class Posterior:
    """Draws in the natural parameters and what they are worth.

    Attributes
    ----------
    sampler : str
        ``exact``, ``emcee`` or ``emcee (legacy)``.
    chains : ndarray, shape (C, D, P)
        Draws, chain by chain (a walker is a chain).
    points : ndarray, shape (C, D, P)
        The same in the sampled variables.
    p16, median, p84, sd : ndarray, shape (P,)
        From the formulae for the exact posterior, from all draws otherwise.
    steps : int
        Steps kept.
    tau : float or None
        Largest integrated autocorrelation time [steps] (Goodman & Weare 2010), None for independent draws.
    ess, r_hat : float
        Smaller of bulk and tail effective sample size, rank-normalised split R-hat (Vehtari et al. 2021, Bayesian
        Analysis 16, 667), worst parameter.
    converged : bool
    optimum, best : ndarray, shape (P,)
        Maximum of the posterior, in natural parameters and in the sampled variables.
    """

    sampler: str
    chains: Array
    points: Array
    p16: Array
    median: Array
    p84: Array
    sd: Array
    steps: int
    tau: float | None
    ess: Array
    r_hat: Array
    converged: bool
    optimum: Array
    best: Array


def sample(problem: Problem, settings: Settings, rng: Streams, name: str) -> Posterior:
    """The posterior of a problem.

    Parameters
    ----------
    problem : Problem
    settings : Settings
    rng : Streams
    name : str
        Name of the stream: the result depends on it and the seed only.

    Returns
    -------
    Posterior
        With ``converged`` false if the step budget ended first; never raises for that.
    """
    if is_gaussian(problem) and settings.sampler == "auto" and not settings.legacy:
        return _exact(problem, rng.generator(name))
    optimum = find(problem)
    if settings.legacy:
        return _legacy(problem, optimum, settings, rng, name)
    return _emcee(problem, optimum, settings, rng, name)


def _exact(problem: Problem, rng: np.random.Generator) -> Posterior:
    mean, covariance = gaussian(problem)
    normal = rng.standard_normal((EXACT_CHAINS, EXACT_DRAWS, len(mean)))
    points = mean + normal @ np.linalg.cholesky(covariance).T
    centre = problem.natural(mean)
    jacobian = problem.natural(np.eye(len(mean))) - problem.natural(np.zeros_like(mean))
    sd = np.sqrt(np.diagonal(jacobian.T @ covariance @ jacobian))
    z = 0.9944578832097532  # of the 84th percentile
    ess, r_hat = diagnostics(points)
    return Posterior(
        "exact", problem.natural(points), points, centre - z * sd, centre, centre + z * sd, sd,
        EXACT_DRAWS, None, ess, r_hat, True, centre, mean,
    )  # fmt: skip


def diagnostics(chains: Array) -> tuple[Array, Array]:
    """Effective sample size (smaller of bulk and tail) and split R-hat of each parameter.

    Parameters
    ----------
    chains : ndarray, shape (C, D, P)
    """
    from arviz_stats.base.array import array_stats

    stats: Any = array_stats
    axes = {"chain_axis": 0, "draw_axis": 1}
    bulk = stats.ess(chains, method="bulk", **axes)
    tail = stats.ess(chains, method="tail", prob=(0.05, 0.95), **axes)
    return np.minimum(bulk, tail), np.asarray(stats.rhat(chains, **axes))


def _first_walkers(problem: Problem, optimum: Optimum, walkers: int, rng: np.random.Generator) -> Array:
    """Walkers around the optimum, all where the posterior is positive."""
    root = np.linalg.cholesky(optimum.covariance + 1e-12 * np.eye(len(optimum.point)))
    out = np.tile(optimum.point, (walkers, 1))
    todo = np.arange(walkers)
    for turn in range(200):
        spread = root if turn < 100 else root * 0.5 ** (turn - 99)
        tried = optimum.point + rng.standard_normal((len(todo), len(optimum.point))) @ spread.T
        for column, (low, high) in enumerate(problem.limits()):
            if low is not None:  # reflected at the lower limit, which the optimum may touch
                tried[:, column] = low + np.abs(tried[:, column] - low)
            if high is not None:
                tried[:, column] = high - np.abs(high - tried[:, column])
        good = np.isfinite(problem.log_posterior(tried))
        out[todo[good]] = tried[good]
        todo = todo[~good]
        if not todo.size:
            break
    return out


def _sampler(problem: Problem, walkers: int, moves: Any, rng: Streams, name: str) -> Any:
    import emcee

    sampler = emcee.EnsembleSampler(
        walkers, len(problem.model.parameters), problem.log_posterior, vectorize=True, moves=moves
    )
    sampler.random_state = np.random.RandomState(np.random.MT19937(rng.sequence(f"{name} emcee"))).get_state()
    return sampler


def _emcee(problem: Problem, optimum: Optimum, settings: Settings, rng: Streams, name: str) -> Posterior:
    import emcee

    density = problem.log_posterior
    moves: list[tuple[Any, float]] = [
        (independent(emcee.moves.Move(), ConditionalProposal(problem, optimum.point), density), 0.8),
        # Differential evolution reaches what the other proposals miss.
        (whole_half(emcee.moves.DEMove(), density), 0.2),
    ]
    if problem.model.outliers:
        moves.append((whole(emcee.moves.MHMove(OutlierProposal()), density), 0.5))
    start = _first_walkers(problem, optimum, settings.walkers, rng.generator(f"{name} start"))
    sampler = _sampler(problem, settings.walkers, moves, rng, name)
    state = sampler.run_mcmc(start, _WARM_UP, skip_initial_state_check=True)
    sampler.reset()
    goal = min(_FIRST_LOOK, settings.max_steps)
    done = 0
    while True:
        state = sampler.run_mcmc(state, goal - done, skip_initial_state_check=True)
        done = goal
        result = _judge(problem, sampler.get_chain(), optimum, settings, "emcee")
        if result.converged or done >= settings.max_steps:
            return result
        assert result.tau is not None
        # What is missing, guessed from what was seen; at least half as much again.
        wanted = max(
            LENGTH * result.tau,
            done * settings.ess / float(result.ess.min()),
            done * float(result.r_hat.max() - 1.0) / (settings.r_hat - 1.0),
        )
        goal = min(settings.max_steps, max(int(1.1 * wanted), done * 3 // 2), done * 4)


def _legacy(problem: Problem, optimum: Optimum, settings: Settings, rng: Streams, name: str) -> Posterior:
    import emcee

    start = _first_walkers(problem, optimum, LEGACY_WALKERS, rng.generator(f"{name} start"))
    stretch = whole_half(emcee.moves.StretchMove(), problem.log_posterior)  # emcee's default
    sampler = _sampler(problem, LEGACY_WALKERS, stretch, rng, name)
    sampler.run_mcmc(start, LEGACY_STEPS, skip_initial_state_check=True)
    return _judge(problem, sampler.get_chain(discard=_LEGACY_DISCARD), optimum, settings, "emcee (legacy)")


def _judge(problem: Problem, chain: Array, optimum: Optimum, settings: Settings, sampler: str) -> Posterior:
    """Percentiles and diagnostics of a chain, shape (steps, walkers, P)."""
    import emcee

    steps = len(chain)
    tau = float(np.max(emcee.autocorr.integrated_time(chain, tol=0, quiet=True)))
    points = np.ascontiguousarray(chain.transpose(1, 0, 2))
    natural = problem.natural(points)
    ess, r_hat = diagnostics(natural if sampler == "emcee" else natural[:, :: max(1, int(tau / 2))])
    flat = natural.reshape(-1, natural.shape[2])
    p16, median, p84 = np.percentile(flat, [16.0, 50.0, 84.0], axis=0)
    fine = np.isfinite(tau) and steps >= LENGTH * tau and ess.min() >= settings.ess and r_hat.max() < settings.r_hat
    # What is kept of the draws: about independent ones, no more than figures and files need.
    thin = max(1, int(tau) if np.isfinite(tau) else 1, -(-points.shape[0] * points.shape[1] // KEPT))
    return Posterior(
        sampler, natural[:, ::thin], points[:, ::thin], p16, median, p84, cast(Array, flat.std(axis=0)),
        steps, tau, ess, r_hat, bool(fine), problem.natural(optimum.point), optimum.point,
    )  # fmt: skip
