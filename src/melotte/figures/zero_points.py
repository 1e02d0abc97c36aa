"""Surveys against each other: the matrix of their velocity differences."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..literature import Network
from ._common import make_axes
from .look import DARK, DOUBLE, styled

#: Diverging, its middle light enough for black numbers.
_MAP = "RdBu_r"


@styled
def survey_matrix(network: Network, *, ax: Axes | None = None) -> Figure:
    """Pairwise velocity differences, row minus column: from stars below the diagonal, from clusters above it.

    Each cell has the median difference with its standard error, the number of objects and, in italics, the difference
    by the common solution; a frame marks a median more than three standard errors from it. On the diagonal: the zero
    point of the survey, to be added to be on the scale of the reference.

    Parameters
    ----------
    network : Network
        From `melotte.literature.solve`, of stars and clusters together.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = network.frame["survey"].to_list()
    size = len(names)
    figure, (panel,) = make_axes(None if ax is None else [ax], (1, 1), (DOUBLE, 0.16 * DOUBLE * size + 0.6))
    shade = np.full((size, size), np.nan)
    for row in network.pairs.iter_rows(named=True):
        first, second = names.index(row["first"]), names.index(row["second"])
        stars = row["kind"] == "star"
        # The later survey is the row below the diagonal, the earlier one above it.
        at, sign = ((second, first), -1.0) if stars else ((first, second), 1.0)
        shade[at] = sign * row["median"]
        _cell(panel, at, row, sign)
    for place, row in enumerate(network.frame.iter_rows(named=True)):
        text = row["note"] if row["zero_point"] is None else _signed(row["zero_point"])
        error = "" if not row["zero_point_error"] else f"\n± {row['zero_point_error']:.2f}"
        panel.text(place, place, text + error, ha="center", va="center", fontsize=8, fontweight="bold")
    top = max(float(np.nanmax(np.abs(shade))), 1.0) if np.isfinite(shade).any() else 1.0
    # Pale: the numbers are what is read.
    panel.imshow(shade, cmap=_MAP, norm=Normalize(-1.6 * top, 1.6 * top), zorder=0)
    panel.set_xticks(range(size), names)
    panel.set_yticks(range(size), names)
    panel.tick_params(which="both", length=0)
    panel.minorticks_off()
    panel.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    panel.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    panel.grid(which="minor", color="white", lw=1.5)
    panel.set_title(
        "Row minus column (km s$^{-1}$): from stars (below), from clusters (above); italics: by the common solution,\n"
        f"framed: more than 3σ from it; diagonal: zero point, to be added to be on the scale of {network.reference}",
        fontsize=8,
    )
    return figure


def _signed(value: float) -> str:
    return f"{value:+z.2f}".replace("-", "−")


def _cell(ax: Axes, at: tuple[int, int], row: dict[str, object], sign: float) -> None:
    def number(name: str) -> float | None:
        value = row[name]
        return None if value is None else float(value)  # type: ignore[arg-type]

    median, error, solution, tension = (number(n) for n in ("median", "median_error", "solution", "tension"))
    assert median is not None
    text = _signed(sign * median) + ("" if error is None else f" ± {error:.2f}")
    ax.text(at[1], at[0] - 0.2, text, ha="center", va="center", fontsize=6.5)
    kind = str(row["kind"]) + ("" if row["n"] == 1 else "s")
    ax.text(at[1], at[0] + 0.02, f"{row['n']} {kind}", ha="center", va="center", fontsize=6)
    if solution is not None:
        ax.text(at[1], at[0] + 0.25, _signed(sign * solution), ha="center", va="center", fontsize=6.5, style="italic")
    if tension is not None and abs(tension) > 3:
        ax.add_patch(Rectangle((at[1] - 0.46, at[0] - 0.46), 0.92, 0.92, fill=False, ec=DARK, lw=1.0))
