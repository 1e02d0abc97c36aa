"""``melotte structure``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from .common import Bars, DataDir, Jobs, app, say


@app.command()
def structure(
    source: Annotated[Path, typer.Argument(help="Directory of a finished run with orbits, or a table of clusters.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Directory for the results; that of the run by default.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file with a section named structure.")] = None,
    data_dir: DataDir = None,
    jobs: Jobs = None,
) -> None:
    """Outliers of the thin disc, its flare, molecular clouds and the Radcliffe wave."""
    from ..workflow.standalone.structure import run_structure

    with Bars() as bars:
        result, files = run_structure(
            source, out, config=config, data_dir=data_dir, jobs=jobs or os.cpu_count() or 1, progress=bars
        )
    say(result.summary())
    folders = sorted({str(path.parent) for path in files})
    say(f"\n{len(files)} files in {' and '.join(folders)}")
