"""A survey without radial velocities, or without [Fe/H]: what can be computed is right, the rest is masked and said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from faults_runs import CONFIG
from polars.testing import assert_frame_equal

import melotte
from melotte.catalogue.catalogue import Catalogue
from melotte.cli import main
from melotte.core.randomness import Streams
from melotte.errors import ConfigError
from melotte.validation.simulate import SimulationSettings, simulate
from melotte.workflow.pipeline import compute

NOTE = (
    "the survey gives no radial velocities: members are chosen by the membership list alone; "
    "no velocity, no zero point, no orbit is computed"
)
COLUMNS = {
    "spectrum_id": "obsid",
    "obs_mjd": "mjd",
    "ra": "ra",
    "dec": "dec",
    "snr": "snrg",
    "teff": "teff",
    "teff_error": "teff_err",
    "logg": "logg",
    "logg_error": "logg_err",
}
FEH = {"feh": "feh", "feh_error": "feh_err"}
RV = {"rv": "rv", "rv_error": "rv_err"}
VELOCITIES = [c for c in melotte.schema.CATALOGUE.names if c.startswith(("rv_", "binary"))] + ["n_model"]


def settings(*columns: dict[str, str], **more: Any) -> dict[str, Any]:
    survey = {"adapter": "table", "file": "own.csv", "name": "own survey"}
    merged = {name: source for part in (COLUMNS, *columns) for name, source in part.items()}
    return {
        **CONFIG,
        "survey": {**survey, "columns": merged},
        "figures": {"largest": 1, "formats": ["png"]},
        "gradients": {"predictors": ["r_gc", "l_z"]},
        **more,
    }


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated survey as a plain table, with its membership list and the [Fe/H] the clusters were given."""
    directory = tmp_path_factory.mktemp("inputs")
    simulate(SimulationSettings(n_clusters=8, n_field_spectra=50), Streams(5)).write(directory)
    pl.read_csv(directory / "lamost_like.csv", separator="|").write_csv(directory / "own.csv")
    return directory


@pytest.fixture(scope="module")
def made(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalogue, Path]:
    out = tmp_path_factory.mktemp("out") / "run"
    return melotte.run(settings(FEH), data_dir=inputs, out=out), out


def test_metallicities_are_those_of_the_clusters(made: tuple[Catalogue, Path], inputs: Path):
    catalogue, _ = made
    truth = pl.read_csv(inputs / "truth.csv")
    found = catalogue.frame.join(truth.select("cluster", pl.col("feh").alias("true")), on="cluster")
    found = found.filter(pl.col("n_feh") >= 5)
    assert found.height >= 2
    assert ((found["feh_med"] - found["true"]).abs() < 5 * found["feh_med_error"]).all()


def test_every_listed_star_is_a_member_and_only_flag_2_counts(made: tuple[Catalogue, Path]):
    catalogue, _ = made
    members = catalogue.members
    assert set(members["flag"]) == {0, 2}
    assert members.filter(pl.col("flag") == 2)["feh_error"].is_not_null().all()
    assert members.filter(pl.col("flag") == 0)["reason"].str.contains("Not used for [Fe/H]", literal=True).all()
    counts = members.group_by("cluster").agg(pl.len().alias("all"), (pl.col("flag") == 2).sum().alias("feh"))
    both = catalogue.frame.join(counts, on="cluster", how="full")
    assert (both["n_all"] == both["all"]).all()
    assert (both["n_feh"] == both["feh"]).all()
    assert catalogue[catalogue.largest(1)[0]].explain()["flag"][0] == 2


def test_the_same_stars_with_one_velocity_give_the_same_metallicities(made: tuple[Catalogue, Path], inputs: Path):
    """With velocities that reject nobody the selection by velocity must not matter for [Fe/H]."""
    same = settings(FEH, {"rv": {"value": 10.0}, "rv_error": {"value": 1.0}})  # type: ignore[dict-item]
    for section in ("gradients", "galaxy", "zero_point"):
        same.pop(section)
    other = compute(same, data_dir=inputs)
    # The mixture model of [Fe/H] starts from the probability that has seen the velocity, where there is one.
    names = ["cluster", "n_all", "n_feh", "feh_med", "feh_med_error", "feh_mean", "feh_mean_error", "feh_scatter"]
    assert set(other.members["flag"]) == {1, 12}
    assert_frame_equal(made[0].frame.select(names), other.frame.select(names), check_exact=True)


def test_velocities_and_what_needs_them_are_masked_and_named(made: tuple[Catalogue, Path]):
    catalogue, out = made
    assert (catalogue.frame["n_rv"] == 0).all()
    for name in VELOCITIES:
        assert catalogue.frame[name].is_null().all(), name
    assert catalogue.zero_point is None
    assert catalogue.orbits is not None
    assert set(catalogue.orbits["reason"]) == {"no radial velocity"}
    assert catalogue.orbits["energy"].is_null().all()
    assert NOTE in catalogue.notes
    assert any("no figure that needs a radial velocity" in note for note in catalogue.notes)
    assert any(note.startswith("gradients: none is fitted") for note in catalogue.notes)
    assert catalogue.frame["note"].str.contains("no radial velocity").all()
    largest = catalogue.largest(1)[0]
    drawn = {path.stem for path in (out / "figures").iterdir()}
    assert drawn == {"sky", "overview", f"{largest}_cmd", f"{largest}_kiel"}
    assert (out / "report.html").stat().st_size > 10_000


def test_the_run_reads_back(made: tuple[Catalogue, Path], inputs: Path):
    catalogue, out = made
    again = melotte.read(out, data_dir=inputs)
    assert_frame_equal(again.frame, catalogue.frame)
    assert_frame_equal(again.members, catalogue.members)
    assert again.notes == catalogue.notes
    assert again.summary() == catalogue.summary()


def test_it_can_be_published(made: tuple[Catalogue, Path], inputs: Path, tmp_path: Path):
    with pytest.raises(SystemExit) as end:
        main(["publish", str(made[1]), "--to", str(tmp_path / "cds")])
    assert not end.value.code
    readme = next((tmp_path / "cds").rglob("ReadMe")).read_text()
    assert "the survey gives none" in readme
    assert "clip" not in readme


def test_order_of_the_rows_does_not_matter(made: tuple[Catalogue, Path], inputs: Path, tmp_path: Path):
    for path in inputs.glob("*.csv"):
        separator = "|" if path.stem == "lamost_like" else ","
        table = pl.read_csv(path, separator=separator)
        table.sample(fraction=1.0, shuffle=True, seed=3).write_csv(tmp_path / path.name, separator=separator)
    again = compute(settings(FEH), data_dir=tmp_path)
    assert_frame_equal(again.frame, made[0].frame, check_exact=True)


def test_no_metallicity_is_said_and_velocities_stay(inputs: Path):
    plain = settings(RV, FEH)
    plain.pop("gradients")
    bare = settings(RV)
    bare.pop("gradients")
    with_both, only_rv = compute(plain, data_dir=inputs), compute(bare, data_dir=inputs)
    names = ["cluster", "n_all", "n_rv", *VELOCITIES]
    assert_frame_equal(only_rv.frame.select(names), with_both.frame.select(names), check_exact=True)
    assert (only_rv.frame["n_feh"] == 0).all()
    assert "the survey gives no [Fe/H]: no metallicity is computed" in only_rv.notes
    assert not any("no [Fe/H]: no metallicity" in note for note in with_both.notes)
    assert NOTE not in with_both.notes


def test_neither_gives_the_matched_stars(inputs: Path):
    bare = compute(settings(), data_dir=inputs)
    assert (bare.frame["n_all"] > 0).all()
    assert (bare.frame["n_feh"] == 0).all()
    assert set(bare.members["flag"]) == {0}


def test_stars_without_a_velocity_are_not_this_mode(inputs: Path, tmp_path: Path):
    for path in inputs.glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    table = pl.read_csv(inputs / "own.csv")
    half = table.with_columns(pl.when(pl.int_range(pl.len()) % 2 == 0).then("rv").alias("rv"))
    half.write_csv(tmp_path / "own.csv")
    some = settings(RV, FEH)
    some.pop("gradients")
    catalogue = compute(some, data_dir=tmp_path)
    assert 2 not in set(catalogue.members["flag"])
    assert (catalogue.frame["n_rv"] > 0).all()
    assert NOTE not in catalogue.notes


def test_an_error_of_a_velocity_that_is_not_there_is_refused(inputs: Path):
    with pytest.raises(ConfigError, match="rv: missing"):
        compute(settings(FEH, {"rv_error": "rv_err"}), data_dir=inputs)


def test_a_reference_without_velocities_is_refused(inputs: Path):
    reference = settings(FEH)["survey"]
    with pytest.raises(ConfigError, match="rv is missing"):
        compute(settings(RV, FEH, zero_point={"reference": reference}), data_dir=inputs)
