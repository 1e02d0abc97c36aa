"""Damaged files for every reader: nothing but a `MelotteError`, no hang, no flood of memory.

Valid small files (``fuzz_files.py``, ``fuzz_archives.py``) and directories (``fuzz_runs.py``) are made on the fly and
damaged by bit flips, cuts, insertions, repeated and exchanged pieces, and numbers replaced by absurd ones. Cases are
numbered: reader and number give the same file again.

    python tests/helpers/fuzz_readers.py --cases 100000

The cases are shared out evenly: every reader gets those from ``--first`` on, and the summary says which number comes
next. With ``--report FILE`` each outcome is kept in the file at once, and a run that was stopped goes on there.
"""

from __future__ import annotations

import argparse
import gzip
import os
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
from pathlib import Path

import fuzz_archives
import fuzz_files
import fuzz_runs
from fuzz_files import Reader

from melotte.errors import MelotteError

#: Limits of one case.
CPU_SECONDS, WALL_SECONDS, MEMORY_MIB = 10, 120, 2048
#: Numbers that sizes, counts and values are replaced by.
ABSURD = (b"99999999999999999999", b"-1", b"0", b"1e999", b"nan", b"-9999", b"2147483648", b"''", b"../../x", b"T", b"")


def readers(directory: Path) -> list[Reader]:
    """Every reader of Melotte with a valid file."""
    return [*fuzz_files.readers(directory), *fuzz_archives.readers(directory), *fuzz_runs.readers(directory)]


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
        return f"{type(error).__name__} at {place}: {str(error)[:200]!r}"
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
                began = time.process_time()
                signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
                said = one(reader, number, Path(name))
                signal.setitimer(signal.ITIMER_PROF, 0)
                if time.process_time() - began > CPU_SECONDS:  # whoever caught the signal's exception
                    said = f"more than {CPU_SECONDS} s"
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                said = said if peak < MEMORY_MIB else f"{peak:.0f} MiB of memory"
                stream.write(" ".join(said.split()) + "\n")
                stream.flush()
                if peak > MEMORY_MIB:
                    return


def run(names: list[str], first: int, last: int, report: Path) -> list[tuple[str, int, str]]:
    """Outcomes of the cases of these readers; whatever ends the process that does them, the next case goes on."""
    report.touch()
    while todo := _missing(_outcomes(report), names, first, last):
        command = [sys.executable, __file__, "--work", str(report), str(todo[0][1]), str(last), todo[0][0]]
        command += [name for name, start in todo[1:] if start == todo[0][1]]
        with tempfile.TemporaryFile() as errors:
            # The tables are tiny: threads would only wait for each other.
            process = subprocess.Popen(command, stderr=errors, env={**os.environ, "POLARS_MAX_THREADS": "1"})
            try:
                _watch(process, report)
            finally:
                process.kill()
                process.wait()
            errors.seek(0)
            said = errors.read().decode(errors="replace")[-2000:]
        lines = report.read_text().splitlines(keepends=True)
        if lines and not lines[-1].endswith("\n"):  # a case was begun and not ended
            report.write_text("".join(lines) + f"the process ended with status {process.returncode}\n")
        elif process.returncode and not (lines and "MiB of memory" in lines[-1]):
            raise RuntimeError(f"the fuzzer itself fails: {said}")
    wanted = set(names)
    return [(n, i, said) for n, i, said in _outcomes(report) if n in wanted and first <= i < last]


def _watch(process: subprocess.Popen[bytes], report: Path) -> None:
    """Wait for the end; a process that writes nothing for `WALL_SECONDS` is killed."""
    seen, since = -1, time.monotonic()
    while process.poll() is None:
        if (size := report.stat().st_size) != seen:
            seen, since = size, time.monotonic()
        elif time.monotonic() - since > WALL_SECONDS:
            process.kill()
        time.sleep(0.1)


def _outcomes(report: Path) -> list[tuple[str, int, str]]:
    lines = report.read_text().splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):  # stopped from outside: this case is done again
        lines.pop()
        report.write_text("".join(lines))
    return [(name, int(number), said.rstrip("\n")) for name, number, said in (line.split("\t") for line in lines)]


def _missing(done: list[tuple[str, int, str]], names: list[str], first: int, last: int) -> list[tuple[str, int]]:
    """Readers with cases to be done, and the first of them: the cases of a reader are done in order."""
    ended: dict[str, set[int]] = {}
    for name, number, _ in done:
        ended.setdefault(name, set()).add(number)
    starts = {n: next((i for i in range(first, last) if i not in ended.get(n, ())), last) for n in names}
    return [(name, start) for name, start in starts.items() if start < last]


def main() -> None:
    """Run and print the account."""
    if sys.argv[1:2] == ["--work"]:
        report, first, last, *names = sys.argv[2:]
        _work(names, int(first), int(last), Path(report))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100_000, help="of all readers together")
    parser.add_argument("--first", type=int, default=0, help="number of the first case of every reader")
    parser.add_argument("--only", default="", help="readers whose name contains this")
    parser.add_argument("--report", type=Path, help="file with the outcome of every case, to go on from")
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        names = [r.name for r in readers(Path(name)) if arguments.only in r.name]
        last = arguments.first - (-arguments.cases // len(names))
        outcomes = run(names, arguments.first, last, arguments.report or Path(name) / "report")
    faults: dict[tuple[str, str], list[tuple[int, str]]] = {}
    counts = {name: Counter[str]() for name in names}
    for reader, number, said in outcomes:
        counts[reader][said if said in ("read", "refused") else "faults"] += 1
        if said not in ("read", "refused"):
            faults.setdefault((reader, said.split(":")[0]), []).append((number, said))
    print(f"{'reader':<34} {'read':>8} {'refused':>8} {'faults':>8}")
    for name, count in counts.items():
        print(f"{name:<34} {count['read']:>8,} {count['refused']:>8,} {count['faults']:>8,}")
    for (reader, _), cases in faults.items():
        print(f"  {len(cases)} times, first in case {cases[0][0]}: {reader}: {cases[0][1]}")
    total = sum(counts.values(), Counter[str]())
    seconds = time.monotonic() - began
    print(
        f"{len(names)} readers, cases {arguments.first} to {last - 1} of each: {total.total():,} cases, "
        f"{total['read']:,} read, {total['refused']:,} refused, {total['faults']:,} faults; "
        f"{seconds:.0f} s, {total.total() / seconds:.0f} a second; to go on: --first {last}"
    )
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
