"""``melotte zeropoints``: surveys of invented and of real stars on one scale; the settings behind it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from melotte.cli import main
from melotte.config import LiteratureConfig, ZeroPointsConfig
from melotte.errors import EmptyResultError, MelotteError
from melotte.figures import survey_matrix
from melotte.literature import CompareSettings, LedgerSettings, SolveSettings
from melotte.literature.settings import compare_settings, ledger_settings, solve_settings
from melotte.publish import read_table
from melotte.schema.literature import SOLUTIONS, SURVEY_PAIRS
from melotte.workflow.standalone.zero_points import run_zero_points, zero_points

OFFSETS = {"one": 4.0, "two": -1.5, "three": 0.0}


def simulated(*, shared: bool = True) -> dict[str, pl.DataFrame]:
    """Stars of 12 clusters in three surveys; ``shared``: every third star is in all of them."""
    rng = np.random.default_rng(8)
    rows: dict[str, list[tuple[str, int, float]]] = {name: [] for name in OFFSETS}
    for number, velocity in enumerate(rng.normal(0, 30, 12)):
        for star in range(60):
            names = list(OFFSETS) if shared and star % 3 == 0 else [list(OFFSETS)[star // 3 % 3]]
            for name in names:
                rv = velocity + OFFSETS[name] + rng.normal(0, 0.8)
                rows[name].append((f"Melotte {number}", 1000 * number + star, rv))
    return {
        name: pl.DataFrame(
            {
                "cluster": [r[0] for r in stars],
                "source_id": [r[1] for r in stars],
                "gaia_release": ["DR3"] * len(stars),
                "rv": [r[2] for r in stars],
                "rv_error": [0.8] * len(stars),
            }
        )
        for name, stars in rows.items()
    }


def test_the_defaults_of_the_sections_are_those_of_the_functions() -> None:
    assert compare_settings(LiteratureConfig()) == CompareSettings()
    assert ledger_settings(LiteratureConfig()) == LedgerSettings()
    assert solve_settings(ZeroPointsConfig()) == SolveSettings()


def test_stars_clusters_and_both_find_the_offsets() -> None:
    found = zero_points(simulated(), reference="three")
    assert list(found.networks) == ["stars", "clusters", "together"]
    SOLUTIONS.validate(found.frame)
    for row in found.frame.filter(pl.col("survey") != "three").iter_rows(named=True):
        assert abs(row["zero_point"] + OFFSETS[row["survey"]]) < 4 * row["zero_point_error"]
        assert row["zero_point_error"] < 0.3
    errors = {
        name: found.frame.filter((pl.col("made_from") == name) & (pl.col("survey") == "one"))["zero_point_error"][0]
        for name in found.networks
    }
    assert errors["together"] < min(errors["stars"], errors["clusters"])
    assert set(found.pairs["kind"]) == {"star", "cluster"}
    text = found.summary()
    assert "0 (reference)" in text
    assert "one - two" in text


def test_without_common_stars_the_clusters_speak_and_it_is_said() -> None:
    found = zero_points(simulated(shared=False), reference="three")
    assert list(found.networks) == ["clusters", "together"]
    assert found.notes == ("no two surveys have stars in common",)
    assert found.networks["together"].frame.equals(found.networks["clusters"].frame)


def test_nothing_in_common_and_unknown_references_are_errors() -> None:
    stars = simulated(shared=False)
    apart = {"one": stars["one"], "two": stars["two"].with_columns(pl.col("cluster") + " b")}
    with pytest.raises(EmptyResultError):
        zero_points(apart, reference="one")
    with pytest.raises(MelotteError, match="not among the surveys"):
        zero_points(stars, reference="four")


def test_the_matrix_has_stars_below_and_clusters_above() -> None:
    network = zero_points(simulated(), reference="three").networks["together"]
    ax = survey_matrix(network).axes[0]
    texts = {(round(t.get_position()[0]), round(t.get_position()[1]), t.get_text()) for t in ax.texts}
    counts = {(x, y): text for x, y, text in texts if text.endswith(("stars", "clusters"))}
    assert all(("stars" in text) == (y > x) for (x, y), text in counts.items())
    assert len(counts) == 6
    direct = network.pairs.filter((pl.col("first") == "one") & (pl.col("second") == "two") & (pl.col("kind") == "star"))
    # Row minus column: below the diagonal the later survey minus the earlier one.
    shown = f"{-direct['median'][0]:+.2f} ± {direct['median_error'][0]:.2f}".replace("-", "−")
    assert (0, 1, shown) in texts


@pytest.mark.parametrize("reference", ["nobody", ""])
def test_a_section_with_a_wrong_reference_is_refused(
    reference: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my.toml").write_text(f'[zero_points]\nreference = "{reference}"\n')
    with pytest.raises(SystemExit) as end:
        main(["zeropoints", "--config", str(tmp_path / "my.toml"), "--out", str(tmp_path / "out")])
    assert end.value.code == 2
    assert "is none of LAMOST LRS" in " ".join(capsys.readouterr().err.split())


@pytest.mark.real_data
def test_the_bundled_surveys(data_dir: Path, tmp_path: Path) -> None:
    """Relative to Gaia DR3, of which Fu et al. 2022 find LAMOST LRS 4.66 km/s short (median, more stars)."""
    found, _ = run_zero_points(tmp_path, data_dir=data_dir, progress=lambda *_: None)
    solutions = read_table(tmp_path / "tables" / "zero_points.parquet", SOLUTIONS)
    rows = {(r["made_from"], r["survey"]): r for r in solutions.iter_rows(named=True)}
    for survey, value, error in (
        ("LAMOST LRS", 3.74, 0.19),
        ("LAMOST MRS", -0.40, 0.11),
        ("BOSS", -2.40, 0.17),
        ("APOGEE", -0.77, 0.10),
    ):
        row = rows["together", survey]
        assert row["zero_point"] == pytest.approx(value, abs=0.01)
        assert row["zero_point_error"] == pytest.approx(error, abs=0.01)
        one, two = rows["stars", survey], rows["clusters", survey]
        combined = np.hypot(one["zero_point_error"], two["zero_point_error"])
        assert abs(one["zero_point"] - two["zero_point"]) < 3 * combined
    pairs = read_table(tmp_path / "tables" / "survey_pairs.ecsv", SURVEY_PAIRS)
    # The one pair that contradicts the solution, and the summary says so.
    against = pairs.filter(pl.col("tension").abs() > 3)
    assert against.select("first", "second", "kind").rows() == [("LAMOST LRS", "BOSS", "star")]
    assert found.summary().count("contradicts it") == 1
