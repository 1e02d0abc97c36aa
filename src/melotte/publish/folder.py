"""A folder of products that appears whole or not at all, with the checksums of its files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ..core.checksum import sha256
from ..core.files import write_text
from ..errors import PublishError

MANIFEST = "MANIFEST"
#: In the names of temporary folders, between that of the folder and a random one.
_PART, _LOCK = ".part-", "lock"


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path``; on success it becomes ``path``, on failure it is removed.

    Parameters
    ----------
    path : pathlib.Path
        The final name. A folder with a manifest of that name is replaced.

    Yields
    ------
    pathlib.Path
        An empty folder on the same file system.

    Raises
    ------
    PublishError
        If ``path`` holds something else than products, or cannot be written.
    """
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise PublishError("this is not a folder", where=path, expected="a name for a new folder")
    if path.is_dir() and any(path.iterdir()) and not (path / MANIFEST).is_file():
        raise PublishError(
            f"there are files here but no {MANIFEST}: not made by this command, so not replaced",
            where=path,
            hint="choose another folder with --to",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_folders(path.parent, path.name)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}{_PART}", dir=path.parent))
        lock = FileLock(temporary / _LOCK)
        lock.acquire()
    except OSError as error:
        raise PublishError(
            f"cannot be written: {error.strerror}", where=path, hint="choose another folder with --to"
        ) from error
    try:
        new = temporary / "new"
        new.mkdir()
        yield new
        old = temporary / "old"
        if path.is_dir():
            path.rename(old)
        try:
            new.rename(path)
        except OSError:
            if old.is_dir():
                old.rename(path)
            raise
    except OSError as error:
        raise PublishError(f"cannot be written: {error}", where=path, hint="is the disk full?") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        lock.release()


def clear_folders(directory: Path, name: str | None = None) -> None:
    """Remove the temporary folders of processes that were killed; an earlier folder found in one gets its name again.

    Parameters
    ----------
    directory : pathlib.Path
        Where the folders lie.
    name : str, optional
        Only those of the folder of this name.

    Raises
    ------
    PublishError
        If an earlier folder cannot get its name again.
    """
    for left in sorted(directory.glob(f".*{_PART}*")):
        final = left.with_name(left.name[1:].rpartition(_PART)[0])
        if not left.is_dir() or left.is_symlink() or name not in (None, final.name):
            continue
        lock = FileLock(left / _LOCK, timeout=0)
        try:
            lock.acquire()
        except (Timeout, OSError):  # its process is at work, or has just removed it
            continue
        try:
            # Killed between the two moves: the new folder is whole, but whether it was to be the last is not known.
            if (left / "old").is_dir() and not final.exists():
                (left / "old").rename(final)
            shutil.rmtree(left, ignore_errors=True)
        except OSError as error:
            raise PublishError(f"cannot be put back: {error.strerror}", where=final, hint=f"it is in {left}") from error
        finally:
            lock.release()


def contents(folder: Path) -> list[dict[str, str | int]]:
    """``file`` (relative to the folder), ``bytes`` and ``sha256`` of every file below it, by name."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return [{"file": p.relative_to(folder).as_posix(), "bytes": p.stat().st_size, "sha256": sha256(p)} for p in files]


def write_manifest(folder: Path) -> Path:
    """Write the checksums of all files in the form ``sha256sum -c`` reads."""
    listed = [item for item in contents(folder) if item["file"] != MANIFEST]
    return write_text(folder / MANIFEST, "".join(f"{item['sha256']}  {item['file']}\n" for item in listed))
