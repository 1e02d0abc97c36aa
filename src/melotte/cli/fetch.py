"""``melotte fetch``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from .common import DataDir, app, out_console, say


@app.command()
def fetch(
    names: Annotated[list[str] | None, typer.Argument(help="Datasets; none lists them.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Download published catalogues into the cache, verified; without NAME, list them."""
    from .. import datasets

    if names:
        for path in datasets.fetch(names):
            say(str(path))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("dataset", "kind", "rows", "found"):
        table.add_column(title)
    for entry in datasets.list_datasets(data_dir=data_dir):
        table.add_row(
            entry.record.name,
            entry.record.kind,
            "" if entry.record.rows is None else f"{entry.record.rows:,}",
            "-" if entry.path is None else str(entry.path),
        )
    out_console.print(table)
