"""Commands that write into a directory keep out of each other's way; what a killed one left is cleared."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from kill_points import contents

from melotte.catalogue.store import LOCK, exclusive
from melotte.cli import main
from melotte.crossmatch import match_files
from melotte.errors import CrossmatchError
from melotte.publish.folder import MANIFEST
from melotte.workflow.standalone.publish import run_publish

HELPERS = Path(__file__).resolve().parents[1] / "helpers"

pytest_plugins = ("faults_runs",)

_HOLD = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(120)
"""

#: Publishes; kills itself at the n-th change of a file below OUT, or before the new folder gets its name.
_PUBLISH = """
import os, signal, sys
from pathlib import Path
import kill_points
from melotte.workflow.standalone.publish import run_publish
out, at = Path(sys.argv[1]), sys.argv[2]
seen = kill_points._watch(out, int(at) if at.isdigit() else None)
def hook(event, arguments):
    if at == "the move" and event == "os.rename" and str(arguments[1]) == str(out / "publish"):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
run_publish(out, progress=lambda *_: None)
print(seen[0])
"""


def _hold(lock: Path) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", _HOLD, str(lock)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield
    process.kill()
    process.wait()


@pytest.fixture
def held(out: Path) -> Iterator[Path]:
    """A finished run into which another process is writing."""
    for _ in _hold(out / LOCK):
        yield out


def _status(*command: str) -> int | str | None:
    with pytest.raises(SystemExit) as status:
        main(list(command))
    return status.value.code


@pytest.mark.parametrize(
    "command",
    [
        ("explore", "OUT"),
        ("publish", "OUT"),
        ("publish", "OUT", "--to", "ELSEWHERE"),
        ("gradients", "OUT"),
        ("structure", "OUT"),
        ("compare", "OUT", "--with", "soubiran2018"),
        ("orbits", "OUT/orbits.parquet", "--out", "OUT"),
        ("zeropoints", "--out", "OUT"),
        ("calibrate", "OUT"),
        ("demo", "OUT"),
        ("reproduce", "fu2022", "--out", "OUT"),
    ],
    ids=" ".join,
)
def test_no_command_writes_where_another_does(
    held: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
):
    before = contents(held)
    words = [w.replace("OUT", str(held)).replace("ELSEWHERE", str(tmp_path / "elsewhere")) for w in command]
    assert _status(*words) == 2
    said = capsys.readouterr().err
    assert f"{held}: another run is writing here" in said
    assert "what to do: wait for it to end, or choose another --out" in said
    assert contents(held) == before
    assert not (tmp_path / "elsewhere").exists()


def test_one_who_reads_waits_for_nobody(held: Path, capsys: pytest.CaptureFixture[str]):
    assert not _status("show", "SIM_0001", "--out", str(held))
    assert capsys.readouterr().out.startswith("SIM_0001")


def test_a_directory_that_is_not_there_is_not_made_for_its_lock(tmp_path: Path):
    for command in (("explore",), ("publish",), ("structure",)):
        assert _status(*command, str(tmp_path / "nowhere")) == 2
    assert list(tmp_path.iterdir()) == []


def test_two_matches_into_one_file(tmp_path: Path):
    pl.DataFrame({"spectrum_id": ["a"], "ra": [1.0], "dec": [1.0]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"source_id": [5], "ra": [1.0], "dec": [1.0]}).write_parquet(tmp_path / "b.parquet")
    out = tmp_path / "m.parquet"
    (tmp_path / "m.parquet.parts").mkdir()
    for _ in _hold(tmp_path / "m.parquet.parts" / "lock"):
        with pytest.raises(CrossmatchError, match="another match is writing this file"):
            match_files(tmp_path / "a.parquet", tmp_path / "b.parquet", out, radius_arcsec=1.0, gaia_release="DR3")
    report = match_files(tmp_path / "a.parquet", tmp_path / "b.parquet", out, radius_arcsec=1.0, gaia_release="DR3")
    assert report.n_pairs == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.parquet", "b.parquet", "m.parquet"]


# --- a publish that is killed --------------------------------------------------------------------------------------


def _killed(out: Path, at: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _PUBLISH, str(out), at]
    return subprocess.run(command, capture_output=True, text=True, cwd=HELPERS)


def _whole(folder: Path) -> bool:
    done = subprocess.run(["sha256sum", "-c", "--strict", "--quiet", MANIFEST], cwd=folder, capture_output=True)
    return done.returncode == 0


def _left(out: Path) -> list[str]:
    return [p.name for p in out.iterdir() if p.name.startswith(".") and p.name != LOCK]


def test_a_publish_killed_between_its_two_moves_loses_nothing(out: Path):
    run_publish(out, progress=lambda *_: None)
    expected = contents(out)
    assert _killed(out, "the move").returncode == -9
    assert not (out / "publish").exists()
    assert len(_left(out)) == 1
    with exclusive(out):  # the next command of any kind
        assert contents(out) == expected
        assert _left(out) == []


def test_a_killed_publish_leaves_nothing_once_the_next_has_run(out: Path):
    run_publish(out, progress=lambda *_: None)
    expected = contents(out)
    assert _killed(out, "60").returncode == -9
    assert _left(out)
    assert _whole(out / "publish")
    run_publish(out, progress=lambda *_: None)
    assert contents(out) == expected
    assert _left(out) == []


@pytest.mark.slow
@pytest.mark.parametrize("again", [False, True])
def test_a_publish_killed_anywhere(out: Path, again: bool):
    whole = _killed(out, "no")
    assert whole.returncode == 0, whole.stderr
    expected, operations = contents(out), int(whole.stdout)
    if not again:
        subprocess.run(["rm", "-r", str(out / "publish")], check=True)
    for at in sorted({1, 2, 3, *range(7, operations, 29), *range(operations - 5, operations + 1)}):
        assert _killed(out, str(at)).returncode == -9
        assert not (out / "publish").exists() or _whole(out / "publish")
        with exclusive(out):
            assert _left(out) == []
            assert (out / "publish").exists() or not again
    assert _killed(out, "no").returncode == 0
    assert contents(out) == expected


def test_a_folder_at_work_elsewhere_is_left_alone(tmp_path: Path):
    from melotte.publish.folder import clear_folders, replacing_folder

    with replacing_folder(tmp_path / "a") as folder:
        (folder / "file").write_text("x")
        clear_folders(tmp_path)
        with replacing_folder(tmp_path / "b") as other:
            (other / "file").write_text("y")
    assert (tmp_path / "a" / "file").read_text() == "x"
    assert (tmp_path / "b" / "file").read_text() == "y"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]
