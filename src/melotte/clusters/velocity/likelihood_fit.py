"""Hierarchical mixture model of a quantity of the stars of many clusters: fit and posteriors, without sampling.

What all clusters of a survey share (`Survey`) is set to the maximum of its posterior, each cluster's parameters being
integrated over numerically (empirical Bayes); then the posterior of each cluster is computed on a grid of mean,
dispersion and binary fraction whose nodes are placed where the posterior is. Nothing is drawn at random.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from .likelihood_parameters import REACH, FloatArray, Prior, Stars, Survey, from_line, to_line

#: Nodes of mean, dispersion and binary fraction: passes that find the posterior, final pass, fit of the survey.
_SEARCH = ((33, 9, 3), (33, 9, 3))
_FINAL = (57, 13, 8)
_SURVEY = (21, 7, 5)
#: Stars of a cluster up to which their own values are nodes of the first pass: the posterior may have several peaks.
_OWN_NODES = 24
#: Dispersions up to so many times the scale of their prior are considered.
_LARGEST_DISPERSION = 6.0
#: Share of nodes that is spread evenly, and the square-rooted posterior below which nodes are not wanted.
_EVEN, _NEGLIGIBLE = 0.05, 1e-5


@dataclass(frozen=True)
class Posterior:
    """Posterior of one cluster on its grid.

    Attributes
    ----------
    mean, dispersion, fraction : ndarray
        Nodes.
    weight : ndarray, shape (n_mean, n_dispersion, n_fraction)
        Probability of each node (quadrature weights included); the sum is one.
    log_evidence : float
        Logarithm of the integral of likelihood times prior; the prior of the mean is flat with density one.
    """

    mean: FloatArray
    dispersion: FloatArray
    fraction: FloatArray
    weight: FloatArray
    log_evidence: float

    def mean_density(self) -> FloatArray:
        """Density of the mean at its nodes."""
        return np.asarray(self.weight.sum(axis=(1, 2)) / trapezoid(self.mean))

    def dispersion_density(self) -> FloatArray:
        """Density of the dispersion at its nodes."""
        return np.asarray(self.weight.sum(axis=(0, 2)) / trapezoid(self.dispersion))

    def quantiles(self, probabilities: FloatArray) -> FloatArray:
        """Quantiles of mean, dispersion and binary fraction, shape (3, n)."""
        fraction = np.full(len(probabilities), np.nan)
        if len(self.fraction) > 1:
            density = self.weight.sum(axis=(0, 1)) / _fractions(len(self.fraction))[1]
            fraction = density_quantiles(self.fraction, density, probabilities)
        return np.stack(
            [
                density_quantiles(self.mean, self.mean_density(), probabilities),
                density_quantiles(self.dispersion, self.dispersion_density(), probabilities),
                fraction,
            ]
        )


def trapezoid(x: FloatArray) -> FloatArray:
    """Weights of the trapezoidal rule."""
    step = np.diff(x)
    return np.asarray(0.5 * (np.r_[step, 0.0] + np.r_[0.0, step]))


def density_quantiles(x: FloatArray, density: FloatArray, probabilities: FloatArray, *, fine: int = 24) -> FloatArray:
    """Quantiles of a density given at nodes; its logarithm is interpolated linearly between them."""
    logarithm = np.log(np.maximum(density, density.max() * 1e-15))
    part = np.arange(fine) / fine
    at = np.r_[(x[:-1, None] + np.diff(x)[:, None] * part).ravel(), x[-1]]
    value = np.exp(np.r_[(logarithm[:-1, None] + np.diff(logarithm)[:, None] * part).ravel(), logarithm[-1]])
    cumulative = np.r_[0.0, np.cumsum(0.5 * (value[1:] + value[:-1]) * np.diff(at))]
    return np.asarray(np.interp(probabilities * cumulative[-1], cumulative, at))


@functools.cache
def _fractions(n: int) -> tuple[FloatArray, FloatArray]:
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return 0.5 * (nodes + 1), 0.5 * weights


class Model:
    """The mixture model of one quantity.

    Parameters
    ----------
    stars : Stars
    prior : Prior
    jobs : int
        Threads; the result does not depend on it.
    """

    def __init__(self, stars: Stars, prior: Prior, *, jobs: int = 1) -> None:
        from .likelihood_binaries import N_U, N_WIDTH, profile

        self.stars, self.prior, self.jobs = stars, prior, max(1, jobs)
        self._table = profile().table if prior.binaries else np.zeros((N_WIDTH, N_U + 1))

    # --- one cluster -------------------------------------------------------------------------------------------

    def posterior(self, k: int, survey: Survey, nodes: tuple[int, int, int] = _FINAL) -> Posterior:
        """Posterior of cluster ``k``, given what all share."""
        from .likelihood_kernels import log_likelihood

        v, var, outlier, root_mass = self._columns(self.stars.of(k), survey)
        mu = self._first_means(v, var, survey)
        s = self.prior.dispersion * _LARGEST_DISPERSION * np.linspace(0, 1, _SEARCH[0][1]) ** 2
        for number, (_, _, n_f) in enumerate((*_SEARCH, nodes)):
            f, log_f = self._fraction_prior(n_f, survey)
            buffer = np.empty((mu.size, s.size, f.size))
            log_likelihood(v, var, outlier, root_mass, mu, s, f, survey.field_width**2, self._table, buffer)
            buffer += self._log_weight(mu, s)[:, :, None] + log_f
            top = buffer.max()
            weight = np.exp(buffer - top)
            total = weight.sum()
            found = Posterior(mu, s, f, weight / total, float(top + np.log(total)))
            if number < len(_SEARCH):
                after = (*_SEARCH, nodes)[number + 1]
                mu = _place(mu, found.mean_density(), after[0])
                s = _place(s, found.dispersion_density(), after[1])
        return found

    def membership(self, k: int, survey: Survey, posterior: Posterior) -> FloatArray:
        """Probability of each star of cluster ``k`` to belong to it."""
        from .likelihood_kernels import memberships

        columns = self._columns(self.stars.of(k), survey)
        out = np.empty(len(columns[0]))
        weight = posterior.weight.sum(axis=2)
        fraction = (posterior.weight @ posterior.fraction) / np.maximum(weight, 1e-300)
        grid = (posterior.mean, posterior.dispersion, fraction)
        memberships(*columns, *grid, survey.field_width**2, self._table, weight, out)
        return out

    def each(self, work: Callable[[int], Any], *, block: int = 16) -> Iterator[Any]:
        """Results of ``work`` for every cluster in order, by several threads."""
        blocks = [range(i, min(i + block, len(self.stars))) for i in range(0, len(self.stars), block)]
        if self.jobs == 1:
            yield from map(work, range(len(self.stars)))
            return
        with ThreadPoolExecutor(self.jobs) as pool:
            for part in pool.map(lambda b: [work(k) for k in b], blocks):
                yield from part

    # --- what all share ----------------------------------------------------------------------------------------

    def fit(self, *, rounds: int = 2) -> Survey:
        """The survey's parameters: maximum of their posterior."""
        from scipy.optimize import minimize

        centre, width = to_line(self.prior.centre), np.array(astuple(self.prior.width))
        line, free = centre.copy(), self.prior.free
        if not free:
            return self.prior.centre
        for _ in range(rounds):
            grids = self._grids(from_line(line))

            def lost(x: FloatArray, line: FloatArray = line, grids: Any = grids) -> float:
                trial = line.copy()
                trial[free] = centre[free] + width[free] * x
                return float(0.5 * np.sum(x**2) - self._log_evidence(from_line(trial), grids))

            start = (line[free] - centre[free]) / width[free]
            bounds = [(-REACH, REACH)] * len(free)
            found = minimize(lost, start, method="L-BFGS-B", bounds=bounds, options={"eps": 1e-3, "ftol": 1e-7})
            line = line.copy()
            line[free] = centre[free] + width[free] * found.x
        return from_line(line)

    def _grids(self, survey: Survey) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Nodes and weights of every cluster, held fixed while the survey's parameters vary."""

        def nodes(k: int) -> tuple[FloatArray, FloatArray]:
            found = self.posterior(k, survey, nodes=_SURVEY)
            return found.mean, found.dispersion

        means, dispersions = (np.stack(x) for x in zip(*self.each(nodes), strict=True))
        weights = np.stack([self._log_weight(m, s) for m, s in zip(means, dispersions, strict=True)])
        return means, dispersions, weights

    def _log_evidence(self, survey: Survey, grids: tuple[FloatArray, FloatArray, FloatArray]) -> float:
        from .likelihood_kernels import log_evidences

        columns = self._columns(slice(None), survey)
        f, log_f = self._fraction_prior(_SURVEY[2], survey)
        out = np.empty(len(self.stars))
        offsets = self.stars.offsets
        parts = 4 * self.jobs if self.jobs > 1 and offsets[-1] > 500 else 1
        cuts = np.searchsorted(offsets, np.linspace(0, offsets[-1], parts + 1))
        cuts[0], cuts[-1] = 0, len(self.stars)

        def part(a: int, b: int) -> None:
            if b > a:
                grid = (x[a:b] for x in grids)
                log_evidences(
                    *columns, offsets[a : b + 1], *grid, f, log_f, survey.field_width**2, self._table, out[a:b]
                )

        if parts == 1:
            part(0, len(self.stars))
        else:
            with ThreadPoolExecutor(self.jobs) as pool:
                list(pool.map(part, cuts[:-1], cuts[1:]))
        return float(out.sum())

    # --- pieces ------------------------------------------------------------------------------------------------

    def _columns(self, rows: slice, survey: Survey) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        s = self.stars
        return (
            s.value[rows],
            survey.variance(s.error[rows]),
            survey.field_prior(s.probability[rows]),
            s.root_mass[rows],
        )

    def _first_means(self, v: FloatArray, var: FloatArray, survey: Survey) -> FloatArray:
        """Nodes dense about the median, out to where no posterior reaches."""
        centre = float(np.median(v))
        spread = max(1.4826 * float(np.median(np.abs(v - centre))), float(np.sqrt(np.median(var)))) / np.sqrt(v.size)
        few = v.size <= _OWN_NODES
        reach = float(np.max(np.abs(v - centre))) + 5 * (survey.field_width if few else float(np.sqrt(var.max())))
        x = np.linspace(-1, 1, _SEARCH[0][0])
        nodes = centre + spread * np.sinh(x * np.arcsinh(reach / spread))
        return np.unique(np.concatenate([nodes, v])) if few else nodes

    def _log_weight(self, mu: FloatArray, s: FloatArray) -> FloatArray:
        """Log of quadrature weight and prior; half-normal dispersion, flat mean."""
        scale = self.prior.dispersion
        prior = np.log(2 / (scale * np.sqrt(2 * np.pi))) - 0.5 * (s / scale) ** 2
        return np.asarray(np.log(trapezoid(mu))[:, None] + np.log(trapezoid(s)) + prior)

    def _fraction_prior(self, n: int, survey: Survey) -> tuple[FloatArray, FloatArray]:
        if not self.prior.binaries:
            return np.zeros(1), np.zeros(1)
        f, weight = _fractions(n)
        a = self.prior.concentration * survey.binary_fraction
        b = self.prior.concentration - a
        log_f = np.log(weight) + (a - 1) * np.log(f) + (b - 1) * np.log1p(-f)
        return f, log_f - np.log(np.sum(np.exp(log_f - log_f.max()))) - log_f.max()


def _place(x: FloatArray, density: FloatArray, n: int) -> FloatArray:
    """Where to evaluate next: ``n`` nodes as dense as the square root of the density, some spread evenly."""
    root = np.sqrt(density / density.max())
    wanted = np.flatnonzero(root > _NEGLIGIBLE)
    first, last = max(wanted[0] - 1, 0), min(wanted[-1] + 1, x.size - 1)
    x, root = x[first : last + 1], root[first : last + 1]
    mass = np.r_[0.0, np.cumsum(0.5 * (root[1:] + root[:-1]) * np.diff(x))]
    share = (1 - _EVEN) * mass / mass[-1] + _EVEN * (x - x[0]) / (x[-1] - x[0])
    return np.asarray(np.interp(np.linspace(0, 1, n), share, x))
