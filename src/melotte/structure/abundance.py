"""Whether clusters in one place have one [Fe/H]: the spread against its errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from scipy.optimize import minimize_scalar
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from scipy.stats import chi2

from ..config import StructureConfig
from ..schema.structure import PLACES
from .places import Array


def intrinsic_spread(values: list[Array], errors: list[Array]) -> float:
    """Spread beyond the errors, the same in all groups, each with its own mean: maximum of the likelihood.

    The mean of each group is integrated out (a flat prior), so that the spread is not too small in small groups.
    """

    def cost(s: float) -> float:
        total = 0.0
        for y, e in zip(values, errors, strict=True):
            w = 1.0 / (e**2 + s**2)
            mean = (w * y).sum() / w.sum()
            total += 0.5 * float((w * (y - mean) ** 2 - np.log(w)).sum() + np.log(w.sum()))
        return total

    high = max(float(np.ptp(np.concatenate(values))), 1e-3) * 2.0
    found = minimize_scalar(cost, bounds=(0.0, high), method="bounded", options={"xatol": 1e-5})
    return 0.0 if cost(0.0) <= found.fun else float(found.x)


def chi_square(values: Array, errors: Array) -> tuple[float, float]:
    """Weighted mean, and chi-square about it."""
    w = 1.0 / errors**2
    mean = float((w * values).sum() / w.sum())
    return mean, float((w * (values - mean) ** 2).sum())


def with_feh(table: pl.DataFrame, settings: StructureConfig) -> pl.DataFrame:
    """Rows whose [Fe/H] has an error and rests on enough stars."""
    if not {"feh_med", "feh_med_error"} <= set(table.columns):
        return table.clear()
    rows = table.filter(pl.col("feh_med").is_not_null() & (pl.col("feh_med_error") > 0))
    return rows.filter(pl.col("n_feh") >= settings.minimum_feh_stars) if "n_feh" in rows.columns else rows


def error_kinds(settings: StructureConfig) -> tuple[tuple[str, float], ...]:
    """Names of the errors used, and what is added in quadrature [dex]."""
    external = float(settings.feh_external_error.to_value("dex"))
    return (("formal", 0.0), (f"with {external:g} dex", external))


def colocated(
    table: pl.DataFrame, settings: StructureConfig
) -> tuple[pl.DataFrame, pl.DataFrame, list[dict[str, Any]]]:
    """Group clusters that lie within ``near`` of each other, and compare the [Fe/H] within the groups.

    Parameters
    ----------
    table : polars.DataFrame
        ``x``, ``y``, ``z`` [pc], ``cloud``, ``near``, [Fe/H].
    settings : StructureConfig

    Returns
    -------
    table : polars.DataFrame
        With ``place``: number of the group (friends of friends; groups of at least two), null outside groups.
    places : polars.DataFrame
        `melotte.schema.structure.PLACES`: one row per group and kind of errors; place 0 is all groups together.
    tests : list of dict
        The same for all groups together, as rows of `melotte.schema.structure.TESTS`.
    """
    points = table.select("x", "y", "z").to_numpy()
    pairs = cKDTree(points).sparse_distance_matrix(cKDTree(points), float(settings.near.to_value("pc")))
    _, label = connected_components(pairs + pairs.T, directed=False)
    sizes = np.bincount(label)
    order = [k for k in np.argsort(-sizes, kind="stable") if sizes[k] > 1]
    number = {k: n for n, k in enumerate(order, start=1)}
    place = pl.Series([number.get(k) for k in label], dtype=pl.Int32)
    table = table.with_columns(place=place)
    measured = with_feh(table, settings).filter(pl.col("place").is_not_null())
    rows: list[dict[str, Any]] = []
    tests: list[dict[str, Any]] = []
    groups = [g for _, g in measured.sort("place").group_by("place", maintain_order=True) if g.height > 1]
    for name, extra in error_kinds(settings):
        values = [g["feh_med"].to_numpy() for g in groups]
        errors = [np.hypot(g["feh_med_error"].to_numpy(), extra) for g in groups]
        total, dof = 0.0, 0
        for g, y, e in zip(groups, values, errors, strict=True):
            mean, chi = chi_square(y, e)
            total, dof = total + chi, dof + len(y) - 1
            near = g.filter("near")["cloud"].unique().sort() if "near" in g.columns else pl.Series([], dtype=pl.String)
            rows.append(
                {
                    "place": g["place"][0], "clouds": ", ".join(near) or None, "n_clusters": len(y), "errors": name,
                    "feh_mean": mean, "feh_range": float(np.ptp(y)), "chi2": chi, "dof": len(y) - 1,
                    "p_value": float(chi2.sf(chi, len(y) - 1)), "intrinsic": intrinsic_spread([y], [e]),
                }
            )  # fmt: skip
        if not groups:
            continue
        n, p = sum(len(y) for y in values), float(chi2.sf(total, dof))
        spread = intrinsic_spread(values, errors)
        rows.append(
            {
                "place": 0, "clouds": None, "n_clusters": n, "errors": name, "feh_mean": None, "feh_range": None,
                "chi2": total, "dof": dof, "p_value": p, "intrinsic": spread,
            }
        )  # fmt: skip
        tests.append(
            {
                "test": f"co-located clusters have one [Fe/H] ({name} errors)", "group": f"{len(groups)} places",
                "n_clusters": n, "statistic": "chi-square", "observed": total, "expected": float(dof),
                "spread": float(np.sqrt(2.0 * dof)), "p_value": p,
                "method": f"chi-square with {dof} degrees of freedom; spread beyond the errors {spread:.3f} dex",
            }
        )  # fmt: skip
    places = PLACES.conform(pl.DataFrame(rows, schema_overrides={"place": pl.Int32}) if rows else PLACES.empty())
    return table, places.sort("place", "errors"), tests
