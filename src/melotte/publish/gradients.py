"""Products of the metallicity distribution: Table 6 in LaTeX, ECSV and CDS form, the comparison, the posteriors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from ..core.files import replacing, write_text
from ..gradients import GradientsResult, packed, posterior_tree, table6_latex
from ..schema import Schema
from ..schema.gradients import COMPARISON, FLAT_TAIL, GRADIENTS
from ..tables.about import About
from ..tables.write import write_table
from .fixedwidth import byte_by_byte, layout, lines


def write_gradients(result: GradientsResult, folder: Path, *, about: About | None = None) -> list[Path]:
    """Write the parameters, the comparison and the posteriors.

    Parameters
    ----------
    result : GradientsResult
    folder : pathlib.Path
        Made if it is not there.
    about : About, optional
        Citations.

    Returns
    -------
    list of pathlib.Path
        ``gradients``, ``model_comparison`` and, if made, ``flat_tail`` in every table format; ``gradients.dat`` with
        ``gradients.ReadMe`` (CDS); one ``table6_MODEL.tex`` per model; ``gradients.nc`` (ArviZ InferenceData of every
        fit, see `melotte.gradients.fit_group`).

    Raises
    ------
    PublishError
        If a file cannot be written or does not read back equal.
    """
    paths = write_table(result.frame, GRADIENTS, folder / "gradients", about=about)
    paths += write_table(result.comparison, COMPARISON, folder / "model_comparison", about=about)
    if result.flat_tail is not None:
        paths += write_table(result.flat_tail, FLAT_TAIL, folder / "flat_tail", about=about)
    data, description = cds(result.frame, GRADIENTS, "gradients.dat")
    paths.append(write_text(folder / "gradients.dat", data))
    paths.append(write_text(folder / "gradients.ReadMe", description))
    shown = tuple(p for p in result.frame["predictor"].unique(maintain_order=True) if not _past(p))
    for model in result.frame["model"].unique(maintain_order=True):
        stem = f"table6_{model.replace(' + ', '_')}"
        text = table6_latex(result.frame, model=model, predictors=shown)
        paths.append(write_text(folder / f"{stem}.tex", text))
    path = folder / "gradients.nc"
    with replacing(path) as temporary:
        tree: Any = posterior_tree(result.fits)
        tree.to_netcdf(temporary, engine="h5netcdf", encoding=packed(tree))
    return [*paths, path]


def _past(predictor: str) -> bool:
    """Whether it is a place at a look-back time other than today."""
    return predictor.endswith("_myr") and predictor != "r_gc_0_myr"


def cds(frame: pl.DataFrame, schema: Schema, name: str) -> tuple[str, str]:
    """A table in fixed width and its byte-by-byte description (`melotte.publish.fixedwidth`).

    Returns
    -------
    data : str
        One line per row; missing values are blank.
    description : str
        The "Byte-by-byte Description" section of a ReadMe.
    """
    plan = layout(frame, schema)
    return b"".join(lines(frame, plan)).decode("ascii"), byte_by_byte(plan, name)
