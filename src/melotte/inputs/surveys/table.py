"""Any survey, by a column map: a file nobody here has seen needs no code.

Each key of ``[survey.columns]`` is a column of the SPECTRA schema; its value names the column in the file, or gives a
constant or an expression. Units come from the map, from the file, or are those of the schema, in that order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ConfigError
from ...schema import SPECTRA
from .layout import Layout, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...config import ColumnSource, SurveyConfig

_NEEDED = ("ra", "dec")


def layout(config: SurveyConfig) -> Layout:
    """The layout of the user's column map.

    Raises
    ------
    ConfigError
        If the map names a column SPECTRA does not have, or lacks a position, or the velocity of a velocity's error.
    """
    needed = (*_NEEDED, "rv") if "rv_error" in config.columns else _NEEDED  # a survey may be without velocities
    sources = from_map(config.columns, SPECTRA.names, needed, section="survey.columns")
    return Layout(title=config.name or "survey", sources=sources)


def from_map(
    columns: Mapping[str, ColumnSource], allowed: Iterable[str], needed: Iterable[str], *, section: str
) -> dict[str, Source]:
    """Column map of the configuration -> sources."""
    known = list(allowed)
    for name in columns:
        if name not in known:
            raise ConfigError(f"[{section}] {name}: not a column Melotte knows", expected=", ".join(known))
    for name in needed:
        if name not in columns:
            raise ConfigError(f"[{section}] {name}: missing", expected=f"a column or value for {name}")
    return {
        target: Source(
            names=tuple(n for n in (item.column, item.expr) if n is not None),
            required=True,
            unit=item.unit or "",
            forced=item.unit is not None,
            missing=item.missing,
            value=item.value,
            expr=item.expr or "",
        )
        for target, item in columns.items()
    }
