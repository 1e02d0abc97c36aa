"""Cluster catalogues -> CLUSTERS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from ...config import ClustersConfig
from ...core.words import plural
from ...datasets import locate
from ...errors import EmptyResultError
from ...schema import CLUSTERS
from ...schema.result import Result, Step
from ...tables.reader import open_table
from ..surveys.layout import Source
from .catalogues import CLUSTER_CATALOGUES
from .columns import mapped, read_columns, wrapped


def read_clusters(config: ClustersConfig, *, data_dir: Path | None = None) -> Result:
    """Read a cluster catalogue.

    Parameters
    ----------
    config : ClustersConfig
        The ``[clusters]`` section.
    data_dir : path, optional
        Directory of the local mirror.

    Returns
    -------
    Result
        CLUSTERS: one row per cluster, missing values masked.

    Raises
    ------
    DatasetError, ReadError, SchemaError
        If the file is missing, damaged, or a column or value is not what it must be.
    EmptyResultError
        If the catalogue is empty.
    """
    if config.catalogue == "table":
        sources: Mapping[str, Source] = mapped(config.columns, CLUSTERS, "clusters.columns")
        file = config.file or ""
    else:
        catalogue = CLUSTER_CATALOGUES[config.catalogue]
        sources, file = catalogue.sources, config.file or catalogue.dataset
    reader = open_table(locate(file, data_dir=data_dir), config.hdu)
    frame = read_columns(reader, sources, CLUSTERS)
    came_in = frame.height
    if not came_in:
        raise EmptyResultError("the cluster catalogue has no rows", where=reader.path, hint="check the file")
    needed = ("cluster", "ra", "dec")
    complete = pl.all_horizontal(pl.col(n).is_not_null() for n in needed)
    rejected = frame.filter(~complete).with_columns(pl.lit("no name or position").alias("reason"))
    frame = frame.filter(complete).with_columns(wrapped("ra"))
    missing = {n: int(frame[n].null_count()) for n in ("distance", "log_age") if n in frame.columns}
    absent = [n for n in ("distance", "log_age", "a_v", "distance_modulus") if n not in frame.columns]
    all_of_them = plural(frame.height, "cluster", "have")
    notes = [f"{count} of {all_of_them} no {name}" for name, count in missing.items() if count]
    notes += [f"the catalogue gives no {', no '.join(absent)}"] if absent else []
    return Result(
        CLUSTERS.conform(frame, where=reader.path),
        CLUSTERS,
        rejected=rejected.select("row", "cluster", "reason"),
        settings=config,
        steps=(Step("cluster catalogue", "clusters", came_in, {"no name or position": rejected.height}),),
        notes=tuple(notes),
        facts={"path": reader.path},
    )
