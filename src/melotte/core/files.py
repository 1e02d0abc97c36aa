"""Products appear whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from ..errors import PublishError

#: Beginning of the names of what is unfinished.
PART = ".part-"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary place for ``path``; on success it becomes ``path``, on failure it is removed.

    Parameters
    ----------
    path : pathlib.Path
        The final name. Its directory is created.

    Yields
    ------
    pathlib.Path
        The file to write: the same name in a folder beside ``path`` (so that the move is atomic).

    Raises
    ------
    PublishError
        If the directory or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=PART, dir=path.parent))
    except OSError as error:
        raise PublishError(
            f"cannot be written: {error.strerror}", where=path, hint="choose another output directory"
        ) from error
    try:
        # A folder of its own: libraries make further temporary files beside the one they write.
        yield folder / path.name
        (folder / path.name).replace(path)
    except (OSError, pl.exceptions.ComputeError) as error:  # polars' own error for a full disk
        raise PublishError(f"cannot be written: {error}", where=path, hint="is the disk full?") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text atomically and return the path."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return path
