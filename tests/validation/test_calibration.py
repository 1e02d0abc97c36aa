"""The calibration suite: its arithmetic, its simulated surveys, the command; and what it finds (slow)."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from scipy.stats import binomtest

from melotte.cli import main
from melotte.publish import read_table
from melotte.validation.calibration import (
    COVERAGE,
    SELECTION,
    CalibrationConfig,
    coverage_table,
    measure,
    selection_table,
)
from melotte.validation.calibration.tables import bin_labels
from melotte.validation.simulate import SimulationSettings

SMALL = SimulationSettings(n_clusters=8, n_field_spectra=0, eccentric=True, max_members=40)


def status(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return int(end.value.code or 0)


class TestTables:
    VALUES = pl.DataFrame(
        {
            "survey": ["one"] * 4 + ["two"] * 2,
            "cluster": list("abcdef"),
            "statistic": ["RV"] * 6,
            "unit": ["km / s"] * 6,
            "n_stars": pl.Series([1, 1, 2, 9, 3, 3], dtype=pl.Int32),
            "value": [1.0, 2.0, 3.0, 10.0, 0.0, 1.0],
            "low": [0.5, 1.5, 2.5, 9.5, -1.0, 0.0],
            "high": [1.5, 2.5, 3.5, 10.5, 1.0, 2.0],
            "truth": [1.0, 3.0, 3.5, 9.0, 0.5, 3.0],
        }
    )

    def row(self, survey: str, stars: str) -> dict[str, object]:
        table = coverage_table(self.VALUES, (1, 2, 3))
        return table.row(by_predicate=(pl.col("survey") == survey) & (pl.col("stars") == stars), named=True)

    def test_counts_and_coverage(self):
        everything = self.row("all", "all")
        assert everything["n_clusters"] == 6
        assert everything["coverage"] == pytest.approx(3 / 6)  # a, c (on the limit) and e
        assert self.row("one", "1")["coverage"] == pytest.approx(1 / 2)
        assert self.row("all", "3+")["n_clusters"] == 3
        assert self.row("two", "3+")["bias"] == pytest.approx((-0.5 - 2.0) / 2)
        assert everything["half_width"] == pytest.approx(0.5)
        assert everything["unit"] == "km / s"

    def test_interval_of_the_coverage(self):
        """Independent: scipy's Wilson interval."""
        found = self.row("all", "all")
        wanted = binomtest(3, 6).proportion_ci(0.95, method="wilson")
        assert (found["coverage_low"], found["coverage_high"]) == pytest.approx((wanted.low, wanted.high), abs=1e-6)

    def test_bins(self):
        assert bin_labels((1, 2, 3, 6, 11)) == ["1", "2", "3-5", "6-10", "11+"]
        assert "" not in coverage_table(self.VALUES, (2, 5))["stars"].to_list()

    def test_selection(self):
        stars = pl.DataFrame(
            {
                "survey": ["one"] * 5,
                "cluster": ["a"] * 5,
                "n_stars": pl.Series([5] * 5, dtype=pl.Int32),
                "field": [True, True, False, False, False],
                "binary": [False, False, True, False, False],
                "by_clip": [True, False, False, True, True],
                "probability": [0.1, 0.6, 0.9, 0.9, 0.4],
            }
        )
        table = selection_table(stars, (1,), least=0.5)
        clip, model = (table.filter((pl.col("rule") == r) & (pl.col("survey") == "one")) for r in ("clip", "model"))
        row = clip.row(0, named=True)
        assert (row["n_members"], row["n_field"]) == (3, 2)
        assert row["completeness"] == pytest.approx(2 / 3)
        assert row["purity"] == pytest.approx(2 / 3)
        assert row["rejected"] == pytest.approx(1 / 2)
        assert row["binaries_kept"] == 0.0
        assert model.row(0, named=True)["purity"] == pytest.approx(2 / 3)
        assert model.row(0, named=True)["binaries_kept"] == 1.0


class TestMeasure:
    @pytest.fixture(scope="class")
    @staticmethod
    def measured():
        return measure("small", SMALL, seed=3)

    def test_values_stand_beside_their_truth(self, measured):
        values = measured.values
        assert set(values["statistic"]) >= {"RV median of the clip", "RV of the model", "[Fe/H] of the model"}
        rv = values.filter(pl.col("statistic") == "RV of the model")
        # In the survey's own frame: without the zero point of -4.7 km/s the differences would be about that.
        assert abs((rv["value"] - rv["truth"]).median()) < 3.0
        assert (rv["low"] < rv["high"]).all()
        assert rv["n_stars"].sum() == measured.stars.height

    def test_the_same_seed_gives_the_same(self, measured):
        again = measure("small", SMALL, seed=3, jobs=1)
        assert again.values.equals(measured.values)
        assert again.stars.equals(measured.stars)
        assert not measure("other", SMALL, seed=3).values["truth"].equals(measured.values["truth"])

    def test_settings_reach_the_pipeline(self, measured):
        wide = measure("small", SMALL, seed=3, sections={"velocity": {"clip": "9 sigma"}})
        assert wide.stars["by_clip"].sum() > measured.stars["by_clip"].sum()


def test_the_surveys_differ_from_the_first_in_what_their_name_says():
    surveys = CalibrationConfig().surveys()
    assert len(surveys) * 280 > 2000  # some clusters lie outside, or have no star with a velocity
    assert surveys["30% field stars"].field_fraction == 0.3
    assert surveys["circular orbits"].eccentric is False
    assert surveys["S/N x 2"].snr_shift_dex == 0.3


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = tmp_path / "small.toml"
    config.write_text(
        "[calibration]\nclusters = 6\nmax_members = 30\nsnr = []\nbinaries = []\nplate_offset = []\nhidden_error = []\n"
        "contamination = [0.3]\ncircular = false\n[velocity]\ndraws = 200\n",
        encoding="utf-8",
    )
    out = tmp_path / "out"
    assert status("calibrate", out, "--config", config) == 0
    text = capsys.readouterr().out
    assert "SIMULATED DATA" in text
    assert "RV of the model" in text
    covered = read_table(out / "coverage.fits", COVERAGE)
    assert covered["survey"].unique().sort().to_list() == ["30% field stars", "all", "standard"]
    assert read_table(out / "selection.ecsv", SELECTION).height > 0
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Calibration on simulated clusters" in page
    assert "30% field stars" in page
    for stem in ("coverage_stars", "coverage_surveys", "selection"):
        assert (out / "figures" / f"{stem}.png").is_file()


def test_a_wrong_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = tmp_path / "wrong.toml"
    config.write_text("[calibration]\nstar_bins = [3, 1]\n", encoding="utf-8")
    assert status("calibrate", tmp_path / "out", "--config", config) == 2
    assert "star_bins must increase" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_intervals_of_the_model_cover():
    """Over 2,000 simulated clusters or more the 68 % intervals of RV and [Fe/H] cover 65-71 %."""
    settings = CalibrationConfig()
    measured = [measure(name, survey, seed=settings.seed) for name, survey in settings.surveys().items()]
    table = coverage_table(pl.concat(m.values for m in measured), settings.star_bins)
    everything = table.filter((pl.col("survey") == "all") & (pl.col("stars") == "all"))
    for statistic in ("RV of the model", "[Fe/H] of the model"):
        row = everything.row(by_predicate=pl.col("statistic") == statistic, named=True)
        assert row["n_clusters"] >= 2000
        assert 0.65 <= row["coverage"] <= 0.71
        assert abs(row["bias"]) < 3 * row["bias_error"]
