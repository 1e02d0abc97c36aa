"""HATS (IVOA note "Hierarchical Adaptive Tiling Scheme"): a star table in HEALPix partitions, for LSDB. An extra."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from ..errors import PublishError
from ..schema import Schema
from ..tables import parquet

#: Smallest cells partitions may have: 3.4 arcmin; lsdb counts stars in every cell of this order of the whole sky.
_HIGHEST_ORDER = 10


def check_hats(frame: pl.DataFrame) -> None:
    """Refuse, before any work is done, what cannot become a HATS collection.

    Raises
    ------
    PublishError
        If the packages are absent or the table has no row.
    """
    if find_spec("lsdb") is None:
        raise PublishError("HATS needs the package lsdb", where="--hats", hint="pip install 'melotte[hats]'")
    if not frame.height:
        raise PublishError("a HATS collection needs stars", where="--hats", hint="leave out --hats")


def write_hats(folder: Path, frame: pl.DataFrame, schema: Schema, *, rows: int, margin_arcsec: float) -> None:
    """Write a table with positions and compare what is read back.

    Parameters
    ----------
    folder : pathlib.Path
        The collection (catalogue and margin); it must not exist.
    frame : polars.DataFrame
        A table of the schema with at least one row, ``ra`` and ``dec`` (ICRS, deg).
    schema : Schema
        Its columns.
    rows : int
        Most rows in one partition.
    margin_arcsec : float
        Width of the margin catalogue that goes with it, if a row falls in it.

    Raises
    ------
    PublishError
        If the packages are absent, a catalogue cannot be written or does not read back equal.
    """
    check_hats(frame)
    import dask
    import lsdb
    import pandas as pd

    arrow = frame.to_arrow().cast(parquet.arrow_schema(schema))
    table: Any = arrow.to_pandas(types_mapper=pd.ArrowDtype)
    # Threads: no cluster to start and to stop for a table that is in memory already.
    with dask.config.set(scheduler="threads"):

        def build(margin: float | None) -> Any:
            return lsdb.from_dataframe(
                table,
                ra_column="ra",
                dec_column="dec",
                catalog_name=folder.name,
                partition_rows=rows,
                margin_threshold=margin,
                highest_order=_HIGHEST_ORDER,
                schema=arrow.schema,
            )

        try:
            catalogue = build(margin_arcsec)
        except ValueError as error:
            raise PublishError(
                f"lsdb cannot partition the table: {error}", where=folder, hint="raise [publish] hats_rows"
            ) from error
        if catalogue.margin is not None and not len(catalogue.margin.compute(progress_bar=False)):
            # lsdb (0.11) writes an empty margin but cannot open it.
            catalogue = build(None)
        catalogue.write_catalog(folder, catalog_name=folder.name, progress_bar=False)
        back = pl.from_pandas(lsdb.open_catalog(folder, columns=schema.names).compute(progress_bar=False))
    key = list(schema.key)
    try:
        assert_frame_equal(
            back.select(schema.names).cast(schema.polars_schema()).sort(key), frame.sort(key), check_exact=True
        )
    except AssertionError as error:
        raise PublishError(f"does not read back equal: {error}", where=folder, hint="please report this") from error
