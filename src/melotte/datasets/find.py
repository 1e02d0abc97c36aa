"""Where a catalogue lies on this machine. Nothing here touches the network or imports what could."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from ..errors import DatasetError
from .checksums import check_note
from .model import ManualSource, Record, record, records

ENVIRONMENT = "MELOTTE_DATA_DIR"


def cache_directory() -> Path:
    """Where ``fetch`` puts files: the user's cache directory of this platform (the one `pooch.os_cache` names)."""
    return Path(platformdirs.user_cache_dir("melotte", appauthor=False))


def data_dirs(data_dir: Path | str | None = None) -> list[Path]:
    """Directories searched, in order: ``data_dir``, ``MELOTTE_DATA_DIR``, the cache.

    Raises
    ------
    DatasetError
        If a directory named by the user does not exist: a mistyped mirror must not be passed over in silence.
    """
    named = [(data_dir, "the data directory"), (os.environ.get(ENVIRONMENT), ENVIRONMENT)]
    found: list[Path] = []
    for value, origin in named:
        if not value:
            continue
        path = Path(value).expanduser()
        if not path.is_dir():
            raise DatasetError(
                f"{origin} is not a directory",
                where=path,
                expected="a directory with the published catalogues (surveys/, members/, clusters/, ...)",
                hint="correct it, or leave it out to use the cache that `melotte fetch` fills",
            )
        found.append(path)
    return list(dict.fromkeys([*found, cache_directory()]))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for any file
        return False


def locate(name_or_path: str | Path, *, data_dir: Path | str | None = None) -> Path:
    """Find a catalogue on this machine.

    Parameters
    ----------
    name_or_path : str or path
        Name of a registered dataset, or a path: absolute, or relative to a data directory or, last, to the working
        directory.
    data_dir : path, optional
        Local mirror, searched first.

    Returns
    -------
    pathlib.Path
        An existing file.

    Raises
    ------
    DatasetError
        Naming the file, the places looked at and the command that gets it; or if it was fetched and has changed since.
    """
    text = os.fspath(name_or_path)
    item = records().get(text)
    path = Path(text).expanduser()
    if item is None and path.is_absolute():
        if _is_file(path):
            return path
        raise DatasetError("there is no such file", where=path)

    directories = data_dirs(data_dir)
    wanted = item.files if item else (text,)
    places = [directory / name for directory in directories for name in wanted]
    if item is None:
        places.append(Path.cwd() / path)
    for place in places:
        if _is_file(place):
            if item is not None:
                check_note(place, item.name)
            return place
    raise _not_found(text, item, places)


def _not_found(text: str, item: Record | None, places: list[Path]) -> DatasetError:
    looked = ", ".join(str(place) for place in places)
    if item is None:
        item = next((r for r in records().values() if text in r.files), None)
    if item is not None:
        does = "says how to get it" if isinstance(item.source, ManualSource) else "gets it"
        return DatasetError(
            f"the dataset {item.name!r} ({item.title}) is not on this machine; looked at {looked}",
            where=item.file,
            hint=f"`melotte fetch {item.name}` {does}; or name a local mirror with --data-dir or {ENVIRONMENT}",
        )
    hint = f"give a path relative to --data-dir or {ENVIRONMENT}, or the name of a dataset (`melotte fetch` lists them)"
    if "/" not in text and "." not in text:
        try:
            record(text)
        except DatasetError as error:
            hint = f"{error.expected}; {hint}"
    return DatasetError(f"found neither a dataset of this name nor a file; looked at {looked}", where=text, hint=hint)


@dataclass(frozen=True)
class Listed:
    """One line of ``melotte fetch`` without a name.

    ``path`` and ``size`` (bytes) are None where the catalogue is not on this machine.
    """

    record: Record
    path: Path | None
    size: int | None

    @property
    def origin(self) -> str:
        """``vizier``, ``url`` or ``manual``."""
        return self.record.source.type


def list_datasets(*, data_dir: Path | str | None = None) -> list[Listed]:
    """Every registered catalogue and where it was found, by kind and name."""
    directories = data_dirs(data_dir)
    lines = []
    for item in sorted(records().values(), key=lambda r: (r.kind, r.name)):
        path = next((p for d in directories for name in item.files if (p := d / name).is_file()), None)
        lines.append(Listed(item, path, None if path is None else path.stat().st_size))
    return lines
