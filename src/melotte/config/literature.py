"""Comparisons: with other catalogues, and of the velocity zero points of several surveys."""

from __future__ import annotations

from typing import Annotated, Literal

from astropy import units as u
from pydantic import Field, model_validator

from .measurements import StarsConfig
from .sources import CrossmatchConfig, MembersConfig, SurveyConfig
from .values import Angle, Parallax, ProperMotion, Settings, Sigma, Speed, Threshold


class LiteratureConfig(Settings):
    """``[literature]``: comparison with other catalogues (Fu et al. 2022, Sect. 3).

    The limits say when two rows of one name are one object. Cantat-Gaudin et al. 2020 against Dias et al. 2021 (1,530
    clusters in common): 98 % of the separations are below 0.6 r50, of the proper-motion differences below 0.10
    mas/yr, of the parallax differences below 0.04 mas; older catalogues are up to ten times worse. The limits lie
    outside that and far inside the distance to a neighbour.
    """

    #: A cluster this far from the median difference (in robust standard deviations) is named as an outlier.
    outlier: Sigma = 5.0
    #: Smallest numbers of stars on both sides for which the offset is given separately, and below which a cluster is
    #: marked in the figures (Fig. 7: 3).
    counts: tuple[Annotated[int, Field(ge=1)], ...] = (1, 2, 3, 5, 10)
    few: Annotated[int, Field(ge=1)] = 3
    #: Separation accepted in units of the smaller half-number radius; always; and where no radius is known.
    position_r50: Annotated[float, Field(gt=0)] = 3.0
    position_floor: Angle = u.Quantity(900.0, "arcsec")
    position_unknown: Angle = u.Quantity(1800.0, "arcsec")
    #: Differences accepted: a constant, plus a fraction of the value (large, near clusters).
    pm_floor: ProperMotion = u.Quantity(1.0, "mas/yr")
    pm_fraction: Annotated[float, Field(ge=0)] = 0.05
    parallax_floor: Parallax = u.Quantity(0.15, "mas")
    parallax_fraction: Annotated[float, Field(ge=0)] = 0.1
    #: Values of these classes make a cluster known; photometric ones do not.
    resolutions: tuple[Literal["high", "medium", "low", "mixed", "photometric"], ...] = (
        "high",
        "medium",
        "low",
        "mixed",
    )
    #: Radius of the search for near misses around a cluster without a half-number radius.
    near_miss_radius: Angle = u.Quantity(360.0, "arcsec")


_BUNDLED = (
    ("lamost", "lamost_lrs_clusters", "LAMOST LRS"),
    ("lamost", "lamost_mrs_clusters", "LAMOST MRS"),
    ("boss", "boss_occam_dr20", "BOSS"),
    ("apogee", "apogee_occam_dr16", "APOGEE"),
    ("gaia_rvs", "gaia_dr3_rv_tarricq2022", "Gaia RVS"),
)


class ZeroPointsConfig(Settings):
    """``[zero_points]``: the velocity zero points of several surveys, solved together."""

    #: The surveys, ``[[zero_points.surveys]]``, each with a name; by default those with a registered cluster file.
    surveys: Annotated[tuple[SurveyConfig, ...], Field(min_length=2)] = tuple(
        SurveyConfig.model_validate({"adapter": a, "file": f, "name": n}) for a, f, n in _BUNDLED
    )
    #: Name of the survey whose zero point is 0.
    reference: str = "Gaia RVS"
    #: One membership list for all; its faint members matter more here than their purity.
    members: MembersConfig = MembersConfig(catalogue="tarricq2022", probability=Threshold(">=", 0.5))
    crossmatch: CrossmatchConfig = CrossmatchConfig()
    stars: StarsConfig = StarsConfig()
    #: Members only one survey has that it needs in a cluster for a cluster velocity.
    minimum_members: Annotated[int, Field(ge=3)] = 3
    #: Measurements this far from the others of their object leave (binaries, wrong stars), the worst first.
    clip: Sigma = 4.0
    #: Smallest error believed; error taken where a survey gives none.
    error_floor: Speed = u.Quantity(0.05, "km/s")
    unknown_error: Speed = u.Quantity(5.0, "km/s")
    #: Objects a survey must share with others to be solved for.
    minimum_objects: Annotated[int, Field(ge=1)] = 3

    @model_validator(mode="after")
    def _named(self) -> ZeroPointsConfig:
        names = [s.name or s.adapter for s in self.surveys]
        if len(set(names)) != len(names):
            raise ValueError(f"surveys: {names} are not all different; give each a name")
        if self.reference not in names:
            raise ValueError(f"reference: {self.reference!r} is none of {', '.join(names)}")
        return self
