"""TOML -> frozen settings. Every number that is a choice is a key here, with the paper's value as its default.

A physical value is written with its unit (``"3.5 arcsec"``); a bare number, an unknown key or a unit of the wrong
kind is a `ConfigError` that names the key and the file.
"""

from .disc import GalaxyConfig, GradientsConfig, StructureConfig, SunConfig
from .literature import LiteratureConfig, ZeroPointsConfig
from .measurements import (
    MetallicityConfig,
    MetallicityModelConfig,
    StarsConfig,
    TrendConfig,
    VelocityConfig,
    VelocityModelConfig,
    ZeroPointConfig,
)
from .output import FiguresConfig, PublishConfig, RunConfig
from .read import load, load_section, parse
from .sources import Adapter, ClustersConfig, ColumnSource, CrossmatchConfig, DaskConfig, MembersConfig, SurveyConfig
from .values import GaiaRelease, Settings, Threshold
from .whole import Config

__all__ = [
    "Adapter",
    "ClustersConfig",
    "ColumnSource",
    "Config",
    "CrossmatchConfig",
    "DaskConfig",
    "FiguresConfig",
    "GaiaRelease",
    "GalaxyConfig",
    "GradientsConfig",
    "LiteratureConfig",
    "MembersConfig",
    "MetallicityConfig",
    "MetallicityModelConfig",
    "PublishConfig",
    "RunConfig",
    "Settings",
    "StarsConfig",
    "StructureConfig",
    "SunConfig",
    "SurveyConfig",
    "Threshold",
    "TrendConfig",
    "VelocityConfig",
    "VelocityModelConfig",
    "ZeroPointConfig",
    "ZeroPointsConfig",
    "load",
    "load_section",
    "parse",
]
