"""Where clusters and clouds are: heliocentric Galactic places with drawn distances."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from ..config import StructureConfig
from ..core.randomness import Streams
from ..errors import EmptyResultError, SchemaError
from ..galaxy import frames

Array = np.ndarray[Any, np.dtype[np.float64]]

_NEEDED = ("cluster", "ra", "dec", "distance", "log_age")


def direction(glon: Array, glat: Array) -> Array:
    """Unit vectors of Galactic directions [deg], shape (..., 3)."""
    lon, lat = np.deg2rad(glon), np.deg2rad(glat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def young_clusters(
    clusters: pl.DataFrame, settings: StructureConfig, where: str
) -> tuple[pl.DataFrame, dict[str, int]]:
    """The young clusters within reach, with their places.

    Parameters
    ----------
    clusters : polars.DataFrame
        ``cluster``, ``ra``, ``dec`` [deg], ``distance`` [pc], ``log_age`` [log yr]; ``feh_med``, ``feh_med_error``
        [dex], ``n_feh`` if there.
    settings : StructureConfig
        ``young`` and ``reach``.
    where : str
        For messages.

    Returns
    -------
    table : polars.DataFrame
        ``cluster``, ``glon``, ``glat`` [deg], ``x``, ``y``, ``z``, ``distance`` [pc], ``age`` [Myr], [Fe/H].
    lost : dict of str to int

    Raises
    ------
    SchemaError
        If a column is missing.
    EmptyResultError
        If no cluster is left.
    """
    missing = [c for c in _NEEDED if c not in clusters.columns]
    if missing:
        raise SchemaError(f"the table lacks {missing}", where=where, expected=", ".join(_NEEDED))
    young = float(settings.young.to_value("Myr"))
    feh = [c for c in ("feh_med", "feh_med_error", "n_feh") if c in clusters.columns]
    table = clusters.select(*_NEEDED, *feh).with_columns(age=10.0 ** (pl.col("log_age") - 6.0))
    lost: dict[str, int] = {}
    for reason, keep in (
        ("without an age", pl.col("age").is_not_null()),
        (f"of {young:g} Myr or more", pl.col("age") < young * (1.0 - 1e-9)),
        ("without a place", pl.all_horizontal(pl.col("ra", "dec", "distance").is_not_null())),
        (f"beyond {settings.reach:g}", pl.col("distance") <= float(settings.reach.to_value("pc"))),
    ):
        kept = table.filter(keep)
        lost[reason], table = table.height - kept.height, kept
    if table.is_empty():
        raise EmptyResultError(
            f"no cluster younger than {young:g} Myr within {settings.reach:g}",
            where=where,
            hint="; ".join(f"{n} {r}" for r, n in lost.items() if n),
        )
    ra, dec, distance = (table[c].cast(pl.Float64).to_numpy() for c in ("ra", "dec", "distance"))
    place, _ = frames.heliocentric(ra, dec, distance, 0.0, 0.0, 0.0)
    x, y, z = place.T
    table = table.with_columns(
        glon=pl.Series(np.rad2deg(np.arctan2(y, x)) % 360.0),
        glat=pl.Series(np.rad2deg(np.arctan2(z, np.hypot(x, y)))),
        x=pl.Series(x),
        y=pl.Series(y),
        z=pl.Series(z),
    )
    return table.sort("cluster"), lost


def drawn_distances(table: pl.DataFrame, settings: StructureConfig, rng: Streams) -> Array:
    """Draws of the distance of each cluster, shape (D, N) [pc]: its modulus is normal."""
    error = float(settings.distance_modulus_error.to_value("mag"))
    distance = table["distance"].to_numpy()
    normal = [rng.generator(f"distance {name}").standard_normal(settings.draws) for name in table["cluster"]]
    out: Array = distance * 10.0 ** (0.2 * error * np.stack(normal, axis=1))
    return out


def nearest(points: Array, others: Array) -> tuple[Array, Any]:
    """Distance from each point (N, 3) to the nearest of the others (M, 3), and which it is."""
    from scipy.spatial import cKDTree

    distance, index = cKDTree(others).query(points)
    return distance, index
