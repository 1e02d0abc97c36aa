"""Which clusters lie off the ridge of the thin disc in (L_Z, E), or at its ends (Fu et al. 2022, Fig. 11)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import kstest, norm, rankdata

from ..config import GalaxyConfig, StructureConfig
from ..core.randomness import Streams
from ..errors import EmptyResultError, SchemaError
from ..galaxy.legacy import GALPOT_ZERO_POINT
from ..schema.result import Result, Step
from ..schema.structure import FIT, OUTLIERS, TESTS
from .ridge import HEATED, PARAMETERS, CircularOrbits, Ridge, fit_ridge

Array = np.ndarray[Any, np.dtype[np.float64]]

#: Fewest clusters that define a ridge.
MINIMUM = 20
#: An energy this far below the circular orbit's is of another potential [km2/s2].
_BELOW = 50.0


@dataclass(frozen=True)
class OutliersResult(Result):
    """The clusters (``frame``), the parameters of the ridge, and the ridge with and without uncertainties."""

    fit: pl.DataFrame = field(default_factory=FIT.empty)
    tests: pl.DataFrame = field(default_factory=TESTS.empty)
    circular: CircularOrbits | None = None
    ridge: Ridge | None = None


def outliers(
    dynamics: pl.DataFrame,
    *,
    settings: StructureConfig,
    rng: Streams,
    clusters: pl.DataFrame | None = None,
    draws: pl.DataFrame | None = None,
    galaxy: GalaxyConfig | None = None,
) -> OutliersResult:
    """Find the clusters that do not move like the thin disc.

    Parameters
    ----------
    dynamics : polars.DataFrame
        `melotte.schema.DYNAMICS`: ``cluster``, ``l_z`` [kpc km/s] and ``energy`` [km2/s2] are used.
    settings : StructureConfig
    rng : Streams
    clusters : polars.DataFrame, optional
        ``cluster``, ``n_rv`` and ``log_age`` [log yr]: clusters of fewer than ``minimum_rv_stars`` stars are not judged
        and do not enter the fit; with ages a ridge whose scatter grows with age is fitted too.
    draws : polars.DataFrame, optional
        From `melotte.structure.phase_draws`; without them the uncertainties are ignored, and a note says so.
    galaxy : GalaxyConfig, optional
        What ``dynamics`` was made with: the potential and the zero point of the energies.

    Returns
    -------
    OutliersResult
        ``frame`` follows `melotte.schema.structure.OUTLIERS`.

    Raises
    ------
    SchemaError
        If a column is missing or the energies are not those of the potential.
    EmptyResultError
        If there are fewer than 20 clusters to judge.
    ConvergenceError
        If the ridge cannot be fitted.

    Notes
    -----
    The rule: off the ridge is a cluster of ``p_value`` below ``false_alarm``, the probability that a cluster of the
    thin disc with the same errors lies as far off (see `melotte.structure.ridge`). Clusters in retrograde rotation are
    off. That disc is one population: in a disc that is heated as it ages, old clusters are called off more often than
    ``false_alarm`` says. ``p_value_heated`` is for such a disc (it needs the ages of 20 clusters).

    An end of the ridge is a matter of where clusters were observed, not of how they move; it is kept apart.
    """
    galaxy = galaxy or GalaxyConfig()
    missing = [c for c in ("cluster", "l_z", "energy") if c not in dynamics.columns]
    if missing:
        raise SchemaError(f"the table lacks {missing}", where="outliers", expected="cluster, l_z, energy")
    table = dynamics.select("cluster", pl.col("l_z", "energy").cast(pl.Float64))
    known = [c for c in ("n_rv", "log_age") if clusters is not None and c in clusters.columns]
    if clusters is not None:
        table = table.join(clusters.select("cluster", *known), on="cluster", how="left", maintain_order="left")
    table = table.with_columns(
        pl.lit(None, dtype=kind).alias(c) for c, kind in (("n_rv", pl.Int32), ("log_age", pl.Float64)) if c not in known
    )
    few = f"fewer than {settings.minimum_rv_stars} stars behind the velocity"
    table = table.with_columns(
        reason=pl.when(pl.col("l_z").is_null() | pl.col("energy").is_null())
        .then(pl.lit("no orbit"))
        .when(pl.col("n_rv") < settings.minimum_rv_stars)
        .then(pl.lit(few))
    )
    circular = CircularOrbits(galaxy.potential, GALPOT_ZERO_POINT if galaxy.legacy == "fu2022" else 0.0)
    l_z, energy = (table[c].fill_null(float("nan")).to_numpy() for c in ("l_z", "energy"))
    excess = energy - circular.energy(l_z)
    judged = table["reason"].is_null().to_numpy() & np.isfinite(excess)
    low = judged & (excess < -_BELOW)
    if low.any():
        row = int(np.flatnonzero(low)[0])
        raise SchemaError(
            f"{table['cluster'][row]}: the energy lies {-excess[row]:.0f} km2/s2 below that of the circular orbit",
            where="energy",
            expected=f"energies in the potential {galaxy.potential!r}, zero at infinity",
            hint="give the [galaxy] settings the orbits were made with",
        )
    excess = np.maximum(excess, 0.0)
    use = judged & (l_z > 0)
    if use.sum() < MINIMUM:
        raise EmptyResultError(f"{int(use.sum())} clusters to judge", where="outliers", expected=f"at least {MINIMUM}")
    noise, p_end = _uncertainties(table, draws, circular, excess, l_z, use, settings)
    streams = rng.child("structure").child("ridge")
    ignoring = fit_ridge(excess[use], l_z[use], np.zeros(int(use.sum())), streams.generator("ignoring"))
    ridge = ignoring
    if draws is not None:
        ridge = fit_ridge(excess[use], l_z[use], noise[use], streams.generator("errors"))
    # A cluster in retrograde rotation is no thin-disc cluster: probabilities 0 and 1.
    nothing = np.zeros(int(use.sum()))
    p0, q0 = (
        _spread(v, judged, use, r) for v, r in zip(ignoring.judge(excess[use], l_z[use], nothing), (0, 1), strict=True)
    )
    p, q = (
        _spread(v, judged, use, r) for v, r in zip(ridge.judge(excess[use], l_z[use], noise[use]), (0, 1), strict=True)
    )
    heated, p_heated = _heated(table, excess, l_z, noise, use, judged, streams)
    deviation = _along(l_z, use)
    both = np.hypot(np.maximum(norm.isf(np.clip(p0, 1e-300, 1.0)), 0.0), deviation)
    frame = OUTLIERS.conform(
        table.with_columns(
            ridge=_series(np.where(use, circular.energy(l_z) + ridge.mean_excess(l_z), np.nan)),
            excess=_series(np.where(judged, excess, np.nan)),
            excess_noise=_series(noise if draws is not None else np.full(len(l_z), np.nan)),
            random_speed=_series(np.where(judged, np.sqrt(2.0 * excess), np.nan)),
            rank=_rank(-p0, judged),
            p_value_ignoring=_series(p0),
            p_value=_series(p if draws is not None else np.full(len(p), np.nan)),
            p_value_heated=_series(p_heated),
            p_outlier_ignoring=_series(q0),
            p_outlier=_series(q if draws is not None else np.full(len(q), np.nan)),
            end_deviation=_series(deviation),
            p_end=_series(p_end),
            rank_any=_rank(both, judged),
            off_ignoring=_mask(p0 < settings.false_alarm, judged),
            off=_mask(p < settings.false_alarm, judged) if draws is not None else pl.lit(None, dtype=pl.Boolean),
            off_heated=_mask(p_heated < settings.false_alarm, np.isfinite(p_heated)),
            end=_mask((p_end if draws is not None else 1.0 * (np.abs(deviation) > settings.ends)) > 0.5, judged),
        ),
        where="outliers",
    )
    lost = {str(r): int((table["reason"] == r).sum()) for r in table["reason"].drop_nulls().unique().sort()}
    notes = [] if draws is not None else ["no draws were given: the outliers ignore the uncertainties"]
    return OutliersResult(
        frame=frame,
        schema=OUTLIERS,
        settings=settings,
        steps=(Step("outliers", "clusters", table.height, lost),),
        notes=tuple(notes),
        facts={
            "judged": int(judged.sum()),
            "off": frame.filter(pl.col("off" if draws is not None else "off_ignoring"))["cluster"].to_list(),
            "off_ignoring": frame.filter("off_ignoring")["cluster"].to_list(),
            "off_heated": frame.filter("off_heated")["cluster"].to_list(),
            "ends": frame.filter("end")["cluster"].to_list(),
            "expected_false_alarms": settings.false_alarm * float(judged.sum()),
        },
        fit=pl.concat([_fit_rows(r, draws is not None) for r in ((ridge, int(use.sum())), heated) if r is not None]),
        tests=_shape(p[use]),
        circular=circular,
        ridge=ridge,
    )


def _uncertainties(
    table: pl.DataFrame,
    draws: pl.DataFrame | None,
    circular: CircularOrbits,
    excess: Array,
    l_z: Array,
    use: Any,
    settings: StructureConfig,
) -> tuple[Array, Array]:
    """Energy of the noise [km2/s2], and the share of draws beyond the ends of the ridge."""
    noise, p_end = np.zeros(table.height), np.full(table.height, np.nan)
    if draws is None:
        return noise, p_end
    median, width = _centre(l_z[use])
    groups = {str(k[0]): g for k, g in draws.group_by("cluster")}
    for row, name in enumerate(table["cluster"]):
        group = groups.get(name)
        if group is None:
            if use[row]:
                raise SchemaError(f"no draws of {name}", where="draws", expected="draws of every cluster to judge")
            continue
        drawn = group["l_z"].to_numpy()
        mean = np.nanmean(group["energy"].to_numpy() - circular.energy(drawn))
        # To second order the mean over the draws exceeds the value by the mean energy of the errors.
        noise[row] = max(float(mean) - excess[row], 0.0) if np.isfinite(excess[row]) else 0.0
        away = np.abs(np.log(np.maximum(drawn, 1e-3)) - median) / width
        p_end[row] = float((away > settings.ends).mean())
    return noise, p_end


def _heated(
    table: pl.DataFrame, excess: Array, l_z: Array, noise: Array, use: Any, judged: Any, streams: Streams
) -> tuple[tuple[Ridge, int] | None, Array]:
    """The ridge whose scatter grows with age with the number of its clusters, and the p-values on it."""
    p_value = np.full(table.height, np.nan)
    log_age = table["log_age"].fill_null(float("nan")).to_numpy()
    aged = use & np.isfinite(log_age)
    if aged.sum() < MINIMUM:
        return None, p_value
    age = 10.0 ** log_age[aged]
    ridge = fit_ridge(excess[aged], l_z[aged], noise[aged], streams.generator("heated"), age=age)
    p_value[judged & ~use & np.isfinite(log_age)] = 0.0
    p_value[aged] = ridge.judge(excess[aged], l_z[aged], noise[aged], age)[0]
    return (ridge, int(aged.sum())), p_value


def _centre(l_z: Array) -> tuple[float, float]:
    """Median and robust standard deviation of ln L_Z."""
    x = np.log(l_z)
    median = float(np.median(x))
    return median, 1.4826 * float(np.median(np.abs(x - median)))


def _along(l_z: Array, use: Any) -> Array:
    median, width = _centre(l_z[use])
    out = np.full(len(l_z), np.nan)
    out[use] = (np.log(l_z[use]) - median) / width
    return out


def _spread(values: Array, judged: Any, use: Any, retrograde: float) -> Array:
    """Values of the clusters of the fit among all; those judged without it get ``retrograde``."""
    out = np.full(len(judged), np.nan)
    out[judged] = retrograde
    out[use] = values
    return out


def _rank(score: Array, judged: Any) -> pl.Series:
    out = np.full(len(score), -1)
    out[judged] = rankdata(-np.nan_to_num(score[judged], nan=np.inf), method="min")
    return pl.Series(out, dtype=pl.Int32).replace(-1, None)


def _series(values: Array) -> pl.Series:
    return pl.Series(values, dtype=pl.Float64).fill_nan(None)


def _mask(flags: Any, judged: Any) -> pl.Series:
    return pl.Series([bool(f) if j else None for f, j in zip(flags, judged, strict=True)], dtype=pl.Boolean)


def _shape(p_value: Array) -> pl.DataFrame:
    """Whether the excess is distributed as the model has it: p-values are then uniform, outliers apart."""
    found = kstest(p_value, "uniform")
    row = {
        "test": "the excess follows the ridge's distribution",
        "group": "all",
        "n_clusters": len(p_value),
        "statistic": "largest distance of the cumulative distribution of p_value",
        "observed": float(found.statistic),
        "p_value": float(found.pvalue),
        "method": "Kolmogorov-Smirnov",
    }
    return TESTS.conform(pl.DataFrame([row]), where="ridge")


def _fit_rows(fitted: tuple[Ridge, int], with_errors: bool) -> pl.DataFrame:
    ridge, n = fitted
    names = PARAMETERS if len(ridge.pivots) == 1 else HEATED
    model = "exponential excess" + (", heated with age" if names is HEATED else "")
    low, middle, high = np.percentile(ridge.draws, [16, 50, 84], axis=0)
    rows = {
        "subject": ["ridge"] * len(names),
        "group": ["all"] * len(names),
        "model": [model + (", errors marginalised" if with_errors else "")] * len(names),
        "parameter": list(names),
        "unit": ["km2 / s2", *[None] * (len(names) - 1)],
        "n_clusters": [n] * len(names),
        "value": middle,
        "p16": low,
        "p84": high,
    }
    return FIT.conform(pl.DataFrame(rows), where="ridge")
