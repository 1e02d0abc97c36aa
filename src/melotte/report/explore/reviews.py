"""What a review of the literature left beside a run: values of other catalogues, first determinations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl

from ...errors import ReadError
from ...literature import literature

#: Quantity -> column of the catalogue, unit, printf format.
_QUANTITIES: Final[Mapping[str, tuple[str, str, str]]] = {
    "rv": ("rv_med", "km/s", "%.2f"),
    "feh": ("feh_med", "dex", "%.3f"),
}
#: Columns of the ledger of first determinations that are evidence.
_EVIDENCE: Final = ("status", "searched", "search_date", "hangs_on", "near_miss", "names_tried")


def read_reviews(directory: Path, frame: pl.DataFrame) -> tuple[dict[str, list[dict[str, Any]]], tuple[str, ...]]:
    """The literature values of each cluster from the tables of ``melotte compare``.

    Parameters
    ----------
    directory : pathlib.Path
        With ``known_rv.parquet``, ``first_rv.parquet`` and the same for ``feh``, as far as there are any.
    frame : polars.DataFrame
        CATALOGUE of the run: a review of other values than these is left out.

    Returns
    -------
    values : dict
        Cluster -> entries: ``quantity`` and ``source`` with ``value``, ``error``, ``n``, or ``evidence``.
    notes : tuple of str
        What was left out and why.

    Raises
    ------
    ReadError
        If a table cannot be read.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    notes: list[str] = []
    for quantity, (column, _, _) in _QUANTITIES.items():
        for kind in ("known", "first"):
            path = directory / f"{kind}_{quantity}.parquet"
            if not path.exists():
                continue
            try:
                table = pl.read_parquet(path)
            except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
                raise ReadError(
                    f"not a readable table: {error}", where=path, hint="run melotte compare again"
                ) from error
            if not _is_of(table, frame, column):
                notes.append(f"literature: {path.name} was made from other values and is left out; compare again")
                continue
            for row in table.iter_rows(named=True):
                entries = _known(row, quantity) if kind == "known" else [_first(row, quantity)]
                found.setdefault(str(row["cluster"]), []).extend(entries)
    return found, tuple(notes)


def _is_of(table: pl.DataFrame, frame: pl.DataFrame, column: str) -> bool:
    """Whether the table gives our values."""
    if not {"cluster", column} <= set(table.columns):
        return False
    joined = table.select("cluster", pl.col(column).alias("theirs")).join(frame, on="cluster", how="left")
    return bool(joined.select((pl.col("theirs") - pl.col(column)).abs().max().fill_null(0.0) <= 1e-9).item()) and (
        joined[column].null_count() == joined["theirs"].null_count()
    )


def _known(row: Mapping[str, Any], quantity: str) -> list[dict[str, Any]]:
    """One entry per catalogue with a value: columns ``rv_NAME``, ``rv_NAME_error``, ``n_rv_NAME``."""
    _, unit, form = _QUANTITIES[quantity]
    names = {r.replace("-", "_").lower(): record.dataset.citation for r, record in literature().items()}
    entries = []
    for stem in (name.removeprefix("n_") for name in row if name.startswith(f"n_{quantity}_")):
        if row.get(stem) is None:
            continue
        name = stem.removeprefix(f"{quantity}_")
        error = row[f"{stem}_error"]
        entries.append(
            {
                "quantity": quantity,
                "source": name,
                "value": form % row[stem] + ("" if error is None else f" ± {form % error}"),
                "unit": unit,
                "n": row[f"n_{stem}"],
                "reference": row.get(f"{stem}_source") or names.get(name),
            }
        )
    return entries


def _first(row: Mapping[str, Any], quantity: str) -> dict[str, Any]:
    words = {name: str(row[name]) for name in _EVIDENCE if row.get(name) is not None}
    return {"quantity": quantity, "evidence": words}
