"""All fits of a table: every group, predictor and model."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl

from ..config import GradientsConfig
from ..core.randomness import Streams
from .groups import Array, Predictor, Sample, age_groups, predictor, prepare, sample_of
from .models import Model
from .problem import Problem
from .sampling import Posterior, Settings, sample

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fit:
    """One model of one group against one predictor, with its posterior."""

    group: str
    predictor: Predictor
    model: Model
    sample: Sample
    posterior: Posterior

    def draws(self, size: int | None = None) -> Array:
        """Draws of the natural parameters, shape (S, P), evenly taken from all chains."""
        flat = self.posterior.chains.reshape(-1, self.posterior.chains.shape[2])
        if size is None or len(flat) <= size:
            return flat
        return flat[np.linspace(0, len(flat) - 1, size).astype(np.int64)]

    def log_likelihood(self, draws: int = 2000) -> Array:
        """Log-likelihood of each cluster at the draws, shape (C, D, N), at most about ``draws`` in all."""
        points = self.posterior.points
        each = max(1, draws // points.shape[0])
        step = max(1, points.shape[1] // each)
        points = points[:, ::step][:, :each]
        values = Problem(self.model, self.sample).pointwise(points.reshape(-1, points.shape[2]))
        return values.reshape(points.shape[0], points.shape[1], -1)

    @property
    def max_log_likelihood(self) -> float:
        """Log-likelihood at the maximum of the posterior (of the likelihood, where the priors are flat)."""
        problem = Problem(self.model, self.sample)
        return float(problem.log_likelihood(self.posterior.best[None])[0])


@dataclass(frozen=True)
class Refusal:
    """A model that was not fitted, and why."""

    group: str
    predictor: Predictor
    model: Model
    clusters: int
    reason: str


@dataclass(frozen=True)
class _Task:
    group: str
    predictor: Predictor
    model: Model
    sample: Sample

    def run(self, settings: Settings, rng: Streams) -> Fit:
        name = f"{self.group} {self.predictor.name} {self.model.name}"
        posterior = sample(Problem(self.model, self.sample), settings, rng, name)
        return Fit(self.group, self.predictor, self.model, self.sample, posterior)


def _run(task: _Task, settings: Settings, rng: Streams) -> Fit:
    return task.run(settings, rng)


def models_of(settings: GradientsConfig) -> tuple[Model, ...]:
    """The models to fit; the published one alone in legacy mode."""
    if settings.legacy:
        return (Model("parabola"),)
    return tuple(Model(s, settings.scatter, settings.outliers) for s in dict.fromkeys(settings.models))


def published(settings: GradientsConfig) -> GradientsConfig:
    """What legacy mode overrides: scatter of the stars as the error, exact x, R_GC at the look-back times, L_Z, E."""
    if not settings.legacy:
        return settings
    names = (*(f"r_gc_{t}_myr" for t in range(0, 501, 100)), "l_z", "energy")
    update = {"feh_error": "scatter", "x_errors": False, "scatter": False, "outliers": False, "predictors": names}
    return settings.model_copy(update=update)


def fit_all(
    frame: pl.DataFrame,
    *,
    settings: GradientsConfig,
    rng: Streams,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Fit], list[Refusal], dict[str, int]]:
    """Fit every model to every group and predictor.

    Parameters
    ----------
    frame, settings
        As for `melotte.gradients.fit_table`.
    rng : Streams
        The result depends on it and the settings only, not on ``jobs``.
    jobs : int
        Processes.
    progress : callable, optional
        Called with fits done and fits in all.

    Returns
    -------
    fits : list of Fit
    refusals : list of Refusal
    lost : dict of str to int
        Clusters left out, by reason.
    """
    settings = published(settings)
    table, lost = prepare(frame, settings)
    tasks: list[_Task] = []
    refusals: list[Refusal] = []
    for group in age_groups([float(q.to_value("Gyr")) for q in settings.age_edges]):
        for which in map(predictor, settings.predictors):
            clusters = sample_of(table, group.name, which, x_errors=settings.x_errors)
            for model in models_of(settings):
                reason = model.refusal(len(clusters)) or _alike(clusters, which)
                if reason:
                    refusals.append(Refusal(group.name, which, model, len(clusters), reason))
                else:
                    tasks.append(_Task(group.name, which, model, clusters))
    how = Settings(
        settings.sampler, settings.walkers, settings.max_steps, settings.ess, settings.r_hat, bool(settings.legacy)
    )
    fits = []
    with _mapper(min(jobs, len(tasks))) as mapper:
        n = len(tasks)
        for done, fit in enumerate(mapper(_run, tasks, [how] * n, [rng.child("gradients")] * n), start=1):
            fits.append(fit)
            if not fit.posterior.converged:
                log.warning("%s, %s, %s: not converged", fit.group, fit.predictor.name, fit.model.name)
            if progress is not None:
                progress(done, n)
    return fits, refusals, lost


def _alike(clusters: Sample, which: Predictor) -> str | None:
    different = len(np.unique(clusters.x))
    return None if different > 3 else f"{which.name} takes {different} different values only"


@contextmanager
def _mapper(jobs: int) -> Iterator[Callable[..., Iterator[Fit]]]:
    if jobs < 2:
        yield map
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:

        def start(*arguments: Any) -> Iterator[Fit]:
            # A fresh process imports the caller's script again, which would run it again where it has no
            # ``if __name__ == "__main__":``. Nothing of it is needed there: the processes start without one.
            with _without_main():
                return pool.map(*arguments)

        yield start


@contextmanager
def _without_main() -> Iterator[None]:
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
