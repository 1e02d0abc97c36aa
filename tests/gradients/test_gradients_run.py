"""The metallicity distribution as a command and as a stage of the run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from astropy.table import QTable
from polars.testing import assert_frame_equal

from melotte.cli import main
from melotte.config import GradientsConfig, parse
from melotte.core.randomness import Streams
from melotte.errors import ConfigError, ReadError, SchemaError
from melotte.gradients import analyse, fit_table, flat_tail_sentences, from_frames, to_frames
from melotte.publish import read_table
from melotte.schema.gradients import COMPARISON, FLAT_TAIL, GRADIENTS
from melotte.validation.demonstration import CONFIG as DEMO
from melotte.validation.simulate import SimulationSettings, simulate
from melotte.workflow.delivery import deliver, read_back
from melotte.workflow.pipeline import compute
from melotte.workflow.standalone.gradients import run_gradients
from melotte.workflow.standalone.gradients_input import join_tables, read_gradients_table

TOML = """
[gradients]
cluster = "Cl"
feh = "FeH"
feh_error = "e_FeH"
age = "t"
age_unit = "Gyr"
age_edges = ["1 Gyr"]
predictors = ["r_gc"]
models = ["line", "parabola"]
scatter = false
x_errors = false

[figures]
formats = ["png"]
"""
SETTINGS = parse(
    DEMO
    | {
        "galaxy": {},
        "gradients": {
            "cluster": "Cl", "feh": "FeH", "feh_error": "e_FeH", "age": "t", "age_unit": "Gyr", "age_edges": ["1 Gyr"],
            "predictors": ["r_gc"], "models": ["line", "parabola"], "scatter": False, "x_errors": False,
        },
    }
).gradients  # fmt: skip
assert SETTINGS is not None


def status(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return int(end.value.code or 0)


@pytest.fixture
def clusters() -> pl.DataFrame:
    rng = np.random.default_rng(3)
    r = rng.uniform(7, 14, 40)
    return pl.DataFrame(
        {
            "Cl": [f"NGC {i + 1}" for i in range(40)],
            "FeH": -0.06 * (r - 8.0) + 0.03 * rng.standard_normal(40),
            "e_FeH": np.full(40, 0.03),
            "t": np.repeat([0.3, 3.0], 20),
            "r_gc": r,
        }
    )


def quiet(*_: object) -> None:
    pass


# --- any table -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["fits", "ecsv", "vot", "parquet", "csv"])
def test_every_format_and_unit_is_read_alike(clusters: pl.DataFrame, form: str, tmp_path: Path) -> None:
    path = tmp_path / f"mine.{form}"
    holed = clusters.with_columns(pl.when(pl.col("r_gc") > 13).then(None).otherwise(pl.col("r_gc")).alias("r_gc"))
    if form in {"parquet", "csv"}:
        getattr(holed, f"write_{form}")(path)
    else:
        filled = holed.with_columns(pl.col("r_gc").fill_null(np.nan))
        table = QTable({c: filled[c].to_numpy() if c != "Cl" else filled[c].to_list() for c in filled.columns})
        table["r_gc"].unit = "kpc"
        table["r_gc"] = table["r_gc"].to("pc")
        table.write(path, format="votable" if form == "vot" else None)
    found = read_gradients_table(path, SETTINGS)
    assert_frame_equal(found, holed.select(found.columns), rel_tol=1e-12)
    assert set(found.columns) == set(clusters.columns)


def test_command_on_a_table(clusters: pl.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clusters.write_csv(tmp_path / "mine.csv")
    (tmp_path / "my.toml").write_text(TOML)
    out = tmp_path / "out"
    assert status("gradients", tmp_path / "mine.csv", "--config", tmp_path / "my.toml", "--out", out, "-j", "1") == 0
    shown = capsys.readouterr().out
    assert "metallicity distribution: 40 clusters in, 40 on" in shown
    assert "4 fits, 4 converged; 0 refused" in shown
    assert "<1 Gyr" in shown
    expected = fit_table(clusters, settings=SETTINGS, rng=Streams(20221101))
    assert_frame_equal(read_table(out / "tables" / "gradients.ecsv", GRADIENTS), expected.frame)
    assert_frame_equal(read_table(out / "tables" / "model_comparison.fits", COMPARISON), expected.comparison)
    assert {p.name for p in (out / "figures").iterdir()} == {
        "metallicity_r_gc.png", "residuals_r_gc.png", "corner_below_1.png", "corner_above_1.png",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Cl": "who"}, "no column 'Cl'"),
        ({"e_FeH": "error"}, "lacks"),
        ({}, "where do the results go"),
    ],
)
def test_wrong_tables_end_in_status_2(
    clusters: pl.DataFrame,
    change: dict[str, str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clusters.rename(change).write_csv(tmp_path / "mine.csv")
    (tmp_path / "my.toml").write_text(TOML)
    out = ["--out", tmp_path / "out"] if change else []
    assert status("gradients", tmp_path / "mine.csv", "--config", tmp_path / "my.toml", *out, "-j", "1") == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_a_wrong_unit_is_named(clusters: pl.DataFrame, tmp_path: Path) -> None:
    table = QTable(clusters.to_dict(as_series=False))
    table["r_gc"].unit = "s"
    table.write(tmp_path / "mine.fits")
    with pytest.raises(SchemaError, match="'r_gc': the unit is 's'"):
        read_gradients_table(tmp_path / "mine.fits", SETTINGS)


def test_columns_are_joined_under_any_name(clusters: pl.DataFrame, tmp_path: Path) -> None:
    ages = clusters.select(pl.col("Cl").str.replace(" ", "_").str.to_lowercase().alias("Name"), "t")
    twice = pl.concat([ages.sample(fraction=1.0, shuffle=True, seed=1), ages.head(1)])
    twice.write_csv(tmp_path / "ages.csv")
    joined = join_tables(clusters.drop("t"), [tmp_path / "ages.csv"], SETTINGS)
    assert joined["t"][0] is None  # listed twice
    assert joined["t"][1:].to_list() == clusters["t"][1:].to_list()
    with pytest.raises(SchemaError, match="adds no column"):
        join_tables(clusters, [tmp_path / "ages.csv"], SETTINGS)


# --- saved and shared among processes --------------------------------------------------------------------------


def test_a_saved_result_is_the_result(clusters: pl.DataFrame) -> None:
    few = pl.concat([clusters.head(20), clusters.tail(3)])
    result = fit_table(few, settings=SETTINGS, rng=Streams(1))
    assert result.refusals
    again = from_frames(to_frames(result), settings=SETTINGS, steps=result.steps, notes=result.notes)
    assert again.summary() == result.summary()
    assert again.refusals == result.refusals
    for one, two in zip(result.fits, again.fits, strict=True):
        assert (one.group, one.predictor, one.model, one.sample.cluster) == (
            two.group, two.predictor, two.model, two.sample.cluster,
        )  # fmt: skip
        np.testing.assert_array_equal(one.draws(), two.draws())
        np.testing.assert_array_equal(one.log_likelihood(), two.log_likelihood())


def test_a_script_without_a_guard_may_use_processes(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import numpy as np, polars as pl\n"
        "from melotte.config import GradientsConfig\n"
        "from melotte.gradients import fit_table\n"
        "from melotte.core.randomness import Streams\n"
        "r = np.linspace(7, 14, 20)\n"
        "t = pl.DataFrame({'cluster': [str(i) for i in range(20)], 'f': -0.06 * r, 'e': 0.1 + 0 * r, 'r_gc': r})\n"
        "s = GradientsConfig(feh='f', feh_error='e', age_edges=(), predictors=('r_gc',), scatter=False,\n"
        "                    models=('line', 'parabola'))\n"
        "print('fits', len(fit_table(t, settings=s, rng=Streams(1), jobs=2).fits))\n"
    )
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300, check=False)
    assert (run.returncode, run.stdout) == (0, "fits 2\n"), run.stderr


# --- the flat tails --------------------------------------------------------------------------------------------


def test_flat_tails_are_tested_in_the_old_groups_only() -> None:
    rng = np.random.default_rng(5)
    l_z = np.concatenate([rng.uniform(1500, 4200, 60), rng.uniform(1500, 4200, 15)])
    feh = -0.5 * np.minimum(l_z / 1e3, 2.6) + 0.02 * rng.standard_normal(75)
    table = pl.DataFrame(
        {
            "cluster": [f"C{i}" for i in range(75)],
            "feh_med": feh,
            "feh_scatter": np.full(75, 0.02),
            "log_age": np.repeat([9.5, 8.0], [60, 15]),
            "l_z": l_z,
            "energy": 1e5 * (-2.5 + 0.5 * (l_z / 1e3) ** 0.5),
        }
    )
    settings = GradientsConfig(
        feh_error="scatter", predictors=("l_z",), models=("line",), scatter=False, age_edges=("0.5 Gyr", "2 Gyr")
    )
    result = analyse(table, settings=settings, rng=Streams(1))
    assert result.flat_tail is not None
    FLAT_TAIL.validate(result.flat_tail)
    # There is no error of the median in the table, and one group is old.
    assert set(result.flat_tail["errors"]) == {"scatter"}
    assert set(result.flat_tail["group"]) == {">2"}
    sentences = flat_tail_sentences(result.flat_tail)
    assert len(sentences) == 2
    assert "a flat tail predicts a cluster left out better than a straight line" in sentences[0]
    assert "flat tails of the old groups" in result.summary()
    assert analyse(table, settings=settings.model_copy(update={"flat_tail": False}), rng=Streams(1)).flat_tail is None


# --- the run ---------------------------------------------------------------------------------------------------

RUN: dict[str, Any] = DEMO | {
    "galaxy": {"draws": 20, "lookback": "100 Myr"},
    "gradients": {
        "feh_error": "scatter", "scatter": False, "x_errors": False, "models": ["line"], "age_edges": [],
        "predictors": ["r_gc_0_myr", "r_gc_100_myr", "l_z", "r_apo"],
    },
    "figures": {"largest": 0, "formats": ["png"]},
}  # fmt: skip


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("inputs")
    simulate(SimulationSettings(n_clusters=14, n_field_spectra=100), Streams(5)).write(directory)
    return directory


@pytest.fixture(scope="module")
def finished(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    deliver(compute(RUN, data_dir=inputs, out=out, jobs=1), out)
    return out


def test_a_run_delivers_the_metallicity_distribution(inputs: Path, finished: Path) -> None:
    catalogue = read_back(finished, data_dir=inputs)
    assert catalogue.gradients is not None
    assert set(catalogue.gradients.frame["predictor"]) == {"r_gc_0_myr", "r_gc_100_myr", "l_z", "r_apo"}
    assert (finished / "tables" / "gradients.nc").stat().st_size > 10_000
    names = {p.stem for p in (finished / "figures").iterdir()}
    assert {"metallicity_radius", "metallicity_motion", "metallicity_r_apo", "residuals_l_z", "corner_all"} <= names
    assert "metallicity distribution" in catalogue.summary()


def test_the_stage_can_be_repeated_alone(inputs: Path, finished: Path) -> None:
    again = compute(RUN, data_dir=inputs, out=finished, from_stage="gradients", jobs=1)
    first = read_back(finished, data_dir=inputs).gradients
    assert again.gradients is not None
    assert first is not None
    assert again.gradients.frame.equals(first.frame)
    assert again.plot.metallicity_distribution().axes


def test_the_command_on_a_finished_run_is_the_stage(finished: Path, tmp_path: Path) -> None:
    result, files = run_gradients(finished, tmp_path, jobs=1, progress=quiet)
    assert_frame_equal(result.frame, read_table(finished / "tables" / "gradients.parquet", GRADIENTS))
    assert all(tmp_path in p.parents for p in files)


def test_gradients_made_again_in_the_run_are_those_of_its_record(finished: Path, inputs: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    (tmp_path / "other.toml").write_text(
        '[gradients]\nfeh_error = "scatter"\nscatter = false\nx_errors = false\nmodels = ["line"]\nage_edges = []\n'
        'predictors = ["r_gc_0_myr"]\n'
    )
    for _ in range(2):
        run_gradients(run, config=tmp_path / "other.toml", jobs=1, progress=quiet)
        again = read_back(run, data_dir=inputs)
        assert again.gradients is not None
        assert set(again.gradients.frame["predictor"]) == {"r_gc_0_myr"}
        assert sum("made again by melotte gradients" in note for note in again.notes) == 1
    (run / "tables" / "gradients.parquet").write_bytes((finished / "tables" / "gradients.parquet").read_bytes())
    with pytest.raises(ReadError, match="not the table the run wrote"):
        read_back(run, data_dir=inputs)


def test_a_run_without_orbits_is_refused(finished: Path, tmp_path: Path) -> None:
    for path in finished.iterdir():
        if path.is_file() and path.stem != "orbits":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ReadError, match="a table of the run is missing"):
        run_gradients(tmp_path, jobs=1, progress=quiet)
    record = json.loads((tmp_path / "provenance.json").read_text())
    record["outputs"] = [item for item in record["outputs"] if not item["file"].startswith("orbits")]
    (tmp_path / "provenance.json").write_text(json.dumps(record))
    with pytest.raises(ReadError, match="no orbits"):
        run_gradients(tmp_path, jobs=1, progress=quiet)
    with pytest.raises(ReadError, match="no finished run"):
        run_gradients(tmp_path / "..", jobs=1, progress=quiet)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"galaxy": None}, "needs the orbits"),
        ({"gradients": {"predictors": ["r_gc_250_myr"]}}, "not among the look-back times"),
        ({"gradients": {"predictors": ["r_gc_600_myr"]}}, "not among the look-back times"),
    ],
)
def test_gradients_that_the_orbits_cannot_give_are_refused_at_once(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse({k: v for k, v in ({**DEMO, "galaxy": {}, "gradients": {}} | change).items() if v is not None})
