"""What every command shares: the application, consoles, progress bars, options."""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from typer.core import TyperGroup


class _Group(TyperGroup):
    """The commands; the end of a file where none was expected is not the user's end of input, as click has it."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except EOFError as error:
            raise RuntimeError(f"a file ends too early: {error}") from error


app = typer.Typer(
    name="melotte",
    cls=_Group,
    help="From a spectroscopic survey and a Gaia membership list to an open-cluster catalogue.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # square brackets of configuration sections are text
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
out_console = Console(highlight=False, soft_wrap=True)
err_console = Console(stderr=True, highlight=False)

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Local mirror of the published catalogues (also: MELOTTE_DATA_DIR)."),
]
Jobs = Annotated[int | None, typer.Option("--jobs", "-j", help="Threads; all cores by default.", min=1)]


def damaged_code(error: BaseException) -> Path | None:
    """The directory of the compiled code that numba could not read, if that is what an error is about."""
    for fault in (error, error.__cause__):
        for frame, _ in traceback.walk_tb(None if fault is None else fault.__traceback__):
            if Path(frame.f_code.co_filename).parts[-3:] == ("numba", "core", "caching.py"):
                index = getattr(frame.f_locals.get("self"), "_index_path", None)
                if index is not None:
                    return Path(index).parent
    return None


class Bars:
    """Progress bars on standard error; nothing when it is not a terminal."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<18}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=err_console,
            disable=not sys.stderr.isatty(),
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total)
        self._progress.update(self._tasks[stage], completed=done, total=total)


def _print_version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        out_console.print(f"melotte {__version__}")
        raise typer.Exit


@app.callback()
def _main_options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(name)s: %(message)s")


def say(text: str) -> None:
    """Print a line of the result as it is, without markup."""
    out_console.print(text, markup=False)


def print_files(out: Path) -> None:
    """Print what a directory of results holds."""
    names = sorted(p.name for p in out.iterdir() if p.is_file() and not p.name.startswith("."))
    say(f"\nfiles in {out}: {', '.join(names)}, figures/, tables/")
    say(f"open {out / 'report.html'} in a browser for the figures and the account of every row")
