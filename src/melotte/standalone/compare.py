"""``melotte compare``: catalogues against each other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from .. import figures, publish
from ..literature import Review, from_catalogue, review
from ..schema import CATALOGUE


def run_compare(
    out: Path, names: Sequence[str], *, until: date | None = None, data_dir: Path | None = None
) -> tuple[Review, list[Path]]:
    """Compare a finished run, or a literature catalogue, with others.

    Parameters
    ----------
    out : path
        Directory of a finished run; the tables go to its ``tables/`` and ``figures/``.
    names : sequence of str
        Literature catalogues (`melotte.literature`).
    until : datetime.date, optional
        Keep a ledger of first determinations against what was published by then.
    data_dir : path, optional
        Local mirror.

    Returns
    -------
    review : Review
    files : list of path
    """
    frame = publish.read_table(out / "clusters.parquet", CATALOGUE)
    found = review(from_catalogue(frame), names, until=until, data_dir=data_dir, catalogue=frame)
    files: list[Path] = []
    for stem, (table, schema) in found.tables.items():
        files += publish.write_table(table, schema, out / "tables" / stem)
    for quantity, comparisons in found.comparisons.items():
        frames = {title: comparison.frame for title, comparison in comparisons.items()}
        figure = figures.literature_panels(frames, quantity={"rv": figures.RV, "feh": figures.FEH}[quantity])
        files += figures.save(figure, out / "figures" / f"literature_{quantity}")
    return found, files
