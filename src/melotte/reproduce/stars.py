"""Section 2 from the stars: the pipeline on the stars at hand against the published rows of their clusters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import polars as pl

from ..catalogue.catalogue import Catalogue
from .inputs import Inputs
from .judge import Explanation, Finding
from .numbers import Published, published

#: Columns compared: name -> (label, unit, column of the number of stars, column of our error).
_VALUES: Final = {
    "rv_med": ("RVmed", "km/s", "n_rv", "rv_med_error"),
    "rv_mean": ("RVmean", "km/s", "n_rv", "rv_mean_error"),
    "rv_scatter": ("s_RV", "km/s", "n_rv", None),
    "feh_med": ("[Fe/H]med", "dex", "n_feh", "feh_med_error"),
    "feh_mean": ("[Fe/H]mean", "dex", "n_feh", "feh_mean_error"),
    "feh_scatter": ("s_[Fe/H]", "dex", "n_feh", None),
}
_COUNTS: Final = {"n_all": "Nall", "n_rv": "Nflag1", "n_feh": "Nflag12"}


def cluster_numbers(
    inputs: Inputs, run: Catalogue, basis: str, releases: Mapping[str, float]
) -> tuple[list[Published], list[Finding]]:
    """Velocity and [Fe/H] of every cluster with stars here against its published row.

    Parameters
    ----------
    inputs : Inputs
        The published values are read at run time.
    run : Catalogue
        The run on the stars.
    basis : str
        What the stars are, in words.
    releases : mapping
        ``rv`` [km/s], ``feh`` [dex]: scatter of one LAMOST catalogue about another for rich clusters.
    """
    numbers: list[Published] = []
    found: list[Finding] = []
    rows = {row["cluster"]: row for row in inputs.catalogue.iter_rows(named=True)}
    for ours in run.frame.sort("cluster").iter_rows(named=True):
        theirs = rows.get(ours["cluster"])
        if theirs is None:
            continue
        stem = f"stars.{_slug(ours['cluster'])}"
        where = f"Catalogue (CDS), {ours['cluster'].replace('_', ' ')}"
        for name, label in _COUNTS.items():
            key = f"{stem}.{label.lower()}"
            numbers.append(Published(id=key, where=where, quantity=label, text=str(theirs[name]), kind="count"))
            found.append(Finding(key, float(ours[name]), basis, explanations=[_fewer(ours, theirs)]))
        for name, (label, unit, count, error) in _VALUES.items():
            if ours[name] is None or theirs[name] is None:
                continue
            key = f"{stem}.{_slug(label)}"
            errors = [_error(row, name, count, error) for row in (theirs, ours)]
            if not errors[0] or not errors[1]:
                continue
            text = f"{theirs[name]:.6f}"
            numbers.append(
                Published(
                    id=key, where=where, quantity=label, text=text, error=f"{errors[0]:.6f}", unit=unit, kind="estimate"
                )
            )
            note = f"{ours[count]} stars here, {theirs[count]} published"
            why = (
                _better(run, ours["cluster"], name)
                if name.endswith("scatter")
                else _releases(name, ours[name] - theirs[name], math.hypot(errors[0], errors[1]), releases)
            )
            found.append(Finding(key, ours[name], basis, errors[1], [why], None, note))
    return numbers, found


def _slug(text: str) -> str:
    return "".join(c if c.isalnum() or c == "_" else "" for c in text.lower())


def _error(row: dict[str, Any], name: str, count: str, error: str | None) -> float | None:
    """The error in the row; of a scatter, s / sqrt(2 (n - 1))."""
    if error is not None:
        value: float | None = row[error]
        return value
    return float(row[name]) / math.sqrt(2 * (row[count] - 1)) if row[count] > 1 else None


def _fewer(ours: dict[str, Any], theirs: dict[str, Any]) -> Explanation:
    return Explanation(
        "fewer stars" if ours["n_all"] <= theirs["n_all"] else "other stars",
        ours["n_all"] != theirs["n_all"],
        f"{ours['n_all']} matched stars here, {theirs['n_all']} published",
    )


#: The paper's typical errors of a star: column -> (id of the number, in words).
_TYPICAL: Final = {"rv": ("rv_error.median", "median"), "feh": ("feh_error.mean", "mean")}


def _better(run: Catalogue, cluster: str, name: str) -> Explanation:
    """Whether the stars here have smaller errors than those of the paper: a scatter is intrinsic plus error."""
    quantity = name.removesuffix("_scatter")
    flags = (1, 12) if quantity == "rv" else (12,)
    errors = run.members.filter((pl.col("cluster") == cluster) & pl.col("flag").is_in(flags))[f"{quantity}_error"]
    key, how = _TYPICAL[quantity]
    typical = published()[key]
    values = errors.drop_nulls().to_numpy()
    here = float(np.median(values) if how == "median" else np.mean(values)) if len(values) else math.inf
    return Explanation(
        "better measured stars",
        here < typical.value,
        f"{how} error of a star {here:.3g} {typical.unit} here, {typical.text} in the paper",
    )


def _releases(name: str, difference: float, error: float, releases: Mapping[str, float]) -> Explanation:
    """Whether two catalogues of LAMOST stars scatter by as much, beside the errors of both values."""
    scatter = releases[name.partition("_")[0]]
    both = math.hypot(error, scatter)
    return Explanation(
        "LAMOST releases differ by as much",
        abs(difference) <= 2 * both,
        f"{abs(difference) / both:.1f} standard deviations if that of clusters with ten stars or more between the "
        f"published catalogue and Zhong et al. 2020 (LAMOST DR5), {scatter:.3g} (1.48 MAD), is added",
    )


def text_numbers(run: Catalogue, basis: str) -> list[Finding]:
    """Numbers of Section 2 that stars are needed for, as far as a part of the stars can say them."""
    found: list[Finding] = []
    zero = run.zero_point
    if zero:
        # The published distribution: half of RVs of 7,570 stars, so that its own errors are small beside ours.
        n, sd = zero["n"], zero["sd"]
        note = f"{n:.0f} stars"
        wide = Explanation(
            "fewer stars",
            n < 1000,
            f"{n:.0f} stars of {run.frame.height} clusters; the standard deviation of a distribution with far outliers "
            "(binaries) is that of the few farthest stars",
        )
        found += [
            Finding("zero_point.median", zero["median"], basis, zero["error"], [wide], None, note),
            Finding("zero_point.mean", zero["mean"], basis, sd / math.sqrt(n), [wide], None, note),
            Finding("zero_point.sd", sd, basis, sd / math.sqrt(2 * n), [wide], None, note),
        ]
    rows = run.frame.filter(pl.col("cluster") == "NGC_2548")
    if rows.height:
        row = rows.row(0, named=True)
        few = Explanation("fewer stars", row["n_all"] < 98, f"{row['n_all']} matched stars here, 98 published")
        note = f"{row['n_rv']} stars here, 93 published"
        paper_sd = 8.76 / math.sqrt(2 * 92)
        found += [
            Finding("ngc2548.all", float(row["n_all"]), basis, explanations=[few]),
            Finding("ngc2548.rv", float(row["n_rv"]), basis, explanations=[few]),
            Finding("ngc2548.mean", row["rv_mean"], basis, row["rv_mean_error"], [few], None, note),
            Finding(
                "ngc2548.sd",
                row["rv_scatter"],
                basis,
                row["rv_scatter"] / math.sqrt(2 * (row["n_rv"] - 1)),
                [few],
                paper_sd,
                note,
            ),
        ]
    return found
