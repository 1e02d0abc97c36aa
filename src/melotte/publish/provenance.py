"""provenance.json: from which files, with which settings and versions a catalogue was made."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..core.checksum import sha256
from ..core.files import write_text
from ..errors import PublishError
from ..schema.result import Step
from .citation import software_versions

#: Version of the layout of the record.
LAYOUT = 1


@dataclass(frozen=True)
class InputFile:
    """A file that went in.

    Attributes
    ----------
    name : str
        Name of the dataset, or of its role (``survey``, ``members``...).
    path : pathlib.Path
        Where it was read. Only the name relative to ``root`` is recorded.
    root : pathlib.Path, optional
        The data directory; without it, or outside it, the bare file name is recorded.
    rows : int, optional
        Number of rows read.
    sha256 : str, optional
        Checksum if known; computed otherwise.
    """

    name: str
    path: Path
    root: Path | None = None
    rows: int | None = None
    sha256: str | None = None


def write_provenance(
    path: Path,
    *,
    inputs: Sequence[InputFile],
    config: Mapping[str, Any],
    steps: Sequence[Step],
    notes: Sequence[str],
    outputs: Sequence[Path],
    started: datetime,
    finished: datetime,
    citations: Sequence[tuple[str, str]] = (),
    simulated: bool = False,
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write the record of a run. Apart from ``started`` and ``finished`` the same run gives the same record.

    Parameters
    ----------
    path : pathlib.Path
        The file; the names of the outputs are relative to its directory.
    inputs : sequence of InputFile
        What went in.
    config : mapping
        The resolved configuration (`melotte.config.Config.resolved`).
    steps : sequence of Step
        Where each row went.
    notes : sequence of str
        Warnings.
    outputs : sequence of pathlib.Path
        What came out.
    started, finished : datetime.datetime
        Aware times; recorded in UTC.
    citations : sequence of (str, str)
        Key and text of every catalogue used.
    simulated : bool
        Whether the inputs are simulated.
    facts : mapping, optional
        Single results, such as the zero point: plain data, by name.

    Returns
    -------
    dict
        The record written.

    Raises
    ------
    PublishError
        If a time has no zone, a file is missing, or the record cannot be written.
    """
    record = {
        "layout": LAYOUT,
        "simulated": simulated,
        "started": _utc(started),
        "finished": _utc(finished),
        "inputs": [_input(item) for item in inputs],
        "configuration": dict(config),
        "seed": config.get("run", {}).get("seed"),
        "software": {
            **software_versions(),
            "python": platform.python_version(),
            "implementation": sys.implementation.name,
            "platform": f"{platform.system()} {platform.machine()}",
        },
        **({} if facts is None else {"facts": dict(facts)}),
        "steps": [step_record(step) for step in steps],
        "notes": list(notes),
        "outputs": sorted((_file(_relative(p, path.parent), p) for p in outputs), key=lambda item: str(item["file"])),
        "citations": [{"key": key, "text": text} for key, text in citations],
    }
    try:
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise PublishError(f"cannot be written as JSON: {error}", where=path) from error
    write_text(path, text + "\n")
    return record


def update_outputs(path: Path, files: Sequence[Path], *, note: str) -> None:
    """Give files that were made again, or added, by a later command their place in the record of a run.

    Parameters
    ----------
    path : pathlib.Path
        The record, from `write_provenance`.
    files : sequence of pathlib.Path
        What was written, below the directory of the record.
    note : str
        Says by what; noted once.

    Raises
    ------
    PublishError
        If there is no such record, or it cannot be written.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        new = {str(item["file"]): item for item in (_file(_relative(p, path.parent), p) for p in files)}
        kept = [item for item in record["outputs"] if item["file"] not in new]
        record["outputs"] = sorted([*kept, *new.values()], key=lambda item: str(item["file"]))
        record["notes"] = list(dict.fromkeys([*record["notes"], note]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PublishError(f"not the record of a run: {error}", where=path) from error
    write_text(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def step_record(step: Step) -> dict[str, Any]:
    """A step as plain data: came in, what was lost and why, went on."""
    lost = {reason: count for reason, count in step.lost.items() if count}
    return {
        "name": step.name,
        "unit": step.unit,
        "came_in": step.came_in,
        "lost": lost,
        "went_on": step.went_on,
    }


def _utc(time: datetime) -> str:
    if time.tzinfo is None:
        raise PublishError(f"the time {time} has no zone", expected="datetime.now(UTC)")
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _input(item: InputFile) -> dict[str, Any]:
    record = {"name": item.name, **_file(_relative(item.path, item.root), item.path, item.sha256)}
    return record if item.rows is None else {**record, "rows": item.rows}


def _relative(path: Path, root: Path | None) -> str:
    """The name below ``root``, never a path of this machine."""
    if root is not None and path.resolve().is_relative_to(root.resolve()):
        return path.resolve().relative_to(root.resolve()).as_posix()
    return path.name


def _file(name: str, path: Path, checksum: str | None = None) -> dict[str, Any]:
    try:
        return {"file": name, "bytes": path.stat().st_size, "sha256": checksum or sha256(path)}
    except OSError as error:
        raise PublishError(f"cannot be read: {error.strerror}", where=path) from error
