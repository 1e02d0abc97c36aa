"""The result in words: one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from .groups import predictor

if TYPE_CHECKING:
    from .stage import GradientsResult


def account(result: GradientsResult) -> list[str]:
    """What was fitted, the slope and the best model of each group against the first predictor, the flat tails."""
    lines = []
    for step in result.steps:
        lines.append(f"{step.name}: {step.came_in:,} {step.unit} in, {step.went_on:,} on")
        lines += [f"  {-count:+,} {reason}" for reason, count in step.lost.items() if count]
    converged = sum(f.posterior.converged for f in result.fits)
    lines.append(f"{len(result.fits)} fits, {converged} converged; {len(result.refusals)} refused")
    names = result.comparison["predictor"].unique(maintain_order=True).to_list()
    if names:
        lines += ["", f"[Fe/H] against {names[0]}:"]
        for group in result.comparison["group"].unique(maintain_order=True):
            lines += _group(result, group, names[0])
    if len(names) > 1:
        lines.append(f"against {', '.join(names[1:])}: see the tables")
    if result.flat_tail is not None:
        lines += ["", "flat tails of the old groups (Fu et al. 2022, Sect. 4.1):"]
        lines += [f"  {sentence}" for sentence in flat_tail_sentences(result.flat_tail)]
    return lines


def _group(result: GradientsResult, group: str, name: str) -> list[str]:
    rows = result.comparison.filter((pl.col("group") == group) & (pl.col("predictor") == name))
    first = rows.row(0, named=True)
    title = "all ages" if group == "all" else f"{group} Gyr"
    head = f"  {title:<12}{first['n_clusters']:>4} clusters  "
    fitted = rows.filter(pl.col("refused").is_null())
    if fitted.is_empty():
        return [f"{head} refused: {first['refused']}"]
    best = fitted.sort("delta_loo", descending=True, nulls_last=True).row(0, named=True)
    indent = " " * 6
    lines = [f"{head}{best['model']}: {best['verdict']}"]
    others = [r for r in fitted.iter_rows(named=True) if r["model"] != best["model"]]
    worse = [r["model"] for r in others if " worse " in (r["verdict"] or "")]
    equal = [r["model"] for r in others if r["model"] not in worse]
    parts = ([f"as good: {', '.join(equal)}"] if equal else []) + ([f"worse: {', '.join(worse)}"] if worse else [])
    if parts:
        lines.append(indent + "; ".join(parts))
    lines.append(indent + _numbers(result, group, name, best["model"]))
    return lines


def _numbers(result: GradientsResult, group: str, name: str, model: str) -> str:
    """Parameters of one fit with their errors."""
    rows = result.frame.filter((pl.col("group") == group) & (pl.col("predictor") == name) & (pl.col("model") == model))
    parts = []
    for row in rows.iter_rows(named=True):
        unit = f" {row['unit']}".replace(" / (kpc)", "/kpc") if row["unit"] else ""
        half = (row["p84"] - row["p16"]) / 2
        parts.append(f"{row['parameter']} {row['median']:z.3f} +- {half:.3f}{unit}")
    return ", ".join(parts) + ("" if rows["converged"].all() else "; NOT CONVERGED")


def flat_tail_sentences(table: pl.DataFrame) -> list[str]:
    """What the test of the flat tails found, one sentence for each group, predictor and kind of error.

    Parameters
    ----------
    table : polars.DataFrame
        `melotte.schema.gradients.FLAT_TAIL`.
    """
    meaning = {"median": "with intrinsic scatter", "scatter": "errors as published"}
    out = []
    for (errors, group, name), rows in table.group_by(["errors", "group", "predictor"], maintain_order=True):
        start = f"{group} Gyr, {predictor(str(name)).name}, {meaning[str(errors)]}: "
        fitted = rows.filter(pl.col("refused").is_null())
        if fitted.is_empty():
            out.append(f"{start}refused, {rows['refused'][0]}")
            continue
        loo = {
            str(m).split(" + ")[0]: (-d, e)
            for m, d, e in fitted.select("model", "delta_loo", "delta_loo_error").iter_rows()
        }
        verdicts = fitted.select("model", "verdict").iter_rows()
        worse = [str(m).split(" + ")[0] for m, v in verdicts if " worse " in (v or "")]
        best = min(loo, key=lambda m: loo[m][0])
        by = {m: f"by {d:.1f} +- {e:.1f}" for m, (d, e) in loo.items()}
        if "line" in worse and best == "plateau":
            text = f"a flat tail predicts a cluster left out better than a straight line, {by['line']}"
        elif "plateau" in worse:
            text = f"a flat tail predicts a cluster left out worse than a {best}, {by['plateau']}"
        elif "line" in worse:
            text = f"a flat tail is as good as a {best}, and both are better than a straight line, {by['line']}"
        else:
            most = max(d for d, _ in loo.values())
            text = f"the data do not decide between {', '.join(loo)} (differences in LOO up to {most:.1f})"
        out.append(start + text)
    return out
