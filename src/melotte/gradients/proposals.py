"""Proposals for emcee's Metropolis-Hastings move that know the model: long, independent steps, rarely refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from .groups import Array
from .models import FRACTION, SLOPE, WIDTH, Problem

_NU: Final = 5.0
_KNEES: Final = 48
_SCATTERS: Final = 32
#: Share of the knee proposal that is flat over the grid, against a marginal that the approximation makes too narrow.
_FLAT: Final = 0.1


def _student(r2: Array, size: int) -> Array:
    """Log-density of a multivariate Student t of unit scale at squared distance r2, up to a constant."""
    out: Array = -0.5 * (_NU + size) * np.log1p(r2 / _NU)
    return out


def _student_draws(random: Any, shape: tuple[int, ...]) -> Array:
    chi2 = random.chisquare(_NU, size=(shape[0], 1))
    out: Array = random.standard_normal(shape) / np.sqrt(chi2 / _NU)
    return out


def whole_half(move: Any, log_posterior: Callable[[Array], Array]) -> Any:
    """An emcee red-blue move (stretch, differential evolution) that decides on half the walkers in one operation.

    The algorithm and the random numbers are emcee's; its own loop over the walkers takes most of the time of a fast
    likelihood.
    """

    def propose(model: Any, state: Any) -> tuple[Any, Array]:
        walkers = len(state.coords)
        accepted = np.zeros(walkers, dtype=bool)
        half = np.arange(walkers) % move.nsplits
        move.setup(state.coords)
        if move.randomize_split:
            model.random.shuffle(half)
        for split in range(move.nsplits):
            here = np.flatnonzero(half == split)
            sets = [state.coords[half == j] for j in range(move.nsplits) if j != split]
            new, factor = move.get_proposal(state.coords[here], sets, model.random)
            density = log_posterior(new)
            with np.errstate(divide="ignore"):
                good = np.log(model.random.rand(len(here))) < factor + density - state.log_prob[here]
            moved = here[good]
            state.coords[moved], state.log_prob[moved] = new[good], density[good]
            accepted[moved] = True
        return state, accepted

    move.propose = propose
    return move


class StudentProposal:
    """Independent draws from a multivariate Student t with the mean and covariance of the posterior."""

    def __init__(self, centre: Array, covariance: Array) -> None:
        self.centre = centre
        self.root = np.linalg.cholesky(covariance + 1e-12 * np.trace(covariance) * np.eye(len(centre)))
        self.inverse = np.linalg.inv(self.root)

    def __call__(self, points: Array, random: Any) -> tuple[Array, Array]:
        """New points and log q(old) - log q(new), as `emcee.moves.MHMove` wants them."""
        new = self.centre + _student_draws(random, points.shape) @ self.root.T
        return new, self._log_density(points) - self._log_density(new)

    def _log_density(self, points: Array) -> Array:
        return _student((((points - self.centre) @ self.inverse.T) ** 2).sum(axis=1), points.shape[1])


class KneeProposal:
    """Knee and scatter from their marginal posterior on a grid, the coefficients from their posterior given those.

    Exact for exact x and no outliers, but for the cells of the grid; otherwise the variances are those at the optimum.
    The outlier parameters stay as they are.
    """

    def __init__(self, problem: Problem, optimum: Array) -> None:
        self.problem, self.p = problem, problem.p
        self.variance = _effective_variance(problem, optimum)
        self.knees = np.linspace(*problem.knees, _KNEES + 1)
        if problem.model.scatter:
            top = min(1.0, 3.0 * float(optimum[self.p]) + 0.15)
            self.scatters = np.linspace(0.0, top, _SCATTERS + 1)
        else:
            self.scatters = np.zeros(1)
        self.terms = self.p - 1
        self.prior = np.diag([0.0, *([1.0 / SLOPE**2] * (self.terms - 1))])
        knees = (self.knees[:-1] + self.knees[1:]) / 2
        scatters = (self.scatters[:-1] + self.scatters[1:]) / 2 if problem.model.scatter else self.scatters
        k, s = (a.ravel() for a in np.meshgrid(knees, scatters, indexing="ij"))
        _, _, evidence = self._conditional(k, s)
        weight = np.exp(evidence - evidence.max())
        self.cells = (1.0 - _FLAT) * weight / weight.sum() + _FLAT / len(weight)
        self.columns = len(scatters)

    def __call__(self, points: Array, random: Any) -> tuple[Array, Array]:
        """New points and log q(old) - log q(new)."""
        size = len(points)
        cell = random.choice(len(self.cells), size=size, p=self.cells)
        row, column = np.divmod(cell, self.columns)
        knee = self.knees[row] + random.uniform(size=size) * np.diff(self.knees)[row]
        scatter = np.zeros(size)
        if self.problem.model.scatter:
            scatter = self.scatters[column] + random.uniform(size=size) * np.diff(self.scatters)[column]
        mean, root, _ = self._conditional(knee, scatter)
        normal = _student_draws(random, (size, self.terms))
        new = points.copy()
        # The precision is L L^T: deviations are L^-T times unit ones.
        new[:, : self.terms] = mean + np.linalg.solve(root.transpose(0, 2, 1), normal[..., None])[..., 0]
        new[:, self.terms] = knee
        if self.problem.model.scatter:
            new[:, self.p] = scatter
        return new, self._log_density(points) - self._log_density(new)

    def _log_density(self, points: Array) -> Array:
        knee = points[:, self.terms]
        scatter = points[:, self.p] if self.problem.model.scatter else np.zeros(len(points))
        row = np.clip(np.searchsorted(self.knees, knee, side="right") - 1, 0, len(self.knees) - 2)
        column = np.zeros(len(points), dtype=np.int64)
        if self.problem.model.scatter:
            column = np.clip(np.searchsorted(self.scatters, scatter, side="right") - 1, 0, self.columns - 1)
        mean, root, _ = self._conditional(knee, scatter)
        d = np.einsum("wab,wa->wb", root, points[:, : self.terms] - mean)
        out = np.log(self.cells[row * self.columns + column]) + _student((d**2).sum(axis=1), self.terms)
        out += np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
        # Beyond the grid this proposal never goes.
        return np.where(scatter <= self.scatters[-1], out, -np.inf)

    def _conditional(self, knee: Array, scatter: Array) -> tuple[Array, Array, Array]:
        """Mean and Cholesky root of the precision of the coefficients given knee and scatter; log-evidence."""
        d = self.problem.u - knee[:, None]
        terms = np.stack([np.ones_like(d), np.minimum(d, 0.0), np.maximum(d, 0.0)][: self.terms], axis=2)
        y, variance = self.problem.sample.y, self.variance + scatter[:, None] ** 2
        weighted = terms / variance[..., None]
        precision = weighted.transpose(0, 2, 1) @ terms + self.prior
        right = y @ weighted
        mean = np.linalg.solve(precision, right[..., None])[..., 0]
        root = np.linalg.cholesky(precision)
        chi2 = (y * y / variance).sum(axis=1) - (right * mean).sum(axis=1)
        log_root = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
        return mean, root, -0.5 * (chi2 + np.log(variance).sum(axis=1)) - log_root


class OutlierProposal:
    """New outlier fraction (density falling as 1 / sqrt) and width (flat in the logarithm); all else stays."""

    def __call__(self, points: Array, random: Any) -> tuple[Array, Array]:
        """New points and log q(old) - log q(new)."""
        new = points.copy()
        new[:, -2] = FRACTION * random.uniform(size=len(points)) ** 2
        new[:, -1] = random.uniform(*np.log(WIDTH), size=len(points))
        tiny = 1e-300
        return new, 0.5 * (np.log(new[:, -2] + tiny) - np.log(points[:, -2] + tiny))


def _effective_variance(problem: Problem, optimum: Array) -> Array:
    """Variances, scatter apart, of the Gaussian likelihood nearest to the model at the optimum."""
    _, spread = problem.moments(optimum[None])
    variance: Array = problem.variance + (spread if isinstance(spread, float) else spread[0])
    if not problem.model.outliers:
        return variance
    mean, _ = problem.moments(optimum[None])
    core = variance + (optimum[problem.p] ** 2 if problem.model.scatter else 0.0)
    wide, fraction = core + np.exp(2.0 * optimum[-1]), max(float(optimum[-2]), 1e-3)
    r2 = (problem.sample.y - mean[0]) ** 2
    odds = np.log(fraction / (1.0 - fraction)) + 0.5 * (r2 / core - r2 / wide + np.log(core / wide))
    outlier = 1.0 / (1.0 + np.exp(-np.clip(odds, -700, 700)))
    nearest: Array = 1.0 / ((1.0 - outlier) / core + outlier / wide) - (core - variance)
    return nearest
