"""Tables in every published format, read back and compared before they get their name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from ..core.files import replacing
from ..errors import PublishError, ReadError, SchemaError
from ..schema import Column, Schema
from . import ecsv, fits, parquet, votable
from .about import About
from .stored import Stored

#: Format name (also the file suffix) -> how to write it, how to read it.
_FORMATS: dict[str, tuple[Callable[[Path, pl.DataFrame, Schema, About], None], Callable[[Path, Schema], Stored]]] = {
    "parquet": (parquet.write, parquet.read),
    "fits": (fits.write, fits.read),
    "vot": (votable.write, votable.read),
    "ecsv": (ecsv.write, ecsv.read),
}
FORMATS: tuple[str, ...] = tuple(_FORMATS)


def write_table(
    frame: pl.DataFrame,
    schema: Schema,
    stem: Path,
    formats: Sequence[str] = FORMATS,
    *,
    about: About | None = None,
) -> list[Path]:
    """Write a table in several formats; every file is read back equal before it gets its name.

    Parameters
    ----------
    frame : polars.DataFrame
        A table of the schema.
    schema : Schema
        Its columns: units, UCDs, descriptions.
    stem : pathlib.Path
        Path without suffix: ``out/clusters`` gives ``out/clusters.fits`` and so on.
    formats : sequence of str
        Of ``parquet``, ``fits``, ``vot``, ``ecsv``.
    about : About, optional
        Citations, epoch of the coordinates, whether simulated.

    Returns
    -------
    list of pathlib.Path
        The files, in the order of ``formats``.

    Raises
    ------
    SchemaError
        If the table is not of the schema.
    PublishError
        If a format is unknown, a file cannot be written or does not read back equal.
    """
    about = about or About()
    unknown = [f for f in formats if f not in _FORMATS]
    if unknown:
        raise PublishError(f"unknown table format {unknown[0]!r}", where=stem, expected=", ".join(FORMATS))
    schema.validate(frame, where=schema.name)
    _refuse_nul(frame, schema)
    paths = []
    for name in formats:
        path = stem.parent / f"{stem.name}.{name}"
        write, read = _FORMATS[name]
        with replacing(path) as temporary:
            write(temporary, frame, schema, about)
            _compare(read(temporary, schema), frame, schema, path)
        paths.append(path)
    return paths


def read_table(path: Path, schema: Schema) -> pl.DataFrame:
    """Read a table written by `write_table`, or one with the same columns made by other software.

    Parameters
    ----------
    path : pathlib.Path
        The file; its suffix (``.parquet``, ``.fits``, ``.vot``, ``.ecsv``) names the format.
    schema : Schema
        The columns wanted; others in the file are ignored.

    Returns
    -------
    polars.DataFrame
        A table of the schema, values in its units.

    Raises
    ------
    ReadError
        If the file is absent, truncated or of another format.
    SchemaError
        If a column is missing, or its unit cannot be converted.
    """
    path = Path(path)
    name = {"xml": "vot", "votable": "vot", "pq": "parquet", "fit": "fits"}.get(path.suffix[1:], path.suffix[1:])
    if name not in _FORMATS:
        raise ReadError(f"unknown table format {path.suffix!r}", where=path, expected=", ".join(FORMATS))
    if not path.is_file():
        raise ReadError("no such file", where=path, hint="check the path")
    stored = _FORMATS[name][1](path, schema)
    converted = [
        _in_schema_unit(stored.frame[c.name], c, stored.columns[c.name].unit, path)
        for c in schema
        if c.name in stored.frame.columns and c.name in stored.columns
    ]
    return schema.conform(stored.frame.with_columns(converted), where=path)


def _in_schema_unit(series: pl.Series, column: Column, unit: str | None, where: Path) -> pl.Series:
    """A column without a unit is taken to be in the schema's."""
    from astropy.units import UnitConversionError

    if not unit or not column.unit:
        return series
    found, wanted = _unit(unit, where, column.name), _unit(column.unit, where, column.name)
    if found == wanted:
        return series
    try:
        factor = found.to(wanted)
    except UnitConversionError as error:
        raise SchemaError(
            f"column {column.name!r} is in {unit}", where=where, expected=f"a unit like {column.unit}"
        ) from error
    converted: pl.Series = series * factor
    return converted


def _unit(text: str, where: Path, name: str) -> Any:
    from astropy.units import Unit

    for form in (None, "fits", "vounit"):
        try:
            return Unit(text, format=form)
        except ValueError:
            continue
    raise SchemaError(f"column {name!r} has the unknown unit {text!r}", where=where, expected="a unit")


def _compare(stored: Stored, frame: pl.DataFrame, schema: Schema, path: Path) -> None:
    """Refuse a file that does not say what was written."""
    try:
        assert_frame_equal(stored.frame, frame, check_exact=True)
    except AssertionError as error:
        raise PublishError(f"does not read back equal: {error}", where=path, hint="please report this") from error
    for column in schema:
        info = stored.columns.get(column.name)
        said = (info.ucd, info.description) if info else None
        same_unit = info is not None and (
            _unit(info.unit, path, column.name) == _unit(column.unit, path, column.name)
            if info.unit and column.unit
            else not info.unit and not column.unit
        )
        if said != (column.ucd, column.description) or not same_unit:
            raise PublishError(
                f"column {column.name!r} reads back as {info}",
                where=path,
                expected=f"unit {column.unit!r}, UCD {column.ucd!r}, description {column.description!r}",
            )


def _refuse_nul(frame: pl.DataFrame, schema: Schema) -> None:
    for column in schema:
        if column.dtype == "string":
            bad = frame[column.name].str.contains("\0", literal=True).fill_null(False)
            if bad.any():
                row = int(bad.arg_true()[0]) + 1
                raise PublishError(
                    f"row {row}: the text in {column.name!r} holds a NUL character",
                    where=schema.name,
                    expected="text without it: FITS and VOTable end a text there",
                )
