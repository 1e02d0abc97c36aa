"""The drawings as Bokeh documents without data: a script fills their sources from the tables in the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bokeh.core.json_encoder import serialize_json
from bokeh.document import Document
from bokeh.models import (
    BoxAnnotation,
    BoxSelectTool,
    ColumnDataSource,
    DataRange1d,
    GlyphRenderer,
    HoverTool,
    LassoSelectTool,
    PanTool,
    Range1d,
    ResetTool,
    SaveTool,
    Scatter,
    Span,
    TapTool,
    WheelZoomTool,
    Whisker,
)
from bokeh.plotting import figure

from ...config import MetallicityConfig
from ...figures.look import BLUE, VERMILLION
from ...galaxy.sun import Sun

INK, FAINT = "#1b1f24", "#8a929b"
HEIGHT: Final = 330


@dataclass(frozen=True)
class View:
    """A linked view: which columns it draws, and what it says where they are missing."""

    key: str
    title: str
    x: str
    y: str
    x_label: str
    y_label: str
    needs: str
    equal: bool = False
    flip: bool = False


#: The linked views; ``needs`` completes "Nothing to draw: no cluster has ...".
VIEWS: Final = (
    View(
        "sky",
        "Sky, Galactic coordinates",
        "glon",
        "glat",
        "l (deg)",
        "b (deg)",
        "a position",
        flip=True,
    ),
    View(
        "plane",
        "Galactic plane from above",
        "x",
        "y",
        "X (kpc)",
        "Y (kpc)",
        "a distance",
        equal=True,
    ),
    View(
        "radial",
        "Metallicity along the disc",
        "r_gc",
        "feh_med",
        "R_GC (kpc)",
        "[Fe/H] (dex)",
        "a distance and [Fe/H]",
    ),
    View(
        "integrals",
        "Energy and angular momentum",
        "l_z",
        "energy",
        "L_Z (kpc km/s)",
        "E (km²/s²)",
        "an orbit; a [galaxy] section in the configuration of the run gives them",
    ),
    View(
        "ages",
        "Metallicity and age",
        "log_age",
        "feh_med",
        "log10(age / yr)",
        "[Fe/H] (dex)",
        "an age and [Fe/H]",
    ),
)


def _new(title: str, x: str, y: str, **more: Any) -> Any:
    plot = figure(
        height=HEIGHT,
        sizing_mode="stretch_width",
        x_axis_label=x,
        y_axis_label=y,
        tools=[],
        toolbar_location="above",
        background_fill_color="white",
        border_fill_color="white",
        name=title,
        **more,
    )
    plot.toolbar.logo = None
    plot.toolbar.autohide = False
    for axis in plot.axis:
        axis.formatter.use_scientific = False
    plot.axis.axis_label_text_font_style = "normal"
    plot.axis.axis_label_text_font_size = "13px"
    plot.axis.major_label_text_font_size = "12px"
    plot.grid.grid_line_color = "#e8ebee"
    return plot


def _range(*renderers: GlyphRenderer, flip: bool = False) -> DataRange1d:
    """Limits set by what was observed, not by the lines drawn over it."""
    return DataRange1d(renderers=list(renderers), flipped=flip, range_padding=0.18)


def _tools(plot: Any, renderers: list[GlyphRenderer], tooltips: list[tuple[str, str]], *, select: bool = True) -> None:
    box = BoxSelectTool(renderers=renderers, description="Select in a box")
    choose = [
        box,
        LassoSelectTool(renderers=renderers, description="Select freely"),
        TapTool(renderers=renderers, description="Select a point"),
    ]
    pan = PanTool(description="Move")
    plot.add_tools(
        *(choose if select else []),
        pan,
        WheelZoomTool(description="Zoom with the wheel"),
        ResetTool(description="Whole range"),
        SaveTool(description="Save as PNG"),
        HoverTool(renderers=renderers, tooltips=tooltips, visible=False),
    )
    # Only one tool takes a drag; the wheel scrolls the page until it is asked for.
    plot.toolbar.active_drag = box if select else None
    plot.toolbar.active_scroll = None


def overview(sun: Sun) -> Document:
    """The linked views on one shared source."""
    columns = ("name", "glon", "glat", "x", "y", "r_gc", "feh_med", "feh_low", "feh_high", "l_z", "energy", "log_age")
    source = ColumnDataSource({name: [] for name in (*columns, "rv", "feh", "n_all")}, name="clusters")
    plots = []
    for view in VIEWS:
        plot = _new(view.key, view.x_label, view.y_label, match_aspect=view.equal)
        chosen = plot.scatter(
            view.x, view.y, source=source, size=7, fill_color=BLUE, line_color="white", line_width=0.5
        )
        # Another shape and size, not another colour only.
        chosen.selection_glyph = Scatter(
            x=view.x, y=view.y, size=11, marker="diamond", fill_color=VERMILLION, line_color=INK
        )
        chosen.nonselection_glyph = Scatter(
            x=view.x, y=view.y, size=5, marker="circle", fill_color="#c3c9d0", fill_alpha=0.8, line_color=None
        )
        plot.x_range = _range(chosen, flip=view.flip)
        plot.y_range = _range(chosen)
        if view.y == "feh_med":
            whisker = Whisker(source=source, base=view.x, lower="feh_low", upper="feh_high", level="underlay")
            whisker.line_color = "#b8c0c8"
            whisker.upper_head, whisker.lower_head = None, None
            plot.add_layout(whisker)
        if view.key == "plane":
            _sun(plot, sun)
        if view.key == "sky":
            plot.add_layout(Span(location=0, dimension="width", line_color=FAINT, line_width=1))
        _tools(plot, [chosen], [("", "@name"), ("RV", "@rv"), ("[Fe/H]", "@feh"), ("stars", "@n_all")])
        plots.append(plot)
    return _together(plots)


def _marks(plot: Any, source: ColumnDataSource, x: str, y: str) -> GlyphRenderer:
    """Stars: shape and fill say how they were used."""
    style: dict[str, Any] = {"marker": {"field": "marker"}, "line_color": {"field": "colour"}, "line_width": 1.3}
    drawn: GlyphRenderer = plot.scatter(
        x, y, source=source, size=8, fill_color={"field": "fill"}, fill_alpha=0.75, **style
    )
    drawn.selection_glyph = Scatter(x=x, y=y, size=13, fill_color=VERMILLION, **style | {"line_color": INK})
    drawn.nonselection_glyph = Scatter(
        x=x, y=y, size=7, fill_color={"field": "fill"}, fill_alpha=0.25, line_alpha=0.35, **style
    )
    return drawn


def _line(plot: Any, name: str, **style: Any) -> ColumnDataSource:
    source = ColumnDataSource({"x": [], "y": []}, name=name)
    plot.line("x", "y", source=source, **{"line_color": INK, "line_width": 1.4} | style)
    return source


def _orbit(key: str, x_label: str, y_label: str, *, sun: Sun | None = None) -> Any:
    plot = _new(key, x_label, y_label, match_aspect=sun is not None)
    _line(plot, f"{key}_path", line_color=BLUE)
    today = ColumnDataSource({"x": [], "y": []}, name=f"{key}_today")
    now = plot.scatter("x", "y", source=today, marker="diamond", size=13, fill_color=VERMILLION, line_color=INK)
    if sun is not None:
        _sun(plot, sun)
        plot.scatter([0.0], [0.0], marker="cross", size=12, line_color=INK)
        plot.text([0.0], [0.0], text=["centre"], x_offset=9, y_offset=-6, text_font_size="12px")
    _tools(plot, [now], [("today", "(@x{0.00}, @y{0.00}) kpc")], select=False)
    return plot


def _sun(plot: Any, sun: Sun) -> None:
    x, y = float(sun.position[0]), float(sun.position[1])
    over: dict[str, Any] = {"level": "overlay"}
    plot.scatter([x], [y], marker="circle_dot", size=12, fill_color="white", fill_alpha=0.6, line_color=INK, **over)
    plot.text([x], [y], text=["Sun"], y_offset=22, text_align="center", text_font_size="12px", **over)


def cluster(settings: MetallicityConfig, sun: Sun) -> Document:
    """The drawings of one cluster; the sources are found by their names."""
    fields = (
        "rv",
        "rv_error",
        "teff",
        "logg",
        "feh",
        "bp_rp",
        "g",
        "xs",
        "ys",
        "marker",
        "colour",
        "fill",
        "id",
        "use",
    )
    stars = ColumnDataSource({name: [] for name in fields}, name="stars")
    who = [("", "@id"), ("", "@use"), ("RV", "@rv{0.0} ± @rv_error{0.0}"), ("[Fe/H]", "@feh{0.00}")]

    rv = _new("rv", "RV (km/s)", "Profile (unit height)")
    rv.x_range, rv.y_range = Range1d(0, 1), Range1d(0, 1.15)
    curves = rv.multi_line("xs", "ys", source=stars, line_color={"field": "colour"}, line_alpha={"field": "alpha"})
    curves.selection_glyph = curves.glyph.clone(line_color=VERMILLION, line_width=3, line_alpha=1)
    curves.nonselection_glyph = curves.glyph.clone(line_alpha=0.08)
    _line(rv, "rv_cluster", line_width=3)
    for name in ("rv_low", "rv_high"):
        _line(rv, name, line_dash="dashed")
    _tools(rv, [curves], who)

    low, high = (float(q.value) for q in settings.teff)
    kiel = _new("kiel", "Teff (K)", "log g (dex)")
    drawn = _marks(kiel, stars, "teff", "logg")
    kiel.x_range, kiel.y_range = _range(drawn, flip=True), _range(drawn, flip=True)
    _line(kiel, "kiel_isochrone", line_dash="dashed")
    _line(kiel, "kiel_limit", line_color=VERMILLION, line_width=2, line_dash="dotted")
    _tools(kiel, [drawn], who)

    feh = _new("feh", "Teff (K)", "[Fe/H] (dex)")
    drawn = _marks(feh, stars, "teff", "feh")
    feh.x_range, feh.y_range = _range(drawn, flip=True), _range(drawn)
    _line(feh, "feh_mean", line_color=BLUE, line_width=2)
    _tools(feh, [drawn], who)
    for plot in (kiel, feh):
        # Left and right are those of the screen, and hot is left.
        for edges in ({"left": low}, {"right": high}):
            plot.add_layout(BoxAnnotation(**edges, fill_color="#888888", fill_alpha=0.15, level="underlay"))

    cmd = _new("cmd", "BP - RP (mag)", "G (mag)")
    listed = ColumnDataSource({"x": [], "y": []}, name="cmd_members")
    grey = cmd.scatter("x", "y", source=listed, size=3, fill_color="#aab2ba", line_color=None)
    drawn = _marks(cmd, stars, "bp_rp", "g")
    cmd.x_range, cmd.y_range = _range(drawn, grey), _range(drawn, grey, flip=True)
    _line(cmd, "cmd_isochrone", line_dash="dashed")
    _tools(cmd, [drawn], who)

    orbits = [_orbit("orbit_rz", "R (kpc)", "Z (kpc)"), _orbit("orbit_xy", "X (kpc)", "Y (kpc)", sun=sun)]
    return _together([rv, kiel, feh, cmd, *orbits])


def _together(plots: list[Any]) -> Document:
    """One document, so that the drawings share their sources."""
    document = Document()
    # Its models are looked through once, not once per drawing.
    with document.models.freeze():
        for plot in plots:
            document.add_root(plot)
    return document


def as_json(document: Document) -> Mapping[str, Any]:
    """A document for a script, and the identifiers of its drawings by name."""
    return {
        "document": json.loads(serialize_json(document.to_json())),
        "roots": {str(root.name): root.id for root in document.roots},
    }
