"""The published chain of Fu et al. 2022, with its errors, and the difference they make.

The orbits of the published table start from (R, z, v_R, v_z, v_phi) = (R_GC, z without the Sun's height, U, W, V): the
velocity components of the *heliocentric* axes, not turned to the cluster's Galactocentric azimuth and with v_R in the
sense of U. Proper motions are converted with a year of 365 days. R_GC, Z_GC, U, V, W, L and the energy are not affected
by the first error. The extremes are those of 10 Gyr.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from .components import Array

#: GalPot's zero point of the potential above the one that vanishes at infinity [km2/s2], found from its orbits.
GALPOT_ZERO_POINT: Final = 66.3
#: Time over which the published extremes were taken [Myr].
SPAN: Final = 10_000.0


def unrotated_start(position: Array, velocity: Array, sun_z: float) -> tuple[Array, Array]:
    """Where the published orbits start.

    Parameters
    ----------
    position, velocity : ndarray, shape (N, 3)
        Galactocentric, right-handed, axes not tilted [kpc, km/s].
    sun_z : float
        Height of the Sun [kpc], which the published start leaves out.

    Returns
    -------
    position, velocity : ndarray, shape (N, 3)
        On the x axis with the components as they are. The published (v_R, v_phi) = (U, V) give the same extremes
        here as in the published sense of rotation: the potential does not know it.
    """
    R = np.hypot(position[:, 0], position[:, 1])
    start = np.stack([R, np.zeros_like(R), position[:, 2] - sun_z], axis=1)
    return start, velocity.copy()
