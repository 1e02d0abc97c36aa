"""A result as tables and back: what a saved stage keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from ..config import GradientsConfig
from ..schema.gradients import GRADIENTS
from ..schema.result import Step
from .fit import Fit, Refusal
from .groups import Array, Sample, predictor
from .models import Model
from .sampling import Posterior
from .stage import GradientsResult

_SAMPLE: Final = ("x", "x_error", "y", "y_error")
_VECTORS: Final = ("p16", "median", "p84", "sd", "ess", "r_hat", "optimum", "best")
_LIST: Any = pl.List(pl.Float64)
_FITS: Final = {
    "group": pl.String,
    "predictor": pl.String,
    "model": pl.String,
    "cluster": pl.List(pl.String),
    **dict.fromkeys(_SAMPLE, _LIST),
    "sampler": pl.String,
    "steps": pl.Int64,
    "tau": pl.Float64,
    "converged": pl.Boolean,
    "n_chains": pl.Int64,
    "chains": _LIST,
    "points": _LIST,
    **dict.fromkeys(_VECTORS, _LIST),
}


def to_frames(result: GradientsResult) -> dict[str, pl.DataFrame]:
    """Tables that hold the whole result: ``parameters``, ``comparison``, ``fits`` and, if made, ``flat_tail``."""
    rows = []
    for fit in result.fits:
        post = fit.posterior
        rows.append(
            {
                "group": fit.group,
                "predictor": fit.predictor.name,
                "model": fit.model.name,
                "cluster": list(fit.sample.cluster),
                **{n: getattr(fit.sample, n) for n in _SAMPLE},
                **{n: getattr(post, n) for n in ("sampler", "steps", "tau", "converged")},
                "n_chains": post.chains.shape[0],
                "chains": post.chains.ravel(),
                "points": post.points.ravel(),
                **{n: getattr(post, n) for n in _VECTORS},
            }
        )
    frames = {
        "parameters": result.frame,
        "comparison": result.comparison,
        "fits": pl.DataFrame(rows, schema=_FITS),
    }
    return frames if result.flat_tail is None else {**frames, "flat_tail": result.flat_tail}


def from_frames(
    frames: Mapping[str, pl.DataFrame],
    *,
    settings: GradientsConfig,
    steps: Sequence[Step] = (),
    notes: Sequence[str] = (),
    facts: Mapping[str, Any] | None = None,
) -> GradientsResult:
    """The result `to_frames` was given."""
    refused = frames["comparison"].filter(pl.col("refused").is_not_null())
    return GradientsResult(
        frame=frames["parameters"],
        schema=GRADIENTS,
        settings=settings,
        steps=tuple(steps),
        notes=tuple(notes),
        facts=dict(facts or {}),
        comparison=frames["comparison"],
        fits=tuple(_fit(row) for row in frames["fits"].iter_rows(named=True)) if "fits" in frames else (),
        refusals=tuple(
            Refusal(r["group"], predictor(r["predictor"]), Model.named(r["model"]), r["n_clusters"], r["refused"])
            for r in refused.iter_rows(named=True)
        ),
        flat_tail=frames.get("flat_tail"),
    )


def _fit(row: Mapping[str, Any]) -> Fit:
    model = Model.named(row["model"])
    shape = (row["n_chains"], -1, len(model.parameters))
    values: dict[str, Any] = {n: row[n] for n in ("sampler", "steps", "tau", "converged")}
    values |= {n: _array(row[n]).reshape(shape) for n in ("chains", "points")}
    values |= {n: _array(row[n]) for n in _VECTORS}
    sample = Sample(tuple(row["cluster"]), *(_array(row[n]) for n in _SAMPLE))
    return Fit(row["group"], predictor(row["predictor"]), model, sample, Posterior(**values))


def _array(values: Sequence[float]) -> Array:
    return np.array(values, dtype=np.float64)
