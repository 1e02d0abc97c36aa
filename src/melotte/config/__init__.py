"""TOML -> frozen settings. Every number that is a choice is a key here, with the paper's value as its default.

A physical value is written with its unit (``"3.5 arcsec"``); a bare number, an unknown key or a unit of the wrong
kind is a `ConfigError` that names the key and the file.
"""

from .disc import GalaxyConfig, GradientsConfig, StructureConfig, SunConfig
from .literature import LiteratureConfig, ZeroPointsConfig
from .measurements import (
    MetallicityConfig,
    MetallicityModelConfig,
    MixtureConfig,
    StarsConfig,
    TrendConfig,
    VelocityConfig,
    VelocityModelConfig,
    ZeroPointConfig,
)
from .output import FiguresConfig, PublishConfig, RunConfig
from .read import load, load_section, parse
from .sources import (
    Adapter,
    ClustersConfig,
    ColumnSource,
    CrossmatchConfig,
    DaskConfig,
    MembersConfig,
    SurveyConfig,
)
from .values import GaiaRelease, Settings, Threshold
from .whole import Config

#: In the order of the page in the documentation.
__all__ = [  # noqa: RUF022
    "ColumnSource",
    "SurveyConfig",
    "MembersConfig",
    "ClustersConfig",
    "CrossmatchConfig",
    "DaskConfig",
    "StarsConfig",
    "MixtureConfig",
    "VelocityModelConfig",
    "VelocityConfig",
    "ZeroPointConfig",
    "MetallicityModelConfig",
    "TrendConfig",
    "MetallicityConfig",
    "SunConfig",
    "GalaxyConfig",
    "GradientsConfig",
    "StructureConfig",
    "LiteratureConfig",
    "ZeroPointsConfig",
    "FiguresConfig",
    "PublishConfig",
    "RunConfig",
    "Config",
    "Settings",
    "Threshold",
    "Adapter",
    "GaiaRelease",
    "parse",
    "load",
    "load_section",
]
