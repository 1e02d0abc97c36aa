"""``melotte compare``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from .common import DataDir, app, say


@app.command()
def compare(
    source: Annotated[str, typer.Argument(help="Directory of a finished run, or a literature catalogue.")],
    names: Annotated[list[str], typer.Option("--with", help="Literature catalogue; give it once for each.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Directory for the results; that of the run by default.")
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option("--until", formats=["%Y-%m-%d"], help="List first determinations against what was out by then."),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help='TOML with a section "literature".')] = None,
    data_dir: DataDir = None,
) -> None:
    """Compare clusters with literature catalogues: offsets, scatter, outliers, what is new."""
    from ..workflow.standalone.compare import run_compare

    day = until.date() if until else None
    found, files = run_compare(source, names, out=out, until=day, config=config, data_dir=data_dir)
    say(found.summary())
    folders = sorted({str(path.parent) for path in files})
    say(f"\n{len(files)} files in {' and '.join(folders)}")
