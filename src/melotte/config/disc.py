"""The Galaxy: orbits, gradients and structure."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

from astropy import units as u
from pydantic import Field, model_validator

from .values import (
    Abundance,
    Duration,
    Length,
    Longitude,
    Magnitude,
    ProperMotion,
    Reach,
    Settings,
    Sigma,
    Velocity,
)


class SunConfig(Settings):
    """``[galaxy.sun]``: the Sun by explicit values instead of a named set."""

    r0: Length
    v_c: Velocity
    u: Velocity
    v: Velocity
    w: Velocity
    z: Length
    #: Whether the axes are turned so that the Galactic centre lies in the mid-plane; otherwise z is a translation.
    tilt: bool = False


class GalaxyConfig(Settings):
    """``[galaxy]``: orbits and integrals of motion (Fu et al. 2022, Sect. 4.1)."""

    #: A named set (fu2022, mcmillan2017, gravity2021, bennett2019) or explicit values.
    sun: str | SunConfig = "fu2022"
    #: mcmillan2017, a TOML file of components, galpy:NAME or agama:FILE.
    potential: str = "mcmillan2017"
    #: How far back snapshots and turning points are followed, and the time between snapshots.
    lookback: Duration = u.Quantity(500.0, "Myr")
    step: Duration = u.Quantity(100.0, "Myr")
    #: Draws per cluster for the percentiles; 0 for none.
    draws: Annotated[int, Field(ge=0)] = 1000
    #: ``corrected``: radial velocities on the reference's zero point; ``uncorrected``: as the survey gives them.
    velocity: Literal["corrected", "uncorrected"] = "corrected"
    #: Errors where the table has none. Distance modulus: 0.1-0.2 mag (Cantat-Gaudin et al. 2020); proper
    #: motion: the small-scale systematic error of Gaia DR2 (Lindegren et al. 2018, A&A 616, A2, Table 4).
    distance_modulus_error: Magnitude = u.Quantity(0.1, "mag")
    pm_error: ProperMotion = u.Quantity(0.066, "mas/yr")
    #: Whether the Sun is drawn from the errors of its named set; potentials drawn with equal weight, if given.
    sample_sun: bool = False
    sample_potentials: tuple[str, ...] = ()
    #: ``fu2022``: the published chain with its errors: orbits started from velocity components that are not turned to
    #: the cluster's azimuth, a height without the Sun's, a year of 365 days, 10 Gyr, GalPot's zero point of energy.
    legacy: Literal["fu2022"] | None = None

    @model_validator(mode="after")
    def _possible(self) -> GalaxyConfig:
        if self.sample_sun and not isinstance(self.sun, str):
            raise ValueError("sample_sun needs a named set, which has errors")
        return self


class GradientsConfig(Settings):
    """``[gradients]``: [Fe/H] against radius, angular momentum and energy (Fu et al. 2022, Sect. 4.1, Table 6)."""

    #: Columns: name of the cluster, [Fe/H] and its error (``median``: error of the cluster's median, ``scatter``:
    #: star-to-star scatter, as published; or any column), number of stars behind it (used if there), age.
    cluster: str = "cluster"
    feh: str = "feh_med"
    feh_error: str = "median"
    stars: str = "n_feh"
    minimum_stars: Annotated[int, Field(ge=1)] = 3
    age: str = "log_age"
    age_unit: Literal["log yr", "Gyr", "Myr"] = "log yr"
    #: A cluster on an edge belongs to the older group; no edges: all clusters in one group, no age needed.
    age_edges: tuple[Duration, ...] = tuple(u.Quantity(t, "Gyr") for t in (0.1, 0.5, 1.0, 2.0, 4.0))
    #: Columns of the predictors; ``NAME_error``, if there, is the standard deviation of NAME.
    predictors: Annotated[tuple[str, ...], Field(min_length=1)] = (
        *(f"r_gc_{t}_myr" for t in range(0, 501, 100)),
        "guiding_radius",
        "l_z",
        "energy",
    )
    models: Annotated[tuple[Literal["line", "parabola", "broken", "plateau"], ...], Field(min_length=1)] = (
        "line",
        "parabola",
        "broken",
        "plateau",
    )
    #: Whether the model has an intrinsic scatter, errors in the predictor, outliers.
    scatter: bool = True
    x_errors: bool = True
    outliers: bool = False
    #: ``auto``: the exact posterior where it is Gaussian, emcee otherwise.
    sampler: Literal["auto", "emcee"] = "auto"
    walkers: Annotated[int, Field(ge=8)] = 32
    #: Steps after which a chain that has not converged is given up, and marked.
    max_steps: Annotated[int, Field(ge=100)] = 20_000
    #: A chain has converged above this effective sample size and below this split R-hat.
    ess: Annotated[float, Field(gt=0)] = 1000.0
    r_hat: Annotated[float, Field(gt=1)] = 1.01
    #: Whether straight line, parabola and flat tail are compared against L_Z and energy in the groups of this age and
    #: more (Sect. 4.1: those above 2 Gyr).
    flat_tail: bool = True
    flat_tail_age: Duration = u.Quantity(2.0, "Gyr")
    #: Model of the figures (as published); the one that predicts best if it is not among those fitted.
    drawn_model: Literal["line", "parabola", "broken", "plateau"] = "parabola"
    #: ``fu2022``: parabola, scatter of the stars as the error, 300 walkers, 10,000 steps of emcee's default move.
    legacy: Literal["fu2022"] | None = None

    @model_validator(mode="after")
    def _ordered_edges(self) -> GradientsConfig:
        edges = [q.to_value("Gyr") for q in self.age_edges]
        if any(b <= a for a, b in itertools.pairwise(edges)):
            raise ValueError("age_edges must increase")
        return self


class StructureConfig(Settings):
    """``[structure]``: the disc, the clouds, the Radcliffe wave (Fu et al. 2022, Sects. 4.1, 4.2, Figs. 9, 11-14)."""

    #: Draws of place and motion for the outliers, of distances for clouds and wave; 0 ignores the uncertainties.
    draws: Annotated[int, Field(ge=0)] = 1000
    #: Fewest stars behind a velocity (Fig. 11: two) and behind a [Fe/H] (Sect. 2.2: three).
    minimum_rv_stars: Annotated[int, Field(ge=1)] = 2
    minimum_feh_stars: Annotated[int, Field(ge=1)] = 3
    #: A cluster of the thin disc is called an outlier with this probability.
    false_alarm: Annotated[float, Field(gt=0, lt=0.5)] = 0.001
    #: Beyond this distance of ln L_Z from the median (in robust standard deviations) is an end of the ridge.
    ends: Sigma = 3.0
    #: Vertical profile; its scale is h0 exp(k (R - reference_radius)).
    profile: Literal["sech2", "gaussian"] = "sech2"
    reference_radius: Length = u.Quantity(8.2, "kpc")
    #: Younger and older clusters (last passage of Sagittarius, Sect. 4.1), and where the outer disc begins.
    split_age: Duration = u.Quantity(500.0, "Myr")
    outer_radius: Length = u.Quantity(10.0, "kpc")
    permutations: Annotated[int, Field(ge=99)] = 9999
    #: Datasets, or files with the same columns.
    clouds: str = "zucker2020"
    wave: str = "konietzka2024_radcliffe_wave"
    #: Young clusters, and how far out they are compared with clouds (Sect. 4.2).
    young: Duration = u.Quantity(100.0, "Myr")
    reach: Reach = u.Quantity(2500.0, "pc")
    #: Distance errors: of clusters without one (0.1-0.2 mag, Cantat-Gaudin et al. 2020); of clouds in addition to
    #: their percentiles (accuracy of about 5 %, Zucker et al. 2020).
    distance_modulus_error: Magnitude = u.Quantity(0.1, "mag")
    cloud_distance_error: Annotated[float, Field(ge=0, lt=1)] = 0.05
    #: A cluster is near a cloud, or two clusters are in one place, within this: both distance errors at 1.4 kpc.
    near: Reach = u.Quantity(100.0, "pc")
    #: Longitudes are shifted by up to this much to find out how often clusters are near clouds by chance.
    shuffles: Annotated[int, Field(ge=99)] = 1999
    shuffle_longitude: Longitude = u.Quantity(20.0, "deg")
    #: Error that [Fe/H] of clusters has besides its own: scatter against high resolution (Fu et al. 2022, Sect. 3.2).
    feh_external_error: Abundance = u.Quantity(0.11, "dex")
    #: A cluster lies along the wave within this of its curve: three half-widths (2.7 kpc at 1:20, Alves et al. 2020).
    wave_distance: Reach = u.Quantity(200.0, "pc")
