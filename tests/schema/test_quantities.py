"""The records of the measured quantities and their registry."""

from __future__ import annotations

from dataclasses import replace

import pytest

from melotte.errors import SchemaError
from melotte.schema.quantities import FEH, RV, TEFF, quantities, quantity, register


def test_a_record_is_found_by_its_key() -> None:
    assert quantity("rv") is RV


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(SchemaError, match="no quantity 'fehh'") as caught:
        quantity("fehh")
    assert "did you mean 'feh'?" in str(caught.value)


def test_a_key_is_taken_once() -> None:
    before = quantities()
    assert register(replace(FEH)) == FEH
    with pytest.raises(SchemaError, match="there is a quantity 'feh' already"):
        register(replace(FEH, unit="K"))
    assert quantities() == before
    assert quantity("feh") is FEH


@pytest.mark.parametrize("key", ["", "Feh", "2mass", "fe h", "feh_error"])
def test_a_key_that_is_no_column_name_is_refused(key: str) -> None:
    with pytest.raises(SchemaError, match="cannot be the key of a quantity"):
        replace(FEH, key=key)


def test_the_label_of_an_axis() -> None:
    assert RV.axis_label == "RV (km s$^{-1}$)"
    assert TEFF.axis_label == r"$T_{\rm eff}$ (K)"
    assert FEH.axis_label == "[Fe/H] (dex)"
    assert replace(FEH, unit="").axis_label == "[Fe/H]"
