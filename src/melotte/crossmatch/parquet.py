"""Parquet files of the local engine: row groups in, complete files out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from ..errors import ReadError
from ..schema.definitions import MATCHES

_METADATA = b"melotte.match"
#: The declination band that is the whole sky.
WHOLE_SKY = (-math.inf, math.inf)


@dataclass(frozen=True)
class Files:
    """Parquet files with the same columns, read by row group.

    Attributes
    ----------
    paths : tuple of Path
    columns : tuple of str
        Those of the columns asked for that the files have.
    metadata : tuple of pyarrow.parquet.FileMetaData
    """

    paths: tuple[Path, ...]
    columns: tuple[str, ...]
    metadata: tuple[Any, ...]

    @staticmethod
    def open(where: str | Path | Sequence[str | Path], columns: Sequence[str], *, required: int) -> Files:
        """Look at files or directories; the first ``required`` of ``columns`` must be there.

        Raises
        ------
        ReadError
            If a file is missing, is not Parquet or lacks a column.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        given = [Path(where)] if isinstance(where, str | Path) else [Path(p) for p in where]
        paths = [f for p in given for f in (sorted(p.rglob("*.parquet")) if p.is_dir() else [p])]
        if not paths:
            raise ReadError("no Parquet file here", where=", ".join(map(str, given)))
        metadata, there = [], []
        for path in paths:
            try:
                metadata.append(pq.read_metadata(path))
                there.append(metadata[-1].schema.to_arrow_schema().names)
            except FileNotFoundError as error:
                raise ReadError("no such file", where=path) from error
            except (pa.ArrowException, OSError, ValueError) as error:
                raise ReadError(f"not a readable Parquet file: {error}", where=path) from error
        names = there[0]
        for path, have in zip(paths, there, strict=True):
            for name in columns[:required]:
                if name not in have:
                    raise ReadError(f"no column {name!r}", where=path, expected=", ".join(columns))
            if [c for c in columns if c in have] != [c for c in columns if c in names]:
                raise ReadError("the files have different columns", where=path, expected=", ".join(names))
        return Files(tuple(paths), tuple(c for c in columns if c in names), tuple(metadata))

    def declinations(self) -> pl.Series:
        """Declination of every spectrum."""
        return self._collect(pl.scan_parquet(list(self.paths)).select("dec"))["dec"]

    @property
    def n_rows(self) -> int:
        """Rows of all files."""
        return sum(int(m.num_rows) for m in self.metadata)

    def groups(self) -> Iterator[tuple[int, int]]:
        """(file, row group) in order."""
        for i, meta in enumerate(self.metadata):
            for j in range(meta.num_row_groups):
                yield i, j

    def limits(self, group: tuple[int, int], column: str) -> tuple[float, float] | None:
        """Lowest and highest value of a column in a row group, if the file says.

        Raises
        ------
        ReadError
            If the names or statistics of the columns are damaged.
        """
        metadata = self.metadata[group[0]]
        row_group = metadata.row_group(group[1])
        try:
            for k in range(row_group.num_columns):
                chunk = row_group.column(k)
                if chunk.path_in_schema == column:
                    # Asked for its statistics, pyarrow ends the process where these two differ.
                    if chunk.physical_type != metadata.schema.column(k).physical_type:
                        raise ValueError(f"a chunk of {chunk.physical_type} in a column of another type")
                    s = chunk.statistics
                    if s is None or not s.has_min_max:
                        return None
                    low, high = float(s.min), float(s.max)
                    return (low, high) if math.isfinite(low) and math.isfinite(high) else None
        except ValueError as error:
            raise ReadError(
                f"the statistics of row group {group[1] + 1} cannot be read: {error}",
                where=self.paths[group[0]],
                hint="the file is damaged: get it again",
            ) from error
        return None

    def spectra(self, band: tuple[float, float]) -> pl.DataFrame:
        """The spectra of a declination band [low, high)."""
        low, high = band
        frame = pl.scan_parquet(list(self.paths)).select(self.columns)
        if (low, high) != WHOLE_SKY:
            frame = frame.filter((pl.col("dec") >= low) & (pl.col("dec") < high))
        return self._collect(frame.with_columns(pl.col("spectrum_id").cast(pl.String)))

    def _collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        try:
            return frame.collect(engine="streaming")
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise ReadError(
                f"the spectra cannot be read: {error}",
                where=", ".join(map(str, self.paths)),
                expected="spectrum_id, ra, dec and ref_epoch",
                hint="a file is damaged: get it again",
            ) from error


def to_arrow(frame: pl.DataFrame, identity: str) -> Any:
    """MATCHES as an arrow table of the file's schema."""
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(arrow_schema(identity))


def arrow_schema(identity: str) -> Any:
    """The arrow schema of MATCHES, with the fingerprint."""
    import pyarrow as pa

    schema = MATCHES.empty().to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    return pa.schema(schema, metadata={_METADATA: identity.encode()})


class Writer:
    """A MATCHES file that exists under its name only when complete.

    Parameters
    ----------
    path : Path
        The file.
    temporary : Path
        Its name until then, on the same file system.
    identity : str
        Fingerprint of inputs and settings, kept in the file.
    """

    def __init__(self, path: Path, temporary: Path, identity: str) -> None:
        import pyarrow.parquet as pq

        self._path = path
        self._temporary = temporary
        self._writer = pq.ParquetWriter(
            self._temporary,
            arrow_schema(identity),
            compression="zstd",
            compression_level=1,
            write_page_checksum=True,
            use_dictionary=["gaia_release", "method", "n_in_radius"],
        )

    def write(self, table: Any) -> None:
        """Append a row group."""
        self._writer.write_table(table)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._writer.close()
        if kind is None:
            self._temporary.replace(self._path)
        else:
            self._temporary.unlink(missing_ok=True)


def identity_of(path: Path) -> str | None:
    """The fingerprint kept in a MATCHES file; None if there is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
    except (pa.ArrowException, OSError, ValueError):
        return None
    value = metadata.get(_METADATA)
    return None if value is None else str(value.decode(errors="replace"))


def is_complete(path: Path, identity: str) -> bool:
    """Whether this is a MATCHES file of these inputs and settings, every page as it was written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if identity_of(path) != identity:
        return False
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            if not file.schema_arrow.equals(arrow_schema(identity)):
                return False
            rows = sum(len(file.read_row_group(n)) for n in range(file.num_row_groups))
            return bool(rows == file.metadata.num_rows)
    except (pa.ArrowException, OSError, ValueError):
        return False
