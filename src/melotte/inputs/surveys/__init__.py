"""Spectroscopic surveys: one adapter each, one SPECTRA table out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...config import SurveyConfig
    from .survey import Survey

__all__ = ["open_survey"]


def open_survey(config: SurveyConfig, *, data_dir: Path | None = None) -> Survey:
    """Open a survey file with the adapter of the configuration.

    Parameters
    ----------
    config : SurveyConfig
        The ``[survey]`` section.
    data_dir : path, optional
        Directory of the local mirror; ``config.file`` is looked for there first.

    Returns
    -------
    Survey
        Read it with ``.batches()`` (bounded memory) or ``.read()``.

    Raises
    ------
    DatasetError
        If there is no such file or registered name.
    ReadError, SchemaError
        If the file is damaged, or lacks a column.
    """
    from ...datasets import locate
    from ...tables.reader import open_table
    from .adapters import layout_of
    from .survey import Survey

    reader = open_table(locate(config.file, data_dir=data_dir), config.hdu)
    floors = {}
    if config.rv_error_floor is not None:
        floors["rv_error"] = float(config.rv_error_floor.to_value("km/s"))
    if config.feh_error_floor is not None:
        floors["feh_error"] = float(config.feh_error_floor.to_value("dex"))
    return Survey(reader, layout_of(reader, config), name=config.name, floors=floors, settings=config)
