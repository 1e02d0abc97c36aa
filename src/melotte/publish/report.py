"""A report on any table in one file that opens by double click and needs no network, and the parts of such a page.

The page of a catalogue, `melotte.report.explore`, is made of the same parts.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

from ..core.files import write_text
from ..errors import PublishError
from ..schema import Column, Schema
from ..schema.result import Step
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
    heading: str = "Clusters",
) -> Path:
    """Write the report.

    Parameters
    ----------
    path : pathlib.Path
        The HTML file.
    title : str
        Its title.
    frame : polars.DataFrame
        The table, of ``schema``; its first column names the row. Columns without any value are
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
    heading : str
        What the rows of the table are.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    PublishError
        If a figure is missing or of an unknown type, or the report cannot be written.
    """
    environment = templates()
    shown, empty = layout(frame, schema)
    pictures = [p if isinstance(p, Picture) else Picture(*p) for p in figures]
    text = environment.get_template("report.html.jinja").render(
        title=title,
        heading=heading,
        simulated=simulated,
        steps=steps,
        notes=by_kind(notes),
        facts=facts,
        columns=[head(c) for c in shown],
        empty=empty,
        rows=cells(frame, shown),
        figures=[embed(p) for p in pictures],
        provenance=provenance,
        configuration=sections(provenance.get("configuration", {})),
        style=resource("base.css"),
        script=resource("sort.js"),
    )
    return write_text(path, text)


def templates(*packages: str) -> Environment:
    """The environment of the templates, with those of ``packages`` before ours; every text is escaped."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in (*packages, "melotte.publish")]),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["time"] = _time
    return environment


def resource(name: str, package: str = "melotte.publish") -> str:
    """The text of a style sheet or script among the templates of a package."""
    return (resources.files(package) / "templates" / name).read_text(encoding="utf-8")


def layout(frame: pl.DataFrame, columns: Iterable[Column]) -> tuple[list[Column], list[str]]:
    """The columns in the order of interest, positions last, and the labels of those without any value."""
    first, *others = columns
    empty = [c for c in others if frame.height and frame[c.name].null_count() == frame.height]
    others = [c for c in others if c not in empty]
    return [first, *sorted(others, key=lambda c: c.ucd.startswith("pos."))], [c.cds_label for c in empty]


def cells(frame: pl.DataFrame, columns: Sequence[Column]) -> list[list[dict[str, Any]]]:
    """Per row and column what is shown, the exact value to sort by, and whether it is a text."""
    return [
        [
            {
                "shown": format_value(row[c.name], c),
                "sort": "" if row[c.name] is None else str(row[c.name]),
                "text": c.dtype == "string",
            }
            for c in columns
        ]
        for row in frame.iter_rows(named=True)
    ]


def _time(text: str) -> str:
    """``2026-01-02T03:04:05Z`` as ``2026-01-02 03:04 UTC``."""
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M UTC")


def head(column: Column, *, essential: bool = True) -> dict[str, Any]:
    """The head of a column; one that is not essential may be hidden at first."""
    return {
        "label": column.cds_label,
        "unit": column.unit.replace(" ", ""),
        "title": column.description,
        "text": column.dtype == "string",
        "essential": essential,
    }


def by_kind(notes: Sequence[str]) -> dict[str, list[str]]:
    """Notes by the text before the first ``": "``; general ones first."""
    kinds: dict[str, list[str]] = {}
    for note in notes:
        kind, colon, rest = note.partition(": ")
        # A long start is a sentence that happens to hold a colon.
        short = bool(colon) and len(kind) <= 40
        kinds.setdefault(kind if short else "general", []).append(rest if short else note)
    return dict(sorted(kinds.items(), key=lambda item: item[0] != "general"))


def sections(configuration: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Sections with key and value as they would stand in the TOML."""
    found = []
    for section, keys in configuration.items():
        pairs = keys.items() if isinstance(keys, Mapping) else [("", keys)]
        found.append((section, [(key, json.dumps(value, ensure_ascii=False)) for key, value in pairs]))
    return found


def embed(picture: Picture) -> dict[str, Any]:
    """A picture as a data URI, with its caption.

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
