"""Downloads that are killed, and files of the cache that changed after they were fetched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from datasets_archive import BODY, NAME, Archive, get, left, serve, stars_csv
from filelock import FileLock

from melotte import datasets
from melotte.cli import main
from melotte.cli.common import damaged_code
from melotte.core.randomness import Streams
from melotte.datasets import Record, find
from melotte.datasets.checksums import note_of, write_note
from melotte.errors import DatasetError
from melotte.galaxy import table
from melotte.galaxy.components import read_model
from melotte.validation.demonstration import CONFIG as DEMO
from melotte.validation.simulate import SimulationSettings, simulate
from melotte.workflow.pipeline import compute

HELPERS = Path(__file__).resolve().parents[1] / "helpers"

pytest_plugins = ("datasets_fixtures",)

ROWS = 100_000
LARGE = stars_csv(ROWS)

#: ``melotte fetch stars`` where the archive is ours; killed at the n-th change of a file of the cache, if there is one.
_FETCH = """
import sys
from pathlib import Path
import kill_points
from datasets_archive import archive_module, make_record
from melotte.cli import main
from melotte.cli.common import damaged_code
url, rows, cache, at = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
source = {"type": "url", "url": url}
record = make_record(source=source, content={"rows": rows, "columns": ["id", "rv"]})
archive_module.record = {"stars": record}.__getitem__
archive_module.cache_directory = lambda: cache
seen = kill_points._watch(cache, at or None)
try:
    main(["fetch", "stars"])
finally:
    print(f"changes: {seen[0]}")
"""


@pytest.fixture
def large() -> Iterator[Archive]:
    """An archive with a file of some megabytes."""
    with serve(Archive(LARGE)) as running:
        yield running
        running.go_on.set()


def _fetch(archive: Archive, cache: Path, at: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _FETCH, archive.url, str(ROWS), str(cache), str(at)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=HELPERS)


def _killed_in_the_middle(archive: Archive, cache: Path) -> None:
    """Kill a fetch of which 2,000,000 bytes have come and no more will."""
    process = _fetch(archive, cache)
    part = cache / f"{NAME}.part"
    end = time.monotonic() + 60
    while not (part.is_file() and part.stat().st_size > 1_000_000):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    archive.go_on.set()


def _complete(archive: Archive, cache: Path) -> None:
    """The next fetch ends, with the file of an undisturbed one and nothing besides."""
    process = _fetch(archive, cache)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert out.splitlines()[0] == str(cache / NAME)
    assert (cache / NAME).read_bytes() == LARGE
    assert left(cache) == {"stars.csv"}


def test_a_killed_download_goes_on(large: Archive, tmp_path: Path):
    large.script = [("stall", 2_000_000)]
    _killed_in_the_middle(large, tmp_path)
    assert left(tmp_path) == {"stars.csv.part", "stars.csv.part.json"}
    with FileLock(tmp_path / "surveys" / ".stars.csv.lock", timeout=0):
        """Nobody holds it."""
    _complete(large, tmp_path)
    begin = int(large.asked[1]["Range"].removeprefix("bytes=").removesuffix("-"))
    assert begin > 1_000_000


@pytest.mark.parametrize(
    "what",
    [
        "no validator",
        "the file changed",
        *(pytest.param(what, marks=pytest.mark.slow) for what in ("the note is damaged", "the part grew")),
    ],
)
def test_a_killed_download_that_cannot_go_on_starts_again(large: Archive, tmp_path: Path, what: str):
    if what == "no validator":
        large.etag, large.announce_length = None, False
    large.script = [("stall", 2_000_000)]
    _killed_in_the_middle(large, tmp_path)
    if what == "the file changed":
        large.etag = '"v2"'
        part = tmp_path / f"{NAME}.part"
        part.write_bytes(b"x" * part.stat().st_size)
    elif what == "the note is damaged":
        (tmp_path / f"{NAME}.part.json").write_text('{"url": [1')
    elif what == "the part grew":
        with (tmp_path / f"{NAME}.part").open("ab") as stream:
            stream.write(b"0" * len(LARGE))
    _complete(large, tmp_path)


@pytest.mark.slow
def test_a_fetch_killed_at_every_change_of_a_file(large: Archive, tmp_path: Path):
    process = _fetch(large, tmp_path / "whole")
    changes = int(process.communicate()[0].split("changes: ")[1])
    assert changes > 5
    for at in range(1, changes + 1):
        cache = tmp_path / f"at {at}"
        process = _fetch(large, cache, at)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not (cache / NAME).exists() or (cache / NAME).read_bytes() == LARGE
        _complete(large, cache)


@pytest.mark.parametrize(
    "note",
    [b"[]", b"7", b"null", b'{"url": "URL", "validator": ["a"], "total": 9}', b'{"url": "URL", "validator": "a\\nb"}',
     b'{"url": "URL", "validator": "a\\nb: c", "total": 9}', b'{"url": "URL", "validator": "\\u00e9", "total": 9}',
     b'{"url": "URL", "validator": "\\"v1\\"", "total": "9"}', b'{"url": "URL", "validator": null, "total": 1.5}'],
)  # fmt: skip
def test_a_note_that_no_download_wrote(
    archive: Archive, register: Callable[..., Record], tmp_path: Path, note: bytes
) -> None:
    register(archive)
    part = tmp_path / f"{NAME}.part"
    part.parent.mkdir()
    part.write_bytes(b"bytes of unknown origin")
    part.with_name(f"{part.name}.json").write_bytes(note.replace(b"URL", archive.url.encode()))
    assert get(tmp_path).read_bytes() == BODY
    assert left(tmp_path) == {"stars.csv"}


# --- files of the cache that changed -------------------------------------------------------------------------------


def _truncate(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"\n", 0, len(data) // 2) + 1])  # whole lines: nothing looks odd


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    at = next(i for i in range(len(data) // 2, len(data)) if data[i : i + 1] in b"2468")
    data[at] ^= 1  # a digit becomes another: the table is as good as before
    path.write_bytes(data)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _swap(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"1", b"2"))


def _no_note(path: Path) -> None:
    note_of(path).write_bytes(b"")


def _bad_note(path: Path) -> None:
    note_of(path).write_text('{"dataset": "stars", "bytes": "many", "sha256": 5}')


def _note_of_another(path: Path) -> None:
    note_of(path).write_text(json.dumps(json.loads(note_of(path).read_text()) | {"dataset": "another"}))


def _other_checksum(path: Path) -> None:
    note_of(path).write_text(json.dumps(json.loads(note_of(path).read_text()) | {"sha256": "0" * 64}))


DAMAGE = [_truncate, _flip, _empty, _swap, _no_note, _bad_note, _note_of_another, _other_checksum]


def test_the_checksum_is_noted(archive: Archive, register: Callable[..., Record], tmp_path: Path):
    register(archive)
    path = get(tmp_path)
    content = json.loads(note_of(path).read_text())
    assert (content["dataset"], content["bytes"]) == ("stars", len(BODY))


@pytest.mark.parametrize("damage", DAMAGE)
def test_fetch_gets_it_again(
    archive: Archive, register: Callable[..., Record], tmp_path: Path, damage: Callable[[Path], None]
):
    register(archive)
    damage(get(tmp_path))
    assert get(tmp_path).read_bytes() == BODY
    assert len(archive.asked) == 2
    get(tmp_path)
    assert len(archive.asked) == 2


def test_what_was_there_before_there_were_checksums_gets_one(
    archive: Archive, register: Callable[..., Record], tmp_path: Path
):
    register(archive)
    note_of(get(tmp_path)).unlink()
    assert note_of(get(tmp_path)).is_file()
    assert len(archive.asked) == 1


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, dict[str, Any]]:
    """A cache with a membership list and a cluster catalogue as if fetched, and a configuration that uses them."""
    cache = tmp_path / "cache"
    simulate(SimulationSettings(n_clusters=6, n_field_spectra=50), Streams(5)).write(tmp_path / "in")
    for file, name in (("members.csv", "cantat2018_members"), ("clusters.csv", "cantat2020")):
        path = cache / datasets.record(name).file
        path.parent.mkdir(parents=True)
        text = (tmp_path / "in" / file).read_bytes()
        path.write_bytes(text)
        write_note(path, name)
        (tmp_path / "in" / file).unlink()
    monkeypatch.setattr(find, "cache_directory", lambda: cache)
    config = {**DEMO, "members": {"catalogue": "cantat2018"}, "clusters": {"catalogue": "cantat2020"}}
    return cache, config | {"velocity": {"draws": 20}, "metallicity": {"giant_rule": "logg", "draws": 20}}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["cantat2018_members", "cantat2020"])
def test_a_run_does_not_use_it(
    cached: tuple[Path, dict[str, Any]], tmp_path: Path, damage: Callable[[Path], None], name: str
):
    cache, config = cached
    assert compute(config, data_dir=tmp_path / "in", jobs=1).frame.height > 3
    path = cache / datasets.record(name).file
    damage(path)
    with pytest.raises(DatasetError) as caught:
        compute(config, data_dir=tmp_path / "in", jobs=1)
    assert caught.value.where in (str(path), str(note_of(path)))
    assert caught.value.hint == f"`melotte fetch {name}` gets it again"


def test_the_command_says_what_to_do(
    cached: tuple[Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    cache, _ = cached
    (tmp_path / "run.toml").write_text(
        '[survey]\nadapter = "lamost"\nfile = "lamost_like.csv"\ngaia_release = "DR2"\n'
        '[members]\ncatalogue = "cantat2018"\n[clusters]\ncatalogue = "cantat2020"\n'
    )
    path = cache / datasets.record("cantat2020").file
    _flip(path)
    with pytest.raises(SystemExit) as status:
        main(["run", str(tmp_path / "run.toml"), "--out", str(tmp_path / "out"), "--data-dir", str(tmp_path / "in")])
    assert status.value.code == 2
    said = capsys.readouterr().err
    assert f"{path}: this is not the file that was fetched" in said
    assert "what to do: `melotte fetch cantat2020` gets it again" in said
    assert not (tmp_path / "out").exists()


def test_a_file_in_a_mirror_is_the_users_own(cached: tuple[Path, dict[str, Any]], tmp_path: Path):
    cache, _ = cached
    name = datasets.record("cantat2020").file
    (tmp_path / "mirror" / name).parent.mkdir(parents=True)
    (tmp_path / "mirror" / name).write_bytes(b"anything")
    _flip(cache / name)
    assert datasets.locate("cantat2020", data_dir=tmp_path / "mirror") == tmp_path / "mirror" / name


# --- what ships or is compiled -------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"x" * 5000, None])
def test_a_damaged_stored_potential_is_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, content: bytes | None
):
    model = read_model("mcmillan2017")
    whole = table.data_file("mcmillan2017.npz").read_bytes()
    cut = whole[: len(whole) // 2] + bytes(200) + whole[len(whole) // 2 + 200 :]
    (tmp_path / "mcmillan2017.npz").write_bytes(cut if content is None else content)
    monkeypatch.setattr(table, "data_file", lambda name: tmp_path / name)
    monkeypatch.setattr(table, "grid_potential", lambda *_: np.ones((table.nodes().size,) * 2))
    monkeypatch.setattr(table, "exterior", lambda _: np.zeros(9))
    found = table.make_table(model)
    assert "is damaged and is computed again" in caplog.text
    assert np.isfinite(found.coefficients).all()


def test_a_mass_model_does_not_read_beside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []
    monkeypatch.setattr(table, "data_file", lambda name: asked.append(name) or tmp_path / name)
    monkeypatch.setattr(table, "grid_potential", lambda *_: np.ones((table.nodes().size,) * 2))
    monkeypatch.setattr(table, "exterior", lambda _: np.zeros(9))
    table.make_table(replace(read_model("mcmillan2017"), name="../../mine"))
    assert asked == []


# --- compiled code -------------------------------------------------------------------------------------------------

_DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda _: b"",
    "cut": lambda content: content[: len(content) // 2],
    "not a pickle": lambda content: b"x" * len(content),
}


@pytest.mark.parametrize("damage", _DAMAGE)
def test_compiled_code_that_numba_cannot_read_is_found(tmp_path: Path, damage: str):
    """The class is numba's own: a new version that names things otherwise fails here, not at a user's."""
    from numba.core.caching import IndexDataCacheFile

    kept = IndexDataCacheFile(str(tmp_path), "kernel", "stamp")
    kept.save("key", [1.0] * 20)
    assert kept.load("key") == [1.0] * 20
    for name in ("kernel.nbi", "kernel.1.nbc"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(_DAMAGE[damage](whole))
        with pytest.raises(Exception) as caught:
            kept.load("key")
        assert damaged_code(caught.value) == tmp_path
        (tmp_path / name).write_bytes(whole)
    assert damaged_code(ValueError("something else")) is None


@pytest.mark.slow
def test_damaged_compiled_code_is_a_readable_error(tmp_path: Path):
    sky = {"ra": [10.0, 20.0], "dec": [5.0, -5.0]}
    pl.DataFrame({"spectrum_id": ["a", "b"], **sky, "ref_epoch": [2000.0, 2000.0]}).write_parquet(
        tmp_path / "s.parquet"
    )
    gaia = {"source_id": [1, 2], **sky, "pmra": [0.0, 0.0], "pmdec": [0.0, 0.0]}
    pl.DataFrame(gaia).write_parquet(tmp_path / "g.parquet")
    compiled = tmp_path / "compiled"

    def match() -> subprocess.CompletedProcess[str]:
        files = ["s.parquet", "g.parquet", "--out", "m.parquet", "--gaia-release", "DR3", "--radius", "1 arcsec"]
        return subprocess.run(
            [sys.executable, "-c", "from melotte.cli import main; main()", "match", *files],
            cwd=tmp_path,
            env={**os.environ, "NUMBA_CACHE_DIR": str(compiled)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert match().returncode == 0
    indices = list(compiled.rglob("*.nbi"))
    assert indices
    for path in indices:
        path.write_bytes(b"")
    (tmp_path / "m.parquet").unlink()
    ended = match()
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert str(indices[0].parent) in ended.stderr
    assert "delete the *.nbi" in ended.stderr
    for path in compiled.rglob("*.nb?"):
        path.unlink()
    assert match().returncode == 0
