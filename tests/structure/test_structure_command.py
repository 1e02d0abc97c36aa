"""``melotte structure`` as a user types it, on simulated clusters."""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from structure_tables import at, sinusoid, thin_disc

from melotte import publish
from melotte.catalogue.store import LOCK
from melotte.cli import main
from melotte.config import GalaxyConfig, RunConfig, StructureConfig, parse
from melotte.core.randomness import Streams
from melotte.galaxy import dynamics
from melotte.schema import CATALOGUE, DYNAMICS, MEMBER_STARS
from melotte.schema import structure as schemas
from melotte.structure import analyse, read_sightlines, read_wave

SCHEMAS = schemas.TABLES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of clusters, clouds, a wave and a configuration."""
    out = tmp_path_factory.mktemp("structure")
    near = at(sinusoid().to_numpy()[50:750:50], prefix="Wave", feh_med=np.linspace(-0.2, 0.2, 14),
              feh_med_error=np.full(14, 0.05), n_feh=pl.Series([5] * 14, dtype=pl.Int32))  # fmt: skip
    pl.concat([thin_disc(31, 40), near], how="diagonal").write_parquet(out / "clusters.parquet")
    sinusoid().write_csv(out / "wave.csv")
    lines = "\n".join(f"Cloud{k},{12 * k},{k - 15},{95 + 30 * k},{100 + 30 * k},{106 + 30 * k}" for k in range(30))
    (out / "clouds.csv").write_text(f"Name,GLON,GLAT,d16,d50,d84\n{lines}\n", encoding="utf-8")
    (out / "run.toml").write_text(
        f"""
[structure]
clouds = "{out / "clouds.csv"}"
wave = "{out / "wave.csv"}"
draws = 100
permutations = 99
shuffles = 99
[galaxy]
draws = 0
[figures]
formats = ["png"]
""",
        encoding="utf-8",
    )
    return out


def call(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main(["structure", *map(str, arguments)])
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def products(folder: Path) -> Path:
    out = folder / "out"
    assert call(folder / "clusters.parquet", "--out", out, "--config", folder / "run.toml") == 0
    return out


def test_every_product_is_there(products: Path) -> None:
    expected = {f"structure_{stem}.{e}" for stem in SCHEMAS for e in publish.FORMATS}
    expected |= {f"table7.{e}" for e in ("csv", "tex", "dat", "ReadMe")}
    assert {p.name for p in (products / "tables").iterdir()} == expected
    figures = {"eccentricity", "integrals", "flare", "clouds", "wave", "wave_feh"}
    pictures = {p.name for p in (products / "figures").iterdir()}
    assert {f"structure_{stem}.png" for stem in figures} <= pictures


def test_every_format_holds_the_same_tables(products: Path) -> None:
    for stem, schema in SCHEMAS.items():
        frames = [publish.read_table(products / "tables" / f"structure_{stem}.{e}", schema) for e in publish.FORMATS]
        assert all(frame.equals(frames[0]) for frame in frames[1:])


def test_table_7_is_one_table_in_four_forms(products: Path) -> None:
    wave = publish.read_table(products / "tables" / "structure_wave.parquet", schemas.ALONG_WAVE)
    members = wave.filter(pl.col("member") & (pl.col("n_feh") >= 3)).sort("glon")
    assert members.height >= 10
    text = (products / "tables" / "table7.csv").read_text(encoding="utf-8").splitlines()
    assert text[0].split(",") == ["Cluster", "GLON", "GLAT", "X", "Y", "Z", "Age", "[Fe/H]med", "e_[Fe/H]med"]
    assert [line.split(",")[0] for line in text[1:]] == members["cluster"].to_list()
    np.testing.assert_allclose([float(line.split(",")[3]) for line in text[1:]], members["x"], atol=0.051)
    data = (products / "tables" / "table7.dat").read_text(encoding="ascii").splitlines()
    assert len(data) == members.height
    tex = (products / "tables" / "table7.tex").read_text(encoding="utf-8")
    assert tex.count(r"\pm") == members.height
    assert "table7.dat" in (products / "tables" / "table7.ReadMe").read_text(encoding="ascii")


def test_the_command_gives_what_the_functions_give(folder: Path, products: Path) -> None:
    from melotte.workflow.standalone.structure import read_structure_input

    clusters = read_structure_input(folder / "clusters.parquet")
    frame = publish.read_table(products / "tables" / "structure_wave.parquet", schemas.ALONG_WAVE)
    settings = StructureConfig(draws=100, permutations=99, shuffles=99)
    streams = Streams(RunConfig().seed)
    galaxy = GalaxyConfig(draws=0)
    found = analyse(
        clusters,
        dynamics(clusters, settings=galaxy, rng=streams).frame,
        sightlines=read_sightlines(str(folder / "clouds.csv")),
        wave=read_wave(str(folder / "wave.csv")),
        settings=settings,
        rng=streams,
        galaxy=galaxy,
    )
    assert found.wave is not None
    assert found.wave.frame.equals(frame)
    tests = publish.read_table(products / "tables" / "structure_tests.parquet", schemas.TESTS)
    assert found.tests.equals(tests)


def test_the_summary_says_what_was_found(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    assert call(folder / "clusters.parquet", "--out", tmp_path, "--config", folder / "run.toml") == 0
    text = capsys.readouterr().out
    assert "outliers: 40 clusters judged" in text
    assert "flare, all (40)" in text
    assert "wave: " in text
    assert "the interactive view of the wave needs plotly and was left out" in text
    assert not list((tmp_path / "figures").glob("*.html"))


def test_too_few_clusters_leave_parts_out_and_say_so(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pl.read_parquet(folder / "clusters.parquet").head(8).write_parquet(tmp_path / "few.parquet")
    assert call(tmp_path / "few.parquet", "--out", tmp_path / "o", "--config", folder / "run.toml") == 0
    text = capsys.readouterr().out
    assert "note: outliers: left out, 8 clusters to judge" in text
    assert "note: flare: left out" in text
    assert not (tmp_path / "o" / "tables" / "structure_outliers.parquet").exists()


def test_input_errors_end_with_2(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ["--config", folder / "run.toml"]
    assert call(folder / "clusters.parquet", *config) == 2
    assert "where do the results go" in capsys.readouterr().err
    assert call(tmp_path / "none.parquet", "--out", tmp_path, *config) == 2
    assert "no such file" in capsys.readouterr().err
    assert call(tmp_path, "--out", tmp_path / "o") == 2
    assert "no finished run here" in capsys.readouterr().err
    pl.read_parquet(folder / "clusters.parquet").drop("cluster").write_parquet(tmp_path / "bare.parquet")
    assert call(tmp_path / "bare.parquet", "--out", tmp_path, *config) == 2
    assert "cluster" in capsys.readouterr().err
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[structure]\nwave_distance = 200\n", encoding="utf-8")
    assert call(folder / "clusters.parquet", "--out", tmp_path, "--config", wrong) == 2
    text = capsys.readouterr().err
    assert "wave_distance" in text
    assert "no unit" in text


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    """What ``melotte run`` would leave of the clusters: catalogue, orbits and record."""
    from melotte.workflow.standalone.structure import read_structure_input

    out = folder / "run"
    clusters = read_structure_input(folder / "clusters.parquet").with_columns(
        rv_med="rv", rv_med_error="rv_error", n_all=pl.lit(5, dtype=pl.Int32),
        n_feh=pl.col("n_feh").fill_null(0), n_rv=pl.col("n_rv").fill_null(0),
    )  # fmt: skip
    galaxy = GalaxyConfig(draws=0, velocity="uncorrected")
    orbits = dynamics(clusters, settings=galaxy, rng=Streams(1)).frame
    catalogue = CATALOGUE.conform(clusters)
    files = publish.write_table(catalogue, CATALOGUE, out / "clusters", ["parquet"])
    files += publish.write_table(orbits, DYNAMICS, out / "orbits", ["parquet"])
    files += publish.write_table(MEMBER_STARS.empty(), MEMBER_STARS, out / "members", ["parquet"])
    settings = parse(
        {
            "survey": {"adapter": "lamost", "file": "x.csv"},
            "members": {"catalogue": "cantat2018"},
            "clusters": {"catalogue": "cantat2020"},
            "metallicity": {"giant_rule": "logg"},
            "galaxy": {"draws": 0, "velocity": "uncorrected"},
            "figures": {"formats": ["png"]},
            "structure": tomllib.loads((folder / "run.toml").read_text(encoding="utf-8"))["structure"],
            "run": {"seed": 1},
        }
    )
    now = datetime.now(UTC)
    publish.write_provenance(
        out / "provenance.json", inputs=[], config=settings.resolved(), steps=[], notes=[], outputs=files,
        started=now, finished=now, simulated=True,
    )  # fmt: skip
    return out


def test_a_finished_run_gets_its_structure(run: Path) -> None:
    """With the settings of the run; its results lie beside the others and say that they are simulated."""
    before = sorted(p.name for p in run.iterdir())
    assert call(run) == 0
    assert sorted(p.name for p in run.iterdir()) == sorted([*before, LOCK, "figures", "tables"])
    tests = publish.read_table(run / "tables" / "structure_tests.parquet", schemas.TESTS)
    assert tests.filter(pl.col("method").str.contains("99 shifts")).height >= 2
    outliers = publish.read_table(run / "tables" / "structure_outliers.parquet", schemas.OUTLIERS)
    assert outliers["p_value"].null_count() < outliers.height
    assert "simulated: true" in (run / "tables" / "structure_tests.ecsv").read_text(encoding="utf-8")


def test_a_run_without_orbits_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("clusters.parquet", "members.parquet", "provenance.json"):
        shutil.copy(run / name, tmp_path / name)
    assert call(tmp_path) == 2
    assert "a table of the run is missing" in capsys.readouterr().err
    record = json.loads((tmp_path / "provenance.json").read_text(encoding="utf-8"))
    record["outputs"] = [item for item in record["outputs"] if item["file"] != "orbits.parquet"]
    (tmp_path / "provenance.json").write_text(json.dumps(record), encoding="utf-8")
    assert call(tmp_path) == 2
    assert "this run has no orbits" in capsys.readouterr().err
    assert not (tmp_path / "tables").exists()


@pytest.mark.parametrize(
    ("key", "value"), [("false_alarm", "0.0"), ("draws", "-1"), ("profile", '"exponential"'), ("near", '"5 deg"')]
)
def test_impossible_settings_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, value: str
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(f"[structure]\n{key} = {value}\n", encoding="utf-8")
    assert call(folder / "clusters.parquet", "--out", tmp_path, "--config", path) == 2
    assert key in capsys.readouterr().err
