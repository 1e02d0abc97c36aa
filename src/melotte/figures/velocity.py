"""Radial-velocity selection of a cluster and the zero point of a survey (Fu et al. 2022, Figs. 2 and 3)."""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from ._common import (
    RV_FLAGS,
    RV_LABEL,
    Floats,
    Row,
    flags,
    legend_above,
    make_axes,
    number,
    one_cluster,
    say,
    value,
    values,
    with_error,
)
from .look import BLUE, DARK, LIGHT, SINGLE, VERMILLION, styled

#: Offsets, in sigma, at which a profile is drawn; beyond 3.5 sigma it is flat on paper.
_OFFSETS = np.linspace(-3.5, 3.5, 71)
_SHAPE = np.exp(-0.5 * _OFFSETS**2)


def _profiles(rv: Floats, error: Floats) -> NDArray[np.float64]:
    """Gaussians of unit height, shape (n, 71, 2)."""
    x = rv[:, None] + error[:, None] * _OFFSETS
    return np.stack([x, np.broadcast_to(_SHAPE, x.shape)], axis=-1)


def velocity_window(rv: Floats, error: Floats, low: float, high: float) -> tuple[float, float]:
    """Velocity range: the accepted range and the bulk of the stars; a far outlier does not set the scale."""
    centre, half = float(np.median(rv)), float(np.median(error))
    if np.isfinite(low) and np.isfinite(high):
        centre, half = (low + high) / 2, (high - low) / 2
    reach = 4 * half
    if rv.size >= 20:
        # Many stars far out are no outliers: 95 % are always in view.
        reach = max(reach, float(np.percentile(np.abs(rv - centre), 95)))
    near = np.abs(rv - centre) <= reach
    left = min([centre - 1.4 * half, *(rv - 3.3 * error)[near]])
    right = max([centre + 1.4 * half, *(rv + 3.3 * error)[near]])
    return max(left, centre - reach - half), min(right, centre + reach + half)


@styled
def rv_selection(
    stars: pl.DataFrame,
    row: Row | None,
    *,
    cluster: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Every star of a cluster as a Gaussian, those used dark, those rejected light.

    Each profile has the star's velocity and error and, like the cluster's, unit height: with equal areas one precise
    star would flatten all others. The cluster's Gaussian has the mean RV of the catalogue and the standard deviation
    of the pooled draws of the stars used, sqrt(var(rv) + mean(rv_error^2)) (Fu et al. 2022, Sect. 2.1). The dashed
    thresholds are centred on the draws of *all* stars, hence not exactly on the mean.

    Parameters
    ----------
    stars : polars.DataFrame
        MEMBER_STARS.
    row : polars.DataFrame or mapping or None
        CATALOGUE, or the cluster's row.
    cluster : str, optional
        Name, where the tables hold several clusters.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    MelotteError
        If the cluster is not in the tables, or not named where there are several.
    """
    stars, row, title = one_cluster(stars, row, cluster)
    figure, (ax,) = make_axes(ax, (1, 1), (SINGLE, SINGLE * 0.85))
    ax.set_xlabel(RV_LABEL)
    ax.set_ylabel("Profile (unit height)")
    ax.set_title(title)
    ax.set_ylim(0, 1.62)
    ax.set_yticks([0, 0.5, 1])

    rv, error = values(stars, "rv"), values(stars, "rv_error")
    drawn = np.isfinite(rv) & np.isfinite(error) & (error > 0)
    used = np.isin(flags(stars), RV_FLAGS)
    if not drawn.any():
        say(ax, "no star with a radial velocity and its error", y=0.4)
    else:
        _draw(ax, rv[drawn], error[drawn], used[drawn], stars.filter(pl.Series(drawn)), row)
    n_missing = int((~drawn).sum())
    lines = [
        rf"$N$ = {stars.height}",
        rf"$N_{{\rm RV}}$ = {int(used.sum())}",
        rf"RV$_{{\rm med}}$ = {with_error(value(row, 'rv_med'), value(row, 'rv_med_error'), 2)} km s$^{{-1}}$",
    ]
    scatter = value(row, "rv_scatter")
    if np.isfinite(scatter):
        lines.append(rf"$s_{{\rm RV}}$ = {number(scatter, 2)} km s$^{{-1}}$")
    if n_missing:
        lines.append(f"not drawn: {n_missing} without RV or error")
    ax.text(0.03, 0.97, "\n".join(lines), transform=ax.transAxes, va="top", fontsize=8, linespacing=1.15)
    return figure


def _draw(ax: Axes, rv: Floats, error: Floats, used: NDArray[np.bool_], stars: pl.DataFrame, row: Row | None) -> None:
    low, high = (float(values(stars, name)[0]) for name in ("rv_low", "rv_high"))
    curves = _profiles(rv, error)
    # Alpha falls with the number of curves so that a thousand still show where they are dense.
    # A star or two would vanish behind the cluster's own curve.
    above = 6.0 if used.sum() <= 3 else 2.0
    for label, mask, colour, z in (("rejected", ~used, LIGHT, 1.0), ("used", used, DARK, above)):
        n = int(mask.sum())
        alpha, width = float(np.clip(25.0 / max(n, 1), 0.1, 1.0)), 0.8 if n <= 30 else 0.5
        lines = LineCollection(
            list(curves[mask]), colors=colour, linewidths=width, alpha=alpha, zorder=z, rasterized=n > 1000, label=label
        )
        ax.add_collection(lines, autolim=False)
    handles = [
        Line2D([], [], color=colour, lw=0.9, label=label)
        for label, mask, colour in (("used", used, DARK), ("rejected", ~used, LIGHT))
        if mask.any()
    ]
    mean = value(row, "rv_mean")
    if used.any() and np.isfinite(mean):
        sigma = float(np.sqrt(np.var(rv[used]) + np.mean(error[used] ** 2)))
        curve = _profiles(np.array([mean]), np.array([sigma]))[0]
        ax.plot(curve[:, 0], curve[:, 1], color=BLUE, lw=1.8, zorder=4, label="cluster")
        ax.plot([mean, mean], [0, 1.0], color=BLUE, lw=1.8, zorder=4, label="mean")
        handles.append(Line2D([], [], color=BLUE, lw=1.8, label="cluster"))
    if np.isfinite(low) and np.isfinite(high):
        for name, x in (("rv_low", low), ("rv_high", high)):
            ax.plot([x, x], [0, 1.08], color="black", lw=0.8, ls=(0, (4, 2.5)), zorder=5, label=name)
        handles.append(Line2D([], [], color="black", lw=0.8, ls=(0, (4, 2.5)), label="thresholds"))
    left, right = velocity_window(rv, error, low, high)
    ax.set_xlim(left, right)
    ax.xaxis.set_major_locator(MaxNLocator(6))
    for side, n, x, align in (
        ("left", int((rv < left).sum()), 0.02, "left"),
        ("right", int((rv > right).sum()), 0.98, "right"),
    ):
        if n:
            arrow = rf"$\leftarrow$ {n} beyond" if side == "left" else rf"{n} beyond $\rightarrow$"
            ax.text(x, 0.64, arrow, transform=ax.transAxes, ha=align, va="bottom", fontsize=7, color="0.3")
    ax.legend(handles=handles, loc="upper right")


@styled
def zero_point(
    differences: pl.Series | ArrayLike,
    *,
    reference: str = "reference",
    survey: str = "survey",
    ax: Axes | None = None,
) -> Figure:
    """Histogram of RV(reference) - RV(survey) with its median, mean and standard deviation.

    The robust standard deviation is 1.4826 times the median absolute deviation.

    The axis covers the median +- 5 robust standard deviations at most (and always the central 98 %); stars outside
    are counted in the figure and are part of every number in it.

    Parameters
    ----------
    differences : polars.Series or array_like
        RV(reference) - RV(survey) of each star, km/s; missing values are left out.
    reference, survey : str
        Names for the label.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    series = differences if isinstance(differences, pl.Series) else pl.Series(np.asarray(differences, dtype=float))
    d = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    d = d[np.isfinite(d)]
    own = ax is None
    figure, (ax,) = make_axes(ax, (1, 1), (SINGLE, SINGLE * 0.75))
    ax.set_xlabel(rf"RV$_{{\rm {_roman(reference)}}}-$RV$_{{\rm {_roman(survey)}}}$ (km s$^{{-1}}$)")
    ax.set_ylabel("Number of stars")
    if d.size == 0:
        say(ax, "no star in common")
        return figure
    median, mean = float(np.median(d)), float(np.mean(d))
    sd = float(np.std(d, ddof=1)) if d.size > 1 else float("nan")
    robust = 1.4826 * float(np.median(np.abs(d - median))) if d.size > 1 else float("nan")
    q01, q99 = np.percentile(d, [1, 99])
    half = max(1.0, abs(q01 - median), abs(q99 - median), 5 * robust if np.isfinite(robust) else 0.0)
    low, high = max(float(d.min()), median - half), min(float(d.max()), median + half)
    low, high = min(low, median - 1.0), max(high, median + 1.0)
    inside = d[(d >= low) & (d <= high)]
    # Odd, so that a single value stands in the middle of its bin.
    n_bins = 2 * int(np.clip(np.sqrt(inside.size) + 2, 3, 30)) + 1
    counts, edges = np.histogram(inside, bins=n_bins, range=(low, high))
    ax.stairs(counts, edges, fill=True, facecolor="0.85", edgecolor=DARK, lw=0.7)
    ax.set_ylim(0, 1.18 * counts.max())
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.set_xlim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    ax.axvline(0, color="0.5", lw=0.6, ls=":", label="zero")
    ax.axvline(median, color=VERMILLION, lw=1.4, label="median")
    ax.axvline(mean, color=BLUE, lw=1.2, ls=(0, (4, 2)), label="mean")
    unit = r"km s$^{-1}$"
    legend_above(
        ax,
        [
            Line2D([], [], color=VERMILLION, lw=1.4, label=f"median {number(median, 2)} {unit}"),
            Line2D([], [], color=BLUE, lw=1.2, ls=(0, (4, 2)), label=f"mean {number(mean, 2)} {unit}"),
            Line2D([], [], ls="", label=f"s.d. {number(sd, 2)} {unit}"),
            Line2D([], [], ls="", label=f"robust s.d. {number(robust, 2)} {unit}"),
        ],
        own=own,
        columns=2,
    )
    say(ax, rf"$n$ = {d.size}", x=0.03, y=0.96, ha="left", va="top", color="black")
    outside = d.size - inside.size
    if outside:
        say(ax, f"{outside} outside the axis", x=0.98, y=0.96, ha="right", va="top", fontsize=7)
    return figure


def _roman(name: str) -> str:
    """A name inside mathtext: blanks kept, special characters escaped."""
    for character in "\\$%_^{}#&~":
        name = name.replace(character, " ")
    return r"\ ".join(name.split())
