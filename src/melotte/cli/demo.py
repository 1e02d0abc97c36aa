"""``melotte demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import Bars, Jobs, app, print_files, say


@app.command()
def demo(
    out: Annotated[Path, typer.Argument(help="Directory for the results.")] = Path("melotte-demo"),
    jobs: Jobs = None,
) -> None:
    """Simulate a survey with known truth, run the whole job on it, and compare. Needs no data and no network."""
    from ..validation.demonstration import run_demo

    with Bars() as bars:
        catalogue, recovered = run_demo(out, jobs=jobs, progress=bars)
    say("SIMULATED DATA: every star, cluster and spectrum below was drawn from a model.")
    say(catalogue.summary())
    say("")
    say("recovered against true (clusters with 5 or more stars):")
    for line in recovered:
        say(f"  {line}")
    print_files(out)
