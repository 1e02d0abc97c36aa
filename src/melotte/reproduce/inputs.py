"""The published tables the reproduction reads, and the catalogue they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from .. import datasets
from ..config import ClustersConfig, Config, parse
from ..core.checksum import sha256
from ..errors import DatasetError
from ..inputs.members import read_clusters
from ..inputs.members.columns import read_columns
from ..inputs.surveys.layout import Source
from ..schema import CATALOGUE, CLUSTERS, DYNAMICS, Column, Schema
from ..tables.reader import open_table

#: The published result of the paper.
CATALOGUE_NAME: Final = "fu2022"
#: Every dataset the whole reproduction needs; optional ones are named where they are used.
NEEDED: Final = (
    CATALOGUE_NAME,
    "cantat2020",
    "cantat2018_members",
    "lamost_lrs_clusters",
    "gaia_dr3_rv_tarricq2022",
    "parsec_v1.2S_gaia_dr2",
    "dias2021",
    "zhong2020",
    "soubiran2018",
    "spina2022",
    "spina2021",
    "donor2020",
    "netopil2022",
    "ucc_all_names",
    "zucker2020",
    "konietzka2024_radcliffe_wave",
)
#: The whole table of Tarricq et al. 2021, or the part of it that can be had second hand.
TARRICQ: Final = ("tarricq2021", "tarricq2021_subset")

#: Columns of the published catalogue by CATALOGUE and DYNAMICS.
_OWN: Final[dict[str, str]] = {
    "cluster": "Cluster",
    "ra": "_RA",
    "dec": "_DE",
    "n_all": "Nall",
    "n_rv": "Nflag1",
    "rv_med": "RVmed",
    "rv_med_error": "e_RVmed",
    "rv_mean": "RVmean",
    "rv_mean_error": "e_RVmean",
    "rv_scatter": "s_RV",
    "n_feh": "Nflag12",
    "feh_med": "[Fe/H]med",
    "feh_med_error": "e_[Fe/H]med",
    "feh_mean": "[Fe/H]mean",
    "feh_mean_error": "e_[Fe/H]mean",
    "feh_scatter": "s_[Fe/H]",
}
#: Columns of the orbits, in the published order.
ORBITAL: Final[dict[str, str]] = {
    "l_x": "LX",
    "l_y": "LY",
    "l_z": "LZ",
    "u_lsr": "ULSR",
    "v_lsr": "VLSR",
    "w_lsr": "WLSR",
    "z_gc": "ZGC",
    "r_gc": "RGC",
    "r_peri": "Peri",
    "r_apo": "Apo",
    "energy": "Energy",
    "ecc": "ecc",
}


def _nullable(schema: Schema, names: Mapping[str, str]) -> tuple[Column, ...]:
    return tuple(schema[n] for n in names)


_READ = Schema("published", "The published catalogue", (*_nullable(CATALOGUE, _OWN), *_nullable(DYNAMICS, ORBITAL)))


@dataclass(frozen=True)
class Inputs:
    """What was read.

    Attributes
    ----------
    data_dir : pathlib.Path or None
        Local mirror.
    files : mapping
        Dataset name -> (path, SHA-256).
    catalogue : polars.DataFrame
        CATALOGUE of the published clusters: their published velocities and [Fe/H]; positions, motions, distances,
        ages and extinctions of Cantat-Gaudin et al. 2020, null where that has none. In the published order.
    orbits : polars.DataFrame
        ``cluster`` and the published orbital columns, under the names of DYNAMICS.
    tarricq : str
        Which of the two tables of Tarricq et al. 2021 is at hand.
    """

    data_dir: Path | None
    files: Mapping[str, tuple[Path, str]]
    catalogue: pl.DataFrame
    orbits: pl.DataFrame
    tarricq: str


def read_inputs(data_dir: Path | None = None) -> Inputs:
    """Find every dataset before any work is done, and read the published catalogue.

    Raises
    ------
    DatasetError
        Naming every dataset that is not on this machine and the command that gets it.
    SchemaError, ReadError
        If a table is not what it must be.
    """
    files = locate_all(data_dir)
    tarricq = next(n for n in TARRICQ if n in files)
    reader = open_table(files[CATALOGUE_NAME])
    names = _OWN | ORBITAL
    frame = read_columns(reader, {n: Source((label,), required=True) for n, label in names.items()}, _READ)
    frame = frame.with_columns(pl.col(pl.Float64).fill_nan(None), pl.col("n_feh").fill_null(0))
    clusters = read_clusters(ClustersConfig(catalogue="cantat2020"), data_dir=data_dir).frame
    # Positions are those the orbits use; a cluster that catalogue lacks keeps the published one, without a distance.
    literature = clusters.select(n for n in CLUSTERS.names if n in CATALOGUE)
    joined = frame.join(literature, on="cluster", how="left", suffix="_listed", maintain_order="left").with_columns(
        pl.coalesce("ra_listed", "ra").alias("ra"), pl.coalesce("dec_listed", "dec").alias("dec")
    )
    return Inputs(
        data_dir=data_dir,
        files={name: (path, sha256(path)) for name, path in files.items()},
        catalogue=CATALOGUE.conform(joined, where=files[CATALOGUE_NAME]),
        orbits=frame.select("cluster", *ORBITAL),
        tarricq=tarricq,
    )


def locate_all(data_dir: Path | None) -> dict[str, Path]:
    """Every needed dataset; all that are missing in one message."""
    found: dict[str, Path] = {}
    absent: list[str] = []
    for name in NEEDED:
        try:
            found[name] = datasets.locate(name, data_dir=data_dir)
        except DatasetError as error:
            if not _is_absent(name, data_dir):
                raise
            absent.append(name)
            last = error
    for name in TARRICQ:
        if not _is_absent(name, data_dir):
            found[name] = datasets.locate(name, data_dir=data_dir)
            break
    else:
        absent.append(TARRICQ[0])
        last = DatasetError(TARRICQ[0])
    if absent:
        titles = "; ".join(f"{name} ({datasets.record(name).title})" for name in absent)
        raise DatasetError(
            f"{len(absent)} of {len(NEEDED) + 1} datasets are not on this machine: {titles}",
            where="melotte reproduce fu2022",
            hint=f"`melotte fetch {' '.join(absent)}`; or name a local mirror with --data-dir or "
            f"{datasets.find.ENVIRONMENT}",
        ) from last
    return found


def _is_absent(name: str, data_dir: Path | None) -> bool:
    places = datasets.data_dirs(data_dir)
    return not any((place / file).is_file() for place in places for file in datasets.record(name).files)


def star_config(seed: int) -> Config:
    """The run on the stars at hand: LAMOST low resolution, members of 2018, clusters of 2020, Gaia DR3 velocities."""
    return parse(
        {
            "survey": {"adapter": "lamost", "file": "lamost_lrs_clusters", "name": "LAMOST LRS"},
            "members": {"catalogue": "cantat2018", "probability": ">= 0.7"},
            "clusters": {"catalogue": "cantat2020"},
            "zero_point": {"reference": {"adapter": "gaia_rvs", "file": "gaia_dr3_rv_tarricq2022", "name": "Gaia DR3"}},
            "run": {"seed": seed},
        },
        where="the stars of the reproduction",
    )
