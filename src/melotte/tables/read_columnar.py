"""Parquet (streamed by row group) and VOTable (parsed whole by astropy)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..errors import ReadError
from .reader import FileColumn, TableReader


class ParquetReader(TableReader):
    """A Parquet file; a column's unit is its field metadata ``unit`` where there is one."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self.path = path
        try:
            with parquet.ParquetFile(path) as file:
                self.n_rows: int | None = file.metadata.num_rows
                schema = file.schema_arrow
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _damaged(path, "Parquet", error) from error
        self.columns = {}
        for field in schema:
            unit = (field.metadata or {}).get(b"unit", b"")
            self.columns[field.name] = FileColumn(field.name, unit.decode(errors="replace"), *_nested(field.type))

    def batches(self, names: Sequence[str], size: int) -> Iterator[pl.DataFrame]:
        """Yield the named columns, up to ``size`` rows at a time."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(self.path) as file:
                for batch in file.iter_batches(batch_size=size, columns=list(names)):
                    # polars trusts Arrow data: damaged text would end the process, not raise.
                    batch.validate(full=True)
                    # Without the metadata: those that are no text would end the process as well.
                    frame = pl.from_arrow(pa.Table.from_arrays(batch.columns, names=batch.schema.names))
                    assert isinstance(frame, pl.DataFrame)
                    yield frame.select(names)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _damaged(self.path, "Parquet", error) from error


def _nested(kind: Any) -> tuple[str, int]:
    """In words what a row of a nested column holds, and how many values if that is fixed; empty for plain columns."""
    from pyarrow import types

    if types.is_fixed_size_list(kind):
        return f"an array: {kind.list_size} values a row", kind.list_size
    if types.is_list(kind) or types.is_large_list(kind):
        return "a list of values", 0
    if types.is_struct(kind):
        return f"a structure with the fields {', '.join(field.name for field in kind)}", 0
    return "", 0


class VOTableReader(TableReader):
    """The first table of a VOTable file, held in memory."""

    def __init__(self, path: Path) -> None:
        from astropy.io import votable

        self.path = path
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # deviations from the standard that do not change the values
                table = votable.parse_single_table(path)
        except Exception as error:  # the parser raises its own, expat's, struct's and numpy's errors
            raise _damaged(path, "VOTable", error) from error
        self._array = table.array
        self.columns = {}
        self._keys = {}
        for field in table.fields:
            # The field's name is what people know; its ID is what the array is keyed by.
            self.columns[field.name] = FileColumn(field.name, "" if field.unit is None else str(field.unit))
            self._keys[field.name] = field.ID
        self.n_rows: int | None = len(self._array)

    def batches(self, names: Sequence[str], size: int) -> Iterator[pl.DataFrame]:
        """Yield the named columns, ``size`` rows at a time."""
        for first in range(0, len(self._array), size):
            rows = self._array[first : first + size]
            yield pl.DataFrame([series_of(name, rows[self._keys[name]]) for name in names])


def series_of(name: str, values: Any) -> pl.Series:
    mask = np.ma.getmaskarray(values)
    data = np.ma.getdata(values)
    if data.ndim > 1 or data.dtype.kind not in "OSUbiuf":
        raise ReadError(f"column {name!r} holds arrays", expected="one value a row")
    if data.dtype.kind in "OSU":
        texts = [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in data]
        stripped = pl.Series(name, [None if m else t.strip() or None for t, m in zip(texts, mask, strict=True)])
        return stripped.cast(pl.String)
    series = pl.Series(name, np.ascontiguousarray(data.astype(data.dtype.newbyteorder("="))))
    return series.set(pl.Series(mask), None) if mask.any() else series


def _damaged(path: Path, kind: str, error: Exception) -> ReadError:
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return ReadError(f"not a complete {kind} file: {text}", where=path, hint="get the file again")
