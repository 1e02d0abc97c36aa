"""TOML -> frozen settings. Every number that is a choice is a key here, with the paper's value as its default.

A physical value is written with its unit (``"3.5 arcsec"``); a bare number, an unknown key or a unit of the wrong
kind is a `ConfigError` that names the key and the file.
"""

from __future__ import annotations

import itertools
import operator
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from astropy import units as u
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from .errors import ConfigError

# --- values with units -----------------------------------------------------------------------------------------


def _parse_quantity(unit: str, *, positive: bool) -> Callable[[Any], u.Quantity]:
    example = f'a number with a unit, for example "1 {unit}"'

    def parse(value: Any) -> u.Quantity:
        if isinstance(value, u.Quantity):
            quantity = value
        elif isinstance(value, bool) or not isinstance(value, str):
            raise ValueError(f"{value!r} has no unit; expected {example}")
        else:
            try:
                quantity = u.Quantity(value)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{value!r} cannot be read; expected {example}") from error
        if quantity.unit == u.dimensionless_unscaled and u.Unit(unit) != u.dimensionless_unscaled:
            raise ValueError(f"{value!r} has no unit; expected {example}")
        try:
            quantity = quantity.to(unit)
        except u.UnitConversionError as error:
            raise ValueError(f"{value!r} has the wrong dimension; expected {example}") from error
        if not np.isfinite(quantity.value):
            raise ValueError(f"{value!r} is not finite; expected {example}")
        if positive and quantity.value <= 0:
            raise ValueError(f"{value!r} must be positive")
        return quantity

    return parse


def _show_quantity(value: u.Quantity) -> str:
    return f"{value.value:.15g} {value.unit.to_string()}"


_SHOW = PlainSerializer(_show_quantity, return_type=str)

Angle = Annotated[u.Quantity, BeforeValidator(_parse_quantity("arcsec", positive=True)), _SHOW]
Speed = Annotated[u.Quantity, BeforeValidator(_parse_quantity("km/s", positive=True)), _SHOW]
Temperature = Annotated[u.Quantity, BeforeValidator(_parse_quantity("K", positive=True)), _SHOW]
Gravity = Annotated[u.Quantity, BeforeValidator(_parse_quantity("dex", positive=False)), _SHOW]
Abundance = Annotated[u.Quantity, BeforeValidator(_parse_quantity("dex", positive=True)), _SHOW]
Duration = Annotated[u.Quantity, BeforeValidator(_parse_quantity("Myr", positive=True)), _SHOW]
Length = Annotated[u.Quantity, BeforeValidator(_parse_quantity("kpc", positive=False)), _SHOW]
Reach = Annotated[u.Quantity, BeforeValidator(_parse_quantity("pc", positive=True)), _SHOW]
Longitude = Annotated[u.Quantity, BeforeValidator(_parse_quantity("deg", positive=True)), _SHOW]
Velocity = Annotated[u.Quantity, BeforeValidator(_parse_quantity("km/s", positive=False)), _SHOW]
ProperMotion = Annotated[u.Quantity, BeforeValidator(_parse_quantity("mas/yr", positive=True)), _SHOW]
Parallax = Annotated[u.Quantity, BeforeValidator(_parse_quantity("mas", positive=True)), _SHOW]
Magnitude = Annotated[u.Quantity, BeforeValidator(_parse_quantity("mag", positive=True)), _SHOW]
Epoch = Annotated[u.Quantity, BeforeValidator(_parse_quantity("yr", positive=True)), _SHOW]


def _parse_sigma(value: Any) -> float:
    match = re.fullmatch(r"\s*([0-9.]+)\s*sigma\s*", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'{value!r} is not a number of standard deviations; expected for example "2 sigma"')
    number = float(match[1])
    if number <= 0:
        raise ValueError(f"{value!r} must be positive")
    return number


Sigma = Annotated[float, BeforeValidator(_parse_sigma), PlainSerializer(lambda v: f"{v:.15g} sigma", return_type=str)]

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {">=": operator.ge, ">": operator.gt}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A lower limit that says whether the limit itself passes: ``>= 0.7`` or ``> 0.7``."""

    symbol: Literal[">=", ">"]
    value: float

    def passes(self, values: Any) -> Any:
        """Compare ``values`` (number, array or polars expression) with the limit."""
        return _OPERATORS[self.symbol](values, self.value)

    def __str__(self) -> str:
        return f"{self.symbol} {self.value:g}"


def _parse_threshold(value: Any) -> Threshold:
    if isinstance(value, Threshold):
        return value
    match = re.fullmatch(r"\s*(>=|>)\s*([0-9.]+)\s*", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'{value!r} does not say whether the limit itself passes; expected "> 0.7" or ">= 0.7"')
    number = float(match[2])
    if not 0 <= number <= 1:
        raise ValueError(f"{value!r} is not between 0 and 1")
    return Threshold(match[1], number)  # type: ignore[arg-type]


Probability = Annotated[Threshold, BeforeValidator(_parse_threshold), PlainSerializer(str, return_type=str)]
GaiaRelease = Literal["DR2", "DR3"]


class Settings(BaseModel):
    """Base of every section: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


SettingsT = TypeVar("SettingsT", bound=Settings)


class ColumnSource(Settings):
    """Where one column of a user's table comes from.

    ``column`` names it in the file; ``unit`` overrides or supplies its unit; ``value`` gives a constant instead;
    ``missing`` lists the values that mean "no value".
    """

    column: str | None = None
    unit: str | None = None
    value: str | float | int | None = None
    missing: tuple[float | str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        return {"column": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _one_source(self) -> ColumnSource:
        if (self.column is None) == (self.value is None):
            raise ValueError('give either "column" (a name in the file) or "value" (a constant)')
        if self.unit is not None:
            try:
                u.Unit(self.unit)
            except ValueError as error:
                raise ValueError(f"{self.unit!r} is not a unit") from error
        return self


Adapter = Literal["lamost", "boss", "apogee", "gaia_rvs", "table"]


class SurveyConfig(Settings):
    """``[survey]``: the spectra. ``file`` is a path (relative to the data directory) or a dataset name."""

    adapter: Adapter
    file: str
    #: Name of the survey in figures and tables; the adapter's own by default.
    name: str | None = None
    #: Errors below these are raised to them; missing errors get them. Reported, and marked star by star.
    rv_error_floor: Speed | None = None
    feh_error_floor: Abundance | None = None
    #: Column map of the ``table`` adapter.
    columns: dict[str, ColumnSource] = Field(default_factory=dict)
    #: Epoch of the coordinates where the file does not say (J2000 for ground-based surveys).
    epoch: Epoch | None = None
    #: Gaia release of LAMOST's ``gaia_source_id`` where the file does not tell (DR7 and DR8 ship DR2 ids).
    gaia_release: GaiaRelease | None = None

    @model_validator(mode="after")
    def _columns_for_table(self) -> SurveyConfig:
        if (self.adapter == "table") != bool(self.columns):
            raise ValueError('"columns" goes with adapter = "table", and only with it')
        return self


class MembersConfig(Settings):
    """``[members]``: the membership list.

    Fu et al. 2022 write "probabilities > 70 %". Cantat-Gaudin et al. publish probabilities in steps of 0.1, so
    that 0.7 itself decides: ``>= 0.7`` reproduces the member counts of Cantat-Gaudin et al. 2020 (nbstars07).
    """

    catalogue: Literal["cantat2018", "cantat2020", "tarricq2022", "hunt2023", "table"]
    file: str | None = None
    probability: Probability = Threshold(">=", 0.7)
    columns: dict[str, ColumnSource] = Field(default_factory=dict)
    gaia_release: GaiaRelease | None = None

    @model_validator(mode="after")
    def _complete(self) -> MembersConfig:
        if self.catalogue == "table" and not (self.file and self.columns and self.gaia_release):
            raise ValueError('catalogue = "table" needs "file", "columns" and "gaia_release"')
        if self.catalogue != "table" and (self.columns or self.gaia_release):
            raise ValueError('"columns" and "gaia_release" go with catalogue = "table" only')
        return self


class ClustersConfig(Settings):
    """``[clusters]``: age, distance, extinction, proper motion of the clusters."""

    catalogue: Literal["cantat2018", "cantat2020", "dias2021", "hunt2023", "table"]
    file: str | None = None
    columns: dict[str, ColumnSource] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _complete(self) -> ClustersConfig:
        if (self.catalogue == "table") != bool(self.columns):
            raise ValueError('"columns" goes with catalogue = "table", and only with it')
        if self.catalogue == "table" and not self.file:
            raise ValueError('catalogue = "table" needs "file"')
        return self


class DaskConfig(Settings):
    """``[crossmatch.dask]``: where the LSDB engine computes."""

    #: Address of a running scheduler (``tcp://host:8786``); without one a cluster is started on this machine.
    scheduler: str | None = None
    #: Processes of the cluster started here; as many as processors by default.
    workers: Annotated[int, Field(ge=1)] | None = None
    #: Memory of each of them, in Dask's notation (``"4GiB"``); shared out evenly by default.
    memory_per_worker: str | None = None

    @model_validator(mode="after")
    def _one_cluster(self) -> DaskConfig:
        if self.scheduler is not None and (self.workers is not None or self.memory_per_worker is not None):
            raise ValueError('"workers" and "memory_per_worker" describe a cluster started here, not "scheduler"')
        return self


class CrossmatchConfig(Settings):
    """``[crossmatch]``: how spectra find their Gaia source (Fu et al. 2022, Sect. 2)."""

    #: ``source_id`` joins the survey's own Gaia ids; ``position`` matches on the sky; ``auto`` uses the ids if
    #: the survey has them in the release of the membership list, positions otherwise, and reports which.
    method: Literal["auto", "source_id", "position"] = "auto"
    radius: Angle = u.Quantity(3.5, "arcsec")
    dask: DaskConfig = DaskConfig()


class StarsConfig(Settings):
    """``[stars]``: several spectra of one star."""

    #: ``mean``: inverse-variance mean; ``best``: the spectrum of highest S/N.
    combine: Literal["mean", "best"] = "mean"


class VelocityModelConfig(Settings):
    """``[velocity.likelihood]``: priors of the mixture model of the velocities (docs: calibration).

    What all clusters share has a log-normal (fractions: logit-normal) prior given by its median and the standard
    deviation of its natural logarithm (logit), ``_width``; a width of 0 fixes it.
    """

    #: Scale of the half-normal prior of the dispersion: open clusters have 0.3-1.2 km/s (Soubiran et al. 2018, A&A 619,
    #: A155, have a median of about 1 km/s, errors included).
    dispersion: Speed = u.Quantity(1.0, "km/s")
    #: Factor on the published errors, and what is added to them in quadrature.
    error_scale: Annotated[float, Field(gt=0)] = 1.0
    error_scale_width: Annotated[float, Field(ge=0)] = 0.3
    error_floor: Speed = u.Quantity(1.0, "km/s")
    error_floor_width: Annotated[float, Field(ge=0)] = 1.0
    #: Probability that a star of membership probability 1 is a field star, and the power of that probability.
    unlisted: Annotated[float, Field(gt=0, lt=1)] = 0.02
    unlisted_width: Annotated[float, Field(ge=0)] = 1.0
    trust: Annotated[float, Field(gt=0)] = 1.0
    trust_width: Annotated[float, Field(ge=0)] = 0.5
    #: Standard deviation of field stars about the cluster: that of the thin disc, 35-40 km/s in U (Bensby et al. 2003).
    field_width: Speed = u.Quantity(40.0, "km/s")
    field_width_width: Annotated[float, Field(ge=0)] = 0.3
    #: Mean of the clusters' binary fractions (Raghavan et al. 2010: 44 %), and a + b of their beta distribution.
    binary_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.44
    binary_fraction_width: Annotated[float, Field(ge=0)] = 0.5
    binary_concentration: Annotated[float, Field(gt=0)] = 10.0
    #: Primary masses (in solar masses; velocities go with the power 1/3): of giants (log g below) and without Teff.
    giant_logg: Gravity = u.Quantity(3.5, "dex")
    giant_mass: Annotated[float, Field(gt=0)] = 1.7
    unknown_mass: Annotated[float, Field(gt=0)] = 1.0
    #: What all stars of a cluster share, a plate's offset for example: prior (half-normal scale) where a reference
    #: survey measures it, the value itself where not.
    shared_error: Speed = u.Quantity(0.5, "km/s")
    #: The survey's parameters are fitted to clusters with so many stars together, chosen by their names.
    fit_stars: Annotated[int, Field(ge=100)] = 6000


class VelocityConfig(Settings):
    """``[velocity]``: Monte-Carlo selection (Fu et al. 2022, Sect. 2.1), and the mixture model beside it."""

    draws: Annotated[int, Field(ge=2)] = 5000
    clip: Sigma = 2.0
    #: What decides about the stars used for [Fe/H], and gives the velocity of the orbits: the clip or the model. Both
    #: are in the catalogue.
    model: Literal["clip", "likelihood"] = "clip"
    #: With ``likelihood``: stars at least this probable members are used.
    member_probability: Annotated[float, Field(gt=0, lt=1)] = 0.5
    likelihood: VelocityModelConfig = VelocityModelConfig()


class ZeroPointConfig(Settings):
    """``[zero_point]``: the reference the survey's velocities are compared with (Fu et al. 2022, Fig. 3)."""

    reference: SurveyConfig | None = None
    #: Fewer stars in common than this give no zero point.
    minimum_stars: Annotated[int, Field(ge=2)] = 10


class MetallicityModelConfig(Settings):
    """``[metallicity.likelihood]``: priors of the mixture model of [Fe/H]; see ``[velocity.likelihood]``."""

    #: Open clusters are homogeneous to 0.03 dex (Bovy 2016, ApJ 817, 49).
    dispersion: Abundance = u.Quantity(0.03, "dex")
    error_scale: Annotated[float, Field(gt=0)] = 1.0
    error_scale_width: Annotated[float, Field(ge=0)] = 0.3
    error_floor: Abundance = u.Quantity(0.05, "dex")
    error_floor_width: Annotated[float, Field(ge=0)] = 1.0
    unlisted: Annotated[float, Field(gt=0, lt=1)] = 0.02
    unlisted_width: Annotated[float, Field(ge=0)] = 1.0
    trust: Annotated[float, Field(gt=0)] = 1.0
    trust_width: Annotated[float, Field(ge=0)] = 0.5
    #: Spread of [Fe/H] in the solar neighbourhood: 0.2 dex (Casagrande et al. 2011, A&A 530, A138).
    field_width: Abundance = u.Quantity(0.2, "dex")
    field_width_width: Annotated[float, Field(ge=0)] = 0.3
    fit_stars: Annotated[int, Field(ge=100)] = 6000


class TrendConfig(Settings):
    """``[metallicity.trend]``: the trend of [Fe/H] with Teff, with ``teff_trend = "fit"``."""

    #: Distance of the knots of the (linear) splines, and the smoothing tried (by held-out clusters).
    knots: Temperature = u.Quantity(500.0, "K")
    smoothing: tuple[Annotated[float, Field(gt=0)], ...] = (0.01, 0.1, 1.0, 10.0, 100.0)
    #: Parts the clusters are divided into for the choice of the smoothing and for the test.
    folds: Annotated[int, Field(ge=2)] = 5
    #: The trend is zero here on average: dwarfs like the Sun, and giants of the red clump.
    reference_dwarfs: tuple[Temperature, Temperature] = (u.Quantity(5500.0, "K"), u.Quantity(6500.0, "K"))
    #: Residuals beyond so many robust standard deviations lose weight (Huber 1964: 95 % efficiency).
    huber: Sigma = 1.345
    #: Stars are used where there are so many within half a knot distance on either side.
    minimum_stars: Annotated[int, Field(ge=1)] = 5


class MetallicityConfig(Settings):
    """``[metallicity]``: stellar-parameter quality control (Fu et al. 2022, Sect. 2.2)."""

    draws: Annotated[int, Field(ge=2)] = 5000
    teff: tuple[Temperature, Temperature] = (u.Quantity(4000.0, "K"), u.Quantity(7500.0, "K"))
    #: Main-sequence stars cooler than this are not used.
    cool_dwarf_teff: Temperature = u.Quantity(5000.0, "K")
    #: ``isochrone``: a star is a giant if nearer in log g to the giant branch of the cluster's isochrone than to
    #: its main sequence; ``logg``: if its log g is at most ``dwarf_logg`` (also used without an isochrone).
    giant_rule: Literal["isochrone", "logg"] = "isochrone"
    dwarf_logg: Gravity = u.Quantity(3.5, "dex")
    isochrones: str = "parsec_v1.2S_gaia_dr2"
    #: What to do with a star that has [Fe/H] but no effective temperature.
    missing_teff: Literal["reject", "accept"] = "reject"
    #: ``cuts``: the limits above; ``fit``: a trend of [Fe/H] with Teff is fitted to the members and subtracted instead.
    teff_trend: Literal["cuts", "fit"] = "cuts"
    trend: TrendConfig = TrendConfig()
    likelihood: MetallicityModelConfig = MetallicityModelConfig()

    @model_validator(mode="after")
    def _ordered(self) -> MetallicityConfig:
        if not self.teff[0] < self.teff[1]:
            raise ValueError(f"teff: {self.teff[0]} is not below {self.teff[1]}")
        return self


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


class FiguresConfig(Settings):
    """``[figures]``: which figures are drawn."""

    #: Clusters that get their own figures: names, or the ``largest`` so many.
    clusters: tuple[str, ...] = ()
    largest: Annotated[int, Field(ge=0)] = 3
    formats: tuple[Literal["pdf", "png", "svg"], ...] = ("pdf", "png")
    #: Stars in report.html at most, clusters with the most velocities first: a page of 50,000 stars has some 30 MB.
    page_stars: Annotated[int, Field(ge=0)] = 50_000


class PublishConfig(Settings):
    """``[publish]``: what ``melotte publish`` says about the catalogue that the run cannot know."""

    #: Title, authors (``"Surname I."``) and abstract of the paper; they open the CDS ReadMe and the AAS tables.
    title: str | None = None
    authors: tuple[str, ...] = ()
    abstract: str | None = None
    #: Paragraphs of the ReadMe's description; made from the configuration of the run if empty.
    description: tuple[str, ...] = ()
    #: The journal's keywords, and those of the CDS list (ADC_Keywords).
    keywords: tuple[str, ...] = ()
    adc_keywords: tuple[str, ...] = ("Clusters, open", "Radial velocities", "Abundances, [Fe/H]")
    #: The paper: bibcode, and journal with volume and page.
    bibcode: Annotated[str, Field(pattern=r"^[0-9]{4}[A-Za-z0-9.&]{15}$")] | None = None
    journal: str | None = None
    #: Name of the catalogue at the CDS, such as ``J/A+A/668/A4``.
    catalogue: str | None = None
    #: Data Origin (IVOA note "Data Origin in the VO"): DOI of the tables, their version, who publishes them, under
    #: which licence.
    doi: Annotated[str, Field(pattern=r"^10\.[0-9]{4,}/\S+$")] | None = None
    version: str | None = None
    publisher: str | None = None
    contact: str | None = None
    rights: str | None = None
    rights_uri: str | None = None
    acknowledgements: str | None = None
    #: HEALPix order of the footprint: 10 are cells of 3.4 arcmin (IVOA MOC 2.0).
    moc_order: Annotated[int, Field(ge=0, le=29)] = 10
    #: HATS: most stars in one partition, and the width of the margin for cross-matches at its edges.
    hats_rows: Annotated[int, Field(ge=1)] = 100_000
    hats_margin: Angle = u.Quantity(5.0, "arcsec")
    #: With more stars than this the provenance names the members of a cluster by a rule, not one by one.
    provenance_stars: Annotated[int, Field(ge=0)] = 100_000


class RunConfig(Settings):
    """``[run]``: what concerns the computation, not the science."""

    seed: Annotated[int, Field(ge=0)] = 20221101
    title: str | None = None


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


def parse(data: dict[str, Any], *, where: str | Path = "configuration") -> Config:
    """Validate a configuration given as nested dictionaries.

    Raises
    ------
    ConfigError
        Naming every wrong key with what was expected.
    """
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(_explain(error), where=where, hint=_hint(error)) from error


def load(path: str | Path) -> Config:
    """Read and validate a TOML configuration.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    Config

    Raises
    ------
    ConfigError
        If the file is missing, not TOML, or has a wrong key.
    """
    return parse(_read_toml(Path(path)), where=path)


def load_section(path: str | Path, name: str, model: type[SettingsT]) -> SettingsT:
    """Read and validate one section of a TOML file, for a step that runs alone; the others are not looked at.

    Parameters
    ----------
    path : str or path
        The file.
    name : str
        The section; its defaults if the file has none.
    model : type
        Its settings class.

    Returns
    -------
    Settings

    Raises
    ------
    ConfigError
        If the file is missing, not TOML, or has a wrong key in this section.
    """
    try:
        return model.model_validate(_read_toml(Path(path)).get(name, {}))
    except ValidationError as error:
        raise ConfigError(_explain(error, (name,)), where=path) from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise ConfigError("no such configuration file", where=path, hint="check the path") from error
    except IsADirectoryError as error:
        raise ConfigError("this is a directory", where=path, expected="a TOML file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"not UTF-8 text (byte {error.start})", where=path, expected="a TOML file") from error
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=path) from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not valid TOML: {error}", where=path) from error


def _key(location: tuple[int | str, ...]) -> str:
    section, *rest = location
    names = ".".join(str(part) for part in rest if not str(part).startswith("function-"))
    return f"[{section}] {names}" if names else f"[{section}]"


def _explain(error: ValidationError, within: tuple[str, ...] = ()) -> str:
    lines = []
    for problem in error.errors():
        location = (*within, *problem["loc"])
        key = _key(location) if location else "the file"
        match problem["type"]:
            case "extra_forbidden":
                text = f"{key}: unknown key"
            case "missing":
                text = f"{key}: missing"
            case "value_error":
                text = f"{key}: {problem['msg'].removeprefix('Value error, ')}"
            case _:
                text = f"{key}: got {problem['input']!r}; {problem['msg']}"
        lines.append(text)
    return lines[0] if len(lines) == 1 else "\n  " + "\n  ".join(lines)


def _hint(error: ValidationError) -> str | None:
    """Suggest the nearest known key for the first unknown one."""
    import difflib

    for problem in error.errors():
        if problem["type"] != "extra_forbidden":
            continue
        *parents, wrong = problem["loc"]
        model: Any = Config
        for parent in parents:
            field = getattr(model, "model_fields", {}).get(parent)
            model = None if field is None else field.annotation
        known = list(getattr(model, "model_fields", {}))
        close = difflib.get_close_matches(str(wrong), known, n=1)
        if close:
            return f"did you mean {close[0]!r}?"
        if known:
            return f"the keys here are: {', '.join(known)}"
    return None
