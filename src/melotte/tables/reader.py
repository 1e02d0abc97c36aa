"""Any table file as a stream of polars batches with bounded memory.

The format is recognised by its first bytes, not by its name. FITS binary tables and delimited text, plain or
gzip-compressed, and Parquet are read piece by piece; VOTable is parsed whole by astropy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import polars as pl

from ..errors import ReadError
from .compressed import DAMAGED, damaged, open_bytes, without_suffix

#: Which table of a FITS file: its name or number, or several of them with the same rows.
Hdu = str | int | tuple[str | int, ...] | None
#: Suffixes that promise a format, for the message when the bytes do not keep the promise.
_PROMISED = {".fits": "fits", ".fit": "fits", ".parquet": "parquet", ".vot": "votable", ".votable": "votable"}


@dataclass(frozen=True, slots=True)
class FileColumn:
    """A column as the file describes it.

    ``unit`` is empty if the file gives none; ``array`` says in words what a row holds if that is not one value, and
    ``size`` how many values (0: it differs, or they are fields). ``computed_from`` holds the units of the columns of
    an expression.
    """

    name: str
    unit: str = ""
    array: str = ""
    size: int = 0
    computed_from: tuple[str, ...] = ()


class TableReader(ABC):
    """One table of one file.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    columns : dict of str to FileColumn
        Columns by their name in the file, in order.
    n_rows : int or None
        Number of rows where the file says it, otherwise None.
    textual : bool
        Whether numbers arrive as text.
    elsewhere : dict of str to tuple
        Other tables of the file, with rows: their columns, by name.
    """

    path: Path
    columns: dict[str, FileColumn]
    n_rows: int | None
    textual: bool = False
    elsewhere: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    @abstractmethod
    def batches(self, names: Sequence[str], size: int) -> Iterator[pl.DataFrame]:
        """Yield the named columns, about ``size`` rows at a time, in file order.

        Raises
        ------
        ReadError
            If the file ends early, is damaged or is not what it claims to be.
        """


def open_table(path: Path, hdu: Hdu = None) -> TableReader:
    """Open a table file, recognising its format by its first bytes.

    Parameters
    ----------
    path : pathlib.Path
        FITS table, VOTable, Parquet, ECSV, AAS or CDS machine-readable table, delimited or blank-separated text, each
        of them as it is or compressed (gzip, bzip2, xz, zstd, or alone in a zip file).
    hdu : str, int or tuple, optional
        Name or number of the table in a FITS file; of several row-aligned ones, the columns of all. A name that
        several of them have is that of the first; ``GAIA.RA`` is always the one of the table GAIA.

    Returns
    -------
    TableReader

    Raises
    ------
    ReadError
        If there is no such file, it is a directory, it is empty or its header is damaged.
    """
    kind = _sniff(path)
    # The format modules load pyarrow or astropy: only the one needed is imported.
    if kind == "fits":
        from .read_fits import open_fits

        return open_fits(path, hdu)
    if hdu is not None:
        raise ReadError(
            f"hdu = {hdu!r}: this is not a FITS file", where=path, expected="a FITS file", hint='leave "hdu" out'
        )
    if kind == "parquet":
        from .read_columnar import ParquetReader

        return ParquetReader(path)
    if kind == "votable":
        from .read_columnar import VOTableReader

        return VOTableReader(path)
    from .read_text import TextReader

    if kind == "text":
        reader = TextReader(path)
        if reader.delimited:
            return reader
        kind = "ascii.fixed_width_two_line" if reader.underlined else "ascii.basic"
    # Blanks between the columns, a header of its own kind: astropy's readers, which hold the table in memory.
    from .read_astropy import AstropyReader

    return AstropyReader(path, kind)


def _sniff(path: Path) -> str:
    try:
        with open_bytes(path) as file:
            head = file.read(8192)
    except FileNotFoundError as error:
        raise ReadError("no such file", where=path, hint="check the path") from error
    except IsADirectoryError as error:
        raise ReadError("this is a directory", where=path, expected="a table file", hint="name the file") from error
    except DAMAGED as error:
        raise damaged(path, error) from error
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror or error}", where=path) from error
    if not head:
        raise ReadError("the file is empty", where=path, expected="a table", hint="get the file again")
    kind = _kind(head)
    promised = _PROMISED.get(without_suffix(path).suffix.lower(), "")
    if promised and kind != promised:
        raise ReadError(
            f"the name says {promised}, but the first bytes are {head[:16]!r}",
            where=path,
            expected=f"a {promised} file",
            hint="the download may have been a web page: open the file in an editor",
        )
    return kind


def _kind(head: bytes) -> str:
    if head.startswith(b"SIMPLE  ="):
        return "fits"
    if head.startswith(b"PAR1"):
        return "parquet"
    text = head.lstrip(b"\xef\xbb\xbf \r\n\t")
    if text.startswith((b"<?xml", b"<VOTABLE")):
        return "votable"
    if text.startswith(b"# %ECSV"):
        return "ascii.ecsv"
    return "ascii.mrt" if b"Byte-by-byte Description" in text else "text"
