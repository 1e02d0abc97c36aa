"""Recovered minus true, for a simulated survey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ._common import Floats, make_axes, number, plain_numbers, say, values
from .look import BLUE, DARK, DOUBLE, VERMILLION, styled

#: Pulls beyond this are drawn at the edge as triangles.
_EDGE = 5.0


@dataclass(frozen=True)
class Pulls:
    """(recovered - true) / error of the clusters that have all three, and their numbers of stars."""

    pull: Floats
    n: Floats

    @property
    def within_one(self) -> float:
        """Fraction within one sigma."""
        return float(np.mean(np.abs(self.pull) <= 1)) if self.pull.size else float("nan")

    @property
    def within_three(self) -> float:
        """Fraction within three sigma."""
        return float(np.mean(np.abs(self.pull) <= 3)) if self.pull.size else float("nan")


def pulls(
    catalogue: pl.DataFrame,
    truth: pl.DataFrame,
    *,
    value: str,
    error: str,
    count: str,
    true: str,
    minimum_stars: int = 1,
) -> Pulls:
    """Join a catalogue with the truth on ``cluster`` and divide the difference by the error.

    Parameters
    ----------
    catalogue : polars.DataFrame
        CATALOGUE.
    truth : polars.DataFrame
        ``cluster`` and the true value.
    value, error, count : str
        Columns of the catalogue: the value, its uncertainty, the number of stars behind it.
    true : str
        Column of the truth.
    minimum_stars : int
        Clusters of fewer stars are left out.

    Returns
    -------
    Pulls
    """
    left = catalogue.select(
        "cluster",
        pl.col(value).cast(pl.Float64).alias("v"),
        pl.col(error).cast(pl.Float64).alias("e"),
        pl.col(count).cast(pl.Float64).alias("n"),
    )
    right = truth.select("cluster", pl.col(true).cast(pl.Float64).alias("t"))
    both = left.join(right, on="cluster", how="inner").drop_nulls()
    both = both.filter((pl.col("e") > 0) & (pl.col("n") >= minimum_stars))
    difference = values(both, "v") - values(both, "t")
    return Pulls(difference / values(both, "e"), values(both, "n"))


@styled
def recovery(
    catalogue: pl.DataFrame,
    truth: pl.DataFrame,
    *,
    rv: str = "rv_corrected",
    minimum_stars: int = 5,
    note: str = "simulated data",
    axes: Sequence[Axes] | None = None,
) -> Figure:
    """(Recovered - true) / error of RV (top) and [Fe/H] (bottom): against the number of stars, and its distribution.

    The distributions and the numbers in them are of clusters with at least ``minimum_stars`` stars, drawn dark on the
    left. The curve is the Gaussian of unit variance, not a fit. Values beyond 5 are triangles at the edge.

    Parameters
    ----------
    catalogue : polars.DataFrame
        CATALOGUE.
    truth : polars.DataFrame
        ``cluster``, ``rv`` (km/s) and ``feh`` (dex).
    rv : str
        Column of the catalogue compared with the true RV; its uncertainty is ``<rv>_error``.
    minimum_stars : int
        Fewest stars of a cluster that counts.
    note : str
        Said above the figure, so that nobody takes it for an observation.
    axes : sequence of four Axes, optional
        Where to draw, row by row.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = make_axes(
        axes,
        (2, 2),
        (DOUBLE, DOUBLE * 0.58),
        sharey="row" if axes is None else False,
        sharex="col" if axes is None else False,
        width_ratios=(2.2, 1),
    )
    for i, (name, column, count, true) in enumerate(
        (("RV", rv, "n_rv", "rv"), ("[Fe/H]", "feh_med", "n_feh", "feh")),
    ):
        found = pulls(catalogue, truth, value=column, error=f"{column}_error", count=count, true=true)
        kept = found.n >= minimum_stars
        left, right = panels[2 * i], panels[2 * i + 1]
        _against_n(left, found, kept)
        left.set_ylabel(rf"$\Delta${name} $/\,\sigma$")
        _distribution(right, Pulls(found.pull[kept], found.n[kept]), rf"$N\geq{minimum_stars}$")
    for ax in (panels[2], panels[3]) if axes is None else panels:
        ax.set_xlabel("Number of stars used" if ax in (panels[0], panels[2]) else "Probability density")
    panels[0].set_title(f"recovered − true ({note})")
    return figure


def _against_n(ax: Axes, found: Pulls, kept: NDArray[np.bool_]) -> None:
    ax.set_xscale("log")
    plain_numbers(ax.xaxis)
    ax.set_ylim(-_EDGE, _EDGE)
    for half, grey in ((3, "0.94"), (1, "0.86")):
        ax.axhspan(-half, half, color=grey, lw=0, zorder=0)
    ax.axhline(0, color=DARK, lw=0.6, zorder=1)
    if not found.pull.size:
        say(ax, "no cluster with a value, an error and a truth", y=0.6)
        ax.set_xlim(0.8, 100)
        return
    ax.set_xlim(0.8, 1.4 * max(found.n.max(), 10))
    shown = np.clip(found.pull, -_EDGE * 0.97, _EDGE * 0.97)
    for mask, face in ((~kept, "none"), (kept, BLUE)):
        for side, marker in ((np.abs(found.pull) <= _EDGE, "o"), (found.pull > _EDGE, "^"), (found.pull < -_EDGE, "v")):
            m = mask & side
            ax.plot(
                found.n[m],
                shown[m],
                ls="",
                marker=marker,
                ms=3.0,
                mfc=face,
                mec=BLUE,
                mew=0.5,
                alpha=0.8,
                zorder=3,
                label="counted" if face != "none" else "few stars",
            )


def _distribution(ax: Axes, found: Pulls, label: str) -> None:
    ax.set_ylim(-_EDGE, _EDGE)
    grid = np.linspace(-_EDGE, _EDGE, 201)
    ax.plot(
        np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), grid, color=VERMILLION, lw=1.0, zorder=3, label="unit Gaussian"
    )
    top = 0.4
    if found.pull.size:
        edges = np.linspace(-_EDGE, _EDGE, 21 if found.pull.size < 400 else 41)
        counts, _ = np.histogram(found.pull, bins=edges)
        # Of all pulls, those beyond the edge included: the histogram does not hide its tails.
        density = counts / (found.pull.size * (edges[1] - edges[0]))
        ax.stairs(density, edges, orientation="horizontal", fill=True, fc="0.85", ec=DARK, lw=0.7, zorder=2)
        top = max(top, float(density.max()))
    ax.set_xlim(0, 1.35 * top)
    sd = float(np.std(found.pull, ddof=1)) if found.pull.size > 1 else float("nan")
    median = float(np.median(found.pull)) if found.pull.size else float("nan")
    text = (
        f"{found.pull.size} clusters, {label}\nmedian {number(median, 2)}, s.d. {number(sd, 2)}\n"
        rf"within $1\sigma$: {number(100 * found.within_one, 0)} %"
        "\n"
        rf"within $3\sigma$: {number(100 * found.within_three, 0)} %"
    )
    ax.text(0.97, 0.97, text, transform=ax.transAxes, ha="right", va="top", fontsize=7.5, linespacing=1.1)
