"""``melotte publish``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import Bars, app, say


@app.command()
def publish(
    out: Annotated[Path, typer.Argument(help="Directory of a finished run.")],
    to: Annotated[Path | None, typer.Option("--to", help="Folder of the products; OUT/publish by default.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help='TOML with a section "publish": authors, abstract, licence...')
    ] = None,
    hats: Annotated[
        bool, typer.Option("--hats", help="Also the star table as a HATS collection (needs lsdb).")
    ] = False,
) -> None:
    """Write what CDS, the AAS and the VO take: ReadMe and fixed-width files, tables, footprint, citations, PROV."""
    from ..workflow.standalone.publish import run_publish

    with Bars() as bars:
        publication = run_publish(out, to=to, config=config, hats=hats, progress=bars)
    say(f"{len(publication.files)} files in {publication.folder}:")
    for name in sorted({file.split("/")[0] + "/" * ("/" in file) for file in publication.files}):
        say(f"  {name}")
    for notice in publication.notices:
        say(f"note: {notice}")
