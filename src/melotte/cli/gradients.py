"""``melotte gradients``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import Bars, DataDir, Jobs, app, say


@app.command()
def gradients(
    source: Annotated[str, typer.Argument(help="Directory of a finished run, or a table, or the name of a dataset.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Directory for the results; that of the run by default.")
    ] = None,
    join: Annotated[
        list[str] | None, typer.Option("--join", help="Table with columns SOURCE lacks, joined by cluster name.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help='TOML with a section "gradients".')] = None,
    data_dir: DataDir = None,
    jobs: Jobs = None,
) -> None:
    """Fit [Fe/H] against radius, angular momentum and energy by age, and compare the models."""
    from ..workflow.standalone.gradients import run_gradients

    with Bars() as bars:
        result, files = run_gradients(
            source, out, join=join or (), config=config, data_dir=data_dir, jobs=jobs, progress=bars
        )
    say(result.summary())
    folders = sorted({str(path.parent) for path in files})
    say(f"\n{len(files)} files in {' and '.join(folders)}")
