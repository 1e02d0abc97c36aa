"""The account of a run as the page shows it: settings, warnings, figures, the cells of the table."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from ..errors import PublishError
from ..publish.paper import format_value
from ..schema import Column
from .encode import filled

_MEDIA = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg"}


@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Attributes
    ----------
    path : pathlib.Path
        PNG, SVG or JPEG file; it is embedded.
    caption : str
        Shown under the figure.
    alt : str
        What a reader who cannot see the figure must know; the caption by default.
    """

    path: Path
    caption: str
    alt: str = ""


def layout(frame: pl.DataFrame, columns: Sequence[Column]) -> tuple[list[Column], list[str]]:
    """The columns in the order of interest, positions and notes last, and the labels of those without any value."""
    first, *others = columns
    there = filled(frame, others)
    shown = sorted(there, key=lambda c: (c.dtype == "string", c.ucd.startswith("pos.eq")))
    return [first, *shown], [c.cds_label for c in others if c not in there]


def time(text: str) -> str:
    """``2026-01-02T03:04:05Z`` as ``2026-01-02 03:04 UTC``."""
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M UTC")


def head(column: Column, *, essential: bool) -> dict[str, Any]:
    """A column of the table, as its head shows it."""
    return {
        "label": column.cds_label,
        "unit": column.unit.replace(" ", ""),
        "title": column.description,
        "text": column.dtype == "string",
        "essential": essential,
    }


def cell(value: Any, column: Column) -> dict[str, Any]:
    """What is shown, and the exact value to sort by."""
    return {
        "shown": format_value(value, column),
        "sort": "" if value is None else str(value),
        "text": column.dtype == "string",
    }


def by_kind(notes: Sequence[str]) -> dict[str, list[str]]:
    """Notes by what they are about: the text before the first ``": "``; general ones first."""
    kinds: dict[str, list[str]] = {}
    for note in notes:
        kind, colon, rest = note.partition(": ")
        # A long start is a sentence that happens to hold a colon.
        short = bool(colon) and len(kind) <= 40
        kinds.setdefault(kind if short else "general", []).append(rest if short else note)
    return dict(sorted(kinds.items(), key=lambda item: item[0] != "general"))


def settings(configuration: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Sections with key and value as they would stand in the TOML."""
    sections = []
    for section, keys in configuration.items():
        pairs = keys.items() if isinstance(keys, Mapping) else [("", keys)]
        sections.append((section, [(key, json.dumps(value, ensure_ascii=False)) for key, value in pairs]))
    return sections


def embed(picture: Picture) -> dict[str, Any]:
    """A picture as a data URI.

    Raises
    ------
    PublishError
        If it is missing or of a type no browser shows.
    """
    media = _MEDIA.get(picture.path.suffix.lower())
    if media is None:
        raise PublishError("not a picture a browser shows", where=picture.path, expected=", ".join(_MEDIA))
    try:
        content = picture.path.read_bytes()
    except OSError as error:
        raise PublishError(f"the figure cannot be read: {error.strerror}", where=picture.path) from error
    size = struct.unpack(">II", content[16:24]) if content[:8] == b"\x89PNG\r\n\x1a\n" and len(content) > 24 else None
    return {
        "data": f"data:{media};base64,{base64.b64encode(content).decode('ascii')}",
        "caption": picture.caption,
        "alt": picture.alt or picture.caption,
        # The page does not jump while it loads.
        "size": size,
    }
