"""Which layout goes with which adapter of the configuration."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...tables.reader import TableReader
from . import apogee, boss, gaia_rvs, lamost, table
from .layout import Layout

if TYPE_CHECKING:
    from ...config import SurveyConfig


def layout_of(reader: TableReader, config: SurveyConfig) -> Layout:
    """The layout the adapter of ``config`` has for this file."""
    match config.adapter:
        case "lamost":
            layout = lamost.layout(reader, config.gaia_release)
        case "boss":
            layout = boss.layout()
        case "apogee":
            layout = apogee.layout()
        case "gaia_rvs":
            layout = gaia_rvs.layout(config.gaia_release)
        case "table":
            layout = table.layout(config)
    layout = replace(layout, conditions=layout.conditions + config.keep)
    return layout.at_epoch(None if config.epoch is None else float(config.epoch.to_value("yr")))
