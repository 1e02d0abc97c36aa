"""Trend of a survey's [Fe/H] with effective temperature, measured on cluster members.

The stars of a cluster have one [Fe/H]; what depends on Teff within clusters is the survey's. With c the cluster, k the
class (dwarf or giant) of star i,

    [Fe/H]_i = m_c + g_k(Teff_i) + noise,

g_k linear splines with a penalty on the differences of their slopes (P-splines: Eilers & Marx 1996, Stat. Sci. 11,
89), fitted by weighted least squares with Huber weights (Huber 1964); the m_c drop out. The smoothing is chosen by how
well clusters that were left out are predicted. g of the dwarfs is zero on average over a reference range; that of the
giants is relative to it, through the clusters that have both.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ...config import TrendConfig
from ...stars import has_valid_error

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MAD_TO_SD = 1.482602218505602
#: Holds the giants to the dwarfs where no cluster has both, and empty knots to their neighbours.
_RIDGE = 1e-4
_ITERATIONS = 30
#: Clusters with fewer stars say nothing about a slope that the others do not say better.
_FEWEST = 2


@dataclass(frozen=True)
class Curve:
    """The trend of one class of stars.

    Attributes
    ----------
    teff : ndarray
        Knots [K].
    value : ndarray
        [Fe/H] there minus the true one [dex]; linear in between.
    low, high : float
        Range of use [K].
    n_stars : int
        Stars it was fitted to.
    """

    teff: FloatArray
    value: FloatArray
    low: float
    high: float
    n_stars: int


@dataclass(frozen=True)
class Trend:
    """The trend of a survey.

    Attributes
    ----------
    dwarfs, giants : Curve or None
        None where there are too few stars.
    smoothing : float
        The penalty that predicted left-out clusters best.
    scatter_before, scatter_after : float
        Robust scatter of [Fe/H] within the left-out clusters without and with the trend [dex].
    n_clusters : int
        Clusters it was fitted to.
    """

    dwarfs: Curve | None
    giants: Curve | None
    smoothing: float
    scatter_before: float
    scatter_after: float
    n_clusters: int

    def at(self, teff: FloatArray, giant: NDArray[np.bool_]) -> FloatArray:
        """Value [dex] at these temperatures [K]; NaN outside the range of use."""
        out = np.full(teff.shape, np.nan)
        for curve, mine in ((self.dwarfs, ~giant), (self.giants, giant)):
            if curve is not None:
                inside = mine & (teff >= curve.low) & (teff <= curve.high)
                out[inside] = np.interp(teff[inside], curve.teff, curve.value)
        return out

    def note(self) -> str:
        """The trend in a sentence."""
        parts = []
        for name, curve in (("dwarfs", self.dwarfs), ("giants", self.giants)):
            if curve is not None:
                span = np.ptp(np.interp(np.linspace(curve.low, curve.high, 50), curve.teff, curve.value))
                parts.append(f"{curve.n_stars} {name} of {curve.low:.0f}-{curve.high:.0f} K ({span:.2f} dex)")
        return (
            f"trend of [Fe/H] with Teff: fitted to {' and '.join(parts)} in {self.n_clusters} clusters; scatter within "
            f"left-out clusters {self.scatter_before:.3f} dex without, {self.scatter_after:.3f} dex with it"
        )


@dataclass(frozen=True)
class _Sample:
    """Stars of clusters as arrays; ``design`` holds the spline of the star's class."""

    y: FloatArray
    weight: FloatArray
    group: IntArray
    design: FloatArray
    penalty: FloatArray
    knots: tuple[FloatArray, FloatArray]

    def rows(self, which: NDArray[np.bool_]) -> _Sample:
        _, group = np.unique(self.group[which], return_inverse=True)
        part = (self.y[which], self.weight[which], group.astype(np.int64), self.design[which])
        return _Sample(*part, self.penalty, self.knots)


def usable() -> pl.Expr:
    """Stars the trend can be measured with."""
    return (pl.col("flag") >= 1) & has_valid_error("feh") & pl.col("teff").is_not_null() & pl.col("logg").is_not_null()


def is_giant(dwarf_logg: float) -> pl.Expr:
    """Giants: by the cluster's dividing log g where there is one, else by the fixed value."""
    return pl.col("logg") <= pl.coalesce("logg_giant", pl.lit(dwarf_logg))


def fit_trend(members: pl.DataFrame, *, settings: TrendConfig, dwarf_logg: float) -> Trend | None:
    """Fit the trend to the members of all clusters.

    Parameters
    ----------
    members : polars.DataFrame
        MEMBER_STARS with flags and ``logg_giant``; stars of flag 1 or 12 with [Fe/H], Teff and log g are used.
    settings : TrendConfig
    dwarf_logg : float
        Log g that divides giants from dwarfs where the cluster's isochrone gives none.

    Returns
    -------
    Trend or None
        None if no class has enough stars, or there are fewer clusters than folds.
    """
    table = _table(members, dwarf_logg)
    curves = {name: table.filter(pl.col("giant") == giant) for name, giant in (("dwarfs", False), ("giants", True))}
    if table["cluster"].n_unique() < settings.folds:
        return None
    found = _sample(table, settings)
    if found is None:
        return None
    sample, kept = found
    folds = _folds(table["cluster"], settings.folds)[kept]
    scores = [_left_out(sample, folds, s, settings) for s in settings.smoothing]
    best = int(np.argmin([loss for loss, _ in scores]))
    beta = _solve(sample, settings.smoothing[best], settings.huber)
    n_dwarf = len(sample.knots[0])
    beta = beta - _reference(table, sample.knots, beta, settings)
    made: dict[str, Curve | None] = {}
    for name, knots, value in (
        ("dwarfs", sample.knots[0], beta[:n_dwarf]),
        ("giants", sample.knots[1], beta[n_dwarf:]),
    ):
        teff = np.sort(curves[name]["teff"].to_numpy())
        few = settings.minimum_stars
        enough = len(knots) > 0 and teff.size >= 2 * few
        made[name] = Curve(knots, value, float(teff[few - 1]), float(teff[-few]), teff.size) if enough else None
    if made["dwarfs"] is None and made["giants"] is None:
        return None
    before = _scatter(sample.y, sample.group)
    return Trend(
        made["dwarfs"], made["giants"], settings.smoothing[best], before, scores[best][1], table["cluster"].n_unique()
    )


@dataclass(frozen=True)
class HeldOut:
    """Robust scatter of [Fe/H] within clusters [dex] that had no part in the fit, nor in the choice of the smoothing.

    Attributes
    ----------
    uncorrected, corrected : float
        Without and with the trend, the same stars.
    n_stars, n_clusters : int
    """

    uncorrected: float
    corrected: float
    n_stars: int
    n_clusters: int


def held_out(members: pl.DataFrame, *, settings: TrendConfig, dwarf_logg: float) -> HeldOut:
    """Test the trend on clusters it has not seen: each part of the clusters corrected by the fit to the others.

    Parameters
    ----------
    members : polars.DataFrame
        As for `fit_trend`.
    settings : TrendConfig
    dwarf_logg : float

    Returns
    -------
    HeldOut
    """
    table = _table(members, dwarf_logg)
    names = table["cluster"].unique(maintain_order=True)
    part_of = dict(zip(names, _folds(names, settings.folds), strict=True))
    parts = table["cluster"].replace_strict(part_of, return_dtype=pl.Int64).to_numpy()
    trend_there = np.full(table.height, np.nan)
    for part in range(settings.folds):
        out = parts == part
        others = members.join(table.filter(pl.Series(out)).select("cluster").unique(), on="cluster", how="anti")
        trend = fit_trend(others, settings=settings, dwarf_logg=dwarf_logg)
        if trend is not None and out.any():
            trend_there[out] = trend.at(table["teff"].to_numpy()[out], table["giant"].to_numpy()[out])
    rows = table.with_columns(pl.Series("trend", trend_there)).filter(pl.col("trend").is_not_nan())
    rows = rows.filter(pl.len().over("cluster") >= _FEWEST + 1)
    _, group = np.unique(rows["cluster"].to_numpy(), return_inverse=True)
    feh, trend_of = rows["feh"].to_numpy(), rows["trend"].to_numpy()
    return HeldOut(_scatter(feh, group), _scatter(feh - trend_of, group), rows.height, rows["cluster"].n_unique())


def _table(members: pl.DataFrame, dwarf_logg: float) -> pl.DataFrame:
    return (
        members.filter(usable())
        .select("cluster", "source_id", "teff", "feh", "feh_error", is_giant(dwarf_logg).alias("giant"))
        .filter(pl.len().over("cluster") >= _FEWEST)
        .sort("cluster", "source_id")
    )


def _folds(clusters: pl.Series, n: int) -> IntArray:
    """Part of each row's cluster, by a hash of its name: clusters that come or go do not move the others."""
    parts = {c: int.from_bytes(hashlib.sha256(c.encode()).digest()[:8], "big") % n for c in clusters.unique()}
    return clusters.replace_strict(parts, return_dtype=pl.Int64).to_numpy()


def _sample(table: pl.DataFrame, settings: TrendConfig) -> tuple[_Sample, NDArray[np.bool_]] | None:
    """Design matrix of the splines of both classes with their penalty, and the rows of the table it holds."""
    step = float(settings.knots.value)
    teff, giant = table["teff"].to_numpy(), table["giant"].to_numpy()
    knots, blocks = [], []
    for mine in (~giant, giant):
        if mine.sum() < 2 * settings.minimum_stars:
            knots.append(np.empty(0))
            continue
        # Beyond the range of use the curve is of no concern: it stays as it is at the ends.
        t = np.sort(teff[mine])
        low, high = t[settings.minimum_stars - 1], t[-settings.minimum_stars]
        knots.append(np.linspace(low, high, max(2, round((high - low) / step) + 1)))
    if not any(k.size for k in knots):
        return None
    for mine, k in zip((~giant, giant), knots, strict=True):
        block = np.zeros((teff.size, k.size))
        for j in range(k.size):
            block[mine, j] = np.interp(teff[mine], k, np.eye(k.size)[j])
        blocks.append(block)
    design = np.hstack(blocks)
    penalty = np.zeros((design.shape[1], design.shape[1]))
    start = 0
    for k in knots:
        if k.size > 2:
            difference = np.diff(np.eye(k.size), n=2, axis=0)
            penalty[start : start + k.size, start : start + k.size] = difference.T @ difference
        start += k.size
    kept = np.asarray(design.any(axis=1), dtype=np.bool_)
    _, group = np.unique(table["cluster"].to_numpy()[kept], return_inverse=True)
    y, error = table["feh"].to_numpy()[kept], table["feh_error"].to_numpy()[kept]
    # Errors are too small by an amount that is not known here: the scatter within clusters stands for it.
    scatter = _scatter(y, group)
    weight = scatter**2 / (scatter**2 + error**2)
    return _Sample(y, weight, group.astype(np.int64), design[kept], penalty, (knots[0], knots[1])), kept


def _solve(sample: _Sample, smoothing: float, huber: float) -> FloatArray:
    """Values at the knots: iteratively re-weighted penalised least squares, cluster means taken out."""
    y, x, group = sample.y, sample.design, sample.group
    n_groups = int(group.max()) + 1 if group.size else 0
    weight: FloatArray = sample.weight.copy()
    beta: FloatArray = np.zeros(x.shape[1])
    for _ in range(_ITERATIONS):
        total = np.asarray(np.bincount(group, weight, minlength=n_groups), dtype=np.float64)

        def centred(column: FloatArray, w: FloatArray = weight, total: FloatArray = total) -> FloatArray:
            return np.asarray(column - (np.bincount(group, w * column, minlength=n_groups) / total)[group])

        xc = np.column_stack([centred(x[:, j]) for j in range(x.shape[1])])
        yc = centred(y)
        matrix = (xc * weight[:, None]).T @ xc + smoothing * sample.penalty + _RIDGE * np.eye(x.shape[1])
        new = np.linalg.solve(matrix, xc.T @ (weight * yc))
        residual = yc - xc @ new
        sigma = max(_MAD_TO_SD * float(np.median(np.abs(residual))), 1e-6)
        weight = np.asarray(sample.weight * np.minimum(1.0, huber * sigma / np.maximum(np.abs(residual), 1e-12)))
        done = np.max(np.abs(new - beta)) < 1e-6
        beta = np.asarray(new, dtype=np.float64)
        if done:
            break
    return beta


def _left_out(sample: _Sample, folds: IntArray, smoothing: float, settings: TrendConfig) -> tuple[float, float]:
    """Mean Huber loss, and robust scatter, of left-out clusters."""
    residual = np.full(sample.y.size, np.nan)
    for fold in range(settings.folds):
        out = folds == fold
        if not out.any() or out.all():
            continue
        beta = _solve(sample.rows(~out), smoothing, settings.huber)
        residual[out] = sample.y[out] - sample.design[out] @ beta
    seen = np.isfinite(residual)
    d = _deviations(residual[seen], sample.group[seen])
    sigma = _scatter(sample.y, sample.group)
    u = np.abs(d) / sigma
    loss = np.where(u < settings.huber, 0.5 * u**2, settings.huber * (u - 0.5 * settings.huber))
    return float(np.mean(loss)), _scatter(residual[seen], sample.group[seen])


def _reference(
    table: pl.DataFrame, knots: tuple[FloatArray, FloatArray], beta: FloatArray, settings: TrendConfig
) -> float:
    """Mean of the dwarfs' curve over the stars of the reference range; of all stars if there are none."""
    low, high = (float(t.value) for t in settings.reference_dwarfs)
    for giant, start in ((False, 0), (True, len(knots[0]))):
        k = knots[int(giant)]
        teff = table.filter(pl.col("giant") == giant)["teff"].to_numpy()
        if k.size == 0:
            continue
        inside = teff[(teff >= low) & (teff <= high)] if not giant else teff
        return float(np.mean(np.interp(inside if inside.size else teff, k, beta[start : start + k.size])))
    return 0.0


def _deviations(y: FloatArray, group: IntArray) -> FloatArray:
    """From the median of the group."""
    frame = pl.DataFrame({"y": y, "g": group})
    return frame.select(pl.col("y") - pl.col("y").median().over("g"))["y"].to_numpy()


def _scatter(y: FloatArray, group: IntArray) -> float:
    """Robust standard deviation within groups: deviations from the median of n stars are too small by (n - 1) / n."""
    n = np.bincount(group)[group]
    several = n > 1
    d = _deviations(y, group)[several] * np.sqrt(n[several] / (n[several] - 1))
    return max(_MAD_TO_SD * float(np.median(np.abs(d))), 1e-6) if d.size else 1.0


Failure = tuple[str, pl.Expr, pl.Expr]


def with_trend(members: pl.DataFrame, trend: Trend, dwarf_logg: float) -> pl.DataFrame:
    """Set ``feh_trend``: null outside the range of use, and without Teff or log g."""
    teff, giant = (
        members["teff"].fill_null(np.nan).to_numpy(),
        members.select(is_giant(dwarf_logg).fill_null(False)).to_series().to_numpy(),
    )
    known = members.select(pl.col("logg").is_not_null()).to_series().to_numpy()
    value = np.where(known, trend.at(teff, giant), np.nan)
    return members.with_columns(pl.Series("feh_trend", value, dtype=pl.Float64).fill_nan(None))


def trend_failures() -> list[Failure]:
    """What a star must have for its trend to be known: name of the loss, test, sentence."""
    shown = pl.col("teff").round(0).cast(pl.Int64)
    return [
        ("without Teff", pl.col("teff").is_null(), pl.lit("no Teff, so the trend of [Fe/H] is not known")),
        ("without log g", pl.col("logg").is_null(), pl.lit("no log g, so dwarf and giant cannot be told apart")),
        (
            "outside the range of the trend",
            pl.col("feh_trend").is_null(),
            pl.format("Teff {} K is outside the range in which the trend of [Fe/H] is measured", shown),
        ),
    ]


def trend_sentence() -> pl.Expr:
    """Why a star is used, and what is subtracted from its [Fe/H]."""
    return pl.format(
        "trend of {} dex at Teff {} K subtracted", (pl.col("feh_trend").round(3) + 0.0), pl.col("teff").round(0)
    )
