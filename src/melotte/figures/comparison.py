"""Our values against somebody else's, for any quantity (Fu et al. 2022, Figs. 6 and 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..errors import MelotteError
from ._common import Floats, colour_bar, make_axes, number, padded, say, values
from .look import BLUE, DARK, DOUBLE, SINGLE, VERMILLION, VIRIDIS, styled


@dataclass(frozen=True)
class Quantity:
    """What is compared: its symbol (mathtext allowed), unit and number of decimals."""

    symbol: str
    unit: str
    digits: int


RV = Quantity("RV", r"km s$^{-1}$", 2)
FEH = Quantity("[Fe/H]", "dex", 3)


@styled
def compare(
    table: pl.DataFrame,
    ours: str,
    theirs: str,
    *,
    quantity: Quantity = RV,
    ours_error: str | None = None,
    theirs_error: str | None = None,
    count: str | None = None,
    ours_n: str | None = None,
    theirs_n: str | None = None,
    few: int = 3,
    inset: bool = False,
    ours_label: str = "this work",
    theirs_label: str = "literature",
    title: str = "",
    axes: Sequence[Axes] | None = None,
) -> Figure:
    """Ours against theirs with the line of equality (top), the difference ours - theirs (bottom).

    The bottom panel marks the median difference (line) and +- one standard deviation (band), and is limited to the
    central 98 % or five robust standard deviations, whichever is wider; points outside are triangles at its edge.

    Parameters
    ----------
    table : polars.DataFrame
        One row per cluster, both values in it; rows without both are not drawn.
    ours, theirs : str
        Columns of the two values, in one unit.
    quantity : Quantity
        `RV`, `FEH` or another.
    ours_error, theirs_error : str, optional
        Columns of the uncertainties.
    count : str, optional
        Column with our number of stars, shown as colour.
    ours_n, theirs_n : str, optional
        Columns of the numbers of stars behind the values: clusters with fewer than ``few`` of ours get an open square,
        with fewer of theirs a cross (Fig. 7). A number that is not known is no mark.
    few : int
        See there.
    inset : bool
        A histogram of the differences in the top panel (Fig. 6).
    ours_label, theirs_label, title : str
        Texts.
    axes : sequence of two Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, (top, bottom) = make_axes(axes, (2, 1), (SINGLE, SINGLE * 1.3), sharex=axes is None, height_ratios=(2.4, 1))
    x, y = values(table, theirs), values(table, ours)
    both = np.isfinite(x) & np.isfinite(y)
    unit = f" ({quantity.unit})" if quantity.unit else ""
    top.set_ylabel(f"{quantity.symbol} {ours_label}{unit}")
    bottom.set_ylabel(rf"$\Delta${quantity.symbol}{unit}")
    bottom.set_xlabel(f"{quantity.symbol} {theirs_label}{unit}")
    if not both.any():
        top.set_title(title)
        say(top, "no cluster in common")
        return figure
    x, y = x[both], y[both]
    x_error, y_error = (_errors(table, name, both) for name in (theirs_error, ours_error))
    colour = values(table, count)[both] if count else None
    if colour is not None and not (colour > 0).any():
        colour = None
    d = y - x
    median, sd = float(np.median(d)), float(np.std(d, ddof=1)) if d.size > 1 else float("nan")
    half = _half_range(d, median)
    outside = np.abs(d - median) > half
    d_error = None if x_error is None and y_error is None else np.hypot(_zero(x_error, d), _zero(y_error, d))

    for ax, yy, ye in ((top, y, y_error), (bottom, np.where(outside, np.nan, d), d_error)):
        xe = x_error if ax is top else None
        if xe is not None or ye is not None:
            bars = ax.errorbar(x, yy, xerr=xe, yerr=ye, fmt="none", ecolor="0.75", elinewidth=0.5, zorder=2)
            bars.set_label("errors")
        if colour is None:
            ax.plot(x, yy, ls="", marker="o", ms=3.0, mew=0, color=BLUE, alpha=0.8, zorder=3, label="clusters")
        else:
            norm = LogNorm(1, max(float(np.nanmax(colour)), 10.0))
            ax.scatter(x, yy, c=colour, s=12, norm=norm, ec="0.15", lw=0.25, zorder=3, label="clusters", cmap=VIRIDIS)
    if colour is not None:
        colour_bar([top, bottom], norm, VIRIDIS, "Number of stars", colour)
    for sign, marker in ((1, "^"), (-1, "v")):
        m = outside & (np.sign(d - median) == sign)
        at = np.full(int(m.sum()), median + sign * 0.94 * half)
        bottom.plot(x[m], at, ls="", marker=marker, ms=3, mfc="none", mec=BLUE, mew=0.6, zorder=3, label="outside")
    limits = padded(np.concatenate([x, y]))
    left = _emptier_is_left(x, y, limits)
    _mark_few(top, bottom, x, y, np.where(outside, np.nan, d), _few(table, ours_n, both, few), "s", few, ours_label)
    _mark_few(top, bottom, x, y, np.where(outside, np.nan, d), _few(table, theirs_n, both, few), "x", few, theirs_label)
    if ours_n or theirs_n:
        handles, labels = top.get_legend_handles_labels()
        marks = [(h, t) for h, t in zip(handles, labels, strict=True) if t.startswith("fewer")]
        if marks:
            top.legend(*zip(*marks, strict=True), loc="lower right" if left else "upper left", fontsize=6)
    if limits is not None:
        top.plot(limits, limits, color=DARK, lw=0.8, zorder=1, label="equality")
        top.set_xlim(*limits)
        top.set_ylim(*limits)
        bottom.set_xlim(*limits)
    bottom.axhline(0, color=DARK, lw=0.6, zorder=1)
    bottom.axhline(median, color=VERMILLION, lw=1.0, zorder=4, label="median")
    if np.isfinite(sd):
        bottom.axhspan(median - sd, median + sd, color=VERMILLION, alpha=0.15, lw=0, zorder=0)
    bottom.set_ylim(median - half, median + half)
    if inset:
        _histogram(top, d, median, half, quantity, left=left)
    stats = (
        rf"$n$ = {d.size}, median $\Delta$ {number(median, quantity.digits)}, "
        f"s.d. {number(sd, quantity.digits)} {quantity.unit}"
    )
    top.set_title(f"{title}\n{stats}" if title else stats)
    return figure


@styled
def literature_panels(
    panels: Mapping[str, pl.DataFrame],
    *,
    quantity: Quantity = RV,
    few: int = 3,
    ours_label: str = "this work",
    mark_few: bool = True,
) -> Figure:
    """One column of panels per literature catalogue, as `compare` draws them with insets (Figs. 6 and 7).

    Parameters
    ----------
    panels : mapping
        Title -> table with the columns ``ours``, ``ours_error``, ``ours_n``, ``theirs``, ``theirs_error``,
        ``theirs_n`` (schema `melotte.schema.literature.COMPARISON`).
    quantity : Quantity
        `RV`, `FEH` or another.
    few : int
        Clusters with fewer stars are marked.
    ours_label : str
        Text.
    mark_few : bool
        Whether they are marked at all.

    Raises
    ------
    MelotteError
        If there is no panel.
    """
    if not panels:
        raise MelotteError("there is nothing to draw", expected="at least one literature catalogue")
    many = len(panels)
    width = SINGLE if many == 1 else DOUBLE
    height = 0.62 * width if many > 1 else 1.3 * width
    figure, axes = make_axes(None, (2, many), (width, height + 0.3), sharex="col", height_ratios=(2.4, 1))
    for column, (title, table) in enumerate(panels.items()):
        compare(
            table,
            "ours",
            "theirs",
            quantity=quantity,
            ours_error="ours_error",
            theirs_error="theirs_error",
            ours_n="ours_n" if mark_few else None,
            theirs_n="theirs_n" if mark_few else None,
            few=few,
            inset=True,
            ours_label=ours_label,
            theirs_label=title,
            axes=[axes[column], axes[many + column]],
        )
        axes[column].set_xlabel("")
        axes[column].tick_params(labelbottom=False)
        if column:
            axes[column].set_ylabel("")
            axes[many + column].set_ylabel("")
        # The statistics in two lines: three columns leave no room for one.
        axes[column].set_title(axes[column].get_title().replace(", s.d.", "\ns.d."), fontsize=7)
    return figure


def _few(table: pl.DataFrame, name: str | None, both: NDArray[np.bool_], few: int) -> NDArray[np.bool_]:
    if name is None:
        return np.zeros(int(both.sum()), dtype=bool)
    return np.asarray(values(table, name)[both] < few)  # nan: not known, no mark


def _mark_few(
    top: Axes,
    bottom: Axes,
    x: Floats,
    y: Floats,
    d: Floats,
    few: NDArray[np.bool_],
    marker: str,
    limit: int,
    whose: str,
) -> None:
    if not few.any():
        return
    look: dict[str, Any] = {"ls": "", "marker": marker, "ms": 4.5, "mfc": "none", "mec": DARK, "mew": 0.5, "zorder": 4}
    top.plot(x[few], y[few], label=f"fewer than {limit} stars, {whose}", **look)
    bottom.plot(x[few], d[few], **look)


#: Width and height of the inset and its distance from the edges, in axes coordinates.
_INSET, _EDGE = (0.36, 0.3), (0.06, 0.04)


def _emptier_is_left(x: Floats, y: Floats, limits: tuple[float, float] | None) -> bool:
    """Whether the inset hides fewer points in the upper left corner than in the lower right one."""
    if limits is None:
        return True
    u, v = ((a - limits[0]) / (limits[1] - limits[0]) for a in (x, y))
    wide, high = _INSET[0] + 2 * _EDGE[0], _INSET[1] + 2 * _EDGE[1] + 0.08
    return int(np.sum((u < wide) & (v > 1 - high))) <= int(np.sum((u > 1 - wide) & (v < high)))


def _histogram(top: Axes, d: Floats, median: float, half: float, quantity: Quantity, *, left: bool) -> None:
    """The differences within the limits of the bottom panel; those outside are counted."""
    (wide, high), (beside, above) = _INSET, _EDGE
    ax = top.inset_axes((beside, 1 - high - above, wide, high) if left else (1 - wide - above, 0.12, wide, high))
    ax.patch.set_alpha(0.7)
    inside = d[np.abs(d - median) <= half]
    ax.hist(inside, bins=min(40, max(8, int(np.sqrt(d.size) * 2))), color=BLUE, alpha=0.8, label="differences")
    ax.axvline(median, color=VERMILLION, lw=0.8)
    ax.set_yticks([])
    ax.tick_params(labelsize=5, length=2, pad=1)
    ax.set_xlabel(rf"$\Delta${quantity.symbol}", fontsize=5, labelpad=1)
    if inside.size < d.size:
        say(ax, f"{d.size - inside.size} outside", x=0.97, y=0.9, fontsize=5, ha="right")


def _errors(table: pl.DataFrame, name: str | None, both: NDArray[np.bool_]) -> Floats | None:
    if name is None:
        return None
    error = values(table, name)[both]
    return np.where(np.isfinite(error), error, 0.0)


def _zero(error: Floats | None, like: Floats) -> Floats:
    return np.zeros_like(like) if error is None else error


def _half_range(d: Floats, median: float) -> float:
    robust = 1.4826 * float(np.median(np.abs(d - median)))
    central = float(np.percentile(np.abs(d - median), 98))
    half = min(1.15 * float(np.abs(d - median).max()), max(5 * robust, 1.1 * central))
    return half if half > 0 else max(1e-3, 0.1 * abs(median))
