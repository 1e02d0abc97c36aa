"""Kiel diagram and [Fe/H] against temperature of a cluster (Fu et al. 2022, Fig. 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from ..config import MetallicityConfig
from ._common import (
    FEH_FLAGS,
    FEH_LABEL,
    LOGG_LABEL,
    TEFF_LABEL,
    Floats,
    Row,
    colour_bar,
    colour_limits,
    drawn_points,
    flags,
    isochrone_text,
    legend_above,
    make_axes,
    one_cluster,
    padded,
    say,
    value,
    values,
    with_error,
)
from .look import DARK, PLASMA, SINGLE, VERMILLION, VIRIDIS, styled

if TYPE_CHECKING:
    from ..clusters.isochrones import Isochrone

#: Marker of each kind of star: filled = [Fe/H] used, open = velocity used only, cross = not used at all.
KINDS = (("used for [Fe/H]", "o", True), ("RV only", "o", False), ("rejected by RV", "x", False))


def kinds(flag: NDArray[np.int64]) -> tuple[NDArray[np.bool_], ...]:
    """Masks in the order of `KINDS`."""
    return np.isin(flag, FEH_FLAGS), flag == 1, ~np.isin(flag, (1, *FEH_FLAGS))


def scatter_by_flag(
    ax: Axes,
    x: Floats,
    y: Floats,
    colour: Floats,
    flag: NDArray[np.int64],
    *,
    norm: Normalize,
    cmap: Colormap = VIRIDIS,
    size: float = 14.0,
) -> int:
    """Stars by flag: filled, open, cross; coloured where there is a colour value, grey where not.

    Returns the number of stars drawn.
    """
    drawn = 0
    for (label, marker, filled), mask in zip(KINDS, kinds(flag), strict=True):
        for known in (False, True):
            m = mask & np.isfinite(x) & np.isfinite(y) & (np.isfinite(colour) == known)
            if not m.any():
                continue
            drawn += int(m.sum())
            mapped = ScalarMappable(norm, cmap).to_rgba(colour[m]) if known else "0.6"
            style: dict[str, Any] = (
                {"facecolors": mapped, "edgecolors": "0.15", "linewidths": 0.3}
                if filled
                else {"facecolors": mapped, "linewidths": 0.8}
                if marker == "x"
                else {"facecolors": "none", "edgecolors": mapped, "linewidths": 0.8}
            )
            z = 4.0 if filled else 3.0
            ax.scatter(x[m], y[m], s=size, marker=marker, zorder=z, label=label, **style)
    return drawn


def flag_handles(flag: NDArray[np.int64]) -> list[Line2D]:
    """Legend entries with the number of stars of each kind; kinds without stars are left out."""
    handles = []
    for (label, marker, filled), mask in zip(KINDS, kinds(flag), strict=True):
        if mask.any():
            label = "not used" if marker == "x" and 2 in flag else label  # no velocity rejects it
            handles.append(
                Line2D(
                    [],
                    [],
                    ls="",
                    marker=marker,
                    ms=3.8,
                    mew=0.8,
                    color=DARK,
                    mfc="0.5" if filled else "none",
                    label=f"{label} ({int(mask.sum())})",
                )
            )
    return handles


def giant_boundary(stars: pl.DataFrame, settings: MetallicityConfig) -> tuple[Floats, Floats]:
    """log g that divides giants from dwarfs below the cool-dwarf limit, from the stars' own thresholds."""
    low, cool = settings.teff[0].value, settings.cool_dwarf_teff.value
    teff, limit = values(stars, "teff"), values(stars, "logg_giant")
    ok = np.isfinite(teff) & np.isfinite(limit) & (teff <= cool)
    grid = np.linspace(low, cool, 41)
    if not ok.any():
        return grid, np.full_like(grid, settings.dwarf_logg.value)
    order = np.argsort(teff[ok])
    return grid, np.interp(grid, teff[ok][order], limit[ok][order])


@styled
def kiel(
    stars: pl.DataFrame,
    row: Row | None,
    *,
    cluster: str | None = None,
    isochrone: Isochrone | tuple[ArrayLike, ArrayLike] | None = None,
    isochrone_label: str | None = None,
    settings: MetallicityConfig | None = None,
    axes: Sequence[Axes] | None = None,
) -> Figure:
    """log g against Teff coloured by [Fe/H] (top), [Fe/H] against Teff coloured by log g (bottom).

    Hatched: temperatures whose [Fe/H] is not used. Grey: cool dwarfs, bounded in log g by the stars' own
    ``logg_giant`` (interpolated in temperature), by ``settings.dwarf_logg`` where they have none. Bottom: the
    cluster's [Fe/H] with its error (line and band).

    Parameters
    ----------
    stars : polars.DataFrame
        MEMBER_STARS.
    row : polars.DataFrame or mapping or None
        CATALOGUE, or the cluster's row.
    cluster : str, optional
        Name, where the tables hold several clusters.
    isochrone : Isochrone or (array_like, array_like), optional
        An isochrone, or Teff (K) and log g (dex) along it; NaN breaks the line.
    isochrone_label : str, optional
        Its text in the legend; age and metallicity by default.
    settings : MetallicityConfig, optional
        The limits of the run; the defaults otherwise.
    axes : sequence of two Axes, optional
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
    settings = settings or MetallicityConfig()
    figure, (top, bottom) = make_axes(axes, (2, 1), (SINGLE, SINGLE * 1.55), sharex=axes is None)
    teff, logg, feh = (values(stars, name) for name in ("teff", "logg", "feh"))
    flag = flags(stars)

    feh_norm, logg_norm = Normalize(*colour_limits(feh, minimum=0.2)), Normalize(*colour_limits(logg, minimum=0.5))
    _remark(top, scatter_by_flag(top, teff, logg, feh, flag, norm=feh_norm), stars.height, r"$\log\,g$")
    _remark(bottom, scatter_by_flag(bottom, teff, feh, logg, flag, norm=logg_norm, cmap=PLASMA), stars.height, "[Fe/H]")
    colour_bar(top, feh_norm, VIRIDIS, FEH_LABEL, feh)
    colour_bar(bottom, logg_norm, PLASMA, LOGG_LABEL, logg)

    handles: list[Artist] = list(flag_handles(flag))
    if isochrone is not None:
        if isinstance(isochrone, tuple):
            track = np.asarray(isochrone[0], dtype=float), np.asarray(isochrone[1], dtype=float)
        else:
            points = drawn_points(isochrone.points)
            track = values(points, "teff"), values(points, "logg")
        top.plot(*track, color=DARK, lw=0.9, zorder=2, label="isochrone")
        handles.append(Line2D([], [], color=DARK, lw=0.9, label=isochrone_label or isochrone_text(isochrone)))
    _limits(top, bottom, teff, logg, feh, settings)
    handles += _shade(top, bottom, stars, settings)

    med, error = value(row, "feh_med"), value(row, "feh_med_error")
    if np.isfinite(med):
        bottom.axhline(med, color=VERMILLION, lw=1.0, zorder=2, label="feh_med")
        if np.isfinite(error):
            bottom.axhspan(med - error, med + error, color=VERMILLION, alpha=0.25, lw=0, zorder=1.5)
        handles.append(Line2D([], [], color=VERMILLION, lw=1.0, label=r"[Fe/H]$_{\rm med}$"))
        title += rf"    [Fe/H]$_{{\rm med}}$ = {with_error(med, error, 3)} dex"

    top.set_ylabel(LOGG_LABEL)
    bottom.set_ylabel(FEH_LABEL)
    bottom.set_xlabel(TEFF_LABEL)
    if axes is not None:
        top.set_xlabel(TEFF_LABEL)
    top.set_title(title)
    legend_above(top, handles, own=axes is None, columns=2)
    return figure


def _remark(ax: Axes, drawn: int, total: int, name: str) -> None:
    """Say how many stars the panel lacks."""
    if not drawn:
        say(ax, rf"no star with $T_{{\rm eff}}$ and {name}", zorder=9)
    elif drawn < total:
        text = rf"not drawn: {total - drawn} without $T_{{\rm eff}}$ or {name}"
        box = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1.0}
        say(ax, text, x=0.03, y=0.03, ha="left", va="bottom", fontsize=7, zorder=9, bbox=box)


def _limits(top: Axes, bottom: Axes, teff: Floats, logg: Floats, feh: Floats, settings: MetallicityConfig) -> None:
    """The selection range is always in view; hot stars extend it up to a sensible end."""
    low, high = settings.teff[0].value, settings.teff[1].value
    seen = teff[np.isfinite(teff)]
    x = min([low - 300, *(seen - 150)]), max([high + 300, *(seen + 150)])
    for ax in (top, bottom):
        ax.set_xlim(x[1], x[0])
    y = padded(np.append(logg, [1.5, 5.0]), minimum=0.1)
    if y is not None:
        top.set_ylim(y[1], y[0])
    y = padded(feh, fraction=0.12, minimum=0.15)
    if y is not None:
        bottom.set_ylim(*y)
    else:
        bottom.set_ylim(-0.6, 0.6)


def _shade(top: Axes, bottom: Axes, stars: pl.DataFrame, settings: MetallicityConfig) -> list[Patch]:
    low, high = settings.teff[0].value, settings.teff[1].value
    for ax in (top, bottom):
        right, left = sorted(ax.get_xlim())
        for a, b in ((right, low), (high, left)):
            ax.axvspan(a, b, fc="none", ec="0.7", hatch="////", lw=0, zorder=0.5, label="rejected Teff")
    grid, boundary = giant_boundary(stars, settings)
    floor = max(top.get_ylim())
    top.fill_between(grid, boundary, floor, color="0.88", lw=0, zorder=0.4, label="cool dwarfs")
    bottom.axvspan(low, settings.cool_dwarf_teff.value, color="0.93", lw=0, zorder=0.4, label="cool dwarfs")
    return [
        Patch(fc="none", ec="0.7", hatch="//////", lw=0, label=r"$T_{\rm eff}$ rejected"),
        Patch(fc="0.88", lw=0, label="cool dwarfs rejected"),
    ]
