"""Young clusters along the Radcliffe wave and the run of their [Fe/H] (Fu et al. 2022, Sect. 4.2, Table 7, Fig. 14)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from scipy.optimize import minimize_scalar
from scipy.stats import chi2

from .. import datasets
from ..config import StructureConfig
from ..core.randomness import Streams
from ..errors import ReadError, SchemaError
from ..schema.result import Result, Step
from ..schema.structure import ALONG_WAVE, TABLE7, TESTS
from .abundance import chi_square, error_kinds, intrinsic_spread, with_feh
from .curve import Curve
from .places import Array, direction, drawn_distances, young_clusters

#: Other distances for which the numbers are told, so that the choice can be judged [pc].
_DISTANCES: Final = (100.0, 150.0, 200.0, 250.0, 300.0)
#: Fewest clusters for a parabola.
_ENOUGH: Final = 6


@dataclass(frozen=True)
class AlongWaveResult(Result):
    """The young clusters with their place on the wave (``frame``), the tests, the curve."""

    tests: pl.DataFrame = field(default_factory=TESTS.empty)
    curve: Curve | None = None

    @property
    def members(self) -> pl.DataFrame:
        """The clusters along the wave, in its order."""
        return self.frame.filter("member").sort("along")


def read_wave(name: str = "konietzka2024_radcliffe_wave", *, data_dir: str | Path | None = None) -> pl.DataFrame:
    """Read the curve of the wave.

    Parameters
    ----------
    name : str
        Dataset, or a CSV file with ``x``, ``y``, ``z`` [pc], heliocentric Galactic, point by point.
    data_dir : path, optional
        Local mirror.

    Returns
    -------
    polars.DataFrame
        ``x``, ``y``, ``z`` [pc].

    Raises
    ------
    DatasetError, ReadError, SchemaError
        If the file is not there, cannot be read or lacks a column.
    """
    path = datasets.locate(name, data_dir=data_dir)
    try:
        table = pl.read_csv(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ReadError(f"cannot be read: {error}", where=path, expected="CSV with x, y, z") from error
    missing = [c for c in "xyz" if c not in table.columns]
    if missing:
        raise SchemaError(f"the table lacks {missing}", where=path, expected="x, y, z")
    try:
        return table.select(pl.col("x", "y", "z").cast(pl.Float64))
    except pl.exceptions.PolarsError as error:
        raise ReadError(f"not a number: {error}", where=path) from error


def along_wave(
    clusters: pl.DataFrame, wave: pl.DataFrame, *, settings: StructureConfig, rng: Streams
) -> AlongWaveResult:
    """Find the young clusters along the wave, and the run of [Fe/H] along it.

    Parameters
    ----------
    clusters : polars.DataFrame
        ``cluster``, ``ra``, ``dec`` [deg], ``distance`` [pc], ``log_age`` [log yr], and [Fe/H] if there: the cluster
        catalogue is such a table.
    wave : polars.DataFrame
        Points ``x``, ``y``, ``z`` [pc] of any curve, from `read_wave`.
    settings : StructureConfig
    rng : Streams

    Returns
    -------
    AlongWaveResult
        ``frame`` follows `melotte.schema.structure.ALONG_WAVE`.

    Raises
    ------
    SchemaError, EmptyResultError
        If a column is missing, the points are no curve, or no young cluster is within reach.

    Notes
    -----
    Rule: a cluster lies along the wave if it is within ``wave_distance`` of the curve, at the distance of the
    catalogue; ``p_member`` says how firm this is. Chance is judged as for the clouds: by shifts in longitude.
    """
    missing = [c for c in "xyz" if c not in wave.columns]
    if missing:
        raise SchemaError(f"the table lacks {missing}", where="wave", expected="x, y, z")
    curve = Curve.through(wave.select("x", "y", "z").cast(pl.Float64).fill_null(float("nan")).to_numpy())
    streams = rng.child("structure").child("wave")
    table, lost = young_clusters(clusters, settings, "wave")
    limit = float(settings.wave_distance.to_value("pc"))
    away, along = curve.nearest(table.select("x", "y", "z").to_numpy())
    table = table.with_columns(
        wave_distance=pl.Series(away),
        along=pl.Series(along),
        phase=pl.Series(curve.phase(along)).fill_nan(None),
        at_end=pl.Series((along <= 0.0) | (along >= curve.length[-1])),
        member=pl.Series(away <= limit),
    )
    if settings.draws:
        drawn = drawn_distances(table, settings, streams)
        unit = direction(table["glon"].to_numpy(), table["glat"].to_numpy())
        far = curve.distances((unit * drawn[..., None]).reshape(-1, 3)).reshape(drawn.shape)
        low, high = np.percentile(far, [16, 84], axis=0)
        table = table.with_columns(
            wave_distance_p16=pl.Series(low),
            wave_distance_p84=pl.Series(high),
            p_member=pl.Series((far <= limit).mean(axis=0)),
        )
    frame = ALONG_WAVE.conform(table, where="wave")
    members = frame.filter("member")
    tests = [_chance(table, curve, limit, settings, streams), *_run(members, curve, settings)]
    return AlongWaveResult(
        frame=frame,
        schema=ALONG_WAVE,
        settings=settings,
        steps=(Step("young clusters", "clusters", clusters.height, lost),),
        facts={
            "young": frame.height,
            "members": members.height,
            "members_with_feh": with_feh(members, settings).height,
            "feh_relative_to_sun": _relative(with_feh(members, settings)),
            "members_within_pc": {d: int((frame["wave_distance"] <= d).sum()) for d in _DISTANCES},
            "length_pc": float(curve.length[-1]),
        },
        tests=TESTS.conform(pl.DataFrame(tests, infer_schema_length=None), where="wave"),
        curve=curve,
    )


def table7(result: AlongWaveResult, settings: StructureConfig | None = None) -> pl.DataFrame:
    """Table 7 of Fu et al. 2022: the clusters along the wave, in the order of Galactic longitude.

    Parameters
    ----------
    result : AlongWaveResult
        From `along_wave`.
    settings : StructureConfig, optional
        With them only clusters whose [Fe/H] rests on ``minimum_feh_stars`` are listed, as in Fig. 14.

    Returns
    -------
    polars.DataFrame
        `melotte.schema.structure.TABLE7`: l, b [deg], heliocentric X, Y, Z [pc], age [Myr], [Fe/H] [dex].
    """
    rows = result.frame.filter("member")
    rows = rows if settings is None else with_feh(rows, settings)
    return TABLE7.conform(rows.sort("glon"), where="table 7")


def _relative(rows: pl.DataFrame) -> tuple[float, float] | None:
    """Smallest and largest iron abundance relative to the Sun."""
    if rows.is_empty():
        return None
    low, high = rows["feh_med"].min(), rows["feh_med"].max()
    return 10.0 ** float(low), 10.0 ** float(high)  # type: ignore[arg-type]


def _chance(table: pl.DataFrame, curve: Curve, limit: float, settings: StructureConfig, streams: Any) -> dict[str, Any]:
    generator = streams.generator("shuffle")
    lon, lat, d = (table[c].to_numpy() for c in ("glon", "glat", "distance"))
    reach = float(settings.shuffle_longitude.to_value("deg"))
    observed = int(table["member"].sum())
    shifts = generator.uniform(-reach, reach, (settings.shuffles, len(lon)))
    places = direction(lon + shifts, np.broadcast_to(lat, shifts.shape)) * d[:, None]
    counts = (curve.distances(places.reshape(-1, 3)).reshape(shifts.shape) <= limit).sum(axis=1)
    return {
        "test": "young clusters are near the wave by chance", "group": f"younger than {settings.young:g}",
        "n_clusters": table.height, "statistic": f"clusters within {limit:g} pc of the curve",
        "observed": float(observed), "expected": float(counts.mean()), "spread": float(counts.std()),
        "p_value": (1.0 + float((counts >= observed).sum())) / (1.0 + settings.shuffles),
        "method": f"{settings.shuffles} shifts of each longitude by up to {reach:g} deg, one-sided",
    }  # fmt: skip


def _run(members: pl.DataFrame, curve: Curve, settings: StructureConfig) -> list[dict[str, Any]]:
    """One [Fe/H] along the whole wave? A straight line, a parabola in the length along it?"""
    rows = with_feh(members, settings)
    if rows.height < _ENOUGH:
        return []
    y, group = rows["feh_med"].to_numpy(), f"along the wave, [Fe/H] of {settings.minimum_feh_stars} or more stars"
    x = 2.0 * rows["along"].to_numpy() / curve.length[-1] - 1.0
    out: list[dict[str, Any]] = []
    for name, extra in error_kinds(settings):
        e = np.hypot(rows["feh_med_error"].to_numpy(), extra)
        mean, chi = chi_square(y, e)
        spread = intrinsic_spread([y], [e])
        out.append(
            {
                "test": f"the wave has one [Fe/H] ({name} errors)", "group": group, "n_clusters": len(y),
                "statistic": "chi-square", "observed": chi, "expected": float(len(y) - 1),
                "spread": float(np.sqrt(2.0 * (len(y) - 1))), "p_value": float(chi2.sf(chi, len(y) - 1)),
                "method": f"chi-square about {mean:+.3f} dex; spread beyond the errors {spread:.3f} dex",
            }
        )  # fmt: skip
    e, names = rows["feh_med_error"].to_numpy(), rows["cluster"].to_list()
    for degree, test in ((1, "[Fe/H] has no gradient along the wave"), (2, "[Fe/H] does not peak within the wave")):
        out.append(_trend(test, group, x, y, e, degree))
        # A trend may rest on one cluster: the one without which it is weakest.
        others = [_trend("", group, np.delete(x, n), np.delete(y, n), np.delete(e, n), degree) for n in range(len(y))]
        worst = int(np.argmax([o["p_value"] for o in others]))
        out.append({**others[worst], "test": f"{test}, without the cluster that matters most ({names[worst]})"})
    return out


def _trend(test: str, group: str, x: Array, y: Array, e: Array, degree: int) -> dict[str, Any]:
    """A polynomial against that of one degree less, both with a fitted scatter."""
    simple, full = (_polynomial(x, y, e, d) for d in (degree - 1, degree))
    twice = max(2.0 * (full[0] - simple[0]), 0.0)
    return {
        "test": test, "group": group, "n_clusters": len(y), "statistic": "2 ln L ratio", "observed": twice,
        "expected": 1.0, "spread": float(np.sqrt(2.0)), "p_value": float(chi2.sf(twice, 1)),
        "method": f"polynomial of degree {degree} against {degree - 1} in -1 ... 1 along the curve with a fitted "
        f"scatter; coefficient {full[1][degree]:+.3f} +- {full[2][degree]:.3f} dex",
    }  # fmt: skip


def _polynomial(x: Array, y: Array, e: Array, degree: int) -> tuple[float, Array, Array]:
    """Largest log-likelihood, coefficients and their errors, for a polynomial with Gaussian scatter."""
    design = np.vander(x, degree + 1, increasing=True)

    def solve(s: float) -> tuple[float, Array, Array]:
        w = 1.0 / (e**2 + s**2)
        normal = design.T @ (w[:, None] * design)
        c = np.linalg.solve(normal, design.T @ (w * y))
        log = -0.5 * float((w * (y - design @ c) ** 2 - np.log(w)).sum())
        return log, np.asarray(c), np.asarray(np.sqrt(np.diag(np.linalg.inv(normal))))

    high = 2.0 * max(float(np.ptp(y)), 1e-3)
    found = minimize_scalar(lambda s: -solve(s)[0], bounds=(0.0, high), method="bounded", options={"xatol": 1e-6})
    return solve(float(found.x))
