"""The stars of each cluster: the join of stars with the membership list."""

from __future__ import annotations

import polars as pl

from ..errors import SchemaError
from ..schema import MEMBERS, STARS


def assign(stars: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """The stars of each cluster.

    Parameters
    ----------
    stars : polars.DataFrame
        A STARS table.
    members : polars.DataFrame
        A MEMBERS table of the same Gaia release.

    Returns
    -------
    polars.DataFrame
        One row per (cluster, source_id), sorted so: the STARS columns, then cluster, probability and n_clusters.
        Coordinates, epoch and proper motion are those of the membership list (Gaia's); parallax, G and BP-RP are
        the list's where it has them, else the survey's.

    Raises
    ------
    SchemaError
        If the two tables are of different Gaia releases.
    """
    STARS.validate(stars, where="stars")
    MEMBERS.validate(members, where="members")
    ours, theirs = one_release(stars["gaia_release"], "stars"), one_release(members["gaia_release"], "members")
    if ours and theirs and ours != theirs:
        raise SchemaError(
            f"the stars have Gaia {ours} ids, the members Gaia {theirs} ids",
            where="source_id",
            expected="ids of one release; the same number can mean another star in another release",
            hint="match the survey by position, or choose a membership list of the survey's release",
        )
    as_set = ("ra", "dec", "ref_epoch", "pmra", "pmdec")
    if_known = ("parallax", "phot_g_mean_mag", "bp_rp")
    listed = members.select(
        "source_id", "cluster", "probability", "n_clusters", pl.col(*as_set, *if_known).name.suffix("_list")
    )
    return (
        stars.join(listed, on="source_id", how="inner")
        .with_columns(
            *(pl.col(f"{name}_list").alias(name) for name in as_set),
            *(pl.coalesce(f"{name}_list", name).alias(name) for name in if_known),
        )
        .select(*STARS.names, "cluster", "probability", "n_clusters")
        .sort("cluster", "source_id")
    )


def one_release(releases: pl.Series, where: str) -> str | None:
    """The Gaia release of a table; None of an empty one, `SchemaError` for several."""
    found = releases.unique().sort().to_list()
    if len(found) > 1:
        raise SchemaError(
            f"source identifiers of several Gaia releases in one table: {', '.join(found)}",
            where=where,
            expected="one release",
            hint="match each release separately",
        )
    return found[0] if found else None
