"""Checksums of fetched files, noted beside them: a file of the cache that changed since is not used."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path

from ..core.checksum import sha256
from ..errors import DatasetError


def note_of(path: Path) -> Path:
    """Where the checksum of a fetched file is noted."""
    return path.with_name(f".{path.name}.sha256.json")


def write_note(path: Path, name: str) -> None:
    """Note the checksum of a file that was just verified.

    Parameters
    ----------
    path : pathlib.Path
        The file, in its place.
    name : str
        Its dataset.
    """
    content = {"dataset": name, "bytes": path.stat().st_size, "sha256": sha256(path)}
    temporary = note_of(path).with_suffix(".part")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    os.replace(temporary, note_of(path))  # noqa: PTH105


def check_note(path: Path, name: str) -> None:
    """Refuse a fetched file that is not what was fetched; one without a note (put there by hand) is taken as it is.

    Raises
    ------
    DatasetError
        If the file has changed, or its note cannot be read.
    """
    note, hint = note_of(path), f"`melotte fetch {name}` gets it again"
    try:
        content = json.loads(note.read_text(encoding="utf-8"))
        wanted, size, digest = content["dataset"], int(content["bytes"]), str(content["sha256"])
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"the checksum of {path.name} cannot be read: {error}", where=note, hint=hint) from error
    if wanted != name:
        raise DatasetError(f"this is the checksum of {wanted!r}", where=note, expected=repr(name), hint=hint)
    try:
        status = path.stat()
        found = _known_sha256(path, status.st_size, status.st_mtime_ns) if status.st_size == size else "not computed"
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", where=path, hint=hint) from error
    if found != digest:
        raise DatasetError(
            f"this is not the file that was fetched: {status.st_size:,} bytes, SHA-256 {found}",
            where=path,
            expected=f"{size:,} bytes, SHA-256 {digest}",
            hint=hint,
        )


@lru_cache
def _known_sha256(path: Path, size: int, time: int) -> str:
    """A file is read once, unless it changes."""
    return sha256(path)
