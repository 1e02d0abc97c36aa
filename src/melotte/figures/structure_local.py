"""Near the Sun: young clusters, molecular clouds and the Radcliffe wave (Fu et al. 2022, Figs. 13 and 14)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ._common import (
    FEH_LABEL,
    Floats,
    colour_bar,
    colour_limits,
    legend_above,
    make_axes,
    number,
    padded,
    say,
    values,
)
from .look import BLUE, DARK, DOUBLE, GREY, LIGHT, PLASMA, SINGLE, VERMILLION, VIRIDIS, styled
from .structure import coloured

X_LABEL: Final = "$X$ (pc)"
Y_LABEL: Final = "$Y$ (pc)"
Z_LABEL: Final = "$Z$ (pc)"
_SUN: Final = "\N{WHITE SUN WITH RAYS}"


def _shown_feh(table: pl.DataFrame, minimum: int) -> Floats:
    feh = values(table, "feh_med")
    return np.where(values(table, "n_feh") >= minimum, feh, np.nan) if "n_feh" in table.columns else feh


def _sun(ax: Axes) -> None:
    ax.plot([0], [0], color=VERMILLION, marker="*", ms=6, ls="", zorder=6)


@styled
def near_clouds(
    clusters: pl.DataFrame,
    sightlines: pl.DataFrame,
    *,
    minimum_feh_stars: int = 3,
    reach: float = 2500.0,
    axes: Sequence[Axes] | None = None,
) -> Figure:
    """Young clusters over molecular clouds in X-Y, by [Fe/H] and by age (Fu et al. 2022, Fig. 13).

    Parameters
    ----------
    clusters : polars.DataFrame
        `melotte.schema.structure.NEAR_CLOUDS`.
    sightlines : polars.DataFrame
        `melotte.schema.structure.SIGHTLINES`; drawn with their distance errors.
    minimum_feh_stars : int
        Fewest stars behind a [Fe/H] that is shown; other clusters are open symbols.
    reach : float
        Half-width of the panels at most [pc].
    axes : sequence of two Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = make_axes(axes, (1, 2), (DOUBLE, DOUBLE * 0.42))
    x, y = values(clusters, "x"), values(clusters, "y")
    far = np.concatenate([np.abs(v) for t in (clusters, sightlines) for v in (values(t, "x"), values(t, "y"))])
    width = min(reach, float(np.nanmax(far, initial=100.0)) * 1.05)
    feh, age = _shown_feh(clusters, minimum_feh_stars), values(clusters, "age")
    looks: list[tuple[Floats, Normalize, object, str]] = [
        (feh, Normalize(*colour_limits(feh, minimum=0.2)), VIRIDIS, FEH_LABEL)
    ]
    looks.append((age, Normalize(0.0, float(np.nanmax(age, initial=1.0))), PLASMA, "Age (Myr)"))
    for ax, (colour, norm, cmap, label) in zip(panels, looks, strict=True):
        _draw_sightlines(ax, sightlines)
        coloured(ax, x, y, colour, norm, cmap, size=16)
        _sun(ax)
        ax.set_xlim(-width, width)
        ax.set_ylim(-width, width)
        ax.set_aspect("equal")
        ax.set_xlabel(X_LABEL)
        ax.set_ylabel(Y_LABEL)
        if np.isfinite(colour).any():
            colour_bar(ax, norm, cmap, label, colour)  # type: ignore[arg-type]
        else:
            say(ax, f"no {label}", y=0.95)
    handles = [
        Line2D([], [], color=LIGHT, marker="s", ms=3, lw=0.8, label="molecular clouds"),
        Line2D([], [], color=DARK, marker="o", ms=4, ls="", label="young clusters"),
        Line2D([], [], color=VERMILLION, marker="*", ms=6, ls="", label="Sun"),
    ]
    legend_above(panels[0], handles, own=axes is None, columns=3)
    return figure


def _draw_sightlines(ax: Axes, sightlines: pl.DataFrame) -> None:
    """Each sightline at its median distance, with a bar from the 16th to the 84th percentile along it."""
    x, y, d, low, high = (values(sightlines, c) for c in ("x", "y", "distance", "distance_p16", "distance_p84"))
    ends = np.stack([np.stack([x * r / d, y * r / d], axis=1) for r in (low, high)], axis=1)
    for a, b in ends[np.isfinite(ends).all(axis=(1, 2))]:
        ax.plot([a[0], b[0]], [a[1], b[1]], color=LIGHT, lw=0.8, zorder=0)
    ax.scatter(x, y, s=7, marker="s", color=LIGHT, lw=0, zorder=1)


@styled
def wave(
    clusters: pl.DataFrame,
    curve: pl.DataFrame,
    sightlines: pl.DataFrame | None = None,
    *,
    minimum_feh_stars: int = 3,
    axes: Sequence[Axes] | None = None,
) -> Figure:
    """The Radcliffe wave and the clusters along it, in X-Y and Y-Z, by [Fe/H] (Fu et al. 2022, Fig. 14).

    Parameters
    ----------
    clusters : polars.DataFrame
        `melotte.schema.structure.ALONG_WAVE`; those that are not members are small grey symbols.
    curve : polars.DataFrame
        Points ``x``, ``y``, ``z`` [pc] of the wave.
    sightlines : polars.DataFrame, optional
        `melotte.schema.structure.SIGHTLINES`.
    minimum_feh_stars : int
        Fewest stars behind a [Fe/H] that is shown; other clusters are open symbols.
    axes : sequence of two Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = make_axes(axes, (1, 2), (DOUBLE, DOUBLE * 0.47))
    members, others = clusters.filter("member"), clusters.filter(~pl.col("member"))
    feh = _shown_feh(members, minimum_feh_stars)
    norm = Normalize(*colour_limits(feh, minimum=0.2))
    for ax, (across, up), labels in zip(
        panels, (("x", "y"), ("y", "z")), ((X_LABEL, Y_LABEL), (Y_LABEL, Z_LABEL)), strict=True
    ):
        if sightlines is not None:
            ax.scatter(values(sightlines, across), values(sightlines, up), s=6, marker="s", color=LIGHT, lw=0, zorder=0)
        ax.plot(values(curve, across), values(curve, up), color=BLUE, lw=1.2, zorder=1)
        ax.scatter(values(others, across), values(others, up), s=4, color=GREY, lw=0, zorder=1)
        coloured(ax, values(members, across), values(members, up), feh, norm, VIRIDIS, size=18)
        _sun(ax)
        both = [np.concatenate([values(curve, c), values(members, c), [0.0]]) for c in (across, up)]
        (left, right), (bottom, top) = (padded(b, fraction=0.12, minimum=10.0) or (-1.0, 1.0) for b in both)
        if up == "y":  # the same scale in both directions
            half = 0.5 * max(right - left, top - bottom)
            left, right = 0.5 * (left + right) - half, 0.5 * (left + right) + half
            bottom, top = 0.5 * (bottom + top) - half, 0.5 * (bottom + top) + half
            ax.set_box_aspect(1.0)
        ax.set_xlim(left, right)
        ax.set_ylim(bottom, top)
        ax.set_xlabel(labels[0])
        ax.set_ylabel(labels[1])
    if np.isfinite(feh).any():
        colour_bar(panels, norm, VIRIDIS, FEH_LABEL, feh)
    handles = [
        Line2D([], [], color=BLUE, lw=1.2, label="wave"),
        Line2D([], [], color=DARK, marker="o", ms=4, ls="", label="clusters along it"),
        Line2D([], [], color=GREY, marker="o", ms=2.5, ls="", label="other young clusters"),
    ]
    if sightlines is not None:
        handles.append(Line2D([], [], color=LIGHT, marker="s", ms=3, ls="", label="molecular clouds"))
    legend_above(panels[0], handles, own=axes is None, columns=4)
    return figure


@styled
def feh_along_wave(clusters: pl.DataFrame, *, minimum_feh_stars: int = 3, ax: Axes | None = None) -> Figure:
    """[Fe/H] of the clusters along the wave against the length along it.

    Parameters
    ----------
    clusters : polars.DataFrame
        `melotte.schema.structure.ALONG_WAVE`.
    minimum_feh_stars : int
        Clusters of fewer stars are open symbols.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, (panel,) = make_axes(ax, (1, 1), (SINGLE, SINGLE * 0.75))
    members = clusters.filter(pl.col("member") & pl.col("feh_med").is_not_null())
    panel.set_xlabel("Length along the wave (pc)")
    panel.set_ylabel(FEH_LABEL)
    if members.is_empty():
        say(panel, "no cluster with [Fe/H] along the wave")
        return figure
    s, feh, error = (values(members, c) for c in ("along", "feh_med", "feh_med_error"))
    firm = np.isfinite(_shown_feh(members, minimum_feh_stars))
    panel.errorbar(s, feh, yerr=np.nan_to_num(error), ls="", color=GREY, lw=0.6, zorder=1)
    panel.scatter(s[firm], feh[firm], s=12, color=BLUE, lw=0, zorder=3, label=f"{minimum_feh_stars} or more stars")
    panel.scatter(s[~firm], feh[~firm], s=12, facecolors="white", edgecolors=BLUE, lw=0.6, zorder=2, label="fewer")
    panel.axhline(0.0, color=GREY, lw=0.5, zorder=0)
    # One wrong [Fe/H] of a single star does not press the rest together.
    shown = feh[firm] if firm.any() else feh
    low, high = float(shown.min()) - 0.12, float(shown.max()) + 0.12
    panel.set_ylim(low, high)
    for x, y in zip(s, feh, strict=True):
        if not low <= y <= high:
            below = y < low
            panel.annotate(
                number(y, 2, sign=True),
                (x, low if below else high),
                xytext=(0, 12 if below else -12),
                textcoords="offset points",
                fontsize=6,
                ha="center",
                va="bottom" if below else "top",
                color=BLUE,
                arrowprops={"arrowstyle": "->", "lw": 0.5, "color": BLUE, "shrinkB": 0},
            )
    panel.legend(loc="best", fontsize=6)
    return figure
