"""From stars to clusters: velocities, their zero point, and [Fe/H]."""

from __future__ import annotations

from typing import Annotated, Literal

from astropy import units as u
from pydantic import Field, model_validator

from .sources import SurveyConfig
from .values import Abundance, Gravity, Settings, Sigma, Speed, Temperature


class StarsConfig(Settings):
    """``[stars]``: several spectra of one star."""

    #: ``mean``: inverse-variance mean; ``best``: the spectrum of highest S/N.
    combine: Literal["mean", "best"] = "mean"


class MixtureConfig(Settings):
    """What the mixture models of velocity and [Fe/H] have in common (docs: calibration).

    What all clusters share has a log-normal (fractions: logit-normal) prior given by its median and the standard
    deviation of its natural logarithm (logit), ``_width``; a width of 0 fixes it.
    """

    #: Scale of the half-normal prior of the dispersion within a cluster.
    dispersion: u.Quantity
    #: Factor on the published errors, and what is added to them in quadrature.
    error_scale: Annotated[float, Field(gt=0)] = 1.0
    error_scale_width: Annotated[float, Field(ge=0)] = 0.3
    error_floor: u.Quantity
    error_floor_width: Annotated[float, Field(ge=0)] = 1.0
    #: Probability that a star of membership probability 1 is a field star, and the power of that probability.
    unlisted: Annotated[float, Field(gt=0, lt=1)] = 0.02
    unlisted_width: Annotated[float, Field(ge=0)] = 1.0
    trust: Annotated[float, Field(gt=0)] = 1.0
    trust_width: Annotated[float, Field(ge=0)] = 0.5
    #: Standard deviation of field stars about the cluster.
    field_width: u.Quantity
    field_width_width: Annotated[float, Field(ge=0)] = 0.3
    #: The survey's parameters are fitted to clusters with so many stars together, chosen by their names.
    fit_stars: Annotated[int, Field(ge=100)] = 6000


class VelocityModelConfig(MixtureConfig):
    """``[velocity.likelihood]``: priors of the mixture model of the velocities, besides those of `MixtureConfig`."""

    #: Open clusters have 0.3-1.2 km/s (Soubiran et al. 2018, A&A 619, A155, have a median of about 1 km/s, errors
    #: included).
    dispersion: Speed = u.Quantity(1.0, "km/s")
    error_floor: Speed = u.Quantity(1.0, "km/s")
    #: That of the thin disc, 35-40 km/s in U (Bensby et al. 2003).
    field_width: Speed = u.Quantity(40.0, "km/s")
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


class MetallicityModelConfig(MixtureConfig):
    """``[metallicity.likelihood]``: priors of the mixture model of [Fe/H], besides those of `MixtureConfig`."""

    #: Open clusters are homogeneous to 0.03 dex (Bovy 2016, ApJ 817, 49).
    dispersion: Abundance = u.Quantity(0.03, "dex")
    error_floor: Abundance = u.Quantity(0.05, "dex")
    #: Spread of [Fe/H] in the solar neighbourhood: 0.2 dex (Casagrande et al. 2011, A&A 530, A138).
    field_width: Abundance = u.Quantity(0.2, "dex")


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
