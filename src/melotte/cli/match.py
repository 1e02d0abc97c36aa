"""``melotte match``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..schema.gaia import names
from .common import Bars, Jobs, app, say


@app.command(name="match")
def match_positions(
    spectra: Annotated[Path, typer.Argument(help="Parquet file or directory: spectrum_id, ra, dec, ref_epoch.")],
    sources: Annotated[Path, typer.Argument(help="Parquet file or directory: source_id, ra, dec, pmra, pmdec...")],
    out: Annotated[Path, typer.Option("--out", help="Parquet file of the matches.")],
    release: Annotated[str, typer.Option("--gaia-release", help=f"Gaia release of the sources: {names()}.")],
    radius: Annotated[str, typer.Option("--radius", help="Search radius with its unit.")] = "3.5 arcsec",
    jobs: Jobs = None,
) -> None:
    """Cross-match spectra with Gaia sources at the epoch of each spectrum: every source within the radius."""
    from ..workflow.standalone.match import run_match

    with Bars() as bars:
        report = run_match(spectra, sources, out, radius=radius, gaia_release=release, jobs=jobs, progress=bars)
    say(f"{report.n_pairs:,} pairs of {report.n_spectra:,} spectra and {report.n_sources_read:,} sources read: {out}")
