"""Bad survey files: each gives a MelotteError with file, place, expectation and advice, never a library's traceback."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from survey_files import lamost_rows, write_csv, write_fits, write_parquet, write_votable

from melotte.config import SurveyConfig
from melotte.errors import DatasetError, EmptyResultError, MelotteError, ReadError, SchemaError
from melotte.inputs.surveys import open_survey
from melotte.tables.reader import open_table


def read(path: Path, **more: Any) -> Any:
    return open_survey(SurveyConfig(adapter="lamost", file=str(path), **more)).read()


def bad(path: Path, kind: type[MelotteError], *fragments: str, **more: Any) -> None:
    """Reading fails with an error of this kind that names the file, the fragments, and what to do."""
    with pytest.raises(kind) as caught:
        read(path, **more)
    error = caught.value
    assert error.where == str(path)
    assert error.expected or error.hint
    for fragment in fragments:
        assert fragment in str(error)


def changed(tmp_path: Path, form: Callable[..., Path] = write_csv, name: str = "dr8.csv", **change: Any) -> Path:
    data = lamost_rows()
    for key, value in change.items():
        if value is None:
            del data[key]
        else:
            data[key] = value
    return form(tmp_path / name, data)


def test_missing_column(tmp_path: Path) -> None:
    bad(changed(tmp_path, teff=None), SchemaError, "no column for 'teff'", "teff_lasp", "the file has: obsid")


@pytest.mark.parametrize("column", ["rv", "teff_err", "snrg", "ra"])
def test_text_in_a_number_column(tmp_path: Path, column: str) -> None:
    values: list[Any] = [str(v) for v in lamost_rows()[column]]
    values[16] = "12.3abc"
    bad(changed(tmp_path, **{column: values}), SchemaError, "row 17", repr(column), "'12.3abc'")


def test_text_in_a_number_column_far_down(tmp_path: Path) -> None:
    data = lamost_rows(n=6_000)
    data["rv"] = [str(v) for v in data["rv"]]
    data["rv"][5_432] = "?"
    path = write_csv(tmp_path / "dr8.csv.gz", data)
    with pytest.raises(SchemaError, match="row 5433, column 'rv'"):
        list(open_survey(SurveyConfig(adapter="lamost", file=str(path))).batches(size=1000))


def test_an_identifier_with_decimals(tmp_path: Path) -> None:
    """``4242.0``, as pandas writes integers beside missing ones, has all its digits; ``4242.5`` is no identifier."""
    ids = [f"{i}.5" for i in lamost_rows()["gaia_source_id"]]
    bad(changed(tmp_path, gaia_source_id=ids), SchemaError, "row 1", "gaia_source_id", "whole number")


def test_identifiers_as_floats(tmp_path: Path) -> None:
    ids = [float(i) for i in lamost_rows()["gaia_source_id"]]
    path = changed(tmp_path, write_fits, "dr8.fits", gaia_source_id=ids)
    bad(path, SchemaError, "gaia_source_id", "lost digits")


@pytest.mark.parametrize("values", [[float("nan")] * 30, [-9999.0] * 30])
@pytest.mark.parametrize("name", ["dr8.csv", "dr8.fits"])
def test_all_errors_missing(tmp_path: Path, name: str, values: list[float]) -> None:
    form = write_fits if name.endswith("fits") else write_csv
    path = changed(tmp_path, form, name, rv_err=values)
    bad(path, SchemaError, "'rv_err'", "missing in all 30 rows", "rv_error_floor")
    assert read(path, rv_error_floor="2 km/s").frame["rv_error"].to_list() == [2.0] * 30


@pytest.mark.parametrize("value", [0.0, -1.0])
@pytest.mark.parametrize("column", ["rv_err", "feh_err"])
def test_all_errors_zero_or_negative(tmp_path: Path, column: str, value: float) -> None:
    bad(changed(tmp_path, **{column: [value] * 30}), SchemaError, repr(column), "zero or negative in all")


def test_one_identifier_at_two_places(tmp_path: Path) -> None:
    ids, dec = lamost_rows()["gaia_source_id"], lamost_rows()["dec"]
    ids[20] = ids[4]
    path = changed(tmp_path, gaia_source_id=ids)
    bad(path, SchemaError, "row 21", "gaia_source_id", str(ids[4]), "arcsec")
    with pytest.raises(SchemaError, match="row 21"):  # also when the two rows come in different batches
        list(open_survey(SurveyConfig(adapter="lamost", file=str(path))).batches(size=3))
    ra, dec[20] = lamost_rows()["ra"], dec[4] + 3.0 / 3600.0
    ra[20] = ra[4]
    assert read(changed(tmp_path, gaia_source_id=ids, ra=ra, dec=dec)).frame.height == 30


@pytest.mark.parametrize("name", ["dr8.csv", "dr8.csv.gz", "dr8.fits", "dr8.vot", "dr8.parquet"])
def test_empty_survey(tmp_path: Path, name: str) -> None:
    data = {k: v[:0] for k, v in lamost_rows().items()}
    if name.startswith("dr8.csv"):
        path = write_csv(tmp_path / name, data)
    elif name.endswith("fits"):
        path = write_fits(tmp_path / name, {k: np.array(v, dtype=float) for k, v in data.items()})
    else:
        form = write_votable if name.endswith("vot") else write_parquet
        path = form(tmp_path / name, {k: np.array(v, dtype=float) for k, v in data.items()})
    bad(path, EmptyResultError, "no rows")


def test_no_row_left(tmp_path: Path) -> None:
    bad(changed(tmp_path, fibertype=["Sky"] * 30), EmptyResultError, "none of the 30 rows", "fibertype")


@pytest.mark.parametrize("name", ["dr8.fits", "dr8.csv", "dr8.vot", "dr8.parquet"])
def test_zero_bytes(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    bad(tmp_path / name, ReadError, "empty")


def test_missing_file_and_directory(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.fits", tmp_path):
        with pytest.raises(DatasetError, match=str(path)):
            read(path)
    with pytest.raises(ReadError, match="no such file"):
        open_table(tmp_path / "nothing.fits")
    with pytest.raises(ReadError, match="directory"):
        open_table(tmp_path)


def test_a_web_page_instead_of_a_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "dr8.fits.gz"
    path.write_bytes(b"<!DOCTYPE html><html><body>Please log in</body></html>")
    bad(path, ReadError, "the name says fits", "DOCTYPE")


def test_truncated_fits(tmp_path: Path) -> None:
    path = changed(tmp_path, write_fits, "dr8.fits")
    whole = path.read_bytes()
    row = len(whole) - 2880  # the rows of this file fill more than one block
    path.write_bytes(whole[:row])
    bad(path, ReadError, "ends in row", "30 rows", "get the file again")


@pytest.mark.parametrize("name", ["dr8.fits.gz", "dr8.csv.gz"])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_truncated_gzip(tmp_path: Path, name: str, share: float) -> None:
    path = changed(tmp_path, write_fits if "fits" in name else write_csv, name)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    bad(path, ReadError, "gzip", "ends early", "get the file again")


def test_a_damaged_gzip_is_noticed_after_its_last_row(tmp_path: Path) -> None:
    for name in ("dr8.fits.gz", "dr8.csv.gz"):
        path = changed(tmp_path, write_fits if "fits" in name else write_csv, name)
        whole = bytearray(path.read_bytes())
        whole[-6] ^= 0xFF  # the checksum
        path.write_bytes(bytes(whole))
        bad(path, ReadError, "gzip", "damaged")


@pytest.mark.parametrize("name", ["dr8.csv", "dr8.csv.gz"])
def test_stray_delimiter(tmp_path: Path, name: str) -> None:
    lines = changed(tmp_path).read_bytes().split(b"\n")
    lines[11] = lines[11].replace(b"STAR", b"ST|AR")
    text = b"\n".join(lines)
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    bad(path, ReadError, "line 12", "cells in a table of", "stray delimiter")


@pytest.mark.parametrize("name", ["dr8.csv", "dr8.csv.gz"])
def test_not_utf8(tmp_path: Path, name: str) -> None:
    lines = changed(tmp_path).read_bytes().split(b"\n")
    lines[7] = lines[7].replace(b"Obj", b"Obj\xe9")
    text = b"\n".join(lines)
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    bad(path, ReadError, "line 8", "not UTF-8", "iconv")


def test_not_utf8_header_and_fits(tmp_path: Path) -> None:
    path = changed(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"subclass", b"subcl\xe4ss"))
    bad(path, ReadError, "line 1", "not UTF-8")
    path = changed(tmp_path, write_fits, "dr8.fits")
    path.write_bytes(path.read_bytes().replace(b"STAR", b"ST\xe4R", 5))
    bad(path, ReadError, "row 1, column 'class'", "not UTF-8")


def test_utf16(tmp_path: Path) -> None:
    path = changed(tmp_path)
    path.write_bytes(path.read_text().encode("utf-16"))
    bad(path, ReadError)


def test_positions_outside_the_sky_are_rejected(tmp_path: Path) -> None:
    dec = lamost_rows()["dec"]
    dec[0], dec[1] = 90.5, None
    result = read(changed(tmp_path, dec=dec))
    assert result.steps[0].lost == {"position outside the sky": 1, "no position": 1}
    assert result.rejected["row"].to_list() == [1, 2]


def test_not_utf8_parquet(tmp_path: Path) -> None:
    data = {**lamost_rows(), "fibertype": [f"Obj{i}" for i in range(30)]}
    path = tmp_path / "dr8.parquet"
    pl.DataFrame(data).write_parquet(path, compression="uncompressed", statistics=False)
    whole = path.read_bytes()
    assert whole.count(b"Obj17") == 1
    path.write_bytes(whole.replace(b"Obj17", b"Ob\xff17"))
    bad(path, ReadError, "Parquet")


# --- damage at every point -------------------------------------------------------------------------------------

FORMS = {
    "fits": write_fits,
    "fits.gz": write_fits,
    "csv": write_csv,
    "csv.gz": write_csv,
    "vot": write_votable,
    "parquet": write_parquet,
}


@pytest.mark.parametrize("form", FORMS)
def test_truncation_anywhere(tmp_path: Path, form: str) -> None:
    """A file cut anywhere is refused, or (text at a line end, padding) gives the rows it still has."""
    whole = changed(tmp_path, FORMS[form], f"dr8.{form}").read_bytes()
    path = tmp_path / f"cut.{form}"
    places = {str(path)}
    for share in np.linspace(0.0, 0.999, 25):
        path.write_bytes(whole[: int(len(whole) * share)])
        try:
            result = read(path)
        except MelotteError as error:
            places.add(error.where)
            continue
        assert form in {"csv", "fits"}
        assert result.frame.height <= 30
    assert places == {str(path)}


@pytest.mark.parametrize("form", FORMS)
def test_flipped_bytes(tmp_path: Path, form: str) -> None:
    """Damaged bytes give a MelotteError or a table that conforms to the schema, nothing else."""
    whole = changed(tmp_path, FORMS[form], f"dr8.{form}").read_bytes()
    rng = np.random.default_rng(5)
    path = tmp_path / f"flipped.{form}"
    refused = 0
    for _ in range(25):
        data = bytearray(whole)
        for position in rng.integers(0, len(data), rng.integers(1, 6)):
            data[position] = rng.integers(0, 256)
        path.write_bytes(bytes(data))
        try:
            read(path)
        except MelotteError:
            refused += 1
    assert refused > 0


@pytest.mark.parametrize("content", [b"\r\x01", b"a,b\rc\n1,2\n"])
def test_a_carriage_return_in_the_header(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "survey.csv"
    path.write_bytes(content)
    with pytest.raises(ReadError, match="line 1: no header line"):
        open_table(path)
