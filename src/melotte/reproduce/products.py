"""What the reproduction writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from .. import datasets, figures, publish
from ..catalogue.catalogue import Catalogue
from ..core.files import write_text
from ..gradients import table6_latex
from ..publish.paper import format_value
from ..report.explore import write_page
from ..schema import CATALOGUE, DYNAMICS, SNAPSHOTS, Schema
from ..schema.gradients import GRADIENTS
from ..schema.reproduction import REPRODUCTION
from ..schema.result import Step
from ..schema.structure import TABLE7
from ..structure import table7
from .disc import Disc
from .inputs import Inputs
from .judge import AGREES, DIFFERS, NOT_COMPUTABLE, UNEXPLAINED
from .literature import Review
from .metallicity import Distribution
from .numbers import PREDICTORS
from .orbits import COLUMNS, Chains, rows_schema
from .pictures import Drawing
from .settings import ReproduceConfig

#: Columns of the ledger that are evidence, not part of the printed tables.
_EVIDENCE: Final = ("near_miss", "searched", "names_tried", "search_date", "hangs_on")


def write_tables(
    out: Path,
    *,
    inputs: Inputs,
    review: Review,
    chains: Chains,
    distribution: Distribution,
    disc: Disc,
    comparison: pl.DataFrame,
) -> list[Path]:
    """Tables 1 to 7, the catalogue with both orbits, and the comparison of all numbers."""
    about = publish.About(citations=cited(inputs))
    files = publish.write_table(comparison, REPRODUCTION, out / "reproduction", about=about)
    files.append(write_text(out / "reproduction.csv", _csv(comparison, REPRODUCTION)))
    files += publish.write_table(inputs.catalogue, CATALOGUE, out / "clusters", about=about)
    files += publish.write_table(chains.right.frame, DYNAMICS, out / "orbits", about=about)
    files += publish.write_table(chains.right.snapshots, SNAPSHOTS, out / "snapshots", about=about)
    files += publish.write_table(chains.legacy.frame, DYNAMICS, out / "orbits_published_chain", about=about)
    files += publish.write_table(chains.rows, rows_schema(), out / "dynamics_rows", about=about)
    files += publish.write_table(chains.columns, COLUMNS, out / "dynamics_columns", about=about)
    tables = out / "tables"
    for name, (frame, schema) in review.tables.items():
        files += publish.write_table(frame, schema, tables / name, about=about)
        printed = [c.name for c in schema if not c.name.startswith(_EVIDENCE)]
        files += publish.write_paper_table(frame, schema, printed, tables / name, caption=CAPTIONS[name])
    now = distribution.table6.frame.filter(pl.col("predictor").is_in(PREDICTORS))
    files += publish.write_table(now, GRADIENTS, tables / "table6", about=about)
    files.append(write_text(tables / "table6.csv", _csv(now, GRADIENTS)))
    files.append(write_text(tables / "table6.tex", table6_latex(now)))
    seven = table7(disc.wave, disc.settings)
    files += publish.write_table(seven, TABLE7, tables / "table7", about=about)
    stem, caption = tables / "table7", CAPTIONS["table7"]
    return files + publish.write_paper_table(seven, TABLE7, TABLE7.names, stem, caption=caption)


#: Columns of the report, what a reader looks for first; the tables have all of them.
_IN_REPORT: Final = ("quantity", "printed", "found", "unit", "verdict", "cause", "evidence", "place", "id")
#: Captions of the LaTeX tables.
CAPTIONS: Final = {
    "table1": "Clusters of Fu et al. (2022) with a radial velocity in the literature at hand",
    "table2": "Clusters of Fu et al. (2022) without a radial velocity in the literature at hand; what each row hangs "
    "on is in the machine-readable table",
    "table3": "Clusters of Fu et al. (2022) with [Fe/H] in the literature",
    "table4": "First [Fe/H] from three or more stars",
    "table5": "First [Fe/H] from fewer than three stars",
    "table7": "Clusters along the Radcliffe wave, with [Fe/H] of three or more stars",
}


def _csv(frame: pl.DataFrame, schema: Schema) -> str:
    """Values as the schema prints them, under the column names."""
    texts = {c.name: [format_value(v, c) for v in frame[c.name]] for c in schema}
    return pl.DataFrame(texts).write_csv()


def write_figures(
    out: Path, drawings: Mapping[str, Drawing], progress: Callable[[int, int], None]
) -> tuple[list[Path], list[publish.Picture]]:
    """Every figure as PDF and PNG."""
    files: list[Path] = []
    pictures = []
    for done, (stem, drawing) in enumerate(drawings.items(), start=1):
        written = figures.save(drawing.draw(), out / "figures" / stem, ("pdf", "png"))
        files += written
        pictures.append(publish.Picture(written[1], drawing.caption))
        progress(done, len(drawings))
    return files, pictures


def cited(inputs: Inputs) -> list[tuple[str, str]]:
    """Key and text of every catalogue read."""
    records = [datasets.record(name) for name in inputs.files]
    return list({r.bibcode or r.name: r.citation for r in records}.items())


def write_record(
    out: Path,
    *,
    inputs: Inputs,
    settings: ReproduceConfig,
    steps: Sequence[Step],
    notes: Sequence[str],
    files: Sequence[Path],
    pictures: Sequence[publish.Picture],
    comparison: pl.DataFrame,
    catalogue: Catalogue,
    started: datetime,
) -> list[Path]:
    """CITATION, provenance.json, report.html (the numbers) and explorer.html (the clusters)."""
    citations = cited(inputs)
    files = [*files, publish.write_citation(out / "CITATION", citations)]
    record: dict[str, Any] = publish.write_provenance(
        out / "provenance.json",
        inputs=[
            publish.InputFile(name, path, root=inputs.data_dir, sha256=digest)
            for name, (path, digest) in inputs.files.items()
        ],
        config={"reproduce": settings.model_dump(mode="json"), "run": {"seed": settings.seed}},
        steps=steps,
        notes=notes,
        outputs=files,
        started=started,
        finished=datetime.now(UTC),
        citations=citations,
    )
    publish.write_report(
        out / "report.html",
        title="Fu et al. 2022, reproduced",
        heading="Numbers of the paper",
        frame=comparison.select(_IN_REPORT),
        schema=REPRODUCTION.select(list(_IN_REPORT)),
        steps=steps,
        notes=notes,
        facts=facts(comparison),
        figures=pictures,
        provenance=record,
    )
    title = f"Fu et al. 2022: {len(catalogue)} clusters"
    named = catalogue.config.model_copy(
        update={"run": catalogue.config.run.model_copy(update={"title": title, "seed": settings.seed})}
    )
    page = write_page(
        out / "explorer.html",
        replace(catalogue, config=named, steps=tuple(steps), notes=tuple(notes)),
        facts=facts(comparison),
        pictures=[],
        provenance=record,
        notes=[f"the stars shown are the {catalogue.members.height:,} at hand, not those of the published values"],
    )
    return [*files, out / "provenance.json", out / "report.html", page]


def facts(comparison: pl.DataFrame) -> dict[str, str]:
    """Numbers of the verdicts, ready to print."""
    verdicts = comparison["verdict"].to_list()
    compared = len(verdicts) - verdicts.count(NOT_COMPUTABLE)
    return {
        "numbers of the paper": f"{len(verdicts):,}",
        "compared": f"{compared:,}",
        AGREES: f"{verdicts.count(AGREES):,}",
        DIFFERS: f"{verdicts.count(DIFFERS):,}",
        "of these unexplained": f"{comparison.filter(pl.col('cause') == UNEXPLAINED).height:,}",
        NOT_COMPUTABLE: f"{verdicts.count(NOT_COMPUTABLE):,}",
    }
