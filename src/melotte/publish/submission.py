"""A set of tables as a submission to the CDS and as AAS machine-readable tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from ..core.files import replacing, write_text
from ..schema import Schema
from .fixedcheck import check
from .fixedwidth import Layout, byte_by_byte, layout, lines
from .readme import DataFile, Front, mrt_head, readme
from .story import omitted


@dataclass(frozen=True)
class Product:
    """A table with its schema and the stem of its file names."""

    stem: str
    schema: Schema
    frame: pl.DataFrame

    def file(self, suffix: str, plan: Layout) -> DataFile:
        """How it is listed."""
        return DataFile(f"{self.stem}{suffix}", plan, self.frame.height, self.schema.description)


#: What opens the files of a submission.
Submission = Front


def write_cds(folder: Path, products: Sequence[Product], submission: Submission) -> list[Path]:
    """Write ``ReadMe`` and one ``.dat`` per table; each is read back by its description.

    Parameters
    ----------
    folder : pathlib.Path
        Made if it is not there.
    products : sequence of Product
        Tables with at least one row.
    submission : Submission
        Title, authors, description, references.

    Returns
    -------
    list of pathlib.Path

    Raises
    ------
    PublishError
        If a file cannot be written or does not read back equal to the digits printed.
    """
    files, paths = [], []
    for product in products:
        plan = layout(product.frame, product.schema)
        file = product.file(".dat", plan)
        path = folder / file.name
        with replacing(path) as temporary:
            with temporary.open("wb") as stream:
                stream.writelines(lines(product.frame, plan))
            check(temporary, product.frame, product.schema, byte_by_byte(plan, file.name))
        files.append(file)
        paths.append(path)
    left_out = omitted((file.name, file.plan.omitted) for file in files)
    if left_out:
        submission = replace(submission, description=[*submission.description, left_out])
    return [write_text(folder / "ReadMe", readme(submission, files)), *paths]


def write_aas(folder: Path, products: Sequence[Product], submission: Submission) -> list[Path]:
    """Write each table as an AAS machine-readable table, read back by its own description.

    Parameters and errors are those of `write_cds`; the files are ``STEM.txt``.
    """
    paths = []
    for number, product in enumerate(products, start=1):
        plan = layout(product.frame, product.schema)
        file = product.file(".txt", plan)
        head = mrt_head(submission, file, number).encode("ascii")
        path = folder / file.name
        with replacing(path) as temporary:
            with temporary.open("wb") as stream:
                stream.write(head)
                stream.writelines(lines(product.frame, plan))
            check(temporary, product.frame, product.schema, byte_by_byte(plan, file.name), skip=len(head))
        paths.append(path)
    return paths
