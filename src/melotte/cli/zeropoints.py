"""``melotte zeropoints``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import Bars, DataDir, app, say


@app.command()
def zeropoints(
    out: Annotated[Path, typer.Option("--out", help="Directory for the results.")],
    reference: Annotated[str | None, typer.Option("--reference", help="Survey whose zero point is 0.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help='TOML with a section "zero_points".')] = None,
    data_dir: DataDir = None,
) -> None:
    """Velocity zero points of surveys from the stars and the clusters they share, solved together."""
    from ..workflow.standalone.zero_points import run_zero_points

    with Bars() as bars:
        found, files = run_zero_points(out, config=config, reference=reference, data_dir=data_dir, progress=bars)
    say(found.summary())
    folders = sorted({str(path.parent) for path in files})
    say(f"\n{len(files)} files in {' and '.join(folders)}")
