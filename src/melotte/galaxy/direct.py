"""The gravitational force by summing rings: slow, and independent of how the table is made.

A ring of unit mass at (R', z') pulls with complete elliptic integrals (Binney & Tremaine 2008, sect. 2.6.1). The
density is integrated over R' and z' by Gauss-Legendre panels that shrink geometrically towards the point and towards
the edges of the density (mid-plane, centre). Only the density enters: no Hankel transform, no similar spheroids, no
multipoles.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import ellipe, ellipkm1

from .components import Array, G, MassModel

_GAUSS = np.polynomial.legendre.leggauss(10)


def _panels(marks: list[float], top: float, finest: float) -> tuple[Array, Array]:
    """Nodes and weights on [0, top], panels refined geometrically towards each mark."""
    cuts = {0.0, top}
    for mark in marks:
        step = finest
        cuts.add(mark)
        while step < top:
            cuts.update({mark - step, mark + step})
            step *= 2.0
    ends = np.array(sorted(c for c in cuts if 0.0 <= c <= top))
    ends = ends[np.concatenate([[True], np.diff(ends) > 1e-3 * finest])]
    x, weight = _GAUSS
    half = 0.5 * np.diff(ends)[:, None]
    return (0.5 * (ends[1:] + ends[:-1])[:, None] + half * x).ravel(), (half * weight).ravel()


def _ring(R: float, dz: Array, a: Array) -> tuple[Array, Array, Array]:
    """Potential and force (R, z) per unit G and mass of rings of radius a at height -dz below the point."""
    far2, near2 = (R + a) ** 2 + dz * dz, (R - a) ** 2 + dz * dz
    m1 = near2 / far2
    K, E = ellipkm1(m1), ellipe(1.0 - m1)
    s = np.sqrt(far2)
    potential = -2.0 / np.pi * K / s
    force_z = -2.0 / np.pi * dz * E / (near2 * s)
    # d/dR of the potential; for R -> 0 the two terms cancel, so the axis is left to the caller.
    force_R = -(1.0 / (np.pi * R * s)) * (K - E * (a * a - R * R + dz * dz) / near2)
    return potential, force_R, force_z


def direct(
    density: Callable[[Array, Array], Array], R: float, z: float, *, reach: float = 150.0, finest: float = 1e-5
) -> tuple[float, float, float]:
    """Potential and force of an axisymmetric density, symmetric about z = 0, at one point off the axis.

    Parameters
    ----------
    density : callable
        Mass density [Msun/kpc3] of arrays R, z [kpc].
    R, z : float
        The point [kpc]; R > 0.
    reach : float
        The density beyond this R and |z| [kpc] is left out.
    finest : float
        Smallest panel [kpc].

    Returns
    -------
    potential, force_R, force_z : float
        [km2/s2], [km2/s2/kpc].
    """
    radius, weight_R = _panels([R, 0.0], reach, finest)
    height, weight_z = _panels([abs(z), 0.0], reach, finest)
    total = np.zeros(3)
    for zz, wz in zip(height, weight_z, strict=True):
        mass = 2.0 * np.pi * radius * weight_R * wz * density(radius, np.full_like(radius, zz))
        use = mass > 0.0
        for side in (zz, -zz):
            terms = _ring(R, np.full(int(use.sum()), z - side), radius[use])
            total += [float(mass[use] @ t) for t in terms]
    return tuple(float(G * t) for t in total)  # type: ignore[return-value]


def direct_force(model: MassModel, R: float, z: float) -> tuple[float, float, float]:
    """`direct` for a mass model; the halo, whose density does not end, by its closed form."""
    halo = next(c for c in model.components if c.form == "nfw")
    rest = [c for c in model.components if c is not halo]

    def density(radius: Array, height: Array) -> Array:
        return np.sum([c.density(radius, height) for c in rest], axis=0)  # type: ignore[no-any-return]

    potential, force_R, force_z = direct(density, R, z)
    r = float(np.hypot(R, z))
    x = r / halo["radius"]
    strength = 4.0 * np.pi * G * halo["density"] * halo["radius"] ** 3
    pull = -strength * (np.log1p(x) - x / (1.0 + x)) / r**3
    return potential - strength * np.log1p(x) / r, force_R + pull * R, force_z + pull * z
