"""Membership lists -> MEMBERS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from ...config import GaiaRelease, MembersConfig, Threshold
from ...core.words import plural
from ...datasets import locate
from ...errors import EmptyResultError, SchemaError
from ...schema import MEMBERS
from ...schema.gaia import gaia_release
from ...schema.result import Result, Step
from ...tables.reader import open_table
from ..surveys.layout import Source
from .catalogues import MEMBER_LISTS
from .columns import mapped, read_columns, wrapped

#: Probabilities published in decimal steps are compared after rounding to this many digits, so that a 0.7 stored as
#: a 32-bit float (0.69999999) is 0.7.
PROBABILITY_DIGITS = 6


def read_members(config: MembersConfig, *, data_dir: Path | None = None) -> Result:
    """Read a membership list and apply the probability cut.

    Parameters
    ----------
    config : MembersConfig
        The ``[members]`` section.
    data_dir : path, optional
        Directory of the local mirror.

    Returns
    -------
    Result
        MEMBERS: one row per star and cluster that passes. A star of several clusters (after the cut) is kept in each;
        ``n_clusters`` says in how many. ``rejected`` lists the rows dropped, with the reason; ``facts`` has the
        ``path`` read and the numbers of ``clusters`` and ``stars``.

    Raises
    ------
    DatasetError, ReadError, SchemaError
        If the file is missing, damaged, or a column or value is not what it must be.
    EmptyResultError
        If no row passes.

    Notes
    -----
    Whether the threshold itself passes is part of it (``>= 0.7`` or ``> 0.7``): Cantat-Gaudin et al. publish
    probabilities in steps of 0.1, and their 2020 counts (nbstars07) are those of ``>= 0.7``.
    """
    if config.catalogue == "table":
        sources: Mapping[str, Source] = mapped(config.columns, MEMBERS, "members.columns")
        release: GaiaRelease = gaia_release(config.gaia_release or "").name
        file = config.file or ""
    else:
        catalogue = MEMBER_LISTS[config.catalogue]
        sources, release = catalogue.sources, catalogue.gaia_release
        file = config.file or catalogue.dataset
    reader = open_table(locate(file, data_dir=data_dir), config.hdu)
    frame = read_columns(reader, sources, MEMBERS)
    came_in = frame.height
    if not came_in:
        raise EmptyResultError("the membership list has no rows", where=reader.path, hint="check the file")
    if "probability" not in frame.columns:
        frame = frame.with_columns(pl.lit(1.0).alias("probability"))
    _check_probability(frame, reader.path)
    frame = frame.with_columns(_reason(config.probability))
    rejected = frame.filter(pl.col("reason").is_not_null())
    frame = frame.filter(pl.col("reason").is_null())
    if not frame.height:
        raise EmptyResultError(
            f"none of the {came_in:,} rows is a member with probability {config.probability}",
            where=reader.path,
            hint="lower [members] probability",
        )
    key = ["cluster", "source_id"]
    again = frame.filter(~pl.struct(key).is_first_distinct())
    rejected = pl.concat([rejected, again.with_columns(pl.lit("listed twice in the same cluster").alias("reason"))])
    frame = frame.filter(pl.struct(key).is_first_distinct()).with_columns(
        pl.lit(release).alias("gaia_release"),
        pl.len().over("source_id").cast(pl.Int32).alias("n_clusters"),
        wrapped("ra"),
    )
    epoch = pl.lit(gaia_release(release).epoch)
    known = pl.col("ref_epoch").fill_null(epoch) if "ref_epoch" in frame.columns else epoch
    frame = frame.with_columns(known.alias("ref_epoch"))
    lost = {str(reason): int(count) for reason, count in rejected["reason"].value_counts(sort=True).iter_rows()}
    return Result(
        MEMBERS.conform(frame, where=reader.path),
        MEMBERS,
        rejected=rejected.select("row", *key, "probability", "reason"),
        settings=config,
        steps=(Step("probability cut", "members", came_in, lost),),
        notes=tuple(_sharing(frame)),
        facts={
            "path": reader.path,
            "clusters": frame["cluster"].n_unique(),
            "stars": frame["source_id"].n_unique(),
        },
    )


def _check_probability(frame: pl.DataFrame, path: Path) -> None:
    wrong = frame.filter(~pl.col("probability").is_between(0.0, 1.0))
    if wrong.height:
        raise SchemaError(
            f"row {wrong['row'][0]}: the membership probability is {wrong['probability'][0]:g}",
            where=path,
            expected="a probability between 0 and 1",
            hint='percentages are divided by 100 with the unit "percent" in the column map',
        )


def _reason(threshold: Threshold) -> pl.Expr:
    probability = pl.col("probability").round(PROBABILITY_DIGITS)
    incomplete = pl.any_horizontal(pl.col(n).is_null() for n in ("cluster", "source_id", "ra", "dec"))
    return (
        pl.when(incomplete)
        .then(pl.lit("no cluster name, source_id or position"))
        .when(pl.col("probability").is_null())
        .then(pl.lit("no membership probability"))
        .when(~threshold.passes(probability))
        .then(pl.lit(f"probability not {threshold}"))
        .alias("reason")
    )


def _sharing(frame: pl.DataFrame) -> Sequence[str]:
    shared = frame.filter(pl.col("n_clusters") > 1)
    if not shared.height:
        return []
    stars, clusters = shared["source_id"].n_unique(), shared["cluster"].n_unique()
    return [f"{plural(stars, 'star', 'are')} in more than one of {plural(clusters, 'cluster')}; each keeps them"]
