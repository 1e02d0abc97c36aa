"""The whole job on small simulated surveys: saved stages, threads, exit status, messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import melotte
from melotte import figures
from melotte.catalogue.catalogue import Catalogue
from melotte.cli import main
from melotte.config import parse
from melotte.core.randomness import Streams
from melotte.errors import ConfigError, EmptyResultError, MelotteError, ReadError
from melotte.validation.demonstration import CONFIG as DEMO
from melotte.validation.demonstration import recover, run_demo
from melotte.validation.simulate import SimulationSettings, simulate
from melotte.workflow.delivery import read_back
from melotte.workflow.pipeline import compute

SMALL = SimulationSettings(n_clusters=12, n_field_spectra=200)
CONFIG: dict[str, Any] = {**DEMO, "figures": {"largest": 1, "formats": ["pdf"]}}


def write_toml(path: Path, content: dict[str, Any], prefix: str = "") -> None:
    """Write nested tables of strings, numbers and lists as TOML."""
    lines: list[str] = []

    def section(name: str, table: dict[str, Any]) -> None:
        lines.append(f"[{name}]")
        lines.extend(f"{key} = {json.dumps(value)}" for key, value in table.items() if not isinstance(value, dict))
        for key, value in table.items():
            if isinstance(value, dict):
                section(f"{name}.{key}", value)

    for name, table in content.items():
        section(name, table)
    path.write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("inputs")
    simulate(SMALL, Streams(5)).write(directory)
    write_toml(directory / "run.toml", CONFIG)
    return directory


@pytest.fixture(scope="module")
def finished(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "results"
    melotte.run(inputs / "run.toml", data_dir=inputs, out=out)
    return out


def status(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return int(end.value.code or 0)


def test_the_result_depends_on_nothing_but_inputs_and_settings(inputs: Path):
    one = compute(CONFIG, data_dir=inputs, jobs=1)
    two = compute(CONFIG, data_dir=inputs, jobs=2)
    assert one.frame.equals(two.frame)
    assert one.members.equals(two.members)


def test_row_order_of_the_inputs_does_not_matter(inputs: Path, tmp_path: Path):
    for path in inputs.glob("*.csv"):
        separator = "|" if path.stem == "lamost_like" else ","
        table = pl.read_csv(path, separator=separator)
        table.sample(fraction=1.0, shuffle=True, seed=3).write_csv(tmp_path / path.name, separator=separator)
    assert compute(CONFIG, data_dir=tmp_path).frame.equals(compute(CONFIG, data_dir=inputs).frame)


@pytest.mark.parametrize("stage", ["match", "stars", "velocity", "metallicity"])
def test_every_stage_can_start_from_the_saved_one_before(inputs: Path, finished: Path, stage: str):
    again = compute(inputs / "run.toml", data_dir=inputs, out=finished, from_stage=stage)
    first = read_back(finished, data_dir=inputs)
    assert again.frame.equals(first.frame)
    assert again.members.equals(first.members)
    assert [(s.name, s.came_in, s.went_on) for s in again.steps] == [
        (s.name, s.came_in, s.went_on) for s in first.steps
    ]


def test_a_stage_saved_with_other_settings_is_refused(inputs: Path, tmp_path: Path):
    compute(CONFIG, data_dir=inputs, out=tmp_path)
    other = {**CONFIG, "stars": {"combine": "best"}}
    with pytest.raises(ReadError, match="'stars' was saved from other inputs"):
        compute(other, data_dir=inputs, out=tmp_path, from_stage="velocity")
    # What is upstream of the change is still good.
    compute(other, data_dir=inputs, out=tmp_path, from_stage="stars")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"from_stage": "figures"}, "unknown stage"), ({"from_stage": "stars"}, "--out"), ({"jobs": 0}, "0 threads")],
)
def test_wrong_arguments(inputs: Path, arguments: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        compute(CONFIG, data_dir=inputs, **arguments)


def test_no_member_matched(inputs: Path, tmp_path: Path):
    for path in inputs.glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    survey = pl.read_csv(tmp_path / "lamost_like.csv", separator="|")
    survey.with_columns(pl.lit(-80.0).alias("dec")).write_csv(tmp_path / "lamost_like.csv", separator="|")
    with pytest.raises(EmptyResultError, match=r"none of the .* spectra matches a member"):
        compute(CONFIG, data_dir=tmp_path)


def test_catalogue_speaks_names_tables_and_figures(finished: Path, inputs: Path):
    catalogue = read_back(finished, data_dir=inputs)
    name = catalogue.largest(1)[0]
    assert name in catalogue
    assert catalogue[name.lower().replace("_", " ")].name == name
    assert len(catalogue.to_table()) == len(catalogue) == len(list(catalogue))
    explained = catalogue[name].explain()
    assert explained.height == catalogue[name].row["n_all"]
    assert explained["reason"].str.len_chars().min() > 10
    for figure in (catalogue.plot.rv(name), catalogue.plot.kiel(name), catalogue.plot.cmd(name), catalogue.plot.sky()):
        assert figure.axes
    with pytest.raises(MelotteError, match="of this catalogue"):
        catalogue["NGC 1"]


def test_products_read_back(finished: Path):
    record = json.loads((finished / "provenance.json").read_text())
    assert record["simulated"] is False
    assert {item["name"] for item in record["inputs"]} == {"survey", "members", "clusters", "zero-point reference"}
    assert parse(record["configuration"]) == parse(CONFIG)
    text = (finished / "provenance.json").read_text() + (finished / "report.html").read_text()
    assert str(finished.parent) not in text


def test_run_and_show_from_the_command_line(
    inputs: Path, tmp_path: Path, finished: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "cli"
    assert status("run", inputs / "run.toml", "--data-dir", inputs, "--out", out, "--jobs", "1") == 0
    assert "clusters with" in capsys.readouterr().out
    name = read_back(out).largest(1)[0]
    assert status("show", name.replace("_", " "), "--out", out) == 0
    text = capsys.readouterr().out
    assert name in text
    assert "within 4000 to 7500 K" in text
    assert (out / "figures" / f"{name}_rv.pdf").is_file()
    assert status("show", "NGC 1", "--out", out) == 2
    assert "'NGC 1'" in capsys.readouterr().err
    assert pl.read_parquet(out / "clusters.parquet").equals(pl.read_parquet(finished / "clusters.parquet"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "absent.toml", "--out", "x"], "no such configuration file"),
        (["run"], "Missing argument"),
        (["nonsense"], "No such command"),
        (["show", "M67", "--out", "nowhere"], "no finished run here"),
        (["fetch", "no_such_catalogue"], "no_such_catalogue"),
    ],
)
def test_errors_are_one_message_and_status_2(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(tmp_path)
    assert status(*arguments) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown


def test_unknown_key_ends_with_status_2(inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_toml(tmp_path / "bad.toml", {**CONFIG, "velocity": {"clp": "2 sigma"}})
    assert status("run", tmp_path / "bad.toml", "--data-dir", inputs, "--out", tmp_path / "out") == 2
    shown = capsys.readouterr().err
    assert "bad.toml" in shown
    assert "[velocity] clp: unknown key" in shown
    assert not (tmp_path / "out").exists()


def test_debug_shows_the_traceback():
    with pytest.raises(ConfigError):
        main(["run", "absent.toml", "--out", "x", "--debug"])


def test_a_failing_product_leaves_the_earlier_ones(
    inputs: Path, tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
):
    """A second run that dies while drawing leaves the first run's files whole."""
    out = tmp_path / "twice"
    melotte.run(inputs / "run.toml", data_dir=inputs, out=out)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file() and p.parent.name != "stages"}

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(figures, "save", die)
    with pytest.raises(KeyboardInterrupt):
        melotte.run(inputs / "run.toml", data_dir=inputs, out=out)
    for path, content in before.items():
        assert path.read_bytes() == content
    assert not list(out.rglob(".part-*"))


def test_demo_says_it_is_simulated_and_recovers_the_truth(tmp_path: Path):
    catalogue, recovered = run_demo(tmp_path, settings=SMALL)
    assert isinstance(catalogue, Catalogue)
    assert "Simulated data" in (tmp_path / "report.html").read_text()
    assert json.loads((tmp_path / "provenance.json").read_text())["simulated"] is True
    assert "simulated" in (tmp_path / "clusters.vot").read_text()
    assert (tmp_path / "figures" / "recovery.png").is_file()
    assert [r.quantity for r in recovered] == ["RV", "[Fe/H]"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [20221101, 1, 2])
def test_the_demo_recovers_its_truth(seed: int, tmp_path: Path):
    """The demo's survey: >= 95 % of clusters within 3 sigma, 60-75 % within 1 sigma (5 or more stars)."""
    survey = simulate(SimulationSettings(), Streams(seed))
    survey.write(tmp_path)
    catalogue = compute({**DEMO, "run": {"seed": seed}}, data_dir=tmp_path)
    for quantity in recover(catalogue.frame, survey.truth):
        assert quantity.n > 100
        assert quantity.within_3 >= 0.95
        assert 0.60 <= quantity.within_1 <= 0.75
        assert abs(quantity.bias) < {"RV": 0.4, "[Fe/H]": 0.02}[quantity.quantity]
    assert catalogue.zero_point is not None
    assert catalogue.zero_point["median"] == pytest.approx(4.7, abs=0.4)


def test_import_is_light():
    """`import melotte` must not load the scientific stack."""
    import subprocess
    import sys

    code = "import sys, melotte; print([m for m in ('astropy', 'numba', 'polars', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_cluster_to_be_drawn_that_is_not_there_is_noted(inputs: Path, tmp_path: Path) -> None:
    config = {**CONFIG, "figures": {"largest": 0, "formats": ["png"], "clusters": ["NGC 9999"]}}
    catalogue = melotte.run(config, data_dir=inputs, out=tmp_path / "out")
    assert any("'NGC 9999'" in note for note in catalogue.notes)
    assert not list((tmp_path / "out" / "figures").glob("NGC*"))
