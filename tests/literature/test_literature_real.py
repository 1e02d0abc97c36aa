"""The literature as published: Fu et al. 2022 (A&A 668, A4), Sect. 3, recomputed from the catalogues themselves."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from melotte.literature import (
    Comparison,
    Ledger,
    Listing,
    Resolver,
    audit,
    compare,
    known_table,
    load_resolver,
    make_ledger,
    open_listing,
    searched,
)

pytestmark = pytest.mark.real_data
#: The paper was accepted in September 2022.
UNTIL = dt.date(2022, 9, 30)


@pytest.fixture(scope="module")
def resolver(data_dir: Path) -> Resolver:
    return load_resolver(data_dir=data_dir)


@pytest.fixture(scope="module")
def reference(data_dir: Path, resolver: Resolver) -> Listing:
    return open_listing("cantat2020", resolver, data_dir=data_dir)


@pytest.fixture(scope="module")
def fu2022(data_dir: Path, resolver: Resolver, reference: Listing) -> Listing:
    """The published catalogue; motions, parallaxes and radii are those of its source."""
    return open_listing("fu2022", resolver, data_dir=data_dir).with_astrometry(reference, resolver)


@pytest.fixture(scope="module")
def with_name(data_dir: Path, resolver: Resolver, fu2022: Listing):
    found: dict[tuple[str, str], Comparison] = {}

    def get(name: str, quantity: str) -> Comparison:
        if (name, quantity) not in found:
            other = open_listing(name, resolver, data_dir=data_dir)
            found[name, quantity] = compare(fu2022, other, quantity, resolver)
        return found[name, quantity]

    return get


def ledger(quantity: str, names: list[str], fu2022: Listing, resolver: Resolver, data_dir: Path) -> Ledger:
    search = searched(quantity, resolver, until=UNTIL, catalogues=names, data_dir=data_dir)
    return make_ledger(fu2022, quantity, search, resolver, until=UNTIL)


def test_velocities_of_dias2021(with_name) -> None:
    found = with_name("dias2021", "rv")
    assert found.offset.n == 185  # 180 by spelling alone
    assert -found.offset.median == pytest.approx(6.2, abs=0.05)
    assert found.frame.filter(pl.col("verdict") == "wrong position")["cluster"].to_list() == ["NGC_7789"]


def test_velocities_of_zhong2020(with_name) -> None:
    found = with_name("zhong2020", "rv")
    assert found.offset.n == 226
    assert -found.offset.median == pytest.approx(0.06, abs=0.005)


def test_velocities_of_the_tarricq2021_rows_at_hand(with_name) -> None:
    # Published: 6.2 from 308 clusters; 59 of them are at hand.
    found = with_name("tarricq2021_subset", "rv")
    assert found.offset.n == 59
    assert -found.offset.median == pytest.approx(6.2, abs=3 * found.offset.median_error)


def test_metallicities_of_zhong2020(with_name) -> None:
    found = with_name("zhong2020", "feh")
    # Published: 206 in common. 75 rows of the table give 0.0 +- 0.0 from no star: 214 with those.
    assert found.offset.n == 206
    many = found.at_least(3)
    assert many.n == 126
    assert many.mean == pytest.approx(0.04, abs=0.005)
    assert many.sd == pytest.approx(0.06, abs=0.0055)


def test_the_published_scatter_with_zhong2020_holds_the_placeholders(with_name, data_dir: Path) -> None:
    """0.02 +- 0.23 dex is what comes out if "no star" counts as [Fe/H] = 0."""
    raw = pl.read_csv(data_dir / "clusters" / "zhong2020.csv", infer_schema_length=None)
    none = raw.filter(pl.col("o_[Fe/H]") == 0)
    assert none.height == 75
    assert set(none["[Fe/H]"]) == {0.0}
    frame = with_name("zhong2020", "rv").frame.join(raw.select(pl.col("Cluster").alias("other"), "[Fe/H]"), on="other")
    fu = pl.read_csv(data_dir / "clusters" / "fu2022.csv").select(pl.col("Cluster").alias("cluster"), "[Fe/H]med")
    both = frame.join(fu, on="cluster").filter(pl.col("[Fe/H]med").is_not_null())
    difference = both["[Fe/H]med"] - both["[Fe/H]"]
    assert difference.len() == 214
    assert difference.mean() == pytest.approx(0.02, abs=0.005)
    assert difference.std() == pytest.approx(0.23, abs=0.005)
    assert with_name("zhong2020", "feh").offset.sd == pytest.approx(0.09, abs=0.005)


@pytest.mark.parametrize("name", ["fu2022_hrs", "spina2022"])
def test_high_resolution_metallicities(with_name, name: str) -> None:
    found = with_name(name, "feh")
    assert found.offset.n >= 82
    assert abs(found.offset.median) <= 0.02
    assert 0.09 <= found.offset.sd <= 0.16


def test_high_resolution_metallicities_of_many_stars(with_name) -> None:
    # Published: 0.00 +- 0.11. Only the counts of APOGEE, GALAH and the high-quality collection are at hand.
    many = with_name("fu2022_hrs", "feh").at_least(3)
    assert many.n >= 30
    assert abs(many.median) <= 0.01
    assert many.sd == pytest.approx(0.11, abs=0.02)
    assert many.sd < with_name("fu2022_hrs", "feh").offset.sd


def test_tables_1_and_3(with_name, fu2022: Listing) -> None:
    rv = {n: with_name(n, "rv") for n in ("tarricq2021_subset", "dias2021", "zhong2020")}
    table, schema = known_table(fu2022, rv)
    # Published: 342 with the whole table of Tarricq et al. 2021.
    assert table.height == 282
    schema.validate(table)
    feh, schema = known_table(fu2022, {n: with_name(n, "feh") for n in ("fu2022_hrs", "zhong2020")})
    # Published: 218. Sigma Ori (Donor et al. 2020, 10 stars) is listed as new there.
    assert feh.height == 219
    assert "Sigma_Ori" in feh["cluster"].to_list()


def test_tables_4_and_5(fu2022: Listing, resolver: Resolver, data_dir: Path) -> None:
    found = ledger("feh", ["fu2022_hrs", "zhong2020"], fu2022, resolver, data_dir)
    assert found.count("open") == found.count("near miss") == 0
    assert found.first(at_least=3).height == 63  # as published
    assert found.first(fewer_than=3).height == 73  # published: 74, with Sigma Ori
    first = set(found.first()["cluster"])
    # From Tables 4 and 5 of the paper.
    assert {"UBC_8", "UBC_54", "COIN-Gaia_13", "Berkeley_34", "NGC_6871", "VDB_85, vdBergh_85"} <= first
    assert "Sigma_Ori" not in first


def test_every_catalogue_at_hand_leaves_the_same_first_metallicities(
    fu2022: Listing, resolver: Resolver, data_dir: Path
) -> None:
    search = searched("feh", resolver, until=UNTIL, without=["fu2022"], data_dir=data_dir)
    assert {x.name for x in search.listings} == {
        "netopil2016", "carrera2019", "donor2020", "zhong2020", "spina2021", "netopil2022", "spina2022",
    }  # fmt: skip
    assert make_ledger(fu2022, "feh", search, resolver, until=UNTIL).first(at_least=3).height == 63


def test_table_2_hangs_on_the_missing_table(fu2022: Listing, resolver: Resolver, data_dir: Path) -> None:
    found = ledger("rv", ["tarricq2021_subset", "dias2021", "zhong2020"], fu2022, resolver, data_dir)
    assert found.count("known") == 282  # certain: no missing row can make these first
    assert found.count("first") == 0
    waiting = found.first()
    assert waiting.height == 104  # the 44 published ones, and 60 that the missing rows must hold
    assert waiting["hangs_on"].str.contains("138 of the 1382").all()
    # From Table 2 of the paper.
    assert {"COIN-Gaia_24", "LP_2139", "UBC_88", "UBC_616", "UPK_282"} <= set(waiting["cluster"])
    near = waiting.filter(pl.col("status") == "near miss").row(0, named=True)
    assert (near["cluster"], near["near_miss"]) == ("UBC_197", "FSR_0761 (dias2021)")


def test_wrong_coordinates_in_the_literature_are_found(resolver: Resolver, reference: Listing, data_dir: Path) -> None:
    """Three right ascensions of Dias et al. 2021 were averaged across 0 h."""
    problems, pairs = audit([reference, open_listing("dias2021", resolver, data_dir=data_dir)], resolver)
    assert {(p.kind, p.names[0]) for p in problems} == {
        ("wrong position", "Berkeley_58"),
        ("wrong position", "Berkeley_59"),
        ("wrong position", "NGC_7789"),
    }
    assert pairs.filter(pl.col("verdict") == "agrees").height > 1500


def test_corruption_of_a_real_catalogue_is_found(resolver: Resolver, reference: Listing, data_dir: Path) -> None:
    dias = open_listing("dias2021", resolver, data_dir=data_dir)
    before = {str(p) for p in audit([reference, dias], resolver)[0]}
    place = ["ra", "dec", "pmra", "pmdec", "parallax", "r50"]
    one, two = (dias.objects.row(by_predicate=pl.col("cluster") == n, named=True) for n in ("Melotte_22", "NGC_2682"))
    rows = [r | {k: other[k] for k in place} for r, other in ((one, two), (two, one))]
    rest = dias.objects.filter(~pl.col("cluster").is_in(["Melotte_22", "NGC_2682"]))
    schema = dias.objects.schema
    swapped = replace(dias, objects=pl.concat([rest, pl.DataFrame(rows, schema=schema)]))
    new = [p for p in audit([reference, swapped], resolver)[0] if str(p) not in before]
    assert {(p.kind, p.names[0]) for p in new} == {("different object", "Melotte_22"), ("different object", "NGC_2682")}
    again = one | {"row": 99_999, "cluster": "Pleiades"}
    twice = replace(dias, objects=pl.concat([dias.objects, pl.DataFrame([again], schema=schema)]))
    new = [p for p in audit([reference, twice], resolver)[0] if str(p) not in before]
    assert {(p.kind, p.names) for p in new} == {
        ("listed twice", ("Melotte_22", "Pleiades")),
        ("same place, two names", ("Melotte_22", "Pleiades")),
    }
