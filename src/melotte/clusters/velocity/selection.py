"""Selection by radial velocity and the velocity of each cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from ...config import VelocityConfig
from ...core.randomness import Streams
from ...core.words import plural
from ...schema import CATALOGUE, MEMBER_STARS
from ...schema.result import Step
from ...stars import has_valid_error
from ..montecarlo import Progress, summarise
from .likelihood import model_columns, velocity_model

#: The catalogue's columns this stage fills.
CLUSTER_VELOCITIES = CATALOGUE.select(
    [
        "cluster",
        "n_all",
        "n_rv",
        "rv_med",
        "rv_med_error",
        "rv_mean",
        "rv_mean_error",
        "rv_scatter",
        "rv_model",
        "rv_model_error",
        "rv_model_p16",
        "rv_model_p84",
        "rv_dispersion",
        "rv_dispersion_p16",
        "rv_dispersion_p84",
        "binary_fraction",
        "binary_fraction_p16",
        "binary_fraction_p84",
        "n_model",
    ],
    name="cluster velocities",
)


@dataclass(frozen=True)
class VelocityResult:
    """What the velocity stage found.

    Attributes
    ----------
    members : polars.DataFrame
        MEMBER_STARS with flag 0 or 1 by the clip or the model, as ``settings.model`` says, and the model's probability
        of membership, sorted by cluster and source_id.
    clusters : polars.DataFrame
        One row per cluster with a velocity (columns of ``CLUSTER_VELOCITIES``).
    rejected : polars.DataFrame
        Clusters without one: ``cluster``, ``n_all``, ``reason``.
    settings : VelocityConfig
        The settings used.
    steps : tuple of Step
        Where each star went.
    notes : tuple of str
        Warnings a reader must know.
    model : mapping or None
        What all clusters share in the mixture model (`melotte.clusters.velocity.likelihood_parameters.Survey`).
    """

    members: pl.DataFrame
    clusters: pl.DataFrame
    rejected: pl.DataFrame
    settings: VelocityConfig
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    model: Mapping[str, float] | None = None


def select(
    stars: pl.DataFrame,
    *,
    settings: VelocityConfig,
    rng: Streams,
    jobs: int = 1,
    progress: Progress | None = None,
) -> VelocityResult:
    """Select the stars of each cluster by radial velocity and derive the cluster's velocity.

    Per cluster, with mu and sigma the mean and standard deviation of all velocities drawn from N(rv, rv_error) of its
    stars: a star with \\|rv - mu\\| <= clip * sigma (its measured rv) gets flag 1, every other flag 0. Then from new
    draws of the flag-1 stars the mean and the median over the stars of each draw; ``rv_mean`` and ``rv_med`` are the
    means of these over the draws, their errors the standard deviations over the draws. A single star gives its own
    rv and error (of a star alone in its cluster, mu and sigma are these too). ``rv_scatter`` is the sample standard
    deviation of the measured rv of the flag-1 stars.

    Beside this the mixture model of `melotte.clusters.velocity.likelihood`, whose columns stand next to those of the
    clip. With ``settings.model = "likelihood"`` it decides about the flags (``rv_probability`` at least
    ``settings.member_probability``); the columns of the clip are the same in both cases.

    Parameters
    ----------
    stars : polars.DataFrame
        One row per (cluster, source_id), as `melotte.stars.assign` makes it. The order of the rows does not matter.
    settings : VelocityConfig
        Number of draws, clip, and the priors of the model.
    rng : Streams
        The run's generators; the stage uses ``rng.child("velocity")``.
    jobs : int
        Number of threads; the result does not depend on it.
    progress : callable, optional
        Called with (clusters done, clusters in all).

    Returns
    -------
    VelocityResult

    References
    ----------
    Fu et al. 2022, A&A 668, A4, Sect. 2.1.
    """
    streams = rng.child("velocity")
    stars = stars.sort("cluster", "source_id")
    usable = stars.filter(has_valid_error("rv")).select("cluster", "rv", "rv_error")
    pooled = summarise(
        usable, "rv", rng=streams.child("selection"), draws=settings.draws, median=False, jobs=jobs
    ).select("cluster", "pooled_mean", "pooled_sd")
    clipped = _flag(stars.join(pooled, on="cluster", how="left", maintain_order="left"), settings.clip)
    model = velocity_model(stars, settings=settings.likelihood, jobs=jobs)
    clipped = clipped.join(
        model.members.rename({"member": "rv_probability"}),
        on=["cluster", "source_id"],
        how="left",
        maintain_order="left",
    )
    flagged = clipped if settings.model == "clip" else _flag_by_model(clipped, settings.member_probability)
    members = MEMBER_STARS.conform(flagged, where="members after the velocity selection")

    used = clipped.filter(pl.col("flag") == 1)
    centre = summarise(
        used.select("cluster", "rv", "rv_error"),
        "rv",
        rng=streams.child("cluster"),
        draws=settings.draws,
        jobs=jobs,
        progress=progress,
    )
    counts = clipped.group_by("cluster", maintain_order=True).agg(
        pl.len().alias("n_all"),
        (pl.col("flag") == 1).sum().alias("n_rv"),
        pl.col("pooled_mean").first(),
        pl.col("rv").filter(pl.col("flag") == 1).std(ddof=1).alias("rv_scatter"),
    )
    clusters = (
        counts.join(centre, on="cluster", how="inner", maintain_order="left")
        .join(model_columns(model), on="cluster", how="left", maintain_order="left")
        .rename({"median": "rv_med", "median_sd": "rv_med_error", "mean": "rv_mean", "mean_sd": "rv_mean_error"})
    )
    rejected = counts.filter(pl.col("n_rv") == 0).select(
        "cluster",
        pl.col("n_all").cast(pl.Int32),
        pl.when(pl.col("pooled_mean").is_null())
        .then(pl.lit("no star with a radial velocity and a valid error of it"))
        .otherwise(pl.format("no star within {} sigma of the mean", pl.lit(f"{settings.clip:g}")))
        .alias("reason"),
    )
    return VelocityResult(
        members=members,
        clusters=CLUSTER_VELOCITIES.conform(clusters, where="cluster velocities"),
        rejected=rejected,
        settings=settings,
        steps=_steps(flagged, counts, settings),
        notes=_notes(flagged, rejected, model.edges),
        model=model.numbers(),
    )


def _flag_by_model(stars: pl.DataFrame, least: float) -> pl.DataFrame:
    """Flag and reason by the model's probability of membership."""
    probability = pl.col("rv_probability")
    reason = pl.format(
        "RV {} km/s gives a membership probability of {} in the mixture model; at least {} needed",
        _number("rv", 2),
        probability.round(4),
        pl.lit(f"{least:g}"),
    )
    return stars.with_columns(
        (probability >= least).fill_null(False).cast(pl.Int32).alias("flag"),
        pl.when(probability.is_null()).then("reason").otherwise(reason).alias("reason"),
    )


def _flag(stars: pl.DataFrame, clip: float) -> pl.DataFrame:
    """Add limits, deviation, flag and reason; ``pooled_mean`` and ``pooled_sd`` are there already."""
    mu, sigma = pl.col("pooled_mean"), pl.col("pooled_sd")
    stars = stars.with_columns(
        (mu - clip * sigma).alias("rv_low"),
        (mu + clip * sigma).alias("rv_high"),
        ((pl.col("rv") - mu) / sigma).alias("rv_deviation"),
    )
    valid, inside = has_valid_error("rv"), pl.col("rv_deviation").abs() <= clip
    numbers = pl.format(
        "RV {} km/s is {} sigma from the cluster's {}; accepted {} to {} km/s",
        _number("rv", 2),
        pl.col("rv_deviation").abs().round(3),
        _number("pooled_mean", 2),
        _number("rv_low", 2),
        _number("rv_high", 2),
    )
    reason = (
        pl.when(pl.col("rv").is_null())
        .then(pl.lit("no radial velocity"))
        .when(pl.col("rv_error").is_null())
        .then(pl.format("RV {} km/s has no error", _number("rv", 2)))
        .when(~valid)
        .then(pl.format("RV {} km/s has an error of zero", _number("rv", 2)))
        .otherwise(numbers)
    )
    return stars.with_columns((valid & inside.fill_null(False)).cast(pl.Int32).alias("flag"), reason.alias("reason"))


def _number(name: str, decimals: int) -> pl.Expr:
    return pl.col(name).round(decimals) + 0.0  # no "-0.0"


def _steps(flagged: pl.DataFrame, counts: pl.DataFrame, settings: VelocityConfig) -> tuple[Step, ...]:
    by_clip = settings.model == "clip"
    name = f"outside {settings.clip:g} sigma" if by_clip else f"of probability below {settings.member_probability:g}"
    outside = (has_valid_error("rv") & (pl.col("flag") == 0)).sum()
    lost = flagged.select(
        pl.col("rv").is_null().sum().alias("without a radial velocity"),
        (pl.col("rv").is_not_null() & ~has_valid_error("rv")).sum().alias("without a valid error of it"),
        outside.alias(name),
    ).row(0, named=True)
    return (
        Step("velocity selection", "stars of clusters", flagged.height, lost),
        Step(
            "cluster velocities", "clusters", counts.height, {"without a usable star": int((counts["n_rv"] == 0).sum())}
        ),
    )


def _notes(flagged: pl.DataFrame, rejected: pl.DataFrame, edges: tuple[str, ...]) -> tuple[str, ...]:
    notes = [
        f"velocity model: {name} ended at the edge of its prior: these velocities are not as the model has them"
        for name in edges
    ]
    if rejected.height:
        shown = ", ".join(rejected["cluster"].head(5)) + (", ..." if rejected.height > 5 else "")
        notes.append(f"{plural(rejected.height, 'cluster', 'have')} no radial velocity: {shown}")
    return (*notes, *shared_stars(flagged))


def shared_stars(stars: pl.DataFrame) -> tuple[str, ...]:
    """The note about stars of more than one cluster."""
    n_shared = stars.filter(pl.col("n_clusters") > 1)["source_id"].n_unique()
    if not n_shared:
        return ()
    return (f"{plural(n_shared, 'star', 'are')} in the member list of more than one cluster; each uses it",)
