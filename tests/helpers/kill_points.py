"""Kill a run (SIGKILL) at random points, run again, and compare every file with those of an undisturbed run.

Each run is a child forked from a process that has imported the package but computed nothing. A point is either the
n-th file operation (open for writing, move, removal; seen by an audit hook) or a moment in time, which also hits the
compiled code and the writers of polars and pyarrow between two such operations. Up to six kills hit one directory one
after another, half of the directories holding a finished run before; after each, every file that has its name must be
whole. Then a run to the end, mostly from the last saved stage.

Figures and report page are written without being drawn: files are under test here, and drawing takes most of a run.

    python tests/helpers/kill_points.py --points 200
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import json
import os
import pkgutil
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import melotte
from melotte.core.files import PART
from melotte.core.randomness import Streams
from melotte.errors import MelotteError
from melotte.validation.demonstration import CONFIG as DEMO
from melotte.validation.simulate import SimulationSettings, simulate
from melotte.workflow import pipeline

#: A whole run, orbits included; the figures are few.
CONFIG: dict[str, Any] = {
    **DEMO,
    "velocity": {"draws": 500},
    "metallicity": {"giant_rule": "logg", "draws": 500},
    "galaxy": {"draws": 8, "lookback": "100 Myr", "step": "50 Myr"},
    "figures": {"largest": 0, "formats": ["png"]},
}
#: Events of `sys.audit` that change files.
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.chmod", "os.truncate", "os.unlink", "tempfile.mkstemp"}
#: Exit status of a child whose run ended with a `MelotteError`, or with anything else.
REFUSED, FAILED = 3, 4


@dataclass
class Outcome:
    """What came of the kill points."""

    killed: Counter[str] = field(default_factory=Counter)
    resumed: Counter[str] = field(default_factory=Counter)
    finished_before: int = 0
    compared: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def points(self) -> int:
        """How many runs were killed."""
        return sum(self.killed.values())


class Harness:
    """Inputs, an undisturbed run, and children that run the pipeline."""

    def __init__(self, directory: Path, *, draw: bool = False, seed: int = 1) -> None:
        self.directory = directory
        self.inputs = directory / "inputs"
        self.draw = draw
        self.random = random.Random(seed)
        _import_everything()
        # In a child: a process that has used polars' threads cannot be forked safely.
        self._child(
            lambda: simulate(SimulationSettings(n_clusters=10, n_field_spectra=150), Streams(5)).write(self.inputs)
        )
        reference = directory / "reference"
        start = time.monotonic()
        counter = directory / "operations"
        assert self._run(reference, None, count=counter) == 0, "the undisturbed run failed"
        self.duration = time.monotonic() - start
        self.operations = int(counter.read_text())
        self.expected = contents(reference)

    # --- children ----------------------------------------------------------------------------------------------

    def _child(self, work: Any, kill_after: float | None = None) -> int:
        """Status of a forked child that does ``work``: its exit code, or minus the signal that ended it."""
        pid = os.fork()
        if not pid:
            status = FAILED
            try:
                work()
                status = 0
            except MelotteError as error:
                (self.directory / "message").write_text(str(error))
                status = REFUSED
            except BaseException as error:
                (self.directory / "message").write_text(f"{type(error).__name__}: {error}")
            finally:
                os._exit(status)
        if kill_after is not None:
            deadline = time.monotonic() + kill_after
            while time.monotonic() < deadline:
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    return os.waitstatus_to_exitcode(status)
                time.sleep(0.005)
            os.kill(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def _run(
        self,
        out: Path,
        from_stage: str | None,
        *,
        at: int | None = None,
        after: float | None = None,
        count: Path | None = None,
    ) -> int:
        def work() -> None:
            if not self.draw:
                _leave_out_drawing()
            seen = _watch(out, at)
            pipeline.run(CONFIG, data_dir=self.inputs, out=out, from_stage=from_stage, jobs=1)
            if count is not None:
                count.write_text(str(seen[0]))

        return self._child(work, after)

    def message(self) -> str:
        """What the last child that failed had to say."""
        return (self.directory / "message").read_text()

    # --- kill points -------------------------------------------------------------------------------------------

    def kill(self, points: int) -> Outcome:
        """Kill that many runs; every one is followed by one that ends, and is compared."""
        outcome, number = Outcome(), 0
        while outcome.points < points and number < 10 * points:
            number += 1
            out = self.directory / f"run_{number}"
            if number % 2:  # what a former run left must survive, whole
                shutil.copytree(self.directory / "reference", out)
            for _ in range(self.random.randint(1, min(6, points - outcome.points))):
                self._kill_once(out, outcome)
            self._resume(out, outcome)
            shutil.rmtree(out)
        return outcome

    def _kill_once(self, out: Path, outcome: Outcome) -> None:
        stage = self.random.choice([None, None, *self._saved(out)])
        if self.random.random() < 0.7:
            status = self._run(out, stage, at=self.random.randint(1, self.operations))
            kind = "at a file operation"
        else:
            status = self._run(out, stage, after=self.random.uniform(0.0, 1.1 * self.duration))
            kind = "at a moment"
        if status == -signal.SIGKILL:
            outcome.killed[kind] += 1
        elif status == 0:
            outcome.finished_before += 1
        else:
            outcome.wrong.append(f"status {status} instead of the kill: {self.message()}")
        self._check_whole(out, outcome)

    def _check_whole(self, out: Path, outcome: Outcome) -> None:
        """Each file under its own name is what it must be in the end: nothing is ever half there."""
        for name, content in contents(out).items():
            temporary = any(part.startswith(PART) for part in Path(name).parts)  # gone after the next run: see _resume
            if not temporary and not self._is_the_same(name, content):
                outcome.wrong.append(f"{name} after a kill is not whole")

    def _saved(self, out: Path) -> list[str]:
        """Stages that can be started from: those before them are saved."""
        names = list(pipeline.STAGES)
        saved = [n for n in names if (out / "stages" / f"{n}.json").is_file()]
        n_first = next((i for i, n in enumerate(names) if n not in saved), len(names))
        return names[1 : n_first + 1]

    def _resume(self, out: Path, outcome: Outcome) -> None:
        stage = (self._saved(out) or [None])[-1] if self.random.random() < 0.7 else None
        status = self._run(out, stage)
        outcome.resumed[f"from {stage}" if stage else "from the start"] += 1
        if status:
            outcome.wrong.append(f"the run after it ends with status {status}: {self.message()}")
            return
        found = contents(out)
        for name in sorted(found.keys() ^ self.expected.keys()):
            outcome.wrong.append(f"{name} is {'left over' if name in found else 'missing'}")
        for name in found.keys() & self.expected.keys():
            if not self._is_the_same(name, found[name]):
                outcome.wrong.append(f"{name} differs")
        if litter := [p.name for p in out.rglob(".part-*")]:
            outcome.wrong.append(f"left behind: {litter}")
        outcome.compared += 1

    def _is_the_same(self, name: str, content: str) -> bool:
        return content == self.expected.get(name)


def contents(out: Path) -> dict[str, str]:
    """Checksum of every file, by name; of files that hold the time of the run, of all else in them."""
    found = {}
    for path in out.rglob("*"):
        if not path.is_file() or path.name.startswith("."):
            continue
        data = path.read_bytes()
        if path.name == "provenance.json":
            record = json.loads(data)
            data = json.dumps({k: v for k, v in record.items() if k not in ("started", "finished")}).encode()
        if path.name == "report.html":
            data = _without_times(data)
        found[path.relative_to(out).as_posix()] = hashlib.sha256(data).hexdigest()
    return found


def _without_times(page: bytes) -> bytes:
    return re.sub(rb"20\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?( UTC)?", b"TIME", page)


def _watch(out: Path, at: int | None) -> list[int]:
    """Count the changes of files below ``out`` in this process; end it at number ``at``."""
    seen, where = [0], str(out)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if not (writes or event in CHANGES) or not str(arguments[0]).startswith(where):
            return
        seen[0] += 1
        if seen[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return seen


def _import_everything() -> None:
    """Once, here, instead of in every child."""
    for module in pkgutil.walk_packages(melotte.__path__, "melotte."):
        if (
            not {"__main__", "cli", "reproduce", "calibration"} & set(module.name.split("."))
            and "lsdb" not in module.name
        ):
            importlib.import_module(module.name)


def _leave_out_drawing() -> None:
    from melotte.core import files
    from melotte.figures import look
    from melotte.report import explore

    def page(path: Path, *_: Any, **__: Any) -> Path:
        return files.write_text(path, "page " * 5000)

    def print_nothing(figure: Any, stream: Any, name: str) -> None:
        stream.write(b"\x89PNG\r\n\x1a\n" + name.encode() * 5000)

    explore.write_page = page  # type: ignore[assignment]
    look._print = print_nothing
    look._laid_out = contextlib.nullcontext


def main() -> None:
    """Kill and print the account."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draw", action="store_true", help="draw the figures too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        harness = Harness(Path(directory), draw=arguments.draw, seed=arguments.seed)
        print(f"undisturbed: {harness.duration:.1f} s, {harness.operations} operations, {len(harness.expected)} files")
        outcome = harness.kill(arguments.points)
    print(f"{outcome.points} runs killed: {dict(outcome.killed)}; {outcome.finished_before} had ended before")
    print(f"{outcome.compared} directories compared after a run to the end: {dict(outcome.resumed)}")
    print(f"{len(outcome.wrong)} faults", *outcome.wrong, sep="\n  ")
    sys.exit(bool(outcome.wrong))


if __name__ == "__main__":
    main()
