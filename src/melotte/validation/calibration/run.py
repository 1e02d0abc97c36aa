"""``melotte calibrate``: every simulated survey, the tables, the figures and the page."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from ... import figures, publish
from ...catalogue.store import exclusive
from ...config import MetallicityConfig, StarsConfig, VelocityConfig, load_section
from ...figures.calibration import coverage, selection_quality
from .measure import Measured, measure
from .page import write_page
from .settings import CalibrationConfig
from .tables import ALL, COVERAGE, SELECTION, coverage_table, selection_table

log = logging.getLogger(__name__)

#: Title -> statistics of a panel of the figures.
PANELS = {
    "Radial velocity": ("RV median of the clip", "RV mean of the clip", "RV of the model"),
    "[Fe/H]": ("[Fe/H] median of the clip", "[Fe/H] mean of the clip", "[Fe/H] of the model"),
}
#: Called with (what is done, done, total).
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Calibration:
    """What the simulations showed.

    Attributes
    ----------
    coverage : polars.DataFrame
        Table of `COVERAGE`.
    selection : polars.DataFrame
        Table of `SELECTION`.
    n_clusters : int
        Simulated clusters with a velocity.
    notes : tuple of str
    files : tuple of path
    """

    coverage: pl.DataFrame
    selection: pl.DataFrame
    n_clusters: int
    notes: tuple[str, ...]
    files: tuple[Path, ...]

    def summary(self) -> str:
        """Coverage of every statistic over all clusters, for a terminal."""
        lines = [f"{self.n_clusters:,} simulated clusters; how often the 68 % interval holds the truth:"]
        rows = self.coverage.filter((pl.col("survey") == ALL) & (pl.col("stars") == ALL))
        for row in rows.iter_rows(named=True):
            unit = "" if row["unit"] is None else f" {row['unit'].replace(' ', '')}"
            ends = f"{row['coverage_low']:.1%}-{row['coverage_high']:.1%}"
            lines.append(
                f"  {row['statistic']:<30} {row['coverage']:6.1%} ({ends})"
                f"   bias {row['bias']:+.4f} +- {row['bias_error']:.4f}{unit}   {row['n_clusters']:,} clusters"
            )
        return "\n".join(lines)


def calibrate(
    out: Path, *, config: Path | None = None, jobs: int | None = None, progress: Progress | None = None
) -> Calibration:
    """Simulate the surveys, make their catalogues, and write tables, figures and report.

    Parameters
    ----------
    out : path
        Directory of the results.
    config : path, optional
        TOML with ``[calibration]`` and, for the pipeline under test, ``[velocity]``, ``[metallicity]``, ``[stars]``.
    jobs : int, optional
        Threads.
    progress : callable, optional

    Returns
    -------
    Calibration

    Raises
    ------
    ConfigError
        If the configuration is wrong.
    PublishError
        If a product cannot be written.
    """
    started = datetime.now(UTC)
    settings, sections = _settings(config)
    with exclusive(out):
        return _calibrate(settings, sections, out, jobs=jobs, progress=progress, started=started)


def _calibrate(
    settings: CalibrationConfig,
    sections: dict[str, Any],
    out: Path,
    *,
    jobs: int | None,
    progress: Progress | None,
    started: datetime,
) -> Calibration:
    surveys = settings.surveys()
    measured: list[Measured] = []
    for number, (name, simulation) in enumerate(surveys.items()):
        if progress is not None:
            progress("simulated surveys", number, len(surveys))
        measured.append(measure(name, simulation, seed=settings.seed, sections=sections, jobs=jobs))
        log.info("%s: done", name)
    if progress is not None:
        progress("simulated surveys", len(surveys), len(surveys))
    values = pl.concat(m.values for m in measured)
    stars = pl.concat(m.stars for m in measured)
    least = VelocityConfig.model_validate(sections.get("velocity", {})).member_probability
    covered = coverage_table(values, settings.star_bins)
    selected = selection_table(stars, settings.star_bins, least=least)
    notes = tuple(f"{name}: {note}" for name, m in zip(surveys, measured, strict=True) for note in m.model["notes"])
    n_clusters = stars.select("survey", "cluster").unique().height
    result = Calibration(covered, selected, n_clusters, notes, ())
    files = _write(result, out, settings=settings, sections=sections, started=started)
    return Calibration(covered, selected, n_clusters, notes, tuple(files))


def _settings(config: Path | None) -> tuple[CalibrationConfig, dict[str, Any]]:
    if config is None:
        return CalibrationConfig(), {}
    sections = {
        name: load_section(config, name, model).model_dump(mode="json", exclude_unset=True)
        for name, model in (("velocity", VelocityConfig), ("metallicity", MetallicityConfig), ("stars", StarsConfig))
    }
    return load_section(config, "calibration", CalibrationConfig), {k: v for k, v in sections.items() if v}


def _write(
    result: Calibration,
    out: Path,
    *,
    settings: CalibrationConfig,
    sections: dict[str, Any],
    started: datetime,
) -> list[Path]:
    about = publish.About(simulated=True)
    files = publish.write_table(result.coverage, COVERAGE, out / "coverage", about=about)
    files += publish.write_table(result.selection, SELECTION, out / "selection", about=about)
    drawings = {
        "coverage_stars": (
            coverage(result.coverage, PANELS),
            "How often the 68 % interval holds the truth, against the number of stars behind the value, all surveys "
            "together. Bars: 95 % intervals; band: 65-71 %.",
        ),
        "coverage_surveys": (
            coverage(result.coverage, PANELS, along="survey"),
            "The same survey by survey.",
        ),
        "selection": (
            selection_quality(result.selection),
            "Completeness and purity of the stars kept, and the share of the field stars rejected.",
        ),
    }
    pictures = []
    for stem, (figure, caption) in drawings.items():
        written = figures.save(figure, out / "figures" / stem)
        files += written
        pictures.append((written[-1], caption))
    finished = datetime.now(UTC)
    configuration = {"calibration": settings.model_dump(mode="json"), **sections}
    publish.write_provenance(
        out / "provenance.json",
        inputs=[],
        config=configuration,
        steps=(),
        notes=result.notes,
        outputs=files,
        started=started,
        finished=finished,
        citations=[],
        simulated=True,
    )
    page = write_page(
        out / "report.html",
        coverage=result.coverage,
        selection=result.selection,
        n_clusters=result.n_clusters,
        notes=result.notes,
        figures=pictures,
        configuration=configuration,
        finished=finished.strftime("%Y-%m-%d %H:%M UTC"),
        seconds=(finished - started).total_seconds(),
    )
    return [*files, out / "provenance.json", page]
