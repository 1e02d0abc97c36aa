"""Young clusters and molecular clouds: who is near whom, and how often by chance (Fu et al. 2022, Fig. 13)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from .. import datasets
from ..config import StructureConfig
from ..core.randomness import Streams
from ..errors import ReadError, SchemaError
from ..schema.result import Result, Step
from ..schema.structure import NEAR_CLOUDS, PLACES, SIGHTLINES, TESTS
from .abundance import colocated
from .places import Array, direction, drawn_distances, nearest, young_clusters

#: Sightlines are drawn together with clusters, this many draws at most: each needs a search.
_MOST_DRAWS = 1000


@dataclass(frozen=True)
class NearCloudsResult(Result):
    """The young clusters with their nearest cloud (``frame``), the tests, the co-located groups, the sightlines."""

    tests: pl.DataFrame = field(default_factory=TESTS.empty)
    places: pl.DataFrame = field(default_factory=PLACES.empty)
    sightlines: pl.DataFrame = field(default_factory=SIGHTLINES.empty)


def read_sightlines(name: str = "zucker2020", *, data_dir: str | Path | None = None) -> pl.DataFrame:
    """Read the sightlines of Zucker et al. 2020, Table A.1, or of a file with its columns.

    Parameters
    ----------
    name : str
        Dataset, or a file with ``Name``, ``GLON``, ``GLAT`` [deg], ``d16``, ``d50``, ``d84`` [pc].
    data_dir : path, optional
        Local mirror.

    Returns
    -------
    polars.DataFrame
        `melotte.schema.structure.SIGHTLINES`.

    Raises
    ------
    DatasetError, ReadError, SchemaError
        If the file is not there, cannot be read or lacks a column.
    """
    path = datasets.locate(name, data_dir=data_dir)
    try:
        text = path.read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        separator = "\t" if "\t" in lines[0] else ","
        rows = [[cell.strip() for cell in line.split(separator)] for line in lines]
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise ReadError(f"cannot be read: {error}", where=path, expected="a table of sightlines") from error
    head, *body = rows
    if len(body) > 1 and all(set(cell) <= {"-"} for cell in body[1]):
        body = body[2:]  # the units and the ruler of VizieR
    wanted = ("Name", "GLON", "GLAT", "d50", "d16", "d84")
    missing = [c for c in wanted if c not in head]
    if missing:
        raise SchemaError(f"the table lacks {missing}", where=path, expected=", ".join(wanted))
    bad = next((n for n, row in enumerate(body, start=1) if len(row) != len(head)), None)
    if bad is not None:
        raise ReadError(f"data row {bad} has {len(body[bad - 1])} fields", where=path, expected=f"{len(head)}")
    columns = {c: [row[head.index(c)] for row in body] for c in wanted}
    try:
        numbers = {c: np.array([float(v) for v in columns[c]]) for c in wanted[1:]}
    except ValueError as error:
        raise ReadError(f"not a number: {error}", where=path) from error
    x, y, z = (direction(numbers["GLON"], numbers["GLAT"]) * numbers["d50"][:, None]).T
    return SIGHTLINES.conform(
        pl.DataFrame(
            {
                "cloud": columns["Name"], "glon": numbers["GLON"], "glat": numbers["GLAT"], "x": x, "y": y, "z": z,
                "distance": numbers["d50"], "distance_p16": numbers["d16"], "distance_p84": numbers["d84"],
            }
        ),
        where=path,
    )  # fmt: skip


def near_clouds(
    clusters: pl.DataFrame, sightlines: pl.DataFrame, *, settings: StructureConfig, rng: Streams
) -> NearCloudsResult:
    """Find the nearest cloud of every young cluster, test for chance, and compare [Fe/H] within places.

    Parameters
    ----------
    clusters : polars.DataFrame
        ``cluster``, ``ra``, ``dec`` [deg], ``distance`` [pc], ``log_age`` [log yr], and [Fe/H] if there: the cluster
        catalogue is such a table.
    sightlines : polars.DataFrame
        From `read_sightlines`.
    settings : StructureConfig
    rng : Streams

    Returns
    -------
    NearCloudsResult
        ``frame`` follows `melotte.schema.structure.NEAR_CLOUDS`.

    Raises
    ------
    SchemaError, EmptyResultError
        If a column is missing or no young cluster is within reach.

    Notes
    -----
    The separation is that from the nearest sightline's median place; clouds are larger than points, so it is an upper
    limit for the distance from the cloud. Draws: the distance modulus of the clusters is normal; that of a sightline
    is normal on either side with its percentiles, and all sightlines of one cloud share the systematic error.

    Chance: every cluster keeps latitude and distance and is shifted in longitude by up to ``shuffle_longitude``, all
    independently. The shifted clusters have the same distribution in latitude, distance and height and, beyond that
    angle, in longitude; what is left is whether they lie where the clouds are. Where clouds and clusters gather in
    the same spiral arm this is no evidence that one was born in the other.
    """
    streams = rng.child("structure").child("clouds")
    table, lost = young_clusters(clusters, settings, "clouds")
    points = table.select("x", "y", "z").to_numpy()
    clouds = sightlines.select("x", "y", "z").to_numpy()
    separation, index = nearest(points, clouds)
    limit = float(settings.near.to_value("pc"))
    table = table.with_columns(
        cloud=sightlines["cloud"].gather(index), separation=pl.Series(separation), near=pl.Series(separation <= limit)
    )
    if settings.draws:
        drawn = _drawn_separations(table, sightlines, settings, streams)
        low, middle, high = np.percentile(drawn, [16, 50, 84], axis=0)
        table = table.with_columns(
            separation_p16=pl.Series(low), separation_p50=pl.Series(middle), separation_p84=pl.Series(high),
            p_near=pl.Series((drawn <= limit).mean(axis=0)),
        )  # fmt: skip
    table, places, spread_tests = colocated(table, settings)
    tests = [*_chance(table, clouds, limit, settings, streams), *spread_tests]
    frame = NEAR_CLOUDS.conform(table, where="clouds")
    return NearCloudsResult(
        frame=frame,
        schema=NEAR_CLOUDS,
        settings=settings,
        steps=(Step("young clusters", "clusters", clusters.height, lost),),
        facts={"young": frame.height, "near": int(frame["near"].sum())},
        tests=TESTS.conform(pl.DataFrame(tests, infer_schema_length=None), where="clouds"),
        places=places,
        sightlines=sightlines,
    )


def _drawn_separations(table: pl.DataFrame, sightlines: pl.DataFrame, settings: StructureConfig, streams: Any) -> Array:
    """Separation from the nearest sightline in every draw, shape (D, N) [pc]."""
    draws = min(settings.draws, _MOST_DRAWS)
    ours = drawn_distances(table, settings, streams)[:draws]
    unit = direction(table["glon"].to_numpy(), table["glat"].to_numpy())
    generator = streams.generator("sightlines")
    middle, low, high = (sightlines[c].to_numpy() for c in ("distance", "distance_p16", "distance_p84"))
    normal = generator.standard_normal((draws, len(middle)))
    names, which = np.unique(sightlines["cloud"].to_numpy(), return_inverse=True)
    shared = generator.standard_normal((draws, len(names)))[:, which]
    theirs = middle + normal * np.where(normal > 0, high - middle, middle - low)
    theirs = np.maximum(theirs * (1.0 + settings.cloud_distance_error * shared), 1.0)
    axes = direction(sightlines["glon"].to_numpy(), sightlines["glat"].to_numpy())
    return np.stack([nearest(unit * d[:, None], axes * c[:, None])[0] for d, c in zip(ours, theirs, strict=True)])


def _chance(
    table: pl.DataFrame, clouds: Array, limit: float, settings: StructureConfig, streams: Any
) -> list[dict[str, Any]]:
    """How many clusters are near clouds, and how near, if their longitudes are shifted."""
    generator = streams.generator("shuffle")
    lon, lat, d = (table[c].to_numpy() for c in ("glon", "glat", "distance"))
    reach = float(settings.shuffle_longitude.to_value("deg"))
    separation = table["separation"].to_numpy()
    observed = int((separation <= limit).sum()), float(np.median(separation))
    counts, medians = np.empty(settings.shuffles), np.empty(settings.shuffles)
    for i in range(settings.shuffles):
        shifted = lon + generator.uniform(-reach, reach, len(lon))
        away, _ = nearest(direction(shifted, lat) * d[:, None], clouds)
        counts[i], medians[i] = (away <= limit).sum(), np.median(away)
    method = f"{settings.shuffles} shifts of each longitude by up to {reach:g} deg, one-sided"
    test = "young clusters are near clouds by chance"
    common = {"test": test, "group": f"younger than {settings.young:g}", "n_clusters": table.height, "method": method}
    return [
        {
            **common, "statistic": f"clusters within {limit:g} pc of a cloud", "observed": float(observed[0]),
            "expected": float(counts.mean()), "spread": float(counts.std()),
            "p_value": (1.0 + float((counts >= observed[0]).sum())) / (1.0 + settings.shuffles),
        },
        {
            **common, "statistic": "median separation (pc)", "observed": observed[1],
            "expected": float(medians.mean()), "spread": float(medians.std()),
            "p_value": (1.0 + float((medians <= observed[1]).sum())) / (1.0 + settings.shuffles),
        },
    ]  # fmt: skip
