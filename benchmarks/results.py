"""What a benchmark measured, kept for the table of the documentation (`table.py`)."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any


def record(
    path: Path | None,
    what: str,
    *,
    seconds: float | None = None,
    cpu_seconds: float | None = None,
    mib: float | None = None,
    rate: str | None = None,
    peer: str | None = None,
    peer_seconds: float | None = None,
    ratio: float | None = None,
    basis: str = "wall",
) -> None:
    """Append one row to a JSON file; nothing without a file.

    Parameters
    ----------
    path : pathlib.Path, optional
    what : str
        The job.
    seconds, cpu_seconds, mib : float, optional
        Wall time, processor time and peak memory of Melotte.
    rate : str, optional
        What is stated in place of a time.
    peer : str, optional
        The tool that did the same job in the same run, and what it needed where that is a rate.
    peer_seconds : float, optional
        Time of the peer.
    ratio : float, optional
        How many times faster Melotte is.
    basis : str
        What the ratio compares: wall or processor time.
    """
    if path is None:
        return
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    rows.append({k: v for k, v in locals().items() if k not in {"path", "rows"} and v is not None})
    path.write_text(json.dumps(rows, indent=1))


def peak_mib() -> float:
    """Peak resident memory of this process; getrusage alone also counts the parent's before the exec (Linux)."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
