"""Saved stages: what a later run can start from, refused if it was made from anything else."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from ..core.checksum import sha256
from ..core.files import PART, replacing, write_text
from ..errors import PublishError, ReadError
from ..publish.folder import clear_folders
from ..schema.result import Step

#: Held by the run that writes to a directory.
LOCK = ".melotte.lock"


@dataclass(frozen=True)
class Product:
    """What one stage made: tables, the account of the rows, notes, and single numbers."""

    frames: Mapping[str, pl.DataFrame]
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def exclusive(directory: str | Path | None, *, create: bool = True) -> Iterator[None]:
    """Keep other runs out of a directory; what a killed run left half-written there is removed.

    The lock is the operating system's (`filelock`): it ends with the process that holds it, however that ends. The
    thread that holds it may enter again.

    Parameters
    ----------
    directory : path or None
        Nothing happens if None.
    create : bool
        Make the directory if it is not there (and remove it if nothing comes of it); otherwise nothing happens then.

    Raises
    ------
    PublishError
        If another run is writing there, or nothing can be written there.
    """
    if directory is None or not (create or Path(directory).is_dir()):
        yield
        return
    from filelock import FileLock, Timeout

    directory = Path(directory)
    new = not directory.is_dir()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(directory.resolve() / LOCK, timeout=0, is_singleton=True)
        lock.acquire()
    except Timeout as error:
        raise PublishError(
            "another run is writing here", where=directory, hint="wait for it to end, or choose another --out"
        ) from error
    except OSError as error:
        raise PublishError(
            f"cannot be written: {error.strerror or error}", where=directory, hint="choose another output directory"
        ) from error
    try:
        for folder in (directory, *(directory / name for name in ("stages", "tables", "figures"))):
            for left in folder.glob(f"{PART}*"):
                _remove(left)
        clear_folders(directory)
        yield
    finally:
        if new:  # perhaps for nothing
            with suppress(OSError):
                if [path.name for path in directory.iterdir()] == [LOCK]:
                    (directory / LOCK).unlink()
                    directory.rmdir()
        lock.release()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class Store:
    """Reads and writes the products of the stages below one directory.

    Parameters
    ----------
    directory : pathlib.Path or None
        Where the stages are kept; nothing is written if None.
    """

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory

    def save(self, stage: str, product: Product, *, key: str) -> None:
        """Write a product; the record that makes it valid is written last."""
        if self.directory is None:
            return
        record = self._record(stage)
        try:
            record.unlink(missing_ok=True)
        except OSError as error:
            raise PublishError(f"cannot be written: {error.strerror or error}", where=record) from error
        digests = {}
        for name, frame in product.frames.items():
            with replacing(self._table(stage, name)) as temporary:
                frame.write_parquet(temporary)
            digests[name] = sha256(self._table(stage, name))
        content = {
            "key": key,
            "tables": digests,
            "steps": [asdict(step) | {"lost": dict(step.lost)} for step in product.steps],
            "notes": list(product.notes),
            "facts": dict(product.facts),
        }
        content = json.loads(json.dumps(content))  # as it will be read
        write_text(record, json.dumps(content | {"sha256": _digest(content)}, indent=1))

    def load(self, stage: str, *, key: str) -> Product:
        """Read a product that was saved with the same key.

        Raises
        ------
        ReadError
            If the stage was not saved, was saved from other inputs or settings, or does not match its checksum.
        """
        assert self.directory is not None
        again = "run without --from, or with an earlier stage"
        record = self._record(stage)
        try:
            content = json.loads(record.read_text(encoding="utf-8"))
            if content.pop("sha256") != _digest(content):
                raise ValueError("it was changed")
            saved_key, tables = str(content["key"]), {str(k): str(v) for k, v in content["tables"].items()}
            steps = tuple(Step(**step) for step in content["steps"])
            if any(step.went_on < 0 for step in steps):
                raise ValueError("the account of the rows does not add up")
            product = Product({}, steps, tuple(map(str, content["notes"])), dict(content["facts"]))
        except FileNotFoundError as error:
            raise ReadError(f"stage {stage!r} is not saved here", where=self.directory, hint=again) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ReadError(f"the record of stage {stage!r} cannot be read", where=record, hint=again) from error
        if saved_key != key:
            raise ReadError(
                f"stage {stage!r} was saved from other inputs, settings or another version of Melotte",
                where=record,
                expected="the inputs and settings of this run, up to this stage",
                hint=again,
            )
        frames = {}
        for name, digest in tables.items():
            path = self._table(stage, name)
            if not path.is_file() or sha256(path) != digest:
                raise ReadError("this saved table is missing or was changed", where=path, hint=again)
            frames[name] = pl.read_parquet(path)
        return replace(product, frames=frames)

    def _record(self, stage: str) -> Path:
        assert self.directory is not None
        return self.directory / f"{stage}.json"

    def _table(self, stage: str, name: str) -> Path:
        assert self.directory is not None
        return self.directory / f"{stage}.{name}.parquet"
