"""polars <-> astropy without losing a bit: int64 stays int64, missing stays missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ..errors import SchemaError
from .core import Column, Schema

if TYPE_CHECKING:
    from astropy.table import QTable

_NUMPY_DTYPE = {
    "int64": np.int64,
    "int32": np.int32,
    "float64": np.float64,
    "float32": np.float32,
    "bool": np.bool_,
}


def to_qtable(frame: pl.DataFrame, schema: Schema) -> QTable:
    """A polars table as an astropy one.

    Floating-point columns with a unit become (masked) quantities; integers, booleans and strings stay columns,
    masked where values are missing. The schema's descriptions, UCDs and formats go along.

    Parameters
    ----------
    frame : polars.DataFrame
        A table of the schema.
    schema : Schema
        Its description.

    Returns
    -------
    astropy.table.QTable
    """
    from astropy.table import Column as AstropyColumn
    from astropy.table import MaskedColumn, QTable
    from astropy.units import Quantity, Unit
    from astropy.utils.masked import Masked

    schema.validate(frame, where=schema.name)
    table = QTable()
    for column in schema:
        series = frame[column.name]
        mask = series.is_null().to_numpy()
        values: Any
        if column.dtype == "string":
            texts = ["" if v is None else v for v in series]
            values = np.array(texts, dtype=str) if texts else np.array([], dtype="U1")
        else:
            fill: Any = np.nan if column.dtype.startswith("float") else 0
            values = series.fill_null(fill).to_numpy().astype(_NUMPY_DTYPE[column.dtype])
        if column.unit and column.dtype.startswith("float"):
            # Quantities keep float32 only if told to.
            quantity = Quantity(values, Unit(column.unit), dtype=values.dtype)
            table[column.name] = Masked(quantity, mask=mask) if mask.any() else quantity
        elif mask.any():
            table[column.name] = MaskedColumn(values, mask=mask)
        else:
            table[column.name] = AstropyColumn(values)
        info = table[column.name].info
        info.description = column.description
        if column.format:
            # As a format specification: astropy prints a masked quantity with a percent format as its hidden value.
            info.format = column.format.removeprefix("%")
        info.meta = {"ucd": column.ucd}
        if column.unit and not column.dtype.startswith("float"):
            info.unit = Unit(column.unit)
    table.meta["name"] = schema.name
    table.meta["description"] = schema.description
    return table


def from_qtable(table: Any, schema: Schema, *, where: str | Path | None = None) -> pl.DataFrame:
    """An astropy table as a polars one, units converted to those of the schema.

    Parameters
    ----------
    table : astropy.table.Table
        Columns of the schema; a column without a unit is taken to be in the schema's unit.
    schema : Schema
        Description of the result.
    where : str or path, optional
        Where the table came from, for the message.

    Returns
    -------
    polars.DataFrame

    Raises
    ------
    SchemaError
        If a unit cannot be converted or a column is missing.
    """
    return schema.conform(columns_of(table, schema, where=where), where=where)


def columns_of(table: Any, schema: Schema, *, where: str | Path | None = None) -> pl.DataFrame:
    """The columns of a schema that an astropy table has, units converted, values as they are.

    Raises
    ------
    SchemaError
        If a unit cannot be converted.
    """
    there = (c for c in schema if c.name in table.colnames)
    return pl.DataFrame({c.name: _series(table[c.name], c, where) for c in there})


def _series(values: Any, column: Column, where: str | Path | None) -> pl.Series:
    from astropy.units import Unit, UnitConversionError

    mask = np.asarray(getattr(values, "mask", False)) | np.zeros(len(values), dtype=bool)
    unit = getattr(values, "unit", None)
    raw: Any = getattr(values, "unmasked", values)
    # By name too: astropy's VOTable reader takes dex, which is no VOUnit, for some unit of that name, quotes or not.
    if unit is not None and column.unit and unit != Unit(column.unit) and str(unit).strip("'") != column.unit:
        try:
            factor = (1.0 * unit).to_value(Unit(column.unit))
        except UnitConversionError as error:
            raise SchemaError(
                f"column {column.name!r} is in {unit}", where=where, expected=f"a unit like {column.unit}"
            ) from error
        raw = np.asarray(getattr(raw, "value", raw)) * factor
    array = np.asarray(getattr(raw, "value", raw))
    if column.dtype == "string":
        return pl.Series(
            column.name,
            [None if m else str(v.decode() if isinstance(v, bytes) else v) for v, m in zip(array, mask, strict=True)],
            dtype=pl.String,
        )
    if array.dtype.byteorder not in {"=", "|"}:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "f":
        mask = mask | np.isnan(array)
    series = pl.Series(column.name, np.ascontiguousarray(array))
    return series.set(pl.Series(mask), None) if mask.any() else series
