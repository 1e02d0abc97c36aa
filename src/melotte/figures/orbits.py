"""Orbits: one orbit, all clusters at each look-back time, eccentricity and energy (Fu et al. 2022, Figs. 8, 9, 11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from numpy.typing import ArrayLike

from ..errors import MelotteError
from ._common import colour_bar, colour_limits, display_name, make_axes, padded, say, values
from .look import BLUE, DARK, DOUBLE, GREY, PLASMA, SINGLE, VERMILLION, VIRIDIS, styled

#: Age groups of the paper [Gyr] (its Sect. 4.1).
AGE_EDGES: Final = (0.0, 0.1, 0.5, 1.0, 2.0, 4.0, 14.0)
_AGE_LABELS: Final = ("< 0.1", "0.1–0.5", "0.5–1", "1–2", "2–4", "> 4")

R_LABEL: Final = r"$R$ (kpc)"
Z_LABEL: Final = r"$z$ (kpc)"
X_LABEL: Final = r"$X$ (kpc)"
Y_LABEL: Final = r"$Y$ (kpc)"


def _rows(snapshots: pl.DataFrame, cluster: str | None) -> tuple[pl.DataFrame, str]:
    names = snapshots["cluster"].unique().to_list()
    if cluster is None:
        if len(names) != 1:
            raise MelotteError(
                f"the table holds {len(names)} clusters", where="cluster", expected="one, or the name of one"
            )
        cluster = str(names[0])
    title = display_name(cluster)
    rows = snapshots.filter(pl.col("cluster").is_in([n for n in names if display_name(n) == title])).sort("lookback")
    if rows.is_empty():
        raise MelotteError(f"no orbit of {cluster!r} in the table", expected="one of its clusters")
    return rows, title


@styled
def orbit(
    snapshots: pl.DataFrame,
    *,
    cluster: str | None = None,
    r_peri: float | None = None,
    r_apo: float | None = None,
    axes: Sequence[Axes] | None = None,
) -> Figure:
    """One orbit: in the meridional plane, seen from the north pole, and its radius in time.

    Parameters
    ----------
    snapshots : polars.DataFrame
        SNAPSHOTS with close look-back times (``dynamics`` with ``step = "1 Myr"``); they are joined by straight lines.
    cluster : str, optional
        Name, where the table holds several clusters. Blanks and underscores are the same.
    r_peri, r_apo : float, optional
        Pericentre and apocentre [kpc], drawn as lines in the third panel.
    axes : sequence of three Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    MelotteError
        If the cluster is not in the table, or not named where there are several.
    """
    rows, title = _rows(snapshots, cluster)
    figure, panels = make_axes(axes, (1, 3), (DOUBLE, DOUBLE * 0.36))
    t, x, y, R, z = (values(rows, name) for name in ("lookback", "x", "y", "r_gc", "z_gc"))
    meridional, polar, time = panels
    for ax, across, up in (
        (meridional, R_LABEL, Z_LABEL),
        (polar, X_LABEL, Y_LABEL),
        (time, "Look-back time (Myr)", R_LABEL),
    ):
        ax.set_xlabel(across)
        ax.set_ylabel(up)
    meridional.set_title(title)
    if not np.isfinite(R).any():
        for ax in panels:
            say(ax, "no orbit")
        return figure
    line: dict[str, Any] = {"color": BLUE, "lw": 0.8}
    today: dict[str, Any] = {"color": VERMILLION, "ls": "", "marker": "o", "ms": 4, "zorder": 3}
    meridional.plot(R, z, **line)
    meridional.plot(R[:1], z[:1], **today)
    polar.plot(x, y, **line)
    polar.plot(x[:1], y[:1], **today)
    polar.plot([0], [0], color=DARK, marker="+", ls="", ms=5)
    polar.set_aspect("equal", adjustable="datalim")
    time.plot(t, R, **line)
    time.plot(t[:1], R[:1], **today)
    time.annotate("today", (t[0], R[0]), xytext=(6, 0), textcoords="offset points", va="center", fontsize=7)
    time.set_xlim(padded(t))
    time.set_ylim(padded(R, fraction=0.12, minimum=0.05))
    for radius, name in ((r_peri, "pericentre"), (r_apo, "apocentre")):
        if radius is not None and np.isfinite(radius):
            time.axhline(radius, color=GREY, lw=0.7, ls="--", zorder=0)
            time.annotate(name, (1.0, radius), xycoords=("axes fraction", "data"), xytext=(-2, 2),
                          textcoords="offset points", ha="right", fontsize=6, color=DARK)  # fmt: skip
    return figure


@styled
def positions(
    snapshots: pl.DataFrame,
    *,
    colour: pl.DataFrame | None = None,
    by: str = "log_age",
    label: str = "log age (yr)",
    axes: Sequence[Axes] | None = None,
) -> Figure:
    """All clusters seen from the north Galactic pole, one panel per look-back time; open where not yet born.

    Parameters
    ----------
    snapshots : polars.DataFrame
        SNAPSHOTS.
    colour : polars.DataFrame, optional
        A table with ``cluster``, the column ``by`` to colour the clusters with, and ``log_age`` (yr) to tell which
        were not yet born.
    by, label : str
        The column and the label of its colour bar.
    axes : sequence of Axes, optional
        Where to draw: as many as there are look-back times.

    Returns
    -------
    matplotlib.figure.Figure
    """
    times = snapshots["lookback"].unique().sort().to_list()
    if not times:
        figure, (ax,) = make_axes(axes, (1, 1), (SINGLE, SINGLE))
        say(ax, "no cluster with an orbit")
        return figure
    columns = next(n for n in (3, 2, 1) if len(times) % n == 0)
    rows = len(times) // columns
    figure, panels = make_axes(axes, (rows, columns), (DOUBLE * columns / 3, DOUBLE * 0.36 * rows))
    shown = snapshots
    if colour is not None and by in colour.columns:
        columns_used = [n for n in dict.fromkeys(("cluster", by, "log_age")) if n in colour.columns]
        shown = snapshots.join(colour.select(columns_used), on="cluster", how="left", maintain_order="left")
    shade = values(shown, by)
    norm = Normalize(*colour_limits(shade, minimum=0.1))
    reach = np.nanmax(np.abs([*values(shown, "x"), *values(shown, "y"), 1.0])) * 1.05
    for ax, time in zip(panels, times, strict=True):
        now = shown.filter((pl.col("lookback") == time) & pl.col("x").is_not_null())
        x, y, c = values(now, "x"), values(now, "y"), values(now, by)
        plain = ~np.isfinite(c)
        young = np.zeros(len(x), dtype=bool)
        if "log_age" in now.columns:
            young = 10.0 ** (values(now, "log_age") - 6.0) < time
        ax.scatter(x[plain], y[plain], s=5, color=GREY if colour is not None else BLUE, lw=0)
        born = ~plain & ~young
        ax.scatter(x[born], y[born], s=5, c=c[born], cmap=VIRIDIS, norm=norm, lw=0)
        unborn = ~plain & young
        ax.scatter(x[unborn], y[unborn], s=5, facecolors="none", edgecolors=VIRIDIS(norm(c[unborn])), lw=0.4)
        ax.plot([0], [0], color=DARK, marker="+", ls="", ms=5)
        for radius in (5, 10, 15):
            ax.add_patch(Circle((0, 0), radius, fill=False, lw=0.4, ls=":", color=GREY, zorder=0))
        ax.set_xlim(-reach, reach)
        ax.set_ylim(-reach, reach)
        ax.set_aspect("equal")
        ax.set_xlabel(X_LABEL)
        ax.set_ylabel(Y_LABEL)
        ax.set_title(f"{time:g} Myr ago" if time else "today")
    if colour is not None and np.isfinite(shade).any():
        colour_bar(panels, norm, VIRIDIS, label, shade)
    return figure


def _with_parameters(dynamics: pl.DataFrame, catalogue: pl.DataFrame) -> pl.DataFrame:
    """The dynamics of every cluster with its log age and [Fe/H], null where the catalogue has none."""
    wanted = [c for c in ("log_age", "feh_med", "n_rv", "n_feh") if c in catalogue.columns]
    return dynamics.join(catalogue.select("cluster", *wanted), on="cluster", how="left", maintain_order="left")


def _bars(ax: Axes, table: pl.DataFrame, across: str, up: str) -> None:
    """16th to 84th percentile about the value itself, in both directions."""
    bars: dict[str, Any] = {}
    for key, name in (("xerr", across), ("yerr", up)):
        centre, low, high = (values(table, n) for n in (name, f"{name}_p16", f"{name}_p84"))
        # The value can lie outside the percentiles of a skewed quantity: a bar of no length then.
        bars[key] = np.nan_to_num(np.clip([centre - low, high - centre], 0.0, None))
    ax.errorbar(values(table, across), values(table, up), ls="", color=GREY, lw=0.4, zorder=1, **bars)


def _ages(ax: Axes, table: pl.DataFrame, across: str, up: str) -> None:
    """Clusters coloured by age group, with a legend."""
    age = 10.0 ** (values(table, "log_age") - 9.0)
    x, y = values(table, across), values(table, up)
    handles = []
    none = np.isfinite(x) & np.isfinite(y) & ~np.isfinite(age)
    if none.any():
        ax.scatter(x[none], y[none], s=8, facecolors="none", edgecolors=GREY, lw=0.5, zorder=2)
        handles.append(Line2D([], [], ls="", marker="o", ms=3, mfc="none", mec=GREY, label="no age"))
    for k, text in enumerate(_AGE_LABELS):
        group = (age >= AGE_EDGES[k]) & (age < AGE_EDGES[k + 1]) & np.isfinite(x) & np.isfinite(y)
        colour = PLASMA(k / (len(_AGE_LABELS) - 1))
        ax.scatter(x[group], y[group], s=9, color=[colour], lw=0, zorder=3 + k)
        if group.any():
            handles.append(Line2D([], [], ls="", marker="o", ms=3, color=colour, label=f"{text} Gyr ({group.sum()})"))
    if handles:
        ax.legend(handles=handles, loc="best", fontsize=6)


def _metals(ax: Axes, table: pl.DataFrame, across: str, up: str, cmap: Colormap) -> None:
    """Clusters coloured by [Fe/H], with a colour bar."""
    x, y, feh = values(table, across), values(table, up), values(table, "feh_med")
    none = ~np.isfinite(feh)
    ax.scatter(x[none], y[none], s=8, facecolors="none", edgecolors=GREY, lw=0.5, zorder=2)
    if none.all():
        return
    norm = Normalize(*colour_limits(feh, minimum=0.2))
    ax.scatter(x[~none], y[~none], s=9, c=feh[~none], cmap=cmap, norm=norm, lw=0, zorder=3)
    colour_bar(ax, norm, cmap, "[Fe/H] (dex)", feh)


@styled
def eccentricity(
    dynamics: pl.DataFrame,
    catalogue: pl.DataFrame,
    *,
    minimum_rv_stars: int = 1,
    minimum_feh_stars: int = 1,
    axes: Sequence[Axes] | None = None,
) -> Figure:
    """Eccentricity against apocentre, by age group and by [Fe/H] (Fu et al. 2022, Fig. 9).

    Bars are the 16th to 84th percentile of the draws, where there are draws.

    Parameters
    ----------
    dynamics : polars.DataFrame
        DYNAMICS.
    catalogue : polars.DataFrame
        CATALOGUE, for ``log_age`` and ``feh_med``.
    minimum_rv_stars, minimum_feh_stars : int
        Fewest stars behind the velocity (first panel) and [Fe/H] (second panel) of a cluster shown; the paper has two
        and three.
    axes : sequence of two Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = make_axes(axes, (1, 2), (DOUBLE, DOUBLE * 0.42))
    table = _with_parameters(dynamics, catalogue).drop_nulls(["r_apo", "ecc"])
    shown = [
        table.filter(pl.col(name) >= least) if least > 1 and name in table.columns else table
        for name, least in (("n_rv", minimum_rv_stars), ("n_feh", minimum_feh_stars))
    ]
    for ax in panels:
        ax.set_xlabel("Apocentre (kpc)")
        ax.set_ylabel("Eccentricity")
    if table.is_empty():
        for ax in panels:
            say(ax, "no cluster with an orbit")
        return figure
    for ax, part in zip(panels, shown, strict=True):
        _bars(ax, part, "r_apo", "ecc")
        ax.set_xlim(padded(values(table, "r_apo")))
        ax.set_ylim(0.0, max(0.1, 1.06 * float(np.max(values(table, "ecc")))))
    _ages(panels[0], shown[0], "r_apo", "ecc")
    _metals(panels[1], shown[1], "r_apo", "ecc", VIRIDIS)
    return figure


@styled
def energy_momentum(
    dynamics: pl.DataFrame,
    catalogue: pl.DataFrame,
    *,
    ridge: tuple[ArrayLike, ArrayLike] | None = None,
    names: Sequence[str] = (),
    axes: Sequence[Axes] | None = None,
) -> Figure:
    """Energy against angular momentum, by age group and by [Fe/H] (Fu et al. 2022, Fig. 11).

    Parameters
    ----------
    dynamics : polars.DataFrame
        DYNAMICS.
    catalogue : polars.DataFrame
        CATALOGUE, for ``log_age`` and ``feh_med``.
    ridge : pair of array_like, optional
        L_z [kpc km/s] and energy [km2/s2] of circular orbits, drawn as a line: no orbit lies below it.
    names : sequence of str
        Clusters to label.
    axes : sequence of two Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = make_axes(axes, (1, 2), (DOUBLE, DOUBLE * 0.42))
    scale = [
        (pl.col(f"{name}{suffix}") / unit).alias(f"{name}{suffix}")
        for name, unit in (("l_z", 1e3), ("energy", 1e5))
        for suffix in ("", "_p16", "_p84")
    ]
    table = _with_parameters(dynamics, catalogue).drop_nulls(["l_z", "energy"]).with_columns(scale)
    for ax in panels:
        ax.set_xlabel(r"$L_Z$ ($10^3$ kpc km s$^{-1}$)")
        ax.set_ylabel(r"$E$ ($10^5$ km$^2$ s$^{-2}$)")
    if table.is_empty():
        for ax in panels:
            say(ax, "no cluster with an orbit")
        return figure
    wanted = {display_name(n) for n in names}
    for ax in panels:
        _bars(ax, table, "l_z", "energy")
        limits = padded(values(table, "l_z")), padded(values(table, "energy"))
        ax.set_xlim(limits[0])
        ax.set_ylim(limits[1])
        if ridge is not None:
            ax.plot(np.asarray(ridge[0]) / 1e3, np.asarray(ridge[1]) / 1e5, color=DARK, lw=0.7, ls="--", zorder=0)
        for row in table.iter_rows(named=True):
            if display_name(row["cluster"]) not in wanted:
                continue
            ax.annotate(display_name(row["cluster"]), (row["l_z"], row["energy"]), xytext=(4, -4),
                        textcoords="offset points", fontsize=6, zorder=12)  # fmt: skip
    _ages(panels[0], table, "l_z", "energy")
    _metals(panels[1], table, "l_z", "energy", VIRIDIS)
    return figure
