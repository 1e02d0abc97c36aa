"""What the sections ``[literature]`` and ``[zero_points]`` of a configuration mean here."""

from __future__ import annotations

from ..config import LiteratureConfig, ZeroPointsConfig
from .check import PairLimits
from .compare import CompareSettings
from .equations import SolveSettings
from .ledger import LedgerSettings


def compare_settings(config: LiteratureConfig) -> CompareSettings:
    """Settings of a comparison; the defaults of the section are those of `CompareSettings`."""
    return CompareSettings(outlier=config.outlier, counts=config.counts, limits=_limits(config))


def ledger_settings(config: LiteratureConfig) -> LedgerSettings:
    """Settings of the ledger of first determinations."""
    return LedgerSettings(
        resolutions=config.resolutions,
        near_miss_radius=float(config.near_miss_radius.to_value("deg")),
        limits=_limits(config),
    )


def solve_settings(config: ZeroPointsConfig) -> SolveSettings:
    """Settings of the common solution of the zero points."""
    return SolveSettings(
        clip=config.clip,
        error_floor=float(config.error_floor.to_value("km/s")),
        unknown_error=float(config.unknown_error.to_value("km/s")),
        minimum=config.minimum_objects,
    )


def _limits(config: LiteratureConfig) -> PairLimits:
    return PairLimits(
        position_r50=config.position_r50,
        position_floor=float(config.position_floor.to_value("deg")),
        position_unknown=float(config.position_unknown.to_value("deg")),
        pm_floor=float(config.pm_floor.to_value("mas/yr")),
        pm_fraction=config.pm_fraction,
        parallax_floor=float(config.parallax_floor.to_value("mas")),
        parallax_fraction=config.parallax_fraction,
    )
