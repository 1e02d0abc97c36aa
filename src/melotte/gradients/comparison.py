"""Which model the data prefer, by cross-validation and by information criterion, and what that means in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from ..schema.gradients import COMPARISON
from .fit import Fit, Refusal
from .groups import Array

#: Draws behind LOO and WAIC.
_DRAWS: Final = 2000
#: Above this Pareto k the importance weights of PSIS-LOO have no mean (Vehtari, Gelman & Gabry 2017).
PARETO_K: Final = 0.7
#: Below this many clusters the standard error of a difference in LOO is too small (Sivula et al. 2020,
#: arXiv:2008.10296).
_FEW: Final = 20


def waic(log_likelihood: Array) -> float:
    """Expected log predictive density by WAIC, on the scale of elpd.

    Parameters
    ----------
    log_likelihood : ndarray, shape (S, N)

    Returns
    -------
    float
        sum over clusters of ln mean exp(l) - var(l) (Watanabe 2010; Gelman, Hwang & Vehtari 2014, Eqs. 5, 12, 13).
    """
    top = log_likelihood.max(axis=0)
    density = top + np.log(np.exp(log_likelihood - top).mean(axis=0))
    return float((density - log_likelihood.var(axis=0, ddof=1)).sum())


def loo(log_likelihood: Array) -> tuple[Array, Array]:
    """Leave-one-out log predictive density of each cluster, and its Pareto k, by PSIS (ArviZ).

    Parameters
    ----------
    log_likelihood : ndarray, shape (C, D, N)
    """
    from arviz_stats.base.array import array_stats

    stats: Any = array_stats
    flat = log_likelihood.reshape(-1, log_likelihood.shape[2])
    weight, k = stats.psislw(flat.T[:, None, :], axis=[-2, -1])
    terms = np.asarray(weight).reshape(flat.shape[1], -1) + flat.T
    top = terms.max(axis=1)
    return top + np.log(np.exp(terms - top[:, None]).sum(axis=1)), np.atleast_1d(np.asarray(k, dtype=np.float64))


def compare(fits: Sequence[Fit], refusals: Sequence[Refusal] = ()) -> pl.DataFrame:
    """Models of the same clusters side by side.

    Parameters
    ----------
    fits : sequence of Fit
        Of any groups and predictors; those of one group and predictor are compared.
    refusals : sequence of Refusal
        Listed with their reason.

    Returns
    -------
    polars.DataFrame
        `melotte.schema.gradients.COMPARISON`.
    """
    rows: list[dict[str, Any]] = []
    sets: dict[tuple[str, str], list[Fit]] = {}
    for fit in fits:
        sets.setdefault((fit.group, fit.predictor.name), []).append(fit)
    for same in sets.values():
        rows += _one_set(same)
    rows += [
        {
            "group": r.group,
            "predictor": r.predictor.name,
            "model": r.model.name,
            "n_clusters": r.clusters,
            "n_parameters": len(r.model.parameters),
            "refused": r.reason,
        }
        for r in refusals
    ]
    names = COMPARISON.polars_schema()
    return COMPARISON.conform(pl.DataFrame(rows, schema=names) if rows else COMPARISON.empty(), where="comparison")


def _one_set(fits: list[Fit]) -> list[dict[str, Any]]:
    pointwise: list[Array] = []
    rows: list[dict[str, Any]] = []
    for fit in fits:
        values = fit.log_likelihood(_DRAWS)
        one, k = loo(values)
        pointwise.append(one)
        n, p = len(fit.sample), len(fit.model.parameters)
        top = fit.max_log_likelihood
        rows.append(
            {
                "group": fit.group,
                "predictor": fit.predictor.name,
                "model": fit.model.name,
                "n_clusters": n,
                "n_parameters": p,
                "log_likelihood": top,
                "elpd_loo": float(one.sum()),
                "elpd_loo_error": float(np.sqrt(n * one.var())),
                "pareto_k": float(k.max()) if np.isfinite(k).any() else None,
                "elpd_waic": waic(values.reshape(-1, n)),
                "bic": p * float(np.log(n)) - 2.0 * top,
            }
        )
    best = int(np.argmax([r["elpd_loo"] for r in rows]))
    lowest = min(r["bic"] for r in rows)
    for row, one in zip(rows, pointwise, strict=True):
        d = one - pointwise[best]
        row["delta_loo"], row["delta_loo_error"] = float(d.sum()), float(np.sqrt(len(d) * d.var()))
        row["delta_bic"] = row["bic"] - lowest
    for row, fit in zip(rows, fits, strict=True):
        row["verdict"] = _sentence(row, rows[best]["model"], fit.posterior.converged, alone=len(rows) == 1)
    return rows


def _sentence(row: dict[str, Any], best: str, converged: bool, *, alone: bool) -> str:
    """The numbers of one model in words."""
    if alone:
        text = "nothing to compare with"
    elif row["model"] == best:
        text = "predicts a cluster left out best"
    else:
        d, error = -row["delta_loo"], row["delta_loo_error"]
        if d > 2.0 * error and d > 4.0:
            text = f"predicts a cluster left out worse than {best}, by {d:.1f} +- {error:.1f}"
        else:
            text = f"predicts a cluster left out as well as {best} (difference {d:.1f} +- {error:.1f})"
    if not alone:
        # Kass & Raftery 1995, J. Am. Stat. Assoc. 90, 773, Sect. 3.2.
        b = row["delta_bic"]
        says = ("does not speak", "speaks positively", "speaks strongly", "speaks very strongly")
        says_here = says[int(np.searchsorted([2.0, 6.0, 10.0], b))]
        text += "; smallest BIC" if b == 0 else f"; BIC {says_here} against it ({b:+.1f})"
    if row["pareto_k"] is not None and row["pareto_k"] > PARETO_K:
        text += f"; a single cluster weighs so much (Pareto k {row['pareto_k']:.1f}) that the prediction is uncertain"
    if row["n_clusters"] < _FEW and not alone:
        text += f"; with {row['n_clusters']} clusters the error of the difference is too small"
    return text if converged else f"{text}; NOT CONVERGED, do not use"
