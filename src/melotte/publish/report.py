"""report.html: the whole result in one file that opens by double click and needs no network."""

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
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from ..errors import PublishError
from ..result import Step
from ..schema import Column, Schema
from .files import write_text
from .paper import format_value

_MEDIA = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg"}


@dataclass(frozen=True)
class Picture:
    """A figure of the report.

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


def write_report(
    path: Path,
    *,
    title: str,
    frame: pl.DataFrame,
    schema: Schema,
    steps: Sequence[Step],
    notes: Sequence[str],
    facts: Mapping[str, str],
    figures: Sequence[Picture | tuple[Path, str]],
    provenance: Mapping[str, Any],
    simulated: bool = False,
) -> Path:
    """Write the report.

    Parameters
    ----------
    path : pathlib.Path
        The HTML file.
    title : str
        Its title.
    frame : polars.DataFrame
        The cluster catalogue, a table of ``schema``; its first column names the row. Columns without any value are
        named but not shown.
    schema : Schema
        Labels, units, formats and descriptions of its columns.
    steps : sequence of Step
        Where each row went.
    notes : sequence of str
        Warnings; a text before the first ``": "`` is taken as the kind.
    facts : mapping of str to str
        Numbers worth reporting, ready to print, the zero point for example.
    figures : sequence of Picture or of (path, caption)
        The figures, embedded.
    provenance : mapping
        What `melotte.publish.write_provenance` returned.
    simulated : bool
        Whether the data are simulated; said at the top of the page and in its title.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    PublishError
        If a figure is missing or of an unknown type, or the report cannot be written.
    """
    environment = Environment(
        loader=PackageLoader("melotte.publish"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["time"] = _time
    shown, empty = _layout(frame, schema)
    pictures = [p if isinstance(p, Picture) else Picture(*p) for p in figures]
    text = environment.get_template("report.html.jinja").render(
        title=title,
        simulated=simulated,
        steps=steps,
        notes=_by_kind(notes),
        facts=facts,
        columns=[_head(c) for c in shown],
        empty=empty,
        rows=[[_cell(row[c.name], c) for c in shown] for row in frame.iter_rows(named=True)],
        figures=[_embed(p) for p in pictures],
        provenance=provenance,
        configuration=_settings(provenance.get("configuration", {})),
    )
    return write_text(path, text)


def _layout(frame: pl.DataFrame, schema: Schema) -> tuple[list[Column], list[str]]:
    """The columns in the order of interest, positions last, and the labels of those without any value."""
    first, *others = schema.columns
    empty = [c for c in others if frame.height and frame[c.name].null_count() == frame.height]
    others = [c for c in others if c not in empty]
    return [first, *sorted(others, key=lambda c: c.ucd.startswith("pos."))], [c.cds_label for c in empty]


def _time(text: str) -> str:
    """``2026-01-02T03:04:05Z`` as ``2026-01-02 03:04 UTC``."""
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M UTC")


def _head(column: Column) -> dict[str, Any]:
    return {
        "label": column.cds_label,
        "unit": column.unit.replace(" ", ""),
        "title": column.description,
        "text": column.dtype == "string",
    }


def _cell(value: Any, column: Column) -> dict[str, Any]:
    """What is shown, and the exact value to sort by."""
    return {
        "shown": format_value(value, column),
        "sort": "" if value is None else str(value),
        "text": column.dtype == "string",
    }


def _by_kind(notes: Sequence[str]) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for note in notes:
        kind, colon, rest = note.partition(": ")
        # A long start is a sentence that happens to hold a colon.
        short = bool(colon) and len(kind) <= 40
        kinds.setdefault(kind if short else "general", []).append(rest if short else note)
    return dict(sorted(kinds.items(), key=lambda item: item[0] != "general"))


def _settings(configuration: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Sections with key and value as they would stand in the TOML."""
    sections = []
    for section, keys in configuration.items():
        pairs = keys.items() if isinstance(keys, Mapping) else [("", keys)]
        sections.append((section, [(key, json.dumps(value, ensure_ascii=False)) for key, value in pairs]))
    return sections


def _embed(picture: Picture) -> dict[str, Any]:
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
