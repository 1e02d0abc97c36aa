"""Tables survive every format, and say what they are."""

from __future__ import annotations

import math
import shutil
import struct
import subprocess
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from votables import strictly

from melotte.errors import PublishError, ReadError, SchemaError
from melotte.publish import FORMATS, About, read_table, write_table
from melotte.schema import CATALOGUE, MEMBER_STARS, SPECTRA, Column, Schema

ALL_TYPES = Schema(
    "all_types",
    "One column of every type",
    (
        Column("key", "int64", "", "meta.id;meta.main", "Key, never missing", False, "%19d"),
        Column("long", "int64", "", "meta.id", "A 64-bit integer", True, "%19d"),
        Column("short", "int32", "d", "time.duration", "A 32-bit integer with a unit", True, "%6d"),
        Column("real", "float64", "km / s", "spect.dopplerVeloc", "A velocity", True, "%9.3f"),
        Column("metal", "float64", "dex", "phys.abund.Fe", "An abundance", True, "%7.3f"),
        Column("single", "float32", "mas / yr", "pos.pm;pos.eq.ra", "A proper motion", True, "%9.3e"),
        Column("truth", "bool", "", "meta.code", "A logical", True),
        Column("text", "string", "", "meta.note", "A text", True),
    ),
    key=("key",),
)

finite = st.floats(allow_nan=False, allow_infinity=False)
single = st.floats(allow_nan=False, allow_infinity=False, width=32)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
rows = st.tuples(
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.integers(-(2**31), 2**31 - 1),
    st.none() | finite | st.sampled_from([5e-324, -2.2e-308, -0.0, 0.1, 1 / 3]),
    st.none() | finite,
    st.none() | single,
    st.none() | st.booleans(),
    st.none()
    | texts
    | st.sampled_from(["", "#", "#a", " ", "a ", " a", "\\", "\\e", "\\u0041", "é", "𝛼", "a\nb", "\r", "\t", '"', ","]),
)


def build(items: list[tuple[object, ...]]) -> pl.DataFrame:
    data = {name: [row[i] for row in items] for i, name in enumerate(ALL_TYPES.names[1:])}
    return pl.DataFrame({"key": [2**63 - 1 - i for i in range(len(items))], **data}, schema=ALL_TYPES.polars_schema())


def bits(frame: pl.DataFrame) -> list[list[object]]:
    """Values with floats as their bytes: tells -0.0 from 0.0."""
    return [
        [None if v is None else struct.pack("<d", v) if isinstance(v, float) else v for v in frame[name]]
        for name in frame.columns
    ]


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=st.lists(rows, max_size=6))
def test_round_trip_is_exact(tmp_path: Path, form: str, items: list[tuple[object, ...]]) -> None:
    frame = build(items)
    [path] = write_table(frame, ALL_TYPES, tmp_path / "t", (form,))
    back = read_table(path, ALL_TYPES)
    assert back.schema == frame.schema
    assert bits(back) == bits(frame)


def sample() -> pl.DataFrame:
    return build(
        [
            (2**63 - 1, -(2**31), 5e-324, -0.12, 1.5, True, "M 67"),
            (None, None, None, None, None, None, None),
            (-(2**63), 0, -0.0, 0.1, -2.5, False, ""),
        ]
    )


@pytest.mark.parametrize("schema", [CATALOGUE, MEMBER_STARS, SPECTRA, ALL_TYPES], ids=lambda s: s.name)
def test_empty_tables(tmp_path: Path, schema: Schema) -> None:
    for path in write_table(schema.empty(), schema, tmp_path / "empty"):
        assert read_table(path, schema).equals(schema.empty())


def test_columns_without_any_value(tmp_path: Path) -> None:
    frame = build([(None,) * 7] * 3)
    for path in write_table(frame, ALL_TYPES, tmp_path / "void"):
        assert read_table(path, ALL_TYPES).equals(frame)


def test_integer_column_that_uses_the_usual_null_value(tmp_path: Path) -> None:
    frame = build([(-(2**63) + i, -(2**31) + i, *[None] * 5) for i in range(3)] + [(None,) * 7])
    [path] = write_table(frame, ALL_TYPES, tmp_path / "t", ("fits",))
    assert read_table(path, ALL_TYPES).equals(frame)


def test_files_are_named_and_nothing_else_is_left(tmp_path: Path) -> None:
    paths = write_table(sample(), ALL_TYPES, tmp_path / "out" / "v1.2")
    assert [p.name for p in paths] == ["v1.2.parquet", "v1.2.fits", "v1.2.vot", "v1.2.ecsv"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(p.name for p in paths)


def test_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    first = write_table(sample(), ALL_TYPES, tmp_path / "a" / "t")
    second = write_table(sample(), ALL_TYPES, tmp_path / "b" / "t")
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name


def test_fits_says_what_its_columns_are(tmp_path: Path) -> None:
    from astropy.io import fits

    [path] = write_table(sample(), ALL_TYPES, tmp_path / "t", ("fits",), about=About(epoch=2015.5))
    with fits.open(path, checksum=True) as hdus:
        hdus.verify("exception")
        header, data = hdus[1].header, hdus[1].data
        keys = {header[f"TTYPE{i}"]: i for i in range(1, header["TFIELDS"] + 1)}
        assert header[f"TUNIT{keys['real']}"] == "km s-1"
        assert header[f"TUNIT{keys['metal']}"] == "dex"
        assert header[f"TUNIT{keys['single']}"] == "mas yr-1"
        assert header[f"TUCD{keys['metal']}"] == "phys.abund.Fe"
        assert header[f"TCOMM{keys['truth']}"] == "A logical"
        assert header[f"TDISP{keys['real']}"] == "F9.3"
        assert header["REFEPOCH"] == 2015.5
        # A value that is present stays out of the way of the null.
        assert header[f"TNULL{keys['long']}"] == -(2**63) + 1
        assert data["long"].tolist() == [2**63 - 1, -(2**63) + 1, -(2**63)]
        assert math.isnan(data["real"][1])


@pytest.mark.parametrize(
    ("form", "display"),
    [
        ("%+08.4f", "F8.4"),
        ("%9.0f", "F9.0"),
        ("%13.5e", "E13.5"),
        ("%12.6g", "G12.6"),
        ("%-9e", "E9.6"),
        ("%g", None),
        ("", None),
    ],
)
def test_fits_says_how_a_number_is_shown(tmp_path: Path, form: str, display: str | None) -> None:
    from astropy.io import fits
    from astropy.table import Table

    schema = Schema("shown", "One number", (Column("x", "float64", "", "", "A number", format=form),))
    frame = pl.DataFrame({"x": [0.25, None]})
    [path] = write_table(frame, schema, tmp_path / "t", ("fits",))
    assert fits.getheader(path, 1).get("TDISP1") == display
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Table.read(path)["x"][0] == 0.25
    assert read_table(path, schema).equals(frame)


def test_votable_says_what_its_columns_are(tmp_path: Path) -> None:
    about = About(citations=[("2022A&A...668A...4F", "Fu et al. 2022 <A&A> 668, A4")], epoch=2015.5)
    [path] = write_table(sample(), ALL_TYPES, tmp_path / "t", ("vot",), about=about)
    document = strictly(path)
    resource = document.resources[0]
    assert [(s.system, s.epoch) for s in resource.coordinate_systems] == [("ICRS", "J2015.5")]
    infos = [(i.name, i.value, i.content) for i in resource.infos]
    assert infos[0][0] == "server_software"
    assert infos[0][1].startswith("melotte ")
    assert ("cites", "bibcode:2022A&A...668A...4F", "Fu et al. 2022 <A&A> 668, A4") in infos
    table = document.get_first_table()
    by_name = {f.name: f for f in table.fields}
    assert str(by_name["metal"].unit).strip("'") == "dex"
    assert by_name["single"].ref == "icrs"
    assert by_name["long"].datatype == "long"
    assert by_name["real"].ucd == "spect.dopplerVeloc"
    assert table.array.mask["long"].tolist() == [False, True, False]
    assert table.array.mask["truth"].tolist() == [False, True, False]
    raw = path.read_text("utf-8")
    assert 'unit="km.s**-1"' in raw
    assert "<BINARY2>" in raw
    assert 'version="1.4"' in raw


def test_epoch_and_time_systems_follow_the_columns(tmp_path: Path) -> None:
    from astropy.io.votable import parse

    base = {"spectrum_id": ["1", "2"], "ra": [1.0, 2.0], "dec": [0.0, 1.0], "obs_mjd": [55000.0, None]}
    for epochs, expected in (([2000.0, 2000.0], "J2000.0"), ([2000.0, 2015.5], None), ([2000.0, None], None)):
        frame = SPECTRA.conform(pl.DataFrame({**base, "ref_epoch": epochs}))
        [path] = write_table(frame, SPECTRA, tmp_path / "s", ("vot",), about=About(epoch=2016.0))
        resource = parse(path).resources[0]
        assert resource.coordinate_systems[0].epoch == expected
        assert {t.ID for t in resource.time_systems} == {"epoch", "mjd"}
        refs = {f.name: f.ref for f in resource.tables[0].fields}
        assert (refs["ra"], refs["pmdec"], refs["ref_epoch"], refs["obs_mjd"]) == ("icrs", "icrs", "epoch", "mjd")


def test_parquet_carries_the_votable_header(tmp_path: Path) -> None:
    import io

    import pyarrow.parquet as pq
    from astropy.io.votable import parse

    [path] = write_table(sample(), ALL_TYPES, tmp_path / "t", ("parquet",))
    schema = pq.read_schema(path)
    assert schema.metadata[b"IVOA.VOTable-Parquet.version"] == b"1.0"
    table = parse(io.BytesIO(schema.metadata[b"IVOA.VOTable-Parquet.content"])).get_first_table()
    assert [f.name for f in table.fields] == schema.names == ALL_TYPES.names
    assert [f.ucd for f in table.fields] == [c.ucd for c in ALL_TYPES]
    assert str(schema.field("long").type) == "int64"
    assert pl.read_parquet(path).equals(sample())


def test_ecsv_keeps_numbers_and_units(tmp_path: Path) -> None:
    from astropy.table import QTable
    from astropy.units import Unit

    [path] = write_table(sample(), ALL_TYPES, tmp_path / "t", ("ecsv",))
    table = QTable.read(path)
    assert table["metal"].unit == Unit("dex")
    assert table["real"].unmasked[0].to_value("km / s") == 5e-324
    assert table["long"].mask.tolist() == [False, True, False]
    assert table["text"].info.meta["ucd"] == "meta.note"


@pytest.mark.skipif(shutil.which("stilts") is None, reason="stilts is not installed")
def test_stilts_reads_the_files_and_finds_no_fault(tmp_path: Path) -> None:
    frame = build([(2**63 - 1, 1, 0.1, -0.2, 0.5, True, "Ésa"), (None,) * 7, (-5, 2, -1e-300, 3.0, 1.0, False, "b c")])
    about = About(citations=[("key1", "One"), ("key2", "Two")], epoch=2015.5, simulated=True)
    for path in write_table(frame, ALL_TYPES, tmp_path / "t", ("fits", "vot", "ecsv"), about=about):
        if path.suffix == ".vot":
            lint = subprocess.run(["stilts", "votlint", str(path)], capture_output=True, text=True, check=True)
            assert (lint.stdout, lint.stderr) == ("", "")
        kind = {".vot": "votable"}.get(path.suffix, path.suffix[1:])
        command = ["stilts", "tpipe", f"in={path}", f"ifmt={kind}", "ofmt=csv", "omode=out"]
        out = subprocess.run(command, capture_output=True, check=True).stdout
        back = pl.read_csv(out, infer_schema=False)
        assert back["key"].to_list() == [str(k) for k in frame["key"]]
        assert back["long"].to_list() == [str(2**63 - 1), None, "-5"]
        assert back["truth"].to_list() == ["true", None, "false"]
        assert [None if v is None else float(v) for v in back["real"]] == [0.1, None, -1e-300]
        assert back["text"][1:].to_list() == [None, "b c"]


@pytest.mark.parametrize("form", FORMATS)
def test_unit_of_the_file_is_converted(tmp_path: Path, form: str) -> None:
    metres = Schema("t", "t", (Column("v", "float64", "m / s", "spect.dopplerVeloc", "A velocity"),))
    wanted = Schema("t", "t", (Column("v", "float64", "km / s", "spect.dopplerVeloc", "A velocity"),))
    wrong = Schema("t", "t", (Column("v", "float64", "mag", "phot.mag", "A magnitude"),))
    frame = pl.DataFrame({"v": [1500.0, None]})
    [path] = write_table(frame, metres, tmp_path / "v", (form,))
    assert read_table(path, wanted)["v"].to_list() == [1.5, None]
    with pytest.raises(SchemaError, match="mag"):
        read_table(path, wrong)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.98])
def test_truncated_file_is_an_error(tmp_path: Path, form: str, keep: float) -> None:
    [path] = write_table(pl.concat([sample()] * 1), ALL_TYPES, tmp_path / "t", (form,))
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if keep < 1 else int(keep)])
    with pytest.raises((ReadError, SchemaError)) as info:
        read_table(path, ALL_TYPES)
    assert path.name in str(info.value)


def test_other_bad_input_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"none\.fits: no such file"):
        read_table(tmp_path / "none.fits", ALL_TYPES)
    with pytest.raises(ReadError, match="unknown table format"):
        read_table(tmp_path / "t.xlsx", ALL_TYPES)
    with pytest.raises(PublishError, match="xlsx"):
        write_table(sample(), ALL_TYPES, tmp_path / "t", ("xlsx",))
    with pytest.raises(PublishError, match="row 1: the text in 'text' holds a NUL"):
        write_table(build([(None,) * 6 + ("a\0b",)]), ALL_TYPES, tmp_path / "t")
    (tmp_path / "file").write_text("x")
    with pytest.raises(PublishError, match="cannot be written"):
        write_table(sample(), ALL_TYPES, tmp_path / "file" / "t")
    with pytest.raises(SchemaError, match="wrong order"):
        write_table(sample().select(reversed(ALL_TYPES.names)), ALL_TYPES, tmp_path / "t")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_file_that_does_not_read_back_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from melotte.tables import fits

    [path] = write_table(sample(), ALL_TYPES, tmp_path / "t", ("fits",))
    before = path.read_bytes()
    monkeypatch.setattr(fits, "filled", lambda s, c, m: np.zeros(len(s), dtype=c.dtype))
    with pytest.raises(PublishError, match="does not read back equal"):
        write_table(sample(), ALL_TYPES, tmp_path / "t", ("fits",))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["t.fits"]


@pytest.mark.parametrize("delimiter", [" ", ","])
def test_ecsv_of_astropy_is_read(tmp_path: Path, delimiter: str) -> None:
    from astropy.coordinates import SkyCoord
    from astropy.table import MaskedColumn, QTable

    table = QTable()
    table["key"] = [2**62 + 1, 2]
    table["real"] = MaskedColumn([1500.0, 0.0], mask=[False, True], unit="m/s")
    table["truth"] = [True, False]
    table["text"] = MaskedColumn(["a b", "x"], mask=[False, True])
    for extra in (False, True):
        if extra:
            table["place"] = SkyCoord([1.0, 2.0], [3.0, 4.0], unit="deg")
        table.write(tmp_path / "a.ecsv", delimiter=delimiter, overwrite=True)
        back = read_table(tmp_path / "a.ecsv", ALL_TYPES)
        assert back.select("key", "real", "truth", "text").rows() == [
            (2**62 + 1, 1.5, True, "a b"),
            (2, None, False, None),
        ]


def test_ecsv_is_the_same_to_astropy(tmp_path: Path) -> None:
    from astropy.table import Table

    frame = build(
        [(2**63 - 1, 7, 0.1, 5e-324, 1.1, True, "M 67"), (None,) * 7, (1, 2, 3.0, -1e300, 0.1, False, 'a,"b"')]
    )
    [path] = write_table(frame, ALL_TYPES, tmp_path / "t", ("ecsv",))
    table = Table.read(path)
    for name in frame.columns:
        assert table[name].tolist() == frame[name].to_list(), name


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=st.lists(rows, max_size=6))
def test_astropy_reads_the_rows_of_a_votable(tmp_path: Path, items: list[tuple[object, ...]]) -> None:
    from astropy.io.votable import parse_single_table

    frame = build(items)
    [path] = write_table(frame, ALL_TYPES, tmp_path / "t", ("vot",))
    table = parse_single_table(path)
    assert len(table.array) == frame.height
    for name in frame.columns:
        mask, values = table.array.mask[name], table.array.data[name]
        for value, found, masked in zip(frame[name], values, mask, strict=True):
            if name == "text":
                # An empty text is a blank: astropy takes no text for a missing one.
                assert str(found) == ("" if value is None else value if value.strip(" ") else value + " ")
            else:
                assert masked == (value is None)
                assert value is None or found == value


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=st.lists(rows, min_size=1, max_size=6), form=st.sampled_from(["binary2", "tabledata", "binary"]))
def test_a_votable_of_astropy_is_read(tmp_path: Path, items: list[tuple[object, ...]], form: str) -> None:
    from astropy.io.votable.tree import Field, Resource, TableElement, VOTableFile

    frame = build(items)
    if form != "binary2":  # there a missing number has no bits of its own
        frame = frame.filter(pl.all_horizontal(pl.all().is_not_null()))
    # Blanks around a text and control characters do not survive astropy and XML.
    clean = pl.col("text").str.replace_all(r"[^!-~]", "")
    frame = frame.with_columns(pl.when(clean == "").then(None).otherwise(clean).alias("text"))
    if form == "binary":
        frame = frame.with_columns(pl.lit("x").alias("text"))
    document = VOTableFile(version="1.4")
    resource, table = Resource(), TableElement(document)
    document.resources.append(resource)
    resource.tables.append(table)
    types = {"int64": "long", "int32": "int", "float64": "double", "float32": "float", "bool": "boolean"}
    for column in ALL_TYPES:
        kind = {"datatype": "char", "arraysize": "*"} if column.dtype == "string" else {"datatype": types[column.dtype]}
        table.fields.append(Field(document, ID=column.name, name=column.name, **kind))
    table.create_arrays(frame.height)
    for column in ALL_TYPES:
        series = frame[column.name]
        empty = {"string": "", "bool": False}.get(column.dtype, 0)
        table.array[column.name] = np.array(
            [empty if v is None else v for v in series], dtype=object if column.dtype == "string" else None
        )
        table.array.mask[column.name] = series.is_null().to_numpy()
    document.to_xml(str(tmp_path / "a.vot"), tabledata_format=form)
    back = read_table(tmp_path / "a.vot", ALL_TYPES)
    assert bits(back) == bits(frame)


def test_rows_of_a_votable_in_several_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from melotte.tables import binary2

    frame = build([(i, i, i / 7, None, 1.0, i % 2 == 0, "text" * (i % 5)) for i in range(40)])
    [path] = write_table(frame, ALL_TYPES, tmp_path / "t", ("vot",))
    whole = path.read_bytes()
    monkeypatch.setattr(binary2, "_CHUNK", 7)
    [path] = write_table(frame, ALL_TYPES, tmp_path / "t", ("vot",))
    assert path.read_bytes() == whole
    assert read_table(path, ALL_TYPES).equals(frame)


@pytest.mark.parametrize("damage", [b"", b"*", b"AAAA"])
def test_damaged_rows_of_a_votable_are_an_error(tmp_path: Path, damage: bytes) -> None:
    [path] = write_table(sample(), ALL_TYPES, tmp_path / "t", ("vot",))
    content = path.read_bytes()
    end = content.index(b"</STREAM>")
    path.write_bytes(content[: end - 5] + damage + content[end:])
    with pytest.raises(ReadError, match="not a readable VOTable"):
        read_table(path, ALL_TYPES)
