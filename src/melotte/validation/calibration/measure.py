"""One simulated survey through the pipeline, beside its truth."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from ...core.randomness import Streams
from ...workflow.pipeline import compute
from ..demonstration import CONFIG
from ..simulate import SimulatedSurvey, SimulationSettings, simulate

_Interval = tuple[pl.Expr, pl.Expr, pl.Expr]


def _symmetric(name: str) -> _Interval:
    value, error = pl.col(name), pl.col(f"{name}_error")
    return value, value - error, value + error


def _percentiles(name: str) -> _Interval:
    return pl.col(name), pl.col(f"{name}_p16"), pl.col(f"{name}_p84")


#: Statistic -> value, limits of its 68 % interval, number of stars behind it, truth, unit. ``value +- error`` where the
#: catalogue gives a symmetric error, the percentiles of the posterior where it is the model's.
STATISTICS: dict[str, tuple[pl.Expr, pl.Expr, pl.Expr, str, str, str]] = {
    "RV median of the clip": (*_symmetric("rv_med"), "n_rv", "rv", "km / s"),
    "RV mean of the clip": (*_symmetric("rv_mean"), "n_rv", "rv", "km / s"),
    "RV of the model": (*_percentiles("rv_model"), "n_valid", "rv", "km / s"),
    "[Fe/H] median of the clip": (*_symmetric("feh_med"), "n_feh", "feh", "dex"),
    "[Fe/H] mean of the clip": (*_symmetric("feh_mean"), "n_feh", "feh", "dex"),
    "[Fe/H] of the model": (*_percentiles("feh_model"), "n_feh", "feh", "dex"),
    "RV dispersion of the model": (*_percentiles("rv_dispersion"), "n_valid", "dispersion", "km / s"),
    "binary fraction of the model": (*_percentiles("binary_fraction"), "n_valid", "binary", ""),
}


@dataclass(frozen=True)
class Measured:
    """What one simulated survey gave.

    Attributes
    ----------
    values : polars.DataFrame
        ``survey``, ``cluster``, ``statistic``, ``unit``, ``n_stars``, ``value``, ``low``, ``high``, ``truth``.
    stars : polars.DataFrame
        ``survey``, ``cluster``, ``n_stars``, ``field``, ``binary``, ``by_clip``, ``probability``: one row per star with
        a valid velocity.
    model : mapping
        The survey's parameters the model found, and ``shared_error``.
    """

    values: pl.DataFrame
    stars: pl.DataFrame
    model: Mapping[str, Any]


def measure(
    name: str,
    settings: SimulationSettings,
    *,
    seed: int,
    sections: Mapping[str, Any] | None = None,
    jobs: int | None = None,
) -> Measured:
    """Simulate a survey, make its catalogue, and put truth and result side by side.

    Parameters
    ----------
    name : str
        Name of the survey; with the seed it decides about every random number.
    settings : SimulationSettings
    seed : int
    sections : mapping, optional
        Sections of the configuration (``velocity``, ``metallicity``, ``stars``) that differ from the defaults.
    jobs : int, optional
        Threads; the result does not depend on it.

    Returns
    -------
    Measured
    """
    survey = simulate(settings, Streams(seed).child(name))
    # The demo's survey has no isochrones: giants are told by log g, whatever the sections say of other things.
    chosen: Mapping[str, Any] = sections or {}
    demo: Mapping[str, Any] = CONFIG
    metallicity = {**demo["metallicity"], **chosen.get("metallicity", {})}
    config = {**demo, **chosen, "metallicity": metallicity, "run": {"seed": seed}}
    with tempfile.TemporaryDirectory(prefix="melotte-") as directory:
        survey.write(Path(directory))
        catalogue = compute(config, data_dir=directory, jobs=jobs)
    stars = _stars(catalogue.members, survey)
    truth = _truth(survey, stars, settings)
    table = catalogue.frame.join(truth, on="cluster", suffix="_true")
    values = pl.concat(
        table.select(
            pl.lit(name).alias("survey"),
            "cluster",
            pl.lit(statistic).alias("statistic"),
            pl.lit(unit).alias("unit"),
            pl.col(count).cast(pl.Int32).alias("n_stars"),
            value.alias("value"),
            low.alias("low"),
            high.alias("high"),
            pl.col(f"{true}_true").alias("truth"),
        ).drop_nulls()
        for statistic, (value, low, high, count, true, unit) in STATISTICS.items()
    )
    clusters = table.select("cluster", pl.col("n_valid").alias("n_stars"))
    return Measured(
        values,
        stars.join(clusters, on="cluster").select(
            pl.lit(name).alias("survey"), "cluster", "n_stars", "field", "binary", "by_clip", "probability"
        ),
        {"notes": [n for n in catalogue.notes if n.startswith("velocity model")]},
    )


def _stars(members: pl.DataFrame, survey: SimulatedSurvey) -> pl.DataFrame:
    valid = pl.col("rv").is_not_null() & (pl.col("rv_error") > 0)
    return (
        members.filter(valid)
        .select(
            "cluster",
            "source_id",
            pl.col("rv").is_between(pl.col("rv_low"), pl.col("rv_high")).alias("by_clip"),
            pl.col("rv_probability").alias("probability"),
        )
        .join(survey.stars, on=["cluster", "source_id"])
    )


def _truth(survey: SimulatedSurvey, stars: pl.DataFrame, settings: SimulationSettings) -> pl.DataFrame:
    """The truth in the survey's own frame: its zero point is not what is tested here."""
    seen = stars.group_by("cluster").agg(pl.len().cast(pl.Int32).alias("n_valid"))
    return survey.truth.join(seen, on="cluster").select(
        "cluster",
        "n_valid",
        (pl.col("rv") + settings.zero_point_kms).alias("rv_true"),
        pl.col("feh").alias("feh_true"),
        pl.lit(settings.internal_dispersion_kms).alias("dispersion_true"),
        pl.lit(settings.binary_fraction).alias("binary_true"),
    )
