"""The command line. Exit status: 0 the result is complete, 2 usage or input error, 1 a fault of Melotte itself."""

from __future__ import annotations

import logging
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from .errors import MelotteError

app = typer.Typer(
    name="melotte",
    help="From a spectroscopic survey and a Gaia membership list to an open-cluster catalogue.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False)

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Local mirror of the published catalogues (also: MELOTTE_DATA_DIR)."),
]
Jobs = Annotated[int | None, typer.Option("--jobs", "-j", help="Threads; all cores by default.", min=1)]


class _Bars:
    """Progress bars on standard error; nothing when it is not a terminal."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<18}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=_err,
            disable=not sys.stderr.isatty(),
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> _Bars:
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
        from . import __version__

        _out.print(f"melotte {__version__}")
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


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="TOML configuration.")],
    out: Annotated[Path, typer.Option("--out", help="Directory for the results.")],
    data_dir: DataDir = None,
    from_stage: Annotated[
        str | None,
        typer.Option("--from", help="Start from this saved stage: match, stars, velocity, metallicity or orbits."),
    ] = None,
    jobs: Jobs = None,
) -> None:
    """Make a cluster catalogue from the survey and the membership list CONFIG names."""
    from .pipeline import run as run_pipeline

    with _Bars() as bars:
        catalogue = run_pipeline(config, data_dir=data_dir, out=out, from_stage=from_stage, jobs=jobs, progress=bars)
    _out.print(catalogue.summary(), markup=False)
    _print_files(out)


@app.command()
def demo(
    out: Annotated[Path, typer.Argument(help="Directory for the results.")] = Path("melotte-demo"),
    jobs: Jobs = None,
) -> None:
    """Simulate a survey with known truth, run the whole job on it, and compare. Needs no data and no network."""
    from .demonstration import run_demo

    with _Bars() as bars:
        catalogue, recovered = run_demo(out, jobs=jobs, progress=bars)
    _out.print("SIMULATED DATA: every star, cluster and spectrum below was drawn from a model.", markup=False)
    _out.print(catalogue.summary(), markup=False)
    _out.print()
    _out.print("recovered against true (clusters with 5 or more stars):", markup=False)
    for line in recovered:
        _out.print(f"  {line}", markup=False)
    _print_files(out)


@app.command()
def show(
    cluster: Annotated[str, typer.Argument(help="Cluster name.")],
    out: Annotated[Path, typer.Option("--out", help="Directory of a finished run.")],
    data_dir: DataDir = None,
) -> None:
    """Print and plot why each star of CLUSTER was kept or dropped."""
    from .delivery import draw_cluster, read_back

    catalogue = read_back(out, data_dir=data_dir)
    view = catalogue[cluster]
    _out.print(repr(view), markup=False)
    note = view.row["note"]
    if note:
        _out.print(f"note: {note}", markup=False)
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
    wide = Console(highlight=False, width=max(_out.width, 180) if not _out.is_terminal else None)
    wide.print(table)
    for path in draw_cluster(catalogue, view.name, out / "figures"):
        _out.print(str(path), markup=False)


@app.command()
def orbits(
    table: Annotated[Path, typer.Argument(help="Clusters or stars: a FITS, VOTable, ECSV or Parquet table.")],
    out: Annotated[Path, typer.Option("--out", help="Directory for the results.")],
    config: Annotated[Path | None, typer.Option("--config", help="TOML with a [galaxy] section.")] = None,
    draws: Annotated[Path | None, typer.Option("--keep-draws", help="Write every draw to this Parquet file.")] = None,
    jobs: Jobs = None,
) -> None:
    """Orbits and integrals of motion of any table with positions, distances, proper motions and velocities."""
    from .standalone import run_orbits

    with _Bars() as bars:
        result, files = run_orbits(table, out, config=config, draws=draws, jobs=jobs, progress=bars)
    _out.print(result.summary(), markup=False)
    for path in files:
        _out.print(str(path), markup=False)


@app.command(name="match")
def match_positions(
    spectra: Annotated[Path, typer.Argument(help="Parquet file or directory: spectrum_id, ra, dec, ref_epoch.")],
    sources: Annotated[Path, typer.Argument(help="Parquet file or directory: source_id, ra, dec, pmra, pmdec...")],
    out: Annotated[Path, typer.Option("--out", help="Parquet file of the matches.")],
    release: Annotated[str, typer.Option("--gaia-release", help="Gaia release of the sources: DR2 or DR3.")],
    radius: Annotated[str, typer.Option("--radius", help="Search radius with its unit.")] = "3.5 arcsec",
    jobs: Jobs = None,
) -> None:
    """Cross-match spectra with Gaia sources at the epoch of each spectrum: every source within the radius."""
    from .standalone import run_match

    with _Bars() as bars:
        report = run_match(spectra, sources, out, radius=radius, gaia_release=release, jobs=jobs, progress=bars)
    _out.print(
        f"{report.n_pairs:,} pairs of {report.n_spectra:,} spectra and {report.n_sources_read:,} sources read: {out}",
        markup=False,
    )


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
    from .standalone import run_compare

    found, files = run_compare(out, names, until=until.date() if until else None, data_dir=data_dir)
    _out.print(found.summary(), markup=False)
    for path in files:
        _out.print(str(path), markup=False)


@app.command()
def fetch(
    names: Annotated[list[str] | None, typer.Argument(help="Datasets; none lists them.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Download published catalogues into the cache, verified; without NAME, list them."""
    from . import datasets

    if names:
        for path in datasets.fetch(names):
            _out.print(str(path), markup=False)
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
    _out.print(table)


def _print_files(out: Path) -> None:
    names = sorted(p.name for p in out.iterdir() if p.is_file())
    _out.print(f"\nfiles in {out}: {', '.join(names)}, figures/, tables/", markup=False)
    _out.print(f"open {out / 'report.html'} in a browser for the figures and the account of every row", markup=False)


def main(argv: list[str] | None = None) -> None:
    """Entry point: turn errors into one readable message and the right exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    debug = "--debug" in arguments
    # --debug is accepted anywhere on the line.
    arguments = [*(["--debug"] if debug else []), *(a for a in arguments if a != "--debug")]
    try:
        app(args=arguments, prog_name="melotte")  # ends in SystemExit; usage errors with status 2
    except MelotteError as error:
        if debug:
            raise
        _err.print(f"melotte: {error}", markup=False, soft_wrap=True)
        sys.exit(2)
    except Exception as error:
        if debug:
            raise
        message = f"melotte: internal error: {type(error).__name__}: {error}"
        _err.print(f"{message}\n  what to do: run again with --debug and report it", markup=False, soft_wrap=True)
        sys.exit(1)
