"""FITS binary tables, plain or gzip-compressed, read row block by row block.

astropy decompresses a gzip FITS file into memory as a whole; here astropy parses the headers and this module
reads the fixed-length rows behind them from the (decompressed) byte stream.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import polars as pl
from astropy.io import fits

from ..errors import ReadError
from .compressed import DAMAGED, damaged, open_bytes
from .reader import FileColumn, Hdu, TableReader

_BLOCK = 2880
#: Bytes of one element of each TFORM letter (FITS Standard 4.0, Table 18); X is counted in bits.
_WIDTH = {"L": 1, "B": 1, "I": 2, "J": 4, "K": 8, "A": 1, "E": 4, "D": 8, "C": 8, "M": 16, "P": 8, "Q": 16}
_UNREAD = {
    "X": "bits",
    "C": "complex numbers",
    "M": "complex numbers",
    "P": "an array of its own length in each row",
    "Q": "an array of its own length in each row",
}
_DTYPE = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "L": "S1"}


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a column lies in a row and how its bytes become values."""

    offset: int
    dtype: str
    letter: str
    null: int | None
    scale: float
    zero: float | int
    repeat: int = 1


def open_fits(path: Path, hdu: Hdu = None) -> TableReader:
    """The table of a FITS file that ``hdu`` names: the first by default, several row-aligned ones as one."""
    if not isinstance(hdu, tuple):
        reader = FitsReader(path, hdu)
        if not reader.is_text:
            return reader
        # Numbers written as text: rare and small, astropy reads them whole.
        from .read_astropy import AstropyReader

        return AstropyReader(path, "fits", reader.number)
    if not hdu:
        raise ReadError("hdu = []: no table is named", where=path, expected="names or numbers of tables")
    return JoinedReader(path, {str(name): FitsReader(path, name) for name in hdu})


class FitsReader(TableReader):
    """A table of a FITS file: the first, or the one of this name or number."""

    def __init__(self, path: Path, hdu: str | int | None = None) -> None:
        self.path = path
        self.columns: dict[str, FileColumn] = {}
        self._layout: dict[str, _Layout] = {}
        with open_bytes(path) as file:
            header, self._start, self.number = self._choose(file, hdu)
        #: Whether it is an ASCII table, which is not read here.
        self.is_text = header["XTENSION"].strip() == "TABLE"
        if self.is_text:
            self.n_rows, self._row_bytes = int(header.get("NAXIS2", 0)), int(header.get("NAXIS1", 0))
            return
        try:
            self.n_rows: int = int(header["NAXIS2"])
            self._row_bytes = int(header["NAXIS1"])
            self._describe(header)
        except (KeyError, ValueError, TypeError, fits.VerifyError) as error:
            raise self._bad_header(str(error)) from error
        if self.n_rows < 0 or self._row_bytes <= 0 or not self.columns:
            raise self._bad_header(f"{self.n_rows} rows of {self._row_bytes} bytes, {len(self.columns)} columns")

    def _bad_header(self, detail: str) -> ReadError:
        return ReadError(
            f"the FITS header is damaged: {detail}", where=self.path, expected="a binary table", hint="get it again"
        )

    def _choose(self, file: IO[bytes], hdu: str | int | None) -> tuple[fits.Header, int, int]:
        """The header of the wanted table; without a wish the first, if it has rows or no table has."""
        tables: list[tuple[int, fits.Header, int]] = []
        for number, header, start in self._tables(file):
            if isinstance(hdu, int) and number == hdu:
                return header, start, number
            if isinstance(hdu, str) and _name(header).lower() == hdu.strip().lower():
                return header, start, number
            tables.append((number, header, start))
            if hdu is None and int(header.get("NAXIS2", 0)) != 0 and len(tables) == 1:
                return header, start, number
        listed = {_name(h) or number: h for number, h, _ in tables}
        full = {name: h for name, h in listed.items() if int(h.get("NAXIS2", 0)) > 0}
        self.elsewhere = {str(name): _column_names(h) for name, h in full.items()}
        if hdu is not None:
            names = ", ".join(f"{name!r} ({h.get('NAXIS2')} rows)" for name, h in listed.items())
            raise ReadError(f"there is no table {hdu!r}", where=self.path, expected=f"hdu = one of {names}")
        if not tables:
            raise ReadError("there is no table in this FITS file", where=self.path, expected="a BINTABLE or TABLE")
        if full:
            rows = ", ".join(f"{name!r} ({h.get('NAXIS2')})" for name, h in full.items())
            raise ReadError(
                f"the first table, {next(iter(listed))!r}, has no rows; these have: {rows}",
                where=self.path,
                expected="a table with rows",
                hint=f"name it: hdu = {next(iter(full))!r}",
            )
        return tables[0][1], tables[0][2], tables[0][0]

    def _tables(self, file: IO[bytes]) -> Iterator[tuple[int, fits.Header, int]]:
        """Number, header and start of each table, to the end of the file."""
        position = number = 0
        while True:
            header, position = self._read_header(file, position, first=number == 0)
            if header is None:
                return
            try:
                size = _data_size(header)
                if header.get("XTENSION", "").strip() in ("BINTABLE", "TABLE"):
                    yield number, header, position
            except (AttributeError, KeyError, ValueError, TypeError, OverflowError, fits.VerifyError) as error:
                raise self._bad_header(str(error)) from error
            if size < 0:
                raise self._bad_header(f"a data part of {size} bytes")
            position += -(-size // _BLOCK) * _BLOCK
            number += 1
            try:
                file.seek(position)
            except (*DAMAGED, OverflowError, OSError) as error:
                raise damaged(self.path, error) from error

    def _read_header(self, file: IO[bytes], position: int, *, first: bool) -> tuple[fits.Header | None, int]:
        text = b""
        while True:
            try:
                block = file.read(_BLOCK)
            except DAMAGED as error:
                raise damaged(self.path, error) from error
            if not block and not text and not first:
                return None, position
            if len(block) < _BLOCK:
                raise ReadError("the FITS file ends in a header", where=self.path, hint="get the file again")
            text += block
            position += _BLOCK
            if _has_end(block):
                break
            if len(text) > 1000 * _BLOCK:
                raise self._bad_header("no END card")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # cards of keywords nobody reads
                header = fits.Header.fromstring(text)
                # Cards are parsed when they are looked at: have damaged ones complain here.
                list(header.items())
            return header, position
        except Exception as error:  # astropy raises many types on damaged cards
            raise self._bad_header(str(error)) from error

    def _describe(self, header: fits.Header) -> None:
        offset = 0
        for number in range(1, int(header["TFIELDS"]) + 1):
            name = str(header.get(f"TTYPE{number}", f"col{number}")).strip()
            match = re.match(r"\s*(\d*)([LXBIJKAEDCMPQ])", str(header[f"TFORM{number}"]))
            if match is None:
                raise ValueError(f"TFORM{number} = {header[f'TFORM{number}']!r}")
            repeat, letter = int(match[1] or 1), match[2]
            width = -(-repeat // 8) if letter == "X" else repeat * _WIDTH[letter]
            dtype = f"S{repeat}" if letter == "A" and repeat else _DTYPE.get(letter, "") if repeat else ""
            unit = str(header.get(f"TUNIT{number}", "")).strip()
            many = letter != "A" and repeat > 1
            if not dtype and repeat:
                self.columns[name] = FileColumn(name, unit, _UNREAD[letter])
            elif dtype:
                null = header.get(f"TNULL{number}")
                array = f"{repeat} values a row" if many else ""
                self.columns[name] = FileColumn(name, unit, array, repeat if many else 0)
                self._layout[name] = _Layout(
                    offset,
                    dtype,
                    letter,
                    None if null is None else int(null),
                    float(header.get(f"TSCAL{number}", 1.0)),
                    header.get(f"TZERO{number}", 0),
                    repeat if many else 1,
                )
            offset += width
        if offset != self._row_bytes:
            raise ValueError(f"the columns take {offset} bytes a row, NAXIS1 is {self._row_bytes}")

    def batches(self, names: Sequence[str], size: int) -> Iterator[pl.DataFrame]:
        """Yield the named columns, ``size`` rows at a time."""
        for name in names:
            if name not in self._layout:
                raise ReadError(f"column {name!r}: {self.columns[name].array}, not read here", where=self.path)
        layouts = {name: self._layout[name] for name in names}
        row = np.dtype(
            {
                "names": list(layouts),
                "formats": [(t.dtype, (t.repeat,)) if t.repeat > 1 else t.dtype for t in layouts.values()],
                "offsets": [layout.offset for layout in layouts.values()],
                "itemsize": self._row_bytes,
            }
        )
        done = 0
        with open_bytes(self.path) as file:
            try:
                file.seek(self._start)
                while done < self.n_rows:
                    wanted = min(size, self.n_rows - done)
                    data = file.read(wanted * self._row_bytes)
                    if len(data) < wanted * self._row_bytes:
                        raise ReadError(
                            f"the FITS file ends in row {done + len(data) // self._row_bytes + 1}",
                            where=self.path,
                            expected=f"{self.n_rows} rows",
                            hint="the download was probably cut off: get the file again",
                        )
                    rows = np.frombuffer(data, dtype=row)
                    yield pl.DataFrame([self._series(name, rows[name], layouts[name], done) for name in names])
                    done += wanted
                # A gzip stream is only checked against its checksum when it is read to the end.
                while file.read(1 << 20):
                    pass
            except DAMAGED as error:
                raise damaged(self.path, error) from error

    def _series(self, name: str, values: Any, layout: _Layout, first: int) -> pl.Series:
        if layout.repeat > 1:
            flat = self._series(name, values.reshape(-1), replace(layout, repeat=1), first)
            return flat.reshape((len(values), layout.repeat))
        if layout.letter == "A":
            return self._text(name, values, first)
        if layout.letter == "L":
            flags = pl.Series(name, values == b"T")
            return flags.set(pl.Series(~np.isin(values, [b"T", b"F"])), None)
        native = values.astype(values.dtype.newbyteorder("="))
        series = pl.Series(name, native)
        if layout.null is not None and native.dtype.kind in "iu":
            series = series.set(pl.Series(native == layout.null), None)
        if layout.scale == 1.0 and layout.zero == 0:
            return series
        if layout.scale == 1.0 and native.dtype.kind in "iu" and float(layout.zero).is_integer():
            # Unsigned 64-bit columns are stored with TZERO = 2**63: exact only in integers.
            if native.dtype == np.int64 and int(layout.zero) == 2**63:
                unsigned = pl.Series(name, native.view(np.uint64) ^ np.uint64(2**63))
                return unsigned.set(series.is_null(), None)
            return (series.cast(pl.Int128) + pl.Series([int(layout.zero)], dtype=pl.Int128)).rename(name)
        return series.cast(pl.Float64) * layout.scale + float(layout.zero)

    def _text(self, name: str, values: Any, first: int) -> pl.Series:
        import pyarrow as pa

        array = pa.array(np.ascontiguousarray(values))
        try:
            texts = array.cast(pa.string())
        except pa.ArrowInvalid as error:
            for number, value in enumerate(values, first + 1):
                try:
                    bytes(value).decode()
                except UnicodeDecodeError:
                    raise ReadError(
                        f"row {number}, column {name!r}: not UTF-8 text", where=self.path, expected="ASCII or UTF-8"
                    ) from error
            raise ReadError(f"column {name!r}: {error}", where=self.path) from error
        stripped = pl.Series(name, pl.from_arrow(texts)).str.strip_chars(" \0")
        return stripped.set(stripped == "", None)


class JoinedReader(TableReader):
    """Tables of one FITS file with the same rows, as one: DESI keeps Gaia's identifiers in a table of their own.

    A name that several have is that of the first; ``GAIA.RA`` is always that of the table ``GAIA``.
    """

    def __init__(self, path: Path, readers: Mapping[str, FitsReader]) -> None:
        self.path = path
        self._readers = readers
        heights = {name: r.n_rows for name, r in readers.items()}
        if len(set(heights.values())) > 1:
            raise ReadError(
                "the tables cannot be joined row by row: " + ", ".join(f"{n!r} has {h}" for n, h in heights.items()),
                where=path,
                expected="tables with the same number of rows",
            )
        self.n_rows = next(iter(heights.values()))
        self.columns = {}
        self._origin: dict[str, tuple[str, str]] = {}
        for table, reader in readers.items():
            for name, column in reader.columns.items():
                for full in (name, f"{table}.{name}"):
                    if full not in self.columns:
                        self.columns[full] = replace(column, name=full)
                        self._origin[full] = (table, name)

    def batches(self, names: Sequence[str], size: int) -> Iterator[pl.DataFrame]:
        """Yield the named columns, ``size`` rows at a time."""
        wanted: dict[str, list[str]] = {}
        for name in names:
            table, original = self._origin[name]
            wanted.setdefault(table, []).append(original)
        streams = [self._readers[t].batches(list(dict.fromkeys(own)), size) for t, own in wanted.items()]
        for parts in zip(*streams, strict=True):
            held = dict(zip(wanted, parts, strict=True))
            yield pl.DataFrame([held[self._origin[n][0]][self._origin[n][1]].alias(n) for n in names])


def _name(header: fits.Header) -> str:
    return str(header.get("EXTNAME", "")).strip()


def _column_names(header: fits.Header) -> tuple[str, ...]:
    return tuple(str(header.get(f"TTYPE{n}", "")).strip() for n in range(1, int(header.get("TFIELDS", 0)) + 1))


def _has_end(block: bytes) -> bool:
    return any(block[i : i + 8] == b"END     " for i in range(0, _BLOCK, 80))


def _data_size(header: fits.Header) -> int:
    """Bytes of the data part (FITS Standard 4.0, Eq. 2)."""
    axes = [int(header[f"NAXIS{n}"]) for n in range(1, int(header["NAXIS"]) + 1)]
    if not axes:
        return 0
    elements = 1
    for axis in axes:
        elements *= axis
    return abs(int(header["BITPIX"])) // 8 * int(header.get("GCOUNT", 1)) * (int(header.get("PCOUNT", 0)) + elements)
