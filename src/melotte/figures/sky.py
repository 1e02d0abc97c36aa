"""Sky coverage (Fu et al. 2022, Fig. 1)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke

from ._common import Floats, figure_of, legend_above, make_axes, number, pin_ticks, say, values
from .look import DOUBLE, GREY, SINGLE, VERMILLION, new_figure, styled

Projection = Literal["rectangular", "mollweide"]


def galactic_plane(n: int = 721) -> tuple[Floats, Floats]:
    """Right ascension and declination (deg, ICRS) of b = 0, ordered by right ascension."""
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    plane = SkyCoord(l=np.linspace(0, 360, n, endpoint=False) * u.deg, b=np.zeros(n) * u.deg, frame="galactic").icrs
    order = np.argsort(plane.ra.deg)
    ra, dec = plane.ra.deg[order], plane.dec.deg[order]
    # Closed at both edges of the map, so that the line does not end short of them.
    ra = np.concatenate([[ra[-1] - 360], ra, [ra[0] + 360]])
    dec = np.concatenate([[dec[-1]], dec, [dec[0]]])
    edges = np.interp([0.0, 360.0], ra, dec)
    return np.concatenate([[0.0], ra[1:-1], [360.0]]), np.concatenate([edges[:1], dec[1:-1], edges[1:]])


@styled
def sky_coverage(
    members: pl.DataFrame,
    stars: pl.DataFrame,
    *,
    survey: str = "survey",
    projection: Projection = "rectangular",
    ax: Axes | None = None,
) -> Figure:
    """All members of the list (grey) and those the survey observed (colour), RA increasing to the left.

    Parameters
    ----------
    members : polars.DataFrame
        MEMBERS: the membership list; ``ra`` and ``dec`` in degrees (ICRS).
    stars : polars.DataFrame
        MEMBER_STARS: the matched stars.
    survey : str
        Name of the survey in the legend.
    projection : str
        ``rectangular`` (as in the paper) or ``mollweide`` (equal area); given axes decide for themselves.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    own = ax is None
    if ax is not None:
        figure = figure_of(ax)
    elif projection == "mollweide":
        figure = new_figure(DOUBLE, DOUBLE * 0.5)
        ax = figure.add_subplot(projection="mollweide")
        pin_ticks(ax)
    else:
        figure, (ax,) = make_axes(None, (1, 1), (SINGLE, SINGLE * 0.72))
    round_map = ax.name == "mollweide"

    def place(ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
        return (np.radians(180.0 - ra), np.radians(dec)) if round_map else (ra, dec)

    handles = []
    for frame, colour, size, label in (
        (members, GREY, 0.8, "members"),
        (stars, VERMILLION, 2.0, f"observed by {survey}"),
    ):
        unique = frame.unique("source_id", maintain_order=True)
        x, y = place(values(unique, "ra"), values(unique, "dec"))
        # Hundreds of thousands of vector points make a PDF nobody can open.
        # Not a line: in a curved projection matplotlib would interpolate between its points, stars or not.
        dots = ax.scatter(x, y, s=size**2, lw=0, color=colour, rasterized=True, label=label)
        dots.set_in_layout(False)
        text = f"{unique.height:,} {label}".replace(",", "\N{THIN SPACE}")
        handles.append(Line2D([], [], ls="", marker="o", ms=3.5, mew=0, color=colour, label=text))
    ra, dec = galactic_plane()
    x, y = place(ra, dec)
    ax.plot(x, y, color="black", lw=0.7, ls=(0, (5, 2)), label="Galactic plane")
    handles.append(Line2D([], [], color="black", lw=0.7, ls=(0, (5, 2)), label=r"Galactic plane"))
    if members.is_empty() and stars.is_empty():
        say(ax, "no stars")

    if round_map:
        ticks = np.arange(330, 0, -30)
        ax.set_xticks(np.radians(180.0 - ticks), [])
        parallels = np.arange(-60, 61, 30)
        ax.set_yticks(np.radians(parallels), [f"{number(float(t), 0)}°" for t in parallels])
        ax.grid(color="0.85", lw=0.4)
        for t in ticks:
            # Inside the map, over the data: tick labels would be under it.
            outline = [Stroke(linewidth=1.8, foreground="white"), Normal()]
            ax.text(np.radians(180.0 - t), 0, f"{t}°", ha="center", va="center", fontsize=7, path_effects=outline)
    else:
        ax.set_xlim(360, 0)
        ax.set_ylim(-90, 90)
        ax.set_xticks(np.arange(0, 361, 60))
        ax.set_yticks(np.arange(-90, 91, 30))
        ax.set_xlabel("RA (deg)")
        ax.set_ylabel("Dec (deg)")
    legend_above(ax, handles, own=own, columns=3 if round_map else 2)
    return figure
