"""The schema describes every column completely and refuses tables that do not fit."""

from __future__ import annotations

import pkgutil
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from astropy import units as u
from astropy.io.votable.exceptions import VOTableSpecWarning
from astropy.io.votable.ucd import check_ucd
from astropy.table import MaskedColumn, QTable, Table
from hypothesis import given, settings
from hypothesis import strategies as st

from melotte import schema
from melotte.errors import SchemaError
from melotte.schema import Column, Schema, from_qtable, to_qtable

#: Every table the package describes: those of the schema and those modules keep for themselves.
MODULES = [f"melotte.schema.{m.name}" for m in pkgutil.iter_modules(schema.__path__)] + [
    "melotte.validation.calibration.tables"
]
ALL = list(dict.fromkeys(v for m in MODULES for v in vars(import_module(m)).values() if isinstance(v, Schema)))
COLUMNS = [pytest.param(c, id=f"{t.name}.{c.name}") for t in ALL for c in t]

SMALL = Schema(
    "small",
    "A table for tests",
    (
        Column("source_id", "int64", "", "meta.id", "Id", False),
        Column("rv", "float64", "km / s", "spect.dopplerVeloc", "RV", minimum=-1000, maximum=1000),
        Column("n", "int32", "", "meta.number", "N"),
        Column("ok", "bool", "", "meta.code", "Flag"),
        Column("name", "string", "", "meta.id", "Name"),
    ),
    key=("source_id",),
)


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_is_described(column: Column):
    assert column.description
    assert check_ucd(column.ucd, check_controlled_vocabulary=True), column.ucd
    u.Unit(column.unit)  # raises if it is none
    assert len(column.label) <= 14
    if column.dtype.startswith("float"):
        assert column.format.startswith("%"), "a float column needs a text format"
        column.format % 1.5  # raises if it is none


@pytest.mark.parametrize("table", ALL, ids=lambda t: t.name)
def test_cds_labels_are_unique(table: Schema):
    labels = [c.cds_label for c in table]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("table", ALL, ids=lambda t: t.name)
def test_errors_and_scatter_have_the_unit_of_their_quantity(table: Schema):
    for column in table:
        for other in (column.error_of, column.scatter_of):
            if other:
                assert column.unit == table[other].unit
                assert column.minimum == 0.0


def test_a_schema_refuses_two_columns_of_one_name():
    with pytest.raises(SchemaError, match="twice"):
        Schema("s", "d", (SMALL["rv"], SMALL["rv"]))


def small(**columns: list[object]) -> pl.DataFrame:
    content: dict[str, list[object]] = {
        "source_id": [2**62 + 1, 2],
        "rv": [1.5, None],
        "n": [None, 3],
        "ok": [True, None],
        "name": ["", None],
    }
    return pl.DataFrame({**content, **columns}, schema_overrides={"n": pl.Int32}, strict=False)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"source_id": [1, 1]}, "row 1.*source_id=1.*more than once"),
        ({"source_id": [1, None]}, "row 2.*'source_id' has no value"),
        ({"rv": [1.0, float("nan")]}, "row 2.*'rv' is nan"),
        ({"rv": [float("inf"), 1.0]}, "row 1.*'rv' is inf"),
        ({"rv": [1.0, -1001.0]}, "row 2.*-1001"),
        ({"rv": [1.0, 1000.5]}, "row 2.*1000.5"),
        ({"rv": ["a", "b"]}, "'rv' has type String"),
    ],
)
def test_validate_names_column_and_row(columns: dict[str, list[object]], message: str):
    with pytest.raises(SchemaError, match=message):
        SMALL.validate(small(**columns), where="here")


def test_conform_adds_missing_nullable_columns_and_refuses_missing_required_ones():
    frame = SMALL.conform(pl.DataFrame({"source_id": [1, 2]}))
    assert frame.columns == SMALL.names
    assert frame["rv"].null_count() == 2
    with pytest.raises(SchemaError, match="'source_id' is missing"):
        SMALL.conform(pl.DataFrame({"rv": [1.0]}))


def test_conform_refuses_ids_that_went_through_a_float():
    with pytest.raises(SchemaError, match="floating-point"):
        SMALL.conform(pl.DataFrame({"source_id": [float(2**62)]}))


def test_conform_refuses_values_that_do_not_fit():
    with pytest.raises(SchemaError, match="does not fit"):
        SMALL.conform(pl.DataFrame({"source_id": [1], "n": [2**40]}))


def test_qtable_has_units_masks_and_exact_ids():
    table = to_qtable(small(), SMALL)
    assert isinstance(table, QTable)
    assert table["source_id"].dtype == np.int64
    assert int(table["source_id"][0]) == 2**62 + 1
    assert table["rv"].unit == u.km / u.s
    assert list(table["rv"].mask) == [False, True]
    assert list(table["n"].mask) == [True, False]
    assert table["rv"].info.meta["ucd"] == "spect.dopplerVeloc"


rows = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(-1000, 1000),
        st.none() | st.integers(-(2**31), 2**31 - 1),
        st.none() | st.booleans(),
        st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8),
    ),
    unique_by=lambda r: r[0],
    max_size=8,
)


@settings(deadline=None)
@given(rows)
def test_round_trip_through_astropy(content: list[tuple[object, ...]]):
    frame = pl.DataFrame(content, schema=SMALL.polars_schema(), orient="row")
    back = from_qtable(to_qtable(frame, SMALL), SMALL)
    assert back.equals(frame, null_equal=True)


def test_from_qtable_converts_units_and_refuses_wrong_ones():
    table = Table({"source_id": MaskedColumn([5], dtype=np.int64), "rv": [2000.0] * u.m / u.s})
    assert from_qtable(table, SMALL)["rv"][0] == 2.0
    table["rv"] = [1.0] * u.kg
    with pytest.raises(SchemaError, match="in kg"):
        from_qtable(table, SMALL, where="x.fits")


def test_a_unit_that_only_astropy_has_survives_a_votable(tmp_path: Path):
    iron = Schema("iron", "One number", (Column("feh", "float64", "dex", "", "Iron"),))
    to_qtable(pl.DataFrame({"feh": [0.25]}), iron).write(tmp_path / "a.vot", format="votable")
    assert from_qtable(Table.read(tmp_path / "a.vot"), iron)["feh"].to_list() == [0.25]
    # As the standard has it for units that are not its own, in a process that has met the other spelling.
    text = (tmp_path / "a.vot").read_text()
    assert 'unit="dex"' in text
    (tmp_path / "a.vot").write_text(text.replace('unit="dex"', "unit=\"'dex'\""))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VOTableSpecWarning)
        assert from_qtable(Table.read(tmp_path / "a.vot"), iron)["feh"].to_list() == [0.25]


def test_big_endian_columns_of_fits_files_are_read():
    table = Table({"source_id": np.array([2**61 + 3], dtype=">i8"), "rv": np.array([1.25], dtype=">f4")})
    frame = from_qtable(table, SMALL)
    assert frame["source_id"][0] == 2**61 + 3
    assert frame["rv"][0] == 1.25


def test_missing_values_print_as_missing() -> None:
    wide = Schema("wide", "One number", (Column("x", "float64", "km / s", "", "A speed", format="%8.4f"),))
    table = to_qtable(pl.DataFrame({"x": [None, 1.5]}), wide)
    assert [line.strip() for line in table.pformat()[-2:]] == ["———", "1.5000"]
