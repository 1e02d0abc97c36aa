"""Tables of clusters or stars from anywhere, with the columns of a schema."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import polars as pl

from ...errors import MelotteError, ReadError, SchemaError
from ...schema import Column, Schema
from ...schema.convert import columns_of


def read_input(
    path: Path,
    schema: Schema,
    *,
    always: Collection[str] = ("cluster",),
    expected: str | None = None,
    strict: bool = False,
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
    strict : bool
        Refuse a table with an impossible value instead of masking it.

    Returns
    -------
    polars.DataFrame
        With a column `PROBLEM` that says which value of the row is impossible (infinite, or outside the limits of its
        column); that value is masked. NaN is a missing value.

    Raises
    ------
    ReadError
        If the file cannot be read.
    SchemaError
        If a column has the wrong type or unit, or one that may not be missing is; with ``strict``, if a value is
        impossible.
    """
    from astropy.table import Table

    if not path.is_file():
        raise ReadError("no such file", where=path, expected=expected)
    try:
        parquet = path.suffix == ".parquet"
        frame = pl.read_parquet(path) if parquet else columns_of(Table.read(path), schema, where=path)
    except MelotteError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:  # astropy's readers raise many types on damaged files
        raise ReadError(f"cannot be read: {error}", where=path, expected="FITS, VOTable, ECSV or Parquet") from error
    checked = mask_impossible(frame, schema)
    if strict and checked[PROBLEM].is_not_null().any():
        row = int(checked[PROBLEM].is_not_null().arg_true()[0])
        raise SchemaError(
            f"row {row + 1}: {checked[PROBLEM][row]}",
            where=path,
            expected="possible values in every row",
            hint="correct the row, or leave out --strict: it is masked then",
        )
    problem = checked[PROBLEM]
    frame = schema.conform(checked.drop(PROBLEM), where=path)
    kept = [c for c in frame.columns if c in always or frame[c].null_count() < frame.height]
    return frame.select(kept).with_columns(problem)


#: Which value of a row is impossible; null where none is.
PROBLEM = "problem"


def mask_impossible(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Mask infinite numbers and those outside the limits of their column, and say so in the column `PROBLEM`.

    Parameters
    ----------
    frame : polars.DataFrame
        Any columns; those of ``schema`` that hold numbers are looked at.
    schema : Schema
        The limits.

    Returns
    -------
    polars.DataFrame
        The same rows; NaN is masked without a word.
    """
    masked, words = [], []
    for column in schema:
        if column.name not in frame.columns or not frame.schema[column.name].is_numeric():
            continue
        value = pl.col(column.name)
        if frame.schema[column.name].is_float():
            value = value.fill_nan(None)
        bad = _impossible(value, column, is_float=frame.schema[column.name].is_float())
        unit = f" {column.unit}" if column.unit else ""
        words.append(pl.when(bad).then(pl.format(f"impossible value: {column.name} is {{}}{unit}", value)))
        masked.append(pl.when(~bad.fill_null(False)).then(value).alias(column.name))
    problem = pl.concat_str(words, separator="; ", ignore_nulls=True) if words else pl.lit(None, dtype=pl.String)
    return frame.with_columns(*masked, pl.when(problem != "").then(problem).alias(PROBLEM))


def _impossible(value: pl.Expr, column: Column, *, is_float: bool) -> pl.Expr:
    bad = value.is_infinite() if is_float else pl.lit(False)
    if column.minimum is not None:
        bad |= value < column.minimum
    if column.maximum is not None:
        bad |= value > column.maximum
    return bad
