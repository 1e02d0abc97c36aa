r"""FITS binary tables (FITS Standard 4.0, Sect. 7.3).

Missing values: NaN for floats, TNULLn for integers, a zero byte for logicals. A missing text is a NUL as first
byte (the standard's null string); an empty text is blanks. TUCDn and TCOMMn are the conventions of STIL. Text that
is not printable ASCII is written with backslash escapes, which TESCn = 'backslash' declares for the column.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..errors import MelotteError, ReadError
from ..schema import Column, Schema
from .about import About
from .stored import ESCAPE, ColumnInfo, Stored, escape, filled, needs_escape, unescape

_CODE = {"int64": "K", "int32": "J", "float64": "D", "float32": "E", "bool": "L"}
#: Rows laid out at a time: bounds the memory.
_CHUNK = 50_000
_RAW = {"int64": ">i8", "int32": ">i4", "float64": ">f8", "float32": ">f4", "bool": "u1"}


def write(path: Path, frame: pl.DataFrame, schema: Schema, about: About) -> None:
    """Write one binary table in the first extension."""
    from astropy.io import fits
    from astropy.units import Unit, UnitsWarning

    header = fits.Header()
    header["EXTNAME"] = schema.name
    header["RADESYS"] = ("ICRS", "coordinate system")
    epoch = about.epoch_of(frame)
    if epoch is not None:
        header["REFEPOCH"] = (epoch, "[yr] Julian epoch of the coordinates")
    plans = {column.name: _plan(frame[column.name], column) for column in schema}
    for i, column in enumerate(schema, start=1):
        plan = plans[column.name]
        header[f"TTYPE{i}"] = column.name
        header[f"TFORM{i}"] = plan.form
        if column.unit:
            with warnings.catch_warnings():
                # The FITS list of units lacks dex, for which it has no substitute.
                warnings.simplefilter("ignore", UnitsWarning)
                unit = "dex" if column.unit == "dex" else Unit(column.unit).to_string("fits")
            header[f"TUNIT{i}"] = unit
        display = _display(column.format)
        if display is not None:
            header[f"TDISP{i}"] = display
        for key, value in plan.keywords.items():
            header[f"{key}{i}"] = value
        header[f"TUCD{i}"] = column.ucd
        header[f"TCOMM{i}"] = _ascii(column.description)
    for line in about.lines():
        header.add_history(_ascii(line))
    # The bytes are laid out here because astropy cannot write a missing logical or tell an empty text from none.
    hdu = fits.BinTableHDU.from_columns(
        fits.ColDefs([fits.Column(name=name, format=plan.form) for name, plan in plans.items()]),
        nrows=0,
    )
    full = hdu.header
    full["NAXIS2"] = frame.height
    full.extend(header, update=True)
    with path.open("wb") as stream:
        stream.write(fits.PrimaryHDU().header.tostring().encode("ascii"))
        stream.write(full.tostring().encode("ascii"))
        row = np.dtype([(name, plan.dtype) for name, plan in plans.items()])
        for part in frame.iter_slices(_CHUNK):
            table = np.zeros(part.height, dtype=row)
            for column in schema:
                table[column.name] = _values(part[column.name], column, plans[column.name])
            stream.write(table.tobytes())
        stream.write(b"\0" * (-(row.itemsize * frame.height) % 2880))
    with fits.open(path, mode="update") as hdus:
        for hdu in hdus:
            hdu.add_checksum(when="no date: same run, same bytes")


@dataclass(frozen=True)
class _Plan:
    """How a column is stored: TFORM, type of the bytes, further keywords, the integer that stands for no value."""

    form: str
    dtype: str
    keywords: Mapping[str, Any]
    null: int = 0


def _plan(series: pl.Series, column: Column) -> _Plan:
    if column.dtype == "string":
        present = series.drop_nulls().unique().to_list()
        # An empty text is a blank here, so it needs no escape of its own.
        escaped = needs_escape([t for t in present if t])
        lengths = (len(escape(t) if escaped and t else t) for t in present)
        # STIL takes a column one byte wide for a single character, not a text.
        width = max([2, *lengths])
        return _Plan(f"{width}A", f"S{width}", {"TESC": ESCAPE} if escaped else {})
    if column.dtype == "bool":
        return _Plan("L", "u1", {})
    code, dtype = _CODE[column.dtype], _RAW[column.dtype]
    if column.dtype.startswith("float") or not series.null_count():
        return _Plan(code, dtype, {})
    null = int(np.iinfo(column.dtype).min)
    taken = set(series.drop_nulls().unique().to_list())
    while null in taken:
        null += 1
    return _Plan(code, dtype, {"TNULL": null}, null)


def _values(series: pl.Series, column: Column, plan: _Plan) -> np.ndarray:
    """The bytes of some rows of a column."""
    if column.dtype == "string":
        width = int(plan.dtype[1:])
        texts = [escape(t) if t and "TESC" in plan.keywords else t for t in series]
        return np.array([b"\0" if t is None else t.encode("ascii").ljust(width) for t in texts], dtype=plan.dtype)
    if column.dtype == "bool":
        values = np.where(filled(series, column, False), ord("T"), ord("F")).astype("u1")
        values[series.is_null().to_numpy()] = 0
        return values
    missing = np.nan if column.dtype.startswith("float") else plan.null
    return filled(series, column, missing).astype(plan.dtype)


def _display(fmt: str) -> str | None:
    """``%9.4f`` as ``F9.4``; None without a width, which TDISPn must have."""
    found = re.fullmatch(r"%[-+ 0]*([1-9]\d*)(?:\.(\d+))?([dfeg])", fmt)
    if found is None:
        return None
    width, decimals, kind = found.groups()
    return f"I{width}" if kind == "d" else f"{kind.upper()}{width}.{decimals or 6}"  # 6: printf's own


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode("ascii")


def read(path: Path, schema: Schema) -> Stored:
    """Read the columns of the schema from the first binary table."""
    from astropy.io import fits

    with warnings.catch_warnings():
        # astropy only warns of a truncated file; the missing bytes are an error here.
        warnings.filterwarnings("error", message="File may have been truncated")
        try:
            with fits.open(path, memmap=False) as hdus:
                tables = [h for h in hdus if isinstance(h, fits.BinTableHDU)]
                if not tables:
                    raise ReadError("there is no binary table", where=path, expected="a FITS file with a table")
                return _decode_table(tables[0], schema, path)
        except MelotteError:
            raise
        except Exception as error:  # astropy raises many types on damaged cards
            raise ReadError(
                f"not a readable FITS file: {error}", where=path, hint="is the file complete? write it again"
            ) from error


def _decode_table(hdu: Any, schema: Schema, path: Path) -> Stored:
    header = hdu.header
    row = hdu.columns.dtype.newbyteorder(">")
    if row.itemsize != header["NAXIS1"]:
        raise ReadError(f"rows of {header['NAXIS1']} bytes", where=path, expected=f"{row.itemsize} by the columns")
    shape = (header["NAXIS2"],)
    # Not astropy's own rows: it turns text and logicals into other types and so copies the whole table.
    raw = (
        np.memmap(path, dtype=row, mode="r", offset=hdu.fileinfo()["datLoc"], shape=shape)
        if header["NAXIS2"]
        else np.zeros(shape, dtype=row)
    )
    series, infos = {}, {}
    for i, name in enumerate(hdu.columns.names, start=1):
        if name not in schema:
            continue
        form = header[f"TFORM{i}"].strip()
        code = form.lstrip("0123456789")
        repeat = int(form[: len(form) - len(code)] or 1)
        if code not in set("LABIJKED") or (code != "A" and repeat != 1) or f"TSCAL{i}" in header:
            raise ReadError(f"column {name!r} has type {form}", where=path, expected="one plain value per row")
        values = raw[name]
        escaped = header.get(f"TESC{i}") == ESCAPE
        series[name] = _decode(name, values, code, header.get(f"TNULL{i}"), header.get(f"TZERO{i}", 0), escaped)
        infos[name] = ColumnInfo(header.get(f"TUNIT{i}"), header.get(f"TUCD{i}"), header.get(f"TCOMM{i}"))
    return Stored(pl.DataFrame(series), infos)


def _decode(name: str, values: np.ndarray, code: str, null: int | None, zero: Any, escaped: bool) -> pl.Series:
    native = values.astype(values.dtype.newbyteorder("="))
    if code == "A":
        texts: list[str | None] = []
        for item in values.tolist():
            text = item.split(b"\0")[0].rstrip(b" ").decode("ascii")
            texts.append(None if item[:1] in {b"", b"\0"} else unescape(text) if escaped else text)
        return pl.Series(name, texts, dtype=pl.String)
    if code == "L":
        return pl.Series(name, native == ord("T")).set(pl.Series(native == 0), None)
    if code in {"D", "E"}:
        return pl.Series(name, native).fill_nan(None)
    missing = np.zeros(len(native), dtype=bool) if null is None else native == null
    series = pl.Series(name, native + type(native.flat[0] if len(native) else np.int64(0))(zero) if zero else native)
    return series.set(pl.Series(missing), None) if missing.any() else series
