"""All draws to one Parquet file, block by block."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from ..errors import PublishError
from .sampling import Sink


@contextmanager
def parquet_sink(path: Path) -> Iterator[Sink]:
    """A sink that writes all draws to one Parquet file, which appears when everything is written.

    Raises
    ------
    PublishError
        If the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: pq.ParquetWriter | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".part-", suffix=".parquet")
    except OSError as error:
        raise PublishError(f"cannot be written: {error.strerror}", where=path) from error
    os.close(handle)

    def write(frame: pl.DataFrame) -> None:
        nonlocal writer
        block: pa.Table = frame.to_arrow()
        if writer is None:
            writer = pq.ParquetWriter(temporary, block.schema)
        writer.write_table(block)

    try:
        yield write
        if writer is not None:
            writer.close()
            Path(temporary).chmod(0o644)
            os.replace(temporary, path)  # noqa: PTH105
    except OSError as error:
        raise PublishError(f"cannot be written: {error.strerror}", where=path) from error
    finally:
        Path(temporary).unlink(missing_ok=True)
