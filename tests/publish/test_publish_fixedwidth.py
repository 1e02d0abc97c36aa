"""Fixed-width files of the CDS and the AAS, read back by astropy: equal to the table to the digits printed."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from astropy.table import Table
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_publish_tables import ALL_TYPES, build, rows

from melotte.config import PublishConfig
from melotte.errors import PublishError, SchemaError
from melotte.publish import fixedwidth
from melotte.publish.fixedcheck import check
from melotte.publish.readme import Front, plain
from melotte.publish.submission import Product, write_aas, write_cds
from melotte.schema import (
    CATALOGUE,
    CLUSTERS,
    DYNAMICS,
    MATCHES,
    MEMBER_STARS,
    SNAPSHOTS,
    SPECTRA,
    STARS,
    Column,
    Schema,
)
from melotte.schema.gradients import COMPARISON, FLAT_TAIL, GRADIENTS
from melotte.tables.stored import unescape

FRONT = Front(
    settings=PublishConfig(authors=("Müller A.", "Doe B."), abstract="An abstract.", bibcode="2030A&A...999A..99M"),
    title="A title",
    description=["One.", "Two:\n- a point"],
    references=[("2022A&A...668A...4F", "Fu et al. 2022"), ("Sun", "Nobody 1999")],
    see_also=[("J/A+A/640/A1", "A catalogue")],
    written=date(2030, 1, 2),
)
PUBLISHED = (CATALOGUE, MEMBER_STARS, DYNAMICS, SNAPSHOTS, GRADIENTS, COMPARISON, FLAT_TAIL)


def tolerance(column: Column, value: float) -> float:
    """Half a unit of the last digit printed."""
    match = re.fullmatch(r"%[+]?\d*\.(\d+)([fe])", column.format)
    assert match
    step = 0.5 * 10.0 ** -int(match[1])
    return step * 10.0 ** np.floor(np.log10(abs(value))) * 1.001 if match[2] == "e" and value else step * 1.001


def assert_printed(table: Table, frame: pl.DataFrame, schema: Schema) -> None:
    """Every value of the file is that of the table, rounded as its format says; what is missing is masked."""
    for column in schema:
        if frame[column.name].null_count() == frame.height:
            assert column.cds_label not in table.colnames
            continue
        read = table[column.cds_label]
        mask = np.ma.getmaskarray(np.ma.asarray(read.data))
        for value, found, masked in zip(frame[column.name], read, mask, strict=True):
            where = (column.name, value, found)
            if value is None:
                assert masked, where
            elif column.dtype == "string":
                assert not masked, where
                assert str(found) == value or unescape(str(found)) == value, where
            elif column.dtype.startswith("float"):
                assert abs(float(found) - value) <= tolerance(column, value) + 4e-16 * abs(value), where
            else:
                assert not masked, where
                assert int(found) == int(value), where


@pytest.mark.parametrize("schema", [CATALOGUE, CLUSTERS, MATCHES, MEMBER_STARS, SPECTRA, STARS, *PUBLISHED[2:]])
def test_labels_are_unique_and_numbers_have_a_format(schema: Schema) -> None:
    labels = [c.cds_label for c in schema]
    assert len(labels) == len(set(labels))
    for column in schema:
        assert " " not in column.cds_label
        assert len(column.cds_label) <= 14
        if column.dtype not in {"string", "bool"}:
            fixedwidth.print_format(column)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=st.lists(rows, min_size=1, max_size=6))
@example(items=[(None,) * 7] * 2)
@example(items=[(2**63 - 1, -(2**31), 5e-324, -1e300, 3e38, True, "x" * 5000), (-(2**63), *[None] * 6)])
@example(items=[(0, 0, -0.0004, 0.0, 0.0, False, "Ⅻ α Per\n"), (1, 1, 1.0, 1.0, 1.0, True, "plain")])
def test_astropy_reads_both_forms(tmp_path: Path, items: list[tuple[object, ...]]) -> None:
    frame = build(items)
    product = Product("t", ALL_TYPES, frame)
    readme, data = write_cds(tmp_path / "cds", [product], FRONT)
    text = data.read_bytes()
    assert text.isascii()
    assert len({len(line) for line in text.decode().splitlines()}) == 1
    assert max(map(len, readme.read_text("ascii").splitlines())) <= 80
    assert_printed(Table.read(data, format="ascii.cds", readme=str(readme)), frame, ALL_TYPES)
    [aas] = write_aas(tmp_path / "aas", [product], FRONT)
    assert_printed(Table.read(aas, format="ascii.mrt"), frame, ALL_TYPES)


def member_frame() -> pl.DataFrame:
    """Two stars, one with as little as the schema allows."""
    base = {
        "cluster": "M_67",
        "gaia_release": "DR2",
        "spectrum_id": "101001",
        "ra": 132.8,
        "dec": 11.8,
        "ref_epoch": 2015.5,
        "method": "position",
        "n_spectra": 1,
        "n_clusters": 1,
    }
    rows_ = [
        {**base, "source_id": 604917594995372544, "rv": 33.74, "rv_error": 1.2, "flag": 12, "reason": "within 2 sigma"},
        {**base, "source_id": 2**62 + 1, "flag": 0, "reason": "no radial velocity; " * 40},
    ]
    return MEMBER_STARS.conform(pl.DataFrame(rows_))


def test_star_table_as_an_editor_reads_it(tmp_path: Path) -> None:
    readme, data = write_cds(tmp_path, [Product("members", MEMBER_STARS, member_frame())], FRONT)
    text = readme.read_text("ascii")
    lines = text.splitlines()
    assert lines[0].endswith("(Muller+, 2030)")
    assert "=2030A&A...999A..99M" in text
    assert "Note (1): Flag is one of:\n     0 = not used" in text
    assert re.search(r"^ *\d+- *\d+ I19 +--- +GaiaID +Gaia source identifier", text, re.M)
    # Other columns are named by their labels.
    assert "Uncertainty of RV\n" in text
    assert "source_id" not in text
    # A logarithmic quantity has the unit of its argument.
    assert "members.dat" in text
    assert re.search(r"members\.dat +(\d+) +2  One row per matched star", text)
    width = int(re.search(r"members\.dat +(\d+) ", text)[1])  # type: ignore[index]
    assert {len(line) for line in data.read_text().splitlines()} == {width}
    assert "Columns without a value in any row are left out:" in text
    assert "    Fu et al. 2022, 2022A&A...668A...4F" in text
    table = Table.read(data, format="ascii.cds", readme=str(readme))
    assert table["GaiaID"].tolist() == [604917594995372544, 2**62 + 1]
    assert table["RV"].mask.tolist() == [False, True]
    assert str(table["RV"].unit) == "km / s"


def test_units_of_logarithms() -> None:
    assert fixedwidth.cds_unit(MEMBER_STARS["logg"]) == "[cm/s2]"
    assert fixedwidth.cds_unit(CATALOGUE["log_age"]) == "[yr]"
    assert fixedwidth.cds_unit(CATALOGUE["feh_med"]) == "[-]"
    assert fixedwidth.cds_unit(DYNAMICS["l_z"]) == "kpc.km/s"
    assert fixedwidth.cds_unit(DYNAMICS["energy"]) == "km2/s2"
    assert fixedwidth.cds_unit(CATALOGUE["cluster"]) == "---"


def test_unknown_authors_are_marked(tmp_path: Path) -> None:
    front = Front(PublishConfig(), "T", [], [], [], date(2030, 1, 2))
    readme, _ = write_cds(tmp_path, [Product("t", ALL_TYPES, build([(None,) * 7]))], front)
    assert "<authors>" in readme.read_text()
    assert "<abstract>" in readme.read_text()
    assert "(<author>+, 2030)" in readme.read_text()


def test_plain_text() -> None:
    assert plain("Ångström – Müller’s ±") == "Angstrom - Muller's +/-"
    assert plain("星") == "\\u661f"


def test_a_file_that_differs_is_refused(tmp_path: Path) -> None:
    frame = build([(5, 6, 1.25, -0.5, 1.5, True, "text"), (None,) * 7])
    plan = fixedwidth.layout(frame, ALL_TYPES)
    description = fixedwidth.byte_by_byte(plan, "t")
    good = b"".join(fixedwidth.lines(frame, plan))
    path = tmp_path / "t.dat"
    path.write_bytes(good)
    check(path, frame, ALL_TYPES, description)
    for old, new, column in ((b"1.250", b"1.251", "real"), (b"text", b"test", "text"), (b" 5 ", b" 7 ", "long")):
        path.write_bytes(good.replace(old, new))
        with pytest.raises(PublishError, match=f"row 1: '{column}'"):
            check(path, frame, ALL_TYPES, description)
    path.write_bytes(good + b"\n")
    with pytest.raises(PublishError, match="lines of"):
        check(path, frame, ALL_TYPES, description)
    other = fixedwidth.byte_by_byte(fixedwidth.layout(frame.head(1), ALL_TYPES), "t").replace("Label", "L")
    path.write_bytes(good)
    check(path, frame, ALL_TYPES, other)
    with pytest.raises(PublishError, match="does not name the columns"):
        check(path, frame, ALL_TYPES, "nothing")


def test_wrong_schemas_are_refused() -> None:
    twice = Schema(
        "t", "t", (Column("a", "int32", "", "", "A", format="%d"), Column("A", "int32", "", "", "B", format="%d"))
    )
    clash = twice.extend(Column("b", "int32", "", "", "B", format="%d", label="A"))
    with pytest.raises(SchemaError, match="label 'A'"):
        fixedwidth.layout(clash.empty(), clash)
    bare = Schema("t", "t", (Column("a", "float64", "", "", "A"),))
    with pytest.raises(SchemaError, match="cannot be printed"):
        fixedwidth.layout(bare.empty(), bare)
    wrong = Schema("t", "t", (Column("a", "float64", "", "", "A", format="%5d"),))
    with pytest.raises(SchemaError, match="cannot be printed"):
        fixedwidth.layout(wrong.empty(), wrong)


def test_no_row(tmp_path: Path) -> None:
    plan = fixedwidth.layout(ALL_TYPES.empty(), ALL_TYPES)
    assert [f.column.name for f in plan.fields] == ALL_TYPES.names
    assert b"".join(fixedwidth.lines(ALL_TYPES.empty(), plan)) == b""


def test_continued_explanations_do_not_look_like_columns(tmp_path: Path) -> None:
    words = "the number of stars within 12 A12 km/s Label of 7 I7 --- Other and 3 F3.1 mag Third of them all"
    schema = Schema("t", "t", (Column("n", "int32", "", "meta.number", words, format="%3d"),))
    frame = pl.DataFrame({"n": [1, 2]}, schema=schema.polars_schema())
    readme, data = write_cds(tmp_path, [Product("t", schema, frame)], FRONT)
    table = Table.read(data, format="ascii.cds", readme=str(readme))
    assert table.colnames == ["n"]
