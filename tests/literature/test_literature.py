"""Literature catalogues, comparisons, the check of pairs, the ledger."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from literature_tables import PLACES, make_listing

from melotte import datasets
from melotte.errors import DatasetError, EmptyResultError, MelotteError
from melotte.literature import (
    AliasTable,
    Listing,
    Resolver,
    Searched,
    audit,
    compare,
    compilations,
    describe,
    first_table,
    from_catalogue,
    known_table,
    literature,
    make_ledger,
    open_listing,
    pair,
    parse_record,
    read_literature,
    review,
    searched,
)
from melotte.literature.check import same_place, separation
from melotte.schema import CATALOGUE

RESOLVER = Resolver(
    [AliasTable("aliases", (("Melotte 301", "NGC 9001"), ("Melotte 302", "NGC 9002"), ("Melotte 303", "NGC 9003")))]
)
TODAY = dt.date(2022, 9, 30)


def ours() -> Listing:
    rows = [
        {"cluster": name, "rv": 10.0 * i, "feh": -0.1 * i, "error": 1.0, "n": i} for i, name in enumerate(PLACES, 1)
    ]
    return make_listing("ours", rows)


# -- records ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", literature())
def test_a_record_names_only_columns_its_dataset_has(name: str) -> None:
    record = literature()[name]
    content = datasets.record(name).content
    assert record.columns() <= {*content.columns, *content.optional}
    assert record.dataset.bibcode


def test_every_cluster_catalogue_at_hand_has_a_record() -> None:
    no_values = {"konietzka2024_clusters"}
    registered = {n for n, r in datasets.records().items() if r.kind == "clusters"}
    assert registered - no_values == set(literature())


def test_compilations_name_catalogues_and_values_that_exist() -> None:
    for item in compilations().values():
        for part in item.parts:
            record = literature()[part.catalogue]
            assert any((v.quantity, v.resolution) == (item.quantity, part.resolution) for v in record.values)
            assert part.counts_from is None or part.counts_from in literature()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "not TOML"),
        ('name = "x"\ndate = "2020"\n[objects]\ncluster = "a"', "date"),
        ('name = "x"\ndate = "2020-13"\n[objects]\ncluster = "a"', "date"),
        ('name = "x"\ndate = "2020-01"\n[objects]\ncluster = "a"\nra = "b"', "ra and dec go together"),
        ('name = "x"\ndate = "2020-01"\ncomplete = false\n[objects]\ncluster = "a"', "incomplete"),
        ('name = "x"\ndate = "2020-01"\ncolour = 1\n[objects]\ncluster = "a"', "colour"),
        (
            'name = "x"\ndate = "2020-01"\n[objects]\ncluster = "a"\n'
            + '[[values]]\nquantity = "rv"\nresolution = "low"\nvalue = "v"\n' * 2,
            "given twice",
        ),
    ],
)
def test_a_wrong_record_is_refused(text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        parse_record(text, where="x.toml")


HEADER = ",".join(
    ["Cluster", "RA_ICRS", "DE_ICRS", "pmRA*", "pmDE", "RV", "e_RV", "o_RV", "[Fe/H]", "e_[Fe/H]", "o_[Fe/H]"]
)


def write(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_a_file_is_read_by_its_record(tmp_path: Path) -> None:
    file = write(
        tmp_path / "z.csv",
        '"VDB 85, vdBergh_85",-0.5,10,1,2,30.5,2.5,3,0.0,0.0,0',  # a placeholder: no star, no value
        "Melotte_301,10,20,-5,2,nan,nan,nan,-0.25,0.05,4",
        "Melotte_302,80,-10,1,1,5,-9999,1,nan,nan,nan",
    )
    found = read_literature("zhong2020", file=file)
    assert found.objects["cluster"].to_list() == ["VDB 85, vdBergh_85", "Melotte_301", "Melotte_302"]
    assert found.objects["ra"].to_list() == [359.5, 10, 80]
    assert found.measured("rv").select("row", "value", "value_error", "n").rows() == [
        (1, 30.5, 2.5, 3),
        (3, 5, None, 1),
    ]
    assert found.measured("feh").select("row", "value", "n").rows() == [(2, -0.25, 4)]
    assert found.notes == ("feh (low): 1 value from 0 stars left out",)
    with pytest.raises(MelotteError, match="no feh of high resolution"):
        found.measured("feh", resolution="high")


def test_files_and_names_that_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"\['RV'\] are missing"):
        read_literature("zhong2020", file=write(tmp_path / "z.csv", header=HEADER.replace(",RV,", ",V,")))
    with pytest.raises(DatasetError, match="no literature catalogue"):
        read_literature("zhong1920")
    empty = read_literature("zhong2020", file=write(tmp_path / "e.csv", "A,,,,,,,,,,"))
    assert empty.values.is_empty()


# -- pairs ------------------------------------------------------------------------------------------------------------


def test_separation_against_astropy() -> None:
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    rng = np.random.default_rng(3)
    a, b = rng.uniform(0, 360, (2, 200))
    d, e = np.degrees(np.arcsin(rng.uniform(-1, 1, (2, 200))))
    b[:50], e[:50] = a[:50] + 1e-5, d[:50]
    d[50:60], a[60:70] = 90.0, 359.9999
    expected = SkyCoord(a * u.deg, d * u.deg).separation(SkyCoord(b * u.deg, e * u.deg)).deg
    np.testing.assert_allclose(separation(a, d, b, e), expected, rtol=1e-9, atol=1e-12)


def test_pairs_are_found_by_name_and_by_alias_and_judged() -> None:
    other = make_listing(
        "other",
        [
            {"cluster": "melotte_301", "at": "Melotte 301", "rv": 1.0},
            {"cluster": "NGC 9002", "at": "Melotte 302", "rv": 1.0},
            {"cluster": "NGC 9003", "at": "Melotte 303", "rv": 1.0, "ra": 0.02},  # across RA = 0
            {"cluster": "Melotte 304", "rv": 1.0, "ra": 90.0, "r50": 90.0},  # position and radius wrong alike
            {"cluster": "Melotte 305", "rv": 1.0, "pmra": 5.0},
            {"cluster": "Melotte 306", "at": "nowhere", "rv": 1.0},
        ],
    )
    found = pair(ours(), other, RESOLVER)
    verdicts = {r["cluster"]: (r["matched_by"], r["verdict"]) for r in found.frame.iter_rows(named=True)}
    assert verdicts == {
        "Melotte 301": ("name", "agrees"),
        "Melotte 302": ("alias", "agrees"),
        "Melotte 303": ("alias", "agrees"),
        "Melotte 304": ("name", "wrong position"),
        "Melotte 305": ("name", "different object"),
        "Melotte 306": ("name", "unchecked"),
    }
    assert "melotte305" not in found.rows["object"].to_list()
    assert [p.kind for p in found.problems] == ["wrong position", "different object"]
    assert "90.000 deg apart" in str(found.problems[0])


def test_swapped_coordinates_are_reported_and_not_propagated() -> None:
    good = make_listing("good", [{"cluster": n, "rv": 10.0 * i} for i, n in enumerate(PLACES, 1)])
    # Position, motion and parallax of two clusters change places: each name now describes the other cluster.
    all_swapped = make_listing(
        "bad",
        [
            {"cluster": n, "rv": 10.0 * i, "at": {"Melotte 301": "Melotte 304", "Melotte 304": "Melotte 301"}.get(n, n)}
            for i, n in enumerate(PLACES, 1)
        ],
    )
    assert audit([ours(), good], RESOLVER)[0] == []
    problems, pairs = audit([ours(), all_swapped], RESOLVER)
    assert {(p.kind, p.names[0]) for p in problems} == {
        ("different object", "Melotte 301"),
        ("different object", "Melotte 304"),
    }
    assert set(pairs["catalogue"]) == {"bad"}
    common = compare(ours(), all_swapped, "rv", RESOLVER).frame["cluster"].to_list()
    assert common == ["Melotte 302", "Melotte 303", "Melotte 305", "Melotte 306"]
    # Only the positions: the motions show that the names are right.
    (x, y), (u, v) = PLACES["Melotte 301"][:2], PLACES["Melotte 304"][:2]
    rows = [
        {"cluster": "Melotte 301", "rv": 1.0, "ra": u, "dec": v},
        {"cluster": "Melotte 304", "rv": 1.0, "ra": x, "dec": y},
    ]
    problems, _ = audit([ours(), make_listing("bad", rows)], RESOLVER)
    assert [(p.kind, p.names[0]) for p in problems] == [
        ("wrong position", "Melotte 301"),
        ("wrong position", "Melotte 304"),
    ]


def test_a_cluster_listed_twice_is_reported_and_left_out() -> None:
    twice = make_listing(
        "bad",
        [
            {"cluster": "Melotte 301", "rv": 1.0},
            {"cluster": "NGC 9001", "at": "Melotte 301", "rv": 99.0},
            {"cluster": "Melotte 302", "rv": 2.0},
            {"cluster": "Unheard Of 1", "at": "Melotte 302", "rv": 3.0},
        ],
    )
    problems, _ = audit([ours(), twice], RESOLVER)
    assert {(p.kind, p.names) for p in problems} == {
        ("listed twice", ("Melotte 301", "NGC 9001")),
        ("same place, two names", ("Melotte 301", "NGC 9001")),
        ("same place, two names", ("Melotte 302", "Unheard Of 1")),
    }
    assert compare(ours(), twice, "rv", RESOLVER).frame["cluster"].to_list() == ["Melotte 302"]
    # Two clusters on one line of sight that move apart are two clusters.
    apart = make_listing("pair", [{"cluster": "Melotte 301"}, {"cluster": "Z 1", "at": "Melotte 301", "pmra": 9.0}])
    assert same_place(apart) == []


def test_clashes_of_the_alias_table_are_part_of_the_audit() -> None:
    bad = Resolver([AliasTable("bad", (("Melotte 301", "X 1"), ("Melotte 302", "X 1")))])
    (problem,) = audit([ours()], bad)[0]
    assert (problem.kind, problem.names) == ("alias of two objects", ("X 1", "Melotte 301", "Melotte 302"))


# -- comparison -------------------------------------------------------------------------------------------------------


def test_statistics_of_known_differences() -> None:
    found = describe([1.0, 2.0, 3.0, 4.0, 100.0])
    assert (found.n, found.median, found.mean) == (5, 3.0, 22.0)
    assert found.sd == pytest.approx(np.std([1, 2, 3, 4, 100], ddof=1))
    assert found.robust_sd == pytest.approx(1.4826022185056018)
    assert found.median_error == pytest.approx(np.sqrt(np.pi / 2) * 1.4826022185056018 / np.sqrt(5))
    assert (describe([]).median, describe([2.0]).sd, describe([2.0]).median) == (None, None, 2.0)


def test_the_median_error_is_that_of_repeated_samples() -> None:
    rng = np.random.default_rng(1)
    samples = rng.normal(5.0, 2.0, (400, 200))
    claimed = np.mean([describe(s).median_error for s in samples])
    assert np.std(np.median(samples, axis=1)) == pytest.approx(claimed, rel=0.12)


def test_a_comparison_gives_offset_zero_point_counts_and_outliers() -> None:
    names = [f"UBC {i}" for i in range(1, 42)]
    mine = make_listing("mine", [{"cluster": n, "rv": 0.0, "error": 0.5, "n": 1 + i % 5} for i, n in enumerate(names)])
    shift = [4.0 + 0.1 * (i % 7 - 3) for i in range(len(names))]
    shift[10] = 60.0
    other = make_listing("other", [{"cluster": n, "rv": s, "n": 3} for n, s in zip(names, shift, strict=True)])
    found = compare(mine, other, "rv", Resolver())
    differences = -np.array(shift)
    assert found.frame["difference"].to_numpy() == pytest.approx(differences)
    assert found.offset == describe(differences)
    assert found.zero_point is not None
    assert found.zero_point[0] == pytest.approx(4.0)
    assert found.outliers["cluster"].to_list() == ["UBC 11"]
    many = np.array([1 + i % 5 for i in range(len(names))]) >= 3
    by_count = {c.minimum: c.offset for c in found.by_count}
    assert by_count[3] == describe(differences[many]) == found.at_least(3)
    assert by_count[5].n == 0
    assert "UBC 11 (-60.00)" in found.summary()
    assert "+4.00" in found.summary()


def test_one_difference_among_equal_ones_is_an_outlier() -> None:
    names = [f"UBC {i}" for i in range(1, 7)]
    mine = make_listing("mine", [{"cluster": n, "rv": 0.0} for n in names])
    other = make_listing("other", [{"cluster": n, "rv": 7.0 if i else 1.0} for i, n in enumerate(names)])
    assert compare(mine, other, "rv", Resolver()).outliers["cluster"].to_list() == ["UBC 1"]


def test_counts_that_are_not_known_are_said() -> None:
    mine = make_listing("mine", [{"cluster": "UBC 1", "rv": 0.0, "n": 9}, {"cluster": "UBC 2", "rv": 0.0, "n": 9}])
    other = make_listing("other", [{"cluster": "UBC 1", "rv": 1.0}, {"cluster": "UBC 2", "rv": 2.0, "n": 9}])
    found = compare(mine, other, "rv", Resolver())
    assert found.unknown_count == 1
    assert found.at_least(3).n == 1


def test_nothing_in_common_is_an_empty_comparison_and_a_missing_quantity_an_error() -> None:
    found = compare(ours(), make_listing("other", [{"cluster": "UBC 1", "rv": 1.0}]), "rv", RESOLVER)
    assert (found.offset.n, found.zero_point, found.outliers.height) == (0, None, 0)
    assert "n = 0" in found.summary()
    with pytest.raises(MelotteError, match="gives no feh"):
        compare(ours(), make_listing("rv only", [], preference=(("rv", "low"),)), "feh", RESOLVER)


@settings(deadline=None, max_examples=15)
@given(st.permutations(range(6)))
def test_the_order_of_rows_does_not_matter(order) -> None:
    rows = [{"cluster": n, "rv": 3.0 * i} for i, n in enumerate(PLACES)]
    one = compare(ours(), make_listing("o", rows), "rv", RESOLVER)
    two = compare(ours(), make_listing("o", [rows[i] for i in order]), "rv", RESOLVER)
    assert one.frame.equals(two.frame)


def test_what_a_catalogue_lacks_comes_from_another_one() -> None:
    bare = make_listing("bare", [{"cluster": "NGC_9001", "at": "nowhere"}, {"cluster": "UBC 1", "at": "nowhere"}])
    filled = bare.with_astrometry(ours(), RESOLVER).objects
    assert filled["ra"].to_list() == [10.0, None]
    assert filled["cluster"].to_list() == ["NGC_9001", "UBC 1"]


def catalogue_frame() -> pl.DataFrame:
    rows = [
        {"cluster": n, "ra": p[0], "dec": p[1], "n_all": 9, "n_rv": 5, "n_feh": i, "rv_med": 1.0, "rv_med_error": 0.1}
        | {"rv_mean": 1.1, "rv_mean_error": 0.2, "rv_scatter": 3.0, "feh_med": -0.1 if i else None}
        for i, (n, p) in enumerate(PLACES.items())
    ]
    return CATALOGUE.conform(pl.DataFrame(rows))


def test_table_of_known_clusters_has_theirs_beside_ours() -> None:
    frame = catalogue_frame()
    mine = from_catalogue(frame, name="run")
    assert mine.measured("feh").height == 5
    one = make_listing("Cat A+ 2020", [{"cluster": "Melotte 301", "rv": 2.0, "n": 4, "reference": "X"}])
    two = make_listing("cat_b", [{"cluster": "NGC 9003", "at": "Melotte 303", "rv": 3.0}])
    found = {x.name: compare(mine, x, "rv", RESOLVER) for x in (one, two)}
    table, schema = known_table(mine, found, catalogue=frame)
    assert table["cluster"].to_list() == ["Melotte 301", "Melotte 303"]
    assert schema.names[:5] == ["cluster", "n_all", "n_rv", "rv_med", "rv_med_error"]
    assert table["rv_cat_a_2020"].to_list() == [2.0, None]
    assert table["n_rv_cat_a_2020"].to_list() == [4, None]
    assert table["rv_cat_a_2020_source"].to_list() == ["X", None]
    assert table["rv_scatter"].to_list() == [3.0, 3.0]
    with pytest.raises(EmptyResultError):
        known_table(mine, {})


# -- ledger -----------------------------------------------------------------------------------------------------------


def ledger_search(**more: object) -> Searched:
    one = make_listing(
        "one",
        [
            {"cluster": "Melotte 301", "rv": 1.0},
            {"cluster": "NGC 9002", "at": "Melotte 302", "rv": 1.0},
            {"cluster": "Melotte 303", "feh": 1.0},  # no velocity: not known
            {"cluster": "Stranger 1", "at": "Melotte 304", "rv": 1.0, "dec": 0.3},
            {"cluster": "Stranger 2", "at": "Melotte 306", "rv": 1.0, "pmra": 40.0},  # moves away
            {"cluster": "Melotte 305", "rv": 1.0, "parallax": 9.0},  # the name of another object
        ],
        date="2019-05",
    )
    return Searched((replace(one, **more),))  # type: ignore[arg-type]


def test_the_ledger_tells_first_known_and_near_misses() -> None:
    found = make_ledger(ours(), "rv", ledger_search(), RESOLVER, until=TODAY)
    status = dict(found.frame.select("cluster", "status").iter_rows())
    assert status == {
        "Melotte 301": "known",
        "Melotte 302": "known",
        "Melotte 303": "first",
        "Melotte 304": "near miss",
        "Melotte 305": "near miss",
        "Melotte 306": "first",
    }
    rows = {r["cluster"]: r for r in found.frame.iter_rows(named=True)}
    assert rows["Melotte 302"]["known_in"] == "one"
    assert rows["Melotte 304"]["near_miss"] == "Stranger 1 (one)"
    assert rows["Melotte 304"]["near_miss_separation"] == pytest.approx(0.3)
    assert rows["Melotte 304"]["near_miss_pm"] == 0.0
    assert "same name, different object" in rows["Melotte 305"]["near_miss"]
    first = rows["Melotte 303"]
    assert first["names_tried"] == "Melotte 303; NGC 9003"
    assert first["searched"] == "one (2019-05)"
    assert first["search_date"] == "2022-09-30"
    assert first["hangs_on"] is None
    assert found.first()["cluster"].to_list() == ["Melotte 306", "Melotte 305", "Melotte 304", "Melotte 303"]
    assert found.first(fewer_than=5)["cluster"].to_list() == ["Melotte 304", "Melotte 303"]
    assert found.first(at_least=5)["cluster"].to_list() == ["Melotte 306", "Melotte 305"]
    assert "2 known, 2 first" in found.summary()


def test_an_incomplete_or_missing_catalogue_makes_no_first() -> None:
    part = make_ledger(ours(), "rv", ledger_search(incomplete="half of it"), RESOLVER, until=TODAY)
    assert part.count("first") == 0
    assert part.count("open") == 2
    assert set(part.first()["hangs_on"]) == {"one (half of it)"}
    missing = Searched(ledger_search().listings, ("tarricq2021",))
    found = make_ledger(ours(), "rv", missing, RESOLVER, until=TODAY)
    assert found.count("known") == 2
    assert found.count("open") == 2
    assert "tarricq2021 (not on this machine)" in found.summary()


def test_a_cluster_its_catalogue_lists_twice_is_known() -> None:
    other = make_listing(
        "o", [{"cluster": "Melotte 303", "rv": 1.0}, {"cluster": "NGC 9003", "at": "Melotte 303", "rv": 2.0}]
    )
    found = make_ledger(ours(), "rv", Searched((other,)), RESOLVER, until=TODAY)
    row = found.frame.row(by_predicate=pl.col("cluster") == "Melotte 303", named=True)
    assert (row["status"], row["known_in"]) == ("known", "o [listed twice]")


def test_photometric_values_are_no_spectroscopy() -> None:
    other = make_listing("o", [{"cluster": "Melotte 301", "feh": 0.0}], preference=(("feh", "photometric"),))
    found = make_ledger(ours(), "feh", Searched((other,)), RESOLVER, until=TODAY)
    assert found.count("known") == 0


def test_without_any_catalogue_everything_is_first_and_the_ledger_says_nothing_was_searched() -> None:
    found = make_ledger(ours(), "rv", Searched(()), RESOLVER, until=TODAY)
    assert found.count("first") == 6
    assert set(found.frame["searched"]) == {"nothing"}
    nobody = make_ledger(make_listing("none", []), "rv", Searched(()), RESOLVER, until=TODAY)
    assert nobody.frame.is_empty()
    assert nobody.summary() == "no cluster has a value"


def test_the_search_takes_what_was_published_and_tells_what_is_missing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MELOTTE_DATA_DIR", raising=False)
    (tmp_path / "clusters").mkdir()
    write(tmp_path / "clusters" / "zhong2020.csv", "Melotte_301,10,20,-5,2,1,1,1,1,1,1")
    found = searched("rv", RESOLVER, until=TODAY, data_dir=tmp_path)
    assert [x.name for x in found.listings] == ["zhong2020"]
    assert {"dias2021", "tarricq2021"} <= set(found.missing)
    assert "hunt2023" not in found.missing  # published later
    with pytest.raises(DatasetError, match="not a directory"):
        searched("rv", RESOLVER, until=TODAY, data_dir=tmp_path / "mistyped")
    early = searched("rv", RESOLVER, until=dt.date(2020, 7, 31), data_dir=tmp_path)
    assert early.listings == ()
    assert "dias2021" not in early.missing


def test_figures_of_the_comparison_draw_the_marks() -> None:
    from melotte import figures

    names = list(PLACES)
    other = make_listing("other", [{"cluster": n, "rv": 10.0 * i + 1, "n": i} for i, n in enumerate(names, 1)])
    frame = compare(ours(), other, "rv", RESOLVER).frame
    figure = figures.literature_panels({"Other+ 2020": frame, "none": frame.clear()}, few=3)
    top = figure.axes[0]
    labels = {h.get_label(): h for h in top.get_lines()}
    for whose in ("this work", "Other+ 2020"):
        assert len(labels[f"fewer than 3 stars, {whose}"].get_xdata()) == 2
    assert len(top.child_axes) == 1  # the inset
    assert sum(p.get_height() for p in top.child_axes[0].patches) == 6
    assert "no cluster in common" in {t.get_text() for t in figure.axes[1].texts}
    figure.draw_without_rendering()
    with pytest.raises(MelotteError, match="nothing to draw"):
        figures.literature_panels({})


@pytest.mark.real_data
def test_high_resolution_compilation_takes_counts_from_the_source(data_dir: Path) -> None:
    from melotte.literature import load_resolver

    found = open_listing("fu2022_hrs", load_resolver(data_dir=data_dir), data_dir=data_dir)
    values = found.measured("feh").join(found.objects.select("row", "cluster"), on="row")
    references = values["reference"].str.replace(r" \(.*", "").value_counts()
    counts = dict(references.iter_rows())
    assert counts["APOGEE"] + counts["GALAH"] + counts["GES"] > 200
    assert counts["HQ"] > 0
    # Every APOGEE value is one of Donor et al. 2020 and has its number of stars.
    assert values.filter(pl.col("reference").str.starts_with("APOGEE"))["n"].null_count() == 0


def test_a_review_compares_tabulates_and_keeps_the_ledger(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MELOTTE_DATA_DIR", raising=False)
    (tmp_path / "clusters").mkdir()
    write(
        tmp_path / "clusters" / "zhong2020.csv",
        "Melotte_301,10,20,-5,2,2.5,1,4,-0.2,0.1,4",
        "NGC_9002,80,-10,1,1,3.5,1,4,0,0,0",
    )
    header = "Cluster,RA_ICRS,DE_ICRS,pmRA,pmDE,Plx,r50,RV,e_RV,NRV,[Fe/H],e_[Fe/H]"
    write(tmp_path / "clusters" / "dias2021.csv", "Melotte_303,359.98,60,-2,-2,0.5,0.1,,,,0.1,0.1", header=header)
    frame = catalogue_frame()
    found = review(
        from_catalogue(frame, name="run"),
        ["zhong2020", "dias2021"],
        until=TODAY,
        data_dir=tmp_path,
        resolver=RESOLVER,
        catalogue=frame,
    )
    assert found.comparisons["rv"]["zhong2020"].offset.n == 2
    assert found.comparisons["feh"]["dias2021"].offset.n == 1
    # [Fe/H] from photometry is compared, but makes no cluster known; nor does the placeholder of no star.
    assert found.tables["known_feh"][0].is_empty()
    assert found.tables["known_rv"][0]["cluster"].to_list() == ["Melotte 301", "Melotte 302"]
    assert found.ledgers["rv"].count("known") == 2
    first, schema = found.tables["first_rv"]
    assert first.height == 4
    assert schema.names[:5] == ["cluster", "n_all", "n_rv", "rv_med", "rv_med_error"]
    assert first["rv_scatter"].to_list() == [3.0] * 4
    assert set(first["status"]) == {"open"}
    table_4, _ = first_table(found.ledgers["feh"], at_least=3)
    table_5, _ = first_table(found.ledgers["feh"], fewer_than=3)
    assert table_4["n_feh"].to_list() == [5, 4, 3]
    assert table_5["n_feh"].to_list() == [2, 1]
    assert "a_v" not in table_4.columns
    assert "dias2021 gives feh without spectra" in found.summary()
    header = "Cluster,Fe,Fe_err,Reference"
    write(tmp_path / "clusters" / "spina2022.csv", "Melotte_301,0.1,0.05,APOGEE", header=header)
    velocities = make_listing("x", [], preference=(("rv", "low"),))
    with pytest.raises(MelotteError, match="no quantity in common"):
        review(velocities, ["spina2022"], data_dir=tmp_path, resolver=RESOLVER)
