"""Run all benchmarks at sizes that fit into a night, and write the table of the documentation.

    python benchmarks/table.py DIRECTORY [--out docs/benchmarks_table.md] [--full] [--lsdb-python PYTHON]

DIRECTORY holds the simulated inputs and is made if it is not there; with ``--full`` the sizes are those of a whole
survey. A benchmark that fails is named, and the exit status is 1. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from melotte import __version__

HERE = Path(__file__).parent


def commands(directory: Path, *, full: bool, lsdb_python: str | None) -> list[list[str]]:
    """The benchmarks with their arguments, without ``--json``; inputs of the cross-match are made first."""
    spectra, sources = ("6500000", "20000000") if full else ("650000", "2000000")
    sky = directory / f"sky_{sources}"
    if not (sky / "sources.parquet").exists():
        script = HERE / "bench_crossmatch.py"
        make = [sys.executable, script, "make", "--spectra", spectra, "--sources", sources, "--dir", sky]
        subprocess.run(make, check=True)
    if lsdb_python and not (sky / "hats_spectra").exists():
        subprocess.run([lsdb_python, HERE / "bench_crossmatch.py", "hats", "--dir", sky], check=True)
    tools = ["melotte", "ckdtree", "astropy", *(["stilts"] if shutil.which("stilts") else [])]
    match = ["bench_crossmatch.py", "run", "--dir", str(sky), "--repeats", "2", *tools]
    if lsdb_python:
        match += ["lsdb", "--lsdb-python", lsdb_python]
    return [
        match,
        ["bench_kernels.py", *([] if full else ["--small"])],
        ["bench_orbits.py", "--skip-stage"],
        ["bench_velocity_model.py"],
        ["bench_gradients.py", *(["--legacy"] if full else [])],
        ["bench_survey_reading.py", str(directory / "survey"), "--rows", "6500000" if full else "650000"],
        ["bench_scale.py", str(directory / "scale"), "--fractions", "1" if full else "0.1"],
    ]


def run(command: list[str], rows: Path, python: str) -> bool:
    """Run one benchmark; whether it succeeded."""
    print(f"\n== {' '.join(command)}", flush=True)
    done = subprocess.run([python, HERE / command[0], *command[1:], "--json", rows.resolve()], check=False)
    return done.returncode == 0


def seconds(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f} s" if value >= 100 else f"{value:.3g} s"


def cell(row: dict[str, Any]) -> str:
    """What Melotte needed."""
    parts = [row["rate"]] if "rate" in row else []
    parts += [seconds(row["seconds"])] if "seconds" in row else []
    parts += [seconds(row["cpu_seconds"]) + " of processor time"] if "cpu_seconds" in row else []
    parts += [f"{row['mib']:,.0f} MiB"] if "mib" in row else []
    return ", ".join(parts)


def table(rows: list[dict[str, Any]], conditions: str) -> str:
    """The rows as Markdown."""
    lines = [conditions, "", "| what | Melotte | peer, same run | peer needs | Melotte is faster by |"]
    lines.append("|---|---|---|---|---|")
    last = None
    for row in rows:
        same, last = row["what"] == last, row["what"]
        ratio = f"{row['ratio']:.3g}" if "ratio" in row else ""
        if row.get("basis") == "processor" and ratio:
            ratio += " (processor time)"
        needs = seconds(row["peer_seconds"]) if "peer_seconds" in row else ""
        peer, _, rate = row.get("peer", "").partition(": ")
        shown = ["" if same else row["what"], "" if same else cell(row), peer, rate or needs, ratio]
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "benchmarks_table.md")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--lsdb-python", help="interpreter with lsdb installed; its catalogues are made if missing")
    parser.add_argument(
        "--orbit-python", default=sys.executable, help="interpreter with Agama and galpy beside Melotte"
    )
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    rows = arguments.directory / "results.json"
    rows.unlink(missing_ok=True)
    load = os.getloadavg()[0]
    wanted = commands(arguments.directory, full=arguments.full, lsdb_python=arguments.lsdb_python)
    pythons = {"bench_orbits.py": arguments.orbit_python}
    failed = [c[0] for c in wanted if not run(c, rows, pythons.get(c[0], sys.executable))]
    conditions = (
        f"Melotte {__version__}, {datetime.now(UTC):%Y-%m-%d}; {os.cpu_count()} {platform.machine()} cores, load of "
        f"others {load:.1f} at the start; Python {platform.python_version()}. "
        f"Made by `benchmarks/table.py{' --full' if arguments.full else ''}`."
    )
    part = arguments.out.with_suffix(".part")
    part.write_text(table(json.loads(rows.read_text()) if rows.exists() else [], conditions))
    part.replace(arguments.out)
    print(f"\n{arguments.out}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
