"""Getting catalogues from their archives into the cache: verified, whole or not at all."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DatasetError
from . import download as http
from .check import PART, verify
from .checksums import check_note, note_of, write_note
from .find import cache_directory
from .model import ManualSource, Record, UrlSource, VizierSource, record

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

log = logging.getLogger(__name__)


class _Bar:
    """A rich task behind the interface `pooch.HTTPDownloader` expects of a progress bar."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    @property
    def total(self) -> float | None:
        return self._progress.tasks[self._task].total

    @total.setter
    def total(self, value: float) -> None:
        self._progress.reset(self._task, total=value or None)

    def update(self, count: int) -> None:
        self._progress.update(self._task, advance=count)

    def reset(self) -> None:
        self._progress.reset(self._task)

    def close(self) -> None:
        """Nothing to do: the display belongs to the whole fetch."""


@contextmanager
def _display(show: bool) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not (show and console.is_terminal)) as progress:
        yield progress


def fetch(
    names: str | Iterable[str], *, cache_dir: Path | str | None = None, progress: bool = True, force: bool = False
) -> list[Path]:
    """Get catalogues from their archives.

    A catalogue already in the cache is verified and kept. A new one arrives under a temporary name in the same
    directory and takes its place only when it is whole and verified; two processes asking for it at the same time
    take turns.

    Parameters
    ----------
    names : str or iterable of str
        Registered datasets.
    cache_dir : path, optional
        Where they go; the user's cache directory by default.
    progress : bool
        Show progress on the terminal's error stream (never where there is no terminal).
    force : bool
        Get them again even if they are there.

    Returns
    -------
    list of pathlib.Path
        The files, in the order asked for.

    Raises
    ------
    DatasetError
        If a name is not registered, an archive does not deliver, what it delivers is not the catalogue, or the
        catalogue can only be got by hand (the message says how).
    """
    items = [record(name) for name in ([names] if isinstance(names, str) else names)]
    root = cache_directory() if cache_dir is None else Path(cache_dir).expanduser()
    with _display(progress) as display:
        return [_fetch_one(item, root, display, force=force) for item in items]


def _fetch_one(item: Record, root: Path, display: Progress, *, force: bool) -> Path:
    from filelock import FileLock

    target = root / item.file
    if isinstance(item.source, ManualSource):
        if (there := _already(item, root)) is not None:
            return there
        raise DatasetError(
            f"{item.name} ({item.title}) cannot be fetched by a program",
            where=item.source.url,
            hint=f"{item.source.instructions} In the cache the place is {target}",
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f".{target.name}.lock")):
            if not force and (there := _already(item, root)) is not None:
                return there
            _get(item, target, display)
            write_note(target, item.name)
            return target
    except OSError as error:
        raise DatasetError(
            f"{item.name} cannot be written: {error}", where=target, hint="free some space, or choose another directory"
        ) from error


def _already(item: Record, root: Path) -> Path | None:
    for name in item.files:
        path = root / name
        if path.is_file():
            try:
                check_note(path, item.name)
                verified = verify(path, item)
            except DatasetError as error:
                log.warning("%s in the cache is not usable and is fetched again: %s", item.name, error.found)
                continue
            for note in verified.notes:
                log.warning(note)
            if not isinstance(item.source, ManualSource) and not note_of(path).exists():
                write_note(path, item.name)
            return path
    return None


def _get(item: Record, target: Path, display: Progress) -> None:
    source = item.source
    part = target.with_name(target.name + PART)
    task = display.add_task(item.name, total=None)
    if isinstance(source, UrlSource):
        remedy = _by_hand(source, target)
        http.download(source.url, part, name=item.name, remedy=remedy, progress=_Bar(display, task))
    else:
        assert isinstance(source, VizierSource)
        remedy = ""
        _query(item, source, part)
    try:
        verified = verify(part, item)
    except DatasetError as error:
        # Kept, it would be resumed; it is not the catalogue.
        http.discard(part)
        raise DatasetError(
            f"what the archive sent for {item.name} is not the catalogue and was not kept: {error.found}",
            where=source.address,
            expected=error.expected,
            hint=remedy or f"run `melotte fetch {item.name}` again later; the catalogue is at {source.address}",
        ) from error
    for note in verified.notes:
        log.warning(note)
    # Without a checksum for a moment: never with that of another file.
    note_of(target).unlink(missing_ok=True)
    part.replace(target)


def _query(item: Record, source: VizierSource, part: Path) -> None:
    from . import vizier

    frame, units = vizier.table_of(vizier.query(source, name=item.name), item, source)
    try:
        vizier.write(frame, units, part, name=Path(item.file).name)
    except BaseException:
        # An interrupted query cannot be resumed: leave nothing behind.
        part.unlink(missing_ok=True)
        raise


def _by_hand(source: UrlSource, target: Path) -> str:
    doubt = "" if source.confirmed else "the address was not confirmed when this release was made. "
    return f"{doubt}{source.instructions} In the cache the place is {target}" if source.instructions or doubt else ""
