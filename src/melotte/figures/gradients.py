"""The metallicity distribution (Fu et al. 2022, Figs. 8 and 10) and what it leaves over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..errors import MelotteError
from ..gradients import Fit, Predictor, evaluate
from ._common import FEH_LABEL, Floats, legend_above, make_axes, number, padded, say
from .look import BLUE, DARK, DOUBLE, GREEN, ORANGE, PURPLE, SINGLE, SKY, VERMILLION, styled

#: Colour and marker of each age group, young to old; both, for readers who do not see the colours.
_LOOKS: Final = (
    (BLUE, "o"),
    (SKY, "s"),
    (GREEN, "^"),
    (ORANGE, "D"),
    (VERMILLION, "v"),
    (PURPLE, "P"),
    (DARK, "X"),
)
_DRAWS: Final = 1000
_LEVELS: Final = (16.0, 50.0, 84.0)


def _axis_label(which: Predictor) -> str:
    units = {"kpc": "(kpc)", "1000 kpc km / s": r"(kpc km s$^{-1}$)", "100000 km2 / s2": r"(km$^2$ s$^{-2}$)"}
    return f"${which.symbol}$ {units.get(which.unit, '')}".rstrip()


def look_back(which: Predictor) -> str:
    """``r_gc_300_myr`` -> ``300 Myr ago``; the empty text for others."""
    if not (which.name.startswith("r_gc_") and which.name.endswith("_myr")):
        return ""
    time = which.name.removeprefix("r_gc_").removesuffix("_myr")
    return "today" if time == "0" else f"{time} Myr ago"


def group_label(group: str, clusters: int) -> str:
    if group == "all":
        return f"all ({clusters})"
    return f"{group.replace('-', '–').replace('<', '< ').replace('>', '> ')} Gyr ({clusters})"


def _chosen(fits: Sequence[Fit], model: str | None) -> list[Fit]:
    names = list(dict.fromkeys(f.model.name for f in fits))
    if model is None and len(names) == 1:
        model = names[0]
    if model not in names:
        raise MelotteError(
            f"no fits of the model {model!r}" if model else "the fits are of several models",
            expected=" or ".join(repr(n) for n in names),
            hint="name it: model='...'",
        )
    return [f for f in fits if f.model.name == model]


@styled
def metallicity_distribution(
    fits: Sequence[Fit],
    *,
    model: str | None = None,
    predictors: Sequence[str] | None = None,
    axes: Sequence[Axes] | None = None,
) -> Figure:
    """[Fe/H] against each predictor with the fitted curves: Fig. 8 for R_GC in the past, Fig. 10 for L_Z and E.

    The curve is the median of the posterior at each x, the band its 16th to 84th percentile; both end where the
    clusters of the group end. Dashed: the chain has not converged. A triangle at the edge is a cluster outside.

    Parameters
    ----------
    fits : sequence of Fit
        From `melotte.gradients.fit_table`.
    model : str, optional
        ``Model.name``; not needed if there is one only.
    predictors : sequence of str, optional
        One panel each; all by default.
    axes : sequence of Axes, optional
        One per panel.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    MelotteError
        If there are no such fits.
    """
    chosen = _chosen(fits, model)
    names = list(predictors or dict.fromkeys(f.predictor.name for f in chosen))
    columns = min(3, len(names)) if len(names) != 4 else 2
    rows = -(-len(names) // columns)
    groups = list(dict.fromkeys(f.group for f in chosen))
    size = (DOUBLE if columns > 1 else SINGLE, 2.35 * rows + 0.5 if columns > 2 else 3.1 * rows + 0.4)
    figure, panels = make_axes(axes, (rows, columns), size, sharey=axes is None)
    y = np.concatenate([f.sample.y for f in chosen])
    # Five robust standard deviations: one wrong [Fe/H] does not press the rest together.
    middle = float(np.median(y))
    reach = 5.0 * max(1.4826 * float(np.median(np.abs(y - middle))), 0.01)
    low, high = max(float(y.min()), middle - reach), min(float(y.max()), middle + reach)
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
    handles: dict[str, Line2D] = {}
    for panel, (ax, name) in enumerate(zip(panels, names, strict=False)):
        here = [f for f in chosen if f.predictor.name == name]
        if not here:
            say(ax, f"no fits against {name}")
            continue
        for fit in here:
            colour, marker = _LOOKS[groups.index(fit.group) % len(_LOOKS)]
            _points(ax, fit, colour, marker, (low, high))
            _curve(ax, fit, colour)
            handles.setdefault(
                fit.group,
                Line2D([], [], color=colour, marker=marker, ms=3.5, label=group_label(fit.group, len(fit.sample))),
            )
        # Radii at all look-back times on one scale: the panels are there to be compared.
        alike = [f for f in chosen if f.predictor.name in names and f.predictor.symbol == here[0].predictor.symbol]
        limits = padded(np.concatenate([f.sample.x for f in alike]), fraction=0.03)
        if limits:
            ax.set_xlim(*limits)
        ax.set_ylim(low, high)
        ax.set_xlabel(_axis_label(here[0].predictor))
        if panel % columns == 0:
            ax.set_ylabel(FEH_LABEL)
        if look_back(here[0].predictor):
            say(ax, look_back(here[0].predictor), x=0.96, y=0.95, ha="right", va="top", color="black")
    for ax in panels[len(names) :]:
        ax.set_axis_off()
    order = [handles[g] for g in groups if g in handles]
    legend_above(panels[0], order, own=axes is None, columns=6 if columns > 2 else 3 if columns > 1 else 2)
    return figure


def _points(ax: Axes, fit: Fit, colour: str, marker: str, limits: tuple[float, float]) -> None:
    s = fit.sample
    inside = (s.y >= limits[0]) & (s.y <= limits[1])
    xe = s.x_error[inside] if (s.x_error > 0).any() else None
    ax.errorbar(
        s.x[inside], s.y[inside], xerr=xe, yerr=s.y_error[inside],
        fmt="none", ecolor=colour, elinewidth=0.3, alpha=0.2, zorder=1,
    )  # fmt: skip
    ax.plot(s.x[inside], s.y[inside], ls="", marker=marker, ms=2.6, mew=0.2, mec="white", color=colour, zorder=2)
    for sign, triangle in ((1, "^"), (-1, "v")):
        out = s.y > limits[1] if sign > 0 else s.y < limits[0]
        edge = limits[1] if sign > 0 else limits[0]
        at = np.full(int(out.sum()), edge - sign * 0.02 * (limits[1] - limits[0]))
        ax.plot(s.x[out], at, ls="", marker=triangle, ms=3.5, mfc="none", mec=colour, mew=0.7, zorder=5)


def _curve(ax: Axes, fit: Fit, colour: str) -> None:
    x = np.linspace(fit.sample.x.min(), fit.sample.x.max(), 120)
    low, middle, high = _band(fit, x)
    ax.fill_between(x, low, high, color=colour, alpha=0.18, lw=0, zorder=3)
    dashes = "-" if fit.posterior.converged else (0, (4, 2))
    ax.plot(x, middle, color="white", lw=2.0, zorder=3.9)
    ax.plot(x, middle, color=colour, lw=1.2, ls=dashes, zorder=4)


def _band(fit: Fit, x: Floats) -> Floats:
    """16th, 50th and 84th percentile of the curves at x, shape (3, M)."""
    band: Floats = np.percentile(evaluate(fit.model.shape, fit.draws(_DRAWS), x), _LEVELS, axis=0)
    return band


@styled
def residuals(fits: Sequence[Fit], *, model: str | None = None, axes: Sequence[Axes] | None = None) -> Figure:
    """What the model leaves over, in standard deviations, one panel per age group (of one predictor).

    The standard deviation is that of the model: error of [Fe/H], error in x times the slope, and the intrinsic scatter.
    Bands: +-1 and +-2. Clusters beyond 3 are named.

    Parameters
    ----------
    fits : sequence of Fit
        Of one predictor.
    model : str, optional
        ``Model.name``; not needed if there is one only.
    axes : sequence of Axes, optional
        One per age group.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    MelotteError
        If the fits are of several predictors or there is no such model.
    """
    chosen = _chosen(fits, model)
    names = list(dict.fromkeys(f.predictor.name for f in chosen))
    if len(names) != 1:
        raise MelotteError(f"the fits are against {len(names)} predictors", expected="one", hint="filter the fits")
    columns = min(3, len(chosen))
    rows = -(-len(chosen) // columns)
    figure, panels = make_axes(axes, (rows, columns), (DOUBLE, 2.0 * rows + 0.3), sharey=axes is None)
    standard = [_standardised(f) for f in chosen]
    top = min(max(3.5, 1.1 * max(float(np.abs(z).max()) for z in standard)), 8.0)
    for panel, (ax, fit, z) in enumerate(zip(panels, chosen, standard, strict=False)):
        colour, marker = _LOOKS[panel % len(_LOOKS)]
        for reach, shade in ((2, "0.94"), (1, "0.87")):
            ax.axhspan(-reach, reach, color=shade, lw=0, zorder=0)
        ax.axhline(0, color=DARK, lw=0.6, zorder=1)
        drawn = np.clip(z, -0.97 * top, 0.97 * top)
        ax.plot(fit.sample.x, drawn, ls="", marker=marker, ms=3, mew=0.2, mec="white", color=colour, zorder=2)
        limits = padded(fit.sample.x)
        if limits:
            ax.set_xlim(*limits)
        for n in np.flatnonzero(np.abs(z) > 3):
            text = fit.sample.cluster[n].replace("_", " ")
            beyond = f" ({number(float(z[n]), 1)})" if abs(z[n]) > top else ""
            right = limits is not None and fit.sample.x[n] > 0.5 * (limits[0] + limits[1])
            ax.annotate(
                text + beyond, (fit.sample.x[n], drawn[n]), xytext=(-4 if right else 4, 0),
                textcoords="offset points", fontsize=6, ha="right" if right else "left", va="center",
            )  # fmt: skip
        ax.set_ylim(-top, top)
        ax.set_title(group_label(fit.group, len(fit.sample)))
        if panel >= len(chosen) - columns:
            ax.set_xlabel(_axis_label(fit.predictor))
        if panel % columns == 0:
            ax.set_ylabel(r"Residual ($\sigma$)")
    for ax in panels[len(chosen) :]:
        ax.set_axis_off()
    return figure


def _standardised(fit: Fit) -> Floats:
    """Residuals over the standard deviation of the model, at the median of the parameters."""
    s, p = fit.sample, fit.posterior.median[None]
    step = 1e-4 * float(np.std(s.x) or 1.0)
    slope = (evaluate(fit.model.shape, p, s.x + step)[0] - evaluate(fit.model.shape, p, s.x - step)[0]) / (2 * step)
    variance = s.y_error**2 + (slope * s.x_error) ** 2
    if fit.model.scatter:
        variance = variance + float(p[0, fit.model.parameters.index("scatter")]) ** 2
    out: Floats = (s.y - evaluate(fit.model.shape, p, s.x)[0]) / np.sqrt(variance)
    return out
