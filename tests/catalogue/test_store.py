"""Saved stages load only if they are what they claim to be."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from melotte.catalogue.store import Product, Store
from melotte.errors import MelotteError, ReadError
from melotte.schema.result import Step

PRODUCT = Product(
    {"stars": pl.DataFrame({"source_id": [2**62 + 1, None], "rv": [1.5, None]})},
    (Step("stars", "stars", 5, {"merged": 3}),),
    ("a note",),
    {"zero_point": {"median": 4.7, "n": 3}},
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "stages")
    store.save("stars", PRODUCT, key="k")
    return store


def test_round_trip(store: Store):
    back = store.load("stars", key="k")
    assert back.frames["stars"].equals(PRODUCT.frames["stars"])
    assert (back.steps, back.notes, back.facts) == (PRODUCT.steps, PRODUCT.notes, PRODUCT.facts)


def test_nothing_but_the_product_is_left(store: Store):
    assert sorted(p.name for p in store.directory.iterdir()) == ["stars.json", "stars.stars.parquet"]


def test_another_key_is_refused(store: Store):
    with pytest.raises(ReadError, match="other inputs, settings"):
        store.load("stars", key="other")


def test_a_stage_that_is_not_there(store: Store):
    with pytest.raises(ReadError, match="'velocity' is not saved"):
        store.load("velocity", key="k")


@pytest.mark.parametrize("damage", ["truncate", "swap", "remove"])
def test_a_changed_table_is_refused(store: Store, damage: str):
    path = store.directory / "stars.stars.parquet"
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[:-10])
    elif damage == "swap":
        pl.DataFrame({"x": [1]}).write_parquet(path)
    else:
        path.unlink()
    with pytest.raises(ReadError, match="missing or was changed"):
        store.load("stars", key="k")


def test_a_damaged_record_is_refused(store: Store):
    (store.directory / "stars.json").write_text("{")
    with pytest.raises(ReadError, match="cannot be read"):
        store.load("stars", key="k")


def test_a_save_that_dies_leaves_no_record(store: Store, monkeypatch: pytest.MonkeyPatch):
    def die(self: pl.DataFrame, path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", die)
    with pytest.raises(MelotteError, match="No space left"):
        store.save("stars", PRODUCT, key="k2")
    with pytest.raises(ReadError, match="not saved"):
        store.load("stars", key="k")


def test_no_directory_saves_nothing():
    Store(None).save("stars", PRODUCT, key="k")
