"""Kinds of values (physical ones with their unit, standard deviations, limits), and the base of all sections."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from astropy import units as u
from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from ..errors import MelotteError
from ..schema.gaia import gaia_release


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


def _parse_release(value: Any) -> str:
    try:
        return gaia_release(value).name
    except MelotteError as error:
        raise ValueError("; ".join(line.strip() for line in error.message.splitlines())) from error


#: Name of a Gaia release of the registry (`melotte.schema.gaia`); ``EDR3`` becomes ``DR3``.
GaiaRelease = Annotated[str, BeforeValidator(_parse_release)]


class Settings(BaseModel):
    """Base of every section: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


SettingsT = TypeVar("SettingsT", bound=Settings)
