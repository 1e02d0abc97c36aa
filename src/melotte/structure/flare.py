"""The flare of the disc of clusters, north against south, young against old (Fu et al. 2022, Sect. 4.1, Fig. 12)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import binomtest, chi2

from ..config import StructureConfig
from ..core.randomness import Streams
from ..core.words import plural
from ..errors import EmptyResultError, SchemaError
from ..schema.result import Result, Step
from ..schema.structure import FIT, FLARE_CURVE, TESTS
from .vertical import Array, Vertical, fit

GROUPS = ("all", "younger", "older")
#: Fewest clusters of a group.
MINIMUM = 20
_SYMMETRIC = (True, True, True, False)
_LOPSIDED = (True, True, True, True)
_UNFLARED = (True, False, True, False)


@dataclass(frozen=True)
class FlareResult(Result):
    """The fitted parameters (``frame``), the tests, the scale against radius, and the clusters with their group."""

    tests: pl.DataFrame = field(default_factory=TESTS.empty)
    curve: pl.DataFrame = field(default_factory=FLARE_CURVE.empty)
    clusters: pl.DataFrame = field(default_factory=pl.DataFrame)


def flare(dynamics: pl.DataFrame, clusters: pl.DataFrame, *, settings: StructureConfig, rng: Streams) -> FlareResult:
    """Fit the vertical scale of the clusters against radius, and compare north with south, young with old.

    Parameters
    ----------
    dynamics : polars.DataFrame
        ``cluster``, ``r_gc``, ``z_gc`` [kpc] (height above the plane, the Sun's included), ``v_phi`` [km/s] if there.
    clusters : polars.DataFrame
        ``cluster`` and ``log_age`` [log yr].
    settings : StructureConfig
    rng : Streams

    Returns
    -------
    FlareResult
        ``frame`` follows `melotte.schema.structure.FIT`; ``tests`` `melotte.schema.structure.TESTS`.

    Raises
    ------
    SchemaError
        If a column is missing.
    EmptyResultError
        If there are fewer than 20 clusters in all.
    ConvergenceError
        If a fit fails.

    Notes
    -----
    Model: see `melotte.structure.vertical`. It is conditional on R, so that where in R clusters were found does not
    matter; that dust hides clusters near the plane, and more so at large distance, does: it widens h and can mimic a
    flare. Comparisons of north and south, young and old suffer from it only so far as it differs between them. The
    height ``z0`` is fitted too: an error of the Sun's height goes there. Distance errors of 5 % change ln h by 0.001.
    A warp looks like an asymmetry.
    """
    for table, names in ((dynamics, ("cluster", "r_gc", "z_gc")), (clusters, ("cluster", "log_age"))):
        missing = [c for c in names if c not in table.columns]
        if missing:
            raise SchemaError(f"the table lacks {missing}", where="flare", expected=", ".join(names))
    columns = [c for c in ("cluster", "r_gc", "z_gc", "v_phi", "v_phi_p16", "v_phi_p84") if c in dynamics.columns]
    table = dynamics.select(columns).join(
        clusters.select("cluster", "log_age"), on="cluster", how="left", maintain_order="left"
    )
    placed = table.drop_nulls(["r_gc", "z_gc"])
    split = float(settings.split_age.to_value("yr"))
    # Ten to the power of 8.69897 is 500 Myr up to rounding: an age on the edge belongs to the older.
    placed = placed.with_columns(
        group=pl.when(10.0 ** pl.col("log_age") < split * (1.0 - 1e-9))
        .then(pl.lit("younger"))
        .when(pl.col("log_age").is_not_null())
        .then(pl.lit("older"))
    )
    if placed.height < MINIMUM:
        raise EmptyResultError(f"{placed.height} clusters with a place", where="flare", expected=f"at least {MINIMUM}")
    parts = {name: placed if name == "all" else placed.filter(pl.col("group") == name) for name in GROUPS}
    rows: list[dict[str, Any]] = []
    tests: list[dict[str, Any]] = []
    curves: list[pl.DataFrame] = []
    fits: dict[str, Vertical] = {}
    notes = []
    for name, part in parts.items():
        if part.height < MINIMUM:
            notes.append(f"{name}: {plural(part.height, 'cluster', 'are')} too few for a vertical profile")
            continue
        R, z = part["r_gc"].to_numpy(), part["z_gc"].to_numpy()
        found = {
            key: fit(R, z, profile=settings.profile, r_ref=_ref(settings), free=free)
            for key, free in (("flare", _SYMMETRIC), ("lopsided", _LOPSIDED), ("flat", _UNFLARED))
        }
        fits[name] = found["flare"]
        rows += _rows(name, found["flare"], settings) + _rows(name, found["lopsided"], settings, lopsided=True)
        tests += [
            _ratio("flare against constant scale", name, found["flat"], found["flare"]),
            _ratio("north-south asymmetry of the scale", name, found["flare"], found["lopsided"]),
            _counts(name, part, settings),
        ]
        curves.append(_curve(name, found["flare"], R))
    if {"younger", "older"} <= set(fits):
        tests += _confinement(parts["younger"], parts["older"], fits, settings, rng)
    return FlareResult(
        frame=FIT.conform(pl.DataFrame(rows), where="flare"),
        schema=FIT,
        settings=settings,
        steps=(Step("flare", "clusters", table.height, {"without a place": table.height - placed.height}),),
        notes=tuple(notes),
        facts={name: part.height for name, part in parts.items()},
        tests=TESTS.conform(pl.DataFrame(tests, infer_schema_length=None), where="flare"),
        curve=FLARE_CURVE.conform(pl.concat(curves), where="flare"),
        clusters=placed,
    )


def _ref(settings: StructureConfig) -> float:
    return float(settings.reference_radius.to_value("kpc"))


def _rows(group: str, found: Vertical, settings: StructureConfig, *, lopsided: bool = False) -> list[dict[str, Any]]:
    p, sd = found.p, found.sd
    h = np.exp([p[0], p[0] - sd[0], p[0] + sd[0]])
    values = [("h0", "kpc", *h), ("k", "1 / kpc", p[1], p[1] - sd[1], p[1] + sd[1])]
    values.append(("z0", "kpc", p[2], p[2] - sd[2], p[2] + sd[2]))
    if lopsided:
        values.append(("asymmetry", None, p[3], p[3] - sd[3], p[3] + sd[3]))
    name = f"{settings.profile}, exponential flare{', asymmetric' if lopsided else ''}"
    return [
        {
            "subject": "flare", "group": group, "model": name, "parameter": parameter, "unit": unit,
            "n_clusters": found.n, "value": float(v), "p16": float(low), "p84": float(high),
        }
        for parameter, unit, v, low, high in values
    ]  # fmt: skip


def _ratio(test: str, group: str, simple: Vertical, full: Vertical, dof: int = 1) -> dict[str, Any]:
    twice = max(2.0 * (full.log_likelihood - simple.log_likelihood), 0.0)
    return {
        "test": test, "group": group, "n_clusters": full.n, "statistic": "2 ln L ratio", "observed": twice,
        "expected": float(dof), "spread": float(np.sqrt(2.0 * dof)), "p_value": float(chi2.sf(twice, dof)),
        "method": f"likelihood ratio, chi-square with {dof} degree{'s' if dof > 1 else ''} of freedom",
    }  # fmt: skip


def _counts(group: str, part: pl.DataFrame, settings: StructureConfig) -> dict[str, Any]:
    outer = part.filter(pl.col("r_gc") > float(settings.outer_radius.to_value("kpc")))
    north, n = int((outer["z_gc"] > 0).sum()), outer.height
    return {
        "test": f"as many clusters north as south of the plane beyond {settings.outer_radius:g}",
        "group": group, "n_clusters": n, "statistic": "clusters in the north", "observed": float(north),
        "expected": 0.5 * n, "spread": 0.5 * float(np.sqrt(n)),
        "p_value": float(binomtest(north, n).pvalue) if n else None, "method": "binomial, two-sided",
    }  # fmt: skip


def _curve(group: str, found: Vertical, R: Array) -> pl.DataFrame:
    grid = np.linspace(R.min(), R.max(), 60)
    ln_h, sd = found.scale(grid)
    return pl.DataFrame(
        {
            "group": group,
            "r_gc": grid,
            "scale": np.exp(ln_h),
            "scale_p16": np.exp(ln_h - sd),
            "scale_p84": np.exp(ln_h + sd),
        }
    )


def _confinement(
    young: pl.DataFrame, old: pl.DataFrame, fits: dict[str, Vertical], settings: StructureConfig, rng: Streams
) -> list[dict[str, Any]]:
    """Whether the younger clusters lie nearer to the plane: by likelihood, and by permuting the ages."""
    both = pl.concat([young, old])
    R, z = both["r_gc"].to_numpy(), both["z_gc"].to_numpy()
    shared = fit(R, z, profile=settings.profile, r_ref=_ref(settings), free=_SYMMETRIC)
    twice = 2.0 * (fits["younger"].log_likelihood + fits["older"].log_likelihood - shared.log_likelihood)
    rows = [
        {
            "test": "younger and older clusters share one vertical profile", "group": "all", "n_clusters": both.height,
            "statistic": "2 ln L ratio", "observed": max(twice, 0.0), "expected": 3.0, "spread": float(np.sqrt(6.0)),
            "p_value": float(chi2.sf(max(twice, 0.0), 3)),
            "method": "likelihood ratio, chi-square with 3 degrees of freedom (h0, k, z0)",
        }
    ]  # fmt: skip
    # Heights in units of the shared scale at their radius: the age does not enter, so it can be permuted.
    ln_h, _ = shared.scale(R)
    height = np.abs(z - shared.p[2]) * np.exp(-ln_h)
    n = young.height
    observed = float(height[n:].mean() - height[:n].mean())
    generator = rng.child("structure").generator("confinement")
    total, size = float(height.sum()), len(height)
    drawn = np.empty(settings.permutations)
    for i in range(settings.permutations):
        first = float(generator.permutation(height)[:n].sum())
        drawn[i] = (total - first) / (size - n) - first / n
    rows.append(
        {
            "test": "younger clusters are not nearer to the plane than older ones", "group": "all",
            "n_clusters": size, "statistic": "mean height in units of the scale, older minus younger",
            "observed": observed, "expected": float(drawn.mean()), "spread": float(drawn.std()),
            "p_value": (1.0 + float((drawn >= observed).sum())) / (1.0 + settings.permutations),
            "method": f"{settings.permutations} permutations of the ages, one-sided",
        }
    )  # fmt: skip
    return rows
