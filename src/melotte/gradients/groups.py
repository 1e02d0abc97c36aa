"""Age groups and predictors: which clusters are fitted together, and against what."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from ..config import GradientsConfig
from ..errors import SchemaError

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

#: Years per unit of an age column; a logarithmic one is raised to the power first.
_GYR: Final = {"log yr": 1e-9, "Gyr": 1.0, "Myr": 1e-3}


@dataclass(frozen=True, slots=True)
class AgeGroup:
    """Clusters of low <= age < high [Gyr]."""

    name: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Predictor:
    """What [Fe/H] is a function of.

    Attributes
    ----------
    name : str
        Name of the column.
    scale : float
        Values are divided by it: 10^3 for L_Z and 10^5 for the energy, as in Table 6 of Fu et al. 2022.
    unit : str
        Unit of the scaled predictor, `astropy.units` notation; empty if not known.
    symbol : str
        For labels, in mathtext.
    """

    name: str
    scale: float
    unit: str
    symbol: str


_KNOWN: Final = {
    "r_gc": Predictor("r_gc", 1.0, "kpc", r"R_{\rm GC}"),
    "guiding_radius": Predictor("guiding_radius", 1.0, "kpc", r"R_{\rm guide}"),
    "l_z": Predictor("l_z", 1e3, "1000 kpc km / s", r"L_Z/10^3"),
    "energy": Predictor("energy", 1e5, "100000 km2 / s2", r"E/10^5"),
}


def predictor(name: str) -> Predictor:
    """The predictor of a column; a column without a known meaning is used as it is."""
    if name.startswith("r_gc_") and name.endswith("_myr"):
        return Predictor(name, 1.0, "kpc", r"R_{\rm GC}")
    return _KNOWN.get(name) or Predictor(name, 1.0, "", rf"\mathrm{{{name.replace('_', chr(92) + ' ')}}}")


def age_groups(edges: Sequence[float]) -> tuple[AgeGroup, ...]:
    """Groups between the edges [Gyr], and below the first and above the last; one group of all without edges."""
    if not edges:
        return (AgeGroup("all", -np.inf, np.inf),)
    names = [f"<{edges[0]:g}", *(f"{a:g}-{b:g}" for a, b in itertools.pairwise(edges)), f">{edges[-1]:g}"]
    limits = [-np.inf, *edges, np.inf]
    return tuple(AgeGroup(n, a, b) for n, (a, b) in zip(names, itertools.pairwise(limits), strict=True))


def predictor_table(dynamics: pl.DataFrame, snapshots: pl.DataFrame) -> pl.DataFrame:
    """Predictors of every cluster, with errors where the orbits were sampled.

    Parameters
    ----------
    dynamics : polars.DataFrame
        `melotte.schema.DYNAMICS`.
    snapshots : polars.DataFrame
        `melotte.schema.SNAPSHOTS`.

    Returns
    -------
    polars.DataFrame
        ``cluster``; ``r_gc_T_myr`` [kpc] for each look-back time T, ``guiding_radius`` [kpc], ``l_z`` [kpc km/s],
        ``energy`` [km2/s2]; ``NAME_error``, half the distance from the 16th to the 84th percentile of the draws: the
        draws of one cluster are described by a Gaussian.
    """

    def pair(name: str, out: str) -> list[pl.Expr]:
        return [pl.col(name).alias(out), ((pl.col(f"{name}_p84") - pl.col(f"{name}_p16")) / 2).alias(f"{out}_error")]

    table = dynamics.select("cluster", *(e for n in ("guiding_radius", "l_z", "energy") for e in pair(n, n)))
    for time in snapshots["lookback"].unique().sort():
        at = snapshots.filter(pl.col("lookback") == time).select("cluster", *pair("r_gc", f"r_gc_{time:g}_myr"))
        table = table.join(at, on="cluster", how="left", maintain_order="left")
    return table


def cluster_table(catalogue: pl.DataFrame, dynamics: pl.DataFrame, snapshots: pl.DataFrame) -> pl.DataFrame:
    """What a run knows of each cluster: its catalogue, its orbit and `predictor_table` in one table.

    Parameters
    ----------
    catalogue, dynamics, snapshots : polars.DataFrame
        `melotte.schema.CATALOGUE`, `melotte.schema.DYNAMICS` and `melotte.schema.SNAPSHOTS`.

    Returns
    -------
    polars.DataFrame
        One row per cluster of the catalogue.
    """
    predictors = predictor_table(dynamics, snapshots)
    more = [c for c in dynamics.columns if c not in {*catalogue.columns, *predictors.columns}]
    return catalogue.join(dynamics.select("cluster", *more), on="cluster", how="left", maintain_order="left").join(
        predictors, on="cluster", how="left", maintain_order="left"
    )


@dataclass(frozen=True)
class Sample:
    """The clusters of one fit.

    Attributes
    ----------
    cluster : tuple of str
    x, x_error : ndarray, shape (N,)
        Scaled predictor and its standard deviation (zero if not used).
    y, y_error : ndarray, shape (N,)
        [Fe/H] and its standard deviation [dex].
    """

    cluster: tuple[str, ...]
    x: Array
    x_error: Array
    y: Array
    y_error: Array

    def __len__(self) -> int:
        return len(self.x)


def feh_error_column(settings: GradientsConfig) -> str:
    """The column of the [Fe/H] error: ``median`` and ``scatter`` name those of the cluster catalogue."""
    return {"median": "feh_med_error", "scatter": "feh_scatter"}.get(settings.feh_error, settings.feh_error)


def _age(settings: GradientsConfig) -> pl.Expr:
    """The age [Gyr] of a table with the columns of the settings."""
    age = pl.col(settings.age).cast(pl.Float64)
    gyr = (10.0**age if settings.age_unit == "log yr" else age) * _GYR[settings.age_unit]
    # Ten to the power of 8.00 is 0.1 Gyr up to rounding: an age on an edge belongs above it.
    return gyr * (1.0 + 1e-9)


def aged(frame: pl.DataFrame, settings: GradientsConfig, low: float) -> pl.DataFrame:
    """The clusters of ``low`` Gyr and more."""
    return frame.filter(_age(settings) >= low)


def prepare(frame: pl.DataFrame, settings: GradientsConfig) -> tuple[pl.DataFrame, dict[str, int]]:
    """The clusters that can be fitted, with their age group.

    Parameters
    ----------
    frame : polars.DataFrame
        One row per cluster, columns as named in the settings.
    settings : GradientsConfig

    Returns
    -------
    clusters : polars.DataFrame
        ``cluster``, ``feh``, ``feh_error``, ``group`` and the predictors.
    lost : dict of str to int
        Reason -> number of clusters left out for it.

    Raises
    ------
    SchemaError
        If a column is missing, a name occurs twice or an error is not positive.
    """
    error = feh_error_column(settings)
    needed = [
        settings.cluster,
        settings.feh,
        error,
        *settings.predictors,
        *([settings.age] if settings.age_edges else []),
    ]
    missing = [n for n in needed if n not in frame.columns]
    if missing:
        raise SchemaError(
            f"the table lacks {missing}",
            where="gradients",
            expected=", ".join(needed),
            hint="name the columns in [gradients]: cluster, feh, feh_error, age, predictors; or give age_edges = []",
        )
    names = frame[settings.cluster]
    if names.is_duplicated().any():
        twice = names.filter(names.is_duplicated()).unique(maintain_order=True).to_list()
        raise SchemaError(
            f"{len(twice)} clusters occur twice: {twice[:5]}", where=settings.cluster, expected="one row per cluster"
        )
    group = pl.lit("all")
    if settings.age_edges:
        gyr = _age(settings)
        group = pl.lit(None, dtype=pl.String)
        for g in age_groups([float(q.to_value("Gyr")) for q in settings.age_edges]):
            group = pl.when((gyr >= g.low) & (gyr < g.high)).then(pl.lit(g.name)).otherwise(group)
    errors = [f"{n}_error" for n in settings.predictors if f"{n}_error" in frame.columns]
    table = frame.select(
        pl.col(settings.cluster).cast(pl.String).alias("cluster"),
        pl.col(settings.feh).cast(pl.Float64).fill_nan(None).alias("feh"),
        pl.col(error).cast(pl.Float64).fill_nan(None).alias("feh_error"),
        group.alias("group"),
        (pl.col(settings.stars) if settings.stars in frame.columns else pl.lit(settings.minimum_stars)).alias("stars"),
        *(pl.col(n).cast(pl.Float64).fill_nan(None) for n in (*settings.predictors, *errors)),
    )
    lost: dict[str, int] = {}
    for reason, keep in (
        ("without [Fe/H]", pl.col("feh").is_not_null()),
        (f"with fewer than {settings.minimum_stars} stars", pl.col("stars").fill_null(0) >= settings.minimum_stars),
        (f"without an error of [Fe/H] ({error})", pl.col("feh_error").is_not_null()),
        ("without an age", pl.col("group").is_not_null()),
        ("without any predictor", pl.any_horizontal(pl.col(n).is_not_null() for n in settings.predictors)),
    ):
        kept = table.filter(keep)
        lost[reason] = table.height - kept.height
        table = kept
    bad = table.filter(pl.col("feh_error") <= 0)
    if bad.height:
        raise SchemaError(
            f"{bad['cluster'][0]}: the error of [Fe/H] is {bad['feh_error'][0]}",
            where=error,
            expected="a positive number: a cluster without an error would decide the fit alone",
        )
    return table.drop("stars"), lost


def sample_of(table: pl.DataFrame, group: str, which: Predictor, *, x_errors: bool) -> Sample:
    """The clusters of one group that have the predictor.

    Parameters
    ----------
    table : polars.DataFrame
        From `prepare`.
    group : str
    which : Predictor
    x_errors : bool
        Use ``NAME_error`` where it is; a missing one counts as zero.
    """
    rows = table.filter((pl.col("group") == group) & pl.col(which.name).is_not_null())
    error = f"{which.name}_error"
    x_error = np.zeros(rows.height)
    if x_errors and error in rows.columns:
        x_error = rows[error].fill_null(0.0).to_numpy() / which.scale
    return Sample(
        tuple(rows["cluster"]),
        rows[which.name].to_numpy() / which.scale,
        x_error,
        rows["feh"].to_numpy(),
        rows["feh_error"].to_numpy(),
    )
