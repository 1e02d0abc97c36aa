"""Where the Sun is and how it moves: named sets with a reference per value."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import numpy as np

from ..errors import ConfigError

_VALUES = ("r0", "v_c", "u", "v", "w", "z")


@dataclass(frozen=True)
class Sun:
    """Place and motion of the Sun in right-handed Galactocentric axes.

    Attributes
    ----------
    name : str
        Name of the set.
    r0 : float
        Distance to the Galactic centre [kpc].
    v_c : float
        Circular velocity at ``r0`` [km/s].
    u, v, w : float
        Motion relative to the circular orbit [km/s]: towards the centre, along rotation, towards the north pole.
    z : float
        Height above the mid-plane [kpc].
    tilt : bool
        Whether the axes are turned so that the centre lies in the mid-plane; otherwise ``z`` is a translation.
    errors : mapping
        Standard deviations of the values above, where known.
    reference : mapping
        Where each value comes from.
    """

    name: str
    r0: float
    v_c: float
    u: float
    v: float
    w: float
    z: float
    tilt: bool = False
    errors: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    reference: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if not (np.isfinite([getattr(self, n) for n in _VALUES]).all() and self.r0 > 0 and abs(self.z) < self.r0):
            raise ConfigError(f"the Sun {self.name!r} is not possible: {self}", expected="finite values, r0 > |z|")

    @property
    def position(self) -> np.ndarray[Any, Any]:
        """Galactocentric position, shape (3,) [kpc]: the Sun lies on the negative x axis."""
        x = np.sqrt(self.r0**2 - self.z**2) if self.tilt else self.r0
        return np.array([-x, 0.0, self.z])

    @property
    def velocity(self) -> np.ndarray[Any, Any]:
        """Galactocentric velocity, shape (3,) [km/s]; rotation is along +y."""
        return np.array([self.u, self.v_c + self.v, self.w])

    @property
    def tilt_sine(self) -> float:
        """Sine of the angle by which the axes are turned about y."""
        return self.z / self.r0 if self.tilt else 0.0

    def draw(self, rng: np.random.Generator, size: int) -> SunDraws:
        """Suns drawn from the (independent, normal) errors of the values; those without an error stay."""
        normal = rng.standard_normal((size, len(_VALUES)))
        r0, v_c, u, v, w, z = (
            getattr(self, name) + self.errors.get(name, 0.0) * normal[:, column] for column, name in enumerate(_VALUES)
        )
        x = np.sqrt(r0**2 - z**2) if self.tilt else r0
        return SunDraws(
            np.stack([-x, np.zeros(size), z], axis=1),
            np.stack([u, v_c + v, w], axis=1),
            z / r0 if self.tilt else np.zeros(size),
        )


@dataclass(frozen=True)
class SunDraws:
    """Many Suns: what the change of axes needs of each."""

    position: np.ndarray[Any, Any]  #: (size, 3) [kpc]
    velocity: np.ndarray[Any, Any]  #: (size, 3) [km/s]
    tilt_sine: np.ndarray[Any, Any]  #: (size,)

    def __getitem__(self, rows: slice) -> SunDraws:
        return SunDraws(self.position[rows], self.velocity[rows], self.tilt_sine[rows])


@cache
def _read() -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "data" / "solar.toml").read_text(encoding="utf-8"))


def solar_sets() -> tuple[str, ...]:
    """Names of the known sets."""
    return tuple(_read())


def solar(name: str) -> Sun:
    """The named set.

    Parameters
    ----------
    name : str
        One of `solar_sets`.

    Returns
    -------
    Sun

    Raises
    ------
    ConfigError
        If there is no such set.
    """
    if name not in _read():
        raise ConfigError(f"no solar parameters called {name!r}", expected=" or ".join(_read()))
    raw = _read()[name]
    return Sun(
        name,
        **{key: raw[key] for key in (*_VALUES, "tilt")},
        errors=MappingProxyType({key: raw[f"{key}_error"] for key in _VALUES}),
        reference=MappingProxyType(raw["reference"]),
    )
