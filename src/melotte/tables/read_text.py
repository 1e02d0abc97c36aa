"""Delimited text (comma, bar, tab or semicolon), plain or gzip-compressed, read block by block.

Every value arrives as text: numbers are converted by the adapter, which knows what each column must hold and can
name the row of a value that is none.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from pyarrow import csv as pa_csv

from ..errors import ReadError
from .compressed import DAMAGED, compression, damaged, open_bytes
from .reader import FileColumn, TableReader

DELIMITERS = "|,\t;"
#: Cells that mean "no value" in any text table.
NULL_TEXT = ("", "nan", "NaN", "NAN", "null", "NULL", "None", "N/A", "NA", "--")
_BLOCK_BYTES = 4 << 20
_DECIMAL_COMMA = r"^\s*[+-]?\d+,\d+(?:[eE][+-]?\d+)?\s*$"
_LONGEST_HEADER = 1 << 20


class TextReader(TableReader):
    """A delimited text table with one header line; leading ``#`` lines are skipped."""

    textual = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.n_rows: int | None = None
        header = self._header()
        counts = {d: header.count(d) for d in DELIMITERS}
        #: False: one column, or columns set apart by blanks.
        self.delimited = any(counts.values()) or len(header.split()) < 2
        #: Whether the second line underlines the column names (a fixed-width table of two header lines).
        self.underlined = not self.delimited and bool(re.fullmatch(rb"[-=\s]*[-=][-=\s]*", self._second))
        self._delimiter = max(counts, key=lambda d: counts[d]) if any(counts.values()) else ","
        try:
            cells = next(csv.reader([header], delimiter=self._delimiter))
        except csv.Error as error:
            raise ReadError(
                f"line {self._skip + 1}: no header line can be read: {error}",
                where=path,
                expected="a header line with the column names",
            ) from error
        # Unnamed columns (an index written by pandas) and repeated names get a name nobody asks for.
        self._names: list[str] = []
        for number, cell in enumerate(cells):
            name = cell.strip()
            self._names.append(name if name and name not in self._names else f"{name}\0{number}")
        self.columns = {n: FileColumn(n) for n in self._names if "\0" not in n}

    def _header(self) -> str:
        self._skip = 0
        try:
            with open_bytes(self.path) as file:
                while True:
                    line = file.readline(_LONGEST_HEADER)
                    if line.startswith(b"#") or (line and not line.strip()):
                        self._skip += 1
                        continue
                    self._second = file.readline(_LONGEST_HEADER)
                    break
        except DAMAGED as error:
            raise damaged(self.path, error) from error
        except OSError as error:
            raise ReadError(f"cannot be read: {error}", where=self.path) from error
        if not line.strip() or b"\0" in line:
            raise ReadError(
                "there is no header line" if not line.strip() else "the first line is binary, not text",
                where=self.path,
                expected="a header line with the column names",
            )
        try:
            return line.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise self._not_utf8(self._skip + 1, error.start) from error

    def _not_utf8(self, line: int, byte: int) -> ReadError:
        return ReadError(
            f"line {line}: not UTF-8 text (byte {byte + 1} of the line)",
            where=self.path,
            expected="UTF-8",
            hint="convert it, for example: iconv -f latin1 -t utf-8 FILE",
        )

    def batches(self, names: Sequence[str], size: int) -> Iterator[pl.DataFrame]:
        """Yield the named columns as text (missing: null), about ``size`` rows at a time."""
        held: list[pa.Table] = []
        count = 0
        try:
            with self._stream() as source:
                reader = pa_csv.open_csv(
                    source,
                    # One thread: only then are the rows of the error message counted.
                    read_options=pa_csv.ReadOptions(
                        use_threads=False,
                        block_size=_BLOCK_BYTES,
                        column_names=self._names,
                        skip_rows=self._skip + 1,
                    ),
                    parse_options=pa_csv.ParseOptions(delimiter=self._delimiter),
                    convert_options=pa_csv.ConvertOptions(
                        include_columns=list(names),
                        column_types={n: pa.string() for n in self._names},
                        strings_can_be_null=True,
                        quoted_strings_can_be_null=True,
                        null_values=list(NULL_TEXT),
                    ),
                )
                for batch in reader:
                    held.append(pa.Table.from_batches([batch]))
                    count += batch.num_rows
                    while count >= size:
                        table = pa.concat_tables(held)
                        yield self._polars(table.slice(0, size))
                        held, count = [table.slice(size)], count - size
        except DAMAGED as error:
            raise damaged(self.path, error) from error
        except (pa.ArrowInvalid, OSError, ValueError) as error:
            raise self._explain(error) from error
        if count:
            yield self._polars(pa.concat_tables(held))

    def _stream(self) -> Any:
        """The uncompressed bytes for pyarrow, by its own decompression where it has one."""
        own = {"": None, "gzip": "gzip", "bzip2": "bz2", "zstd": "zstd"}
        kind = compression(self.path)
        if kind in own:
            return pa.input_stream(str(self.path), compression=own[kind])
        return pa.PythonFile(open_bytes(self.path), mode="r")

    def _explain(self, error: Exception) -> ReadError:
        """Turn pyarrow's complaint into one with a line number."""
        match = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+): (.*)", str(error), re.DOTALL)
        if match:
            return ReadError(
                f"line {match[1]}: {match[3]} cells in a table of {match[2]} columns: {match[4][:80]!r}",
                where=self.path,
                expected=f"{match[2]} cells separated by {self._delimiter!r}",
                hint="look for a stray delimiter or quote in that line",
            )
        if compression(self.path) and isinstance(error, OSError) and not isinstance(error, pa.ArrowInvalid):
            return damaged(self.path, EOFError(error) if "runcated" in str(error) else error)
        try:
            with open_bytes(self.path) as file:
                for number, raw in enumerate(file, 1):
                    try:
                        raw.decode()
                    except UnicodeDecodeError as bad:
                        return self._not_utf8(number, bad.start)
        except (*DAMAGED, OSError) as bad:
            return damaged(self.path, bad)
        if "Empty CSV" in str(error):
            return ReadError("there is no data line", where=self.path, expected="at least one row")
        return ReadError(f"not a delimited text table: {str(error)[:200]}", where=self.path)

    def _polars(self, table: pa.Table) -> pl.DataFrame:
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        if self._delimiter != ";":
            return frame
        # Spreadsheets that set columns apart by semicolons write 33,8 for 33.8.
        cell = pl.all()
        return frame.with_columns(
            pl.when(cell.str.contains(_DECIMAL_COMMA)).then(cell.str.replace(",", ".", literal=True)).otherwise(cell)
        )
