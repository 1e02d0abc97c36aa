"""``melotte structure``: the disc, the clouds and the Radcliffe wave, from a finished run or from any table."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from ... import datasets, figures, publish
from ...catalogue.store import exclusive
from ...config import FiguresConfig, GalaxyConfig, RunConfig, StructureConfig, load_section
from ...core.files import write_text
from ...core.progress import Progress
from ...core.randomness import Streams
from ...errors import ConfigError, ReadError
from ...figures.structure_3d import wave_3d
from ...figures.structure_set import structure_drawings
from ...galaxy import dynamics, with_chosen_velocity
from ...publish.structure import write_structure
from ...schema import CATALOGUE, Column, Schema
from ...structure import Structure, analyse, read_sightlines, read_wave
from ..delivery import read_back
from .input_table import read_input
from .orbits import ORBIT_INPUT


@dataclass(frozen=True)
class _Input:
    clusters: pl.DataFrame
    orbits: pl.DataFrame
    settings: StructureConfig
    galaxy: GalaxyConfig
    drawing: FiguresConfig
    seed: int
    simulated: bool = False


def run_structure(
    source: Path,
    out: Path | None = None,
    *,
    config: Path | None = None,
    data_dir: Path | None = None,
    jobs: int = 1,
    progress: Progress,
) -> tuple[Structure, list[Path]]:
    """Analyse the structure of the disc.

    Parameters
    ----------
    source : path
        Directory of a finished run with orbits; or a FITS, VOTable, ECSV or Parquet table with the columns of
        `STRUCTURE_INPUT`, whose orbits are computed first.
    out : path, optional
        Directory of the results; that of the run by default.
    config : path, optional
        TOML file with ``[structure]`` (and ``[galaxy]``, ``[figures]``, ``[run] seed``); by default that of the run.
    data_dir : path, optional
        Local mirror: the clouds and the wave are looked for there first.
    jobs : int
        Threads for the orbits of a table.
    progress : callable
        Called between the steps.

    Returns
    -------
    result : Structure
    files : list of path
        Tables in ``tables/``, figures in ``figures/``.

    Raises
    ------
    ReadError, DatasetError
        If the table, the clouds or the wave cannot be read, or the run has no orbits.
    ConfigError, SchemaError
        If the configuration or the table is wrong.
    """
    target = out or (source if source.is_dir() else None)
    if target is None:
        raise ConfigError("where do the results go?", where="--out", expected="a directory")
    with exclusive(target, create=False):  # a run's own directory from the first table read on
        found = _from_run(source, config, data_dir) if source.is_dir() else _from_table(source, config, jobs)
        progress("structure", 0, 3)
        sightlines = read_sightlines(found.settings.clouds, data_dir=data_dir)
        wave = read_wave(found.settings.wave, data_dir=data_dir)
        with exclusive(target):
            return _analyse(found, sightlines, wave, target, progress)


def _analyse(
    found: _Input, sightlines: pl.DataFrame, wave: pl.DataFrame, target: Path, progress: Progress
) -> tuple[Structure, list[Path]]:
    settings = found.settings
    result = analyse(
        found.clusters,
        found.orbits,
        sightlines=sightlines,
        wave=wave,
        settings=settings,
        rng=Streams(found.seed),
        galaxy=found.galaxy,
    )
    progress("structure", 1, 3)
    about = publish.About(citations=_cited(settings), simulated=found.simulated)
    files = write_structure(result, target / "tables", about=about)
    progress("structure", 2, 3)
    for stem, (draw, _) in structure_drawings(result, found.orbits, found.clusters).items():
        files += figures.save(draw(), target / "figures" / stem, found.drawing.formats)
    if result.wave is not None:
        try:
            page = wave_3d(result.wave.frame, wave, sightlines, minimum_feh_stars=settings.minimum_feh_stars)
        except ConfigError as error:  # plotly is an extra: everything else is there without it
            result = _with_note(result, f"{error.found} and was left out ({error.hint})")
        else:
            files.append(write_text(target / "figures" / "structure_wave_3d.html", page))
    progress("structure", 3, 3)
    return result, files


def _with_note(result: Structure, note: str) -> Structure:
    return replace(result, notes=(*result.notes, note))


def _cited(settings: StructureConfig) -> list[tuple[str, str]]:
    known = datasets.records()
    return [
        (known[n].bibcode or n, known[n].citation)
        for n in dict.fromkeys([settings.clouds, settings.wave])
        if n in known
    ]


def _from_run(run: Path, config: Path | None, data_dir: Path | None) -> _Input:
    catalogue = read_back(run, data_dir=data_dir)
    recorded = catalogue.config
    if catalogue.orbits is None or recorded.galaxy is None:
        raise ReadError(
            "this run has no orbits",
            where=run,
            expected="orbits.parquet",
            hint="add a [galaxy] section to its configuration and run again",
        )
    settings, drawing = recorded.structure, recorded.figures
    if config is not None:
        settings = load_section(config, "structure", StructureConfig)
        drawing = load_section(config, "figures", FiguresConfig)
    clusters = with_chosen_velocity(catalogue.frame, model=recorded.velocity.model)
    simulated = bool(json.loads((run / "provenance.json").read_text(encoding="utf-8")).get("simulated"))
    return _Input(clusters, catalogue.orbits, settings, recorded.galaxy, drawing, recorded.run.seed, simulated)


def _from_table(table: Path, config: Path | None, jobs: int) -> _Input:
    settings, galaxy, drawing, seed = StructureConfig(), GalaxyConfig(), FiguresConfig(), RunConfig().seed
    if config is not None:
        settings = load_section(config, "structure", StructureConfig)
        galaxy = load_section(config, "galaxy", GalaxyConfig)
        drawing = load_section(config, "figures", FiguresConfig)
        seed = load_section(config, "run", RunConfig).seed
    clusters = read_structure_input(table)
    orbits = dynamics(clusters, settings=galaxy, rng=Streams(seed), jobs=jobs).frame
    return _Input(clusters, orbits, settings, galaxy, drawing, seed)


#: What a table may have: what `melotte orbits` uses, the age, and [Fe/H].
STRUCTURE_INPUT = Schema(
    "structure input",
    "Clusters with positions, distances, motions, ages and [Fe/H]",
    (
        *ORBIT_INPUT.columns,
        *(CATALOGUE[name] for name in ("log_age", "feh_med", "feh_med_error")),
        *(
            Column(name, "int32", "", "meta.number", CATALOGUE[name].description, minimum=0)
            for name in ("n_rv", "n_feh")
        ),
    ),
)


def read_structure_input(path: Path) -> pl.DataFrame:
    """Read the columns of `STRUCTURE_INPUT` a FITS, VOTable, ECSV or Parquet table has.

    Raises
    ------
    ReadError
        If the file cannot be read.
    SchemaError
        If a column has the wrong type or unit, or ``cluster`` is missing.
    """
    expected = "a table, or the directory of a finished run"
    return read_input(path, STRUCTURE_INPUT, always=("cluster", "log_age"), expected=expected)
