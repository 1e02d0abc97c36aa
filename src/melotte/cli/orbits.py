"""``melotte orbits``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import Bars, Jobs, app, say


@app.command()
def orbits(
    table: Annotated[Path, typer.Argument(help="Clusters or stars: a FITS, VOTable, ECSV or Parquet table.")],
    out: Annotated[Path, typer.Option("--out", help="Directory for the results.")],
    config: Annotated[Path | None, typer.Option("--config", help="TOML with a [galaxy] section.")] = None,
    draws: Annotated[Path | None, typer.Option("--keep-draws", help="Write every draw to this Parquet file.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a table with an impossible value.")] = False,
    jobs: Jobs = None,
) -> None:
    """Orbits and integrals of motion of any table with positions, distances, proper motions and velocities.

    A row with an impossible value (a negative distance, say) gets no orbit; the column reason says why.
    """
    from ..workflow.standalone.orbits import run_orbits

    with Bars() as bars:
        result, files = run_orbits(table, out, config=config, draws=draws, jobs=jobs, strict=strict, progress=bars)
    say(result.summary())
    for path in files:
        say(str(path))
