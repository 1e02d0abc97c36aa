"""Bias, coverage, completeness and purity, as tables."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import polars as pl

from ...schema import Column, Schema

#: Every survey, or every number of stars, together.
ALL = "all"


def _text(name: str, description: str, label: str) -> Column:
    return Column(name, "string", "", "meta.id", description, False, label=label)


def _real(name: str, ucd: str, description: str, fmt: str, label: str, **limits: float) -> Column:
    return Column(name, "float64", "", ucd, description, True, fmt, label, **limits)  # type: ignore[arg-type]


def _count(name: str, description: str, label: str) -> Column:
    return Column(name, "int32", "", "meta.number", description, False, "%6d", label, minimum=0)


_SHARE = {"minimum": 0.0, "maximum": 1.0}

COVERAGE = Schema(
    "coverage",
    "Simulated clusters: bias of each statistic and how often its 68 % interval holds the truth",
    (
        _text("statistic", "What is tested", "Statistic"),
        _text("survey", "Simulated survey; all is all together", "Survey"),
        _text("stars", "Number of stars behind the value; all is all together", "Stars"),
        Column("unit", "string", "", "meta.unit", "Unit of bias, scatter and half_width", True, label="Unit"),
        _count("n_clusters", "Number of clusters", "N"),
        _real("bias", "stat.value;arith.diff;stat.median", "Median of value minus truth", "%8.4f", "Bias"),
        _real("bias_error", "stat.error", "Standard error of the bias", "%8.4f", "e_Bias", minimum=0.0),
        _real(
            "scatter", "stat.stdev", "1.4826 times the median absolute deviation of value minus truth", "%8.4f", "Sc"
        ),
        _real("half_width", "stat.error;stat.median", "Median half-width of the 68 % interval", "%8.4f", "HW"),
        _real("coverage", "stat.probability", "Fraction of clusters whose interval holds the truth", "%6.4f", "Cov"),
        _real(
            "coverage_low", "stat.value;stat.min", "Lower end of the 95 % Wilson interval of coverage", "%6.4f", "CovLo"
        ),
        _real(
            "coverage_high",
            "stat.value;stat.max",
            "Upper end of the 95 % Wilson interval of coverage",
            "%6.4f",
            "CovHi",
        ),
    ),
    key=("statistic", "survey", "stars"),
)

SELECTION = Schema(
    "selection",
    "Simulated clusters: completeness and purity of the stars called members",
    (
        _text("rule", "clip: within the limits; model: rv_probability at least member_probability", "Rule"),
        _text("survey", "Simulated survey; all is all together", "Survey"),
        _text("stars", "Number of stars of the cluster with a velocity; all is all together", "Stars"),
        _count("n_members", "True members", "Nmem"),
        _count("n_field", "Field stars", "Nfield"),
        _real(
            "completeness", "stat.probability", "Fraction of the true members that are kept", "%6.4f", "Cmpl", **_SHARE
        ),
        _real(
            "purity", "stat.probability", "Fraction of the stars kept that are true members", "%6.4f", "Pur", **_SHARE
        ),
        _real(
            "rejected", "stat.probability", "Fraction of the field stars that are rejected", "%6.4f", "Rej", **_SHARE
        ),
        _real(
            "binaries_kept",
            "stat.probability",
            "Fraction of the true members in binaries that are kept",
            "%6.4f",
            "Bin",
        ),
    ),
    key=("rule", "survey", "stars"),
)


def bin_labels(edges: Sequence[int]) -> list[str]:
    """``1, 2, 3`` -> ``1``, ``2``, ``3+``."""
    last = [f"{edges[-1]}+"]
    pairs = itertools.pairwise(edges)
    return [f"{a}" if b == a + 1 else f"{a}-{b - 1}" for a, b in pairs] + last


def with_bins(frame: pl.DataFrame, edges: Sequence[int]) -> pl.DataFrame:
    """Add ``stars``, the bin of ``n_stars``; clusters below the first edge have none."""
    which = np.searchsorted(np.asarray(edges), frame["n_stars"].to_numpy(), side="right") - 1
    labels = np.array([*bin_labels(edges), ""])
    return frame.with_columns(pl.Series("stars", labels[which])).filter(pl.col("stars") != "")


def _groups(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows four times: as they are, all surveys, all numbers of stars, everything together."""
    survey, stars = pl.lit(ALL).alias("survey"), pl.lit(ALL).alias("stars")
    return pl.concat([frame, frame.with_columns(survey), frame.with_columns(stars), frame.with_columns(survey, stars)])


def wilson(share: pl.Expr, n: pl.Expr, sign: int, *, z: float = 1.959964) -> pl.Expr:
    """End of the Wilson score interval of a binomial fraction (Wilson 1927; Brown, Cai & DasGupta 2001)."""
    centre = share + z**2 / (2 * n)
    half = z * (share * (1 - share) / n + z**2 / (4 * n**2)).sqrt()
    return (centre + sign * half) / (1 + z**2 / n)


def coverage_table(values: pl.DataFrame, edges: Sequence[int]) -> pl.DataFrame:
    """Table of `COVERAGE` from the values of `melotte.validation.calibration.measure.Measured`."""
    difference = pl.col("value") - pl.col("truth")
    inside = (pl.col("low") <= pl.col("truth")) & (pl.col("truth") <= pl.col("high"))
    rows = _groups(with_bins(values, edges).with_columns(difference.alias("d"), inside.alias("inside")))
    deviation = (pl.col("d") - pl.col("d").median()).abs().median() * 1.482602
    found = rows.group_by("statistic", "survey", "stars", maintain_order=True).agg(
        pl.col("unit").first(),
        pl.len().cast(pl.Int32).alias("n_clusters"),
        pl.col("d").median().alias("bias"),
        deviation.alias("scatter"),
        ((pl.col("high") - pl.col("low")) / 2).median().alias("half_width"),
        pl.col("inside").mean().alias("coverage"),
    )
    n, share = pl.col("n_clusters").cast(pl.Float64), pl.col("coverage")
    found = found.with_columns(
        (np.sqrt(np.pi / 2) * pl.col("scatter") / n.sqrt()).alias("bias_error"),
        wilson(share, n, -1).alias("coverage_low"),
        wilson(share, n, +1).alias("coverage_high"),
        pl.when(pl.col("unit") != "").then("unit").alias("unit"),
    )
    return COVERAGE.conform(_ordered(found, edges, values["statistic"].unique(maintain_order=True).to_list()))


def selection_table(stars: pl.DataFrame, edges: Sequence[int], *, least: float) -> pl.DataFrame:
    """Table of `SELECTION` from the stars of `melotte.validation.calibration.measure.Measured`."""
    rows = _groups(with_bins(stars, edges))
    member = ~pl.col("field")
    parts = []
    for rule, kept in (("clip", pl.col("by_clip")), ("model", pl.col("probability") >= least)):
        parts.append(
            rows.group_by("survey", "stars", maintain_order=True).agg(
                pl.lit(rule).alias("rule"),
                member.sum().cast(pl.Int32).alias("n_members"),
                pl.col("field").sum().cast(pl.Int32).alias("n_field"),
                (kept & member).sum().truediv(member.sum()).alias("completeness"),
                (kept & member).sum().truediv(kept.sum()).alias("purity"),
                (~kept & pl.col("field")).sum().truediv(pl.col("field").sum()).alias("rejected"),
                (kept & pl.col("binary")).sum().truediv(pl.col("binary").sum()).alias("binaries_kept"),
            )
        )
    found = pl.concat(parts).with_columns(pl.col(pl.Float64).fill_nan(None))
    return SELECTION.conform(_ordered(found, edges, ["clip", "model"], first="rule"))


def _ordered(frame: pl.DataFrame, edges: Sequence[int], firsts: list[str], *, first: str = "statistic") -> pl.DataFrame:
    """Statistic by statistic; everything together first, then the surveys in their order."""
    surveys = [ALL, *(s for s in frame["survey"].unique(maintain_order=True).to_list() if s != ALL)]
    stars = [ALL, *bin_labels(edges)]
    rank = [
        pl.col(column).replace_strict({v: i for i, v in enumerate(order)}, return_dtype=pl.Int32).alias(f"_{column}")
        for column, order in ((first, firsts), ("survey", surveys), ("stars", stars))
    ]
    return frame.with_columns(rank).sort(f"_{first}", "_survey", "_stars").drop(f"_{first}", "_survey", "_stars")
