"""Melotte: from a spectroscopic survey and a Gaia membership list to an open-cluster catalogue."""

from __future__ import annotations

from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

from .errors import MelotteError, MelotteWarning

if TYPE_CHECKING:
    from .workflow.delivery import read_back as read
    from .workflow.pipeline import Catalogue, run

__version__ = _version("melotte")
__all__ = ["Catalogue", "MelotteError", "MelotteWarning", "__version__", "read", "run"]


def __getattr__(name: str) -> Any:
    # The pipeline pulls in astropy, polars and numba: load it when it is used, not on import.
    if name in {"Catalogue", "run"}:
        from .workflow import pipeline

        return getattr(pipeline, name)
    if name == "read":
        from .workflow.delivery import read_back

        return read_back
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
