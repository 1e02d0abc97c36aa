"""The whole configuration of a run."""

from __future__ import annotations

import re
from typing import Any

from pydantic import model_validator

from .disc import GalaxyConfig, GradientsConfig, StructureConfig
from .literature import LiteratureConfig
from .measurements import MetallicityConfig, StarsConfig, VelocityConfig, ZeroPointConfig
from .output import FiguresConfig, PublishConfig, RunConfig
from .sources import ClustersConfig, CrossmatchConfig, DaskConfig, MembersConfig, SurveyConfig
from .values import Settings


class Config(Settings):
    """The whole configuration of a run."""

    survey: SurveyConfig
    members: MembersConfig
    clusters: ClustersConfig
    crossmatch: CrossmatchConfig = CrossmatchConfig()
    stars: StarsConfig = StarsConfig()
    velocity: VelocityConfig = VelocityConfig()
    zero_point: ZeroPointConfig = ZeroPointConfig()
    metallicity: MetallicityConfig = MetallicityConfig()
    #: Orbits are computed if the file has a ``[galaxy]`` section, be it empty.
    galaxy: GalaxyConfig | None = None
    #: [Fe/H] is fitted against radius, angular momentum and energy if the file has a ``[gradients]`` section.
    gradients: GradientsConfig | None = None
    structure: StructureConfig = StructureConfig()
    literature: LiteratureConfig = LiteratureConfig()
    figures: FiguresConfig = FiguresConfig()
    publish: PublishConfig = PublishConfig()
    run: RunConfig = RunConfig()

    @model_validator(mode="after")
    def _no_dask(self) -> Config:
        if self.crossmatch.dask != DaskConfig():
            raise ValueError(
                "[crossmatch.dask] is used by no run: its matches are made on this machine; give the settings to "
                "melotte.crossmatch.dask_client and match_lsdb instead"
            )
        return self

    @model_validator(mode="after")
    def _gradients_after_orbits(self) -> Config:
        if self.gradients is None:
            return self
        if self.galaxy is None:
            raise ValueError("[gradients] needs the orbits of a [galaxy] section")
        span, step = (float(q.to_value("Myr")) for q in (self.galaxy.lookback, self.galaxy.step))
        for name in self.gradients.predictors:
            past = re.fullmatch(r"r_gc_([0-9.]+)_myr", name)
            if past and (float(past[1]) > span or not (float(past[1]) / step).is_integer()):
                raise ValueError(
                    f"[gradients] predictors: {name} is not among the look-back times of [galaxy] "
                    f"(every {step:g} Myr up to {span:g})"
                )
        return self

    def resolved(self) -> dict[str, Any]:
        """Every key with the value used, ready for TOML or JSON."""
        return self.model_dump(mode="json", exclude_none=True)
