"""The pipeline stage: any table of clusters in, fitted models and their comparison out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from ..config import GradientsConfig
from ..errors import EmptyResultError
from ..randomness import Streams
from ..result import Result, Step
from ..schema.gradients import COMPARISON, GRADIENTS
from .comparison import compare
from .fit import Fit, Refusal, fit_all
from .table import parameter_table


@dataclass(frozen=True)
class GradientsResult(Result):
    """The parameters (``frame``), the comparison of the models, and the fits themselves."""

    comparison: pl.DataFrame = field(default_factory=COMPARISON.empty)
    fits: tuple[Fit, ...] = ()
    refusals: tuple[Refusal, ...] = ()


def fit_table(
    frame: pl.DataFrame,
    *,
    settings: GradientsConfig,
    rng: Streams,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> GradientsResult:
    """Fit [Fe/H] against every predictor in every age group.

    Parameters
    ----------
    frame : polars.DataFrame
        One row per cluster: ``cluster`` and the columns named in the settings (by default those of the cluster
        catalogue joined with `melotte.gradients.predictor_table`). R in kpc, L_Z in kpc km/s, energy in km2/s2.
    settings : GradientsConfig
    rng : Streams
        The result depends on it and the settings only.
    jobs : int
        Processes.
    progress : callable, optional
        Called with fits done and fits in all.

    Returns
    -------
    GradientsResult
        ``frame`` follows `melotte.schema.gradients.GRADIENTS`; ``comparison`` has a row for every model, fitted or
        refused.

    Raises
    ------
    SchemaError
        If a column is missing, a cluster occurs twice or an error is not positive.
    EmptyResultError
        If every model is refused in every group.
    """
    fits, refusals, lost = fit_all(frame, settings=settings, rng=rng, jobs=jobs, progress=progress)
    if not fits:
        raise EmptyResultError(
            "no group has enough clusters for any model",
            where="gradients",
            expected=refusals[0].reason if refusals else "clusters with [Fe/H], error, age and predictor",
            hint="; ".join(f"{n} {reason}" for reason, n in lost.items() if n) or "give fewer age_edges",
        )
    table = parameter_table(fits)
    notes = sorted({f"age group {r.group}: {r.reason}" for r in refusals})
    open_ends = [f for f in fits if not f.posterior.converged]
    if open_ends:
        notes.append(f"{len(open_ends)} of {len(fits)} chains have not converged (converged = false in the table)")
    return GradientsResult(
        frame=table,
        schema=GRADIENTS,
        settings=settings,
        steps=(Step("metallicity distribution", "clusters", frame.height, lost),),
        notes=tuple(notes),
        facts={"fits": len(fits), "refused": len(refusals), "not_converged": len(open_ends)},
        comparison=compare(fits, refusals),
        fits=tuple(fits),
        refusals=tuple(refusals),
    )


def flat_tail_test(
    frame: pl.DataFrame, *, settings: GradientsConfig, rng: Streams, jobs: int = 1
) -> tuple[GradientsResult, GradientsResult]:
    """Is there a flat tail (Fu et al. 2022, Sect. 4.1)? Line, parabola and plateau against L_Z and E, twice.

    Parameters
    ----------
    frame, settings, rng, jobs
        As for `fit_table`; models, predictors, errors and scatter are overridden.

    Returns
    -------
    deserved : GradientsResult
        Error of the median, with intrinsic scatter; groups too small for it are refused.
    published : GradientsResult
        The scatter of the stars as the error, without intrinsic scatter, as the paper has it.
    """
    update = {"models": ("line", "parabola", "plateau"), "predictors": ("l_z", "energy"), "legacy": None}
    both = []
    for name, more in (
        ("median", {"feh_error": "median", "scatter": True}),
        ("scatter", {"feh_error": "scatter", "scatter": False, "x_errors": False}),
    ):
        these = settings.model_copy(update={**update, **more})
        both.append(fit_table(frame, settings=these, rng=rng.child(f"flat tail {name}"), jobs=jobs))
    return both[0], both[1]
