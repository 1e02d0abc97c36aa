"""``melotte show``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from .common import DataDir, app, out_console, say


@app.command()
def show(
    cluster: Annotated[str, typer.Argument(help="Cluster name.")],
    out: Annotated[Path, typer.Option("--out", help="Directory of a finished run.")],
    online: Annotated[bool, typer.Option("--online", help="Ask SIMBAD for a name the tables do not have.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Print and plot why each star of CLUSTER was kept or dropped."""
    from ..workflow.delivery import draw_cluster, read_back

    catalogue = read_back(out, data_dir=data_dir)
    view = catalogue.find(cluster, online=online)
    say(repr(view))
    note = view.row["note"]
    if note:
        say(f"note: {note}")
    table = Table(box=None, header_style="bold", pad_edge=False)
    columns = {
        "source_id": "{}",
        "probability": "{:.2f}",
        "snr": "{:.0f}",
        "rv": "{:.2f}",
        "rv_error": "{:.2f}",
        "teff": "{:.0f}",
        "logg": "{:.2f}",
        "feh": "{:+.3f}",
        "feh_error": "{:.3f}",
        "flag": "{}",
    }
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for row in view.explain().iter_rows(named=True):
        cells = ["-" if row[name] is None else style.format(row[name]) for name, style in columns.items()]
        table.add_row(*cells, row["reason"])
    wide = Console(highlight=False, width=max(out_console.width, 180) if not out_console.is_terminal else None)
    wide.print(table)
    for path in draw_cluster(catalogue, view.name, out / "figures"):
        say(str(path))
