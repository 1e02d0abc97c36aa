"""Products of the structure of the disc: every table in every format, Table 7 in LaTeX and CDS form."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ..core.files import replacing, write_text
from ..schema.structure import TABLE7, TABLES
from ..structure import Structure, table7
from ..tables.about import About
from ..tables.write import write_table
from .fixedcheck import check
from .fixedwidth import byte_by_byte, layout, lines
from .paper import write_paper_table


def write_structure(found: Structure, folder: Path, *, about: About | None = None) -> list[Path]:
    """Write the tables of the analyses that were made.

    Parameters
    ----------
    found : Structure
        From `melotte.structure.analyse`.
    folder : pathlib.Path
        Made if it is not there.
    about : About, optional
        Citations.

    Returns
    -------
    list of pathlib.Path
        ``structure_NAME`` in every table format for the tables of `melotte.schema.structure`; ``table7`` as CSV, LaTeX
        and in fixed width (``table7.dat``) with its byte-by-byte description (``table7.ReadMe``).

    Raises
    ------
    PublishError
        If a file cannot be written or does not read back equal.
    """
    paths: list[Path] = []
    for name, frame in found.tables.items():
        paths += write_table(frame, TABLES[name], folder / f"structure_{name}", about=about)
    if found.wave is not None:
        paths += _table7(table7(found.wave, found.settings), folder)
    return paths


def _table7(frame: pl.DataFrame, folder: Path) -> list[Path]:
    paths = write_paper_table(
        frame,
        TABLE7,
        [c for c in TABLE7.names if c != "n_feh"],
        folder / "table7",
        caption="Clusters along the Radcliffe wave: Galactic coordinates, heliocentric place, age and [Fe/H].",
    )
    if frame.is_empty():
        return paths
    plan = layout(frame, TABLE7)
    description = byte_by_byte(plan, "table7.dat")
    path = folder / "table7.dat"
    with replacing(path) as temporary:
        with temporary.open("wb") as stream:
            stream.writelines(lines(frame, plan))
        check(temporary, frame, TABLE7, description)
    return [*paths, path, write_text(folder / "table7.ReadMe", description)]
