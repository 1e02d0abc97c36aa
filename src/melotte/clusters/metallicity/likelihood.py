"""The mixture model of [Fe/H]: cluster mean, intrinsic scatter and field stars, by the machinery of the velocities."""

from __future__ import annotations

import polars as pl

from ...config import MetallicityModelConfig
from ...stars import has_valid_error
from ..velocity.likelihood import MixtureResult, mixture, mixture_prior


def metallicity_model(stars: pl.DataFrame, *, settings: MetallicityModelConfig, jobs: int = 1) -> MixtureResult:
    """The mixture model of the [Fe/H] of the stars of all clusters.

    Parameters
    ----------
    stars : polars.DataFrame
        ``cluster``, ``source_id``, ``feh``, ``feh_error``, ``probability`` and ``rv_probability``: the latter, which
        has seen the velocity, is the prior where there is one.
    settings : MetallicityModelConfig
    jobs : int
        Threads; the result does not depend on it.

    Returns
    -------
    MixtureResult
        In dex; ``fraction_*`` are null.
    """
    used = stars.filter(has_valid_error("feh")).select(
        "cluster",
        "source_id",
        "feh",
        "feh_error",
        pl.coalesce("rv_probability", "probability").alias("probability"),
        pl.lit(1.0).alias("root_mass"),
    )
    return mixture(used, "feh", mixture_prior(settings), fit_stars=settings.fit_stars, jobs=jobs)


def model_columns(result: MixtureResult) -> pl.DataFrame:
    """The model's columns of the cluster catalogue."""
    return result.clusters.select(
        "cluster",
        pl.col("mean_p50").alias("feh_model"),
        ((pl.col("mean_p84") - pl.col("mean_p16")) / 2).alias("feh_model_error"),
        pl.col("mean_p16").alias("feh_model_p16"),
        pl.col("mean_p84").alias("feh_model_p84"),
    )
