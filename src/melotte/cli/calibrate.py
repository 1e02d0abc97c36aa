"""``melotte calibrate``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from .common import Bars, Jobs, app, say


@app.command()
def calibrate(
    out: Annotated[Path, typer.Argument(help="Directory for the results.")] = Path("melotte-calibration"),
    config: Annotated[
        Path | None, typer.Option("--config", help="TOML: sections calibration, velocity, metallicity, stars.")
    ] = None,
    jobs: Jobs = None,
) -> None:
    """Test the errors on simulated surveys: bias, coverage, completeness and purity. Needs no data."""
    from ..validation.calibration.run import calibrate as run_calibration

    wall, cpu = time.perf_counter(), time.process_time()
    with Bars() as bars:
        result = run_calibration(out, config=config, jobs=jobs, progress=bars)
    say("SIMULATED DATA: every star and cluster was drawn from a model.")
    say(result.summary())
    say(f"{time.perf_counter() - wall:.0f} s ({time.process_time() - cpu:.0f} s of processor time)")
    say(f"open {out / 'report.html'} in a browser for the tables and figures")
