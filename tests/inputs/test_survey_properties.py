"""Properties of the decoding: identifiers to the last digit, masks, right ascension at the wrap."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from survey_files import write_csv, write_fits, write_parquet, write_votable

from melotte.config import SurveyConfig
from melotte.errors import SchemaError
from melotte.inputs.surveys import open_survey
from melotte.inputs.surveys.seen import Seen
from melotte.schema import SPECTRA
from melotte.tables.decode import SENTINELS, Place, to_count, to_float, to_int, to_text, unit_factor

PLACE = Place(Path("survey.csv"), "x")
IDS = st.integers(min_value=2**62 - 10**6, max_value=2**63 - 1) | st.integers(min_value=1, max_value=2**63 - 1)
#: No time limit per example: a busy machine is no failure.
UNHURRIED = settings(deadline=None)
FORMS = {"csv": write_csv, "fits": write_fits, "parquet": write_parquet, "vot": write_votable}


@UNHURRIED
@given(st.lists(st.none() | IDS, min_size=1))
def test_ids_survive_as_text_and_as_integers(ids: list[int | None]) -> None:
    numbers = pl.Series("x", ids, dtype=pl.Int64)
    assert to_int(numbers, PLACE).to_list() == ids
    assert to_int(numbers.cast(pl.String), PLACE).to_list() == ids


@UNHURRIED
@given(st.lists(st.sampled_from([0, -1, -9999, -(2**63), 5]), min_size=1))
def test_no_identifier(values: list[int]) -> None:
    assert to_int(pl.Series("x", values, dtype=pl.Int64), PLACE).to_list() == [5 if v == 5 else None for v in values]


@UNHURRIED
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from(SENTINELS) | st.none(), min_size=1))
def test_mask_of_numbers(values: list[float | None]) -> None:
    result = to_float(pl.Series("x", values, dtype=pl.Float64), PLACE).to_list()
    for before, after in zip(values, result, strict=True):
        sentinel = before is not None and np.isfinite(before) and any(abs(before - s) < 0.006 for s in SENTINELS)
        if before is None or not np.isfinite(before) or before <= -9.2e18:
            assert after is None
        elif not sentinel:
            assert after == before
        elif before in SENTINELS:
            assert after is None


@pytest.mark.parametrize("dtype", [pl.Float32, pl.Float64])
@pytest.mark.parametrize("sentinel", SENTINELS)
def test_sentinels_in_either_precision(sentinel: float, dtype: pl.DataType) -> None:
    assert to_float(pl.Series("x", [sentinel, 1.5], dtype=dtype), PLACE).to_list() == [None, 1.5]


@UNHURRIED
@given(st.lists(st.floats(min_value=-1e6, max_value=1e6).map(lambda x: round(x, 3)), min_size=1))
def test_numbers_as_text(values: list[float]) -> None:
    numbers = to_float(pl.Series("x", [repr(v) for v in values]), PLACE)
    assert numbers.to_list() == to_float(pl.Series("x", values), PLACE).to_list()


def test_counts_written_by_pandas() -> None:
    assert to_count(pl.Series("x", ["21.0", "3", None, "0"]), PLACE).to_list() == [21, 3, None, None]
    with pytest.raises(SchemaError, match="row 2"):
        to_count(pl.Series("x", [1.0, 2.5]), PLACE)


@UNHURRIED
@given(st.lists(st.text(alphabet="ab |-9.", max_size=6), min_size=1))
def test_text_is_stripped(values: list[str]) -> None:
    result = to_text(pl.Series("x", values, dtype=pl.String), PLACE).to_list()
    assert all(r is None or (r and r == r.strip()) for r in result)


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Boolean])
def test_ids_are_never_floats(dtype: pl.DataType) -> None:
    with pytest.raises(SchemaError, match="lost digits"):
        to_int(pl.Series("x", [1], dtype=pl.Int64).cast(dtype), PLACE)
    assert to_int(pl.Series("x", [None, None], dtype=pl.Float64), PLACE).to_list() == [None, None]


@pytest.mark.parametrize("form", FORMS)
@settings(UNHURRIED, max_examples=15)
@given(ra=st.floats(-180.0, 360.0), dec=st.floats(-90.0, 90.0), ident=IDS)
def test_position_and_id_through_a_file(
    tmp_path_factory: pytest.TempPathFactory, form: str, ra: float, dec: float, ident: int
) -> None:
    path = tmp_path_factory.mktemp("p") / f"a.{form}"
    FORMS[form](path, {"ra": [ra], "dec": [dec], "rv": [1.0], "e": [0.5], "id": [ident]})
    columns = {"ra": "ra", "dec": "dec", "rv": "rv", "rv_error": "e", "source_id_dr3": "id"}
    frame = open_survey(SurveyConfig(adapter="table", file=str(path), columns=columns)).read().frame
    assert frame["source_id_dr3"][0] == ident
    assert 0.0 <= frame["ra"][0] < 360.0
    assert np.cos(np.deg2rad(frame["ra"][0] - ra)) == pytest.approx(1.0, abs=1e-15)
    assert frame["dec"][0] == dec


@UNHURRIED
@given(st.lists(st.lists(st.integers(0, 20), max_size=8), max_size=8))
def test_seen_remembers_the_first(batches: list[list[int]]) -> None:
    seen = Seen(("f8",))
    first: dict[int, float] = {}
    for number, batch in enumerate(batches):
        keys = np.array(batch, dtype=np.uint64)
        known, (payload,) = seen.lookup(keys)
        assert known.tolist() == [k in first for k in batch]
        assert [p for p, k in zip(payload, known, strict=True) if k] == [first[k] for k in batch if k in first]
        new = list(dict.fromkeys(k for k in batch if k not in first))
        values = [float(number * 100 + k) for k in new]
        seen.add(np.array(new, dtype=np.uint64), np.array(values))
        first.update(zip(new, values, strict=True))


def test_parquet_types_that_are_neither_numbers_nor_text() -> None:
    names = pl.Series("x", ["7", "8"], dtype=pl.Categorical)
    assert to_float(names, PLACE).to_list() == [7.0, 8.0]  # the texts, not their codes
    assert to_int(names, PLACE).to_list() == [7, 8]
    assert to_text(names, PLACE).to_list() == ["7", "8"]
    assert to_float(pl.Series("x", [None, None]), PLACE).to_list() == [None, None]
    for convert in (to_float, to_int, to_text):
        for series in (pl.Series("x", [[1.0]]), pl.Series("x", [date(2020, 1, 1)]), pl.Series("x", [b"a"])):
            with pytest.raises(SchemaError, match="column 'x': holds"):
                convert(series, PLACE)


def test_unit_factors_against_their_definitions() -> None:
    assert unit_factor("m/s", SPECTRA["rv"], PLACE) == pytest.approx(1e-3, rel=1e-15)
    assert unit_factor("km.s-1", SPECTRA["rv"], PLACE) == 1.0
    assert unit_factor("rad", SPECTRA["ra"], PLACE) == pytest.approx(180 / np.pi, rel=1e-15)
    assert unit_factor("arcsec/yr", SPECTRA["pmra"], PLACE) == pytest.approx(1e3, rel=1e-14)
    assert unit_factor("", SPECTRA["teff"], PLACE) == 1.0
