"""Actions in an axisymmetric potential by the Staeckel fudge.

Binney 2012, MNRAS 426, 1324, with the focal distance of Sanders 2012, MNRAS 426, 128, eq. 9: locally the potential is
taken as separable in prolate spheroidal coordinates. Good to a few per cent for disc orbits; J_phi is L_z itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .components import Array
from .potential import Axisymmetric

_POINTS = 48
_ANGLE = np.pi * (np.arange(_POINTS) + 0.5) / _POINTS


def focal_distance(R: Array, z: Array, potential: Axisymmetric) -> Array:
    """Delta of the prolate spheroidal coordinates that fit the potential at R, z best [kpc]."""
    height = np.maximum(np.abs(z), 1e-3)  # in the plane the expression is 0/0
    _, force_R, force_z = potential.evaluate(R, height)
    RR, Rz, zz = potential.second_derivatives(R, height)
    with np.errstate(divide="ignore", invalid="ignore"):
        square = height**2 - R**2 + (3.0 * (R * force_z - height * force_R) + R * height * (RR - zz)) / Rz
    delta: Array = np.sqrt(np.clip(np.where(np.isfinite(square), square, 0.0), 1e-4 * (R**2 + height**2), None))
    return delta


def actions(position: Array, velocity: Array, potential: Axisymmetric) -> tuple[Array, Array]:
    """Radial and vertical action.

    Parameters
    ----------
    position, velocity : ndarray, shape (N, 3)
        Galactocentric [kpc, km/s].
    potential : Axisymmetric

    Returns
    -------
    J_r, J_z : ndarray, shape (N,)
        [kpc km/s]; NaN for unbound or missing rows.

    Notes
    -----
    R = D sinh u sin v, z = D cosh u cos v. With U(u) = (sinh^2 u + sin^2 v) Phi at the v of the point,
    ``p_u^2 = 2 D^2 [E sinh^2 u - I - U(u)] - L_z^2 / sinh^2 u`` with I known from the point, and likewise p_v^2; J is
    (1/pi) times the integral of p between its zeros.
    """
    J_r, J_z = np.full(len(position), np.nan), np.full(len(position), np.nan)
    finite = np.isfinite(position).all(axis=1) & np.isfinite(velocity).all(axis=1)
    rows = np.flatnonzero(finite)
    if not rows.size:
        return J_r, J_z
    x, w = position[rows], velocity[rows]
    R = np.maximum(np.hypot(x[:, 0], x[:, 1]), 1e-6)
    z = x[:, 2]
    phi, *_ = potential.evaluate(R, z)
    E = 0.5 * (w**2).sum(axis=1) + phi
    Lz = x[:, 0] * w[:, 1] - x[:, 1] * w[:, 0]
    bound = (E < 0) & (np.abs(Lz) > 1e-6)
    rows, R, z, E, Lz, w, x = rows[bound], R[bound], z[bound], E[bound], Lz[bound], w[bound], x[bound]
    if not rows.size:
        return J_r, J_z
    v_R = (x[:, 0] * w[:, 0] + x[:, 1] * w[:, 1]) / R
    D = focal_distance(R, z, potential)
    a, b = np.hypot(R, z + D), np.hypot(R, z - D)
    u = np.arccosh(np.maximum((a + b) / (2 * D), 1.0 + 1e-14))
    v = np.arccos(np.clip((a - b) / (2 * D), -1.0, 1.0))
    p_u = D * (np.cosh(u) * np.sin(v) * v_R + np.sinh(u) * np.cos(v) * w[:, 2])
    p_v = D * (np.sinh(u) * np.cos(v) * v_R - np.cosh(u) * np.sin(v) * w[:, 2])

    def at(uu: Array, vv: Array) -> Array:
        """(sinh^2 u + sin^2 v) Phi."""
        weight = np.sinh(uu) ** 2 + np.sin(vv) ** 2
        out: Array = weight * potential.evaluate(D * np.sinh(uu) * np.sin(vv), D * np.cosh(uu) * np.cos(vv))[0]
        return out

    here = at(u, v)

    def square_u(uu: Array) -> Array:
        """p_u^2 along u at the v of the point."""
        change = E * (np.sinh(uu) ** 2 - np.sinh(u) ** 2) - (at(uu, v) - here)
        square: Array = p_u**2 + 2 * D**2 * change - Lz**2 * (1 / np.sinh(uu) ** 2 - 1 / np.sinh(u) ** 2)
        return square

    def square_v(vv: Array) -> Array:
        """p_v^2 along v at the u of the point."""
        change = E * (np.sin(vv) ** 2 - np.sin(v) ** 2) - (at(u, vv) - here)
        square: Array = p_v**2 + 2 * D**2 * change - Lz**2 * (1 / np.sin(vv) ** 2 - 1 / np.sin(v) ** 2)
        return square

    J_r[rows] = _loop(square_u, _zero(square_u, u, 0.8), _zero(square_u, u, 1.25))
    top = _zero(square_v, np.minimum(v, np.pi - v), 0.8)
    J_z[rows] = _loop(square_v, top, np.pi - top)
    return J_r, J_z


def _zero(square: Callable[[Array], Array], start: Array, factor: float) -> Array:
    """Where ``square`` becomes negative, going from ``start`` in steps by ``factor``, then halving the last step."""
    inside = start.copy()
    outside = start * factor
    for _ in range(200):
        going = square(outside) > 0.0
        if not going.any():
            break
        inside = np.where(going, outside, inside)
        outside = np.where(going, np.clip(outside * factor, 1e-12, 40.0), outside)
    for _ in range(60):
        middle = 0.5 * (inside + outside)
        positive = square(middle) > 0.0
        inside, outside = np.where(positive, middle, inside), np.where(positive, outside, middle)
    return inside


def _loop(square: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """``(1/pi) int sqrt(square)`` between its zeros: midpoint rule in the phase angle."""
    total = np.zeros_like(low)
    for angle in _ANGLE:
        place = 0.5 * (low + high) - 0.5 * (high - low) * np.cos(angle)
        total += np.sqrt(np.maximum(square(place), 0.0)) * np.sin(angle)
    return 0.5 * (high - low) * total / _POINTS
