"""The components of a Galactic mass model: a short data file, and their densities."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, Literal, cast

import numpy as np

from ..errors import ConfigError

Array = np.ndarray[Any, np.dtype[np.float64]]
Form = Literal["exponential_disc", "sech2_disc", "bulge", "nfw"]

#: Gravitational constant [kpc (km/s)^2 / Msun] from the nominal solar mass parameter (IAU 2015 B3) and the parsec.
G: Final = 1.3271244e11 / (648000.0 / np.pi * 149597870.7 * 1e3)

_KEYS: dict[str, tuple[str, ...]] = {
    "exponential_disc": ("surface_density", "radius", "height"),
    "sech2_disc": ("surface_density", "radius", "height", "hole"),
    "bulge": ("density", "axis_ratio", "exponent", "radius", "cutoff"),
    "nfw": ("density", "radius"),
}


@dataclass(frozen=True)
class Component:
    """One component; its form and parameters are explained in the data file."""

    name: str
    form: Form
    values: Mapping[str, float]

    def __getitem__(self, key: str) -> float:
        return self.values[key]

    def density(self, R: Array, z: Array) -> Array:
        """Mass density [Msun/kpc3] at cylindrical R, z [kpc]."""
        rho: Array
        if self.form == "nfw":
            x = np.hypot(R, z) / self["radius"]
            rho = self["density"] / (x * (1.0 + x) ** 2)
        elif self.form == "bulge":
            m = np.hypot(R, z / self["axis_ratio"])
            rho = (
                self["density"] * (1.0 + m / self["radius"]) ** -self["exponent"] * np.exp(-((m / self["cutoff"]) ** 2))
            )
        else:
            rho = self.surface_density(R) * self.vertical(z)
        return rho

    def surface_density(self, R: Array) -> Array:
        """Surface density of a disc [Msun/kpc2]."""
        sigma: Array
        if self.form == "sech2_disc":
            with np.errstate(divide="ignore"):
                sigma = self["surface_density"] * np.exp(-self["hole"] / R - R / self["radius"])
        else:
            sigma = self["surface_density"] * np.exp(-R / self["radius"])
        return sigma

    def vertical(self, z: Array) -> Array:
        """Vertical profile of a disc, normalised to one over all z [1/kpc]."""
        h = self["height"]
        q = np.exp(-np.abs(z) / h)
        profile: Array = q / (h * (1.0 + q) ** 2) if self.form == "sech2_disc" else q / (2.0 * h)
        return profile


@dataclass(frozen=True)
class MassModel:
    """A named sum of components."""

    name: str
    reference: str
    components: tuple[Component, ...]

    def density(self, R: Array, z: Array) -> Array:
        """Total mass density [Msun/kpc3]."""
        return np.sum([c.density(R, z) for c in self.components], axis=0)  # type: ignore[no-any-return]

    @property
    def parameters(self) -> Array:
        """All numbers in order: what a stored table belongs to."""
        return np.array([c[key] for c in self.components for key in _KEYS[c.form]])


def data_file(name: str) -> Traversable:
    """A file of the package's data folder."""
    return files(__package__) / "data" / name


def read_model(source: str | Path) -> MassModel:
    """Read a mass model.

    Parameters
    ----------
    source : str or path
        Name of a model that comes with the package (``"mcmillan2017"``), or a TOML file of the same layout.

    Returns
    -------
    MassModel

    Raises
    ------
    ConfigError
        If there is no such model, or a component lacks a parameter or has one that is not positive.
    """
    shipped = data_file(f"{source}.toml")
    try:
        if not isinstance(source, Path) and source.isidentifier() and shipped.is_file():
            text = shipped.read_text(encoding="utf-8")
        elif Path(source).is_file():
            text = Path(source).read_text(encoding="utf-8")
        else:
            raise ConfigError(f"no mass model {str(source)!r}", expected="mcmillan2017, or a TOML file of components")
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"not valid TOML: {error}", where=source) from error
    listed = data.get("component", [])
    if not isinstance(listed, list) or not all(isinstance(raw, dict) for raw in listed):
        raise ConfigError("component is no list of tables", where=source, expected="[[component]]")
    components = tuple(_component(raw, source) for raw in listed)
    if not components or not isinstance(data.get("name"), str):
        raise ConfigError("no mass model", where=source, expected='"name" and at least one [[component]]')
    if [c.form for c in components].count("nfw") != 1:
        # Beyond the table the halo is the one component that is not an expansion in multipoles.
        raise ConfigError("the mass model needs one nfw component", where=source)
    return MassModel(data["name"], str(data.get("reference", "")), components)


def _component(raw: dict[str, Any], source: str | Path) -> Component:
    form = raw.get("form")
    where = f"{source}: component {raw.get('name', '?')!r}"
    if not isinstance(form, str) or form not in _KEYS:
        raise ConfigError(f"unknown form {form!r}", where=where, expected=" or ".join(_KEYS))
    wanted = set(_KEYS[form]) | {"name", "form"}
    if set(raw) != wanted:
        raise ConfigError(f"the keys are {sorted(raw)}", where=where, expected=", ".join(sorted(wanted)))
    try:
        values = {key: float(raw[key]) for key in _KEYS[form]}
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"a parameter is no number: {error}", where=where) from error
    if not all(np.isfinite(v) and v > 0 for v in values.values()):
        raise ConfigError(f"a parameter is not positive: {values}", where=where)
    return Component(str(raw["name"]), cast("Form", form), values)
