"""``melotte compare``: catalogues against each other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from ... import figures, publish
from ...catalogue.store import exclusive
from ...config import LiteratureConfig, load_section
from ...errors import ConfigError
from ...literature import (
    Listing,
    Review,
    compare_settings,
    from_catalogue,
    ledger_settings,
    load_resolver,
    open_listing,
    review,
)
from ...literature.listing import column_stem
from ...schema import Schema
from ...schema.literature import COMPARISON, LEDGER, OFFSETS, PROBLEMS
from ..delivery import read_product, read_record

_QUANTITIES = {"rv": figures.RV, "feh": figures.FEH}


def run_compare(
    source: str | Path,
    names: Sequence[str],
    *,
    out: Path | None = None,
    until: date | None = None,
    config: Path | None = None,
    data_dir: Path | None = None,
) -> tuple[Review, list[Path]]:
    """Compare a finished run, or a literature catalogue, with others.

    Parameters
    ----------
    source : path or str
        Directory of a finished run, or the name of a literature catalogue (`melotte.literature`).
    names : sequence of str
        Literature catalogues or compilations to compare with.
    out : path, optional
        Directory for ``tables/`` and ``figures/``; that of the run by default.
    until : datetime.date, optional
        Keep a ledger of first determinations against what was published by then.
    config : path, optional
        TOML file with a ``[literature]`` section; the defaults otherwise.
    data_dir : path, optional
        Local mirror.

    Returns
    -------
    review : Review
    files : list of path
        Tables: ``known_rv`` and ``known_feh`` (Tables 1 and 3), ``first_rv`` and ``first_feh`` (Table 2, Tables 4 and
        5) in every format and, without the evidence, in LaTeX and CSV; ``ledger_QUANTITY``; ``compared_QUANTITY_NAME``;
        ``literature_offsets``; ``literature_problems``. Figures: ``literature_QUANTITY`` (Figs. 6 and 7).

    Raises
    ------
    ConfigError
        If ``source`` is not a run and ``out`` is not given, or the configuration is wrong.
    DatasetError, ReadError
        If a catalogue does not exist, is not on this machine or cannot be read.
    MelotteError
        If two catalogues have no quantity in common.
    """
    run = Path(source)
    with exclusive(out or (run if run.is_dir() else None), create=False):
        settings = LiteratureConfig() if config is None else load_section(config, "literature", LiteratureConfig)
        return _compare(run, names, out, until=until, settings=settings, data_dir=data_dir)


def _compare(
    run: Path,
    names: Sequence[str],
    out: Path | None,
    *,
    until: date | None,
    settings: LiteratureConfig,
    data_dir: Path | None,
) -> tuple[Review, list[Path]]:
    resolver = load_resolver(data_dir=data_dir)
    frame: pl.DataFrame | None = None
    if run.is_dir():
        frame = read_product(run, read_record(run)[0], "clusters")
        ours = from_catalogue(frame)
    else:
        ours = open_listing(str(run), resolver, data_dir=data_dir)
        if out is None:
            raise ConfigError("where do the results go?", where="--out", expected="a directory")
    target = out or run
    found = review(
        ours,
        names,
        until=until,
        data_dir=data_dir,
        resolver=resolver,
        catalogue=frame,
        settings=compare_settings(settings),
        ledger=ledger_settings(settings),
    )
    with exclusive(target):
        return found, _write(found, ours, settings, target)


def _write(found: Review, ours: Listing, settings: LiteratureConfig, target: Path) -> list[Path]:
    files = _write_tables(found, ours, settings.few, target / "tables")
    for quantity, comparisons in found.comparisons.items():
        frames = {title: comparison.frame for title, comparison in comparisons.items()}
        figure = figures.literature_panels(
            frames, quantity=_QUANTITIES[quantity], few=settings.few, ours_label=ours.name, mark_few=quantity == "feh"
        )
        files += figures.save(figure, target / "figures" / f"literature_{quantity}")
    return files


def _write_tables(found: Review, ours: Listing, few: int, folder: Path) -> list[Path]:
    files: list[Path] = []
    for stem, (table, schema) in found.tables.items():
        files += publish.write_table(table, schema, folder / stem)
        files += _paper(stem, table, schema, few, folder)
    for quantity, ledger in found.ledgers.items():
        files += publish.write_table(ledger.frame, LEDGER, folder / f"ledger_{quantity}")
    for quantity, comparisons in found.comparisons.items():
        for name, comparison in comparisons.items():
            stem = f"compared_{quantity}_{column_stem(name)}"
            files += publish.write_table(comparison.frame, COMPARISON, folder / stem)
    files += publish.write_table(found.offsets(), OFFSETS, folder / "literature_offsets")
    files += publish.write_table(found.problems(), PROBLEMS, folder / "literature_problems")
    return files


def _paper(stem: str, table: pl.DataFrame, schema: Schema, few: int, folder: Path) -> list[Path]:
    """The table as printed: without the evidence, and [Fe/H] of few stars apart (Table 5)."""
    shown = [c for c in schema.names if c not in LEDGER or c == "cluster"]
    if stem != "first_feh":
        return publish.write_paper_table(table, schema, shown, folder / stem)
    is_few = (pl.col("n_feh") < few).fill_null(False)
    many, less = table.filter(~is_few), table.filter(is_few)
    words = schema.description
    return [
        *publish.write_paper_table(many, schema, shown, folder / stem, caption=f"{words}: {few} stars or more"),
        *publish.write_paper_table(less, schema, shown, folder / f"{stem}_few", caption=f"{words}: fewer stars"),
    ]
