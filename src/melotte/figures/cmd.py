"""Colour-magnitude diagrams of a cluster (Fu et al. 2022, Fig. 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from ..core.words import plural
from ._common import (
    COLOUR_LABEL,
    FEH_FLAGS,
    FEH_LABEL,
    G_LABEL,
    RV_FLAGS,
    RV_LABEL,
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
from .look import DARK, DOUBLE, GREY, PLASMA, VIRIDIS, styled

if TYPE_CHECKING:
    from ..clusters.isochrones import Isochrone


@styled
def cmd_pair(
    members: pl.DataFrame,
    stars: pl.DataFrame,
    row: Row | None,
    *,
    cluster: str | None = None,
    isochrone: Isochrone | tuple[ArrayLike, ArrayLike] | None = None,
    isochrone_label: str | None = None,
    axes: Sequence[Axes] | None = None,
) -> Figure:
    """G against BP - RP: stars used for [Fe/H] coloured by it (left), for the RV coloured by it (right).

    Grey: members of the list. Open circles: matched stars whose [Fe/H] (left) or RV (right) is missing or not used.
    What cannot be drawn for want of a colour or magnitude is counted in the panel.

    Parameters
    ----------
    members : polars.DataFrame
        MEMBERS of one or of all clusters; may be empty.
    stars : polars.DataFrame
        MEMBER_STARS.
    row : polars.DataFrame or mapping or None
        CATALOGUE, or the cluster's row; ``distance_modulus`` and ``a_v`` place the isochrone.
    cluster : str, optional
        Name, where the tables hold several clusters.
    isochrone : Isochrone or (array_like, array_like), optional
        An isochrone, moved to the row's ``distance_modulus`` and ``a_v``; or apparent BP - RP and G (mag) as they are
        to be drawn. NaN breaks the line.
    isochrone_label : str, optional
        Its text in the legend; age and metallicity by default.
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
    if not members.is_empty():
        members, _, _ = one_cluster(members, None, title or cluster)
    figure, panels = make_axes(axes, (1, 2), (DOUBLE, DOUBLE * 0.48), sharex=axes is None, sharey=axes is None)
    flag = flags(stars)
    grey = values(members, "bp_rp"), values(members, "phot_g_mean_mag")
    matched = values(stars, "bp_rp"), values(stars, "phot_g_mean_mag")
    handles = _handles(grey, matched, flag)
    track = None
    remarks = _remarks(members, grey, stars, matched)
    if isochrone is not None:
        track = _track(isochrone, row)
        if track is not None:
            label = isochrone_label or isochrone_text(isochrone)
            handles.append(Line2D([], [], color=DARK, lw=0.9, ls=(0, (4, 2)), label=label))
        else:
            remarks.append("no distance or extinction: isochrone not drawn")

    for ax, name, used, cmap, label, minimum in (
        (panels[0], "feh", np.isin(flag, FEH_FLAGS), VIRIDIS, FEH_LABEL, 0.2),
        (panels[1], "rv", np.isin(flag, RV_FLAGS), PLASMA, RV_LABEL, 5.0),
    ):
        colour = values(stars, name)
        norm = Normalize(*colour_limits(colour[used], minimum=minimum))
        _panel(ax, grey, matched, colour, used, norm, cmap)
        if track is not None:
            ax.plot(*track, color=DARK, lw=0.9, ls=(0, (4, 2)), zorder=2.5, label="isochrone")
        if np.isfinite(colour).any():
            colour_bar(ax, norm, cmap, label, colour[used])
        else:
            say(ax, f"no star with {name.upper() if name == 'rv' else '[Fe/H]'}", x=0.97, y=0.97, ha="right", va="top")
        ax.set_xlabel(COLOUR_LABEL)
    panels[0].set_ylabel(G_LABEL)
    _limits(panels, grey, matched)
    feh, rv = value(row, "feh_med"), value(row, "rv_med")
    feh_text = rf"    [Fe/H]$_{{\rm med}}$ = {with_error(feh, value(row, 'feh_med_error'), 3)} dex"
    rv_text = rf"    RV$_{{\rm med}}$ = {with_error(rv, value(row, 'rv_med_error'), 2)} km s$^{{-1}}$"
    panels[0].set_title(title + (feh_text if np.isfinite(feh) else ""))
    panels[1].set_title(title + (rv_text if np.isfinite(rv) else ""))
    legend_above(panels[0], handles, own=axes is None, columns=4)
    if remarks:
        box = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1.5}
        say(panels[0], "\n".join(remarks), x=0.03, y=0.03, ha="left", va="bottom", fontsize=7.5, zorder=9, bbox=box)
    return figure


def _track(isochrone: Isochrone | tuple[ArrayLike, ArrayLike], row: Row | None) -> tuple[Floats, Floats] | None:
    if isinstance(isochrone, tuple):
        return np.asarray(isochrone[0], dtype=float), np.asarray(isochrone[1], dtype=float)
    modulus, a_v = value(row, "distance_modulus"), value(row, "a_v")
    if not (np.isfinite(modulus) and np.isfinite(a_v)):
        return None
    seen = drawn_points(isochrone.magnitudes(modulus, a_v))
    return values(seen, "bp_rp"), values(seen, "phot_g_mean_mag")


def _panel(
    ax: Axes,
    grey: tuple[Floats, Floats],
    matched: tuple[Floats, Floats],
    colour: Floats,
    used: NDArray[np.bool_],
    norm: Normalize,
    cmap: Colormap,
) -> None:
    ax.plot(*grey, ls="", marker="o", ms=1.8, mew=0, color=GREY, rasterized=True, zorder=1, label="members")
    x, y = matched
    there = np.isfinite(x) & np.isfinite(y)
    rest, filled = there & ~used, there & used & np.isfinite(colour)
    ax.scatter(x[rest], y[rest], s=14, marker="o", fc="none", ec=DARK, lw=0.6, zorder=3, label="not used")
    ax.scatter(
        x[filled], y[filled], s=16, c=colour[filled], cmap=cmap, norm=norm, ec="0.15", lw=0.3, zorder=4, label="used"
    )


def _handles(grey: tuple[Floats, Floats], matched: tuple[Floats, Floats], flag: NDArray[np.int64]) -> list[Line2D]:
    handles = []
    if np.isfinite(grey[0] + grey[1]).any():
        handles.append(Line2D([], [], ls="", marker="o", ms=2.5, mew=0, color=GREY, label="members"))
    drawn = np.isfinite(matched[0] + matched[1])
    if (drawn & np.isin(flag, (*RV_FLAGS, *FEH_FLAGS))).any():
        handles.append(
            Line2D([], [], ls="", marker="o", ms=4, mew=0.3, mfc="0.5", color="0.15", label="used (coloured)")
        )
    if (drawn & ~np.isin(flag, FEH_FLAGS)).any():
        handles.append(
            Line2D([], [], ls="", marker="o", ms=3.8, mew=0.6, mfc="none", color=DARK, label="matched, not used")
        )
    return handles


def _remarks(
    members: pl.DataFrame, grey: tuple[Floats, Floats], stars: pl.DataFrame, matched: tuple[Floats, Floats]
) -> list[str]:
    remarks = []
    for noun, frame, (x, y) in (("matched star", stars, matched), ("member", members, grey)):
        missing = int((~np.isfinite(x + y)).sum())
        lacks = [r"$G_{\rm BP}-G_{\rm RP}$"] * bool(np.isnan(x).any()) + ["$G$"] * bool(np.isnan(y).any())
        if frame.is_empty():
            remarks.append(f"no {noun}s in this table")
        elif missing:
            remarks.append(f"not drawn: {plural(missing, noun)} without {' or '.join(lacks)}")
    return remarks


def _limits(panels: Sequence[Axes], grey: tuple[Floats, Floats], matched: tuple[Floats, Floats]) -> None:
    """The observed stars set the limits, not the isochrone."""
    shown = [np.isfinite(x + y) for x, y in (grey, matched)]
    limits = [padded(np.concatenate([grey[i][shown[0]], matched[i][shown[1]]]), minimum=(0.4, 1.0)[i]) for i in (0, 1)]
    for ax in panels:
        if limits[0] is None:
            say(ax, "no star to draw")
        if limits[0] is not None and limits[1] is not None:
            ax.set_xlim(*limits[0])
            ax.set_ylim(limits[1][1], limits[1][0])
        else:
            ax.set_xlim(-0.5, 3.5)
            ax.set_ylim(20, 5)
