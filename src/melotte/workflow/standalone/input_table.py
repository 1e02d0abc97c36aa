"""Tables of clusters or stars from anywhere, with the columns of a schema."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import polars as pl

from ...errors import MelotteError, ReadError
from ...schema import Schema, from_qtable


def read_input(
    path: Path, schema: Schema, *, always: Collection[str] = ("cluster",), expected: str | None = None
) -> pl.DataFrame:
    """Read the columns of a schema that a FITS, VOTable, ECSV or Parquet table has.

    Parameters
    ----------
    path : path
        The file.
    schema : Schema
        What it may have; columns in other units are converted.
    always : collection of str
        Columns of the result even if they have no value; others are left out then.
    expected : str, optional
        What should be there, for the error if nothing is.

    Returns
    -------
    polars.DataFrame

    Raises
    ------
    ReadError
        If the file cannot be read.
    SchemaError
        If a column has the wrong type or unit, or one that may not be missing is.
    """
    from astropy.table import Table

    if not path.is_file():
        raise ReadError("no such file", where=path, expected=expected)
    try:
        if path.suffix == ".parquet":
            frame = schema.conform(pl.read_parquet(path), where=path)
        else:
            frame = from_qtable(Table.read(path), schema, where=path)
    except MelotteError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:  # astropy's readers raise many types on damaged files
        raise ReadError(f"cannot be read: {error}", where=path, expected="FITS, VOTable, ECSV or Parquet") from error
    return frame.select(c for c in frame.columns if c in always or frame[c].null_count() < frame.height)
