"""Damaged files for every reader: nothing but a `MelotteError`, no hang, no flood of memory.

Valid small files are made on the fly and damaged by bit flips, cuts, insertions, repeated and exchanged pieces, and
numbers replaced by absurd ones. Cases are numbered: reader and number give the same file again.

    python tests/fuzz_readers.py --cases 100000
"""

from __future__ import annotations

import argparse
import gzip
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melotte.errors import MelotteError
from survey_files import lamost_rows, write_csv, write_fits, write_parquet, write_votable

#: Limits of one case.
CPU_SECONDS, WALL_SECONDS, MEMORY_MIB = 10, 120, 2048
#: Numbers that sizes, counts and values are replaced by.
ABSURD = (b"99999999999999999999", b"-1", b"0", b"1e999", b"nan", b"-9999", b"2147483648", b"''", b"../../x", b"T", b"")


@dataclass(frozen=True)
class Reader:
    """A reader under test: a function of a path, and the bytes of a file it can read."""

    name: str
    suffix: str
    read: Callable[[Path], Any]
    valid: bytes


def readers(directory: Path) -> list[Reader]:
    """Every reader of Melotte with a valid file."""
    return [*_surveys(directory), *_lists(directory), *_tables(directory), *_texts()]


def _surveys(directory: Path) -> list[Reader]:
    from melotte.config import SurveyConfig
    from melotte.surveys import open_survey

    columns = {"ra": "ra", "dec": "dec", "rv": "rv", "rv_error": "rv_err", "teff": "teff", "feh": "feh", "snr": "snrg"}
    spelled = {
        name: {"column": column, "unit": unit} if unit else column
        for name, column in columns.items()
        for unit in [{"ra": "deg", "dec": "deg", "rv": "km/s", "rv_error": "km/s", "teff": "K", "feh": "dex"}.get(name)]
    }

    def adapted(adapter: str) -> Callable[[Path], Any]:
        more: dict[str, Any] = {"columns": {**spelled, "spectrum_id": "obsid"}} if adapter == "table" else {}
        return lambda path: open_survey(SurveyConfig(adapter=adapter, file=str(path), **more)).read()  # type: ignore[arg-type]

    rows = lamost_rows(n=6)
    writers: dict[str, Callable[..., Path]] = {
        ".csv": write_csv,
        ".csv.gz": write_csv,
        ".fits": write_fits,
        ".fits.gz": write_fits,
        ".parquet": write_parquet,
        ".vot": write_votable,
    }
    found = []
    for suffix, write in writers.items():
        valid = write(directory / f"dr8{suffix}", rows).read_bytes()
        if suffix.endswith(".gz"):  # without the time
            valid = gzip.compress(gzip.decompress(valid), mtime=0)
        found += [Reader(f"survey {a}{suffix}", suffix, adapted(a), valid) for a in ("lamost", "table")]
    return found


def _lists(directory: Path) -> list[Reader]:
    import polars as pl

    from melotte.config import ClustersConfig, MembersConfig
    from melotte.isochrones import load_isochrones
    from melotte.literature import read_literature
    from melotte.members import read_clusters
    from melotte.randomness import Streams
    from melotte.simulate import SimulationSettings, simulate

    sky = simulate(SimulationSettings(n_clusters=4, n_field_spectra=1, max_members=3), Streams(1))
    members, clusters = sky.members.head(8), sky.clusters
    grid = {n: [0.1 * i for i in range(6)] for n in ("MH", "Mini", "logTe", "logg", "phase")}
    grid |= {n: [float(i) for i in range(6)] for n in ("logAge", "Gmag_DR2", "G_BPmag_DR2", "G_RPmag_DR2")}
    mine = clusters.with_columns(pl.lit("3").alias("x"))

    as_lists = members.to_dict(as_series=False)
    packed = write_fits(directory / "m.fits", as_lists), write_parquet(directory / "m.parquet", as_lists)
    return [
        Reader("members.csv", ".csv", _members(MembersConfig), members.write_csv().encode()),
        Reader("members.fits", ".fits", _members(MembersConfig), packed[0].read_bytes()),
        Reader("members.parquet", ".parquet", _members(MembersConfig), packed[1].read_bytes()),
        Reader(
            "clusters.csv",
            ".csv",
            lambda p: read_clusters(ClustersConfig(catalogue="cantat2020", file=str(p))),
            mine.write_csv().encode(),
        ),
        Reader("isochrones.csv", ".csv", load_isochrones, pl.DataFrame(grid).write_csv().encode()),
        Reader(
            "literature.csv",
            ".csv",
            lambda p: read_literature("soubiran2018", file=p),
            _literature("soubiran2018"),
        ),
    ]


def _members(config: Any) -> Callable[[Path], Any]:
    from melotte.members import read_members

    return lambda p: read_members(config(catalogue="cantat2018", file=str(p)))


def _literature(name: str) -> bytes:
    import polars as pl

    from melotte.literature.records import literature

    columns = sorted(literature()[name].columns())
    return pl.DataFrame({c: [f"{10 + i}" for i in range(4)] for c in columns}).write_csv().encode()


def _tables(directory: Path) -> list[Reader]:
    import polars as pl
    from astropy.table import Table

    from melotte.config import GradientsConfig
    from melotte.publish import read_table, write_table
    from melotte.schema import CLUSTERS, to_qtable
    from melotte.standalone.gradients_input import _wanted, read_gradients_table
    from melotte.standalone.orbits import ORBIT_INPUT, read_orbit_input

    def frame(schema: Any) -> Any:
        values: dict[str, Any] = {"string": ["a", "b", "c"], "int64": [1, 2, 3], "int32": [1, 2, 3], "bool": [True] * 3}
        return schema.conform(pl.DataFrame({c.name: values.get(c.dtype, [1.0, 2.0, 3.0]) for c in schema}))

    found = [
        Reader(f"read_table{path.suffix}", path.suffix, lambda p: read_table(p, CLUSTERS), path.read_bytes())
        for path in write_table(frame(CLUSTERS), CLUSTERS, directory / "clusters")
    ]
    settings = GradientsConfig()
    wanted = {c.name: [0.1, 0.2, 0.3] for c in _wanted(settings)} | {"cluster": ["a", "b", "c"]}
    for suffix, form in ((".fits", "fits"), (".vot", "votable"), (".ecsv", "ascii.ecsv"), (".parquet", "")):
        orbits, gradients = directory / f"orbits{suffix}", directory / f"gradients{suffix}"
        if form:
            to_qtable(frame(ORBIT_INPUT), ORBIT_INPUT).write(orbits, format=form, overwrite=True)
            Table(wanted).write(gradients, format=form, overwrite=True)
        else:
            write_parquet(orbits, frame(ORBIT_INPUT).to_dict(as_series=False))
            write_parquet(gradients, wanted)
        found.append(Reader(f"melotte orbits{suffix}", suffix, read_orbit_input, orbits.read_bytes()))
        found.append(
            Reader(
                f"melotte gradients{suffix}",
                suffix,
                lambda p: read_gradients_table(p, settings),
                gradients.read_bytes(),
            )
        )
    return found


def _texts() -> list[Reader]:
    from importlib import resources

    from melotte import config, datasets
    from melotte.datasets.model import parse_record
    from melotte.literature.records import parse_record as parse_literature

    assert datasets
    record = (resources.files("melotte.datasets") / "records" / "cantat2018_members.toml").read_bytes()
    listing = (resources.files("melotte.literature") / "records" / "soubiran2018.toml").read_bytes()
    toml = b"""[survey]
adapter = "table"
file = "a.csv"
rv_error_floor = "0.5 km/s"
columns = { spectrum_id = "id", ra = { column = "ra", unit = "deg" }, rv = { column = "v", missing = [-9999] } }
[members]
catalogue = "cantat2018"
probability = ">= 0.7"
[clusters]
catalogue = "cantat2020"
[crossmatch]
radius = "3.5 arcsec"
[velocity]
clip = "2 sigma"
draws = 500
[galaxy]
sun = "fu2022"
lookback = "500 Myr"
[gradients]
[run]
seed = 3
"""
    return [
        Reader("configuration.toml", ".toml", config.load, toml),
        Reader("dataset record.toml", ".toml", lambda p: parse_record(_text(p), where=p.name), record),
        Reader("literature record.toml", ".toml", lambda p: parse_literature(_text(p), where=p.name), listing),
    ]


def _text(path: Path) -> str:
    """These ship with the package: text for certain."""
    return path.read_bytes().decode(errors="replace")


# --- damage --------------------------------------------------------------------------------------------------------


def damage(valid: bytes, rng: random.Random) -> bytes:
    """A damaged copy; of a compressed file either the packed or the unpacked bytes."""
    if valid[:2] == b"\x1f\x8b" and rng.random() < 0.7:
        return gzip.compress(damage(gzip.decompress(valid), rng), compresslevel=1, mtime=0)
    data = bytearray(valid)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        _KINDS[rng.randrange(len(_KINDS))](data, rng)
    return bytes(data)


def _spot(data: bytearray, rng: random.Random) -> int:
    # Headers are short and decide much.
    end = len(data) if rng.random() < 0.6 else min(len(data), 400)
    return rng.randrange(end) if end else 0


def _flip(data: bytearray, rng: random.Random) -> None:
    if data:
        data[_spot(data, rng)] ^= 1 << rng.randrange(8)


def _cut(data: bytearray, rng: random.Random) -> None:
    if rng.random() < 0.3:
        del data[_spot(data, rng) :]


def _drop(data: bytearray, rng: random.Random) -> None:
    at = _spot(data, rng)
    del data[at : at + rng.choice((1, 2, 8, 80, 2880))]


def _insert(data: bytearray, rng: random.Random) -> None:
    at = _spot(data, rng)
    data[at:at] = rng.choice((rng.randbytes(rng.choice((1, 4, 40))), b"\0" * 8, b"\n", b'"', b"|", b",", b"\xff\xfe"))


def _repeat(data: bytearray, rng: random.Random) -> None:
    at = _spot(data, rng)
    piece = bytes(data[at : at + rng.choice((1, 10, 80, 300))])
    data[at:at] = piece * rng.choice((1, 1, 30))


def _exchange(data: bytearray, rng: random.Random) -> None:
    n = rng.choice((1, 4, 8, 80))
    a, b = _spot(data, rng), _spot(data, rng)
    if abs(a - b) >= n and max(a, b) + n <= len(data):
        data[a : a + n], data[b : b + n] = data[b : b + n], data[a : a + n]


def _overwrite(data: bytearray, rng: random.Random) -> None:
    at = _spot(data, rng)
    n = min(rng.choice((1, 2, 4, 8)), len(data) - at)
    data[at : at + n] = rng.choice((b"\xff", b"\0", b"\x7f", b"\x80")) * n


def _number(data: bytearray, rng: random.Random) -> None:
    """A number of the text becomes an absurd one; in a FITS header the card keeps its length."""
    start = _spot(data, rng)
    found = re.compile(rb"-?\d[\d.]*").search(data, start)
    if found is None:
        return
    new = rng.choice(ABSURD)
    if data[:6] == b"SIMPLE":
        new = new[: len(found[0])].ljust(len(found[0])) if rng.random() < 0.5 else new
        spare = data[found.end() : found.end() + len(new) - len(found[0])]
        if not spare.strip():
            data[found.start() : found.start() + max(len(new), len(found[0]))] = new.ljust(len(found[0]))
            return
    data[found.start() : found.end()] = new


_KINDS = (_flip, _flip, _cut, _drop, _insert, _repeat, _exchange, _overwrite, _number, _number)


# --- running -------------------------------------------------------------------------------------------------------


class TooLongError(Exception):
    """A case took too long."""


def _stop(*_: object) -> None:
    raise TooLongError


def one(reader: Reader, number: int, directory: Path) -> str:
    """What came of one case: ``read``, ``refused``, or a description of the fault."""
    path = directory / f"case{reader.suffix}"
    path.write_bytes(damage(reader.valid, random.Random(f"{reader.name} {number}")))
    try:
        reader.read(path)
    except MelotteError:
        return "refused"
    except BaseException as error:  # polars panics are no Exception
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "melotte" in f.filename]
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        return f"{type(error).__name__} at {place}: {str(error)[:80]!r}"
    return "read"


def _work(names: list[str], first: int, last: int, report: Path) -> None:
    """Cases of these readers, each outcome written down at once; a line is begun before its case."""
    signal.signal(signal.SIGPROF, _stop)
    with tempfile.TemporaryDirectory() as name, report.open("a") as stream:
        known = {r.name: r for r in readers(Path(name))}
        for reader in (known[n] for n in names):
            for number in range(first, last):
                stream.write(f"{reader.name}\t{number}\t")
                stream.flush()
                signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
                said = one(reader, number, Path(name))
                signal.setitimer(signal.ITIMER_PROF, 0)
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                said = said if peak < MEMORY_MIB else f"{peak:.0f} MiB of memory"
                stream.write(" ".join(said.split()) + "\n")
                stream.flush()
                if peak > MEMORY_MIB:
                    return


def run(names: list[str], first: int, last: int, directory: Path) -> list[tuple[str, int, str]]:
    """Outcomes of the cases of these readers; whatever ends the process that does them, the next case goes on."""
    report = directory / "report"
    report.write_text("")
    found: list[tuple[str, int, str]] = []
    todo = list(names)
    at = first
    while todo:
        command = [sys.executable, __file__, "--work", str(report), str(at), str(last), *todo]
        with (directory / "stderr").open("wb") as errors:
            process = subprocess.Popen(command, stderr=errors)
            seen, since = -1, time.monotonic()
            while process.poll() is None:
                if (size := report.stat().st_size) != seen:
                    seen, since = size, time.monotonic()
                elif time.monotonic() - since > WALL_SECONDS:
                    process.kill()
                time.sleep(0.1)
        lines = [line.split("\t") for line in report.read_text().splitlines()]
        if lines and not lines[-1][2]:
            lines[-1][2] = f"the process ended with status {process.returncode}"
        elif process.returncode and not (lines and "MiB of memory" in lines[-1][2]):
            raise RuntimeError(f"the fuzzer itself fails: {(directory / 'stderr').read_text()[-2000:]}")
        report.write_text("".join("\t".join(line) + "\n" for line in lines))
        found = [(name, int(number), said) for name, number, said in lines]
        done = Counter(name for name, _, _ in found)
        todo = [n for n in names if done[n] < last - first]
        at = first + done[todo[0]] if todo else last
    return found


def main() -> None:
    """Run and print the account."""
    if sys.argv[1:2] == ["--work"]:
        report, first, last, *names = sys.argv[2:]
        _work(names, int(first), int(last), Path(report))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case of every reader")
    parser.add_argument("--only", default="", help="readers whose name contains this")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        names = [r.name for r in readers(directory) if arguments.only in r.name]
        each = -(-arguments.cases // len(names))
        outcomes = run(names, arguments.first, arguments.first + each, directory)
    total = Counter(said if said in ("read", "refused") else "fault" for _, _, said in outcomes)
    faults: dict[tuple[str, str], list[int]] = {}
    for reader, number, said in outcomes:
        if said not in ("read", "refused"):
            faults.setdefault((reader, said), []).append(number)
    for name in names:
        print(
            f"{name:<28}", dict(Counter(said for who, _, said in outcomes if who == name and (who, said) not in faults))
        )
    for (reader, said), numbers in faults.items():
        print(f"  {len(numbers)} times, first in case {numbers[0]}: {reader}: {said}")
    print(f"{sum(total.values()):,} cases: {dict(total)}")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
