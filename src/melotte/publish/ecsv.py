"""ECSV (astropy APE 6): text with exact numbers; units, UCDs and descriptions in the YAML header.

A missing value is an empty field. Text that such a file cannot hold (empty, with surrounding blanks, not printable
ASCII) is written with backslash escapes, which ``escape: backslash`` in the column's metadata declares.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..errors import ReadError
from ..schema import Schema
from .about import About
from .stored import ESCAPE, ColumnInfo, Stored, escape, filled, needs_escape, unescape


def write(path: Path, frame: pl.DataFrame, schema: Schema, about: About) -> None:
    """Write one table."""
    from astropy.table import MaskedColumn, Table
    from astropy.units import Unit

    table = Table()
    for column in schema:
        series = frame[column.name]
        meta = {"ucd": column.ucd}
        if column.dtype == "string":
            texts = series.to_list()
            if needs_escape(texts):
                texts = [None if t is None else escape(t) for t in texts]
                meta["escape"] = ESCAPE
            values: Any = np.array(["" if t is None else t for t in texts], dtype=str if texts else "U1")
        else:
            values = filled(series, column, np.nan if column.dtype.startswith("float") else 0)
        # No format: astropy would print, and so round, the numbers with it.
        table[column.name] = MaskedColumn(
            values,
            mask=series.is_null().to_numpy(),
            unit=Unit(column.unit) if column.unit else None,
            description=column.description,
            meta=meta,
        )
    table.meta["name"] = schema.name
    table.meta["description"] = schema.description
    epoch = about.epoch_of(frame)
    table.meta["coordinates"] = "ICRS" if epoch is None else f"ICRS, epoch J{epoch}"
    table.meta["info"] = [f"{name}: {text}" for name, text in about.infos()]
    table.write(str(path), format="ascii.ecsv", delimiter=",", overwrite=True)


def read(path: Path, schema: Schema) -> Stored:
    """Read the columns of the schema."""
    from astropy.table import Table

    try:
        table = Table.read(str(path), format="ascii.ecsv")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ReadError(f"not a readable ECSV file: {error}", where=path, hint="is the file complete?") from error
    series, infos = {}, {}
    for name in table.colnames:
        if name not in schema:
            continue
        column = table[name]
        mask = np.asarray(getattr(column, "mask", np.zeros(len(table), dtype=bool)))
        infos[name] = ColumnInfo(
            None if column.unit is None else str(column.unit), column.meta.get("ucd"), column.description
        )
        values = np.asarray(column)
        if schema[name].dtype == "string":
            escaped = column.meta.get("escape") == ESCAPE
            texts = [None if m else str(v) for v, m in zip(values, mask, strict=True)]
            texts = [unescape(t) if escaped and t is not None else t for t in texts]
            series[name] = pl.Series(name, texts, dtype=pl.String)
            continue
        one = pl.Series(name, np.ascontiguousarray(values))
        if values.dtype.kind == "f":
            one = one.fill_nan(None)
        series[name] = one.set(pl.Series(mask), None) if mask.any() else one
    return Stored(pl.DataFrame(series), infos)
