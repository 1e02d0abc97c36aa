"""Rows of a VOTable in the BINARY2 serialization (VOTable 1.5, Sect. 5.4), many at a time.

A row is its null flags, one bit per column, then its values, big-endian; a text of variable length begins with the
number of its characters. astropy handles such rows one value at a time: half a millisecond per row.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import polars as pl

_CHUNK = 20_000
#: Bytes per line of base64: a multiple of three, so that a line is whole.
_LINE = 57 * 128
_STRUCT = {
    "long": ">i8",
    "int": ">i4",
    "short": ">i2",
    "unsignedByte": "u1",
    "double": ">f8",
    "float": ">f4",
    "boolean": "u1",
}
_ENCODING = {"char": ("ascii", 1), "unicodeChar": ("utf_16_be", 2)}

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Cell:
    """How the values of one column lie in a row: VOTable datatype, and whether their length varies."""

    name: str
    datatype: str
    variable: bool = False

    @property
    def size(self) -> int:
        """Bytes of a value of fixed length."""
        return np.dtype(_STRUCT[self.datatype]).itemsize


def known(datatype: str, arraysize: str | None) -> bool:
    """Whether a column of this kind can be read here."""
    return (datatype in _STRUCT and arraysize is None) or (datatype in _ENCODING and arraysize == "*")


# --- writing ---------------------------------------------------------------------------------------------------


def write_stream(stream: BinaryIO, frame: pl.DataFrame, cells: Sequence[Cell]) -> None:
    """Write the rows in base64.

    Parameters
    ----------
    stream : binary file
    frame : polars.DataFrame
        The columns ``cells`` names; missing values are null.
    cells : sequence of Cell
    """
    rest = b""
    for part in frame.iter_slices(_CHUNK):
        data = rest + _rows(part, cells).tobytes()
        whole = len(data) - len(data) % _LINE
        _write_lines(stream, data[:whole])
        rest = data[whole:]
    _write_lines(stream, rest)


def _write_lines(stream: BinaryIO, data: bytes) -> None:
    for start in range(0, len(data), _LINE):
        stream.write(base64.b64encode(data[start : start + _LINE]) + b"\n")


def _rows(part: pl.DataFrame, cells: Sequence[Cell]) -> Bytes:
    """The bytes of some rows."""
    missing = np.column_stack([part[c.name].is_null().to_numpy() for c in cells])
    blocks: list[tuple[Bytes, npt.NDArray[np.int64]]] = []  # bytes of all rows one after the other, bytes per row
    flags = np.packbits(missing, axis=1)
    blocks.append((flags.ravel(), np.full(part.height, flags.shape[1])))
    for cell in cells:
        blocks += _text(part[cell.name], cell) if cell.variable else [_fixed(part[cell.name], cell)]
    length = np.sum([size for _, size in blocks], axis=0)
    place = np.concatenate([[0], np.cumsum(length)[:-1]]).astype(np.int64)
    out = np.empty(int(length.sum()), dtype=np.uint8)
    for data, size in blocks:
        before = np.cumsum(size) - size
        out[np.repeat(place - before, size) + np.arange(len(data))] = data
        place = place + size
    return out


def _fixed(series: pl.Series, cell: Cell) -> tuple[Bytes, npt.NDArray[np.int64]]:
    if cell.datatype == "boolean":
        values: Any = np.where(series.fill_null(False).to_numpy(), ord("T"), ord("F")).astype("u1")
        values[series.is_null().to_numpy()] = ord("?")
    else:
        empty = np.nan if cell.datatype in {"double", "float"} else 0
        values = series.fill_null(empty).to_numpy().astype(_STRUCT[cell.datatype])
    return np.frombuffer(values.tobytes(), dtype=np.uint8), np.full(len(series), cell.size)


def _text(series: pl.Series, cell: Cell) -> list[tuple[Bytes, npt.NDArray[np.int64]]]:
    """Number of characters, and the characters."""
    encoding, unit = _ENCODING[cell.datatype]
    encoded = [b"" if t is None else t.encode(encoding) for t in series]
    size = np.array([len(t) for t in encoded], dtype=np.int64)
    count = (size // unit).astype(">u4")
    return [
        (np.frombuffer(count.tobytes(), dtype=np.uint8), np.full(len(encoded), 4)),
        (np.frombuffer(b"".join(encoded), dtype=np.uint8), size),
    ]


# --- reading ---------------------------------------------------------------------------------------------------


def decode(pieces: Iterable[bytes]) -> bytes:
    """The bytes behind base64 that comes in pieces with white space.

    Raises
    ------
    ValueError
        If it is not base64, or not whole.
    """
    out = bytearray()
    rest = b""
    for piece in pieces:
        text = rest + piece.translate(None, b" \t\r\n")
        whole = len(text) - len(text) % 4
        out += binascii.a2b_base64(text[:whole], strict_mode=True)
        rest = text[whole:]
    if rest:
        raise ValueError("the base64 data are cut off")
    return bytes(out)


def read_rows(data: bytes, cells: Sequence[Cell], wanted: Sequence[str]) -> pl.DataFrame:
    """The rows as a table.

    Parameters
    ----------
    data : bytes
        The decoded stream.
    cells : sequence of Cell
        Every column of the rows.
    wanted : sequence of str
        Columns to return.

    Returns
    -------
    polars.DataFrame
        Texts that are empty and values flagged as null are null.

    Raises
    ------
    ValueError
        If the data end within a row.
    """
    places = _places(cells)
    buffer = np.frombuffer(data, dtype=np.uint8)
    flags = (len(cells) + 7) // 8
    parts = []
    for runs in _runs(data, cells):
        bits = np.unpackbits(buffer[runs[:, :1] + np.arange(flags)], axis=1, count=len(cells)).astype(bool)
        columns = []
        for number, (cell, (run, offset)) in enumerate(zip(cells, places, strict=True)):
            if cell.name not in wanted:
                continue
            if cell.variable:
                ends = (runs[:, run] + offset + 4).tolist(), runs[:, run + 1].tolist()
                columns.append(_decoded_text(data, cell, *ends, bits[:, number].tolist()))
            else:
                columns.append(_decoded(buffer, cell, runs[:, run] + offset, bits[:, number]))
        parts.append(pl.DataFrame(columns))
    return pl.concat(parts)


def _places(cells: Sequence[Cell]) -> list[tuple[int, int]]:
    """For each column the run it lies in and its distance from the start of the run.

    A run are the values of fixed length up to and with the next text; the first one begins with the flags.
    """
    out = []
    run, offset = 0, (len(cells) + 7) // 8
    for cell in cells:
        out.append((run, offset))
        run, offset = (run + 1, 0) if cell.variable else (run, offset + cell.size)
    return out


def _runs(data: bytes, cells: Sequence[Cell]) -> Iterator[npt.NDArray[np.int64]]:
    """Where each run of each row begins, and where the row ends; some thousand rows at a time, at least one time."""
    before: list[tuple[int, int]] = []  # bytes of a run before its text, bytes per character of the text
    size = (len(cells) + 7) // 8
    for cell in cells:
        if cell.variable:
            before.append((size, _ENCODING[cell.datatype][1]))
            size = 0
        else:
            size += cell.size
    count = struct.Struct(">I").unpack_from
    position, end = 0, len(data)
    rows: list[list[int]] = []
    while position < end:
        row = [position]
        for fixed, unit in before:
            position += fixed + 4
            if position > end:
                raise ValueError("the data end within a row")
            position += unit * count(data, position - 4)[0]
            row.append(position)
        position += size
        row.append(position)
        rows.append(row)
        if position > end:
            raise ValueError("the data end within a row")
        if len(rows) == _CHUNK:
            yield np.array(rows, dtype=np.int64)
            rows = []
    if rows or not end:
        yield np.array(rows, dtype=np.int64).reshape(len(rows), len(before) + 2)


def _decoded(buffer: Bytes, cell: Cell, starts: npt.NDArray[np.int64], null: npt.NDArray[np.bool_]) -> pl.Series:
    raw = buffer[starts[:, None] + np.arange(cell.size)].copy().view(_STRUCT[cell.datatype]).ravel()
    if cell.datatype == "boolean":
        true, false = np.isin(raw, list(b"Tt1")), np.isin(raw, list(b"Ff0"))
        series, null = pl.Series(cell.name, true), null | ~(true | false)
    else:
        series = pl.Series(cell.name, raw.astype(raw.dtype.newbyteorder("=")))
    if series.dtype.is_float():
        series = series.fill_nan(None)
    return series.set(pl.Series(null), None) if null.any() else series


def _decoded_text(data: bytes, cell: Cell, starts: list[int], ends: list[int], null: list[bool]) -> pl.Series:
    encoding = _ENCODING[cell.datatype][0]
    texts = [
        None if missing or first == last else data[first:last].decode(encoding)
        for first, last, missing in zip(starts, ends, null, strict=True)
    ]
    return pl.Series(cell.name, texts, dtype=pl.String)
