"""Selection by stellar parameters and the [Fe/H] of each cluster."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from ...config import MetallicityConfig
from ...core.randomness import Streams
from ...errors import EmptyResultError, SchemaError
from ...schema import CATALOGUE, CLUSTERS, MEMBER_STARS
from ...schema.result import Step
from ...stars import has_valid_error
from ..isochrones import Isochrones
from ..montecarlo import Progress, summarise
from .giants import dividing, giant_rules, limits
from .likelihood import metallicity_model, model_columns
from .trend import Failure, Trend, fit_trend, trend_failures, trend_sentence, with_trend

#: The catalogue's columns this stage fills.
CLUSTER_METALLICITIES = CATALOGUE.select(
    [
        "cluster",
        "n_feh",
        "feh_med",
        "feh_med_error",
        "feh_mean",
        "feh_mean_error",
        "feh_scatter",
        "feh_model",
        "feh_model_error",
        "feh_model_p16",
        "feh_model_p84",
    ],
    name="cluster metallicities",
)

#: A star whose [Fe/H] counts.
_USED = pl.col("flag").is_in([12, 2])


@dataclass(frozen=True)
class MetallicityResult:
    """What the metallicity stage found.

    Attributes
    ----------
    members : polars.DataFrame
        MEMBER_STARS with flag 0, 1, 12 or 2 and the final reason.
    clusters : polars.DataFrame
        One row per cluster with members (columns of ``CLUSTER_METALLICITIES``); nulls where no star has flag 12.
    giant_rules : polars.DataFrame
        Per cluster: ``cluster``, ``giant_rule`` (isochrone or fixed), ``isochrone_log_age``, ``isochrone_mh`` and
        ``why`` (null unless the isochrone was wanted and could not be used).
    settings : MetallicityConfig
        The settings used.
    steps : tuple of Step
        Where each flag-1 star went.
    notes : tuple of str
        Warnings a reader must know.
    trend : Trend or None
        The trend with Teff that was subtracted, if one was fitted.
    """

    members: pl.DataFrame
    clusters: pl.DataFrame
    giant_rules: pl.DataFrame
    settings: MetallicityConfig
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    trend: Trend | None = None


def select(
    members: pl.DataFrame,
    clusters: pl.DataFrame,
    isochrones: Isochrones | None,
    *,
    settings: MetallicityConfig,
    rng: Streams,
    jobs: int = 1,
    progress: Progress | None = None,
) -> MetallicityResult:
    """Select the stars whose [Fe/H] can be trusted and derive the cluster's.

    A flag-1 star becomes flag 12 (a flag-2 star, of a survey without velocities, stays 2 and otherwise gets 0) if it
    has [Fe/H] with a valid error, its Teff is within ``settings.teff`` (limits included), and it is not a cool dwarf:
    cooler than ``cool_dwarf_teff`` with log g above the value that divides giants from dwarfs. A cool star
    without log g cannot be shown to be a giant and is not used.

    The dividing log g is half-way between the main sequence and the giant branch, at the star's Teff, of the
    isochrone nearest to the catalogue's log age. Its [M/H] is the grid value nearest to the median [Fe/H] of the
    cluster's flag-1 stars from ``cool_dwarf_teff`` to the upper Teff limit (which need no such rule) if there are
    three, else solar. Without an isochrone or an age it is ``dwarf_logg``.

    With ``settings.teff_trend = "fit"`` these limits do not hold; the trend of [Fe/H] with Teff is measured on the
    members (`melotte.clusters.metallicity.trend`) and subtracted, and the stars in the range of the trend get flag 12.

    Parameters
    ----------
    members : polars.DataFrame
        MEMBER_STARS with flags 0 and 1, from `melotte.clusters.velocity.select`, or 2, from its ``by_membership``.
    clusters : polars.DataFrame
        CLUSTERS; only ``log_age`` is used, and clusters may be missing.
    isochrones : Isochrones or None
        The grid; None uses the fixed log g for all.
    settings : MetallicityConfig
        Limits and number of draws.
    rng : Streams
        The run's generators; the stage uses ``rng.child("metallicity")``.
    jobs : int
        Number of threads; the result does not depend on it.
    progress : callable, optional
        Called with (clusters done, clusters in all).

    Returns
    -------
    MetallicityResult

    Raises
    ------
    SchemaError
        If a table is not of its schema, or the members have been through this stage already.

    References
    ----------
    Fu et al. 2022, A&A 668, A4, Sect. 2.2.
    """
    MEMBER_STARS.validate(members, where="members")
    CLUSTERS.validate(clusters, where="clusters")
    if not members["flag"].is_in([0, 1, 2]).all():
        raise SchemaError(
            f"flags {members['flag'].unique().sort().to_list()}",
            where="members, column flag",
            expected="0 and 1, as the velocity selection gives them (2 of a survey without velocities)",
            hint="start from the velocity stage's table, not from a finished one",
        )
    members = members.sort("cluster", "source_id")
    rules = giant_rules(members, clusters, isochrones, settings)
    divided, trend = dividing(members, rules, isochrones, settings), None
    if settings.teff_trend == "fit":
        dwarf_logg = limits(settings)[3]
        trend = fit_trend(divided, settings=settings.trend, dwarf_logg=dwarf_logg)
        if trend is None:
            raise EmptyResultError(
                "too few stars or clusters to measure the trend of [Fe/H] with Teff",
                where='[metallicity] teff_trend = "fit"',
                expected=f"{settings.trend.folds} clusters with two or more stars with [Fe/H], Teff and log g",
                hint='use teff_trend = "cuts"',
            )
        divided = with_trend(divided, trend, dwarf_logg)
    tested = _test(divided, settings)
    used = tested.filter(_USED).with_columns(
        pl.col("feh") - pl.col("feh_trend").fill_null(0.0) if trend else pl.col("feh")
    )
    centre = summarise(
        used.select("cluster", "feh", "feh_error"),
        "feh",
        rng=rng.child("metallicity").child("cluster"),
        draws=settings.draws,
        jobs=jobs,
        progress=progress,
    ).rename({"median": "feh_med", "median_sd": "feh_med_error", "mean": "feh_mean", "mean_sd": "feh_mean_error"})
    counts = (
        tested.group_by("cluster", maintain_order=True)
        .agg(
            _USED.sum().alias("n_feh"),
        )
        .join(
            used.group_by("cluster").agg(pl.col("feh").std(ddof=1).alias("feh_scatter")),
            on="cluster",
            how="left",
            maintain_order="left",
        )
    )
    model = metallicity_model(used, settings=settings.likelihood, jobs=jobs)
    found = counts.join(centre, on="cluster", how="left", maintain_order="left").join(
        model_columns(model), on="cluster", how="left", maintain_order="left"
    )
    return MetallicityResult(
        members=MEMBER_STARS.conform(tested, where="members after the metallicity selection"),
        clusters=CLUSTER_METALLICITIES.conform(found, where="cluster metallicities"),
        giant_rules=rules,
        settings=settings,
        steps=_steps(tested, counts),
        notes=_notes(rules, settings, trend),
        trend=trend,
    )


def _test(stars: pl.DataFrame, settings: MetallicityConfig) -> pl.DataFrame:
    """Set flag and reason, and the name of the test a flag-1 star failed (``lost``)."""
    low, high, cool_teff, _ = limits(settings)
    accept_unknown = settings.missing_teff == "accept"
    teff, logg, boundary = _shown("teff", 0), _shown("logg", 2), _shown("logg_giant", 2)
    rule = (
        pl.when(pl.col("giant_rule") == "isochrone")
        .then(pl.lit("the isochrone's dividing value"))
        .otherwise(pl.lit("the fixed dividing value"))
    )
    cool = pl.format("Teff {} K is below {} K", teff, pl.lit(f"{cool_teff:g}"))
    allowed = pl.lit(f"{low:g} to {high:g} K")
    is_cool, unknown_teff = pl.col("teff") < cool_teff, pl.col("teff").is_null()
    # The first test that a star fails decides.
    failures: list[Failure] = [
        ("without [Fe/H]", pl.col("feh").is_null(), pl.lit("no [Fe/H]")),
        (
            "without a valid error of [Fe/H]",
            ~has_valid_error("feh"),
            pl.format("[Fe/H] {} has no valid error", _shown("feh", 3)),
        ),
    ]
    cuts: list[Failure] = [
        (
            "without Teff",
            unknown_teff & (not accept_unknown),
            pl.lit("no Teff, so the limits cannot be checked"),
        ),
        (
            f"with Teff outside {low:g} to {high:g} K",
            ~pl.col("teff").is_between(low, high).fill_null(True),
            pl.format("Teff {} K is outside {}", teff, allowed),
        ),
        (
            f"below {cool_teff:g} K without log g",
            is_cool & pl.col("logg").is_null(),
            pl.format("{} and without log g it cannot be shown to be a giant", cool),
        ),
        (
            f"dwarfs below {cool_teff:g} K",
            is_cool & (pl.col("logg") > pl.col("logg_giant")),
            pl.format("cool dwarf: {} and log g {} is above {}, {}", cool, logg, boundary, rule),
        ),
    ]
    by_trend = settings.teff_trend == "fit"
    failures += trend_failures() if by_trend else cuts
    lost, why = pl.lit(None, dtype=pl.String), pl.lit(None, dtype=pl.String)
    for name, failed, sentence in reversed(failures):
        failed = failed.fill_null(False)
        lost = pl.when(failed).then(pl.lit(name)).otherwise(lost)
        why = pl.when(failed).then(sentence).otherwise(why)
    kept = (
        pl.when(pl.lit(by_trend))
        .then(trend_sentence())
        .when(unknown_teff)
        .then(pl.lit("no Teff, accepted by the configuration"))
        .when(is_cool)
        .then(
            pl.format(
                "Teff {} K is within {}; below {} K and log g {} is at most {}, {}: a giant",
                teff,
                allowed,
                pl.lit(f"{cool_teff:g}"),
                logg,
                boundary,
                rule,
            )
        )
        .otherwise(pl.format("Teff {} K is within {}", teff, allowed))
    )
    velocityless = pl.col("flag") == 2
    candidate = (pl.col("flag") == 1) | velocityless
    return (
        stars.with_columns(pl.when(candidate).then(lost).alias("lost"), why.alias("why"), kept.alias("kept"))
        .with_columns(pl.col("flag").alias("flag_before"), (candidate & pl.col("lost").is_null()).alias("good"))
        .with_columns(
            pl.when(velocityless)
            .then(pl.when("good").then(2).otherwise(0))
            .when("good")
            .then(12)
            .otherwise("flag")
            .cast(pl.Int32)
            .alias("flag"),
            pl.when("good")
            .then(pl.format("{}. Used for [Fe/H]: {}", "reason", "kept"))
            .when(candidate)
            .then(pl.format("{}. Not used for [Fe/H]: {}", "reason", "why"))
            .otherwise("reason")
            .alias("reason"),
        )
        .drop("good", "why", "kept")
    )


def _shown(name: str, decimals: int) -> pl.Expr:
    rounded = pl.col(name).round(decimals) + 0.0  # no "-0.0"
    return rounded.cast(pl.Int64) if decimals == 0 else rounded


def _steps(tested: pl.DataFrame, counts: pl.DataFrame) -> tuple[Step, ...]:
    candidates = tested.filter(pl.col("flag_before") >= 1)
    lost = candidates["lost"].drop_nulls().value_counts(sort=True)
    first, last = (2, 2) if (candidates["flag_before"] == 2).any() else (1, 12)
    return (
        Step("metallicity selection", f"flag-{first} stars", candidates.height, dict(lost.iter_rows())),
        Step(
            "cluster [Fe/H]",
            "clusters",
            counts.height,
            {f"without a flag-{last} star": int((counts["n_feh"] == 0).sum())},
        ),
    )


def _notes(rules: pl.DataFrame, settings: MetallicityConfig, trend: Trend | None) -> tuple[str, ...]:
    notes = [] if trend is None else [trend.note()]
    _, _, _, fixed_logg = limits(settings)
    for why, count in rules["why"].drop_nulls().value_counts(sort=True).iter_rows():
        notes.append(
            f"giants told from dwarfs by log g {fixed_logg:g} instead of an isochrone in {count} clusters: {why}"
        )
    return tuple(notes)
