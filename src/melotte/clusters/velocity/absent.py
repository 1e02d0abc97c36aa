"""A survey without radial velocities: the members are those of the list."""

from __future__ import annotations

import polars as pl

from ...config import VelocityConfig
from ...schema import MEMBER_STARS
from ...schema.result import Step
from .selection import CLUSTER_VELOCITIES, VelocityResult, shared_stars

_NOTE = (
    "the survey gives no radial velocities: members are chosen by the membership list alone; "
    "no velocity, no zero point, no orbit is computed"
)


def by_membership(stars: pl.DataFrame, *, settings: VelocityConfig) -> VelocityResult:
    """What `select` gives for a survey that has no column of radial velocities.

    Parameters
    ----------
    stars : polars.DataFrame
        One row per (cluster, source_id), as `melotte.stars.assign` makes it. The order of the rows does not matter.
    settings : VelocityConfig
        Kept in the result; nothing is selected by it.

    Returns
    -------
    VelocityResult
        Every star with flag 2, every cluster with its ``n_all``, ``n_rv`` 0 and no velocity, none rejected.
    """
    stars = stars.sort("cluster", "source_id")
    members = stars.with_columns(
        pl.lit(2, dtype=pl.Int32).alias("flag"),
        pl.lit("in the membership list; the survey gives no radial velocity").alias("reason"),
    )
    clusters = stars.group_by("cluster", maintain_order=True).agg(
        pl.len().alias("n_all"), pl.lit(0, dtype=pl.Int32).alias("n_rv")
    )
    lost = {"as the survey gives no radial velocity": clusters.height}
    return VelocityResult(
        members=MEMBER_STARS.conform(members, where="members of a survey without velocities"),
        clusters=CLUSTER_VELOCITIES.conform(clusters, where="cluster velocities"),
        rejected=clusters.clear().select("cluster", pl.col("n_all").cast(pl.Int32), pl.lit("").alias("reason")),
        settings=settings,
        steps=(
            Step("membership selection", "stars of clusters", stars.height, {}),
            Step("cluster velocities", "clusters", clusters.height, lost),
        ),
        notes=(_NOTE, *shared_stars(stars)),
    )
