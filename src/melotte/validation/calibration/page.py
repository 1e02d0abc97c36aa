"""The report page of a calibration: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from ...core.files import write_text
from .tables import ALL

#: A statistic is calibrated if the 95 % interval of its coverage touches this.
WANTED = (0.65, 0.71)
#: The statistics of the detailed tables.
_SHOWN = (
    "RV median of the clip",
    "RV mean of the clip",
    "RV of the model",
    "[Fe/H] median of the clip",
    "[Fe/H] mean of the clip",
    "[Fe/H] of the model",
)


def write_page(
    path: Path,
    *,
    coverage: pl.DataFrame,
    selection: pl.DataFrame,
    n_clusters: int,
    notes: Sequence[str],
    figures: Sequence[tuple[Path, str]],
    configuration: Mapping[str, Any],
    finished: str,
    seconds: float,
) -> Path:
    """Write the page.

    Parameters
    ----------
    path : pathlib.Path
    coverage, selection : polars.DataFrame
        Tables of `COVERAGE` and `SELECTION`.
    n_clusters : int
    notes : sequence of str
        ``survey: what the model found``.
    figures : sequence of (path, caption)
        PNG files, embedded.
    configuration : mapping
    finished : str
        Date to show.
    seconds : float
        Duration.

    Returns
    -------
    pathlib.Path
    """
    environment = Environment(
        loader=PackageLoader("melotte.validation.calibration"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    everything = coverage.filter((pl.col("survey") == ALL) & (pl.col("stars") == ALL))
    surveys = [s for s in coverage["survey"].unique(maintain_order=True).to_list() if s != ALL]
    text = environment.get_template("calibration.html.jinja").render(
        n_clusters=f"{n_clusters:,}",
        surveys=surveys,
        version=version("melotte"),
        finished=finished,
        seconds=f"{seconds:.0f}",
        overall=[_overall(row) for row in everything.iter_rows(named=True)],
        figures=[{"data": _embedded(file), "caption": caption} for file, caption in figures],
        grids=[
            _grid(coverage, "stars", "By number of stars", "All surveys together."),
            _grid(coverage, "survey", "By survey", "All numbers of stars together."),
            _selection_grid(selection),
        ],
        notes=[note.split(": velocity model: ", 1) for note in notes],
        configuration=json.dumps(configuration, indent=1, ensure_ascii=False),
    )
    return write_text(path, text)


def _kind(row: Mapping[str, Any]) -> str:
    """``in`` if the coverage may be the wanted one."""
    return "in" if row["coverage_low"] <= WANTED[1] and row["coverage_high"] >= WANTED[0] else "out"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _overall(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "statistic": row["statistic"],
        "n": f"{row['n_clusters']:,}",
        "coverage": _percent(row["coverage"]),
        "ends": f"{_percent(row['coverage_low'])} to {_percent(row['coverage_high'])}",
        "kind": _kind(row),
        "bias": f"{row['bias']:+.4f} ± {row['bias_error']:.4f}",
        "scatter": f"{row['scatter']:.3f}",
        "half_width": f"{row['half_width']:.3f}",
        "unit": (row["unit"] or "").replace(" ", ""),
    }


def _grid(coverage: pl.DataFrame, along: str, title: str, text: str) -> dict[str, Any]:
    fixed = "survey" if along == "stars" else "stars"
    part = coverage.filter((pl.col(fixed) == ALL) & (pl.col(along) != ALL))
    found = {(row[along], row["statistic"]): row for row in part.iter_rows(named=True)}
    rows = []
    for label in part[along].unique(maintain_order=True):
        cells: list[dict[str, str]] = [{"text": label, "kind": "", "title": ""}]
        for statistic in _SHOWN:
            row = found.get((label, statistic))
            if row is None:
                cells.append({"text": "–", "kind": "", "title": ""})
                continue
            ends = f"95 %: {_percent(row['coverage_low'])} to {_percent(row['coverage_high'])}; bias {row['bias']:+.3f}"
            shown = f"{_percent(row['coverage'])} of {row['n_clusters']:,}"
            cells.append({"text": shown, "kind": _kind(row), "title": ends})
        rows.append(cells)
    head = [along.capitalize(), *(s.replace(" of the", "") for s in _SHOWN)]
    return {"title": title, "text": f"{text} Truth inside the 68 % interval.", "head": head, "rows": rows}


def _selection_grid(selection: pl.DataFrame) -> dict[str, Any]:
    part = selection.filter(pl.col("stars") == ALL)
    rows = []
    names = ("completeness", "purity", "rejected", "binaries_kept")
    for survey in part["survey"].unique(maintain_order=True):
        cells = [{"text": survey, "kind": "", "title": ""}]
        found = {row["rule"]: row for row in part.filter(pl.col("survey") == survey).iter_rows(named=True)}
        pairs = [f"{_percent(found['clip'][n])}, {_percent(found['model'][n])}" for n in names]
        cells += [{"text": pair, "kind": "", "title": ""} for pair in pairs]
        rows.append(cells)
    head = ["Survey", "True members kept", "Kept stars that are members", "Field stars rejected", "Binaries kept"]
    text = "Clip (within its limits), then model (probability of at least [velocity] member_probability)."
    return {"title": "Stars called members", "text": text, "head": head, "rows": rows}


def _embedded(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
