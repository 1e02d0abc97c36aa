"""Velocities that surveys have in common, star by star and cluster by cluster."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from ..errors import EmptyResultError, SchemaError
from ..schema.gaia import ID_COLUMNS, RELEASES
from .check import DIFFERENT, judge, unit_vectors
from .compare import CompareSettings
from .listing import Listing
from .names import Resolver
from .statistics import describe

#: Columns of a table of measurements.
MEASUREMENTS = {"kind": pl.String, "object": pl.String, "survey": pl.String, "value": pl.Float64, "error": pl.Float64}


def star_measurements(surveys: Mapping[str, pl.DataFrame], *, radius_arcsec: float = 2.0) -> pl.DataFrame:
    """Velocities of the stars that surveys have in common.

    Parameters
    ----------
    surveys : mapping
        Survey name -> SPECTRA (or a table with its columns ``ra``, ``dec``, ``rv``, ``rv_error``,
        and the id columns of the Gaia releases it knows: ``source_id_dr3``).
    radius_arcsec : float
        Stars without a Gaia identifier are matched by position (both at their survey's epoch: a fast star is missed).

    Returns
    -------
    polars.DataFrame
        ``kind`` ("star"), ``object``, ``survey``, ``value``, ``error`` (km/s): one row per star and survey, repeats
        averaged with inverse variances. An identifier of one Gaia release is never compared with one of another; a
        survey that gives both connects them.
    """
    needed = ["ra", "dec", "rv", "rv_error"]
    parts = []
    for name, spectra in surveys.items():
        if absent := [c for c in needed if c not in spectra.columns]:
            raise SchemaError(f"columns {absent} are missing", where=name, expected=", ".join(needed))
        parts.append(
            spectra.filter(pl.col("rv").is_not_null()).select(*needed, *_ids(spectra), pl.lit(name).alias("survey"))
        )
    if not parts:
        raise EmptyResultError("no survey was given", expected="two or more")
    every = pl.concat(parts)
    every = _bridged(every).with_columns(
        pl.coalesce(pl.format(f"{r.name} {{}}", pl.col(r.id_column)) for r in reversed(RELEASES)).alias("object")
    )
    every = every.with_columns(_by_position(every, radius_arcsec))
    return _averaged(every.select(pl.lit("star").alias("kind"), "object", "survey", "rv", "rv_error"))


def _ids(spectra: pl.DataFrame) -> list[pl.Expr]:
    """The id of each Gaia release, null where the table has no such column."""
    return [(pl.col(i) if i in spectra.columns else pl.lit(None)).cast(pl.Int64).alias(i) for i in ID_COLUMNS]


def _bridged(every: pl.DataFrame) -> pl.DataFrame:
    """Ids of newer releases filled in: only where one row says both, and only if all rows that do agree."""
    for i, new in enumerate(ID_COLUMNS):
        for old in reversed(ID_COLUMNS[:i]):
            bridge = (
                every.filter(pl.col(old).is_not_null() & pl.col(new).is_not_null())
                .select(old, pl.col(new).alias("bridged"))
                .unique()
                .unique(old, keep="none")
            )
            every = every.join(bridge, on=old, how="left", maintain_order="left")
            every = every.with_columns(pl.coalesce(new, "bridged").alias(new)).drop("bridged")
    return every


def _by_position(every: pl.DataFrame, radius_arcsec: float) -> pl.Series:
    """Objects of the rows without an identifier: that of the nearest row with one, or a place of their own."""
    from scipy.spatial import cKDTree

    names = every["object"].to_list()
    placed = every["ra"].is_not_null() & every["dec"].is_not_null()
    named = (every["object"].is_not_null() & placed).arg_true().to_numpy()
    nameless = (every["object"].is_null() & placed).arg_true().to_numpy()
    vectors = unit_vectors(every["ra"].fill_null(0.0).to_numpy(), every["dec"].fill_null(0.0).to_numpy())
    reach = 2 * np.sin(np.radians(radius_arcsec / 3600) / 2)
    if len(named) and len(nameless):
        distance, index = cKDTree(vectors[named]).query(vectors[nameless], distance_upper_bound=reach)
        for row, near, far in zip(nameless, index, distance, strict=True):
            if np.isfinite(far):
                names[row] = names[named[near]]
    left = np.array([row for row in nameless if names[row] is None], dtype=np.int64)
    if len(left):
        # Surveys without identifiers among themselves: every row takes the name of the first one in reach.
        tree = cKDTree(vectors[left])
        for row in left:
            if names[row] is None:
                own = f"position {row}"
                for near in tree.query_ball_point(vectors[row], reach):
                    names[left[near]] = names[left[near]] or own
    return pl.Series("object", [n or f"row {i}" for i, n in enumerate(names)], dtype=pl.String)


def _averaged(rows: pl.DataFrame) -> pl.DataFrame:
    weight = pl.when(pl.col("rv_error") > 0).then(1 / pl.col("rv_error") ** 2)
    whole = weight.is_not_null().all()
    mean = pl.when(whole).then((pl.col("rv") * weight).sum() / weight.sum()).otherwise(pl.col("rv").mean())
    return (
        rows.group_by("kind", "object", "survey")
        .agg(mean.alias("value"), pl.when(whole).then(1 / weight.sum().sqrt()).alias("error"))
        .sort("kind", "object", "survey")
    )


def cluster_measurements(
    listings: Mapping[str, Listing], resolver: Resolver, *, settings: CompareSettings | None = None
) -> pl.DataFrame:
    """Velocities of the clusters that catalogues have in common; the first one's astrometry decides on the names.

    Parameters
    ----------
    listings : mapping
        Survey name -> catalogue of cluster velocities.
    resolver : Resolver
        Knows the aliases.
    settings : CompareSettings, optional
        When two rows of one name are one object.
    """
    settings = settings or CompareSettings()
    frames = []
    seen: pl.DataFrame | None = None
    for name, listing in listings.items():
        keyed = listing.keyed(resolver).unique("object", keep="none")
        if seen is not None:
            joined = seen.join(keyed, on="object", how="inner", suffix="_other")
            wrong = judge(joined, settings.limits).filter(pl.col("verdict") == DIFFERENT)["object"]
            keyed = keyed.filter(~pl.col("object").is_in(wrong.to_list()))
        seen = keyed if seen is None else pl.concat([seen, keyed]).unique("object", keep="first", maintain_order=True)
        frames.append(
            listing.measured("rv")
            .join(keyed.select("row", "object"), on="row")
            .select(
                pl.lit("cluster").alias("kind"),
                "object",
                pl.lit(name).alias("survey"),
                "value",
                pl.col("value_error").alias("error"),
            )
        )
    return pl.concat(frames) if frames else pl.DataFrame(schema=MEASUREMENTS)


def member_measurements(stars: Mapping[str, pl.DataFrame], *, minimum: int = 3) -> pl.DataFrame:
    """Velocities that surveys have in common for the members of one membership list, stars and clusters apart.

    Parameters
    ----------
    stars : mapping
        Survey name -> its stars in the clusters (`melotte.stars.assign` with one membership list for all): ``cluster``,
        ``source_id``, ``gaia_release``, ``rv``, ``rv_error``.
    minimum : int
        Stars a survey must have in a cluster for a cluster velocity.

    Returns
    -------
    polars.DataFrame
        ``kind``, ``object``, ``survey``, ``value``, ``error`` (km/s). A star that several surveys have is a *star*; the
        median of the members that only one survey has is a *cluster*, with the standard error of a median from their
        robust scatter. No star enters both, so that the two are independent and `solve` may take them together.

    Raises
    ------
    SchemaError
        If a column is missing or the surveys were matched to lists of different Gaia releases.
    EmptyResultError
        If there is no survey.
    """
    needed = ["cluster", "source_id", "gaia_release", "rv", "rv_error"]
    parts = []
    for name, frame in stars.items():
        if absent := [c for c in needed if c not in frame.columns]:
            raise SchemaError(f"columns {absent} are missing", where=name, expected=", ".join(needed))
        parts.append(frame.filter(pl.col("rv").is_not_null()).select(*needed, pl.lit(name).alias("survey")))
    if not parts:
        raise EmptyResultError("no survey was given", expected="two or more")
    every = pl.concat(parts)
    releases = every["gaia_release"].unique().sort().to_list()
    if len(releases) > 1:
        raise SchemaError(
            f"the surveys were matched to members of Gaia {' and '.join(releases)}",
            where="gaia_release",
            expected="one membership list for all",
        )
    every = every.with_columns(pl.col("survey").n_unique().over("source_id").alias("n_surveys"))
    key = pl.format("{} {}", pl.col("gaia_release"), pl.col("source_id")).alias("object")
    # A star of two clusters is one star.
    several = every.filter(pl.col("n_surveys") > 1).unique(["survey", "source_id"], keep="first", maintain_order=True)
    shared = several.select(pl.lit("star").alias("kind"), key, "survey", pl.col("rv").alias("value"))
    shared = shared.with_columns(several["rv_error"].alias("error"))
    alone = every.filter((pl.col("n_surveys") == 1) & (pl.len().over("source_id") == 1))
    clusters = []
    for (cluster, survey), group in alone.group_by("cluster", "survey", maintain_order=True):
        found = describe(group["rv"].to_numpy())
        if found.n >= minimum and found.median_error:
            clusters.append(("cluster", str(cluster), str(survey), found.median, found.median_error))
    means = pl.DataFrame(clusters, schema=MEASUREMENTS, orient="row")
    return pl.concat([shared.select(*MEASUREMENTS), means]).sort("kind", "object", "survey")
