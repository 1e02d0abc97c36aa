"""Tables for people: CSV with the schema's formats, LaTeX with value and error in one cell."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from ..core.files import write_text
from ..schema import Column, Schema

#: Digits after the point of values with an error, and of scatters: Fu et al. 2022, Tables 1-5.
PAPER_DECIMALS = 2

#: Labels of the 28 columns of the cluster catalogue of Fu et al. 2022 (VizieR J/A+A/668/A4), in its order.
PUBLISHED_LABELS = (
    *("Cluster", "Nall", "Nflag1", "RVmed", "e_RVmed", "RVmean", "e_RVmean", "s_RV", "Nflag12"),
    *("[Fe/H]med", "e_[Fe/H]med", "[Fe/H]mean", "e_[Fe/H]mean", "s_[Fe/H]", "LX", "LY", "LZ"),
    *("ULSR", "VLSR", "WLSR", "ZGC", "RGC", "Peri", "Apo", "Energy", "ecc", "RAdeg", "DEdeg"),
)


def published_columns(schema: Schema) -> list[str]:
    """Names of the columns of the published catalogue that the schema has, in the published order."""
    by_label = {c.cds_label: c.name for c in schema}
    return [by_label[label] for label in PUBLISHED_LABELS if label in by_label]


def format_value(value: Any, column: Column) -> str:
    """A value with the column's format and without padding; empty if missing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(column.format % value).strip() if column.format else str(value)


def write_paper_table(
    frame: pl.DataFrame,
    schema: Schema,
    columns: Sequence[str],
    stem: Path,
    *,
    caption: str | None = None,
) -> list[Path]:
    """Write some columns as ``.csv`` and ``.tex``.

    Parameters
    ----------
    frame : polars.DataFrame
        A table with at least these columns.
    schema : Schema
        Their formats, labels and units.
    columns : sequence of str
        The columns in order. In LaTeX an error that follows its value is merged into the value's cell.
    stem : pathlib.Path
        Path without suffix.
    caption : str, optional
        Caption of the LaTeX table; the schema's description by default.

    Returns
    -------
    list of pathlib.Path
        The CSV (labels of the CDS, values in the schema's formats and units) and the LaTeX file (one ``table*``
        environment with units, values rounded as in the tables of Fu et al. 2022).

    Raises
    ------
    SchemaError
        If a column is not in the schema.
    PublishError
        If a file cannot be written.
    """
    chosen = [schema[name] for name in columns]
    rows = frame.select(columns).rows(named=True)
    return [
        write_text(stem.parent / f"{stem.name}.csv", _csv(rows, chosen)),
        write_text(stem.parent / f"{stem.name}.tex", _latex(rows, chosen, caption or schema.description)),
    ]


def _csv(rows: list[dict[str, Any]], columns: list[Column]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([c.cds_label for c in columns])
    for row in rows:
        writer.writerow([format_value(row[c.name], c) for c in columns])
    return stream.getvalue()


def _latex(rows: list[dict[str, Any]], columns: list[Column], caption: str) -> str:
    cells: list[tuple[Column, Column | None]] = []
    for column in columns:
        if cells and column.error_of and column.error_of == cells[-1][0].name and cells[-1][1] is None:
            cells[-1] = (cells[-1][0], column)
        else:
            cells.append((column, None))
    with_error = {c.name for c, error in cells if error} | {c.name for c in columns if c.error_of or c.scatter_of}
    align = "".join("l" if c.dtype == "string" else "r" for c, _ in cells)
    lines = [
        r"\begin{table*}",
        rf"\caption{{{latex(caption)}}}",
        rf"\begin{{tabular}}{{{align}}}",
        r"\hline\hline",
        " & ".join(latex(c.cds_label) for c, _ in cells) + r" \\",
        " & ".join(_latex_unit(c.unit) for c, _ in cells) + r" \\",
        r"\hline",
    ]
    for row in rows:
        texts = []
        for column, error in cells:
            value = _rounded(row[column.name], column, column.name in with_error)
            if error is not None and row[error.name] is not None and row[column.name] is not None:
                value = f"${value} \\pm {_rounded(row[error.name], error, True)}$"
            elif column.dtype != "string" and value != r"\ldots":
                value = f"${value}$"
            texts.append(value)
        lines.append(" & ".join(texts) + r" \\")
    return "\n".join([*lines, r"\hline", r"\end{tabular}", r"\end{table*}", ""])


def _rounded(value: Any, column: Column, paper: bool) -> str:
    if value is None:
        return r"\ldots"
    if column.dtype == "string":
        return latex(str(value))
    # "z": a small negative number is 0.00, not -0.00.
    return f"{value:z.{PAPER_DECIMALS}f}" if paper and isinstance(value, float) else format_value(value, column)


def _latex_unit(unit: str) -> str:
    if not unit:
        return ""
    if unit == "dex":
        return "[dex]"
    from astropy.units import Unit

    return f"[{Unit(unit).to_string('latex_inline')}]"


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{char: f"\\{char}" for char in "&%$#_{}"},
}


def latex(text: str) -> str:
    """Text with the characters special to LaTeX escaped."""
    return "".join(_LATEX.get(char, char) for char in text)
