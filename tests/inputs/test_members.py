"""Membership lists and cluster catalogues: the cut, stars of several clusters, releases, real files, bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from survey_files import write_csv, write_fits, write_parquet, write_votable

from melotte.config import ClustersConfig, MembersConfig
from melotte.errors import ConfigError, DatasetError, EmptyResultError, ReadError, SchemaError
from melotte.inputs.members import read_clusters, read_members
from melotte.literature import canonical
from melotte.schema import CLUSTERS, MEMBERS
from melotte.schema.result import Result

FIRST = 4_611_686_018_427_387_904  # 2**62: beyond what a float64 can count


def member_rows() -> dict[str, list[Any]]:
    return {
        "Cluster": ["A", "A", "A", "B", "B", "C"],
        "Source": [FIRST + 1, FIRST + 2, FIRST + 3, FIRST + 3, FIRST + 4, FIRST + 3],
        "ra": [10.0, 359.9, 360.0, 360.0, -0.1, 360.0],
        "dec": [1.0, 2.0, 3.0, 3.0, 4.0, 3.0],
        "pmra": [1.0, None, 1.0, 1.0, 1.0, 1.0],
        "pmdec": [1.0] * 6,
        "parallax": [2.0] * 6,
        "phot_g_mean_mag": [12.0] * 6,
        "PMemb": [0.7, 0.6, 0.9, 0.8, 1.0, 0.5],
    }


def members(path: Path, **more: Any) -> Result:
    return read_members(MembersConfig(**{"catalogue": "cantat2018", "file": str(path), **more}))


@pytest.mark.parametrize("form", [write_csv, write_fits, write_parquet, write_votable])
def test_members(tmp_path: Path, form: Any) -> None:
    rows = member_rows()
    rows["pmra"][1] = 1.0
    name = {write_csv: "m.csv.gz", write_fits: "m.fits", write_parquet: "m.parquet", write_votable: "m.vot"}[form]
    result = members(form(tmp_path / name, rows))
    frame = result.frame
    assert frame.columns == MEMBERS.names
    assert frame["cluster"].to_list() == ["A", "A", "B", "B"]
    assert frame["source_id"].to_list() == [FIRST + 1, FIRST + 3, FIRST + 3, FIRST + 4]
    assert frame["ra"].to_list() == [10.0, 0.0, 0.0, 359.9]
    # The third list has the shared star below the cut: it does not count.
    assert frame["n_clusters"].to_list() == [1, 2, 2, 1]
    assert set(frame["gaia_release"]) == {"DR2"}
    assert set(frame["ref_epoch"]) == {2015.5}
    assert result.steps[0].came_in == 6
    assert result.steps[0].lost == {"probability not >= 0.7": 2}
    assert result.rejected["row"].to_list() == [2, 6]
    assert "1 star is in more than one of 2 clusters" in result.notes[0]


def test_the_threshold_says_whether_it_passes(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "m.csv", member_rows())
    assert members(path, probability=">= 0.7").frame.height == 4
    assert members(path, probability="> 0.7").frame.height == 3


def test_a_single_precision_probability_is_what_it_says(tmp_path: Path) -> None:
    """0.7 stored in 32 bits is 0.69999999: still 0.7."""
    frame = pl.DataFrame(member_rows()).with_columns(pl.col("PMemb").cast(pl.Float32))
    assert frame["PMemb"][0] < 0.7
    frame.write_parquet(tmp_path / "m.parquet")
    assert members(tmp_path / "m.parquet").frame.height == 4
    assert members(tmp_path / "m.parquet", probability="> 0.7").frame.height == 3


@given(st.permutations(range(6)))
@settings(max_examples=10, deadline=None)
def test_order_does_not_matter(tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
    rows = {k: [v[i] for i in order] for k, v in member_rows().items()}
    frame = members(write_csv(tmp_path_factory.mktemp("m") / "m.csv", rows)).frame.sort("cluster", "source_id")
    expected = members(write_csv(tmp_path_factory.mktemp("m") / "m.csv", member_rows())).frame
    assert frame.equals(expected.sort("cluster", "source_id"))


def test_a_star_listed_twice_in_a_cluster(tmp_path: Path) -> None:
    rows = {k: [*v, v[0]] for k, v in member_rows().items()}
    result = members(write_csv(tmp_path / "m.csv", rows))
    assert result.frame.height == 4
    assert result.steps[0].lost["listed twice in the same cluster"] == 1
    assert result.frame["n_clusters"][0] == 1


def test_incomplete_rows_are_rejected(tmp_path: Path) -> None:
    rows = member_rows()
    rows["Source"][0], rows["Cluster"][2], rows["PMemb"][3] = 0, "", None
    result = members(write_csv(tmp_path / "m.csv", rows))
    assert result.steps[0].lost == {
        "no cluster name, source_id or position": 2,
        "probability not >= 0.7": 2,
        "no membership probability": 1,
    }


@pytest.mark.parametrize(
    ("catalogue", "names", "release", "epoch"),
    [
        ("cantat2020", "Cluster GaiaDR2 RA_ICRS DE_ICRS pmRA* pmDE plx Gmag proba", "DR2", 2015.5),
        ("hunt2023", "Name GaiaDR3 RA_ICRS DE_ICRS pmRA pmDE Plx Gmag Prob", "DR3", 2016.0),
        ("tarricq2022", " ".join(member_rows()), "DR3", 2016.0),
    ],
)
def test_column_names_of_the_catalogues(tmp_path: Path, catalogue: str, names: str, release: str, epoch: float) -> None:
    rows = dict(zip(names.split(), member_rows().values(), strict=True))
    frame = members(write_csv(tmp_path / "m.csv", rows, ","), catalogue=catalogue).frame
    assert frame.height == 4
    assert frame["pmra"].to_list() == [1.0] * 4
    assert set(frame["gaia_release"]) == {release}
    assert set(frame["ref_epoch"]) == {epoch}


def test_members_by_map(tmp_path: Path) -> None:
    rows = member_rows()
    rows["percent"] = [100 * p for p in rows.pop("PMemb")]
    path = write_csv(tmp_path / "m.csv", rows)
    columns = {
        "cluster": "Cluster",
        "source_id": "Source",
        "ra": "ra",
        "dec": "dec",
        "pmra": {"column": "pmra", "unit": "arcsec/yr"},
        "probability": {"column": "percent", "unit": "percent"},
    }
    settings_ = {"catalogue": "table", "gaia_release": "DR3", "columns": columns}
    frame = members(path, **settings_).frame
    assert frame.height == 4
    assert frame["pmra"][0] == pytest.approx(1000.0)
    assert frame["ref_epoch"][0] == 2016.0
    without = {k: v for k, v in columns.items() if k != "probability"}
    assert members(path, **{**settings_, "columns": without}).frame["probability"].to_list() == [1.0] * 6
    del columns["ra"]
    with pytest.raises(ConfigError, match="ra: missing"):
        members(path, **settings_)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"PMemb": [70, 60, 90, 80, 100, 50]}, SchemaError, "row 1: the membership probability is 70"),
        ({"PMemb": ["0.7", "0.6", "high", "0.8", "1", "0"]}, SchemaError, "row 3, column 'PMemb': 'high'"),
        ({"PMemb": [0.1] * 6}, EmptyResultError, "none of the 6 rows is a member with probability >= 0.7"),
        ({"Source": None}, SchemaError, "no column for 'source_id'"),
        ({"Source": [1.5e18] * 6}, SchemaError, "digits"),
    ],
)
def test_bad_membership_lists(tmp_path: Path, change: dict[str, Any], kind: type[Exception], message: str) -> None:
    rows = {k: v for k, v in {**member_rows(), **change}.items() if v is not None}
    with pytest.raises(kind, match=message):
        members(write_csv(tmp_path / "m.csv", rows))


def test_no_membership_list(tmp_path: Path) -> None:
    with pytest.raises(DatasetError):
        members(tmp_path / "nothing.csv")
    with pytest.raises(EmptyResultError, match="no rows"):
        members(write_csv(tmp_path / "m.csv", {k: v[:0] for k, v in member_rows().items()}))
    path = write_csv(tmp_path / "m.csv.gz", member_rows())
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ReadError, match="gzip"):
        members(path)


# --- cluster catalogues ----------------------------------------------------------------------------------------


def cluster_rows() -> dict[str, list[Any]]:
    return {
        "Cluster": ["A ", "B"],
        "RA_ICRS": [10.0, 360.0],
        "DE_ICRS": [1.0, -1.0],
        "pmRA*": [1.0, 2.0],
        "pmDE": [1.0, 2.0],
        "plx": [0.5, 0.6],
        "r50": [0.1, 0.2],
        "nbstars07": [10, 20],
        "AgeNN": ["8.42", " "],
        "AVNN": ["0.63", ""],
        "DMNN": ["9.1", ""],
        "DistPc": ["660", "    "],
    }


def test_clusters(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "c.csv", cluster_rows(), ",")
    result = read_clusters(ClustersConfig(catalogue="cantat2020", file=str(path)))
    assert result.frame.columns == CLUSTERS.names
    assert result.frame.row(0) == ("A", 10.0, 1.0, 1.0, 1.0, 0.5, 0.1, 10, 8.42, 0.63, 9.1, 660.0)
    assert result.frame.row(1) == ("B", 0.0, -1.0, 2.0, 2.0, 0.6, 0.2, 20, None, None, None, None)
    assert result.notes == ("1 of 2 clusters have no distance", "1 of 2 clusters have no log_age")


def test_clusters_by_map(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "c.csv", cluster_rows(), ",")
    columns = {
        "cluster": "Cluster",
        "ra": "RA_ICRS",
        "dec": "DE_ICRS",
        "distance": {"column": "DistPc", "unit": "kpc"},
        "log_age": {"value": 9.0},
    }
    frame = read_clusters(ClustersConfig(catalogue="table", file=str(path), columns=columns)).frame
    assert frame["distance"].to_list() == [pytest.approx(660e3), None]
    assert frame["log_age"].to_list() == [9.0, 9.0]


def test_a_cluster_listed_twice(tmp_path: Path) -> None:
    rows = cluster_rows()
    rows["Cluster"] = ["A", "A "]
    with pytest.raises(SchemaError, match="occurs more than once"):
        read_clusters(ClustersConfig(catalogue="cantat2020", file=str(write_csv(tmp_path / "c.csv", rows, ","))))


# --- real files ------------------------------------------------------------------------------------------------


def test_real_2018_members_reproduce_the_2020_counts(data_dir: Path) -> None:
    """PMemb >= 0.7 of the 2018 lists gives nbstars07 of the 2020 catalogue for every shared cluster; > 0.7 does not."""
    counts = read_clusters(ClustersConfig(catalogue="cantat2020"), data_dir=data_dir).frame
    counts = counts.select("n_members", name=pl.col("cluster").map_elements(canonical, return_dtype=pl.String))
    for probability, agree in ((">= 0.7", True), ("> 0.7", False)):
        result = read_members(MembersConfig(catalogue="cantat2018", probability=probability), data_dir=data_dir)
        ours = result.frame.group_by("cluster").len()
        ours = ours.with_columns(name=pl.col("cluster").map_elements(canonical, return_dtype=pl.String))
        both = ours.join(counts, on="name")
        assert both.height > 1150
        assert (both["len"] == both["n_members"]).all() == agree
        assert result.steps[0].came_in == 401_448
        assert result.frame.height + result.rejected.height == 401_448


def test_real_members_against_an_independent_reader(data_dir: Path) -> None:
    for catalogue, rows in (("cantat2018", 401_448), ("tarricq2022", 144_047)):
        result = read_members(MembersConfig(catalogue=catalogue), data_dir=data_dir)
        raw = pl.read_csv(data_dir / f"members/{catalogue}_members.csv.gz").filter(pl.col("PMemb") >= 0.7)
        assert result.steps[0].came_in == rows
        assert result.frame["source_id"].to_list() == raw["Source"].to_list()
        # The 2018 list writes some right ascensions below zero.
        wrapped = pl.when(pl.col("ra") < 0).then(pl.col("ra") + 360.0).otherwise(pl.col("ra"))
        assert result.frame["ra"].to_list() == raw.select(wrapped)["ra"].to_list()
        shared = raw.group_by("Source").len().filter(pl.col("len") > 1)
        several = result.frame.filter(pl.col("n_clusters") > 1)
        assert set(several["source_id"]) == set(shared["Source"])


@pytest.mark.parametrize(
    ("catalogue", "rows", "without_distance"),
    [("cantat2018", 1225, 0), ("cantat2020", 2017, 150), ("dias2021", 1741, 0), ("hunt2023", 6806, 0)],
)
def test_real_cluster_catalogues(data_dir: Path, catalogue: str, rows: int, without_distance: int) -> None:
    result = read_clusters(ClustersConfig(catalogue=catalogue), data_dir=data_dir)
    assert result.frame.height == rows
    assert result.frame["distance"].null_count() == without_distance
    assert result.frame["distance"].drop_nulls().is_between(20, 20_000).all()
    assert result.frame["log_age"].drop_nulls().is_between(5.5, 10.3).all()
    assert result.frame["cluster"].str.strip_chars().equals(result.frame["cluster"])
