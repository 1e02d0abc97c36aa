"""The example configurations on the published catalogues: what a user gets, against what was published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from melotte import config, publish
from melotte.catalogue.catalogue import Catalogue
from melotte.catalogue.store import LOCK
from melotte.cli import main
from melotte.schema import CATALOGUE, DYNAMICS, MEMBER_STARS
from melotte.workflow.pipeline import compute

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SURVEYS = ("lamost_lrs", "boss", "apogee", "gaia_rvs")


@pytest.fixture(scope="module")
def lamost(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``melotte run examples/lamost_lrs.toml``, as a user types it."""
    out = tmp_path_factory.mktemp("lamost")
    with pytest.raises(SystemExit) as end:
        main(["run", str(EXAMPLES / "lamost_lrs.toml"), "--data-dir", str(data_dir), "--out", str(out)])
    assert end.value.code == 0
    return out


@pytest.fixture(scope="module")
def catalogues(data_dir: Path) -> dict[str, Catalogue]:
    return {name: compute(without_orbits(name), data_dir=data_dir) for name in SURVEYS}


def without_orbits(name: str) -> dict[str, Any]:
    """An example without its [galaxy] section."""
    settings = config.load(EXAMPLES / f"{name}.toml").resolved()
    del settings["galaxy"]
    return settings


def test_all_products_are_there(lamost: Path):
    expected = {
        f"{table}.{ending}"
        for table in ("clusters", "members", "orbits", "snapshots")
        for ending in ("parquet", "fits", "vot", "ecsv")
    }
    expected |= {"report.html", "provenance.json", "CITATION", "figures", "tables", "stages", LOCK}
    assert {p.name for p in lamost.iterdir()} == expected
    for stem in ("sky", "overview", "zero_point", "NGC_2682_rv", "NGC_2682_kiel", "NGC_2682_cmd", "NGC_752_rv"):
        assert (lamost / "figures" / f"{stem}.pdf").read_bytes()[:5] == b"%PDF-"
        assert (lamost / "figures" / f"{stem}.png").stat().st_size > 10_000


def test_every_format_holds_the_same_tables(lamost: Path):
    for stem, schema in (("clusters", CATALOGUE), ("members", MEMBER_STARS)):
        frames = [publish.read_table(lamost / f"{stem}.{e}", schema) for e in ("parquet", "fits", "vot", "ecsv")]
        assert all(frame.equals(frames[0]) for frame in frames[1:])


def test_orbits_of_the_run(lamost: Path):
    """Every cluster with a distance has an orbit; M 67 is a thin-disc cluster (Fu et al. 2022: R_GC 8.9, L_Z > 0)."""
    orbits = publish.read_table(lamost / "orbits.parquet", DYNAMICS)
    assert orbits.height == 15
    assert orbits["l_z"].null_count() == 0
    m67 = orbits.row(by_predicate=pl.col("cluster") == "NGC_2682", named=True)
    assert m67["r_gc"] == pytest.approx(8.9, abs=0.1)
    assert m67["r_peri"] < m67["r_gc"] < m67["r_apo"]
    assert m67["l_z_p16"] < m67["l_z"] < m67["l_z_p84"]


def test_against_the_published_catalogue(lamost: Path, data_dir: Path):
    """Fu et al. 2022, VizieR J/A+A/668/A4: RV_med within 2 sigma + 1 km/s, [Fe/H]_med within 0.08 dex, N >= 5."""
    published = pl.read_csv(data_dir / "clusters" / "fu2022.csv", null_values=["nan"])
    ours = publish.read_table(lamost / "clusters.parquet", CATALOGUE).filter(pl.col("n_rv") >= 5)
    both = ours.join(published, left_on="cluster", right_on="Cluster")
    assert both.height >= 11
    limit = 2 * np.hypot(both["rv_med_error"], both["e_RVmed"]) + 1.0
    assert ((both["rv_med"] - both["RVmed"]).abs() <= limit).all()
    difference = (both["feh_med"] - both["[Fe/H]med"]).abs()
    assert difference.null_count() == 0
    assert difference.max() <= 0.08


def test_every_row_is_accounted_for(catalogues: dict[str, Catalogue]):
    for catalogue in catalogues.values():
        steps = {step.name: step for step in catalogue.steps}
        reading = next(step for name, step in steps.items() if name.startswith("reading"))
        assert steps["cross-match"].came_in == reading.went_on
        assert steps["velocity selection"].went_on == catalogue.members.filter(pl.col("flag") >= 1).height
        assert steps["metallicity selection"].came_in == steps["velocity selection"].went_on
        assert steps["metallicity selection"].went_on == catalogue.members.filter(pl.col("flag") == 12).height
        assert catalogue.members["reason"].str.len_chars().min() > 10


@pytest.mark.parametrize("reference", ["gaia_rvs", "apogee"])
def test_lamost_zero_point(data_dir: Path, reference: str):
    """LAMOST lies 4 to 5 km/s low (Fu et al. 2022, Sect. 2.1, footnote 2), star by star, against either survey."""
    settings = without_orbits("lamost_lrs")
    settings["zero_point"]["reference"] = config.load(EXAMPLES / f"{reference}.toml").resolved()["survey"]
    zero = compute(settings, data_dir=data_dir).zero_point
    assert zero is not None
    assert zero["n"] >= 30
    assert 4.0 - zero["error"] <= zero["median"] <= 5.0 + zero["error"]


def test_cluster_velocities_of_four_surveys_agree_but_for_their_zero_points(catalogues: dict[str, Catalogue]):
    """M 67, in all four: within 3 sigma of APOGEE once the zero point against Gaia is applied where it matters."""
    rows = {name: catalogue["NGC 2682"].row for name, catalogue in catalogues.items()}
    apogee = rows["apogee"]["rv_med"]
    assert apogee == pytest.approx(33.9, abs=0.5)  # 33.92 km/s: Geller et al. 2015, AJ 150, 97
    assert -5.5 < rows["lamost_lrs"]["rv_med"] - apogee < -3.5
    assert rows["lamost_lrs"]["rv_corrected"] == pytest.approx(apogee, abs=3 * rows["lamost_lrs"]["rv_corrected_error"])
    assert rows["gaia_rvs"]["rv_med"] == pytest.approx(apogee, abs=3 * rows["gaia_rvs"]["rv_med_error"])
    # BOSS is 1 to 4 km/s high in most clusters.
    assert 0.0 < rows["boss"]["rv_med"] - apogee < 3.0


def test_the_surveys_differ_only_in_the_survey_section():
    settings = [config.load(EXAMPLES / f"{name}.toml").model_dump(exclude={"survey"}) for name in SURVEYS]
    assert all(other == settings[0] for other in settings[1:])


def test_boss_constant_error_is_reported(catalogues: dict[str, Catalogue]):
    assert any("0.01 dex in all" in note for note in catalogues["boss"].notes)
    used = catalogues["boss"].members.filter(pl.col("flag") == 12)
    assert used.height > 500
    assert (used["feh_error"] > 0.02).all()


@pytest.mark.parametrize("name", ["M 67", "M67", "ngc_2682", "Cl NGC 2682"])
def test_show_knows_every_name(lamost: Path, data_dir: Path, name: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        main(["show", name, "--out", str(lamost), "--data-dir", str(data_dir)])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("NGC_2682")


def test_compare_with_the_literature(lamost: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]):
    """LAMOST lies 4 to 5 km/s below Dias et al. 2021 in the same clusters, within the error of the median."""
    with pytest.raises(SystemExit) as end:
        main(["compare", str(lamost), "--with", "dias2021", "--until", "2022-08-01", "--data-dir", str(data_dir)])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert "this work - dias2021, rv: n = 12" in shown
    assert "0 first determinations" in shown
    assert (lamost / "figures" / "literature_rv.pdf").is_file()
    assert pl.read_parquet(lamost / "tables" / "known_rv.parquet").height == 12  # those in Dias et al.
