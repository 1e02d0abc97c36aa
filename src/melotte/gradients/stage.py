"""The pipeline stage: any table of clusters in, fitted models and their comparison out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from ..config import GradientsConfig
from ..core.randomness import Streams
from ..errors import EmptyResultError
from ..schema.gradients import COMPARISON, FLAT_TAIL, GRADIENTS
from ..schema.result import Result, Step
from .comparison import compare
from .fit import Fit, Refusal, fit_all
from .groups import age_groups, aged, feh_error_column
from .summary import account
from .table import parameter_table


@dataclass(frozen=True)
class GradientsResult(Result):
    """The parameters (``frame``), the comparison of the models, and the fits themselves."""

    comparison: pl.DataFrame = field(default_factory=COMPARISON.empty)
    fits: tuple[Fit, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    #: `melotte.schema.gradients.FLAT_TAIL`; None where the test was not made.
    flat_tail: pl.DataFrame | None = None

    def summary(self) -> str:
        """The account on one screen: what was fitted, the slopes, which model, the flat tails."""
        return "\n".join([*account(self), *(f"note: {note}" for note in self.notes)])


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
    result = _fit(frame, settings, rng, jobs, progress)
    if not result.fits:
        lost = result.steps[0].lost
        raise EmptyResultError(
            "no group has enough clusters for any model",
            where="[gradients]",
            expected=result.refusals[0].reason if result.refusals else "clusters with [Fe/H], error, age and predictor",
            hint="; ".join([*(f"{n} {reason}" for reason, n in lost.items() if n), "give fewer age_edges"]),
        )
    return result


def _fit(
    frame: pl.DataFrame,
    settings: GradientsConfig,
    rng: Streams,
    jobs: int,
    progress: Callable[[int, int], None] | None = None,
) -> GradientsResult:
    fits, refusals, lost = fit_all(frame, settings=settings, rng=rng, jobs=jobs, progress=progress)
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


#: What each error of [Fe/H] of the flat-tail test means for the model.
_FLAT_TAIL: Final = {
    "median": {"feh_error": "median", "scatter": True},
    "scatter": {"feh_error": "scatter", "scatter": False, "x_errors": False},
}


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

    Raises
    ------
    SchemaError
        If a column is missing.
    """
    both = [_flat_tail(frame, name, settings, rng, jobs) for name in ("median", "scatter")]
    return both[0], both[1]


def _flat_tail(frame: pl.DataFrame, errors: str, settings: GradientsConfig, rng: Streams, jobs: int) -> GradientsResult:
    update = {"models": ("line", "parabola", "plateau"), "predictors": ("l_z", "energy"), "legacy": None}
    these = settings.model_copy(update={**update, **_FLAT_TAIL[errors]})
    return _fit(frame, these, rng.child(f"flat tail {errors}"), jobs)


def flat_tails(frame: pl.DataFrame, *, settings: GradientsConfig, rng: Streams, jobs: int = 1) -> pl.DataFrame | None:
    """`flat_tail_test` of the old groups, as one table, with whatever errors the table has.

    Returns
    -------
    polars.DataFrame or None
        `melotte.schema.gradients.FLAT_TAIL`; None if there is no old group, or the table lacks L_Z, energy or the
        errors.
    """
    limit = settings.flat_tail_age.to_value("Gyr")
    old = [g.name for g in age_groups([float(q.to_value("Gyr")) for q in settings.age_edges]) if g.low >= limit]
    columns = set(frame.columns)
    if not old or not {"l_z", "energy"} <= columns:
        return None
    parts = []
    for errors in _FLAT_TAIL:
        if feh_error_column(settings.model_copy(update={"feh_error": errors})) in columns:
            found = _flat_tail(aged(frame, settings, limit), errors, settings, rng, jobs).comparison
            parts.append(found.filter(pl.col("group").is_in(old)).select(pl.lit(errors).alias("errors"), pl.all()))
    return FLAT_TAIL.conform(pl.concat(parts), where="flat tails") if parts else None


def analyse(
    frame: pl.DataFrame,
    *,
    settings: GradientsConfig,
    rng: Streams,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> GradientsResult:
    """`fit_table`, and `flat_tails` if the settings ask for it: what the pipeline and ``melotte gradients`` do.

    Parameters
    ----------
    frame, settings, rng, jobs, progress
        As for `fit_table`.

    Returns
    -------
    GradientsResult

    Raises
    ------
    SchemaError, EmptyResultError
        As `fit_table`.
    """
    result = fit_table(frame, settings=settings, rng=rng, jobs=jobs, progress=progress)
    if not settings.flat_tail:
        return result
    return replace(result, flat_tail=flat_tails(frame, settings=settings, rng=rng, jobs=jobs))
