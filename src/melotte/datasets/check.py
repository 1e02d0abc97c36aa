"""Is a file the catalogue its record describes: whole, with the right columns and number of rows?"""

from __future__ import annotations

import csv
import gzip
import itertools
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..core.checksum import sha256
from ..errors import DatasetError
from .model import TABLE_SUFFIXES, Record

_BLOCK = 1 << 20
_FITS_BLOCK = 2880
#: What a damaged card of a FITS header raises when it is looked at.
_BAD_CARDS = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
#: Suffix of a download under way.
PART = ".part"


@dataclass(frozen=True)
class Verified:
    """A file that passed.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    record : Record
        What it was held against.
    rows : int or None
        Rows counted; None for a file that is not a table.
    notes : tuple of str
        What a user should know, for example that the copy is a known incomplete one.
    """

    path: Path
    record: Record
    rows: int | None
    notes: tuple[str, ...] = ()


def verify(path: Path, record: Record) -> Verified:
    """Hold a file against its record.

    The whole file is read: a truncated FITS or gzip file, a table with ragged lines, missing columns, a wrong number
    of rows or a wrong checksum does not pass.

    Parameters
    ----------
    path : pathlib.Path
        The file, or a download under way (``NAME.part``).
    record : Record
        What it must be.

    Raises
    ------
    DatasetError
        Naming what is wrong.
    """
    name = path.name.removesuffix(PART)
    hint = f"delete it and run `melotte fetch {record.name}`"
    content = record.content
    try:
        # The checksum belongs to the preferred file, not to the same catalogue in another format.
        if content.sha256 is not None and name == Path(record.file).name and (found := sha256(path)) != content.sha256:
            raise DatasetError(f"SHA-256 {found}", where=path, expected=content.sha256, hint=hint)
        if not name.endswith(TABLE_SUFFIXES):
            return Verified(path, record, None)
        names, rows = (_scan_fits if ".fits" in name else _scan_text)(path, name, record)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(
            f"not a whole gzip file ({error}); it begins with {_beginning(path)}",
            where=path,
            hint=f"the download was cut off or the archive sent a page instead of the file: {hint}",
        ) from error
    except OSError as error:
        raise DatasetError(f"cannot be read: {error}", where=path, hint=hint) from error

    if missing := [column for column in content.columns if column not in names]:
        raise DatasetError(
            f"has no column {', '.join(missing)}; its columns: {', '.join(names)}",
            where=path,
            expected=f"the columns of {record.name}: {', '.join(content.columns)}",
            hint=hint,
        )
    return Verified(path, record, rows, _judge_rows(path, rows, record, hint))


def _judge_rows(path: Path, rows: int, record: Record, hint: str) -> tuple[str, ...]:
    content = record.content
    if rows == content.rows:
        return ()
    if rows in content.subsets:
        return (f"{record.name}: {rows:,} of {content.rows:,} rows: {content.subsets[rows]}",)
    if not content.exact and content.rows is not None and rows > content.rows:
        return (f"{record.name}: {rows:,} rows, {content.rows:,} when the record was written",)
    raise DatasetError(f"has {rows:,} rows", where=path, expected=f"{content.rows:,} rows of {record.name}", hint=hint)


def _beginning(path: Path) -> str:
    with path.open("rb") as stream:
        return repr(stream.read(40))


def _open(path: Path, name: str) -> IO[bytes]:
    return gzip.open(path, "rb") if name.endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def _scan_fits(path: Path, name: str, record: Record) -> tuple[list[str], int]:
    """Column names and rows of the first table, after reading to the end that its header promises."""
    from astropy.io import fits

    with _open(path, name) as stream:
        while True:
            try:
                header = fits.Header.fromfile(stream, endcard=True)
                size, table = _fits_part(header)
            except (OSError, EOFError, *_BAD_CARDS, fits.VerifyError) as error:
                if isinstance(error, gzip.BadGzipFile) or "Compressed file ended" in str(error):
                    raise
                raise DatasetError(
                    f"no FITS table was found ({error or 'the file ends'}); it begins with {_beginning(path)}",
                    where=path,
                    hint=f"the archive sent something else: `melotte fetch {record.name}` again, or get it by hand",
                ) from error
            got = _skip(stream, -(-size // _FITS_BLOCK) * _FITS_BLOCK)
            if got < size:
                raise DatasetError(
                    f"truncated: {got:,} bytes of data", where=path, expected=f"{size:,} bytes (FITS header)"
                )
            if table is not None:
                # Reading on to the end makes gzip check its own checksum.
                _skip(stream, None)
                return table


def _fits_part(header: Any) -> tuple[int, tuple[list[str], int] | None]:
    """Bytes of the data below a header; column names and rows if they are a table."""
    axes = [int(header[f"NAXIS{i + 1}"]) for i in range(int(header["NAXIS"]))]
    size = abs(int(header["BITPIX"])) // 8 * int(header.get("GCOUNT", 1))
    size *= math.prod(axes) + int(header.get("PCOUNT", 0)) if axes else 0
    if size < 0:
        raise ValueError(f"a data part of {size} bytes")
    if header.get("XTENSION", "").strip() not in {"BINTABLE", "TABLE"}:
        return size, None
    names = [str(header[f"TTYPE{i + 1}"]).strip() for i in range(int(header["TFIELDS"]))]
    return size, (names, axes[1])


def _skip(stream: IO[bytes], count: int | None) -> int:
    """Read ``count`` bytes (all where None) and forget them; the number read."""
    done = 0
    while count is None or done < count:
        block = stream.read(_BLOCK if count is None else min(_BLOCK, count - done))
        if not block:
            break
        done += len(block)
    return done


def _scan_text(path: Path, name: str, record: Record) -> tuple[list[str], int]:
    """Column names and rows of a text table; every line must have as many fields as the header."""
    with _open(path, name) as raw:
        lines = (line.decode("utf-8-sig" if number == 0 else "utf-8") for number, line in enumerate(raw))
        tsv = ".tsv" in name
        reader = csv.reader(_without_comments(lines) if tsv else lines, delimiter=record.content.delimiter)
        try:
            names = [field.strip() for field in next(reader, [])]
            if tsv:
                reader = _without_rulers(reader)  # type: ignore[assignment]
            rows = 0
            for fields in reader:
                if not fields:
                    continue
                rows += 1
                if len(fields) != len(names):
                    raise DatasetError(
                        f"data row {rows} has {len(fields)} fields",
                        where=path,
                        expected=f"{len(names)}, as the header",
                        hint="the file was cut off or edited: get it again",
                    )
        except UnicodeDecodeError as error:
            raise DatasetError(f"not UTF-8 text: {error.reason}", where=path, expected="a UTF-8 table") from error
        except csv.Error as error:
            raise DatasetError(f"not a text table: {error}", where=path) from error
    return names, rows


def _without_comments(lines: Iterator[str]) -> Iterator[str]:
    return (line for line in lines if line.strip() and not line.startswith("#"))


def _without_rulers(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """Drop the line of units and the ruler below the header of a VizieR TSV file, where there are."""
    first, second = next(rows, None), next(rows, None)
    if second is not None and second and all(field and not field.strip("-") for field in second):
        return rows
    return itertools.chain((row for row in (first, second) if row is not None), rows)
