"""The posterior of one fit, parameter against parameter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..gradients import Fit
from ._common import Floats, make_axes, say
from .gradients import group_label, look_back
from .look import BLUE, DARK, styled


@styled
def corner(fit: Fit, *, axes: Sequence[Axes] | None = None) -> Figure:
    """The posterior of one fit, parameter against parameter: 68 and 95 % regions, and each one's histogram.

    Parameters
    ----------
    fit : Fit
    axes : sequence of Axes, optional
        P x P of them, row by row.

    Returns
    -------
    matplotlib.figure.Figure
    """
    draws, names = fit.draws(), fit.model.parameters
    size = len(names)
    figure, grid = make_axes(axes, (size, size), (1.25 * size + 0.8, 1.25 * size + 0.6))
    ranges = [tuple(np.percentile(draws[:, n], [0.3, 99.7])) for n in range(size)]
    for row in range(size):
        for column in range(size):
            ax = grid[row * size + column]
            if column > row:
                ax.set_axis_off()
                continue
            ax.xaxis.set_major_locator(MaxNLocator(3, prune="both"))
            ax.yaxis.set_major_locator(MaxNLocator(3, prune="both"))
            ax.set_xlim(*ranges[column])
            if row == column:
                _histogram(ax, fit, row, draws[:, row], ranges[row])
            else:
                ax.set_ylim(*ranges[row])
                _region(ax, draws[:, column], draws[:, row], (ranges[column], ranges[row]))
            if row == size - 1:
                ax.set_xlabel(_parameter_label(fit, column))
                ax.tick_params(axis="x", labelrotation=40)
            else:
                ax.tick_params(labelbottom=False)
            if column == 0 and row:
                ax.set_ylabel(_parameter_label(fit, row))
            else:
                ax.tick_params(labelleft=False)
    where = look_back(fit.predictor)
    title = f"{group_label(fit.group, len(fit.sample))}\n{fit.model.name}\n${fit.predictor.symbol}$ {where}".rstrip()
    if size > 1:
        state = "" if fit.posterior.converged else "\nNOT CONVERGED"
        say(grid[size - 1], title + state, x=1.0, y=1.0, ha="right", va="top", color="black")
    return figure


def _parameter_label(fit: Fit, n: int) -> str:
    name = fit.model.parameters[n]
    return f"${name}$" if len(name) == 1 else name.replace("_", " ")


def _histogram(ax: Axes, fit: Fit, n: int, values: Floats, limits: tuple[float, float]) -> None:
    ax.hist(values, bins=30, range=limits, histtype="stepfilled", color=BLUE, alpha=0.35, lw=0)
    post = fit.posterior
    for x, dashes in ((post.median[n], "-"), (post.p16[n], ":"), (post.p84[n], ":")):
        ax.axvline(x, color=DARK, lw=0.8, ls=dashes)
    ax.set_yticks([])
    digits = max(0, 1 - int(np.floor(np.log10(max(post.sd[n], 1e-12)))))
    up, down = post.p84[n] - post.median[n], post.median[n] - post.p16[n]
    ax.set_title(rf"${post.median[n]:.{digits}f}^{{+{up:.{digits}f}}}_{{-{down:.{digits}f}}}$", fontsize=8)


def _region(ax: Axes, x: Floats, y: Floats, limits: tuple[tuple[float, float], tuple[float, float]]) -> None:
    """Highest-density regions of 68 and 95 %, from a smoothed histogram."""
    from scipy.ndimage import gaussian_filter

    counts, xe, ye = np.histogram2d(x, y, bins=40, range=limits)
    smooth = gaussian_filter(counts, 1.3, mode="nearest")
    ordered = np.sort(smooth.ravel())[::-1]
    inside = ordered.cumsum() / ordered.sum()
    levels = [float(ordered[min(int(np.searchsorted(inside, q)), ordered.size - 1)]) for q in (0.95, 0.68)]
    centres = (xe[:-1] + xe[1:]) / 2, (ye[:-1] + ye[1:]) / 2
    if levels[0] < levels[1]:
        top = float(smooth.max()) * 1.001
        ax.contourf(*centres, smooth.T, levels=[levels[0], top], colors=[BLUE], alpha=0.2)
        ax.contourf(*centres, smooth.T, levels=[levels[1], top], colors=[BLUE], alpha=0.3)
        ax.contour(*centres, smooth.T, levels=levels, colors=[BLUE], linewidths=0.6)
