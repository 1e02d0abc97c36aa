"""Tables and arrays as JSON that a script element can hold: numbers as base64, identifiers as text."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from ...schema import Column

#: What a script reads: name of the typed array -> its little-endian type here.
_TYPES = {"f8": "<f8", "f4": "<f4", "i4": "<i4"}


def array(values: ArrayLike, kind: str = "f8") -> dict[str, str]:
    """Numbers as the bytes of a typed array; NaN is a missing value.

    Parameters
    ----------
    values : array_like
        Numbers, flattened.
    kind : str
        ``f8``, ``f4`` or ``i4``.
    """
    data = np.ascontiguousarray(np.asarray(values).ravel(), dtype=_TYPES[kind])
    return {kind: base64.b64encode(data.tobytes()).decode("ascii")}


def ragged(parts: Sequence[Mapping[str, ArrayLike]], names: Sequence[str], kind: str = "f4") -> dict[str, Any]:
    """Arrays of one row each, end to end.

    Parameters
    ----------
    parts : sequence of mapping
        Per row, arrays of equal length by name; an empty mapping is a row without values.
    names : sequence of str
        The names.

    Returns
    -------
    dict
        ``start``: index of the first value of each row, and of the end; one array per name.
    """
    lengths = [len(np.atleast_1d(np.asarray(part[names[0]]))) if part else 0 for part in parts]
    start = np.concatenate([[0], np.cumsum(lengths)])
    found: dict[str, Any] = {"start": array(start, "i4")}
    for name in names:
        pieces = [np.atleast_1d(np.asarray(part[name], dtype=float)) for part in parts if part]
        found[name] = array(np.concatenate(pieces) if pieces else np.empty(0), kind)
    return found


def column(series: pl.Series) -> Any:
    """The values of one column.

    64-bit identifiers become text, as JavaScript's numbers have 53 bits only; a missing value is null in texts and
    NaN in arrays.
    """
    if series.dtype == pl.String or series.dtype == pl.Boolean:
        return series.to_list()
    if series.dtype == pl.Int64:
        return series.cast(pl.String).to_list()
    kind = "f4" if series.dtype == pl.Float32 else "f8"
    return array(series.cast(pl.Float64).fill_null(float("nan")).to_numpy(), kind)


def filled(frame: pl.DataFrame, columns: Iterable[Column]) -> list[Column]:
    """The columns with at least one value; all of them if the table has no row."""
    return [c for c in columns if not frame.height or frame[c.name].null_count() < frame.height]


def table(frame: pl.DataFrame, columns: Sequence[Column]) -> dict[str, Any]:
    """Columns with what a reader must know of them."""
    return {
        "n": frame.height,
        "columns": [
            {
                "name": c.name,
                "label": c.cds_label,
                "unit": c.unit.replace(" ", ""),
                "title": c.description,
                "format": c.format,
                "error_of": c.error_of,
                "data": column(frame[c.name]),
            }
            for c in columns
        ],
    }


def script_json(value: Any) -> str:
    """JSON without ``<``, so that no text in it can end the script element that holds it.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")
