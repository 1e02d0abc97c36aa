"""Tables written as text that astropy reads well: ECSV, machine-readable (AAS, CDS), blank-separated, FITS ASCII."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..errors import ReadError
from .compressed import DAMAGED, damaged, open_bytes
from .read_columnar import series_of
from .reader import FileColumn, TableReader

_NAMES = {
    "ascii.ecsv": "ECSV",
    "ascii.mrt": "machine-readable",
    "ascii.basic": "blank-separated",
    "ascii.fixed_width_two_line": "fixed-width",
    "fits": "FITS ASCII",
}
#: Every cell arrives as text.
_PLAIN = ("ascii.basic", "ascii.fixed_width_two_line")


class AstropyReader(TableReader):
    """A table held in memory; columns that are no columns of numbers or text (coordinates, times) are left out."""

    def __init__(self, path: Path, form: str, hdu: int | None = None) -> None:
        from astropy.table import Column, Table

        self.path = path
        try:
            with open_bytes(path) as file, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # units astropy does not know: judged when a column is used
                if form == "fits":
                    read: Any = Table.read(io.BytesIO(file.read()), format=form, hdu=hdu)
                else:
                    text = io.TextIOWrapper(file, encoding="utf-8-sig").read()
                    # As text: an identifier keeps its digits, and the converter names the cell that is no number.
                    plain = {"converters": {"*": [_as_text()]}} if form in _PLAIN else {}
                    read = Table.read(text, format=form, guess=False, **plain)
                self.textual = form in _PLAIN
        except UnicodeDecodeError as error:
            raise ReadError(f"not UTF-8 text (byte {error.start + 1})", where=path, expected="UTF-8") from error
        except DAMAGED as error:
            raise damaged(path, error) from error
        except Exception as error:  # astropy raises many types on damaged text
            detail = " ".join(str(error).split())[:200] or type(error).__name__
            raise ReadError(
                f"not a complete {_NAMES[form]} table: {detail}",
                where=path,
                expected="a header and as many cells in every row",
                hint="quote cells that hold blanks, write NaN for missing values, or save it as CSV",
            ) from error
        self._table = {n: read[n] for n in read.colnames if isinstance(read[n], Column)}
        self.columns = {
            name: FileColumn(
                name,
                "" if column.unit is None else str(column.unit),
                f"{column.shape[1:]} values" if column.ndim > 1 else "",
                int(np.prod(column.shape[1:])) if column.ndim > 1 else 0,
            )
            for name, column in self._table.items()
        }
        self.n_rows: int | None = len(read)

    def batches(self, names: Sequence[str], size: int) -> Iterator[pl.DataFrame]:
        """Yield the named columns, ``size`` rows at a time."""
        for first in range(0, self.n_rows or 0, size):
            rows = slice(first, first + size)
            yield pl.DataFrame([series_of(name, np.ma.asarray(self._table[name][rows])) for name in names])


def _as_text() -> Any:
    from astropy.io import ascii as astropy_ascii

    return astropy_ascii.convert_numpy(str)
