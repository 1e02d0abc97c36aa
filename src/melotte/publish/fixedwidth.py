"""Fixed-width tables and their byte-by-byte description (CDS, Standards for Astronomical Catalogues 2.0, Sect. 3).

A missing value is blank; a logical is 1 or 0. Text that is not printable ASCII, or that a padded field cannot hold, is
written with backslash escapes, which a note of its column says.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from ..errors import SchemaError
from ..schema import Column, Schema
from ..tables.stored import escape, needs_escape

#: Line length of everything but the data.
PAGE = 80
RULE = "-" * PAGE

#: Rows formatted at a time: bounds the memory.
CHUNK = 20_000

#: Limits of more characters than this would not fit beside the label.
_LONGEST_LIMITS = 30

_ESCAPES = (
    r"Text beyond printable ASCII is written with backslash escapes: \uXXXX and \UXXXXXXXX are a Unicode code point in "
    r"hexadecimal, \\ is a backslash, \e an empty text."
)


@dataclass(frozen=True)
class Field:
    """One column of a fixed-width file.

    Attributes
    ----------
    column : Column
        What it is.
    start, width : int
        First byte, from 1, and number of bytes.
    form : str
        Fortran format.
    nullable : bool
        Whether a value is missing in this table.
    limits : tuple of str or None
        Smallest and largest value as printed.
    escaped : bool
        Whether its text is written with escapes.
    """

    column: Column
    start: int
    width: int
    form: str
    nullable: bool
    limits: tuple[str, str] | None
    escaped: bool

    @property
    def end(self) -> int:
        """Last byte."""
        return self.start + self.width - 1


@dataclass(frozen=True)
class Layout:
    """The columns of a fixed-width file, and those left out because they have no value in any row."""

    fields: tuple[Field, ...]
    omitted: tuple[Column, ...]

    @property
    def width(self) -> int:
        """Bytes per line, the end of the line not counted."""
        return max((f.end for f in self.fields), default=0)


def cds_unit(column: Column) -> str:
    """The unit in the notation of the CDS; ``---`` if there is none.

    A logarithmic quantity has the unit of its argument in brackets.
    """
    if column.unit == "dex":
        words = column.ucd.split(";")
        return "[cm/s2]" if "phys.gravity" in words else "[yr]" if "time.age" in words else "[-]"
    return column.unit.replace(" / ", "/").replace(" ", ".") or "---"


def layout(frame: pl.DataFrame, schema: Schema) -> Layout:
    """Place the columns of a table.

    Raises
    ------
    SchemaError
        If two columns have one label, or a number has no print format.
    """
    fields: list[Field] = []
    omitted = []
    start = 1
    for column in schema:
        series = frame[column.name]
        if frame.height and series.null_count() == frame.height:
            omitted.append(column)
            continue
        field = _place(series, column, start)
        if any(f.column.cds_label == column.cds_label for f in fields):
            raise SchemaError(f"two columns have the label {column.cds_label!r}", where=schema.name)
        fields.append(field)
        start = field.end + 2
    return Layout(tuple(fields), tuple(omitted))


def _place(series: pl.Series, column: Column, start: int) -> Field:
    present = series.drop_nulls()
    escaped, limits = False, None
    if column.dtype == "string":
        escaped = needs_escape(present.unique().to_list())
        texts = escaped_series(present) if escaped else present
        width = max([1, *texts.str.len_bytes().unique().to_list()])
        form = f"A{width}"
    elif column.dtype == "bool":
        width, form = 1, "I1"
        limits = ("0", "1")
    else:
        kind, decimals = print_format(column)
        # Exponents may have three digits anywhere; otherwise the extremes are the longest.
        extremes = present.unique() if kind == "e" else pl.Series([present.min(), present.max()])
        texts_ = [format(v, _spec(column)) for v in extremes.drop_nulls().to_list()]
        width = max([1, *map(len, texts_)])
        form = f"I{width}" if kind == "d" else f"{kind.upper()}{width}.{decimals}"
        if len(present) and not column.ucd.startswith("meta.id"):
            low, high = (format(v, _spec(column)).lstrip("+") for v in (present.min(), present.max()))
            limits = (low, high)
    return Field(column, start, width, form, bool(series.null_count()), limits, escaped)


def print_format(column: Column) -> tuple[str, int]:
    """``d``, ``f`` or ``e``, and the digits after the point."""
    match = re.fullmatch(r"%[-+ 0]*\d*(?:\.(\d+))?([dfe])", column.format)
    if match is None or (match[2] == "d") != column.dtype.startswith("int"):
        raise SchemaError(f"column {column.name!r} cannot be printed with {column.format!r}", expected="%d, %f or %e")
    return match[2], int(match[1] or 0)


def _spec(column: Column, width: int | None = None) -> str:
    """What `format` takes; a small negative number is 0.00, not -0.00."""
    kind, decimals = print_format(column)
    sign, size = "+" if "+" in column.format else "", "" if width is None else str(width)
    return f"{sign}{size}d" if kind == "d" else f"{sign}z{size}.{decimals}{kind}"


def lines(frame: pl.DataFrame, plan: Layout) -> Iterator[bytes]:
    """The rows of the file, some thousands at a time, each line of the same length and ended."""
    for part in frame.iter_slices(CHUNK):
        cells = [_cells(part[f.column.name], f) for f in plan.fields]
        yield ("\n".join(map(" ".join, zip(*cells, strict=True))) + "\n").encode("ascii")


def escaped_series(series: pl.Series) -> pl.Series:
    """Text in the form files of printable ASCII hold."""
    return pl.Series(series.name, [None if t is None else escape(t) for t in series], dtype=pl.String)


def _cells(series: pl.Series, field: Field) -> list[str]:
    column, width = field.column, field.width
    if column.dtype == "string":
        series = escaped_series(series) if field.escaped else series
        return series.fill_null("").str.pad_end(width).to_list()
    if column.dtype == "bool":
        return [" " if v is None else "1" if v else "0" for v in series]
    spec, blank = _spec(column, width), " " * width
    return [blank if v is None else format(v, spec) for v in series.to_list()]


def explained(column: Column, labels: Mapping[str, str]) -> str:
    """The description with names of columns replaced by their labels.

    Parameters
    ----------
    column : Column
        The column described.
    labels : mapping
        Name -> label of every column of its table.
    """
    own = {column.error_of, column.scatter_of}
    # Names without an underscore are words as well (cluster, flag): replaced only where they must be names.
    return re.sub(
        r"\b[a-z]\w*\b",
        lambda m: labels.get(m[0], m[0]) if "_" in m[0] or m[0] in own else m[0],
        column.description,
    )


def byte_by_byte(plan: Layout, name: str) -> str:
    """The section "Byte-by-byte Description" of a ReadMe, with the notes of its columns.

    Parameters
    ----------
    plan : Layout
        The columns.
    name : str
        Name of the file described.
    """
    wide = max(4, len(str(plan.width)))
    units = max([5, *(len(cds_unit(f.column)) for f in plan.fields)])
    labels = max([5, *(len(f.column.cds_label) for f in plan.fields)])
    forms = max([6, *(len(f.form) for f in plan.fields)])
    out = [f"Byte-by-byte Description of file: {name}", RULE]
    out.append(f"{'Bytes':>{2 * wide + 1}} {'Format':<{forms}} {'Units':<{units}} {'Label':<{labels}} Explanations")
    out.append(RULE)
    notes: list[str] = []
    names = {c.name: c.cds_label for c in (*(f.column for f in plan.fields), *plan.omitted)}
    for field in plan.fields:
        first = f"{field.start:>{wide}}-" if field.width > 1 else " " * (wide + 1)
        label = field.column.cds_label
        head = f"{first}{field.end:>{wide}} {field.form:<{forms}} {cds_unit(field.column):<{units}} {label:<{labels}}"
        note = _note(field, names)
        if note:
            notes.append(f"Note ({len(notes) + 1}): {note}")
        mark = f" ({len(notes)})" if note else ""
        out += _fold(head, f"{_limits(field)}{explained(field.column, names)}{mark}")
    out.append(RULE)
    if notes:
        out += ["\n".join(notes), RULE]
    return "\n".join(out) + "\n"


def _limits(field: Field) -> str:
    limits = f"[{field.limits[0]}/{field.limits[1]}]" if field.limits else ""
    limits = limits if len(limits) <= _LONGEST_LIMITS else ""
    mark = limits + ("?" if field.nullable else "")
    # A description that begins with a bracket would be read as limits.
    return f"{mark} " if mark else "Value of " if field.column.description.startswith("[") else ""


def _note(field: Field, labels: Mapping[str, str]) -> str:
    parts = []
    if field.column.codes:
        wide = max(len(code) for code, _ in field.column.codes)
        parts.append(f"{field.column.cds_label} is one of:")
        for code, meaning in field.column.codes:
            parts += _fold(f"    {code:>{wide}} =", re.sub(r"\b[a-z]+_\w+", lambda m: labels.get(m[0], m[0]), meaning))
    if field.escaped:
        # The first line stands behind "Note (n): ".
        first = " " * (4 if parts else 12)
        parts += textwrap.wrap(_ESCAPES, PAGE, initial_indent=first, subsequent_indent="    ")
    return "\n".join(parts).lstrip()


def _fold(head: str, text: str) -> list[str]:
    """Text beside a head, folded to the page; no line begins with a digit, which would look like bytes of a column."""
    glued = re.sub(r" (?=\d)", "\N{NO-BREAK SPACE}", text)
    room = max(20, PAGE - len(head) - 1)
    folded = textwrap.wrap(glued, room, break_long_words=False, break_on_hyphens=False) or [""]
    indent = " " * (len(head) + 1)
    return [
        line.replace("\N{NO-BREAK SPACE}", " ").rstrip()
        for line in (f"{head} {folded[0]}", *(indent + more for more in folded[1:]))
    ]
