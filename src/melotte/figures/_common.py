"""What the figures share: reading columns, naming clusters, making axes, writing numbers."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from ..errors import MelotteError
from ..schema.quantities import FEH, LOGG, RV, TEFF
from .look import new_figure

Floats = NDArray[np.float64]
#: One cluster of the catalogue: a table of one row, or a mapping.
Row = pl.DataFrame | Mapping[str, Any]

RV_LABEL: Final = RV.axis_label
FEH_LABEL: Final = FEH.axis_label
TEFF_LABEL: Final = TEFF.axis_label
LOGG_LABEL: Final = LOGG.axis_label
COLOUR_LABEL: Final = r"$G_{\rm BP}-G_{\rm RP}$ (mag)"
G_LABEL: Final = r"$G$ (mag)"

#: Flags of stars whose radial velocity was used, and whose [Fe/H] was.
RV_FLAGS: Final = (1, 12)
FEH_FLAGS: Final = (12, 2)


def values(frame: pl.DataFrame, name: str) -> Floats:
    """A column as floats, NaN where there is no value (or no such column)."""
    if name not in frame.columns:
        return np.full(frame.height, np.nan)
    return cast(Floats, frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy())


def value(row: Row | None, name: str) -> float:
    """One number of a one-row table or mapping; NaN where there is none."""
    if row is None:
        return float("nan")
    if isinstance(row, pl.DataFrame):
        return float(values(row, name)[0]) if row.height else float("nan")
    found = row.get(name)
    return float("nan") if found is None else float(found)


def flags(frame: pl.DataFrame) -> NDArray[np.int64]:
    """The quality flags."""
    return cast(NDArray[np.int64], frame["flag"].cast(pl.Int64).to_numpy())


def display_name(cluster: str) -> str:
    """``NGC_2682`` -> ``NGC 2682``."""
    return " ".join(cluster.replace("_", " ").split())


def one_cluster(stars: pl.DataFrame, row: Row | None, cluster: str | None) -> tuple[pl.DataFrame, Row | None, str]:
    """The stars and the catalogue row of one cluster, and its name for the title.

    Parameters
    ----------
    stars : polars.DataFrame
        MEMBER_STARS of one or of many clusters.
    row : polars.DataFrame or mapping or None
        CATALOGUE of one or of many clusters, or one row as a mapping.
    cluster : str or None
        Which cluster; not needed if the tables hold one only. Blanks and underscores are the same.

    Raises
    ------
    MelotteError
        If the tables hold several clusters and none is named, or not the one named.
    """
    tables = [stars, *([row] if isinstance(row, pl.DataFrame) else [])]
    names = {display_name(n) for table in tables for n in table["cluster"].unique()}
    if isinstance(row, Mapping) and row.get("cluster"):
        names.add(display_name(str(row["cluster"])))
    if cluster is None:
        if len(names) > 1:
            raise MelotteError(
                f"the tables hold {len(names)} clusters", expected="one", hint="name it: cluster='NGC 2682'"
            )
        title = next(iter(names), "")
    else:
        title = display_name(cluster)
        if names and title not in names:
            close = difflib.get_close_matches(title, sorted(names), n=1)
            raise MelotteError(
                f"no cluster {title!r} in the tables",
                expected=f"one of {len(names)}",
                hint=f"did you mean {close[0]!r}?" if close else None,
            )
    stars = _named(stars, title)
    if isinstance(row, pl.DataFrame):
        row = _named(row, title)
    return stars, row, title


def _named(frame: pl.DataFrame, title: str) -> pl.DataFrame:
    return frame.filter(pl.col("cluster").is_in([n for n in frame["cluster"].unique() if display_name(n) == title]))


def number(x: float, digits: int, *, sign: bool = False) -> str:
    """A number with a true minus sign; an en dash where there is none."""
    if not np.isfinite(x):
        return "–"
    text = f"{x:+.{digits}f}" if sign else f"{x:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}")


def with_error(x: float, error: float, digits: int) -> str:
    """``−4.66 ± 0.12``; without the error if there is none."""
    text = number(x, digits)
    return f"{text} ± {number(error, digits)}" if np.isfinite(error) else text


def make_axes(
    given: Axes | Sequence[Axes] | None,
    shape: tuple[int, int],
    size: tuple[float, float],
    **subplots: Any,
) -> tuple[Figure, list[Axes]]:
    """The caller's axes, or new ones in a new figure.

    Raises
    ------
    MelotteError
        If the caller's axes are not as many as the figure has panels.
    """
    rows, columns = shape
    if given is None:
        figure = new_figure(*size)
        engine: Any = figure.get_layout_engine()
        engine.set(wspace=0.06 if columns > 1 else 0.02)
        grid = figure.subplots(rows, columns, squeeze=False, **subplots)
        axes = [cast(Axes, a) for a in grid.ravel()]
        for ax in axes:
            pin_ticks(ax)
        return figure, axes
    axes = [given] if isinstance(given, Axes) else list(np.ravel(np.asarray(given, dtype=object)))
    if len(axes) != rows * columns:
        raise MelotteError(f"{len(axes)} axes were given", expected=f"{rows * columns}, one per panel")
    return figure_of(axes[0]), axes


def figure_of(ax: Axes) -> Figure:
    """The figure that holds the axes, through any subfigures."""
    root: Any = ax.figure.figure
    return cast(Figure, root)


def pin_ticks(ax: Axes) -> None:
    """Fix the look of ticks now: matplotlib makes them on drawing, when the style may no longer be active."""
    rc: Any = mpl.rcParams
    tick_params: Any = ax.tick_params
    for axis in ("x", "y"):
        tick = f"{axis}tick"
        shared = {
            "direction": rc[f"{tick}.direction"],
            "labelsize": rc[f"{tick}.labelsize"],
            "labelfontfamily": rc["font.family"][0],
            "color": rc[f"{tick}.color"],
            "labelcolor": rc["text.color"],
        }
        for which in ("major", "minor"):
            tick_params(
                axis=axis,
                which=which,
                length=rc[f"{tick}.{which}.size"],
                width=rc[f"{tick}.{which}.width"],
                pad=rc[f"{tick}.{which}.pad"],
                **shared,
            )


def say(ax: Axes, text: str, *, x: float = 0.5, y: float = 0.5, **kwargs: Any) -> None:
    """A remark in the axes, for example why they are empty."""
    style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8, "color": "0.3"} | kwargs
    ax.text(x, y, text, transform=ax.transAxes, **style)


def legend_above(ax: Axes, handles: Sequence[Artist], *, own: bool, columns: int) -> None:
    """A legend over the panels, clear of the data: of the whole figure if it is ours, else of the axes."""
    style: dict[str, Any] = {"handles": list(handles), "ncols": columns}
    if not handles:
        return
    if own:
        figure_of(ax).legend(loc="outside upper center", **style)
    else:
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.1), borderaxespad=0.0, **style)


def colour_bar(ax: Axes | Sequence[Axes], norm: Normalize, cmap: Colormap, label: str, shown: Floats) -> None:
    """A colour bar, pointed at the ends that values of ``shown`` exceed."""
    axes = [ax] if isinstance(ax, Axes) else list(ax)
    shown = shown[np.isfinite(shown)]
    low, high = cast(float, norm.vmin), cast(float, norm.vmax)
    below, above = bool((shown < low).any()), bool((shown > high).any())
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[below, above]
    bar = figure_of(axes[0]).colorbar(
        ScalarMappable(norm, cmap), ax=axes, label=label, pad=0.02, fraction=0.06, aspect=28, extend=extend
    )
    if isinstance(norm, LogNorm):
        plain_numbers(bar.ax.yaxis)


def plain_numbers(*axes: Axis) -> None:
    """1, 10, 100 instead of powers of ten."""
    for axis in axes:
        axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))


def padded(x: Floats, *, fraction: float = 0.06, minimum: float = 0.0) -> tuple[float, float] | None:
    """Limits around the finite values; None if there are none."""
    x = x[np.isfinite(x)]
    if x.size == 0:
        return None
    low, high = float(x.min()), float(x.max())
    pad = max(fraction * (high - low), minimum, 1e-9 * max(abs(low), abs(high), 1.0))
    return low - pad, high + pad


def colour_limits(x: Floats, *, minimum: float) -> tuple[float, float]:
    """Limits of a colour scale: the 2nd to 98th percentile, at least ``minimum`` wide."""
    x = x[np.isfinite(x)]
    if x.size == 0:
        return -minimum / 2, minimum / 2
    low, high = np.percentile(x, [2, 98])
    if high - low < minimum:
        low, high = (low + high - minimum) / 2, (low + high + minimum) / 2
    return float(low), float(high)


def drawn_points(points: pl.DataFrame) -> pl.DataFrame:
    """The points of an isochrone up to the early asymptotic giant branch: thermal pulses are a scribble."""
    return points.filter(pl.col("phase") < 8) if "phase" in points.columns else points


def isochrone_text(isochrone: object) -> str:
    """Legend text of an isochrone: its age and metallicity if it has them."""
    log_age, mh = getattr(isochrone, "log_age", None), getattr(isochrone, "mh", None)
    if log_age is None or mh is None:
        return "isochrone"
    return rf"isochrone, $\log\,t$ = {number(log_age, 1)}, [M/H] = {number(mh, 1)}"
