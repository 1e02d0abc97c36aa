"""What a literature catalogue gives and in which columns: one TOML record per catalogue.

Adding a catalogue is adding a record.
Bibcode, title, citation and file come from the dataset record of the same name.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .. import datasets
from ..datasets.model import parse_as
from ..errors import DatasetError

Quantity = Literal["rv", "feh"]
Resolution = Literal["high", "medium", "low", "mixed", "photometric"]
#: Classes with a spectrum behind the value.
SPECTROSCOPIC: tuple[Resolution, ...] = ("high", "medium", "low", "mixed")
#: Of the quantities.
UNITS: dict[str, str] = {"rv": "km / s", "feh": "dex"}
Month = Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Objects(_Frozen):
    """Columns that say which cluster a row is about; ``aliases`` are columns with further names."""

    cluster: str
    ra: str | None = None
    dec: str | None = None
    pmra: str | None = None
    pmdec: str | None = None
    parallax: str | None = None
    r50: str | None = None
    aliases: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _pairs(self) -> Objects:
        for a, b in (("ra", "dec"), ("pmra", "pmdec")):
            if (getattr(self, a) is None) != (getattr(self, b) is None):
                raise ValueError(f"{a} and {b} go together")
        return self


class Condition(_Frozen):
    """Rows whose text in ``column`` is one of ``among``."""

    column: str
    among: Annotated[tuple[str, ...], Field(min_length=1)]


class Values(_Frozen):
    """Columns of one measured quantity.

    Attributes
    ----------
    quantity : str
        ``rv`` (km/s) or ``feh`` (dex).
    resolution : str
        Class of the spectra: ``high`` (R of 15,000 and more), ``medium`` (5,000 to 15,000: the Gaia RVS), ``low``,
        ``mixed``, or ``photometric`` if no spectrum is behind the value.
    value, error, n, reference : str
        Columns.
    where : Condition or None
        The rows that count.
    """

    quantity: Quantity
    resolution: Resolution
    value: str
    error: str | None = None
    n: str | None = None
    reference: str | None = None
    where: Condition | None = None


class LiteratureRecord(_Frozen):
    """One literature catalogue.

    Attributes
    ----------
    name : str
        Of the dataset.
    date : str
        Year and month of publication.
    complete : bool
        Whether the registered file is the whole published table; ``incomplete`` says what is missing.
    subset_of : str or None
        The record of the whole table, which takes its place where it is at hand.
    objects : Objects
    values : tuple of Values
        In order of preference per quantity.
    """

    name: str
    date: Month
    complete: bool = True
    incomplete: str = ""
    subset_of: str | None = None
    note: str = ""
    objects: Objects
    values: tuple[Values, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> LiteratureRecord:
        if self.complete == bool(self.incomplete):
            raise ValueError('"incomplete" says what is missing where "complete" is false, and only there')
        classes = [(v.quantity, v.resolution) for v in self.values]
        if len(set(classes)) != len(classes):
            raise ValueError("a quantity is given twice with one resolution")
        return self

    @property
    def dataset(self) -> datasets.Record:
        """The dataset record: title, bibcode, citation, file."""
        return datasets.record(self.name)

    def columns(self) -> set[str]:
        """Every column the record names."""
        objects = self.objects.model_dump()
        named = {*objects.pop("aliases"), *objects.values()}
        for item in self.values:
            named |= {item.value, item.error, item.n, item.reference, item.where.column if item.where else None}
        return {n for n in named if n is not None}


class Part(_Frozen):
    """Rows of one catalogue in a compilation.

    Attributes
    ----------
    catalogue : str
        Literature record.
    resolution : str
        Which of its values.
    references : tuple of str
        Rows quoted from these; all if empty.
    counts_from : str or None
        Catalogue that knows the number of stars, where this one does not.
    """

    catalogue: str
    resolution: Resolution
    references: tuple[str, ...] = ()
    counts_from: str | None = None


class Compilation(_Frozen):
    """Several catalogues as one, the first part that has a cluster preferred."""

    name: str
    title: str
    quantity: Quantity
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]


_EXPECTED = "a valid literature record"


def parse_record(text: str, *, where: str) -> LiteratureRecord:
    """Validate one literature record.

    Raises
    ------
    DatasetError
        If it is not TOML, says what a record cannot say, or has no dataset record.
    """
    return parse_as(LiteratureRecord, text, where=where, expected=_EXPECTED)


@cache
def _load() -> tuple[dict[str, LiteratureRecord], dict[str, Compilation]]:
    base = resources.files(__package__)
    texts = {
        folder: {
            entry.name.removesuffix(".toml"): entry.read_text(encoding="utf-8")
            for entry in sorted((base / folder).iterdir(), key=lambda e: e.name)
            if entry.name.endswith(".toml")
        }
        for folder in ("records", "compilations")
    }
    found = {stem: parse_record(text, where=f"{stem}.toml") for stem, text in texts["records"].items()}
    compiled = {
        stem: parse_as(Compilation, text, where=f"{stem}.toml", expected=_EXPECTED)
        for stem, text in texts["compilations"].items()
    }
    names = {s: r.name for s, r in found.items()} | {s: c.name for s, c in compiled.items()}
    for stem, name in names.items():
        if name != stem:
            raise DatasetError(f"holds the record {name!r}", where=f"{stem}.toml")
    return found, compiled


def literature() -> dict[str, LiteratureRecord]:
    """Every literature record by name."""
    return dict(_load()[0])


def compilations() -> dict[str, Compilation]:
    """Every compilation by name."""
    return dict(_load()[1])
