"""Proposals for emcee's Metropolis-Hastings move that know the model: long, independent steps, rarely refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

import numpy as np

from .groups import Array
from .problem import FRACTION, SCATTER, SLOPE, WIDTH, Problem

_NU: Final = 5.0
#: Steps whose proposals are drawn together.
_BLOCK: Final = 64
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
        members = [np.flatnonzero(half == split) for split in range(move.nsplits)]
        for split, here in enumerate(members):
            sets = [state.coords[others] for j, others in enumerate(members) if j != split]
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


def whole(move: Any, log_posterior: Callable[[Array], Array]) -> Any:
    """An emcee Metropolis-Hastings move that decides on all walkers in one operation; see `whole_half`."""

    def propose(model: Any, state: Any) -> tuple[Any, Array]:
        new, factor = move.get_proposal(state.coords, model.random)
        return state, _accept(model.random, state, new, factor, log_posterior(new))

    move.propose = propose
    return move


def independent(move: Any, proposal: ConditionalProposal, log_posterior: Callable[[Array], Array]) -> Any:
    """The same for proposals that do not depend on where the walkers are: drawn and judged many steps at a time."""
    outliers = proposal.problem.model.outliers
    drawn: list[tuple[Array, Array, Array]] = []
    # Where each walker was left, and the density of the proposal there: other moves make it unknown.
    left: list[Array] = []

    def propose(model: Any, state: Any) -> tuple[Any, Array]:
        size, parameters = state.coords.shape
        if not drawn:
            points = proposal.draw(_BLOCK * size, parameters, model.random)
            density = proposal.log_density(points)
            height = np.zeros(len(points)) if outliers else log_posterior(points)
            parts = (np.split(a, _BLOCK) for a in (points, density, height))
            drawn.extend(zip(*parts, strict=True))
        new, density, height = drawn.pop()
        if outliers:  # these stay as they are, and the posterior depends on them
            new[:, -2:] = state.coords[:, -2:]
            height = log_posterior(new)
        moved = (state.coords != left[0]).any(axis=1) if left else np.ones(size, dtype=bool)
        old = left[1].copy() if left else np.empty(size)
        if moved.any():
            old[moved] = proposal.log_density(state.coords[moved])
        accepted = _accept(model.random, state, new, old - density, height)
        left[:] = [state.coords.copy(), np.where(accepted, density, old)]
        return state, accepted

    move.propose = propose
    return move


def _accept(random: Any, state: Any, new: Array, factor: Array, density: Array) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        accepted = np.log(random.rand(len(new))) < factor + density - state.log_prob
    state.coords[accepted], state.log_prob[accepted] = new[accepted], density[accepted]
    return accepted


class ConditionalProposal:
    """Knee and scatter from their marginal posterior on a grid, the coefficients from their posterior given those.

    Exact for exact x and no outliers, but for the cells of the grid; otherwise the variances are those at the optimum.
    The outlier parameters stay as they are.
    """

    def __init__(self, problem: Problem, optimum: Array) -> None:
        self.problem, self.p = problem, problem.p
        self.variance = _effective_variance(problem, optimum)
        model = problem.model
        self.terms = self.p if model.linear else self.p - 1
        # One cell of no width where there is no knee or no scatter.
        self.knees = np.zeros(1) if model.linear else np.linspace(*problem.knees, _KNEES + 1)
        # Fine where the scatter is small, and up to its limit.
        self.scatters = SCATTER * np.linspace(0.0, 1.0, _SCATTERS + 1) ** 2 if model.scatter else np.zeros(1)
        slopes = np.zeros(self.terms) if model.linear else np.array([0.0, *([1.0 / SLOPE**2] * (self.terms - 1))])
        self.prior = np.diag(slopes)
        k, s = (a.ravel() for a in np.meshgrid(_middles(self.knees), _middles(self.scatters), indexing="ij"))
        _, _, evidence = self._conditional(k, s)
        self.size = np.outer(_widths(self.knees), _widths(self.scatters)).ravel()
        weight = np.exp(evidence - evidence.max()) * self.size
        self.cells = (1.0 - _FLAT) * weight / weight.sum() + _FLAT * self.size / self.size.sum()
        self.columns = len(_middles(self.scatters))

    def draw(self, size: int, parameters: int, random: Any) -> Array:
        """New points, shape (size, parameters); outlier parameters are zero."""
        model = self.problem.model
        cell = np.searchsorted(self.cells.cumsum(), random.uniform(size=size) * self.cells.sum())
        row, column = np.divmod(np.minimum(cell, len(self.cells) - 1), self.columns)
        knee, scatter = np.zeros(size), np.zeros(size)
        if not model.linear:
            knee = self.knees[row] + random.uniform(size=size) * np.diff(self.knees)[row]
        if model.scatter:
            scatter = self.scatters[column] + random.uniform(size=size) * np.diff(self.scatters)[column]
        mean, root, _ = self._conditional(knee, scatter)
        normal = _student_draws(random, (size, self.terms))
        new = np.zeros((size, parameters))
        # The precision is L L^T: deviations are L^-T times unit ones.
        new[:, : self.terms] = mean + np.linalg.solve(root.transpose(0, 2, 1), normal[..., None])[..., 0]
        if not model.linear:
            new[:, self.terms] = knee
        if model.scatter:
            new[:, self.p] = scatter
        return new

    def log_density(self, points: Array) -> Array:
        """Log-density at points, shape (size,), up to a constant."""
        model, size = self.problem.model, len(points)
        knee = np.zeros(size) if model.linear else points[:, self.terms]
        scatter = points[:, self.p] if model.scatter else np.zeros(size)
        row = np.zeros(size, dtype=np.int64) if model.linear else _cell(self.knees, knee)
        column = _cell(self.scatters, scatter) if model.scatter else np.zeros(size, dtype=np.int64)
        mean, root, _ = self._conditional(knee, scatter)
        d = np.einsum("wab,wa->wb", root, points[:, : self.terms] - mean)
        cell = row * self.columns + column
        out: Array = np.log(self.cells[cell] / self.size[cell]) + _student((d**2).sum(axis=1), self.terms)
        out += np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
        return out

    def _conditional(self, knee: Array, scatter: Array) -> tuple[Array, Array, Array]:
        """Mean and Cholesky root of the precision of the coefficients given knee and scatter; log-evidence."""
        y, variance = self.problem.sample.y, self.variance + scatter[:, None] ** 2
        if self.problem.model.linear:  # one design for all: its products with the weights are two matrix products
            terms = self.problem.design()
            products = (terms[:, :, None] * terms[:, None, :]).reshape(len(terms), -1)
            precision = (1.0 / variance @ products).reshape(-1, self.terms, self.terms) + self.prior
            right = (y / variance) @ terms
        else:
            d = self.problem.u - knee[:, None]
            terms = np.stack([np.ones_like(d), np.minimum(d, 0.0), np.maximum(d, 0.0)][: self.terms], axis=2)
            weighted = terms / variance[..., None]
            precision = weighted.transpose(0, 2, 1) @ terms + self.prior
            right = y @ weighted
        mean = np.linalg.solve(precision, right[..., None])[..., 0]
        root = np.linalg.cholesky(precision)
        chi2 = (y * y / variance).sum(axis=1) - (right * mean).sum(axis=1)
        log_root = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
        evidence: Array = -0.5 * (chi2 + np.log(variance).sum(axis=1)) - log_root
        return cast(Array, mean), cast(Array, root), evidence


def _middles(edges: Array) -> Array:
    return edges if len(edges) == 1 else (edges[:-1] + edges[1:]) / 2


def _widths(edges: Array) -> Array:
    return np.ones(1) if len(edges) == 1 else np.diff(edges)


def _cell(edges: Array, values: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


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
