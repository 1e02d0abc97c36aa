"""Time and peak memory of the stages of a run: 7,000 simulated clusters, 1.3 million members, 10 million spectra.

The clusters, their members and the spectra of these are those of `melotte.validation.simulate`; the survey is filled
up with field spectra and written as a FITS table with the columns of LAMOST. Each run is a process of its own; sizes
are fractions of the full one.

    python benchmarks/bench_scale.py DIRECTORY [--fractions 0.1 0.333 1] [--jobs 1 2] [--isochrones FILE]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from lamost_file import COLUMNS, header
from results import peak_mib, record

CLUSTERS, MEMBERS, SPECTRA = 7_000, 1_300_000, 10_000_000
CHUNK = 500_000
SEED = 7
#: The columns of a LAMOST file that the adapter reads, and some that it skips; the numbers of so many spectra are long.
_USED = (
    *("designation", "mjd", "ra", "dec", "snrg", "snri", "class", "subclass", "z", "gaia_source_id", "fibertype"),
    *("teff", "teff_err", "logg", "logg_err", "feh", "feh_err", "rv", "rv_err"),
)
SURVEY = {"obsid": "K"} | {name: COLUMNS[name] for name in _USED}


# --- the simulated sky ---------------------------------------------------------------------------------------------


def generate(directory: Path, fraction: float) -> dict[str, int]:
    """Write the inputs of a run below ``directory`` unless they are there; how many clusters, members, spectra."""
    note = directory / "sizes.json"
    if note.exists():
        return dict(json.loads(note.read_text()))
    from melotte.core.randomness import Streams
    from melotte.validation.simulate import SimulationSettings, simulate

    directory.mkdir(parents=True, exist_ok=True)
    wanted = round(CLUSTERS * fraction), round(MEMBERS * fraction), round(SPECTRA * fraction)
    spread, largest = 0.35, 4000
    # The mean of a log-normal distribution is its median times exp(sigma^2 / 2); simulated lists lose a few to the cap.
    median = wanted[1] / wanted[0] / math.exp((spread * math.log(10)) ** 2 / 2)
    settings = SimulationSettings(
        n_clusters=wanted[0],
        median_members=median,
        sigma_members_dex=spread,
        max_members=largest,
        n_field_spectra=0,
    )
    sky = simulate(settings, Streams(SEED))
    sky.members.write_parquet(directory / "members.parquet")
    sky.clusters.write_csv(directory / "clusters.csv")
    sky.reference.write_parquet(directory / "reference.parquet")
    rows = max(wanted[2], sky.spectra.height)
    text, dtype = header(rows, SURVEY)
    shuffled = np.random.default_rng(SEED).permutation(rows)  # row of the file -> member spectrum, if there is one
    with (directory / "dr8_like.fits").open("wb") as file:
        file.write(text)
        for data in _rows(sky.spectra, sky.clusters, shuffled, dtype):
            file.write(data.tobytes())
        file.write(b"\0" * (-rows * dtype.itemsize % 2880))
    sizes = {"clusters": sky.clusters.height, "members": sky.members.height, "spectra": rows}
    note.write_text(json.dumps(sizes | {"spectra_of_members": sky.spectra.height}))
    return dict(json.loads(note.read_text()))


def _rows(spectra: Any, clusters: Any, order: Any, dtype: np.dtype) -> Iterator[np.ndarray]:
    """The survey, ``CHUNK`` rows at a time: spectra of members among field spectra within 2 deg of the clusters."""
    rng = np.random.default_rng(SEED + 1)
    ours = {name: spectra[name].to_numpy() for name in spectra.columns}
    centre = clusters["RA_ICRS"].to_numpy(), clusters["DE_ICRS"].to_numpy()
    for first in range(0, len(order), CHUNK):
        which = order[first : first + CHUNK]
        n = len(which)
        data = np.zeros(n, dtype=dtype)
        near = rng.integers(0, len(centre[0]), n)
        dec = np.clip(centre[1][near] + rng.normal(0, 2.0, n), -89, 89)
        data["ra"] = np.mod(centre[0][near] + rng.normal(0, 2.0, n) / np.cos(np.radians(dec)), 360)
        data["dec"] = dec
        data["obsid"] = 2_000_000_000 + first + np.arange(n)
        data["mjd"] = rng.integers(55_859, 58_996, n)
        data["snrg"] = np.clip(rng.lognormal(3.5, 0.8, n), 6, 900)
        data["gaia_source_id"] = (rng.integers(2**40, 2**41, n) * 2**20 + first + np.arange(n)).astype("S19")
        for name, low, high, error in (("teff", 4200, 7200, 80), ("logg", 2.0, 4.7, 0.1), ("feh", -0.8, 0.4, 0.07)):
            data[name], data[f"{name}_err"] = rng.uniform(low, high, n), error
        data["rv"], data["rv_err"] = rng.normal(-10, 40, n), rng.uniform(2.5, 8, n)
        member = which < len(ours["obsid"])
        for name, values in ours.items():
            chosen = values[which[member]]
            data[name][member] = chosen.astype(str).astype(dtype[name]) if dtype[name].kind == "S" else chosen
        data["class"], data["subclass"], data["fibertype"] = b"STAR", b"G5", b"Obj"
        data["designation"] = b"J000000.00+000000.0"
        yield data


# --- one run -------------------------------------------------------------------------------------------------------


class Meter:
    """Wall time, processor time and peak resident memory of named parts; a part within another counts to itself."""

    def __init__(self) -> None:
        self.rows: dict[str, list[float]] = {}
        self._stack: list[str] = []
        self._mark = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()

    def _close(self) -> None:
        now = self._now()
        if self._stack:
            row = self.rows.setdefault(self._stack[-1], [0.0, 0.0, 0.0])
            row[0] += now[0] - self._mark[0]
            row[1] += now[1] - self._mark[1]
            row[2] = max(row[2], peak_mib())
        self._mark = now
        _reset_peak()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measure what happens inside."""
        self._close()
        self._stack.append(name)
        try:
            yield
        finally:
            self._close()
            self._stack.pop()

    def wrap(self, owner: Any, name: str, label: str | Callable[..., str]) -> None:
        """Measure every call of ``owner.name``."""
        original = getattr(owner, name)

        def measured(*args: Any, **kwargs: Any) -> Any:
            with self.part(label if isinstance(label, str) else label(*args)):
                return original(*args, **kwargs)

        setattr(owner, name, measured)


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def configuration(isochrones: str | None) -> dict[str, Any]:
    """A whole run, orbits included."""
    return {
        "survey": {"adapter": "lamost", "file": "dr8_like.fits", "name": "simulated survey", "gaia_release": "DR2"},
        "members": {"catalogue": "cantat2018", "file": "members.parquet"},
        "clusters": {"catalogue": "cantat2020", "file": "clusters.csv"},
        "crossmatch": {"method": "position"},
        "zero_point": {"reference": {"adapter": "gaia_rvs", "file": "reference.parquet"}},
        "metallicity": {"isochrones": isochrones} if isochrones else {"giant_rule": "logg"},
        "galaxy": {},
        "figures": {"formats": ["png"]},
    }


def measure(directory: Path, out: Path, jobs: int, isochrones: str | None) -> dict[str, Any]:
    """Make the catalogue in this process."""
    from melotte import figures, publish
    from melotte.workflow import pipeline

    meter = Meter()
    job = pipeline._Job
    meter.wrap(job, "open", "inputs: lists, checksums")
    for stage in pipeline.STAGES:
        meter.wrap(job, stage, stage)
    meter.wrap(pipeline.Store, "save", "saved stages")
    meter.wrap(pipeline, "deliver", "other products")
    meter.wrap(publish, "write_table", lambda *a: f"table {Path(a[2]).name}")
    meter.wrap(publish, "write_paper_table", "published table")
    meter.wrap(publish, "write_report", "report")
    meter.wrap(figures, "save", "figures")
    start = time.perf_counter(), time.process_time()
    with meter.part("rest"):
        catalogue = pipeline.run(configuration(isochrones), data_dir=directory, out=out, jobs=jobs)
    total = time.perf_counter() - start[0], time.process_time() - start[1]
    return {
        "stages": {name: [round(x, 2) for x in row] for name, row in meter.rows.items()},
        "wall_s": round(total[0], 1),
        "cpu_s": round(total[1], 1),
        "peak_MiB": round(max(row[2] for row in meter.rows.values())),
        "clusters": len(catalogue),
        "stars": catalogue.members.height,
        "rows_accounted": [[s.name, s.came_in, s.went_on] for s in catalogue.steps],
    }


# --- all runs ------------------------------------------------------------------------------------------------------


def show(label: str, result: dict[str, Any]) -> None:
    """Print one run as a table."""
    print(f"\n{label}: {result['clusters']:,} clusters with {result['stars']:,} stars")
    print(f"{'stage':<28}{'wall s':>9}{'cpu s':>9}{'peak MiB':>10}")
    for name, (wall, cpu, peak) in result["stages"].items():
        print(f"{name:<28}{wall:>9.1f}{cpu:>9.1f}{peak:>10.0f}")
    print(f"{'total':<28}{result['wall_s']:>9.1f}{result['cpu_s']:>9.1f}{result['peak_MiB']:>10.0f}", flush=True)


def main() -> None:
    """Generate, run each size and number of threads in a process of its own, print and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.1, 1 / 3, 1.0])
    parser.add_argument("--jobs", type=int, nargs="+", default=[2])
    parser.add_argument("--isochrones", help="file of isochrones: giants are then told by them instead of log g")
    parser.add_argument("--json", type=Path, help="append the numbers to this file")
    parser.add_argument("--stages", type=Path, help="write every stage of every run to this file")
    parser.add_argument("--measure", type=Path, help="run the inputs in this directory in this process")
    arguments = parser.parse_args()
    if arguments.measure:
        result = measure(arguments.measure, arguments.directory, arguments.jobs[0], arguments.isochrones)
        print(json.dumps(result))
        return
    results = []
    for fraction in arguments.fractions:
        inputs = arguments.directory / f"sky_{fraction:.3f}"
        # In a process of its own: peak memory counts what a process ever had.
        code = (
            "import sys, pathlib; sys.path[0] = sys.argv[1]; import bench_scale as b;"
            "b.generate(pathlib.Path(sys.argv[2]), float(sys.argv[3]))"
        )
        subprocess.run([sys.executable, "-c", code, str(Path(__file__).parent), inputs, str(fraction)], check=True)
        sizes = json.loads((inputs / "sizes.json").read_text())
        for jobs in arguments.jobs:
            out = arguments.directory / f"run_{fraction:.3f}_{jobs}"
            command = [sys.executable, __file__, out, "--measure", inputs, "--jobs", str(jobs)]
            command += ["--isochrones", arguments.isochrones] if arguments.isochrones else []
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ)
            result = json.loads(done.stdout) | {"fraction": fraction, "jobs": jobs, "inputs": sizes}
            show(f"{sizes['members']:,} members, {sizes['spectra']:,} spectra, --jobs {jobs}", result)
            results.append(result)
    for r in results:
        sizes = r["inputs"]
        record(
            arguments.json,
            f"whole run with orbits, {sizes['clusters']:,} clusters, {sizes['members']:,} members, "
            f"{sizes['spectra']:,} spectra, `--jobs {r['jobs']}`",
            seconds=r["wall_s"],
            cpu_seconds=r["cpu_s"],
            mib=r["peak_MiB"],
        )
    if arguments.stages:
        machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
        arguments.stages.write_text(json.dumps({"machine": machine, "runs": results}, indent=1))


if __name__ == "__main__":
    main()
