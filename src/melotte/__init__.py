"""Melotte: from a spectroscopic survey and a Gaia membership list to an open-cluster catalogue."""

from __future__ import annotations

from importlib import import_module as _import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

from . import errors
from .errors import MelotteError, MelotteWarning

if TYPE_CHECKING:
    from .catalogue import Catalogue
    from .config import Config
    from .crossmatch import match_positions as match
    from .datasets import fetch
    from .galaxy import dynamics as orbits
    from .validation.simulate import simulate
    from .workflow.delivery import read_back as read
    from .workflow.pipeline import run

__version__ = _version("melotte")
__all__ = [
    "Catalogue",
    "Config",
    "MelotteError",
    "MelotteWarning",
    "__version__",
    "errors",
    "fetch",
    "match",
    "orbits",
    "read",
    "run",
    "simulate",
]

#: Where each public name is defined. The rooms pull in astropy, polars and numba: they are loaded when used.
_PUBLIC = {
    "Catalogue": ("catalogue", "Catalogue"),
    "Config": ("config", "Config"),
    "fetch": ("datasets", "fetch"),
    "match": ("crossmatch", "match_positions"),
    "orbits": ("galaxy", "dynamics"),
    "read": ("workflow.delivery", "read_back"),
    "run": ("workflow.pipeline", "run"),
    "simulate": ("validation.simulate", "simulate"),
}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        module, attribute = _PUBLIC[name]
        return getattr(_import_module(f"{__name__}.{module}"), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
