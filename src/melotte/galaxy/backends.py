"""Potentials of other packages, imported when asked for."""

from __future__ import annotations

from functools import reduce
from importlib import import_module
from operator import add
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ConfigError
from .components import Array
from .potential import Axisymmetric, Potential


def _require(package: str) -> Any:
    try:
        return import_module(package)
    except ImportError as error:
        raise ConfigError(
            f"the potential needs the package {package!r}, which is not installed",
            hint=f"pip install melotte[{package}]",
        ) from error


class GalpyPotential(Axisymmetric):
    """An axisymmetric galpy potential, in physical units.

    Parameters
    ----------
    potential : galpy potential, or a sum or list of them
    name : str
    ro, vo : float
        Scales [kpc, km/s] where the potential has none of its own.
    """

    def __init__(self, potential: Any, name: str = "galpy", ro: float | None = None, vo: float | None = None) -> None:
        self._g = _require("galpy.potential")
        self.raw = potential
        self.name = name
        scales = import_module("galpy.util.conversion").get_physical(potential)
        self.ro, self.vo = float(ro or scales["ro"]), float(vo or scales["vo"])

    def _off(self, function: str, R: Array, z: Array, **more: Any) -> Array:
        """Call a galpy function in its natural units on flat arrays."""
        call = getattr(self._g, function)
        flat = np.ravel(R) / self.ro, np.ravel(z) / self.ro
        try:
            out = np.asarray(call(self.raw, *flat, use_physical=False, **more), dtype=float)
        except (TypeError, ValueError, NotImplementedError):  # some galpy potentials take scalars only
            pairs = zip(*flat, strict=True)
            out = np.array([float(call(self.raw, a, b, use_physical=False, **more)) for a, b in pairs])
        return out.reshape(np.shape(R))

    def evaluate(self, R: ArrayLike, z: ArrayLike) -> tuple[Array, Array, Array]:
        """Potential [km2/s2] and force towards +R and +z [km2/s2/kpc] at R, z [kpc]."""
        radius, height = np.broadcast_arrays(np.asarray(R, dtype=float), np.asarray(z, dtype=float))
        energy, force = self.vo**2, self.vo**2 / self.ro
        return (
            self._off("evaluatePotentials", radius, height) * energy,
            self._off("evaluateRforces", radius, height) * force,
            self._off("evaluatezforces", radius, height) * force,
        )

    def density_at(self, R: ArrayLike, z: ArrayLike) -> Array:
        """Mass density at R, z [Msun/kpc3]."""
        radius, height = np.broadcast_arrays(np.asarray(R, dtype=float), np.asarray(z, dtype=float))
        unit = import_module("galpy.util.conversion").dens_in_msolpc3(self.vo, self.ro) * 1e9
        return self._off("evaluateDensities", radius, height) * float(unit)


class GalpyNonAxisymmetric:
    """A galpy potential with a bar or arms, possibly rotating; azimuth and time are passed on to galpy."""

    axisymmetric = False

    def __init__(self, potential: Any, name: str = "galpy", ro: float | None = None, vo: float | None = None) -> None:
        self._g = _require("galpy.potential")
        self.raw = potential
        self.name = name
        scales = import_module("galpy.util.conversion").get_physical(potential)
        self.ro, self.vo = float(ro or scales["ro"]), float(vo or scales["vo"])

    def _each(self, function: str, position: Array, time: float) -> Array:
        call = getattr(self._g, function)
        x, y, z = np.moveaxis(np.asarray(position, dtype=float), -1, 0) / self.ro
        points = zip(np.hypot(x, y), z, np.arctan2(y, x), strict=True)
        t = time * self.vo / self.ro
        return np.array([float(call(self.raw, R, h, phi=phi, t=t, use_physical=False)) for R, h, phi in points])

    def potential(self, position: Array, time: float = 0.0) -> Array:
        """Potential, shape (N,) [km2/s2]."""
        return self._each("evaluatePotentials", position, time) * self.vo**2

    def acceleration(self, position: Array, time: float = 0.0) -> Array:
        """Acceleration, shape (N, 3) [km2/s2/kpc]."""
        unit = self.vo**2 / self.ro
        force_R = self._each("evaluateRforces", position, time) * unit
        torque = self._each("evaluatephitorques", position, time) * self.vo**2
        force_z = self._each("evaluatezforces", position, time) * unit
        R = np.hypot(position[:, 0], position[:, 1])
        c, s = position[:, 0] / R, position[:, 1] / R
        return np.stack([c * force_R - s * torque / R, s * force_R + c * torque / R, force_z], axis=-1)

    def density(self, position: Array, time: float = 0.0) -> Array:
        """Mass density, shape (N,) [Msun/kpc3]."""
        unit = import_module("galpy.util.conversion").dens_in_msolpc3(self.vo, self.ro) * 1e9
        return self._each("evaluateDensities", position, time) * float(unit)


class AgamaPotential:
    """An Agama potential of any symmetry. Its units must be kpc, km/s, Msun."""

    def __init__(self, potential: Any, name: str = "agama", *, axisymmetric: bool = False) -> None:
        self.raw = potential
        self.name = name
        self.axisymmetric = axisymmetric

    def potential(self, position: Array, time: float = 0.0) -> Array:
        """Potential, shape (N,) [km2/s2]."""
        return np.asarray(self.raw.potential(position, t=time), dtype=float)

    def acceleration(self, position: Array, time: float = 0.0) -> Array:
        """Acceleration, shape (N, 3) [km2/s2/kpc]."""
        return np.asarray(self.raw.force(position, t=time), dtype=float)

    def density(self, position: Array, time: float = 0.0) -> Array:
        """Mass density, shape (N,) [Msun/kpc3]."""
        return np.asarray(self.raw.density(position, t=time), dtype=float)


def galpy_potential(name: str) -> Potential:
    """The galpy potential called ``name``; several joined by ``+`` are added.

    A name is that of a ready-made potential (``MWPotential2014``) or of a class with defaults for everything
    (``DehnenBarPotential``, ``SpiralArmsPotential``); bars and arms rotate as galpy says.

    Raises
    ------
    ConfigError
        If galpy is not installed or has no such potential.
    """
    module = _require("galpy.potential")
    parts: list[Any] = []
    for part in name.split("+"):
        raw = getattr(module, part, None)
        if raw is None:
            raw = getattr(_require("galpy.potential.mwpotentials"), part, None)
        if isinstance(raw, type):
            try:
                raw = raw()
            except TypeError:
                raw = None
        if raw is None or isinstance(raw, FunctionType):
            raise ConfigError(f"galpy has no ready-made potential {part!r}", expected="for example MWPotential2014")
        parts += list(raw) if hasattr(raw, "__iter__") else [raw]
    turning = any(getattr(p, "isNonAxi", False) for p in parts)
    total = reduce(add, parts)
    return (GalpyNonAxisymmetric if turning else GalpyPotential)(total, f"galpy:{name}")


def agama_potential(file: str) -> Potential:
    """The Agama potential of a parameter file in kpc, km/s, Msun.

    Raises
    ------
    ConfigError
        If Agama is not installed or cannot read the file.
    """
    agama = _require("agama")
    agama.setUnits(mass=1, length=1, velocity=1)
    try:
        raw = agama.Potential(file)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"Agama cannot read it: {error}", where=file) from error
    return AgamaPotential(raw, f"agama:{file}")
