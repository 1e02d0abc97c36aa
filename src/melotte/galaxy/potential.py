"""Gravitational potentials: one protocol, Melotte's own evaluation, and what follows from an axisymmetric one.

Units: kpc, km/s, Msun; potentials in km2/s2 and zero at infinity.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ConfigError
from .components import Array, MassModel, read_model
from .kernels import EDGE, evaluate, hessian
from .table import Table, make_table


@runtime_checkable
class Potential(Protocol):
    """What the orbit integrator needs of any potential.

    Positions have shape (N, 3) [kpc] in right-handed Galactocentric axes, times are in kpc/(km/s) from now.
    """

    name: str
    #: Whether the potential is symmetric about the z axis, symmetric about z = 0 and constant in time.
    axisymmetric: bool

    def potential(self, position: Array, time: float = 0.0) -> Array:
        """Potential, shape (N,) [km2/s2]."""
        ...

    def acceleration(self, position: Array, time: float = 0.0) -> Array:
        """Acceleration, shape (N, 3) [km2/s2/kpc]."""
        ...

    def density(self, position: Array, time: float = 0.0) -> Array:
        """Mass density, shape (N,) [Msun/kpc3]."""
        ...


class Epicycle(NamedTuple):
    """Frequencies of nearly circular orbits [km/s/kpc]."""

    omega: Array  #: azimuthal
    kappa: Array  #: radial
    nu: Array  #: vertical


class Axisymmetric(ABC):
    """An axisymmetric potential with the derived quantities; a backend gives `evaluate` and `density_at`."""

    name: str
    axisymmetric = True

    @abstractmethod
    def evaluate(self, R: ArrayLike, z: ArrayLike) -> tuple[Array, Array, Array]:
        """Potential [km2/s2] and force towards +R and +z [km2/s2/kpc] at R, z [kpc]."""

    @abstractmethod
    def density_at(self, R: ArrayLike, z: ArrayLike) -> Array:
        """Mass density at R, z [Msun/kpc3]."""

    def potential(self, position: Array, time: float = 0.0) -> Array:
        """Potential at Cartesian positions (N, 3) [km2/s2]."""
        return self.evaluate(np.hypot(position[..., 0], position[..., 1]), position[..., 2])[0]

    def acceleration(self, position: Array, time: float = 0.0) -> Array:
        """Acceleration at Cartesian positions (N, 3) [km2/s2/kpc]."""
        R = np.hypot(position[..., 0], position[..., 1])
        _, force_R, force_z = self.evaluate(R, position[..., 2])
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(R > 0.0, force_R / R, 0.0)
        return np.stack([ratio * position[..., 0], ratio * position[..., 1], force_z], axis=-1)

    def density(self, position: Array, time: float = 0.0) -> Array:
        """Mass density at Cartesian positions (N, 3) [Msun/kpc3]."""
        return self.density_at(np.hypot(position[..., 0], position[..., 1]), position[..., 2])

    def v_circ(self, R: ArrayLike) -> Array:
        """Circular velocity in the mid-plane [km/s]."""
        radius = np.asarray(R, dtype=float)
        speed: Array = np.sqrt(np.maximum(-radius * self.evaluate(radius, np.zeros_like(radius))[1], 0.0))
        return speed

    def v_escape(self, R: ArrayLike, z: ArrayLike = 0.0) -> Array:
        """Speed that reaches infinity [km/s]: ``sqrt(-2 Phi)``."""
        speed: Array = np.sqrt(-2.0 * self.evaluate(R, z)[0])
        return speed

    def second_derivatives(self, R: ArrayLike, z: ArrayLike) -> tuple[Array, Array, Array]:
        """Phi_RR, Phi_Rz, Phi_zz [km2/s2/kpc2], by central differences of the force."""
        radius, height = np.broadcast_arrays(np.asarray(R, dtype=float), np.asarray(z, dtype=float))
        h = 2e-4 * np.maximum(radius, 0.05)
        low, high = self.evaluate(radius - h, height), self.evaluate(radius + h, height)
        under, over = self.evaluate(radius, height - h), self.evaluate(radius, height + h)
        return -(high[1] - low[1]) / (2 * h), -(over[1] - under[1]) / (2 * h), -(over[2] - under[2]) / (2 * h)

    def epicycle(self, R: ArrayLike) -> Epicycle:
        """Frequencies at the circular orbit of radius R (Binney & Tremaine 2008, eqs. 3.78-3.80)."""
        radius = np.asarray(R, dtype=float)
        slope = -self.evaluate(radius, np.zeros_like(radius))[1] / radius
        RR, _, zz = self.second_derivatives(radius, np.zeros_like(radius))
        return Epicycle(np.sqrt(slope), np.sqrt(RR + 3.0 * slope), np.sqrt(zz))

    def guiding_radius(self, L_z: ArrayLike) -> Array:
        """Radius of the circular orbit of angular momentum ``|L_z|`` [kpc]; NaN where L_z is or exceeds all of them."""
        wanted = np.abs(np.asarray(L_z, dtype=float))
        grid = np.geomspace(1e-3, 1e3, 4001)
        radius: Array = np.exp(
            np.interp(np.log(np.maximum(wanted, 1e-300)), np.log(grid * self.v_circ(grid)), np.log(grid))
        )
        for _ in range(3):  # Newton: dL/dR = R kappa^2 / (2 Omega) = (3 R Omega^2 + R Phi_RR) / (2 Omega)
            omega = self.v_circ(radius) / radius
            slope = radius * self.second_derivatives(radius, np.zeros_like(radius))[0] + 3.0 * radius * omega**2
            step = (wanted - radius**2 * omega) * 2.0 * omega / slope
            radius = np.clip(radius + step, 0.5 * radius, 2.0 * radius)
        known = (wanted > 0.0) & (wanted < grid[-1] * self.v_circ(grid[-1]))
        return np.where(wanted == 0.0, 0.0, np.where(known, radius, np.nan))


class TabulatedPotential(Axisymmetric):
    """Melotte's own potential of a `MassModel`: one polynomial of degree 5 per cell of a table in (R, |z|).

    The table is C4 and covers R and |z| up to 256 kpc; beyond, the multipoles l = 0 ... 12 of discs and bulge and the
    closed form of the halo go on to infinity. Force errors against the direct sum over rings, relative to the
    force: at most 5.4e-8 (median 1e-9) over 304 points with 0.1 < R < 40 kpc and |z| < 20 kpc, cell edges included.
    """

    def __init__(self, model: MassModel, table: Table | None = None) -> None:
        self.model = model
        self.name = model.name
        self.table = make_table(model) if table is None else table

    def evaluate(self, R: ArrayLike, z: ArrayLike) -> tuple[Array, Array, Array]:
        """Potential [km2/s2] and force towards +R and +z [km2/s2/kpc] at R, z [kpc]."""
        radius, height = np.broadcast_arrays(np.abs(np.asarray(R, dtype=float)), np.asarray(z, dtype=float))
        out = tuple(np.empty(radius.size) for _ in range(3))
        evaluate(*self.table, np.ascontiguousarray(radius).ravel(), np.ascontiguousarray(height).ravel(), *out)
        phi, force_R, force_z = (o.reshape(radius.shape) for o in out)
        return phi, force_R, force_z

    def density_at(self, R: ArrayLike, z: ArrayLike) -> Array:
        """Mass density at R, z [Msun/kpc3]."""
        return self.model.density(*np.broadcast_arrays(np.asarray(R, dtype=float), np.asarray(z, dtype=float)))

    def second_derivatives(self, R: ArrayLike, z: ArrayLike) -> tuple[Array, Array, Array]:
        """Phi_RR, Phi_Rz, Phi_zz [km2/s2/kpc2] from the table's polynomials."""
        radius, height = np.broadcast_arrays(np.asarray(R, dtype=float), np.asarray(z, dtype=float))
        inside = (radius < EDGE) & (np.abs(height) < EDGE) & (radius >= 0.0)
        if not inside.all():
            return super().second_derivatives(radius, height)
        out = np.empty((radius.size, 3))
        flat_z = np.ascontiguousarray(height).ravel()
        hessian(self.table.coefficients, self.table.scale, np.ascontiguousarray(radius).ravel(), np.abs(flat_z), out)
        out[:, 1] *= np.where(flat_z < 0, -1.0, 1.0)
        RR, Rz, zz = (out[:, n].reshape(radius.shape) for n in range(3))
        return RR, Rz, zz


@cache
def _shipped(name: str) -> TabulatedPotential:
    return TabulatedPotential(read_model(name))


def load_potential(name: str | Path) -> Potential:
    """A potential by name.

    Parameters
    ----------
    name : str or path
        ``"mcmillan2017"``; a TOML file of components; ``"galpy:NAME"`` with a potential of galpy, or several joined
        by ``+`` (``galpy:MWPotential2014``, ``galpy:MWPotential2014+DehnenBarPotential``); or ``"agama:FILE"``
        with a parameter file of Agama in kpc, km/s, Msun, which may hold a rotating bar or spiral arms.

    Returns
    -------
    Potential

    Raises
    ------
    ConfigError
        If there is no such potential, or the backend is not installed.
    """
    text = str(name)
    backend, _, rest = text.partition(":")
    if rest and backend in {"galpy", "agama"}:
        from . import backends

        return backends.galpy_potential(rest) if backend == "galpy" else backends.agama_potential(rest)
    if text == "mcmillan2017":
        return _shipped(text)
    if text.endswith(".toml"):
        return TabulatedPotential(read_model(Path(name)))
    raise ConfigError(
        f"no potential called {text!r}",
        expected='"mcmillan2017", a TOML file, "galpy:NAME" or "agama:FILE"',
    )
