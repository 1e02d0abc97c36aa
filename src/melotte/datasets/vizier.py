"""Tables of VizieR through astroquery, written in the layout of a local mirror."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from ..errors import DatasetError
from .download import status_of
from .model import Record, VizierSource

#: Seconds VizieR may take to begin its answer: a million rows are prepared before the first byte leaves.
TIMEOUT_S = 600.0


def query(source: VizierSource, *, name: str) -> bytes:
    """The VOTable VizieR answers with: every row, every column (or those the record selects).

    Raises
    ------
    DatasetError
        If VizieR cannot be reached or refuses.
    """
    import requests
    from astroquery import cache_conf
    from astroquery.vizier import VizierClass

    service = VizierClass(columns=list(source.select) or ["**"], row_limit=-1, timeout=TIMEOUT_S)
    remedy = f"check the connection and run `melotte fetch {name}` again; the table is at {source.address}"
    try:
        # astroquery keeps every answer, a broken one too: a second try must reach the archive.
        with cache_conf.set_temp("cache_active", False):
            response = service.get_catalogs_async(source.query)
            response.raise_for_status()
            return bytes(response.content)
    except requests.HTTPError as error:
        raise DatasetError(f"VizieR answers HTTP {status_of(error)[0]}", where=source.query, hint=remedy) from error
    except (requests.RequestException, TimeoutError, OSError) as error:
        raise DatasetError(f"VizieR cannot be reached: {error}", where=source.query, hint=remedy) from error


def _plain(name: str) -> str:
    """Letters and digits only: VizieR writes ``pmRA*`` as ``pmRA`` in one release and ``pmRA_`` in another."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


class _Table:
    """One table of the answer: columns in polars, with both names a VOTable gives them."""

    def __init__(self, tree: Any) -> None:
        self.names = [str(field.name) for field in tree.fields]
        self.ids = [str(field.ID or "") for field in tree.fields]
        self.units = ["" if field.unit is None else str(field.unit).replace(" / ", "/") for field in tree.fields]
        self.rows = len(tree.array)
        self._tree = tree

    def place(self, record: Record, source: VizierSource) -> dict[int, str]:
        """Position of a column -> its name in the file.

        Exact names first (the VOTable name, then its ID), then names that agree in letters and digits, where that
        is unambiguous.
        """
        wanted = [*record.content.columns, *record.content.optional]
        found: dict[int, str] = {}
        renamed = [source.rename.get(name, name) for name in self.names]
        for spelling in (renamed, self.ids):
            for position, name in enumerate(spelling):
                if position not in found and name in wanted and name not in found.values():
                    found[position] = name
        rename = {_plain(key): value for key, value in source.rename.items()}
        rest = [rename.get(_plain(name), name) for name in self.names]
        for name in (n for n in wanted if n not in found.values()):
            near = [p for p, other in enumerate(rest) if p not in found and _plain(other) == _plain(name)]
            if len(near) == 1:
                found[near[0]] = name
        return found

    def frame(self, place: dict[int, str], order: Iterable[str]) -> tuple[pl.DataFrame, dict[str, str]]:
        """The columns in the order of the record, what else VizieR sent after them; and the units."""
        columns: dict[str, pl.Series] = {}
        units: dict[str, str] = {}
        for position, name in enumerate(self.names):
            label = place.get(position, name)
            if position not in place and (label in columns or label in place.values()):
                label = self.ids[position]
            columns[label] = _series(label, self._tree.array[self._tree.fields[position].ID or name])
            units[label] = self.units[position]
        first = [name for name in order if name in columns]
        return pl.DataFrame([columns[n] for n in [*first, *(n for n in columns if n not in first)]]), units


def _series(name: str, values: Any) -> pl.Series:
    import numpy as np

    data, mask = np.ma.getdata(values), np.ma.getmaskarray(values)
    if data.ndim != 1:
        raise DatasetError(f"column {name} holds arrays", expected="one value a row")
    if data.dtype.kind in "OSU":
        texts = [None if hidden else str(value).strip() for value, hidden in zip(data, mask, strict=True)]
        return pl.Series(name, [text or None for text in texts], dtype=pl.String)
    series = pl.Series(name, data.astype(data.dtype.newbyteorder("="), copy=False))
    hidden = mask | (np.isnan(data) if data.dtype.kind == "f" else False)
    return pl.select(pl.when(pl.Series(hidden)).then(None).otherwise(series).alias(name)).to_series()


def table_of(votable: bytes, record: Record, source: VizierSource) -> tuple[pl.DataFrame, dict[str, str]]:
    """The record's table of a VizieR answer.

    Parameters
    ----------
    votable : bytes
        VOTable document, possibly with several tables.

    Returns
    -------
    frame : polars.DataFrame
        Named as in the file; identifiers are 64-bit integers; missing values are null.
    units : dict
        Unit of each column.

    Raises
    ------
    DatasetError
        If the answer is no VOTable, is cut off, reports an error, or does not hold exactly one table with the
        columns of the record.
    """
    from astropy.io.votable import parse

    where = f"VizieR {source.query}"
    hint = f"run `melotte fetch {record.name}` again; the table is at {source.address}"
    try:
        document = parse(io.BytesIO(votable), verify="ignore")
    except Exception as error:  # the XML parser and the VOTable classes raise a dozen unrelated types
        raise DatasetError(f"the answer is no whole VOTable: {error}", where=where, hint=hint) from error
    notes = [*document.infos, *(info for resource in document.resources for info in resource.infos)]
    for info in notes:
        if (info.name == "QUERY_STATUS" and info.value in {"ERROR", "OVERFLOW"}) or info.name == "Error":
            raise DatasetError(f"VizieR reports: {info.value} {info.content or ''}".strip(), where=where, hint=hint)
    tables = [_Table(tree) for tree in document.iter_tables()]
    fitting = [(t, p) for t in tables if set(record.content.columns) <= set((p := t.place(record, source)).values())]
    if len(fitting) > 1:
        # Several tables of one paper can share their columns; the number of rows tells them apart.
        fitting = [(t, p) for t, p in fitting if t.rows == record.content.rows] or fitting
    if len(fitting) != 1:
        best = max(tables, key=lambda t: len(t.place(record, source)), default=None)
        missing = [] if best is None else sorted(set(record.content.columns) - set(best.place(record, source).values()))
        raise DatasetError(
            f"{len(fitting)} of the {len(tables)} tables sent have the columns of {record.name}"
            + (
                f"; the nearest lacks {', '.join(missing)}; it has: {', '.join(best.names)}" if best and missing else ""
            ),
            where=where,
            expected="exactly one",
            hint=hint,
        )
    table, place = fitting[0]
    return table.frame(place, (*record.content.columns, *record.content.optional))


def write(frame: pl.DataFrame, units: dict[str, str], path: Path, *, name: str) -> None:
    """Write a table as the mirror has it: CSV, or VizieR's TSV (header, units, ruler), gzipped by its suffix."""
    buffer = io.BytesIO()
    if ".tsv" in name:
        head = [
            frame.columns,
            [units.get(c, "") or " " for c in frame.columns],
            ["-" * max(len(c), 1) for c in frame.columns],
        ]
        buffer.write("".join("\t".join(line) + "\n" for line in head).encode())
        frame.write_csv(buffer, include_header=False, separator="\t")
    else:
        frame.write_csv(buffer)
    data = buffer.getvalue()
    path.write_bytes(gzip.compress(data, 6, mtime=0) if name.endswith(".gz") else data)
