"""``melotte explore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import DataDir, app, say


@app.command()
def explore(
    out: Annotated[Path, typer.Argument(help="Directory of a finished run.")],
    data_dir: DataDir = None,
) -> None:
    """Write report.html of a finished run again: linked views, searchable table, a page per cluster.

    With --data-dir the page has the membership list, the isochrones and all names; what melotte compare found is added.
    """
    from ..catalogue.store import exclusive
    from ..report.explore import rewrite_page
    from ..workflow.delivery import read_back

    with exclusive(out, create=False):
        page = rewrite_page(out, read_back(out, data_dir=data_dir))
    say(str(page))
