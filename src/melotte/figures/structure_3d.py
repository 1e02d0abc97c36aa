"""The Radcliffe wave in three dimensions, to turn with the mouse: one HTML file that needs no network."""

from __future__ import annotations

import html
from typing import Any, Final

import numpy as np
import polars as pl

from ..errors import ConfigError
from ._common import FEH_LABEL, colour_limits, display_name, number, values, with_error
from .look import BLUE, GREY, LIGHT, VERMILLION

#: Shown about the wave at first [pc].
_MARGIN: Final = 400.0


def wave_3d(
    clusters: pl.DataFrame,
    curve: pl.DataFrame,
    sightlines: pl.DataFrame | None = None,
    *,
    minimum_feh_stars: int = 3,
) -> str:
    """The wave, the clouds and the young clusters as an interactive page.

    Parameters
    ----------
    clusters : polars.DataFrame
        `melotte.schema.structure.ALONG_WAVE`.
    curve : polars.DataFrame
        Points ``x``, ``y``, ``z`` [pc] of the wave.
    sightlines : polars.DataFrame, optional
        `melotte.schema.structure.SIGHTLINES`.
    minimum_feh_stars : int
        Fewest stars behind a [Fe/H] that is shown in colour.

    Returns
    -------
    str
        A whole HTML page with the script in it; the same tables give the same page.

    Raises
    ------
    ConfigError
        If plotly is not installed.
    """
    try:
        import plotly.graph_objects as go
    except ImportError as error:
        raise ConfigError(
            "the interactive view of the wave needs plotly",
            where="wave_3d",
            hint="pip install 'melotte[interactive]'; every other figure does without",
        ) from error
    members, others = clusters.filter("member"), clusters.filter(~pl.col("member"))
    figure: Any = go.Figure()
    if sightlines is not None:
        figure.add_trace(
            go.Scatter3d(
                **_xyz(sightlines), mode="markers", name="molecular clouds",
                text=list(map(html.escape, sightlines["cloud"])),
                customdata=sightlines["distance"].to_list(),
                hovertemplate="%{text}<br>%{customdata:.0f} pc<extra></extra>",
                marker={"size": 2.5, "symbol": "square", "color": LIGHT},
            )
        )  # fmt: skip
    figure.add_trace(
        go.Scatter3d(**_xyz(curve), mode="lines", name="wave", hoverinfo="skip", line={"width": 5, "color": BLUE})
    )
    feh = values(members, "feh_med")
    if "n_feh" in members.columns:
        feh = np.where(values(members, "n_feh") >= minimum_feh_stars, feh, np.nan)
    low, high = colour_limits(feh, minimum=0.2)
    known = np.isfinite(feh)
    for rows, name, marker in (
        (
            members.filter(pl.Series(known)),
            "clusters along the wave",
            {
                "size": 5, "color": feh[known].tolist(), "colorscale": "Viridis", "cmin": low, "cmax": high,
                "colorbar": {"title": {"text": FEH_LABEL}, "thickness": 12, "len": 0.7},
            },
        ),
        (members.filter(pl.Series(~known)), "along the wave, no firm [Fe/H]",
         {"size": 5, "symbol": "circle-open", "color": "#555555"}),
        (others, "other young clusters", {"size": 2.5, "color": _hex(GREY)}),
    ):  # fmt: skip
        if rows.height:
            figure.add_trace(
                go.Scatter3d(
                    **_xyz(rows), mode="markers", name=name, text=_texts(rows),
                    hovertemplate="%{text}<extra></extra>", marker=marker,
                )
            )  # fmt: skip
    figure.add_trace(
        go.Scatter3d(x=[0], y=[0], z=[0], mode="markers", name="Sun", hoverinfo="name",
                     marker={"size": 5, "symbol": "diamond", "color": VERMILLION})
    )  # fmt: skip
    figure.update_layout(
        title={"text": "Young clusters along the Radcliffe wave"},
        scene={
            **{f"{c}axis": {"title": {"text": f"{c.upper()} (pc)"}, "range": _around(curve, c)} for c in "xyz"},
            "aspectmode": "data",
            "camera": {"eye": {"x": 1.5, "y": -1.1, "z": 0.35}},
        },
        legend={"x": 0.0, "y": 1.0, "itemsizing": "constant"},
        margin={"l": 0, "r": 0, "t": 40, "b": 0},
    )  # fmt: skip
    page: str = figure.to_html(
        full_html=True, include_plotlyjs=True, include_mathjax=False, div_id="wave", config={"displaylogo": False}
    )
    return page


def _xyz(table: pl.DataFrame) -> dict[str, list[float]]:
    return {axis: np.round(values(table, axis), 1).tolist() for axis in "xyz"}


def _around(curve: pl.DataFrame, axis: str) -> list[float]:
    """Range of an axis about the wave; what lies farther is found by zooming out."""
    v = values(curve, axis)
    return [float(v.min()) - _MARGIN, float(v.max()) + _MARGIN]


def _hex(grey: str) -> str:
    level = round(255 * float(grey))
    return f"#{level:02x}{level:02x}{level:02x}"


def _texts(rows: pl.DataFrame) -> list[str]:
    feh, error, age, away = (values(rows, c) for c in ("feh_med", "feh_med_error", "age", "wave_distance"))
    return [
        f"{html.escape(display_name(name))}<br>[Fe/H] {with_error(f, e, 2)}<br>{number(a, 0)} Myr, "
        f"{number(d, 0)} pc from the wave"
        for name, f, e, a, d in zip(rows["cluster"], feh, error, age, away, strict=True)
    ]
