"""Coverage of the published errors and quality of the selection, on simulated clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ._common import make_axes, say, values
from .look import BLUE, DARK, DOUBLE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION, styled

#: Within these a 68 % interval is called calibrated.
_WANTED = (0.65, 0.71)
_COLOURS = (VERMILLION, ORANGE, BLUE, GREEN, PURPLE, SKY)
_ALL = "all"


@styled
def coverage(
    table: pl.DataFrame,
    panels: Mapping[str, Sequence[str]],
    *,
    along: str = "stars",
    axes: Sequence[Axes] | None = None,
) -> Figure:
    """How often the 68 % interval holds the truth, against the number of stars or survey by survey.

    Bars are 95 % intervals; the band is 65-71 %.

    Parameters
    ----------
    table : polars.DataFrame
        Table of coverage (`melotte.validation.calibration.COVERAGE`).
    panels : mapping
        Title -> statistics drawn in the panel.
    along : str
        ``stars`` (all surveys together) or ``survey`` (all numbers of stars together).
    axes : sequence of Axes, optional
        One for each panel.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fixed = "survey" if along == "stars" else "stars"
    rows = table.filter((pl.col(fixed) == _ALL) & (pl.col(along) != _ALL))
    labels = rows[along].unique(maintain_order=True).to_list()
    height = 0.45 * DOUBLE if along == "stars" else max(0.4 * DOUBLE, 0.24 * len(labels) + 1.3)
    figure, drawn = make_axes(axes, (1, len(panels)), (DOUBLE, height))
    for number, (ax, (title, statistics)) in enumerate(zip(drawn, panels.items(), strict=True)):
        ax.set_title(title, fontsize=9)
        if not labels:
            say(ax, "no clusters")
            continue
        flat = along == "stars"
        (ax.axhspan if flat else ax.axvspan)(*_WANTED, color=GREY, alpha=0.45, lw=0)
        for i, (name, colour) in enumerate(zip(statistics, _COLOURS, strict=False)):
            part = rows.filter(pl.col("statistic") == name)
            at = np.array([labels.index(s) for s in part[along]]) + 0.16 * (i - (len(statistics) - 1) / 2)
            share = values(part, "coverage")
            bars = np.stack([share - values(part, "coverage_low"), values(part, "coverage_high") - share])
            style: dict[str, Any] = {"color": colour, "ms": 3.5, "lw": 0.9, "capsize": 0, "label": _short(name)}
            if flat:
                ax.errorbar(at, share, yerr=bars, fmt="o", **style)
            else:
                ax.errorbar(share, at, xerr=bars, fmt="o", **style)
        if flat:
            ax.set_xticks(range(len(labels)), labels)
            ax.set_xlabel("Number of stars")
            ax.set_ylabel("Truth inside the 68 % interval" if number == 0 else "")
            ax.set_ylim(0.0, 1.0)
        else:
            ax.set_yticks(range(len(labels)), labels if number == 0 else [""] * len(labels))
            ax.set_ylim(len(labels) - 0.5, -0.5)
            ax.set_xlabel("Truth inside the 68 % interval")
            ax.set_xlim(0.2, 1.25)
            ax.set_xticks(np.arange(0.2, 1.01, 0.2))
        ax.minorticks_off()
        if flat:
            ax.legend(loc="lower center", fontsize=7.5)
        elif number == 0:
            ax.legend(loc="lower right", fontsize=7)
    return figure


def _short(statistic: str) -> str:
    """``RV median of the clip`` -> ``median of the clip``; ``RV of the model`` -> ``model``."""
    rest = statistic.partition(" ")[2]
    return rest.removeprefix("of the ")


@styled
def selection_quality(table: pl.DataFrame, *, axes: Sequence[Axes] | None = None) -> Figure:
    """Completeness, purity and rejection of field stars by survey, of clip and model.

    Parameters
    ----------
    table : polars.DataFrame
        Table of the selection (`melotte.validation.calibration.SELECTION`).
    axes : sequence of three Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = table.filter((pl.col("stars") == _ALL) & (pl.col("survey") != _ALL))
    labels = rows["survey"].unique(maintain_order=True).to_list()
    figure, drawn = make_axes(axes, (1, 3), (DOUBLE, max(0.35 * DOUBLE, 0.2 * len(labels) + 1.0)))
    columns = (
        ("completeness", "True members kept"),
        ("purity", "Kept stars that are members"),
        ("rejected", "Field stars rejected"),
    )
    for number, (ax, (name, title)) in enumerate(zip(drawn, columns, strict=True)):
        for rule, colour, marker in (("clip", VERMILLION, "s"), ("model", BLUE, "o")):
            part = rows.filter(pl.col("rule") == rule)
            at = [labels.index(s) for s in part["survey"]]
            ax.plot(values(part, name), at, ls="", marker=marker, ms=4, mfc="none", color=colour, label=rule)
        ax.set_yticks(range(len(labels)), labels if number == 0 else [""] * len(labels))
        ax.set_ylim(len(labels) - 0.5, -0.5)
        ax.set_xlabel(title)
        ax.grid(axis="y", color=DARK, alpha=0.15, lw=0.5)
        ax.minorticks_off()
    drawn[0].legend(loc="lower left", fontsize=7.5)
    return figure
