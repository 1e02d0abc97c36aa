"""A fixed-width file read by its own description and compared with the table it was made from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl

from ..errors import PublishError
from ..schema import Column, Schema
from ..tables.stored import needs_escape
from .fixedwidth import CHUNK, escaped_series, print_format

_LINE = re.compile(r" *(?:(\d+)- *)?(\d+) +([AIFE])\d\S* +\S+ +(\S+) ")


def check(path: Path, frame: pl.DataFrame, schema: Schema, description: str, *, skip: int = 0) -> None:
    """Read a fixed-width file by its description and compare it with the table, to the digits printed.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    frame : polars.DataFrame
        What it must hold.
    schema : Schema
        Of ``frame``.
    description : str
        Byte-by-byte description.
    skip : int
        Bytes before the first row.

    Raises
    ------
    PublishError
        Naming the first column and row that differ.
    """
    places = {m[4]: (int(m[1] or m[2]) - 1, int(m[2]), m[3]) for m in map(_LINE.match, description.splitlines()) if m}
    expected = [c for c in schema if not (frame.height and frame[c.name].null_count() == frame.height)]
    if set(places) != {c.cds_label for c in expected}:
        raise PublishError("the description does not name the columns", where=path, hint="please report this")
    width = max((end for _, end, _ in places.values()), default=0) + 1
    texts = [c.name for c in expected if c.dtype == "string" and needs_escape(frame[c.name].unique().to_list())]
    if path.stat().st_size != skip + width * frame.height:
        raise PublishError(f"it has not {frame.height} lines of {width} bytes", where=path, hint="please report this")
    with path.open("rb") as stream:
        stream.seek(skip)
        for start in range(0, frame.height, CHUNK):
            part = frame.slice(start, CHUNK)
            part = part.with_columns(escaped_series(part[name]) for name in texts)
            text = stream.read(width * part.height).decode("ascii")
            rows = pl.Series(text.split("\n")[:-1], dtype=pl.String)
            for column in expected:
                first, end, _ = places[column.cds_label]
                raw = rows.str.slice(first, end - first).str.strip_chars(" ")
                bad = _differs(raw, part[column.name], column)
                if bad.any():
                    row = int(bad.arg_true()[0])
                    raise PublishError(
                        f"row {start + row + 1}: {column.name!r} reads back as {raw[row]!r}",
                        where=path,
                        expected=repr(part[column.name][row]),
                        hint="please report this",
                    )


def _differs(raw: pl.Series, values: pl.Series, column: Column) -> Any:
    """Where the text read is not the value as printed."""
    read: Any = raw.set(raw == "", None)
    if column.dtype == "string":
        return read.ne_missing(values)
    if column.dtype == "bool":
        return read.replace_strict({"1": True, "0": False}, default=None, return_dtype=pl.Boolean).ne_missing(values)
    if column.dtype.startswith("int"):
        return read.cast(pl.Int64).ne_missing(values.cast(pl.Int64))
    kind, decimals = print_format(column)
    number, exact = read.cast(pl.Float64), values.cast(pl.Float64)
    # Half a unit of the last digit, and the rounding of the numbers themselves.
    step = 0.5 * 10.0**-decimals * 1.0000001
    allowed = exact.abs() * (step * 10 if kind == "e" else 1e-15) + (0.0 if kind == "e" else step)
    far = (number - exact).abs() > allowed
    return far.fill_null(False) | (number.is_null() != exact.is_null())
