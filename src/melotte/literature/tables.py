"""The tables of a paper: what is known and what is new (Fu et al. 2022, Tables 1 to 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from ..errors import EmptyResultError, MelotteError
from ..schema import CATALOGUE, Column, Schema
from ..schema.literature import LEDGER
from .compare import Comparison
from .ledger import Ledger
from .listing import Listing, column_stem
from .records import UNITS

_SYMBOLS = {"rv": "RV", "feh": "[Fe/H]"}


def known_table(
    ours: Listing, comparisons: Mapping[str, Comparison], *, catalogue: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, Schema]:
    """Clusters with a value in the literature, theirs beside ours (Tables 1 and 3).

    Parameters
    ----------
    ours : Listing
        Our catalogue.
    comparisons : mapping
        Catalogue name -> comparison, all of one quantity; columns come in this order.
    catalogue : polars.DataFrame, optional
        CATALOGUE: gives the number of matched stars, mean and scatter too.

    Returns
    -------
    frame : polars.DataFrame
        One row per cluster that at least one of them has, in the order of our catalogue.
    schema : Schema
        Its columns.

    Raises
    ------
    EmptyResultError
        If there is no comparison.
    """
    if not comparisons:
        raise EmptyResultError("there is nothing to compare with", expected="at least one literature catalogue")
    quantity = next(iter(comparisons.values())).quantity
    count = "n_rv" if quantity == "rv" else "n_feh"
    base = ours.measured(quantity).join(ours.objects.select("row", "cluster"), on="row").sort("row")
    frame = base.select(
        "cluster",
        pl.col("n").alias(count),
        pl.col("value").alias(f"{quantity}_med"),
        pl.col("value_error").alias(f"{quantity}_med_error"),
    )
    columns = [CATALOGUE["cluster"], *(_ours(n) for n in (count, f"{quantity}_med", f"{quantity}_med_error"))]
    if catalogue is not None:
        more = [f"{quantity}_{n}" for n in ("mean", "mean_error", "scatter")]
        frame = frame.join(catalogue.select("cluster", "n_all", *more), on="cluster", how="left")
        columns = [columns[0], CATALOGUE["n_all"], *columns[1:], *(CATALOGUE[n] for n in more)]
    theirs = []
    for name, found in comparisons.items():
        stem = f"{quantity}_{column_stem(name)}"
        labels = {"theirs": stem, "theirs_error": f"{stem}_error", "theirs_n": f"n_{stem}"}
        with_source = found.frame["source"].null_count() < found.frame.height
        if with_source:
            labels["source"] = f"{stem}_source"
        frame = frame.join(found.frame.select("cluster", *labels).rename(labels), on="cluster", how="left")
        theirs.append(stem)
        columns += _their_columns(stem, name, quantity, with_source=with_source)
    frame = frame.filter(pl.any_horizontal(pl.col(n).is_not_null() for n in theirs))
    schema = Schema(
        f"known_{quantity}",
        f"Clusters with {_SYMBOLS[quantity]} in the literature: {', '.join(comparisons)}",
        tuple(columns),
        key=("cluster",),
    )
    return schema.conform(frame), schema


def first_table(
    ledger: Ledger,
    *,
    catalogue: pl.DataFrame | None = None,
    at_least: int | None = None,
    fewer_than: int | None = None,
) -> tuple[pl.DataFrame, Schema]:
    """Clusters whose value is not known in the literature, with the evidence (Tables 2, 4 and 5).

    Parameters
    ----------
    ledger : Ledger
        Of one quantity.
    catalogue : polars.DataFrame, optional
        CATALOGUE: gives the number of matched stars, mean and scatter too.
    at_least, fewer_than : int, optional
        Number of stars: Table 4 has ``at_least=3``, Table 5 ``fewer_than=3``.

    Returns
    -------
    frame : polars.DataFrame
        Most stars first.
    schema : Schema
        Its columns: those of our catalogue, then status and evidence of the ledger.

    Raises
    ------
    MelotteError
        If the ledger is empty: its quantity is not known.
    """
    if ledger.frame.is_empty():
        raise MelotteError("the ledger has no cluster", expected="a catalogue with values")
    quantity = str(ledger.frame["quantity"][0])
    count = "n_rv" if quantity == "rv" else "n_feh"
    names = {"n": count, "value": f"{quantity}_med", "value_error": f"{quantity}_med_error"}
    frame = ledger.first(at_least=at_least, fewer_than=fewer_than).rename(names)
    columns = [CATALOGUE["cluster"], *(_ours(n) for n in names.values())]
    if catalogue is not None:
        more = [f"{quantity}_{n}" for n in ("mean", "mean_error", "scatter")]
        frame = frame.join(catalogue.select("cluster", "n_all", *more), on="cluster", how="left", maintain_order="left")
        columns = [columns[0], CATALOGUE["n_all"], *columns[1:], *(CATALOGUE[n] for n in more)]
    evidence = [c for c in LEDGER if c.name not in {"cluster", "object", "quantity", "known_in", *names}]
    schema = Schema(
        f"first_{quantity}",
        f"Clusters whose {_SYMBOLS[quantity]} was not found in the literature searched",
        (*columns, *evidence),
        key=("cluster",),
    )
    return schema.conform(frame), schema


def _ours(name: str) -> Column:
    """A column of our catalogue; a catalogue of the literature may lack its value."""
    return replace(CATALOGUE[name], nullable=True)


def _their_columns(stem: str, name: str, quantity: str, *, with_source: bool) -> list[Column]:
    rv = quantity == "rv"
    ucd = "spect.dopplerVeloc" if rv else "phys.abund.Fe"
    form, unit = ("%9.2f" if rv else "%7.3f"), UNITS[quantity]
    symbol = _SYMBOLS[quantity]
    value = Column(stem, "float64", unit, ucd, f"Value of {name}", format=form, label=f"{symbol}({name})")
    error = replace(
        value,
        name=f"{stem}_error",
        ucd=f"stat.error;{ucd}",
        description=f"Its error in {name}",
        label=f"e_{symbol}({name})",
        error_of=stem,
    )
    count = f"Number of stars in {name}"
    columns = [
        value,
        error,
        Column(f"n_{stem}", "int32", "", "meta.number", count, format="%5d", label=f"N({name})"),
    ]
    if with_source:
        columns.append(
            Column(f"{stem}_source", "string", "", "meta.ref", f"Source of the value in {name}", label=f"Ref({name})")
        )
    return columns
