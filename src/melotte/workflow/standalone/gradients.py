"""``melotte gradients``: the metallicity distribution of a finished run, or of any table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from ... import figures, publish
from ...catalogue.store import exclusive
from ...config import Config, FiguresConfig, GradientsConfig, RunConfig, load_section
from ...core.progress import Progress
from ...core.randomness import Streams
from ...errors import ConfigError, ReadError
from ...gradients import GradientsResult, analyse, cluster_table
from ...publish.gradients import write_gradients
from ..delivery import has_product, read_product, read_record
from .gradients_input import join_tables, read_gradients_table


def run_gradients(
    source: str | Path,
    out: Path | None = None,
    *,
    join: Sequence[str | Path] = (),
    config: Path | None = None,
    data_dir: Path | None = None,
    jobs: int | None = None,
    progress: Progress,
) -> tuple[GradientsResult, list[Path]]:
    """Fit [Fe/H] against radius, angular momentum, energy or whatever the table has.

    Parameters
    ----------
    source : path or str
        Directory of a finished run with orbits; or a FITS, VOTable, ECSV, Parquet or CSV table, or the name of a
        dataset, with the columns that ``[gradients]`` names.
    out : path, optional
        Directory of the results; that of the run by default.
    join : sequence of path or str
        More tables: columns that ``source`` lacks, found by cluster name under any alias.
    config : path, optional
        TOML file with ``[gradients]`` (and ``[run] seed``, ``[figures] formats``); by default that of the run, or the
        defaults.
    data_dir : path, optional
        Local mirror.
    jobs : int, optional
        Processes.
    progress : callable
        Called while fitting and drawing.

    Returns
    -------
    result : GradientsResult
    files : list of path
        What `melotte.publish.gradients.write_gradients` writes, in ``tables/``, and the figures, in ``figures/``.

    Raises
    ------
    ReadError
        If the table cannot be read or the directory holds no run with orbits.
    ConfigError, SchemaError, EmptyResultError
        If the configuration or the table is wrong, or no group carries any model.
    """
    folder = Path(source)
    target = out or (folder if folder.is_dir() else None)
    if target is None:
        raise ConfigError("where do the results go?", where="--out", expected="a directory")
    with exclusive(target, create=False):  # a run's own directory from the first table read on
        if folder.is_dir():
            record, recorded = read_record(folder)
            settings, drawing, seed = _settings(config, recorded)
            frame = _frame_of_run(folder, record)
        else:
            settings, drawing, seed = _settings(config, None)
            frame = read_gradients_table(source, settings, data_dir=data_dir)
        frame = join_tables(frame, join, settings, data_dir=data_dir)
        with exclusive(target):
            result = analyse(
                frame,
                settings=settings,
                rng=Streams(seed),
                jobs=jobs or os.cpu_count() or 1,
                progress=lambda done, total: progress("fits", done, total),
            )
            return result, _write(result, target, drawing, progress, of_run=target.resolve() == folder.resolve())


def _write(
    result: GradientsResult, target: Path, drawing: FiguresConfig, progress: Progress, *, of_run: bool
) -> list[Path]:
    files = write_gradients(result, target / "tables")
    drawings = figures.gradient_drawings(result)
    for number, (stem, (draw, _)) in enumerate(drawings.items(), start=1):
        files += figures.save(draw(), target / "figures" / stem, drawing.formats)
        progress("figures", number, len(drawings))
    if of_run:
        note = "the metallicity distribution was made again by melotte gradients"
        publish.update_outputs(target / "provenance.json", files, note=note)
    return files


def _settings(config: Path | None, recorded: Config | None) -> tuple[GradientsConfig, FiguresConfig, int]:
    if config is not None:
        gradients = load_section(config, "gradients", GradientsConfig)
        return gradients, load_section(config, "figures", FiguresConfig), load_section(config, "run", RunConfig).seed
    if recorded is None:
        return GradientsConfig(), FiguresConfig(), RunConfig().seed
    return recorded.gradients or GradientsConfig(), recorded.figures, recorded.run.seed


def _frame_of_run(run: Path, record: Mapping[str, Any]) -> pl.DataFrame:
    if not has_product(record, "orbits"):
        raise ReadError(
            "this run has no orbits",
            where=run,
            expected="orbits.parquet and snapshots.parquet",
            hint="add a [galaxy] section to its configuration and run again",
        )
    return cluster_table(
        read_product(run, record, "clusters"),
        read_product(run, record, "orbits"),
        read_product(run, record, "snapshots"),
    )
