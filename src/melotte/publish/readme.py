"""The CDS ReadMe (Standards for Astronomical Catalogues 2.0, Sect. 4) and the AAS machine-readable table."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version

from ..config import PublishConfig
from ..tables.about import identifier
from .fixedwidth import PAGE, RULE, Layout, byte_by_byte

_RULE = "=" * PAGE


@dataclass(frozen=True)
class DataFile:
    """A fixed-width file of a submission: name, columns, number of rows, what it is."""

    name: str
    plan: Layout
    rows: int
    title: str


@dataclass(frozen=True)
class Front:
    """What opens a ReadMe.

    Attributes
    ----------
    settings : PublishConfig
        What the authors say.
    title : str
        Title of the catalogue where the settings have none.
    description : sequence of str
        Paragraphs; lines of a paragraph that begin with a blank stay as they are.
    references : sequence of (str, str)
        Bibcode (or another key) and text of what was used.
    see_also : sequence of (str, str)
        Name at the CDS and title of the catalogues used.
    written : datetime.date
        Date of the catalogue.
    """

    settings: PublishConfig
    title: str
    description: Sequence[str]
    references: Sequence[tuple[str, str]]
    see_also: Sequence[tuple[str, str]]
    written: date

    @property
    def short(self) -> str:
        """``Surname+, year`` as in the head of a ReadMe."""
        year = self.settings.bibcode[:4] if self.settings.bibcode else str(self.written.year)
        surname = re.sub(r"\s+(?:[A-Z][-.]*)+$", "", plain(self.settings.authors[0])) if self.settings.authors else ""
        return f"({surname or '<author>'}{'+' if len(self.settings.authors) != 1 else ''}, {year})"


def missing(settings: PublishConfig) -> list[str]:
    """Keys of ``[publish]`` without which a submission is not complete; the files hold ``<key>`` in their place."""
    return [key for key in ("authors", "abstract") if not getattr(settings, key)]


def plain(text: str) -> str:
    """Text in ASCII: letters without their accents, other characters escaped."""
    simple = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    for char, stand_in in {"–": "-", "—": "-", "±": "+/-", "’": "'", "“": '"', "”": '"', "ø": "o", "ß": "ss"}.items():
        simple = simple.replace(char, stand_in)
    return simple.encode("ascii", "backslashreplace").decode("ascii")


def readme(front: Front, files: Sequence[DataFile]) -> str:
    """The ReadMe of a submission.

    Parameters
    ----------
    front : Front
    files : sequence of DataFile
        In the order they are listed.
    """
    settings = front.settings
    title = plain(settings.title or front.title)
    name = settings.catalogue or ""
    room = PAGE - len(name) - len(front.short) - 4
    head = f"{name}  {textwrap.shorten(title, room, placeholder='...')}" if name else f"{title[: PAGE - 20]}"
    paper = [f"={settings.bibcode}"] if settings.bibcode else []
    paper = [f"<{plain(settings.journal)}>", *paper] if settings.journal else paper
    out = [
        f"{head:<{PAGE - len(front.short)}}{front.short}",
        _RULE,
        *_wrap(title),
        *_wrap(plain(", ".join(settings.authors)) or "<authors>", 4),
        *(f"    {line}" for line in paper),
        _RULE,
        *_wrap("ADC_Keywords: " + " ; ".join(settings.adc_keywords), 0, 14),
    ]
    if settings.keywords:
        out += _wrap("Keywords: " + plain(" - ".join(settings.keywords)), 0, 10)
    out += _section("Abstract", [settings.abstract or "<abstract>"])
    out += _section("Description", settings.description or front.description)
    out += ["", "File Summary:", RULE, _summary("FileName", "Lrecl", "Records", "Explanations"), RULE]
    out.append(_summary("ReadMe", str(PAGE), ".", "This file"))
    for file in files:
        first, *rest = textwrap.wrap(plain(file.title), PAGE - 36)
        out.append(_summary(file.name, str(file.plan.width), str(file.rows), first))
        out += [" " * 36 + line for line in rest]
    out += [RULE]
    if front.see_also:
        out += ["", "See also:"]
        for key, text in front.see_also:
            out += _wrap(f"{key} : {plain(text)}", 1, 3)
    for file in files:
        out += ["", byte_by_byte(file.plan, file.name).rstrip("\n")]
    if settings.acknowledgements:
        out += _section("Acknowledgements", [settings.acknowledgements])
    if front.references:
        out += ["", "References:"]
        for key, text in front.references:
            known = identifier(key) != key
            out += _wrap(plain(f"{text}, {key}" if known else f"{text} ({key})"), 4, 8)
    made = f"Melotte {version('melotte')}"
    out += [_RULE, f"(End){made:^50}{front.written.strftime('%d-%b-%Y'):>25}"]
    return "\n".join(out) + "\n"


def mrt_head(front: Front, file: DataFile, number: int) -> str:
    """What stands before the rows of an AAS machine-readable table.

    Parameters
    ----------
    front : Front
    file : DataFile
    number : int
        Number of the table in the paper.
    """
    settings = front.settings
    out = [
        *_wrap("Title: " + plain(settings.title or front.title), 0, 7),
        *_wrap("Authors: " + (plain(", ".join(settings.authors)) or "<authors>"), 0, 9),
        *_wrap(f"Table: {number}. {plain(file.title)}", 0, 7),
        _RULE,
        byte_by_byte(file.plan, file.name),
    ]
    return "\n".join(out)


def _summary(*cells: str) -> str:
    name, width, rows, text = cells
    return f"{name:<15} {width:>7} {rows:>9}  {text}"


def _section(title: str, paragraphs: Sequence[str]) -> list[str]:
    out = ["", f"{title}:"]
    for i, text in enumerate(paragraphs):
        out += [""] if i else []
        for line in plain(text).splitlines():
            out += [f"    {line}"] if line.startswith(" ") else _wrap(line, 4, 6 if line.startswith("- ") else 4)
    return out


def _wrap(text: str, indent: int = 0, more: int | None = None) -> list[str]:
    return textwrap.wrap(
        text,
        PAGE,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent if more is None else more),
        break_on_hyphens=False,
        break_long_words=False,
    )
