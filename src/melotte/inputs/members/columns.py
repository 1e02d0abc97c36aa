"""Columns of a published list, decoded to those of a schema."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from ...config import ColumnSource
from ...schema import Schema
from ...tables.decode import Place, constant, decode
from ...tables.expression import derived
from ...tables.reader import TableReader
from ..surveys.layout import Source, resolve, unit_of
from ..surveys.table import from_map

_CHUNK = 500_000


def mapped(columns: Mapping[str, ColumnSource], schema: Schema, section: str) -> dict[str, Source]:
    computed = {"gaia_release", "n_clusters"}
    allowed = [n for n in schema.names if n not in computed]
    needed = [c.name for c in schema if not c.nullable and c.name in allowed]
    return from_map(columns, allowed, needed, section=section)


def read_columns(reader: TableReader, sources: Mapping[str, Source], schema: Schema) -> pl.DataFrame:
    """Every mapped column of the file, decoded, with the row number."""
    reader = derived(reader, [s.expr for s in sources.values() if s.expr])
    found = resolve(reader, sources)
    names = sorted(set(found.values()))
    frames = []
    first = 1
    for raw in reader.batches(names, _CHUNK):
        data = [pl.int_range(first, first + raw.height, dtype=pl.Int64, eager=True).alias("row")]
        for target, source in sources.items():
            if target in found or source.value is not None:
                data.append(_decode(raw, reader, found.get(target), source, schema, target, first))
        frames.append(pl.DataFrame(data))
        first += raw.height
    if not frames:
        return pl.DataFrame(schema={"row": pl.Int64, **{n: schema[n].polars_dtype for n in sources}})
    return pl.concat(frames)


def _decode(
    raw: pl.DataFrame,
    reader: TableReader,
    name: str | None,
    source: Source,
    schema: Schema,
    target: str,
    first: int,
) -> pl.Series:
    what = schema[target]
    place = Place(reader.path, name or f"{target} (a constant)", first)
    unit = unit_of(reader, name, source, what)
    series = raw[name] if name else constant(source.value, raw.height)
    return decode(series, what, place, unit=unit, missing=source.missing).alias(target)


def wrapped(name: str) -> pl.Expr:
    angle = pl.col(name)
    return pl.when(angle >= 360.0).then(angle - 360.0).when(angle < 0.0).then(angle + 360.0).otherwise(angle)
