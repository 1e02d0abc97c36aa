"""VOTable 1.4 with BINARY2 data: missing values of every type, UCD1+, VOUnit, coordinate and time systems.

A missing text carries its null flag like every other type. astropy does not read that flag for texts, so an empty text
means missing here, and a text of blanks only, the empty one included, is written with one blank more.
"""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl

from ..core.constants import MJD_J2000
from ..errors import MelotteError, ReadError
from ..schema import Column, Schema
from .about import About
from .binary2 import Cell, decode, known, read_rows, write_stream
from .stored import ColumnInfo, Stored

_TYPE = {"int64": "long", "int32": "int", "float64": "double", "float32": "float", "bool": "boolean"}
#: astropy takes an element made outside a document for one of version 1.1.
_CONFIG = {f"version_1_{i}_or_later": True for i in range(1, 5)} | {"version": "1.4"}
#: What encloses the rows of a BINARY2 table.
_OPEN = b'<DATA><BINARY2><STREAM encoding="base64">'
_CLOSE = b"</STREAM>"
_OPENED = re.compile(rb"<DATA>\s*<BINARY2>\s*<STREAM encoding=[\"']base64[\"']\s*>")
#: How far from either end of a file they are looked for, and how much of it is decoded at a time (bytes).
_HEAD, _TAIL, _PIECE = 1 << 22, 1 << 16, 1 << 22
#: Columns of these UCDs are coordinates in the frame of the COOSYS.
_SPATIAL = ("pos.eq", "pos.pm", "pos.parallax")


def write(path: Path, frame: pl.DataFrame, schema: Schema, about: About) -> None:
    """Write one table: the header by astropy, the rows by `melotte.tables.binary2`."""
    head, end, tail = header(frame, schema, about).rpartition("</TABLE>")
    cells = [_cell(column, frame[column.name]) for column in schema]
    # An empty text means missing to astropy.
    blank = [c.name for c in schema if c.dtype == "string"]
    rows = frame.with_columns(
        pl.when(pl.col(n).str.strip_chars(" ") == "").then(pl.col(n) + " ").otherwise(pl.col(n)).alias(n) for n in blank
    )
    with path.open("wb") as stream:
        stream.write(head.encode("utf-8") + _OPEN + b"\n")
        write_stream(stream, rows, cells)
        stream.write(_CLOSE + b"</BINARY2></DATA>\n  " + (end + tail).encode("utf-8"))


def _cell(column: Column, series: pl.Series) -> Cell:
    kind = _datatype(column, series)
    return Cell(column.name, kind["datatype"], "arraysize" in kind)


def _datatype(column: Column, series: pl.Series) -> dict[str, str]:
    if column.dtype != "string":
        return {"datatype": _TYPE[column.dtype]}
    ascii_only = all(t is None or t.isascii() for t in series.unique())
    return {"datatype": "char" if ascii_only else "unicodeChar", "arraysize": "*"}


def header(frame: pl.DataFrame, schema: Schema, about: About) -> str:
    """The VOTable of the table without its data, for other formats to carry."""
    stream = io.BytesIO()
    _document(frame, schema, about).to_xml(_Hyphens(stream))
    return stream.getvalue().decode("utf-8")


#: Stands for a hyphen in a description: astropy wraps descriptions and would break a line after a real one.
_HYPHEN = "\ue02d"


class _Hyphens:
    """A stream that puts the hyphens back."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        return self._stream.write(data.replace(_HYPHEN.encode(), b"-"))

    def flush(self) -> None:
        self._stream.flush()


def _document(frame: pl.DataFrame, schema: Schema, about: About) -> Any:
    from astropy.io.votable.tree import CooSys, Info, Resource, TableElement, TimeSys, VOTableFile

    document = VOTableFile(version="1.4")
    document.description = schema.description.replace("-", _HYPHEN)
    resource = Resource(name=schema.name)
    document.resources.append(resource)
    epoch = about.epoch_of(frame)
    resource.coordinate_systems.append(CooSys(ID="icrs", system="ICRS", epoch=None if epoch is None else f"J{epoch}"))
    if any(c.name == "ref_epoch" for c in schema):
        resource.time_systems.append(TimeSys(config=_CONFIG, ID="epoch", timescale="TCB", refposition="BARYCENTER"))
    if any(c.name == "obs_mjd" for c in schema):
        # Surveys differ in time scale and place, some give the night only.
        origin = str(2451545.0 - MJD_J2000)
        resource.time_systems.append(
            TimeSys(config=_CONFIG, ID="mjd", timeorigin=origin, timescale="UNKNOWN", refposition="UNKNOWN")
        )
    for i, (name, value, text) in enumerate(about.infos(), start=1):
        # Names may repeat, identifiers may not.
        info = Info(ID=f"info_{i}", name=name, value=value)
        info.content = text or None
        resource.infos.append(info)
    table = TableElement(document, name=schema.name)
    table.description = schema.description.replace("-", _HYPHEN)
    resource.tables.append(table)
    table.fields.extend(_field(document, column, frame[column.name]) for column in schema)
    return document


def _field(document: Any, column: Column, series: pl.Series) -> Any:
    from astropy.io.votable.tree import Field
    from astropy.units import Unit

    kind: dict[str, Any] = dict(_datatype(column, series))
    if column.unit:
        # VOUnit has no dex and would read d-ex, a tenth of an ex; quotes mark a unit outside its list.
        kind["unit"] = "'dex'" if column.unit == "dex" else Unit(column.unit).to_string("vounit")
    if column.name == "ref_epoch":
        kind["ref"] = "epoch"
    elif column.name == "obs_mjd":
        kind["ref"] = "mjd"
    elif column.ucd.startswith(_SPATIAL):
        kind["ref"] = "icrs"
    result = Field(document, ID=column.name, name=column.name, ucd=column.ucd, **kind)
    result.description = column.description.replace("-", _HYPHEN)
    return result


def read(path: Path, schema: Schema) -> Stored:
    """Read the columns of the schema from the first table."""
    from astropy.io.votable import parse_single_table
    from astropy.io.votable.exceptions import VOWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VOWarning)
            stored = _read_binary2(path, schema)
            if stored is not None:
                return stored
            table = parse_single_table(str(path))
            return Stored(pl.DataFrame(_series(table, schema)), fields(table))
    except MelotteError:
        raise
    except Exception as error:  # the parser raises its own errors, expat's, struct's and numpy's
        raise ReadError(f"not a readable VOTable: {error}", where=path, hint="is the file complete?") from error


def _read_binary2(path: Path, schema: Schema) -> Stored | None:
    """Read a document of one BINARY2 table of plain columns; None if it is another one."""
    from astropy.io.votable import parse_single_table

    with path.open("rb") as stream:
        head = stream.read(_HEAD)
        opened = _OPENED.search(head)
        if opened is None:
            return None
        first = opened.end()
        length = path.stat().st_size
        stream.seek(max(first, length - _TAIL))
        tail = stream.read()
        last = tail.rfind(_CLOSE)
        if last < 0 or b"<TABLE" in tail[last:]:
            return None
        table = parse_single_table(io.BytesIO(head[:first] + tail[last:]))
        if not all(known(f.datatype, f.arraysize) and f.values.null is None for f in table.fields):
            return None
        stream.seek(first)
        left = length - len(tail) + last - first
        data = decode(iter(lambda: _piece(stream, first + left), b""))
    cells = [Cell(f.name, f.datatype, f.arraysize is not None) for f in table.fields]
    frame = read_rows(data, cells, [c.name for c in schema])
    texts = [c.name for c in schema if c.dtype == "string" and c.name in frame.columns]
    frame = frame.with_columns(
        pl.when(pl.col(n).str.strip_chars(" ") == "").then(pl.col(n).str.slice(1)).otherwise(pl.col(n)).alias(n)
        for n in texts
    )
    return Stored(frame, fields(table))


def _piece(stream: BinaryIO, end: int) -> bytes:
    return stream.read(min(_PIECE, end - stream.tell()))


def _series(table: Any, schema: Schema) -> dict[str, pl.Series]:
    out = {}
    for field_ in table.fields:
        if field_.name not in schema:
            continue
        values, mask = table.array[field_.ID].data, table.array.mask[field_.ID]
        if schema[field_.name].dtype == "string":
            texts = [None if m or not v else str(v) for v, m in zip(values, mask, strict=True)]
            texts = [t[1:] if t and not t.strip(" ") else t for t in texts]
            out[field_.name] = pl.Series(field_.name, texts, dtype=pl.String)
            continue
        native = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("=")))
        series = pl.Series(field_.name, native)
        if native.dtype.kind == "f":
            series = series.fill_nan(None)
        out[field_.name] = series.set(pl.Series(mask), None) if mask.any() else series
    return out


def fields(table: Any) -> dict[str, ColumnInfo]:
    """What the FIELD elements say."""
    out = {}
    for f in table.fields:
        # The writer breaks long descriptions over several lines.
        description = None if f.description is None else " ".join(f.description.split())
        out[f.name] = ColumnInfo(None if f.unit is None else str(f.unit).strip("'"), f.ucd, description)
    return out


def parse_header(text: str, where: Path) -> dict[str, ColumnInfo]:
    """What the FIELD elements of a VOTable in a string say."""
    from astropy.io.votable import parse
    from astropy.io.votable.exceptions import VOWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VOWarning)
            return fields(parse(io.BytesIO(text.encode("utf-8"))).get_first_table())
    except Exception as error:  # see `read`
        raise ReadError(f"its VOTable header cannot be read: {error}", where=where) from error
