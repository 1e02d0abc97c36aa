"""The disc: energy and angular momentum with the ridge, and the flare (Fu et al. 2022, Figs. 11 and 12)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..structure import OutliersResult
from ._common import (
    FEH_LABEL,
    Floats,
    colour_bar,
    colour_limits,
    display_name,
    legend_above,
    make_axes,
    padded,
    say,
    values,
)
from .look import DARK, DOUBLE, GREY, PLASMA, SINGLE, VERMILLION, VIRIDIS, styled

L_LABEL: Final = r"$L_Z$ ($10^3$ kpc km s$^{-1}$)"
E_LABEL: Final = r"$E$ ($10^5$ km$^2$ s$^{-2}$)"
#: Smallest excess shown on a logarithmic axis [km2/s2].
_LEAST: Final = 1.0
#: So many clusters at the ends of the ridge are named, the farthest.
_NAMED_ENDS: Final = 5


def coloured(ax: Axes, x: Floats, y: Floats, c: Floats, norm: Normalize, cmap: Any, *, size: float = 11) -> None:
    """Filled symbols by colour; open ones where there is no colour."""
    known = np.isfinite(c)
    ax.scatter(x[~known], y[~known], s=size, facecolors="none", edgecolors="0.45", lw=0.5, zorder=2)
    ax.scatter(x[known], y[known], s=size, c=c[known], cmap=cmap, norm=norm, lw=0, zorder=3)


def label_points(ax: Axes, x: Floats, y: Floats, names: Sequence[str], *, turn: float) -> None:
    """Names beside points, in the order of height and clear of each other; left of points beyond ``turn``."""
    if not names:
        return
    (low, high), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    across = (x - low) / (high - low)
    up = np.log(y / bottom) / np.log(top / bottom) if ax.get_yscale() == "log" else (y - bottom) / (top - bottom)
    order = np.argsort(up)
    place = up[order] + 0.03
    gap = min(0.05, 0.94 / len(names))
    for n in range(1, len(place)):
        place[n] = max(place[n], place[n - 1] + gap)
    place[-1] = min(place[-1], 0.96)
    for n in range(len(place) - 2, -1, -1):
        place[n] = min(place[n], place[n + 1] - gap)
    for i, height in zip(order, place, strict=True):
        beside = (across > across[i]) & (across < across[i] + 0.3) & (np.abs(up - up[i]) < 0.04)
        left = bool(across[i] > turn or (beside.any() and across[i] > 0.3))
        ax.annotate(
            display_name(names[i]),
            (x[i], y[i]),
            xytext=(across[i] + (-0.1 if left else 0.04), height),
            textcoords="axes fraction",
            ha="right" if left else "left",
            va="center",
            fontsize=6,
            zorder=12,
            arrowprops={"arrowstyle": "-", "lw": 0.3, "color": "0.5", "shrinkA": 0, "shrinkB": 2},
        )


@styled
def integrals_of_motion(
    result: OutliersResult,
    catalogue: pl.DataFrame,
    *,
    minimum_feh_stars: int = 3,
    axes: Sequence[Axes] | None = None,
) -> Figure:
    """Energy against angular momentum, and the energy above the circular orbit (Fu et al. 2022, Fig. 11).

    Filled symbols have [Fe/H] of enough stars, open ones have not. The line is the ridge, the dashed line the circular
    orbit; in the second panel the dotted line is the limit of the stated false-alarm rate for a cluster without
    errors. Named are the clusters off the ridge, and in the first panel the five farthest along it.

    Parameters
    ----------
    result : OutliersResult
        From `melotte.structure.outliers`.
    catalogue : polars.DataFrame
        ``cluster``, ``feh_med``, ``n_feh``.
    minimum_feh_stars : int
        Fewest stars behind a [Fe/H] that is shown.
    axes : sequence of two Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = make_axes(axes, (1, 2), (DOUBLE, DOUBLE * 0.46))
    table = result.frame.filter(pl.col("reason").is_null())
    columns = [c for c in ("feh_med", "n_feh") if c in catalogue.columns]
    table = table.join(catalogue.select("cluster", *columns), on="cluster", how="left", maintain_order="left")
    feh = values(table, "feh_med")
    if "n_feh" in table.columns:
        feh = np.where(values(table, "n_feh") >= minimum_feh_stars, feh, np.nan)
    l_z, energy, excess = (values(table, c) for c in ("l_z", "energy", "excess"))
    judged = "off" if table["off"].null_count() < table.height else "off_ignoring"
    off, end = (np.array(table[c].fill_null(False).to_list(), dtype=bool) for c in (judged, "end"))
    norm = Normalize(*colour_limits(feh, minimum=0.2))
    main, above = panels
    for ax in panels:
        ax.set_xlabel(L_LABEL)
    main.set_ylabel(E_LABEL)
    above.set_ylabel(r"$E-E_{\rm circ}(L_Z)$ (km$^2$ s$^{-2}$)")
    coloured(main, l_z / 1e3, energy / 1e5, feh, norm, VIRIDIS)
    shown = np.maximum(excess, _LEAST)
    above.set_yscale("log")
    coloured(above, l_z / 1e3, shown, feh, norm, VIRIDIS)
    limits = padded(l_z / 1e3, fraction=0.08)
    for ax in panels:
        ax.set_xlim(limits)
    main.set_ylim(padded(energy / 1e5, fraction=0.08))
    above.set_ylim(0.7 * max(float(shown.min()), _LEAST), 2.5 * float(shown.max()))
    if result.circular is not None and result.ridge is not None and limits is not None:
        grid = np.linspace(max(limits[0], 0.02), limits[1], 200)
        circle, mean = result.circular.energy(grid * 1e3), result.ridge.mean_excess(grid * 1e3)
        rate = getattr(result.settings, "false_alarm", 1e-3)
        main.plot(grid, circle / 1e5, color=DARK, lw=0.6, ls="--", zorder=1)
        main.plot(grid, (circle + mean) / 1e5, color=DARK, lw=0.8, zorder=1)
        above.plot(grid, mean, color=DARK, lw=0.8, zorder=1)
        above.plot(grid, -np.log(rate) * mean, color=VERMILLION, lw=0.8, ls=":", zorder=1)
        legend_above(
            main,
            [
                Line2D([], [], color=DARK, lw=0.8, label="thin-disc ridge"),
                Line2D([], [], color=DARK, lw=0.6, ls="--", label="circular orbit"),
                Line2D([], [], color=VERMILLION, lw=0.8, ls=":", label=f"false-alarm rate {rate:g}"),
                Line2D([], [], ls="", marker="o", ms=3.3, mfc="none", mec="0.45", mew=0.5, label="no [Fe/H]"),
            ],
            own=axes is None,
            columns=4,
        )
    away = np.where(end, np.abs(values(table, "end_deviation")), 0.0)
    far = end & (away >= np.sort(away)[-min(_NAMED_ENDS, len(away))])
    for ax, y, named, turn in ((main, energy / 1e5, off | far, 0.25), (above, shown, off, 0.6)):
        names = [n for n, wanted in zip(table["cluster"], named, strict=True) if wanted]
        label_points(ax, l_z[named] / 1e3, y[named], names, turn=turn)
    if np.isfinite(feh).any():
        colour_bar(panels, norm, VIRIDIS, FEH_LABEL, feh)
    return figure


@styled
def flare(clusters: pl.DataFrame, curve: pl.DataFrame, *, axes: Sequence[Axes] | None = None) -> Figure:
    """Height against Galactocentric radius, coloured by rotation: all, younger, older (Fu et al. 2022, Fig. 12).

    The lines are plus and minus one and three times the fitted scale, the band the 16th to 84th percentile of the
    first.

    Parameters
    ----------
    clusters : polars.DataFrame
        ``r_gc``, ``z_gc`` [kpc], ``group`` and, for the colour, ``v_phi`` [km/s]: `FlareResult.clusters`.
    curve : polars.DataFrame
        `melotte.schema.structure.FLARE_CURVE`.
    axes : sequence of three Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = make_axes(axes, (3, 1), (SINGLE * 1.25, SINGLE * 1.9), sharex=axes is None, sharey=axes is None)
    R, z, v = (values(clusters, c) for c in ("r_gc", "z_gc", "v_phi"))
    norm = Normalize(*colour_limits(v, minimum=20.0))
    across, up = padded(R), padded(np.concatenate([z, -z]))
    for ax, name in zip(panels, ("all", "younger", "older"), strict=True):
        inside = (
            np.ones(len(R), dtype=bool)
            if name == "all"
            else np.array([g == name for g in clusters["group"]], dtype=bool)
        )
        ax.axhline(0.0, color=GREY, lw=0.5, zorder=0)
        part = curve.filter(pl.col("group") == name)
        r, h, low, high = (values(part, c) for c in ("r_gc", "scale", "scale_p16", "scale_p84"))
        for sign in (-1.0, 1.0):
            ax.fill_between(r, sign * low, sign * high, color="0.8", lw=0, zorder=0)
            ax.plot(r, sign * h, color=DARK, lw=0.8, zorder=1)
            ax.plot(r, 3.0 * sign * h, color=DARK, lw=0.6, ls="--", zorder=1)
        coloured(ax, R[inside], z[inside], v[inside], norm, PLASMA, size=9)
        ax.set_ylabel(r"$Z_{\rm GC}$ (kpc)")
        ax.set_xlim(across)
        ax.set_ylim(up)
        say(ax, f"{name} ({int(inside.sum())})", x=0.03, y=0.9, ha="left")
    panels[-1].set_xlabel(r"$R_{\rm GC}$ (kpc)")
    if np.isfinite(v).any():
        colour_bar(panels, norm, PLASMA, r"$V_\phi$ (km s$^{-1}$)", v)
    handles = [
        Line2D([], [], color=DARK, lw=0.8, label=r"$\pm h(R)$"),
        Line2D([], [], color=DARK, lw=0.6, ls="--", label=r"$\pm 3\,h(R)$"),
    ]
    legend_above(panels[0], handles, own=axes is None, columns=2)
    return figure
