"""``melotte run``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import Bars, DataDir, Jobs, app, print_files, say


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="TOML configuration.")],
    out: Annotated[Path, typer.Option("--out", help="Directory for the results.")],
    data_dir: DataDir = None,
    from_stage: Annotated[
        str | None,
        typer.Option(
            "--from", help="Start from this saved stage: match, stars, velocity, metallicity, orbits, gradients."
        ),
    ] = None,
    jobs: Jobs = None,
) -> None:
    """Make a cluster catalogue from the survey and the membership list CONFIG names."""
    from ..workflow.pipeline import run as run_pipeline

    with Bars() as bars:
        catalogue = run_pipeline(config, data_dir=data_dir, out=out, from_stage=from_stage, jobs=jobs, progress=bars)
    say(catalogue.summary())
    print_files(out)
