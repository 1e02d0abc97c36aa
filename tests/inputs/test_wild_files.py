"""Files as they occur in the wild, each with the same stars: read to the same values, or refused with the reason."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.coordinates import Angle
from astropy.io import fits
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from melotte.config import SurveyConfig
from melotte.core.constants import SPEED_OF_LIGHT_KMS
from melotte.errors import MelotteError
from melotte.inputs.surveys import open_survey

N = 30
RNG = np.random.default_rng(5)
IDS = 598_591_692_283_221_248 + 128 * np.arange(N)
STARS: dict[str, Any] = {
    "id": np.arange(N),
    "gaia": IDS,
    "ra": RNG.uniform(130.0, 135.0, N),
    "dec": RNG.uniform(-12.0, 12.0, N),
    "rv": RNG.normal(34.0, 5.0, N),
    "e_rv": RNG.uniform(0.5, 3.0, N),
    "feh": RNG.normal(0.0, 0.1, N),
}
COLUMNS: dict[str, Any] = {
    "spectrum_id": "id",
    "source_id_dr2": "gaia",
    "ra": "ra",
    "dec": "dec",
    "rv": "rv",
    "rv_error": "e_rv",
    "feh": "feh",
}
SKY = {k: v for k, v in COLUMNS.items() if k != "source_id_dr2"}


def table(**changed: Any) -> Table:
    return Table({**STARS, **changed})


def text(sep: str = ",", nl: str = "\n", before: str = "", **changed: Any) -> bytes:
    columns = {**STARS, **changed}
    rows = [sep.join(str(columns[c][i]) for c in columns) for i in range(N)]
    return (before + sep.join(columns) + nl + nl.join(rows) + nl).encode()


def read(path: Path, columns: dict[str, Any] = COLUMNS, **survey: Any) -> pl.DataFrame:
    settings = SurveyConfig.model_validate({"adapter": "table", "file": str(path), "columns": columns, **survey})
    return open_survey(settings).read().frame.sort(pl.col("spectrum_id").cast(pl.Int64))


def check(frame: pl.DataFrame, *, ids: bool = True, tolerance: float = 1e-9) -> None:
    assert frame.height == N
    if ids:
        assert frame["source_id_dr2"].to_list() == IDS.tolist()
    for name, column in (("ra", "ra"), ("dec", "dec"), ("rv", "rv"), ("rv_error", "e_rv"), ("feh", "feh")):
        np.testing.assert_allclose(frame[name].to_numpy(), STARS[column], rtol=0, atol=tolerance, err_msg=name)


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


def zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside", data)
    return buffer.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd,
    ".zip": zipped,
}


@pytest.mark.parametrize("end", PACKED)
@pytest.mark.parametrize("kind", ["csv", "fits", "ecsv"])
def test_compressed(kind: str, end: str, tmp_path: Path) -> None:
    plain = tmp_path / f"plain.{kind}"
    if kind == "csv":
        plain.write_bytes(text())
    else:
        table().write(plain)
    path = tmp_path / f"stars.{kind}{end}"
    path.write_bytes(PACKED[end](plain.read_bytes()))
    check(read(path))


@pytest.mark.parametrize("end", PACKED)
def test_a_compressed_file_cut_short_is_refused(end: str, tmp_path: Path) -> None:
    path = tmp_path / f"stars.csv{end}"
    packed = PACKED[end](text())
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(MelotteError):
        read(path)


def test_a_zip_file_of_two_names_them(tmp_path: Path) -> None:
    path = tmp_path / "stars.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", text())
        archive.writestr("b.csv", text())
    with pytest.raises(MelotteError, match="2 files"):
        read(path)


@pytest.mark.parametrize(
    "made",
    [
        lambda: [f"Gaia DR2 {i}" for i in IDS],
        lambda: [f" {i} " for i in IDS],
        lambda: [f"{i}.0" for i in IDS],
        lambda: IDS.astype("u8"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "fits", "parquet"])
def test_ids(made: Callable[[], Any], kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"stars.{kind}"
    if kind == "csv":
        path.write_bytes(text(gaia=made()))
    elif kind == "fits":
        table(gaia=made()).write(path)
    else:
        pl.DataFrame({k: pl.Series(list(v)) for k, v in {**STARS, "gaia": made()}.items()}).write_parquet(path)
    check(read(path))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"gaia": [f"{float(i):.6e}" for i in IDS]}, "digits"),
        ({"gaia": IDS.astype(float)}, "digits"),
        ({"gaia": [f"Gaia DR3 {i}" for i in IDS]}, "DR3"),
        ({"rv": STARS["rv"] / SPEED_OF_LIGHT_KMS}, "redshift"),
    ],
)
def test_refused_with_the_reason(changed: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = tmp_path / "stars.csv"
    path.write_bytes(text(**changed))
    with pytest.raises(MelotteError, match=words):
        read(path)


def test_slow_stars_with_a_unit_are_no_redshifts(tmp_path: Path) -> None:
    path = tmp_path / "stars.csv"
    path.write_bytes(text(rv=np.full(N, 0.003)))
    frame = read(path, {**COLUMNS, "rv": {"column": "rv", "unit": "km/s"}})
    assert frame["rv"].to_list() == [0.003] * N


@pytest.mark.parametrize("sep", [":", " ", "letters"])
def test_sexagesimal(sep: str, tmp_path: Path) -> None:
    marks = {"letters": (("hms",), ("dms",))}.get(sep, ((sep,), (sep,)))
    ra = Angle(STARS["ra"], u.deg).to_string("hour", sep=marks[0][0], precision=7)
    dec = Angle(STARS["dec"], u.deg).to_string("deg", sep=marks[1][0], precision=6, alwayssign=True)
    path = tmp_path / "stars.csv"
    path.write_bytes(text(ra=ra, dec=dec))
    check(read(path, SKY), ids=False, tolerance=1e-8)


def test_sexagesimal_just_south_of_the_equator_keeps_its_sign(tmp_path: Path) -> None:
    path = tmp_path / "stars.csv"
    path.write_bytes(text(dec=["-00:00:36.0"] * N))
    np.testing.assert_allclose(read(path, SKY)["dec"].to_numpy(), -0.01, rtol=1e-12)


@pytest.mark.parametrize("wrong", ["25:00:00.0", "12:60:00", "12:00:61", "noon"])
def test_impossible_angles_name_the_row(wrong: str, tmp_path: Path) -> None:
    path = tmp_path / "stars.csv"
    cells = Angle(STARS["ra"], u.deg).to_string("hour", sep=":").tolist()
    cells[3] = wrong
    path.write_bytes(text(ra=cells))
    with pytest.raises(MelotteError, match="row 4"):
        read(path, SKY)


@pytest.mark.parametrize(
    ("name", "unit", "factor"),
    [
        ("ra", "DEGREES", 1.0),
        ("ra", "Angle[deg]", 1.0),
        ("ra", "rad", np.pi / 180),
        ("ra", "hours", 1 / 15),
        ("rv", "KM/S", 1.0),
        ("rv", "m/s", 1000.0),
        ("rv", "redshift", 1 / SPEED_OF_LIGHT_KMS),
    ],
)
def test_units_of_the_file_and_of_the_map(name: str, unit: str, factor: float, tmp_path: Path) -> None:
    path = tmp_path / "stars.fits"
    hdu = fits.BinTableHDU(table(**{name: STARS[name] * factor}))
    hdu.columns.change_unit(name, unit)
    hdu.writeto(path)
    check(read(path))


def test_units_of_the_map(tmp_path: Path) -> None:
    path = tmp_path / "stars.csv"
    path.write_bytes(text(rv=STARS["rv"] / SPEED_OF_LIGHT_KMS, ra=STARS["ra"] / 15))
    columns = {**COLUMNS, "rv": {"column": "rv", "unit": "redshift"}, "ra": {"column": "ra", "unit": "hourangle"}}
    check(read(path, columns))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (text(nl="\r\n"), None),
        (b"\xef\xbb\xbf" + text(), None),
        (text(before="# a comment\n# and another\n"), None),
        (text(sep=" "), None),
        (text(sep="\t"), None),
        (text(sep="|"), None),
    ],
)
def test_spellings_of_text_tables(content: bytes, expected: None, tmp_path: Path) -> None:
    path = tmp_path / "stars.txt"
    path.write_bytes(content)
    check(read(path))


def test_decimal_commas_of_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "stars.csv"
    changed = {c: [str(v).replace(".", ",") for v in STARS[c]] for c in ("ra", "dec", "rv", "e_rv", "feh")}
    path.write_bytes(text(sep=";", **changed))
    check(read(path))


@pytest.mark.parametrize(("form", "end"), [("ascii.ecsv", "ecsv"), ("ascii.mrt", "txt"), ("ascii.fixed_width", "txt")])
def test_tables_of_astropy(form: str, end: str, tmp_path: Path) -> None:
    path = tmp_path / f"stars.{end}"
    made = table()
    if form == "ascii.mrt":
        made["gaia"] = made["gaia"].astype(str)
    made.write(path, format=form)
    check(read(path), tolerance=1e-9 if form != "ascii.mrt" else 1e-6)


def several(path: Path, *tables: tuple[str, Table]) -> None:
    fits.HDUList([fits.PrimaryHDU(), *(fits.BinTableHDU(t, name=n) for n, t in tables)]).writeto(path)


def test_the_table_of_a_fits_file_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "stars.fits"
    several(path, ("BOSS", Table({"x": np.zeros(0)})), ("APOGEE", table()))
    check(read(path, hdu="APOGEE"))
    check(read(path, hdu=2))
    with pytest.raises(MelotteError, match="APOGEE"):
        read(path)
    with pytest.raises(MelotteError, match="BOSS"):
        read(path, hdu="NOWHERE")


def test_row_aligned_tables_are_joined(tmp_path: Path) -> None:
    path = tmp_path / "stars.fits"
    rest = table()
    rest.remove_column("gaia")
    several(path, ("RVTAB", rest), ("GAIA", Table({"SOURCE_ID": IDS})))
    check(read(path, {**COLUMNS, "source_id_dr2": "SOURCE_ID"}, hdu=["RVTAB", "GAIA"]))


def test_tables_of_different_lengths_are_not_joined(tmp_path: Path) -> None:
    path = tmp_path / "stars.fits"
    several(path, ("RVTAB", table()), ("GAIA", Table({"SOURCE_ID": IDS[:-1]})))
    with pytest.raises(MelotteError, match="rows"):
        read(path, {**COLUMNS, "source_id_dr2": "SOURCE_ID"}, hdu=["RVTAB", "GAIA"])


EXPRESSIONS = [
    ({"e_rv": 1 / STARS["e_rv"] ** 2}, {"rv_error": {"expr": "1/SQRT(e_rv)"}}),
    ({"e_rv": STARS["e_rv"] ** 2}, {"rv_error": {"expr": "SQRT(e_rv)"}}),
    ({"rv": STARS["rv"] - 2.5}, {"rv": {"expr": "rv + 2.5"}}),
    (
        {"feh": STARS["feh"] * 2, "e_rv": 2 * STARS["e_rv"]},
        {"feh": {"expr": "feh / 2"}, "rv_error": {"expr": "e_rv/2"}},
    ),
]


@pytest.mark.parametrize(("changed", "columns"), EXPRESSIONS)
@pytest.mark.parametrize("kind", ["csv", "fits", "ecsv"])
def test_expressions(changed: dict[str, Any], columns: dict[str, Any], kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"stars.{kind}"
    if kind == "csv":
        path.write_bytes(text(**changed))
    else:
        table(**changed).write(path)
    check(read(path, {**COLUMNS, **columns}))


def test_elements_of_arrays_and_fields_of_structs(tmp_path: Path) -> None:
    pair = np.c_[STARS["rv"], STARS["rv"] + 5]
    path = tmp_path / "stars.fits"
    table(rv=pair).write(path)
    check(read(path, {**COLUMNS, "rv": {"expr": "rv[1]"}}))
    with pytest.raises(MelotteError, match="array"):
        read(path)
    nested = pl.DataFrame({k: pl.Series(list(v)) for k, v in STARS.items() if k not in ("rv", "feh")}).with_columns(
        pl.Series("rv", pair[:, ::-1].tolist()), pl.struct(pl.Series("feh", STARS["feh"])).alias("fit")
    )
    path = tmp_path / "stars.parquet"
    nested.write_parquet(path)
    check(read(path, {**COLUMNS, "rv": {"expr": "rv[2]"}, "feh": {"expr": "fit.feh"}}))


@pytest.mark.parametrize(
    "expression",
    [
        "(SELECT 1)",
        "read_csv('x.csv')",
        "rv; DROP TABLE x",
        "nosuch + 1",
        "SUM(rv)",
        "rv --",
        "* ",
        "",
        "rv FROM read_parquet('x')",
        "rv[0]",
    ],
)
def test_what_is_no_expression_is_refused(expression: str, tmp_path: Path) -> None:
    path = tmp_path / "stars.fits"
    table(rv=np.c_[STARS["rv"], STARS["rv"]]).write(path)
    with pytest.raises(MelotteError):
        read(path, {**COLUMNS, "rv": {"expr": expression}})


def test_conditions_are_counted_steps(tmp_path: Path) -> None:
    path = tmp_path / "stars.csv"
    flag = np.where(np.arange(N) % 10 == 0, 8, 0)
    path.write_bytes(text(flag=flag, snr=np.arange(N)))
    settings = SurveyConfig.model_validate(
        {"adapter": "table", "file": str(path), "columns": COLUMNS, "keep": ["(flag & 8) = 0", "snr > 4"]}
    )
    survey = open_survey(settings)
    frame = survey.read().frame
    kept = (flag == 0) & (np.arange(N) > 4)
    assert sorted(frame["spectrum_id"].cast(pl.Int64)) == np.flatnonzero(kept).tolist()
    lost = survey.steps[0].lost
    assert [count for reason, count in lost.items() if "flag & 8" in reason] == [3]
    assert [count for reason, count in lost.items() if "snr > 4" in reason] == [4]


def test_a_constant_with_its_unit(tmp_path: Path) -> None:
    path = tmp_path / "stars.csv"
    path.write_bytes(text())
    columns = {**COLUMNS, "feh_error": {"value": "0.05 dex"}, "rv_error": {"value": "1500 m/s"}}
    frame = read(path, columns)
    assert frame["feh_error"].to_list() == [0.05] * N
    assert frame["rv_error"].to_list() == [1.5] * N
    assert set(frame["error_note"]) == {"rv_error: assumed; feh_error: assumed"}
    settings = SurveyConfig.model_validate({"adapter": "table", "file": str(path), "columns": columns})
    survey = open_survey(settings)
    list(survey.batches())
    assert any("feh_error 0.05 dex assumed for every star" in note for note in survey.notes)
    floored = read(path, columns, feh_error_floor="0.01 dex")
    assert set(floored["error_note"]) == {"rv_error: assumed; feh_error: assumed"}


def with_unit(path: Path, unit: str, **changed: Any) -> Path:
    hdu = fits.BinTableHDU(table(**changed))
    hdu.columns.change_unit("rv", unit)
    hdu.writeto(path)
    return path


def test_an_expression_over_another_unit_asks_for_that_of_its_result(tmp_path: Path) -> None:
    """Taken in the unit of the schema the velocities would be a thousand times too large."""
    path = with_unit(tmp_path / "stars.fits", "m/s", rv=STARS["rv"] * 1000)
    with pytest.raises(MelotteError, match="unit of the result"):
        read(path, {**COLUMNS, "rv": {"expr": "rv + 0"}})
    check(read(path, {**COLUMNS, "rv": {"expr": "rv + 0", "unit": "m/s"}}))
    check(read(path, {**COLUMNS, "rv": {"expr": "rv"}}))
    check(read(with_unit(tmp_path / "kms.fits", "km/s"), {**COLUMNS, "rv": {"expr": "rv + 0"}}))


def test_a_right_ascension_in_sexagesimal_degrees_needs_its_unit(tmp_path: Path) -> None:
    path = tmp_path / "stars.csv"
    path.write_bytes(text(ra=Angle(STARS["ra"], u.deg).to_string("deg", sep=":", precision=6)))
    check(read(path, {**SKY, "ra": {"column": "ra", "unit": "deg"}}), ids=False, tolerance=1e-8)
    with pytest.raises(MelotteError, match="hours below 24"):
        read(path, SKY)


def test_fits_tables_written_as_text(tmp_path: Path) -> None:
    path = tmp_path / "stars.fits"
    columns = [fits.Column("id", "I6", array=STARS["id"]), fits.Column("gaia", "A20", array=IDS.astype(str))]
    columns += [fits.Column(c, "F20.12", array=STARS[c]) for c in ("ra", "dec", "rv", "e_rv", "feh")]
    fits.TableHDU.from_columns(columns).writeto(path)
    check(read(path))


def test_fixed_width_with_underlined_names(tmp_path: Path) -> None:
    path = tmp_path / "stars.txt"
    table().write(path, format="ascii.fixed_width_two_line")
    check(read(path))


WORDS = [
    "rv",
    "nosuch",
    "SQRT",
    "read_csv",
    "SELECT",
    "FROM",
    "CASE",
    "WHEN",
    "AS",
    "DOUBLE",
    "CAST",
    "(",
    ")",
    "[",
    "]",
    "1",
    "0",
    "99",
    "1e400",
    "'x'",
    "'/etc/passwd'",
    '"rv"',
    "+",
    "-",
    "*",
    "/",
    "%",
    "&",
    "|",
    "=",
    "<>",
    ",",
    ".",
    ";",
    "--",
    "/*",
    "NULL",
    "IN",
    "BETWEEN",
    "AND",
    "NOT",
    "LIKE",
    "SUM",
    "COUNT",
    "\x00",
    "é",
    "rv[1]",
    "::",
    "{",
    "\\",
]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("expressions") / "stars.csv"
    path.write_bytes(text())
    return path


@settings(max_examples=int(os.environ.get("MELOTTE_EXPRESSIONS", "300")), deadline=None)
@given(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=8))
def test_any_text_is_an_expression_or_refused(words: list[str], sample: Path) -> None:
    """Only rows of the table or a `MelotteError` come of it."""
    with suppress(MelotteError):
        frame = read(sample, {**COLUMNS, "rv": {"expr": " ".join(words), "unit": "km/s"}})
        assert frame.height <= N
