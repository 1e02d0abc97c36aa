"""``melotte reproduce``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .common import Bars, DataDir, Jobs, app, say


class Paper(StrEnum):
    """Papers that can be rebuilt."""

    FU2022 = "fu2022"


@app.command()
def reproduce(
    paper: Annotated[Paper, typer.Argument(help="The paper.")],
    out: Annotated[Path, typer.Option("--out", help="Directory for the results.")],
    data_dir: DataDir = None,
    members: Annotated[
        str | None,
        typer.Option("--members", help="The paper's own member table as the stars: a file, or fu2022_members."),
    ] = None,
    member_columns: Annotated[
        Path | None, typer.Option("--member-columns", help="TOML file that names the columns of --members.")
    ] = None,
    emcee: Annotated[
        bool, typer.Option("--emcee", help="Sample Table 6 with 300 walkers and 10,000 steps, as published.")
    ] = False,
    jobs: Jobs = None,
) -> None:
    """Rebuild PAPER from published tables: every table, figure and number beside the published one."""
    from ..reproduce.fu2022 import reproduce_fu2022
    from ..reproduce.settings import ReproduceConfig

    settings = ReproduceConfig(sampler="emcee" if emcee else "exact")
    with Bars() as bars:
        result = reproduce_fu2022(
            out,
            data_dir=data_dir,
            settings=settings,
            member_file=members,
            member_columns=member_columns,
            jobs=jobs,
            progress=bars,
        )
    say(result.summary())
