"""Several literature catalogues as one."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ..schema.literature import LISTED_OBJECTS, LISTED_VALUES
from .listing import Listing, read_literature
from .names import Resolver
from .records import Compilation, compilations


def compile_values(item: Compilation, resolver: Resolver, *, data_dir: Path | None = None) -> Listing:
    """Put a compilation together: per object, the first part that has a value.

    A number of stars that a part lacks is taken from its ``counts_from`` catalogue, by object.

    Raises
    ------
    DatasetError, ReadError, SchemaError
        If a catalogue of a part cannot be read.
    """
    read: dict[str, Listing] = {}

    def listing(name: str) -> Listing:
        if name not in read:
            read[name] = read_literature(name, data_dir=data_dir)
        return read[name]

    found = []
    for part in item.parts:
        source = listing(part.catalogue)
        values = source.measured(item.quantity, resolution=part.resolution)
        if part.references:
            values = values.filter(pl.col("reference").is_in(part.references))
        joined = values.join(source.keyed(resolver), on="row", how="inner")
        if part.counts_from:
            other = listing(part.counts_from)
            counts = (
                other.measured(item.quantity)
                .join(other.keyed(resolver), on="row")
                .unique("object", keep="none")
                .select("object", pl.col("n").alias("n_other"))
            )
            joined = joined.join(counts, on="object", how="left").with_columns(pl.coalesce("n", "n_other").alias("n"))
        # The reference names the catalogue too: a value has to be found again.
        label = pl.format("{} ({})", pl.col("reference").fill_null("-"), pl.lit(part.catalogue))
        found.append(joined.with_columns(label.alias("reference")))
    together = pl.concat(found, how="diagonal_relaxed").unique("object", keep="first", maintain_order=True)
    together = together.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("row"))
    return Listing(
        name=item.name,
        title=item.title,
        objects=LISTED_OBJECTS.conform(together),
        values=LISTED_VALUES.conform(together),
        date=max(listing(p.catalogue).date for p in item.parts),
        preference=tuple(dict.fromkeys((item.quantity, p.resolution) for p in item.parts)),
    )


def open_listing(name: str, resolver: Resolver, *, data_dir: Path | None = None) -> Listing:
    """A literature catalogue or a compilation, by name."""
    if name in compilations():
        return compile_values(compilations()[name], resolver, data_dir=data_dir)
    return read_literature(name, data_dir=data_dir)
