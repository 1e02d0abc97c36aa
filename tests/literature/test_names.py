"""Cluster names: spelling, aliases, clashes, the online service."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from melotte.errors import DatasetError, MelotteError
from melotte.literature import (
    AliasTable,
    LocalNames,
    NameResolutionError,
    NameServiceError,
    Resolver,
    canonical,
    find_online,
    load_resolver,
    read_aliases,
    read_literature,
    resolve_online,
    split_names,
)
from melotte.literature.aliases import proper_names
from melotte.literature.online import simbad_identifiers

#: Catalogues and abbreviations that mean the same.
PREFIXES = [
    ("NGC",),
    ("IC",),
    ("Melotte", "Mel", "MEL"),
    ("Collinder", "Cr", "Col", "Coll."),
    ("Berkeley", "Be", "Berk"),
    ("Trumpler", "Tr"),
    ("VDBH", "BH", "vdBergh-Hagen", "van den Bergh-Hagen", "vdB-Hagen"),
    ("VDB", "vdBergh", "van den Bergh"),
    ("Messier", "M"),
    ("ASCC", "[KPR2005]"),
    ("FSR", "[FSR2007]"),
]


@settings(deadline=None)
@given(
    prefix=st.sampled_from(PREFIXES),
    number=st.integers(1, 9999),
    zeros=st.integers(0, 3),
    separator=st.sampled_from(["", " ", "_", "-", "  ", "\N{NO-BREAK SPACE}"]),
    change=st.sampled_from([str, str.lower, str.upper, str.title]),
    before=st.sampled_from(["", " ", "Cl ", "NAME "]),
    data=st.data(),
)
def test_spellings_of_a_numbered_name_are_one(prefix, number, zeros, separator, change, before, data) -> None:
    spelling = data.draw(st.sampled_from(prefix))
    if spelling.startswith("["):
        separator = " "
    name = f"{before}{change(spelling)}{separator}{'0' * zeros}{number} "
    assert canonical(name) == canonical(f"{prefix[0]} {number}")


@settings(deadline=None)
@given(one=st.integers(1, 9999), two=st.integers(1, 9999), a=st.sampled_from(PREFIXES), b=st.sampled_from(PREFIXES))
def test_different_numbers_and_catalogues_stay_apart(one, two, a, b) -> None:
    assert (canonical(f"{a[0]} {one}") == canonical(f"{b[0]} {two}")) == (one == two and a == b)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_has_a_canonical_form_of_letters_and_digits(text) -> None:
    assert all(c.isalnum() for c in canonical(text))
    assert canonical(f"  {text}\t") == canonical(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("NGC 2632", "ngc_2632"),
        ("α Persei", "Alpha Persei"),
        ("Σ Ori", "sigma ori"),
        ("Skiff J0507+30.8", "skiff_j0507+30.8"),
        ("Chamaeleon_I", "Chamæleon I".replace("æ", "ae")),
        ("O'Neal 9", "ONeal 9"),
        ("COIN-Gaia_25", "Coin Gaia 25"),
        ("UBC_17a", "UBC 17A"),
        ("[KPS2012] MWSC 1527", "MWSC 1527"),
        ("Cl Alessi 20  ", "Alessi_20"),
        ("Beehive Cluster", "beehive"),
        ("UBC\N{EN DASH}8", "UBC-8"),
    ],
)
def test_spellings_that_mean_one_name(one: str, other: str) -> None:
    assert canonical(one) == canonical(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("AH03 J0748-26.9", "AH03 J0748+26.9"),
        ("UBC 17a", "UBC 17b"),
        ("ESO 006-05", "ESO 060-05"),
        ("VDB 99", "VDBH 99"),
        ("FSR 10", "FSR 100"),
        ("Alessi 1", "AL 1"),  # AL is Andrews-Lindsay
    ],
)
def test_names_that_look_alike_stay_apart(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def test_pairs_are_split() -> None:
    assert split_names("VDB_85, vdBergh_85") == ["VDB_85", "vdBergh_85"]
    assert split_names("VDBH_99,BH_99") == ["VDBH_99", "BH_99"]
    assert split_names(" , ") == []


def resolver() -> Resolver:
    table = AliasTable(
        "table",
        (
            ("NGC 9001", "Melotte 301", "Test Star Cluster"),
            ("NGC 9002", "Melotte 302"),
            ("Skiff J0507+30.8",),
            ("VDB 85",),
            ("LP 05",),
            ("FoF 5", "LP 5"),
        ),
    )
    return Resolver([table, proper_names()])


@pytest.mark.parametrize(
    "query", ["NGC 2632", "Praesepe", "M44", "M 44", "ngc_2632", "Cl Melotte 88", "praesepe cluster"]
)
def test_praesepe_is_found_under_its_names_without_any_file(query: str) -> None:
    assert Resolver([proper_names()]).resolve(query).name == "NGC 2632"


def test_a_plus_a_pair_and_van_den_bergh() -> None:
    known = resolver()
    assert known.resolve("skiff_j0507+30.8").name == "Skiff J0507+30.8"
    for query in ("VDB_85, vdBergh_85", "vdBergh 85", "van den Bergh 085", "VDB_85"):
        assert known.resolve(query).key == "vdb85"
    # The pair is one object though the table knows neither spelling of the second name.
    assert known.key("VDB_85,vdBergh_85") == known.key("vdb85")


def test_leading_zeros_tell_names_apart_where_both_exist() -> None:
    known = resolver()
    assert not known.clashes
    assert known.resolve("LP 05").name == "LP 05"
    assert known.resolve("LP_5").name == "FoF 5"
    assert known.resolve("NGC 09001").name == "NGC 9001"


def test_an_unknown_name_is_an_error_with_near_names() -> None:
    with pytest.raises(NameResolutionError, match="did you mean NGC 9001") as caught:
        resolver().resolve("NGC 9010")
    assert caught.value.near[0] == "NGC 9001"
    with pytest.raises(NameResolutionError, match="no cluster is called"):
        resolver().resolve("")
    assert issubclass(NameResolutionError, MelotteError)


def test_a_pair_of_two_objects_is_refused() -> None:
    with pytest.raises(NameResolutionError, match="stands for 2 objects: NGC 9001, NGC 9002"):
        resolver().resolve("NGC 9001, NGC 9002")


# -- tables that are wrong --------------------------------------------------------------------------------------------


def test_an_alias_of_two_objects_is_reported_and_answers_to_nothing() -> None:
    table = AliasTable("bad", (("NGC 9001", "Melotte 301"), ("NGC 9002", "Mel 301")))
    known = Resolver([table])
    (clash,) = known.clashes
    assert (clash.kind, clash.objects, clash.rows) == ("alias of two objects", ("NGC 9001", "NGC 9002"), (1, 2))
    with pytest.raises(NameResolutionError, match="2 objects"):
        known.resolve("Melotte 301")
    assert known.resolve("NGC 9001").name == "NGC 9001"


def test_a_cluster_listed_twice_in_the_defining_table_is_reported() -> None:
    known = Resolver([AliasTable("bad", (("NGC 9001", "A 1"), ("NGC 9002",), ("NGC 9001", "B 1")))])
    (clash,) = known.clashes
    assert (clash.kind, clash.rows) == ("listed twice", (1, 3))


def test_a_later_table_cannot_join_or_repeat_objects() -> None:
    base = AliasTable("base", (("NGC 9001",), ("NGC 9002",)))
    joins = AliasTable("joins", (("NGC 9001", "NGC 9002", "New 1"),))
    known = Resolver([base, joins])
    assert [c.kind for c in known.clashes] == ["alias of two objects"]
    assert known.find("New 1") is None
    assert known.key("NGC 9001") != known.key("NGC 9002")
    twice = Resolver([base, AliasTable("twice", (("NGC 9001", "New 1"), ("NGC 9001", "New 2")))])
    assert [(c.kind, c.rows) for c in twice.clashes] == [("listed twice", (1, 2))]
    assert twice.resolve("New 1").name == "NGC 9001"
    assert twice.find("New 2") is None


def test_order_of_the_rows_of_a_table_does_not_matter() -> None:
    rows = (("NGC 9001", "A 1"), ("NGC 9002", "B 1"), ("NGC 9003",))
    one, two = Resolver([AliasTable("t", rows)]), Resolver([AliasTable("t", rows[::-1])])
    assert all(one.resolve(n).key == two.resolve(n).key for row in rows for n in row)


# -- files ------------------------------------------------------------------------------------------------------------


def test_alias_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "names").mkdir()
    (tmp_path / "names" / "ucc_all_names.csv").write_text('"fnames","Names"\n"ngc9001;mel301","NGC 9001; Mel 301"\n')
    known = load_resolver(data_dir=tmp_path)
    assert known.resolve("Melotte 301").name == "NGC 9001"
    assert known.notes == ()
    (tmp_path / "names" / "ucc_all_names.csv").write_text('"fnames"\n"ngc9001;mel301"\n')
    with pytest.raises(DatasetError, match="no column with names"):
        load_resolver(data_dir=tmp_path)


def test_without_the_alias_file_spelling_decides_and_the_result_says_so(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MELOTTE_DATA_DIR", raising=False)
    known = load_resolver(data_dir=tmp_path)
    assert "by spelling only" in known.notes[0]
    assert known.key("UBC_9999") == known.key("ubc 9999") == "ubc9999"
    assert known.resolve("M 67").name == "NGC 2682"


# -- one catalogue ----------------------------------------------------------------------------------------------------


def test_clusters_of_a_catalogue_are_found_under_any_name() -> None:
    local = LocalNames(["NGC_9001", "VDB_85, vdBergh_85", "NGC_2632"], resolver())
    assert local.find("ngc9001") == "NGC_9001"
    assert local.find("Cl Melotte 301") == "NGC_9001"
    assert local.find("vdBergh 85") == local.find("VDB 85") == "VDB_85, vdBergh_85"
    assert local.find("Praesepe") == "NGC_2632"
    assert "M44" in local
    assert 44 not in local
    assert local.listed_twice == []
    with pytest.raises(NameResolutionError, match=r"'Mel 302' \(NGC 9002, Melotte 302\) is not among the 3"):
        local.find("Mel 302")
    with pytest.raises(NameResolutionError, match="did you mean NGC_9001"):
        local.find("NGC 9010")


def test_a_catalogue_that_lists_a_cluster_twice_says_so() -> None:
    local = LocalNames(["NGC_9001", "Melotte_301"], resolver())
    assert local.listed_twice == [("NGC_9001", "Melotte_301")]
    with pytest.raises(NameResolutionError, match="listed 2 times"):
        local.find("Test Star Cluster")
    assert local.find("NGC 9001") == "NGC_9001"


def test_aliases_are_asked_for_only_when_spelling_does_not_answer() -> None:
    asked = []

    def ask() -> Resolver:
        asked.append(1)
        return resolver()

    local = LocalNames(["NGC_9001"], ask)
    assert local.find("ngc 9001") == "NGC_9001"
    assert asked == []
    assert local.find("Mel 301") == "NGC_9001"
    assert local.find("Test Star Cluster") == "NGC_9001"
    assert asked == [1]


# -- the online service -----------------------------------------------------------------------------------------------


def test_simbad_identifiers_are_judged_by_the_tables(monkeypatch) -> None:
    from astroquery.simbad import Simbad

    # Synthesised: the shape astroquery gives, with SIMBAD's padded spelling.
    answers = {
        "Odd name": Table({"id": ["NAME Odd name", "Cl  Melotte   301", "NGC  9001"]}),
        "Clash": Table({"id": ["NGC  9001", "NGC  9002"]}),
        "Elsewhere": Table({"ID": ["NGC  7777", "OCl 7"]}),
        "Nothing": Table({"id": []}, dtype=[str]),
        "None": None,
        "Broken": Table({"name": ["x"]}),
    }
    monkeypatch.setattr(Simbad, "query_objectids", lambda name: answers[name])
    known = resolver()
    found = resolve_online("Odd name", known)
    assert (found.name, found.source) == ("NGC 9001", "online")
    assert resolve_online("Elsewhere", known).key == "ngc7777"
    with pytest.raises(NameResolutionError, match="belong to 2 objects"):
        resolve_online("Clash", known)
    for query in ("Nothing", "None"):
        with pytest.raises(NameResolutionError, match="neither the tables nor the online service"):
            resolve_online(query, known)
    with pytest.raises(NameServiceError, match="no column of identifiers"):
        resolve_online("Broken", known)


def test_the_service_is_not_asked_for_known_names_and_its_failure_is_told(monkeypatch) -> None:
    from astroquery.simbad import Simbad

    def fail(name: str) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(Simbad, "query_objectids", fail)
    assert resolve_online("ngc 9001", resolver()).source == "table"
    with pytest.raises(NameServiceError, match="no route to host"):
        simbad_identifiers("NGC 1")


def test_a_cluster_of_a_catalogue_is_found_by_the_identifiers_of_the_service() -> None:
    local = LocalNames(["NGC_9001", "NGC_9002"], resolver())
    asked: list[str] = []

    def service(name: str) -> list[str]:
        asked.append(name)
        return {"Nick": ["NAME Nick", "Melotte 301"], "Both": ["NGC 9001", "NGC 9002"]}.get(name, [])

    assert find_online("Mel 301", local, service=service) == "NGC_9001"
    assert asked == []
    assert find_online("Nick", local, service=service) == "NGC_9001"
    with pytest.raises(NameResolutionError, match="belong to 2 clusters"):
        find_online("Both", local, service=service)
    with pytest.raises(NameResolutionError, match="no cluster 'Nobody'"):
        find_online("Nobody", local, service=service)


# -- real names -------------------------------------------------------------------------------------------------------


@pytest.mark.real_data
def test_all_386_and_2017_names_resolve_and_no_two_are_one(data_dir: Path) -> None:
    known = load_resolver(data_dir=data_dir)
    assert known.clashes == ()
    for name, rows in (("fu2022", 386), ("cantat2020", 2017)):
        clusters = read_literature(name, data_dir=data_dir).objects["cluster"].to_list()
        assert len(clusters) == rows
        assert len({known.resolve(cluster).key for cluster in clusters}) == rows


@pytest.mark.real_data
def test_a_corrupted_alias_table_is_detected(data_dir: Path) -> None:
    table = read_aliases(data_dir=data_dir)
    rows = {row[0]: row for row in table.rows}
    m67, praesepe = rows["NGC 2682"], rows["NGC 2632"]
    swapped = AliasTable("swapped", (*table.rows, ("Invented 1", praesepe[1])))
    (clash,) = Resolver([swapped]).clashes
    assert clash.objects == ("NGC 2632", "Invented 1")
    twice = AliasTable("twice", (*table.rows, m67))
    assert {c.kind for c in Resolver([twice]).clashes} == {"listed twice"}
