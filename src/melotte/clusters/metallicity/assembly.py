"""The cluster catalogue, put together from the stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import polars as pl

from ...schema import CATALOGUE, CLUSTERS


def assemble(
    velocities: pl.DataFrame,
    metallicities: pl.DataFrame,
    clusters: pl.DataFrame,
    *,
    zero_point: Mapping[str, float] | None = None,
    velocity: Literal["clip", "likelihood"] = "clip",
) -> pl.DataFrame:
    """The cluster catalogue: velocities, metallicities and the literature parameters of each cluster.

    Parameters
    ----------
    velocities : polars.DataFrame
        ``VelocityResult.clusters``: each of its clusters gets a row.
    metallicities : polars.DataFrame
        ``MetallicityResult.clusters``.
    clusters : polars.DataFrame
        CLUSTERS; a cluster missing there gets nulls and a note.
    zero_point : mapping, optional
        ``ZeroPoint.numbers()``: ``rv_corrected`` is the velocity plus its ``median`` (reference - survey), with its
        ``error`` added in quadrature. Null without it.
    velocity : str
        The velocity of ``rv_corrected``: ``clip`` takes rv_med, ``likelihood`` rv_model.

    Returns
    -------
    polars.DataFrame
        CATALOGUE, sorted by cluster.
    """
    CLUSTERS.validate(clusters, where="clusters")
    literature = [name for name in CLUSTERS.names if name in CATALOGUE]
    listed = clusters.select(literature).with_columns(pl.lit(True).alias("listed"))
    table = velocities.join(metallicities, on="cluster", how="left").join(listed, on="cluster", how="left")
    rv = {"clip": "rv_med", "likelihood": "rv_model"}[velocity]
    if zero_point:
        table = table.with_columns(
            (pl.col(rv) + zero_point["median"]).alias("rv_corrected"),
            (pl.col(f"{rv}_error") ** 2 + zero_point["error"] ** 2).sqrt().alias("rv_corrected_error"),
        )
    remarks = [
        pl.when(pl.col("listed").is_null()).then(pl.lit("not in the cluster catalogue: no age, distance, A_V")),
        pl.when(pl.col("n_rv") == 0).then(pl.lit("no radial velocity")),
        pl.when(pl.col("n_rv") == 1).then(pl.lit("radial velocity of a single star")),
        pl.when(pl.col("n_feh") == 1).then(pl.lit("[Fe/H] of a single star")),
    ]
    note = pl.concat_str(remarks, separator="; ", ignore_nulls=True)
    table = table.with_columns(pl.col("n_feh").fill_null(0), pl.when(note != "").then(note).alias("note"))
    return CATALOGUE.conform(table.sort("cluster"), where="cluster catalogue")
