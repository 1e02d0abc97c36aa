"""``melotte compare``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from .common import DataDir, app, say


@app.command()
def compare(
    out: Annotated[Path, typer.Argument(help="Directory of a finished run.")],
    names: Annotated[list[str], typer.Option("--with", help="Literature catalogue; give it once for each.")],
    until: Annotated[
        datetime | None,
        typer.Option("--until", formats=["%Y-%m-%d"], help="List first determinations against what was out by then."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Compare the clusters of a run with literature catalogues: offsets, scatter, outliers, what is new."""
    from ..standalone.compare import run_compare

    found, files = run_compare(out, names, until=until.date() if until else None, data_dir=data_dir)
    say(found.summary())
    for path in files:
        say(str(path))
