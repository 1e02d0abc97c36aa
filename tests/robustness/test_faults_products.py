"""Products of a finished run that are not what the run wrote: every command that reads them says so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from kill_points import contents

from melotte.cli import main
from melotte.errors import ReadError
from melotte.workflow.delivery import read_back

pytest_plugins = ("faults_runs",)

TABLES = ("clusters.parquet", "members.parquet", "orbits.parquet", "snapshots.parquet")


def _truncated(path: Path, _: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _emptied(path: Path, _: Path) -> None:
    path.write_bytes(b"")


def _flipped(path: Path, _: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _edited(path: Path, _: Path) -> None:
    frame = pl.read_parquet(path)
    number = next(n for n, t in frame.schema.items() if t.is_float() and frame[n].null_count() < frame.height)
    frame.with_columns(pl.col(number) + 0.001).write_parquet(path)


def _swapped(path: Path, other: Path) -> None:
    shutil.copyfile(other / path.name, path)


def _removed(path: Path, _: Path) -> None:
    path.unlink()


def _a_directory(path: Path, _: Path) -> None:
    path.unlink()
    path.mkdir()


def test_an_untouched_run_is_read_back(out: Path):
    catalogue = read_back(out)
    assert catalogue.orbits is not None
    assert catalogue.snapshots is not None


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("damage", [_truncated, _emptied, _flipped, _edited, _swapped, _removed, _a_directory])
def test_a_table_that_is_not_the_one_of_the_run(runs: Path, out: Path, name: str, damage: Callable[[Path, Path], None]):
    damage(out / name, runs / "two")
    with pytest.raises(ReadError) as caught:
        read_back(out)
    error = caught.value
    assert error.where == str(out / name)
    assert error.hint == "put the file back, or run again"
    if damage in (_truncated, _emptied, _flipped, _edited, _swapped):
        listed = {i["file"]: i for i in json.loads((out / "provenance.json").read_text())["outputs"]}[name]
        assert f"{(out / name).stat().st_size:,} bytes" in error.found
        assert error.expected == f"{listed['bytes']:,} bytes, SHA-256 {listed['sha256']} (provenance.json)"


@pytest.mark.parametrize(
    "command",
    [
        ("show", "SIM_0001", "--out", "OUT"),
        ("explore", "OUT"),
        ("publish", "OUT"),
        ("gradients", "OUT"),
        ("structure", "OUT"),
        ("compare", "OUT", "--with", "soubiran2018"),
    ],
    ids=lambda command: command[0],
)
def test_every_command_says_so_and_writes_nothing(
    runs: Path, out: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
):
    _swapped(out / "clusters.parquet", runs / "two")
    before = contents(out)
    with pytest.raises(SystemExit) as status:
        main([str(out) if word == "OUT" else word for word in command])
    said = capsys.readouterr().err
    assert status.value.code == 2, said
    assert "clusters.parquet: this is not the table the run wrote" in said
    assert "expected:" in said
    assert "what to do: put the file back, or run again" in said
    assert contents(out) == before


def test_a_table_of_an_earlier_run_is_not_of_this_one(out: Path):
    """The earlier run in the directory had orbits, the record says that this one had none."""
    record = json.loads((out / "provenance.json").read_text())
    record["outputs"] = [i for i in record["outputs"] if not i["file"].startswith(("orbits", "snapshots"))]
    (out / "provenance.json").write_text(json.dumps(record))
    catalogue = read_back(out)
    assert catalogue.orbits is None
    assert catalogue.snapshots is None


def _without(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda record: {k: v for k, v in record.items() if k != key}


def _outputs(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    def change(record: dict[str, Any]) -> dict[str, Any]:
        items = [item | changes if item["file"] == "clusters.parquet" else item for item in record["outputs"]]
        return record | {"outputs": items}

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_outputs(sha256="0" * 64), "not the table the run wrote"),
        (_outputs(sha256=7), "not the record of a run"),
        (_outputs(sha256=None), "not the record of a run"),
        (_outputs(file=["clusters.parquet"]), "not the record of a run"),
        (_outputs(file="../clusters.parquet"), "the run wrote no such table"),
        (_outputs(bytes="many"), "not the record of a run"),
        (lambda record: record | {"outputs": []}, "the run wrote no such table"),
        (lambda record: record | {"outputs": {"clusters.parquet": 1}}, "not the record of a run"),
        (lambda record: record | {"configuration": {}}, "survey"),
        (lambda record: record | {"started": "yesterday"}, "not the record of a run"),
        (lambda record: record | {"steps": [{"name": "x"}]}, "not the record of a run"),
        (lambda record: [record], "not the record of a run"),
        (lambda record: None, "not the record of a run"),
        *((_without(key), "not the record of a run") for key in ("outputs", "inputs", "software", "notes", "steps")),
    ],
)
def test_an_edited_record(out: Path, change: Callable[[dict[str, Any]], Any], message: str):
    path = out / "provenance.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(Exception, match=message) as caught:
        read_back(out)
    assert type(caught.value).__name__ in ("ReadError", "ConfigError")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1, 2", b'{"notes": 1e999}', b"nul"])
def test_a_damaged_record(out: Path, content: bytes):
    (out / "provenance.json").write_bytes(content)
    with pytest.raises(ReadError, match=r"provenance\.json: not the record of a run"):
        read_back(out)


def test_a_truncated_record(out: Path):
    path = out / "provenance.json"
    whole = path.read_bytes()
    for size in range(0, len(whole) - 2, 499):
        path.write_bytes(whole[:size])
        with pytest.raises(ReadError, match="not the record of a run"):
            read_back(out)


def test_no_record(out: Path, capsys: pytest.CaptureFixture[str]):
    (out / "provenance.json").unlink()
    with pytest.raises(ReadError, match="no finished run here"):
        read_back(out)
    for command in (["explore", str(out)], ["publish", str(out)], ["show", "SIM_0001", "--out", str(out)]):
        with pytest.raises(SystemExit) as status:
            main(command)
        assert status.value.code == 2
        assert "what to do: make one: melotte run CONFIG --out DIR" in capsys.readouterr().err
