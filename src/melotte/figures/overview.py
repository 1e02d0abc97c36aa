"""The catalogue at a glance: uncertainty and scatter of RV and [Fe/H] against the number of stars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ._common import Floats, make_axes, plain_numbers, say, values
from .look import BLUE, DARK, DOUBLE, VERMILLION, styled

_PANELS = (
    ("n_rv", "rv_med_error", "rv_scatter", r"$N_{\rm RV}$", r"RV uncertainty, scatter (km s$^{-1}$)"),
    ("n_feh", "feh_med_error", "feh_scatter", r"$N_{\rm [Fe/H]}$", "[Fe/H] uncertainty, scatter (dex)"),
)


@styled
def catalogue_overview(catalogue: pl.DataFrame, *, axes: Sequence[Axes] | None = None) -> Figure:
    r"""Uncertainty of the median and star-to-star scatter against the number of stars, for RV and [Fe/H].

    The dashed line is the median of error x sqrt(N), divided by sqrt(N): what independent errors of one size give.

    Parameters
    ----------
    catalogue : polars.DataFrame
        CATALOGUE.
    axes : sequence of two Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = make_axes(axes, (1, 2), (DOUBLE, DOUBLE * 0.42))
    for ax, (count, error_name, scatter_name, x_label, y_label) in zip(panels, _PANELS, strict=True):
        n, error, scatter = (values(catalogue, name) for name in (count, error_name, scatter_name))
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xlabel(f"Number of stars {x_label}")
        ax.set_ylabel(y_label)
        drawn = (n > 0) & (error > 0)
        spread = (n > 0) & (scatter > 0)
        if not (drawn.any() or spread.any()):
            say(ax, "no cluster with a value")
            continue
        plain_numbers(ax.xaxis, ax.yaxis)
        style: dict[str, Any] = {"ls": "", "marker": "o", "ms": 3.0}
        ax.plot(n[spread], scatter[spread], mfc="none", mec=VERMILLION, mew=0.6, zorder=2, label="scatter", **style)
        ax.plot(n[drawn], error[drawn], color=BLUE, mew=0, alpha=0.7, zorder=3, label="uncertainty", **style)
        handles = [
            Line2D([], [], color=BLUE, mew=0, label=f"uncertainty ({int(drawn.sum())} clusters)", **style),
            Line2D([], [], mfc="none", mec=VERMILLION, mew=0.6, label=f"scatter ({int(spread.sum())})", **style),
        ]
        if drawn.any():
            line = _expected(n[drawn], error[drawn])
            ax.plot(*line, color=DARK, lw=0.8, ls=(0, (4, 2)), zorder=1, label="expected")
            handles.append(Line2D([], [], color=DARK, lw=0.8, ls=(0, (4, 2)), label=r"$\propto N^{-1/2}$"))
        ax.set_xlim(0.8, 1.4 * max(n[drawn | spread].max(), 10))
        seen = np.concatenate([error[drawn], scatter[spread]])
        ax.set_ylim(0.6 * seen.min(), 1.6 * seen.max())
        ax.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=7.5)
    return figure


def _expected(n: Floats, error: Floats) -> tuple[Floats, Floats]:
    x = np.array([1.0, max(n.max(), 2.0)])
    return x, float(np.median(error * np.sqrt(n))) / np.sqrt(x)
