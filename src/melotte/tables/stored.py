"""What a format gives back, and the text codec of the formats that cannot hold every string."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from ..schema import Column

#: Name of the text codec in file headers.
ESCAPE = "backslash"


@dataclass(frozen=True)
class ColumnInfo:
    """What a file says about one of its columns; None where it says nothing."""

    unit: str | None = None
    ucd: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class Stored:
    """Content of a file: the table as found and what is said about each column."""

    frame: pl.DataFrame
    columns: Mapping[str, ColumnInfo] = field(default_factory=dict)


def filled(series: pl.Series, column: Column, missing: Any) -> np.ndarray:
    """The values as a plain array of the column's own type, ``missing`` where there is none. Shape (n,)."""
    dtype = {"bool": np.bool_}.get(column.dtype) or np.dtype(column.dtype)
    if series.null_count():
        series = series.fill_null(missing)
    return np.asarray(series.to_numpy(), dtype=dtype)


def needs_escape(texts: Sequence[str | None]) -> bool:
    """Whether printable ASCII without surrounding blanks or a leading ``#`` cannot hold these texts as they are."""
    return any(t is not None and not re.fullmatch(r"[!\"$-~]([ -~]*[!-~])?", t) for t in texts)


def escape(text: str) -> str:
    r"""Text as printable ASCII without surrounding blanks or a leading ``#``, which begins a comment in text files.

    ``\\`` is a backslash, ``\e`` the empty string, ``\uXXXX`` and ``\UXXXXXXXX`` a code point.
    """
    if not text:
        return r"\e"
    body = text.strip(" ")
    start = len(text) - len(text.lstrip(" "))
    out = []
    for i, char in enumerate(text):
        inside = start <= i < start + len(body)
        if char == "\\":
            out.append("\\\\")
        elif " " <= char <= "~" and inside and not (char == "#" and i == 0):
            out.append(char)
        else:
            out.append(f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}")
    return "".join(out)


_ESCAPED = re.compile(r"\\(?:\\|e|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")


def unescape(text: str) -> str:
    """Undo `escape`."""

    def replace(match: re.Match[str]) -> str:
        code = match[1] or match[2]
        if code:
            return chr(int(code, 16))
        return "\\" if match[0] == "\\\\" else ""

    return _ESCAPED.sub(replace, text)
