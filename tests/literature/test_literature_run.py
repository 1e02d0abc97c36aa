"""``melotte compare`` and the names ``melotte show`` takes, on files."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from melotte.cli import main
from melotte.core.randomness import Streams
from melotte.literature import compare, load_resolver, open_listing
from melotte.publish import read_table, update_outputs
from melotte.schema import CATALOGUE, MEMBER_STARS
from melotte.schema.literature import COMPARISON, LEDGER, OFFSETS, PROBLEMS
from melotte.validation.demonstration import CONFIG as DEMO
from melotte.validation.simulate import SimulationSettings, simulate
from melotte.workflow.delivery import deliver, read_back
from melotte.workflow.pipeline import compute
from melotte.workflow.standalone.compare import run_compare

#: Columns of Zhong et al. 2020 that its record names; the numbers are invented.
HEADER = "Cluster,RA_ICRS,DE_ICRS,pmRA*,pmDE,RV,e_RV,o_RV,[Fe/H],e_[Fe/H],o_[Fe/H]"
DIAS = "Cluster,RA_ICRS,DE_ICRS,pmRA,pmDE,Plx,r50,RV,e_RV,NRV,[Fe/H],e_[Fe/H]"


def status(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return int(end.value.code or 0)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MELOTTE_DATA_DIR", raising=False)
    folder = tmp_path / "data" / "clusters"
    folder.mkdir(parents=True)
    zhong = [f"NGC_900{i},{10 + 20 * i},{5 * i},{i},-{i},{i}.5,1,{i},-0.{i},0.1,{i}" for i in range(1, 8)]
    (folder / "zhong2020.csv").write_text("\n".join([HEADER, *zhong]))
    # One motion is another one's, one velocity far off.
    dias = [
        f"NGC_900{i},{10 + 20 * i},{5 * i},{40 if i == 7 else i},-{i},0.5,0.2,{i + (50 if i == 2 else 0)},0.5,{i},0,0.1"
        for i in range(1, 8)
    ]
    (folder / "dias2021.csv").write_text("\n".join([DIAS, *dias]))
    return tmp_path / "data"


def test_two_catalogues_of_the_literature(mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    line = ["compare", "zhong2020", "--with", "dias2021", "--out", out, "--until", "2021-12-31", "--data-dir", mirror]
    assert status(*line) == 0
    shown = capsys.readouterr().out
    assert "zhong2020 - dias2021, rv: n = 6, median +0.50" in shown
    assert "1 outliers: NGC_9002 (-49.50)" in shown
    assert "different object: NGC_9007" in shown
    tables = out / "tables"
    compared = read_table(tables / "compared_rv_dias2021.parquet", COMPARISON)
    assert compared.filter("outlier")["cluster"].to_list() == ["NGC_9002"]
    offsets = read_table(tables / "literature_offsets.ecsv", OFFSETS)
    few = offsets.filter((pl.col("quantity") == "rv") & (pl.col("at_least") == 5)).row(0, named=True)
    assert (few["n"], few["median"]) == (2, 0.5)
    problems = read_table(tables / "literature_problems.fits", PROBLEMS)
    assert problems["kind"].to_list() == ["different object"]
    ledger = read_table(tables / "ledger_rv.parquet", LEDGER)
    assert ledger.height == 7
    # Table 1: value and error in one cell, theirs beside ours.
    tex = (tables / "known_rv.tex").read_text()
    assert r"NGC\_9001 & $1$ & $1.50 \pm 1.00$ & $1.00 \pm 0.50$ & $1$ \\" in tex
    # The other one is a different object, and what is missing of the literature is said.
    row = ledger.filter(pl.col("cluster") == "NGC_9007").row(0, named=True)
    assert row["status"] == "near miss"
    assert "same name, different object" in row["near_miss"]
    assert row["search_date"] == "2021-12-31"
    assert "dias2021 (2021-06)" in row["searched"]
    assert "not on this machine" in row["hangs_on"]


def test_tables_4_and_5_in_print(mirror: Path, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text("[literature]\nfew = 6\n")
    _, files = run_compare(
        "zhong2020", ["dias2021"], out=tmp_path / "out", until=dt.date(2020, 12, 31), config=tmp_path / "my.toml",
        data_dir=mirror,
    )  # fmt: skip
    rows = {}
    for stem in ("first_feh", "first_feh_few"):
        path = next(p for p in files if p.name == f"{stem}.tex")
        rows[stem] = sum(line.startswith("NGC") for line in path.read_text().splitlines())
    assert rows == {"first_feh": 2, "first_feh_few": 5}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["zhong2020", "--with", "dias2021"], "where do the results go"),
        (["nobody2020", "--with", "dias2021", "--out", "o"], "no literature catalogue is called 'nobody2020'"),
        (["zhong2020", "--with", "soubiran2018", "--out", "o"], "not on this machine"),
    ],
)
def test_what_cannot_be_compared_ends_in_status_2(
    arguments: list[str], message: str, mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(tmp_path / "o") if a == "o" else a for a in arguments]
    assert status("compare", *arguments, "--data-dir", mirror) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "o").exists()


# --- melotte show ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def praesepe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of simulated clusters, the largest of which is called NGC_2632."""
    inputs, out = tmp_path_factory.mktemp("inputs"), tmp_path_factory.mktemp("run")
    simulate(SimulationSettings(n_clusters=3, n_field_spectra=50), Streams(5)).write(inputs)
    catalogue = compute(DEMO | {"figures": {"largest": 0, "formats": ["png"]}}, data_dir=inputs, jobs=1)
    deliver(catalogue, out)
    largest = catalogue.largest(1)[0]
    files = [out / "clusters.parquet", out / "members.parquet"]
    for path, schema in zip(files, (CATALOGUE, MEMBER_STARS), strict=True):
        table = read_table(path, schema)
        table.with_columns(pl.col("cluster").replace(largest, "NGC_2632")).write_parquet(path)
    update_outputs(out / "provenance.json", files, note="a cluster was renamed")
    return out


def test_show_takes_any_name(praesepe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalogue = read_back(praesepe)
    for query in ("NGC 2632", "Praesepe", "M44", "ngc_2632", "Cl Melotte 88"):
        assert catalogue[query].name == "NGC_2632"
    assert status("show", "Cl Melotte 88", "--out", praesepe) == 0
    assert capsys.readouterr().out.startswith("NGC_2632")
    assert status("show", "M 45", "--out", praesepe) == 2
    assert "is not among the 3 clusters" in " ".join(capsys.readouterr().err.split())


# --- Fig. 7 ----------------------------------------------------------------------------------------------------


@pytest.mark.real_data
def test_the_caption_of_figure_7_counts_clusters_that_are_not_in_it(data_dir: Path) -> None:
    """92 squares and 75 crosses are counted over all 226 clusters in common, with [Fe/H] or without."""
    resolver = load_resolver(data_dir=data_dir)
    ours = open_listing("fu2022", resolver, data_dir=data_dir)
    ours = ours.with_astrometry(open_listing("cantat2020", resolver, data_dir=data_dir), resolver)
    zhong = open_listing("zhong2020", resolver, data_dir=data_dir)
    in_common = compare(ours, zhong, "rv", resolver).frame
    counts = in_common.select("cluster", "other")
    for name, key, column in (("fu2022", "cluster", "Nflag12"), ("zhong2020", "other", "o_[Fe/H]")):
        raw = pl.read_csv(data_dir / "clusters" / f"{name}.csv", infer_schema_length=None)
        counts = counts.join(raw.select(pl.col("Cluster").alias(key), pl.col(column).fill_null(0)), on=key)
    assert counts.height == 226
    assert counts.filter(pl.col("Nflag12") < 3).height == 92
    assert counts.filter(pl.col("o_[Fe/H]") < 3).height == 75
    # Of the 206 that the figure shows:
    drawn = compare(ours, zhong, "feh", resolver).frame
    assert drawn.height == 206
    assert drawn.filter(pl.col("ours_n") < 3).height == 72
    assert drawn.filter(pl.col("theirs_n") < 3).height == 57
