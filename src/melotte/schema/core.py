"""The description of a column and of a table, and the check of a table against it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import polars as pl

from ..errors import SchemaError

Dtype = Literal["int64", "int32", "float64", "float32", "bool", "string"]

POLARS_DTYPE: dict[Dtype, Any] = {
    "int64": pl.Int64,
    "int32": pl.Int32,
    "float64": pl.Float64,
    "float32": pl.Float32,
    "bool": pl.Boolean,
    "string": pl.String,
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the single source of everything a product says about it.

    Attributes
    ----------
    name : str
        Name in every file except the CDS one (Gaia spelling).
    dtype : str
        ``int64``, ``int32``, ``float64``, ``float32``, ``bool`` or ``string``.
    unit : str
        Unit in `astropy.units` notation; empty if dimensionless or not a number.
    ucd : str
        UCD1+ (IVOA Recommendation 1.5).
    description : str
        One line for people.
    nullable : bool
        Whether values may be missing (masked).
    format : str
        ``printf`` format for text products, e.g. ``"%9.4f"``; empty for strings.
    label : str
        CDS label (up to about 14 characters; ``e_``, ``s_``, ``N`` prefixes by CDS convention).
    error_of : str
        Name of the column this one is the uncertainty of.
    scatter_of : str
        Name of the column this one is the star-to-star scatter of.
    minimum, maximum : float
        Inclusive limits of the physically possible, checked on validation.
    codes : tuple of (str, str)
        Meaning of each value of a column of codes.
    """

    name: str
    dtype: Dtype
    unit: str
    ucd: str
    description: str
    nullable: bool = True
    format: str = ""
    label: str = ""
    error_of: str = ""
    scatter_of: str = ""
    minimum: float | None = None
    maximum: float | None = None
    codes: tuple[tuple[str, str], ...] = ()

    @property
    def polars_dtype(self) -> Any:
        """The polars data type."""
        return POLARS_DTYPE[self.dtype]

    @property
    def cds_label(self) -> str:
        """The CDS label; the name if none is given."""
        return self.label or self.name


@dataclass(frozen=True)
class Schema:
    """An ordered set of columns with a name, a description and a key.

    Attributes
    ----------
    name : str
        Name of the table.
    description : str
        One line.
    columns : tuple of Column
        The columns in order.
    key : tuple of str
        Columns whose combination is unique.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = self.names
        if len(set(names)) != len(names):
            raise SchemaError(f"schema {self.name!r} names a column twice: {sorted(names)}")
        for column in self.columns:
            for other in (column.error_of, column.scatter_of):
                if other and other not in names:
                    raise SchemaError(f"schema {self.name!r}: {column.name!r} refers to missing {other!r}")

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [c.name for c in self.columns]

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __contains__(self, name: object) -> bool:
        return any(c.name == name for c in self.columns)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise SchemaError(f"no column {name!r} in schema {self.name!r}", expected=", ".join(self.names))

    def extend(self, *columns: Column, name: str | None = None, description: str | None = None) -> Schema:
        """A schema with more columns at the end."""
        return replace(
            self,
            name=name or self.name,
            description=description or self.description,
            columns=(*self.columns, *columns),
        )

    def select(self, names: list[str], *, name: str | None = None) -> Schema:
        """A schema of the named columns only, in the order given."""
        key = self.key if all(k in names for k in self.key) else ()
        return replace(self, name=name or self.name, columns=tuple(self[n] for n in names), key=key)

    def polars_schema(self) -> pl.Schema:
        """The schema polars understands."""
        return pl.Schema({c.name: c.polars_dtype for c in self.columns})

    def empty(self) -> pl.DataFrame:
        """A table of this schema without rows."""
        return pl.DataFrame(schema=self.polars_schema())

    def conform(self, frame: pl.DataFrame, *, where: str | Path | None = None) -> pl.DataFrame:
        """Order the columns, add missing nullable ones as null, cast exactly, then validate.

        Parameters
        ----------
        frame : polars.DataFrame
            A table with at least the columns that are not nullable. Other columns are dropped.
        where : str or path, optional
            Where the table came from, for the message.

        Returns
        -------
        polars.DataFrame
            The table with exactly the columns of this schema.

        Raises
        ------
        SchemaError
            If a required column is missing or a value does not survive the cast.
        """
        out = []
        for column in self.columns:
            if column.name not in frame.columns:
                if not column.nullable:
                    raise SchemaError(
                        f"column {column.name!r} is missing",
                        where=where,
                        expected=f"{column.description} [{column.unit or '-'}]",
                        hint=f"the table has: {', '.join(frame.columns)}",
                    )
                out.append(pl.lit(None, dtype=column.polars_dtype).alias(column.name))
            elif column.dtype in {"int64", "int32"} and frame.schema[column.name].is_float():
                # A float cannot carry a 64-bit identifier: refuse rather than round.
                raise SchemaError(
                    f"column {column.name!r} holds floating-point numbers",
                    where=where,
                    expected=f"{column.dtype}; an id read as a float has already lost digits",
                    hint="read the file with an integer or text type for this column",
                )
            else:
                out.append(pl.col(column.name).cast(column.polars_dtype, strict=True))
        try:
            result = frame.select(out)
        except pl.exceptions.InvalidOperationError as error:
            raise SchemaError(f"a value does not fit its column: {error}", where=where) from error
        if frame.height != result.height:  # only literals were selected
            result = pl.DataFrame({c.name: pl.Series(c.name, [None] * frame.height, c.polars_dtype) for c in self})
        self.validate(result, where=where)
        return result

    def validate(self, frame: pl.DataFrame, *, where: str | Path | None = None) -> None:
        """Check names, types, missing values, NaN, limits and the key.

        Raises
        ------
        SchemaError
            Naming the column and the first offending row (counted from 1).
        """
        if frame.columns != self.names:
            missing = [n for n in self.names if n not in frame.columns]
            extra = [n for n in frame.columns if n not in self.names]
            raise SchemaError(
                f"the columns are not those of {self.name!r}: missing {missing}, unexpected {extra}"
                if missing or extra
                else f"the columns of {self.name!r} are in the wrong order",
                where=where,
                expected=", ".join(self.names),
            )
        for column in self.columns:
            self._validate_column(frame[column.name], column, where)
        if self.key and frame.height:
            duplicated = frame.select(pl.struct(self.key).is_duplicated().alias("d"))["d"]
            if duplicated.any():
                row = int(duplicated.arg_true()[0])
                values = ", ".join(f"{k}={frame[k][row]!r}" for k in self.key)
                raise SchemaError(f"row {row + 1}: the key {values} occurs more than once", where=where)

    def _validate_column(self, series: pl.Series, column: Column, where: str | Path | None) -> None:
        if series.dtype != column.polars_dtype:
            raise SchemaError(f"column {column.name!r} has type {series.dtype}", where=where, expected=column.dtype)
        if not column.nullable and series.null_count():
            row = int(series.is_null().arg_true()[0]) + 1
            raise SchemaError(f"row {row}: column {column.name!r} has no value", where=where, expected="a value")
        if series.dtype.is_float():
            bad = series.is_not_null() & ~series.is_finite()
            if bad.any():
                row = int(bad.arg_true()[0])
                raise SchemaError(
                    f"row {row + 1}: column {column.name!r} is {series[row]}",
                    where=where,
                    expected="a finite number, or a missing value",
                )
        for limit, outside, word in (
            (column.minimum, series < column.minimum if column.minimum is not None else None, "at least"),
            (column.maximum, series > column.maximum if column.maximum is not None else None, "at most"),
        ):
            if outside is not None and outside.any():
                row = int(outside.fill_null(False).arg_true()[0])
                raise SchemaError(
                    f"row {row + 1}: column {column.name!r} is {series[row]} {column.unit}".rstrip(),
                    where=where,
                    expected=f"{word} {limit} {column.unit}".rstrip(),
                )
