"""A catalogue of clusters with measured values: the literature's or this package's, in one shape."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import polars as pl

from ..core.words import plural
from ..datasets import locate
from ..errors import DatasetError, MelotteError
from ..schema import CATALOGUE
from ..schema.literature import LISTED_OBJECTS, LISTED_VALUES
from ..tables.decode import Place, to_count, to_float, to_text
from ..tables.reader import open_table
from .aliases import AliasTable
from .canonical import canonical, split_names
from .names import Resolver, safe_key
from .records import SPECTROSCOPIC, LiteratureRecord, compilations, literature

_ASTROMETRY = ("ra", "dec", "pmra", "pmdec", "parallax", "r50")


@dataclass(frozen=True)
class Listing:
    """Clusters and the values a catalogue gives for them.

    Attributes
    ----------
    name, title : str
        For files and for people.
    date : str
        Year and month of publication; empty for a catalogue that is not published.
    objects : polars.DataFrame
        LISTED_OBJECTS.
    values : polars.DataFrame
        LISTED_VALUES.
    incomplete : str
        What is missing, if the file is not the whole table.
    preference : tuple of (quantity, resolution)
        Which of several values of a quantity is taken first.
    """

    name: str
    title: str
    objects: pl.DataFrame
    values: pl.DataFrame
    date: str = ""
    bibcode: str = ""
    incomplete: str = ""
    preference: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        LISTED_OBJECTS.validate(self.objects, where=self.name)
        LISTED_VALUES.validate(self.values, where=self.name)

    def published_by(self, until: dt.date) -> bool:
        """Whether it was published by the end of that month."""
        return bool(self.date) and tuple(map(int, self.date.split("-"))) <= (until.year, until.month)

    @cached_property
    def alias_table(self) -> AliasTable:
        """The names each row gives."""
        rows = []
        for cluster, more in self.objects.select("cluster", "aliases").iter_rows():
            rows.append((*split_names(cluster), *split_names(more or "")))
        return AliasTable(self.name, tuple(rows))

    def measured(self, quantity: str, *, resolution: str | None = None) -> pl.DataFrame:
        """One value per row of the catalogue, the preferred one: ``row``, ``value``, ``value_error``, ``n``, ...

        Values without a spectrum behind them stand in for none: they are taken only where ``resolution`` names them
        or the catalogue has no other.

        Raises
        ------
        MelotteError
            If the catalogue does not give the quantity.
        """
        there = [r for q, r in self.preference if q == quantity]
        wanted = [r for r in there if r == resolution]
        if resolution is None:
            wanted = [r for r in there if r in SPECTROSCOPIC] or there
        if not wanted:
            what = quantity if resolution is None else f"{quantity} of {resolution} resolution"
            raise MelotteError(
                f"{self.name} gives no {what}",
                expected=", ".join(f"{q} ({r})" for q, r in self.preference) or "a catalogue with values",
            )
        order = pl.col("resolution").replace_strict({r: i for i, r in enumerate(wanted)}, default=None)
        return (
            self.values.filter((pl.col("quantity") == quantity) & pl.col("resolution").is_in(wanted))
            .sort("row", order)
            .unique("row", keep="first", maintain_order=True)
        )

    def is_spectroscopic(self, quantity: str) -> bool:
        """Whether it gives values of the quantity from spectra."""
        return any(q == quantity and r in SPECTROSCOPIC for q, r in self.preference)

    def keyed(self, resolver: Resolver) -> pl.DataFrame:
        """The objects with their ``object`` key."""
        keys = [safe_key(resolver, n) for n in self.objects["cluster"]]
        return self.objects.with_columns(pl.Series("object", keys, dtype=pl.String))

    def with_astrometry(self, other: Listing, resolver: Resolver) -> Listing:
        """The catalogue with what it lacks of position, motion, parallax and radius taken from another one."""
        mine = self.keyed(resolver)
        theirs = other.keyed(resolver).unique("object", keep="none").select("object", *_ASTROMETRY)
        joined = mine.join(theirs, on="object", how="left", suffix="_other")
        filled = joined.with_columns(pl.coalesce(n, f"{n}_other").alias(n) for n in _ASTROMETRY)
        return replace(self, objects=LISTED_OBJECTS.conform(filled.sort("row")))


def read_literature(name: str, *, data_dir: Path | None = None, file: str | Path | None = None) -> Listing:
    """Read a literature catalogue.

    Parameters
    ----------
    name : str
        A literature record.
    data_dir : path, optional
        Local mirror.
    file : path, optional
        Another copy of the file.

    Raises
    ------
    DatasetError
        If there is no such record or file.
    ReadError, SchemaError
        If the file is damaged or a column is missing or not what it must be.
    """
    known = literature()
    if name not in known:
        raise DatasetError(
            f"no literature catalogue is called {name!r}", expected=f"one of {', '.join([*known, *compilations()])}"
        )
    return read_record(known[name], locate(file or name, data_dir=data_dir))


def read_record(record: LiteratureRecord, path: Path) -> Listing:
    """Read the file of a literature record."""
    reader = open_table(path)
    columns = sorted(record.columns())
    if absent := [c for c in columns if c not in reader.columns]:
        raise DatasetError(
            f"columns {absent} are missing",
            where=path,
            expected=", ".join(columns),
            hint=f"the file has: {', '.join(list(reader.columns)[:40])}",
        )
    batches = list(reader.batches(columns, 1_000_000))
    raw = pl.concat(batches) if batches else pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    rows = pl.int_range(1, raw.height + 1, dtype=pl.Int64, eager=True).alias("row")

    def text(column: str) -> pl.Series:
        return to_text(raw[column], Place(path, column))

    def number(column: str) -> pl.Series:
        return to_float(raw[column], Place(path, column))

    where = record.objects
    data = [rows, text(where.cluster).alias("cluster")]
    data += [number(c).alias(n) for n in _ASTROMETRY if (c := getattr(where, n)) is not None]
    if where.aliases:
        cells = zip(*(text(c) for c in where.aliases), strict=True)
        data.append(pl.Series("aliases", [";".join(x for x in row if x) or None for row in cells], dtype=pl.String))
    frame = pl.DataFrame(data)
    nameless = frame.filter(pl.col("cluster").is_null())["row"]
    notes = [f"{plural(len(nameless), 'row', 'have')} no name"] if len(nameless) else []
    if "ra" in frame.columns:
        frame = frame.with_columns(pl.col("ra") % 360.0)
    objects = LISTED_OBJECTS.conform(frame.filter(pl.col("cluster").is_not_null()), where=path)

    parts = []
    for item in record.values:
        part = [rows, number(item.value).alias("value")]
        if item.error:
            part.append(number(item.error).abs().alias("value_error"))
        empty = pl.Series([False] * raw.height)
        if item.n:
            part.append(to_count(raw[item.n], Place(path, item.n)).alias("n"))
            empty = (number(item.n) == 0).fill_null(False)
        if item.reference:
            part.append(text(item.reference).alias("reference"))
        chosen = pl.DataFrame(part).with_columns(
            pl.lit(item.quantity).alias("quantity"), pl.lit(item.resolution).alias("resolution")
        )
        keep = pl.col("value").is_not_null() & ~pl.col("row").is_in(nameless.to_list())
        # A value of no star is a placeholder (zhong2020 writes 0.0), whatever it looks like.
        if placeholders := int((empty & chosen["value"].is_not_null()).sum()):
            notes.append(f"{item.quantity} ({item.resolution}): {plural(placeholders, 'value')} from 0 stars left out")
        keep &= ~empty
        if item.where:
            keep &= pl.Series(text(item.where.column)).is_in(item.where.among)
        parts.append(LISTED_VALUES.conform(chosen.filter(keep), where=path))
    return Listing(
        name=record.name,
        title=record.dataset.title,
        objects=objects,
        values=pl.concat(parts) if parts else LISTED_VALUES.empty(),
        date=record.date,
        bibcode=record.dataset.bibcode or "",
        incomplete=record.incomplete,
        preference=tuple((v.quantity, v.resolution) for v in record.values),
        notes=tuple(notes),
    )


def from_catalogue(frame: pl.DataFrame, *, name: str = "this work", title: str = "", rv: str = "rv_med") -> Listing:
    """A cluster catalogue of this package as a listing.

    Parameters
    ----------
    frame : polars.DataFrame
        CATALOGUE.
    name, title : str
        For files and for people.
    rv : str
        ``rv_med`` (as measured) or ``rv_corrected``.
    """
    CATALOGUE.validate(frame, where=name)
    frame = frame.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("row"))
    parts = []
    for quantity, value, count in (("rv", rv, "n_rv"), ("feh", "feh_med", "n_feh")):
        parts.append(
            LISTED_VALUES.conform(
                frame.filter(pl.col(value).is_not_null()).select(
                    "row",
                    pl.lit(quantity).alias("quantity"),
                    pl.lit("low").alias("resolution"),
                    pl.col(value).alias("value"),
                    pl.col(f"{value}_error").alias("value_error"),
                    pl.col(count).alias("n"),
                )
            )
        )
    return Listing(
        name=name,
        title=title or name,
        objects=LISTED_OBJECTS.conform(frame),
        values=pl.concat(parts),
        preference=(("rv", "low"), ("feh", "low")),
    )


def column_stem(name: str) -> str:
    """A catalogue's name as part of a column name."""
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_") or canonical(name)
