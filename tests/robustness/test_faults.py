"""What goes wrong around a run: directories, disks, damaged and swapped files. A clear error, and nothing lost."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from melotte.catalogue.store import LOCK, exclusive
from melotte.config import parse
from melotte.core.files import replacing, write_text
from melotte.core.randomness import Streams
from melotte.errors import MelotteError, PublishError, ReadError
from melotte.validation.demonstration import CONFIG as DEMO
from melotte.validation.simulate import SimulationSettings, simulate
from melotte.workflow.pipeline import STAGES, compute, run

CONFIG: dict[str, Any] = {
    **DEMO,
    "velocity": {"draws": 200},
    "metallicity": {"giant_rule": "logg", "draws": 200},
    "figures": {"largest": 0, "formats": ["png"]},
}

_HOLD = """
import sys, time
from melotte.catalogue.store import exclusive
with exclusive(sys.argv[1]):
    print("held", flush=True)
    time.sleep(120)
"""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("inputs")
    simulate(SimulationSettings(n_clusters=8, n_field_spectra=100), Streams(5)).write(directory)
    return directory


@pytest.fixture(scope="module")
def saved(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with all stages saved."""
    out = tmp_path_factory.mktemp("saved")
    compute(CONFIG, data_dir=inputs, out=out)
    return out


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that is writing to ``tmp_path``."""
    process = subprocess.Popen([sys.executable, "-c", _HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


# --- two runs in one directory -------------------------------------------------------------------------------------


def test_a_second_run_in_the_directory_is_refused(inputs: Path, tmp_path: Path, holder: subprocess.Popen[str]):
    before = sorted(p.name for p in tmp_path.iterdir())
    for job in (run, compute):
        with pytest.raises(PublishError, match="another run is writing here") as caught:
            job(CONFIG, data_dir=inputs, out=tmp_path)
        assert "--out" in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_a_killed_run_does_not_block_the_next(tmp_path: Path, holder: subprocess.Popen[str]):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / LOCK).exists()
    with exclusive(tmp_path):
        pass


def test_two_threads_of_one_process_keep_out_of_each_others_way(tmp_path: Path):
    said: list[str] = []

    def other() -> None:
        try:
            with exclusive(tmp_path):
                said.append("in")
        except PublishError as error:
            said.append(error.found)

    with exclusive(tmp_path), exclusive(tmp_path):  # the same thread may enter again
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert said == ["another run is writing here"]
    with exclusive(tmp_path):
        pass


def test_what_a_killed_run_left_half_written_is_removed_and_nothing_else(tmp_path: Path):
    (tmp_path / "tables").mkdir()
    litter = [tmp_path / ".part-clusters-x.fits", tmp_path / "tables" / ".part-c-y.csv"]
    kept = [tmp_path / "clusters.fits", tmp_path / ".notes", tmp_path / "tables" / "part-1.csv"]
    for path in (*litter, *kept):
        path.write_text("content")
    with exclusive(tmp_path):
        assert not any(p.exists() for p in litter)
    assert all(p.read_text() == "content" for p in kept)


def test_a_directory_made_for_nothing_is_removed(tmp_path: Path):
    def fail(out: Path) -> None:
        with exclusive(out):
            raise ReadError("wrong input")

    for out in (tmp_path / "new", tmp_path / "deep" / "new"):
        with pytest.raises(ReadError):
            fail(out)
        assert not out.exists()
    (tmp_path / "mine").mkdir()
    with pytest.raises(ReadError):
        fail(tmp_path / "mine")
    assert (tmp_path / "mine").is_dir()


# --- the disk ------------------------------------------------------------------------------------------------------


def test_a_file_in_place_of_the_directory(inputs: Path, tmp_path: Path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(PublishError, match="cannot be written"):
        run(CONFIG, data_dir=inputs, out=tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("inside", ["stages", "tables", "figures"])
def test_a_file_in_place_of_a_directory_of_the_run(inputs: Path, tmp_path: Path, inside: str):
    (tmp_path / inside).write_text("mine")
    with pytest.raises(PublishError, match="cannot be written"):
        run(CONFIG, data_dir=inputs, out=tmp_path)
    assert (tmp_path / inside).read_text() == "mine"


@pytest.mark.skipif(os.geteuid() != 0 and sys.platform != "linux", reason="needs an immutable or read-only directory")
def test_a_read_only_directory(inputs: Path, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir(mode=0o555)
    if os.access(out, os.W_OK):  # the superuser writes everywhere: a read-only file system is one that not even he can
        out = Path("/proc/self/out")
    with pytest.raises(PublishError, match="cannot be written"):
        run(CONFIG, data_dir=inputs, out=out)


@pytest.fixture
def small_files() -> Iterator[Callable[[int], None]]:
    """Limit the size of the files this process can write, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # EFBIG instead
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [0, 1000, 6000, 20_000])
def test_no_room_for_a_stage_or_a_product(inputs: Path, tmp_path: Path, size: int, small_files: Callable[[int], None]):
    write_text(tmp_path / "clusters.fits", "an earlier catalogue")
    small_files(size)
    with pytest.raises(MelotteError, match=r"cannot be written|too large|disk"):
        run(CONFIG, data_dir=inputs, out=tmp_path)
    assert (tmp_path / "clusters.fits").read_text() == "an earlier catalogue"
    assert not list(tmp_path.rglob(".part-*"))


def test_no_space_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_text(tmp_path / "a.txt", "before")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(PublishError, match="No space left"):
        write_text(tmp_path / "a.txt", "after")
    monkeypatch.undo()
    assert (tmp_path / "a.txt").read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_product_appears_whole_or_not_at_all(tmp_path: Path):
    def interrupted() -> None:
        with replacing(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


# --- damaged, swapped and foreign stages ---------------------------------------------------------------------------


def _damage_cases(saved: Path) -> list[Path]:
    return sorted((saved / "stages").iterdir())


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes(data)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [_truncate, _flip, _empty, Path.unlink, _directory])
def test_a_damaged_stage_is_refused(inputs: Path, saved: Path, tmp_path: Path, damage: Callable[[Path], None]):
    for path in _damage_cases(saved):
        stage = path.name.split(".")[0]
        after = list(STAGES)[list(STAGES).index(stage) + 1 :]
        if not after:
            continue
        out = tmp_path / path.name
        shutil.copytree(saved, out)
        damage(out / "stages" / path.name)
        with pytest.raises(ReadError, match="--from"):
            compute(CONFIG, data_dir=inputs, out=out, from_stage=after[-1])


def test_tables_of_two_stages_swapped(inputs: Path, saved: Path, tmp_path: Path):
    shutil.copytree(saved, tmp_path / "out")
    stages = tmp_path / "out" / "stages"
    a, b = stages / "velocity.members.parquet", stages / "metallicity.members.parquet"
    content = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(content)
    with pytest.raises(ReadError, match="missing or was changed"):
        compute(CONFIG, data_dir=inputs, out=tmp_path / "out", from_stage="orbits")


def test_stages_of_another_run(inputs: Path, saved: Path, tmp_path: Path):
    other = parse({**CONFIG, "run": {"seed": 3}})
    shutil.copytree(saved, tmp_path / "out")
    with pytest.raises(ReadError, match="saved from other inputs"):
        compute(other, data_dir=inputs, out=tmp_path / "out", from_stage="metallicity")


def test_an_input_changed_between_two_stages(inputs: Path, saved: Path, tmp_path: Path):
    shutil.copytree(saved, tmp_path / "out")
    shutil.copytree(inputs, tmp_path / "in")
    members = pl.read_csv(tmp_path / "in" / "members.csv")
    members.head(members.height - 1).write_csv(tmp_path / "in" / "members.csv")
    with pytest.raises(ReadError, match="saved from other inputs"):
        compute(CONFIG, data_dir=tmp_path / "in", out=tmp_path / "out", from_stage="velocity")


@pytest.mark.parametrize(
    "change",
    [
        {"steps": [{"name": "stars", "unit": "pairs", "came_in": 1, "lost": {"x": 5}}]},
        {"steps": [{"nonsense": 1}]},
        {"steps": 7},
        {"notes": None},
        {"facts": 3},
        {"key": 1},
        {"tables": ["stars"]},
        {"tables": {"../../etc/passwd": "0" * 64}},
    ],
)
def test_a_record_edited_by_hand(inputs: Path, saved: Path, tmp_path: Path, change: dict[str, Any]):
    shutil.copytree(saved, tmp_path / "out")
    record = tmp_path / "out" / "stages" / "stars.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | change))
    with pytest.raises(MelotteError):
        compute(CONFIG, data_dir=inputs, out=tmp_path / "out", from_stage="velocity")
