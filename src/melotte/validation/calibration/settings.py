"""What is simulated, and how the results are grouped."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from ...config import Settings
from ..simulate import SimulationSettings


class CalibrationConfig(Settings):
    """``[calibration]``: simulated surveys, each differing from the first in one property.

    The first has the properties of the demo (see `melotte.validation.simulate`) with eccentric orbits; then one survey
    for each value below. The number of stars varies from cluster to cluster in all of them.
    """

    seed: Annotated[int, Field(ge=0)] = 20221101
    #: Clusters of each survey, and the median number of their listed members (log-normal, 0.6 dex).
    clusters: Annotated[int, Field(ge=2)] = 300
    median_members: Annotated[float, Field(gt=0)] = 10.0
    max_members: Annotated[int, Field(ge=1)] = 300
    #: Added to log10 of S/N.
    snr: tuple[float, ...] = (-0.4, 0.3)
    #: Fraction of field stars among the listed members; the first survey has 6 %.
    contamination: tuple[Annotated[float, Field(ge=0, lt=1)], ...] = (0.0, 0.15, 0.3)
    #: Binary fraction; the first survey has 44 %.
    binaries: tuple[Annotated[float, Field(ge=0, le=1)], ...] = (0.0, 0.2, 0.7)
    #: Standard deviation of the offset the stars of a plate share, km/s; the first survey has 0.5.
    plate_offset: tuple[Annotated[float, Field(ge=0)], ...] = (0.0, 1.0)
    #: What the published errors lack, km/s and dex; the first survey has 2 km/s and 0.05 dex.
    hidden_error: tuple[tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]], ...] = ((0.0, 0.0),)
    #: Whether a survey with circular orbits is added (as in the demo).
    circular: bool = True
    #: Lower edges of the bins of the number of stars.
    star_bins: tuple[Annotated[int, Field(ge=1)], ...] = (1, 2, 3, 6, 11, 31, 101)

    @model_validator(mode="after")
    def _increasing(self) -> CalibrationConfig:
        if list(self.star_bins) != sorted(set(self.star_bins)):
            raise ValueError("star_bins must increase")
        return self

    def surveys(self) -> dict[str, SimulationSettings]:
        """Name -> settings of every survey."""
        base = {
            "n_clusters": self.clusters,
            "median_members": self.median_members,
            "max_members": self.max_members,
            "n_field_spectra": 0,
            "eccentric": True,
        }

        def varied(**changes: float | bool) -> SimulationSettings:
            return SimulationSettings(**{**base, **changes})  # type: ignore[arg-type]

        found = {"standard": varied()}
        found |= {f"S/N x {10**x:.2g}": varied(snr_shift_dex=x) for x in self.snr}
        found |= {f"{x:.0%} field stars": varied(field_fraction=x) for x in self.contamination}
        found |= {f"{x:.0%} binaries": varied(binary_fraction=x) for x in self.binaries}
        found |= {f"plates {x:g} km/s": varied(plate_offset_kms=x) for x in self.plate_offset}
        found |= {
            f"hidden errors {rv:g} km/s, {feh:g} dex": varied(rv_hidden_error_kms=rv, feh_hidden_error_dex=feh)
            for rv, feh in self.hidden_error
        }
        if self.circular:
            found["circular orbits"] = varied(eccentric=False)
        return found
