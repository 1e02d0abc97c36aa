"""Parquet with the VOTable header inside (IVOA note "Parquet in the VO": key ``IVOA.VOTable-Parquet.content``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from ..errors import ReadError
from ..schema import Schema
from . import votable
from .about import About
from .stored import Stored

_VERSION = b"IVOA.VOTable-Parquet.version"
_CONTENT = b"IVOA.VOTable-Parquet.content"


def arrow_schema(schema: Schema) -> Any:
    """The columns as Arrow knows them, unit and UCD as metadata of each."""
    import pyarrow as pa

    types = {
        "int64": pa.int64(),
        "int32": pa.int32(),
        "float64": pa.float64(),
        "float32": pa.float32(),
        "bool": pa.bool_(),
        # Not polars' own large string: older readers know only this one.
        "string": pa.string(),
    }
    return pa.schema(
        [pa.field(c.name, types[c.dtype], nullable=c.nullable, metadata={"unit": c.unit, "ucd": c.ucd}) for c in schema]
    )


def write(path: Path, frame: pl.DataFrame, schema: Schema, about: About) -> None:
    """Write one table; missing values are nulls."""
    import pyarrow.parquet as pq

    metadata = {_VERSION: b"1.0", _CONTENT: votable.header(frame, schema, about).encode("utf-8")}
    pq.write_table(frame.to_arrow().cast(arrow_schema(schema).with_metadata(metadata)), path)


def read(path: Path, schema: Schema) -> Stored:
    """Read the columns of the schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            present = file.schema_arrow.names
            table = file.read(columns=[n for n in schema.names if n in present])
            # polars trusts Arrow data: damaged text would end the process, not raise.
            table.validate(full=True)
            metadata = file.schema_arrow.metadata or {}
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ReadError(f"not a readable Parquet file: {error}", where=path, hint="is the file complete?") from error
    # Without the metadata: those that are no text would end the process as well.
    frame = pl.from_arrow(pa.Table.from_arrays(table.columns, names=table.column_names))
    assert isinstance(frame, pl.DataFrame)
    floats = [n for n, t in frame.schema.items() if t.is_float()]
    # Other software writes NaN for a missing value.
    frame = frame.with_columns(pl.col(floats).fill_nan(None)) if floats else frame
    content = metadata.get(_CONTENT)
    return Stored(frame, votable.parse_header(content.decode("utf-8", errors="replace"), path) if content else {})
