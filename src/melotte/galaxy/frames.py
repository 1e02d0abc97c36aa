"""ICRS <-> Galactocentric, in closed form, on arrays.

One convention inside: **right-handed** Galactocentric axes, x from the Sun's side towards the centre and beyond, y
along Galactic rotation at the Sun, z towards the north Galactic pole; the Sun is at negative x. The disc then rotates
with *negative* L_z and v_phi. Published tables count rotation positive: `published_momentum` is the one place where
signs change. Units: degree, kpc, mas/yr, km/s. NaN in any input gives NaN in the outputs of that row.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .sun import Sun, SunDraws

Array = np.ndarray[Any, np.dtype[np.float64]]

_AU_KM: Final = 149597870.7
#: km/s per (mas/yr kpc) with the Julian year of 365.25 days: the definition of proper motions in Gaia (IAU 2012 au).
K_JULIAN: Final = _AU_KM / (365.25 * 86400.0)
#: The same with a year of 365 days; Fu et al. 2022 used it (found from their U, V, W columns).
K_365: Final = _AU_KM / (365.0 * 86400.0)

# Direction of the north Galactic pole and longitude of the north celestial pole: the IAU system of 1958 (Blaauw et al.
# 1960, MNRAS 121, 123) carried to FK5 J2000 (Reid & Brunthaler 2004, ApJ 616, 872, appendix), as in astropy.
# The rounded ICRS values of the Hipparcos catalogue (192.85948, 27.12825, 122.93192) differ by 0.1 arcsec.
_NGP_RA, _NGP_DEC, _NCP_L = np.deg2rad([192.8594812065348, 27.12825118085622, 122.9319185680026])
# Rotation of FK5 J2000 against ICRS about x, y, z [mas]: Hilton & Hohenkerk 2004, A&A 413, 765, eq. 20.
_ETA0, _XI0, _DA0 = np.deg2rad(np.array([-19.9, 9.1, -22.9]) / 3.6e6)


def _axes(about: int, angle: float) -> Array:
    """Rotation of the coordinate axes by ``angle`` about axis 0, 1 or 2."""
    c, s = np.cos(angle), np.sin(angle)
    turn = np.eye(3)
    i, j = (about + 1) % 3, (about + 2) % 3
    turn[i, i] = turn[j, j] = c
    turn[i, j], turn[j, i] = s, -s
    return turn


def _icrs_to_galactic() -> Array:
    pole = np.array([np.cos(_NGP_DEC) * np.cos(_NGP_RA), np.cos(_NGP_DEC) * np.sin(_NGP_RA), np.sin(_NGP_DEC)])
    north = np.array([0.0, 0.0, 1.0])
    towards = north - pole * pole[2]
    towards /= np.linalg.norm(towards)  # the point of the Galactic equator below the north celestial pole
    ahead = np.cross(pole, towards)
    x = np.cos(_NCP_L) * towards - np.sin(_NCP_L) * ahead
    y = np.sin(_NCP_L) * towards + np.cos(_NCP_L) * ahead
    to_fk5 = _axes(0, -_ETA0) @ _axes(1, _XI0) @ _axes(2, _DA0)
    turn: Array = np.array([x, y, pole]) @ to_fk5
    return turn


#: Rotation from ICRS to Galactic Cartesian axes.
GALACTIC: Final = _icrs_to_galactic()


def _rotate(vectors: Array, matrix: Array) -> Array:
    """Vectors (..., 3) in turned axes. Not by matmul, whose last digit depends on the number of rows."""
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.stack([row[0] * x + row[1] * y + row[2] * z for row in matrix], axis=-1)


class Cylindrical(NamedTuple):
    """Galactocentric cylindrical coordinates, right-handed: the disc rotates with negative ``v_phi``."""

    R: Array  #: kpc
    phi: Array  #: rad, from +x (the anti-Sun side) towards +y; the Sun is at pi
    z: Array  #: kpc
    v_R: Array  # noqa: N815  #: km/s
    v_phi: Array  #: km/s
    v_z: Array  #: km/s


class Icrs(NamedTuple):
    """What is observed."""

    ra: Array  #: deg
    dec: Array  #: deg
    distance: Array  #: kpc
    pmra: Array  #: mas/yr, times cos(dec)
    pmdec: Array  #: mas/yr
    rv: Array  #: km/s


def heliocentric(
    ra: ArrayLike,
    dec: ArrayLike,
    distance: ArrayLike,
    pmra: ArrayLike,
    pmdec: ArrayLike,
    rv: ArrayLike,
    *,
    k: float = K_JULIAN,
) -> tuple[Array, Array]:
    """Heliocentric Galactic Cartesian position and velocity.

    Parameters
    ----------
    ra, dec : array_like
        ICRS direction [deg].
    distance : array_like
        Heliocentric distance [kpc].
    pmra, pmdec : array_like
        Proper motion, ``pmra`` times cos(dec) [mas/yr].
    rv : array_like
        Radial velocity [km/s].
    k : float
        km/s per (mas/yr kpc): `K_JULIAN`, or `K_365` for the published chain.

    Returns
    -------
    position : ndarray, shape (..., 3)
        Towards the Galactic centre, along rotation, towards the north Galactic pole [kpc].
    velocity : ndarray, shape (..., 3)
        U, V, W along the same axes [km/s].

    Notes
    -----
    ``v = rv r + k d (pmra p + pmdec q)`` with the triad of Lindegren et al. (ESA 1997, vol. 1, eq. 1.2.15); it is
    well defined at the poles, where ``ra`` still fixes the direction of ``p``.
    """
    alpha, delta = np.deg2rad(np.asarray(ra, dtype=float)), np.deg2rad(np.asarray(dec, dtype=float))
    d = np.asarray(distance, dtype=float)
    sa, ca, sd, cd = np.sin(alpha), np.cos(alpha), np.sin(delta), np.cos(delta)
    radial = np.stack(np.broadcast_arrays(cd * ca, cd * sa, sd), axis=-1)
    east = np.stack(np.broadcast_arrays(-sa, ca, np.zeros_like(sd + sa)), axis=-1)
    north = np.stack(np.broadcast_arrays(-sd * ca, -sd * sa, cd), axis=-1)
    position = d[..., None] * radial
    velocity = (
        np.asarray(rv, dtype=float)[..., None] * radial
        + (k * d * np.asarray(pmra, dtype=float))[..., None] * east
        + (k * d * np.asarray(pmdec, dtype=float))[..., None] * north
    )
    return _rotate(position, GALACTIC), _rotate(velocity, GALACTIC)


def _turn(vectors: Array, sine: Any) -> Array:
    """Turn about y by the tilt: the Galactic centre comes into the mid-plane."""
    cosine = np.sqrt(1.0 - np.square(sine))
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.stack([cosine * x + sine * z, y, cosine * z - sine * x], axis=-1)


def to_galactocentric(position: Array, velocity: Array, sun: Sun | SunDraws) -> tuple[Array, Array]:
    """Heliocentric Galactic -> right-handed Galactocentric, shapes (..., 3) [kpc, km/s]; one Sun, or one a row."""
    return _turn(position, sun.tilt_sine) + sun.position, _turn(velocity, sun.tilt_sine) + sun.velocity


def from_galactocentric(position: Array, velocity: Array, sun: Sun | SunDraws) -> tuple[Array, Array]:
    """Right-handed Galactocentric -> heliocentric Galactic; the inverse of `to_galactocentric`."""
    sine = np.negative(sun.tilt_sine)
    return _turn(position - sun.position, sine), _turn(velocity - sun.velocity, sine)


def icrs_to_galactocentric(
    ra: ArrayLike,
    dec: ArrayLike,
    distance: ArrayLike,
    pmra: ArrayLike,
    pmdec: ArrayLike,
    rv: ArrayLike,
    sun: Sun,
    *,
    k: float = K_JULIAN,
) -> tuple[Array, Array]:
    """`heliocentric`, then `to_galactocentric`: position [kpc] and velocity [km/s], shapes (..., 3)."""
    return to_galactocentric(*heliocentric(ra, dec, distance, pmra, pmdec, rv, k=k), sun)


def galactocentric_to_icrs(position: Array, velocity: Array, sun: Sun, *, k: float = K_JULIAN) -> Icrs:
    """The inverse of `icrs_to_galactocentric`.

    At the celestial poles ``ra`` is 0; at the Sun itself direction and proper motion are NaN.
    """
    p, v = from_galactocentric(np.asarray(position, dtype=float), np.asarray(velocity, dtype=float), sun)
    p, v = _rotate(p, GALACTIC.T), _rotate(v, GALACTIC.T)
    x, y, z = np.moveaxis(p, -1, 0)
    rho, d = np.hypot(x, y), np.sqrt((p * p).sum(axis=-1))
    alpha, delta = np.arctan2(y, x), np.arctan2(z, rho)
    sa, ca, sd, cd = np.sin(alpha), np.cos(alpha), np.sin(delta), np.cos(delta)
    vx, vy, vz = np.moveaxis(v, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        known = np.where(d > 0, 1.0, np.nan)
        return Icrs(
            np.rad2deg(alpha) % 360.0 * known,
            np.rad2deg(delta) * known,
            d,
            (-sa * vx + ca * vy) / (k * d) * known,
            (-sd * ca * vx - sd * sa * vy + cd * vz) / (k * d) * known,
            (cd * ca * vx + cd * sa * vy + sd * vz) * known,
        )


def cylindrical(position: Array, velocity: Array) -> Cylindrical:
    """Cartesian -> cylindrical, shapes (..., 3) -> (...). On the axis phi is 0: v_R is v_x and v_phi is v_y."""
    x, y, z = np.moveaxis(np.asarray(position, dtype=float), -1, 0)
    vx, vy, vz = np.moveaxis(np.asarray(velocity, dtype=float), -1, 0)
    phi = np.arctan2(y, x)
    c, s = np.cos(phi), np.sin(phi)
    return Cylindrical(np.hypot(x, y), phi, z, vx * c + vy * s, vy * c - vx * s, vz)


def cartesian(coordinates: Cylindrical) -> tuple[Array, Array]:
    """Cylindrical -> Cartesian; the inverse of `cylindrical`."""
    R, phi, z, v_R, v_phi, v_z = (np.asarray(c, dtype=float) for c in coordinates)
    c, s = np.cos(phi), np.sin(phi)
    position = np.stack(np.broadcast_arrays(R * c, R * s, z), axis=-1)
    velocity = np.stack(np.broadcast_arrays(v_R * c - v_phi * s, v_R * s + v_phi * c, v_z), axis=-1)
    return position, velocity


def angular_momentum(position: Array, velocity: Array) -> Array:
    """``r x v`` in the right-handed axes, shape (..., 3) [kpc km/s]; L_z is negative for disc rotation."""
    momentum: Array = np.cross(position, velocity)
    return momentum


def published_momentum(momentum: Array) -> Array:
    """Signs of the published L_X, L_Y, L_Z: ``(L_x, -L_y, -L_z)`` of the right-handed axes.

    Fu et al. 2022 form r x v in a left-handed frame, r = (R0 - x, y, z + z_sun) and v = (-U, V, W) of the heliocentric
    Galactic x, y, z: x changes sign against the right-handed axes here, so the two components of the product
    that contain x change sign. L_Z is positive for disc rotation. Applying the function twice gives the input back.
    """
    published: Array = np.asarray(momentum, dtype=float) * np.array([1.0, -1.0, -1.0])
    return published
