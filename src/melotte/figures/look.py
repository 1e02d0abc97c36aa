"""The one style, column widths, colours, and writing a figure to files."""

from __future__ import annotations

import functools
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib import style as mpl_style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from ..errors import PublishError

P = ParamSpec("P")

#: The style file; usable as ``matplotlib.style.use(STYLE_FILE)`` too.
STYLE_FILE: Final = Path(__file__).with_name("melotte.mplstyle")

#: Widths of one and of two columns of Astronomy & Astrophysics, inches (88 mm and 180 mm).
SINGLE: Final = 88 / 25.4
DOUBLE: Final = 180 / 25.4

#: Okabe & Ito (2008), colours told apart by all common kinds of colour vision.
BLUE: Final = "#0072B2"
VERMILLION: Final = "#D55E00"
GREEN: Final = "#009E73"
PURPLE: Final = "#CC79A7"
ORANGE: Final = "#E69F00"
SKY: Final = "#56B4E9"
GREY: Final = "0.65"
#: Light, and of another hue than a faint grey line.
LIGHT: Final = "#F2C583"
DARK: Final = "0.25"

#: Perceptually uniform, without the yellow end that vanishes on white paper.
VIRIDIS: Final = LinearSegmentedColormap.from_list(
    "melotte_viridis", mpl.colormaps["viridis"](np.linspace(0, 0.92, 256))
)
PLASMA: Final = LinearSegmentedColormap.from_list("melotte_plasma", mpl.colormaps["plasma"](np.linspace(0, 0.88, 256)))

#: Metadata that would make two runs differ, per format.
_METADATA: Final[dict[str, dict[str, Any]]] = {
    "pdf": {"CreationDate": None},
    "png": {"Software": None},
    "svg": {"Date": None},
}

#: matplotlib's settings are global: one thread at a time changes them.
_LOCK = threading.RLock()


@functools.cache
def _settings() -> dict[str, Any]:
    # The type of RcParams differs between matplotlib versions.
    settings: Any = mpl.rc_params_from_file(STYLE_FILE, use_default_template=False)
    return {str(key): settings[key] for key in settings}


@contextmanager
def style() -> Iterator[None]:
    """Melotte's style on top of matplotlib's defaults; the caller's settings are restored on leaving.

    Only one thread at a time is inside.
    """
    with _LOCK, mpl_style.context(_settings(), after_reset=True):
        yield


def styled(function: Callable[P, Figure]) -> Callable[P, Figure]:
    """Run a plotting function inside `style`."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with style():
            return function(*args, **kwargs)

    return wrapper


def new_figure(width: float, height: float) -> Figure:
    """An empty figure (inches) that belongs to no window and to no pyplot list."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, stem: str | Path, formats: Iterable[str] = ("pdf", "png")) -> list[Path]:
    """Write a figure, one file per format; each appears complete or not at all.

    The files hold no date, so that the same figure gives the same bytes. PDF text is embedded as TrueType
    (``pdf.fonttype`` 42), PNG has 300 dots per inch.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    stem : str or path
        File name without the ending; missing folders are made. A dot in the name is kept.
    formats : iterable of str
        ``pdf``, ``png``, ``svg``.

    Returns
    -------
    list of pathlib.Path
        The files, in the order of ``formats``.

    Raises
    ------
    PublishError
        If a format is unknown or a file cannot be written.
    """
    formats = [formats] if isinstance(formats, str) else list(formats)
    for name in formats:
        if name not in _METADATA:
            raise PublishError(f"unknown figure format {name!r}", where=stem, expected=", ".join(_METADATA))
    stem = Path(stem)
    paths = [stem.with_name(f"{stem.name}.{name}") for name in formats]
    with style(), _laid_out(figure):
        for name, path in zip(formats, paths, strict=True):
            try:
                _write(figure, path, name)
            except OSError as error:
                raise PublishError(f"the figure cannot be written: {error.strerror or error}", where=path) from error
    return paths


@contextmanager
def _laid_out(figure: Figure) -> Iterator[None]:
    """The layout computed once, not once per format."""
    engine = figure.get_layout_engine()
    if engine is None:
        yield
        return
    engine.execute(figure)
    figure.set_layout_engine("none")
    try:
        yield
    finally:
        figure.set_layout_engine(engine)


def _print(figure: Figure, stream: IO[bytes], name: str) -> None:
    """Draw once: `Figure.savefig` draws a figure with a layout engine twice, to compute a layout we have."""
    canvas, dpi = figure.canvas, figure.get_dpi()
    make: Any = {"pdf": FigureCanvasPdf, "svg": FigureCanvasSVG, "png": FigureCanvasAgg}[name]
    figure.set_dpi(mpl.rcParams["savefig.dpi"])
    try:
        getattr(make(figure), f"print_{name}")(stream, metadata=_METADATA[name])
    finally:
        figure.set_dpi(dpi)
        figure.set_canvas(canvas)


def _write(figure: Figure, path: Path, name: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Unfinished files are called like those of `melotte.core.files.PART`.
    handle, temporary = tempfile.mkstemp(prefix=f".part-{path.stem}-", suffix=path.suffix, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            _print(figure, stream, name)
        # mkstemp makes files private; give the permissions a plain open() would have given.
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
