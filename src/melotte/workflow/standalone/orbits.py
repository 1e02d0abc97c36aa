"""``melotte orbits``: orbits of any table of clusters or stars."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

import polars as pl

from ... import publish
from ...catalogue.store import exclusive
from ...config import GalaxyConfig, RunConfig, load_section
from ...core.progress import Progress
from ...core.randomness import Streams
from ...galaxy import DynamicsResult, dynamics, parquet_sink
from ...schema import CATALOGUE, DYNAMICS, SNAPSHOTS, Column, Schema
from .input_table import read_input


def run_orbits(
    table: Path,
    out: Path,
    *,
    config: Path | None = None,
    draws: Path | None = None,
    jobs: int | None = None,
    strict: bool = False,
    progress: Progress,
) -> tuple[DynamicsResult, list[Path]]:
    """Orbits of the rows of any table.

    Parameters
    ----------
    table : path
        FITS, VOTable, ECSV or Parquet with the columns `melotte.galaxy.dynamics` names; units are converted.
    out : path
        Directory for ``orbits.*`` and ``snapshots.*``.
    config : path, optional
        TOML file with a ``[galaxy]`` section (and ``[run] seed``); the defaults otherwise.
    draws : path, optional
        Parquet file for every draw.
    jobs : int, optional
        Number of threads.
    strict : bool
        Refuse a table with an impossible value; otherwise its row has no orbit, with the reason.
    progress : callable
        Called while sampling.

    Returns
    -------
    result : DynamicsResult
    files : list of path

    Raises
    ------
    ReadError
        If the table cannot be read.
    ConfigError, SchemaError
        If the configuration or the table is wrong.
    """
    settings, seed = GalaxyConfig(), RunConfig().seed
    if config is not None:
        settings = load_section(config, "galaxy", GalaxyConfig)
        seed = load_section(config, "run", RunConfig).seed
    clusters = read_orbit_input(table, strict=strict)
    with exclusive(out), nullcontext() if draws is None else parquet_sink(draws) as sink:
        result = dynamics(
            clusters,
            settings=settings,
            rng=Streams(seed),
            jobs=jobs or os.cpu_count() or 1,
            progress=lambda done, total: progress("orbits", done, total),
            sink=sink,
        )
        files = publish.write_table(result.frame, DYNAMICS, out / "orbits")
        files += publish.write_table(result.snapshots, SNAPSHOTS, out / "snapshots")
    return result, files


def _optional(name: str, unit: str, description: str) -> Column:
    least, most = (-1.0, 1.0) if name.endswith("_corr") else (0.0, None) if name.endswith("_error") else (None, None)
    return Column(name, "float64", unit, "", description, minimum=least, maximum=most)


#: What `melotte.galaxy.dynamics` can use; columns in other units are converted.
ORBIT_INPUT = Schema(
    "orbit input",
    "Clusters or stars with positions, distances, proper motions and velocities",
    (
        CATALOGUE["cluster"],
        *(CATALOGUE[name] for name in ("ra", "dec", "distance", "pmra", "pmdec")),
        _optional("rv", "km / s", "Radial velocity"),
        _optional("rv_error", "km / s", "Its error"),
        *(CATALOGUE[name] for name in ("rv_med", "rv_med_error", "rv_corrected", "rv_corrected_error")),
        _optional("distance_error", "pc", "Error of the distance"),
        _optional("distance_modulus_error", "mag", "Error of the distance modulus"),
        _optional("pmra_error", "mas / yr", "Error of pmra"),
        _optional("pmdec_error", "mas / yr", "Error of pmdec"),
        _optional("pmra_pmdec_corr", "", "Correlation of pmra and pmdec"),
    ),
)


def read_orbit_input(path: Path, *, strict: bool = False) -> pl.DataFrame:
    """Read the columns of `ORBIT_INPUT` a FITS, VOTable, ECSV or Parquet table has.

    Raises
    ------
    ReadError
        If the file cannot be read.
    SchemaError
        If a column has the wrong type or unit, or ``cluster`` is missing; with ``strict``, if a value is impossible.
    """
    return read_input(path, ORBIT_INPUT, strict=strict)
