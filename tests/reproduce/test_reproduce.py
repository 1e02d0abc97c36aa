"""The judge, the published numbers, and the paper's own member table, without any published catalogue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melotte.cli import main
from melotte.errors import ConfigError, DatasetError, MelotteError, SchemaError
from melotte.reproduce import members
from melotte.reproduce.causes import CAUSES
from melotte.reproduce.inputs import NEEDED, locate_all
from melotte.reproduce.judge import (
    AGREES,
    DIFFERS,
    NOT_COMPUTABLE,
    UNEXPLAINED,
    Explanation,
    Finding,
    judge,
    missing,
    table,
)
from melotte.reproduce.metallicity import ARM_NOISE, MEDIAN_NOISE, SKEW_NOISE, WIDTH_NOISE, noise_of_table6
from melotte.reproduce.numbers import Published, new_clusters, published
from melotte.reproduce.settings import ReproduceConfig, Tolerances
from melotte.reproduce.summary import screen

TOLERANCES = Tolerances()


def number(text: str, kind: str, error: str = "") -> Published:
    return Published(id="x", where="Sect. 1", quantity="something", text=text, error=error, kind=kind)


# --- the published numbers -------------------------------------------------------------------------------------


def test_tables_of_new_clusters_have_the_published_length() -> None:
    """Tables 2, 4, 5: 44, 63, 74 clusters (Sects. 3.1.2, 3.2.2); no name twice, none in both Table 4 and 5."""
    names = {t: new_clusters(t) for t in (2, 4, 5)}
    assert {t: len(set(n)) for t, n in names.items()} == {2: 44, 4: 63, 5: 74}
    assert not set(names[4]) & set(names[5])


def test_the_numbers_of_the_paper_add_up() -> None:
    n = {key: p.value for key, p in published().items()}
    assert n["clusters.many"] + n["clusters.one"] == n["clusters"]
    assert n["rv.known"] + n["rv.first"] == n["clusters"]
    assert n["feh.known"] + n["feh.first"] == n["feh.clusters"]
    assert n["feh.first.3"] + n["feh.first.1"] == n["feh.first"]
    assert sum(n[f"dr8.{t}"] for t in "afgk") == n["dr8.afgk"]
    # Table 6: three coefficients with two arms, for six groups and three predictors.
    assert sum(key.startswith("t6.") for key in n) == 3 * 3 * 6 * 3


def test_table6_as_it_stands_in_the_paper() -> None:
    """Spot checks against the printed table, digits included."""
    n = published()
    assert (n["t6.2-4.rgc.b"].text, n["t6.2-4.rgc.b.up"].text, n["t6.2-4.rgc.b.down"].text) == (
        "-0.143",
        "0.090",
        "0.090",
    )
    assert (n["t6.>4.energy.c"].text, n["t6.>4.energy.c.down"].text) == ("12.331", "20.830")
    assert (n["t6.0.1-0.5.lz.a"].text, n["t6.<0.1.rgc.c"].text) == ("-0.215", "-0.027")
    assert n["t6.1-2.lz.b"].uncertainty == pytest.approx((1.053 + 0.765) / 2)


def test_a_wrong_number_is_refused() -> None:
    with pytest.raises(ValueError, match="whole number"):
        number("1.5", "count")
    with pytest.raises(ValueError, match="text"):
        number("about 3", "about")


# --- the judge -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "ours", "verdict"),
    [
        ("386", "count", 386.0, AGREES),
        ("386", "count", 385.0, DIFFERS),
        ("0.85", "printed", 0.8549, AGREES),
        ("0.85", "printed", 0.8551, DIFFERS),
        ("900", "about", 859.0, AGREES),  # to the hundred
        ("900", "about", 780.0, DIFFERS),
        ("0.4", "about", 0.49, AGREES),
        ("0.4", "about", 0.51, DIFFERS),
        ("76", "printed", 75.6, AGREES),
    ],
)
def test_tolerance_by_kind(text: str, kind: str, ours: float, verdict: str) -> None:
    assert judge(number(text, kind), Finding("x", ours), TOLERANCES)["verdict"] == verdict


def test_an_estimate_is_judged_by_both_errors() -> None:
    theirs = number("10.0", "estimate", error="3.0")
    row = judge(theirs, Finding("x", 19.9, error=4.0), TOLERANCES)
    assert (row["scale"], row["verdict"]) == (5.0, AGREES)
    assert judge(theirs, Finding("x", 20.1, error=4.0), TOLERANCES)["verdict"] == DIFFERS
    with pytest.raises(MelotteError, match="no error"):
        judge(number("10.0", "estimate"), Finding("x", 1.0), TOLERANCES)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_value_that_is_no_number_is_no_result(bad: float) -> None:
    with pytest.raises(MelotteError, match="finite"):
        judge(number("1.0", "printed"), Finding("x", bad), TOLERANCES)


def test_a_cause_is_named_only_if_its_test_holds() -> None:
    first, second = Explanation("placeholders counted", False, "a"), Explanation("fewer stars", True, "b")
    row = judge(number("5", "count"), Finding("x", 4.0, explanations=[first, second], note="c"), TOLERANCES)
    assert (row["cause"], row["evidence"]) == ("fewer stars", "b; c")
    row = judge(number("5", "count"), Finding("x", 4.0, explanations=[first]), TOLERANCES)
    assert (row["cause"], row["evidence"]) == (UNEXPLAINED, "a")
    row = judge(number("5", "count"), Finding("x", 5.0, explanations=[second]), TOLERANCES)
    assert row.get("cause") is None


@given(
    text=st.decimals(-1000, 1000, places=2, allow_nan=False),
    ours=st.floats(-2000, 2000),
    error=st.floats(0.01, 10),
    kind=st.sampled_from(["count", "printed", "about", "estimate"]),
)
def test_the_verdict_follows_the_deviation(text: object, ours: float, error: float, kind: str) -> None:
    printed = str(text).partition(".")[0] if kind == "count" else str(text)
    row = judge(number(printed, kind), Finding("x", ours, error=error), TOLERANCES)
    assert row["deviation"] * row["scale"] == pytest.approx(row["difference"], abs=1e-9)
    assert (abs(row["deviation"]) <= row["tolerance"] * (1 + 1e-9)) == (row["verdict"] == AGREES)
    assert (row["verdict"] == DIFFERS) == (row.get("cause") is not None)


def test_every_number_gets_one_row() -> None:
    numbers = [number("5", "count"), Published(id="y", where="-", quantity="q", text="1.0", kind="printed")]
    frame = table(numbers, [Finding("x", 5.0, "a")], TOLERANCES, absent="not at hand")
    assert frame["verdict"].to_list() == [AGREES, NOT_COMPUTABLE]
    assert frame["cause"].to_list() == [None, "not at hand"]
    with pytest.raises(MelotteError, match="no number"):
        table(numbers, [Finding("z", 1.0)], TOLERANCES, absent="")
    with pytest.raises(MelotteError, match="second one"):
        table(numbers, [Finding("x", 1.0), missing("x", "")], TOLERANCES, absent="")


def test_the_screen_counts_what_it_lists() -> None:
    numbers = [Published(id=f"t6.{k}", where="Table 6", quantity="q", text=str(k), kind="count") for k in range(9)]
    found = [Finding(f"t6.{k}", float(k + (k > 5))) for k in range(8)]
    frame = table(numbers, found, TOLERANCES, absent="not at hand")
    text = screen(frame, Path("out"), 3.0)
    line = next(x for x in text.splitlines() if x.startswith("Table 6"))
    assert line.split()[2:] == ["8", "6", "2", "2", "1"]
    assert UNEXPLAINED in CAUSES


# --- sampling noise of Table 6 ---------------------------------------------------------------------------------


def test_noise_of_percentiles() -> None:
    """The four constants, from samples of 300 draws of a Gaussian."""
    draws = np.random.default_rng(1).standard_normal((20_000, 300))
    low, middle, high = np.percentile(draws, [15.8655, 50, 84.1345], axis=1)
    up, down = high - middle, middle - low
    root = np.sqrt(300)
    assert np.std(middle) * root == pytest.approx(MEDIAN_NOISE, rel=0.02)
    assert np.std(up) * root == pytest.approx(ARM_NOISE, rel=0.02)
    assert np.std((up + down) / 2) * root == pytest.approx(WIDTH_NOISE, rel=0.02)
    assert np.std((up - down) / (up + down)) * root == pytest.approx(SKEW_NOISE, rel=0.02)


def test_noise_of_the_published_table_by_itself() -> None:
    """Held against its own medians and widths only the asymmetry is left."""
    rows = {
        key: {"median": n.value, "sd": n.uncertainty}
        for key, n in published().items()
        if key.startswith("t6.") and key.endswith(".b")
    }
    shifted = {k: {"median": r["median"] + 0.1 * r["sd"], "sd": r["sd"]} for k, r in rows.items()}
    noise = noise_of_table6(shifted)
    assert noise.by_median == pytest.approx((MEDIAN_NOISE / 0.1) ** 2)
    assert noise.mean_width == pytest.approx(1.0)
    assert 100 < noise.by_skew < 1000


# --- missing inputs --------------------------------------------------------------------------------------------


def test_missing_datasets_are_named_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MELOTTE_DATA_DIR", raising=False)
    monkeypatch.setattr("melotte.datasets.find.cache_directory", lambda: tmp_path / "cache")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError) as caught:
        locate_all(tmp_path / "empty")
    for name in NEEDED:
        assert name in str(caught.value)
    assert "melotte fetch fu2022 cantat2020 " in str(caught.value)
    arguments = ["reproduce", "fu2022", "--data-dir", str(tmp_path / "empty"), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "melotte fetch" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_mistyped_mirror(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["reproduce", "fu2022", "--data-dir", str(tmp_path / "no"), "--out", str(tmp_path / "out")])
    assert stop.value.code == 2
    assert "no such directory" in capsys.readouterr().err


# --- the paper's member table ----------------------------------------------------------------------------------


def member_file(path: Path, *, rows: int = 7570, clusters: int = 386, **rename: str) -> Path:
    """A table of the form the adapter expects; the values are drawn."""
    rng = np.random.default_rng(5)
    names = {"rv_error": "e_RV", "feh": "[Fe/H]", "feh_error": "e_[Fe/H]"} | rename
    cluster = np.concatenate([np.arange(clusters), rng.integers(0, clusters, rows - clusters)])
    rv = rng.normal(0, 40, clusters)[cluster] + rng.normal(0, 5, rows)
    frame = pl.DataFrame(
        {
            "Cluster": [f"Fake_{k}" for k in cluster],
            "GaiaDR2": 10**17 + np.arange(rows) * 10**6 + 1,
            "RAdeg": rng.uniform(0, 360, rows),
            "DEdeg": rng.uniform(-7, 80, rows),
            "RV": rv.round(2),
            names["rv_error"]: rng.uniform(2, 10, rows).round(2),
            "Teff": rng.uniform(4500, 7000, rows).round(1),
            "logg": rng.uniform(2, 5, rows).round(2),
            names["feh"]: rng.normal(-0.1, 0.1, rows).round(3),
            names["feh_error"]: np.full(rows, 0.05),
            "Flag": rng.choice([0, 1, 12], rows),
            "S/N": rng.uniform(10, 200, rows).round(1),
        }
    )
    frame.write_csv(path)
    return path


def test_the_member_table_as_guessed(tmp_path: Path) -> None:
    found = members.open_members(member_file(tmp_path / "members.csv"))
    assert found.columns["source_id"] == "GaiaDR2"
    assert found.columns["feh_error"] == "e_[Fe/H]"
    assert "teff_error" not in found.columns
    config = members.member_config(found, 1)
    assert config.members.gaia_release == "DR2"
    assert config.survey.columns["snr"].column == "S/N"


def test_another_table_is_refused_with_the_list_found(tmp_path: Path) -> None:
    path = member_file(tmp_path / "members.csv", feh_error="sigma")
    with pytest.raises(SchemaError, match=r"no column for feh_error .*the file has: Cluster, GaiaDR2, .*sigma"):
        members.open_members(path)


@pytest.mark.parametrize(
    ("rows", "clusters", "problem"),
    [(7569, 386, "7,569 rows instead of 7,570"), (7570, 385, "385 clusters instead of 386")],
)
def test_wrong_rows_are_refused(tmp_path: Path, rows: int, clusters: int, problem: str) -> None:
    with pytest.raises(SchemaError, match=problem):
        members.open_members(member_file(tmp_path / "members.csv", rows=rows, clusters=clusters))


def test_strange_flags_are_refused(tmp_path: Path) -> None:
    path = member_file(tmp_path / "members.csv")
    frame = pl.read_csv(path)
    frame.with_columns(pl.when(pl.int_range(pl.len()) == 3).then(2).otherwise("Flag").alias("Flag")).write_csv(path)
    with pytest.raises(SchemaError, match=r"flags \[2\]"):
        members.open_members(path)


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = member_file(tmp_path / "members.csv", feh_error="sigma")
    text = (Path(members.__file__).parent / "data" / "members.toml").read_text(encoding="utf-8")
    mine = tmp_path / "columns.toml"
    mine.write_text(text.replace('"e_Fe/H"', '"sigma"'), encoding="utf-8")
    assert members.open_members(path, columns=mine).columns["feh_error"] == "sigma"
    mine.write_text(text.replace("feh_error", "feh_sigma"), encoding="utf-8")
    with pytest.raises(ConfigError, match="feh_error, feh_sigma"):
        members.member_map(mine)
    mine.write_text("rows = ", encoding="utf-8")
    with pytest.raises(ConfigError, match="not a map"):
        members.member_map(mine)


def test_without_the_dataset_there_is_no_member_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MELOTTE_DATA_DIR", raising=False)
    monkeypatch.setattr("melotte.datasets.find.cache_directory", lambda: tmp_path)
    assert members.find_members(None, columns=None, data_dir=None) is None
    (tmp_path / "surveys").mkdir()
    member_file(tmp_path / "surveys" / "fu2022_members.csv")
    found = members.find_members(None, columns=None, data_dir=None)
    assert found is not None
    assert found.path.name == "fu2022_members.csv"


def test_settings_refuse_what_they_do_not_know() -> None:
    with pytest.raises(ValueError, match="extra"):
        ReproduceConfig.model_validate({"sede": 1})
