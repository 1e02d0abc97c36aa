"""ECSV (astropy APE 6): text with exact numbers; units, UCDs and descriptions in the YAML header.

A missing value is an empty field. Text that such a file cannot hold (empty, with surrounding blanks or a leading ``#``,
not printable ASCII) is written with backslash escapes, which ``escape: backslash`` in the column's metadata declares.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..errors import MelotteError, ReadError
from ..schema import Schema
from .about import About
from .stored import ESCAPE, ColumnInfo, Stored, escape, needs_escape, unescape


def write(path: Path, frame: pl.DataFrame, schema: Schema, about: About) -> None:
    """Write one table: the header by astropy, the rows by polars (astropy's own take 20 times as long)."""
    from astropy.table import MaskedColumn, Table
    from astropy.units import Unit

    table = Table()
    body: dict[str, pl.Series] = {}
    for column in schema:
        series = frame[column.name]
        meta = {"ucd": column.ucd}
        if column.dtype == "string" and needs_escape(series.to_list()):
            series = pl.Series([None if t is None else escape(t) for t in series], dtype=pl.String)
            meta["escape"] = ESCAPE
        elif column.dtype == "bool":
            series = series.replace_strict({True: "True", False: "False"}, default=None, return_dtype=pl.String)
        body[column.name] = series
        # No format: astropy would print, and so round, the numbers with it.
        table[column.name] = MaskedColumn(
            np.array([], dtype={"string": "U1"}.get(column.dtype, column.dtype)),
            unit=Unit(column.unit) if column.unit else None,
            description=column.description,
            meta=meta,
        )
    table.meta["name"] = schema.name
    table.meta["description"] = schema.description
    epoch = about.epoch_of(frame)
    table.meta["coordinates"] = "ICRS" if epoch is None else f"ICRS, epoch J{epoch}"
    table.meta["info"] = about.lines()
    stream = io.StringIO()
    table.write(stream, format="ascii.ecsv", delimiter=",")
    with path.open("wb") as file:
        file.write((stream.getvalue().rstrip("\n") + "\n").encode("utf-8"))
        pl.DataFrame(body).write_csv(file, include_header=False)


def read(path: Path, schema: Schema) -> Stored:
    """Read the columns of the schema."""
    from astropy.table import Table

    try:
        head = _head(path)
        table = Table.read(head, format="ascii.ecsv")
        delimiter = _delimiter(head)
        if table.colnames == head[-1].split(delimiter):
            return _fast(table, path, len(head), delimiter, schema)
        # Columns made of several others (a SkyCoord, for example): only astropy can put them together.
        return _slow(Table.read(str(path), format="ascii.ecsv"), schema)
    except MelotteError:
        raise
    except Exception as error:  # those of astropy, YAML and pyarrow
        raise ReadError(f"not a readable ECSV file: {error}", where=path, hint="is the file complete?") from error


def _head(path: Path) -> list[str]:
    """The comment lines at the start and the line with the names of the columns."""
    lines = []
    with path.open("rb") as stream:
        for line in stream:
            if not line.endswith(b"\n"):
                break
            lines.append(line[:-1].decode("utf-8"))
            if not line.startswith(b"#"):
                return lines
    raise ValueError("it ends within the header")


def _delimiter(head: list[str]) -> str:
    return "," if any(line.startswith("# delimiter: ','") for line in head) else " "


def _fast(table: Any, path: Path, skip: int, delimiter: str, schema: Schema) -> Stored:
    """Rows after ``skip`` lines by pyarrow, which refuses a row with too few fields."""
    import pyarrow as pa
    from pyarrow import csv

    types = {
        name: pa.string() if table[name].dtype.kind in "UO" else pa.from_numpy_dtype(table[name].dtype)
        for name in table.colnames
    }
    with path.open("rb") as stream:
        for _ in range(skip):
            stream.readline()
        empty = not stream.read(1)
    if not empty:
        arrow = csv.read_csv(
            str(path),
            read_options=csv.ReadOptions(column_names=table.colnames, skip_rows=skip),
            parse_options=csv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=True,
                # In a table of one column an empty line is a missing value.
                ignore_empty_lines=len(types) > 1,
            ),
            convert_options=csv.ConvertOptions(
                column_types=types,
                null_values=[""],
                strings_can_be_null=True,
                true_values=["True"],
                false_values=["False"],
            ),
        )
    else:
        arrow = pa.table({name: pa.array([], kind) for name, kind in types.items()})
    frame = pl.DataFrame(pl.from_arrow(arrow)).select([n for n in table.colnames if n in schema])
    floats = [n for n, t in frame.schema.items() if t.is_float()]
    frame = frame.with_columns(pl.col(floats).fill_nan(None)) if floats else frame
    escaped = [n for n in frame.columns if table[n].meta.get("escape") == ESCAPE]
    frame = frame.with_columns(
        pl.Series(n, [None if t is None else unescape(t) for t in frame[n]], dtype=pl.String) for n in escaped
    )
    return Stored(frame, {n: _info(table[n]) for n in frame.columns})


def _slow(table: Any, schema: Schema) -> Stored:
    series = {}
    for name in (n for n in table.colnames if n in schema):
        mask = np.asarray(getattr(table[name], "mask", np.zeros(len(table), dtype=bool)))
        values = np.asarray(table[name])
        if values.dtype.kind in "UO":
            texts = [None if m else str(v) for v, m in zip(values, mask, strict=True)]
            series[name] = pl.Series(name, texts, dtype=pl.String)
            continue
        one = pl.Series(name, np.ascontiguousarray(values))
        if values.dtype.kind == "f":
            one = one.fill_nan(None)
        series[name] = one.set(pl.Series(mask), None) if mask.any() else one
    return Stored(pl.DataFrame(series), {n: _info(table[n]) for n in series})


def _info(column: Any) -> ColumnInfo:
    unit, meta = getattr(column, "unit", None), getattr(column.info, "meta", None) or {}
    return ColumnInfo(None if unit is None else str(unit), meta.get("ucd"), column.info.description)
