"""Positions moved from one epoch to another along a straight line in space.

A star in uniform motion without radial velocity moves from the unit vector :math:`\\hat r_0` to the direction of

.. math:: \\hat r_0 + (t - t_0)\\,(\\mu_{\\alpha*}\\,\\hat p_0 + \\mu_\\delta\\,\\hat q_0)

with :math:`\\hat p_0, \\hat q_0` the local east and north (ESA 1997, *The Hipparcos and Tycho Catalogues*, vol. 1,
eq. 1.2.16, with parallax and radial velocity zero). It holds at the poles and for any length of the motion.

Left out, and how large it is:

- parallax: the Gaia position is barycentric, a position seen from the Earth differs by at most the parallax, 1 mas
  at 1 kpc and 0.77 arcsec for Proxima Centauri, the largest there is. The search radius of a fibre is 3.5 arcsec.
- radial velocity (perspective acceleration): the displacement changes by the fraction
  :math:`1.02\\times10^{-6}\\,v_r\\,\\varpi\\,\\Delta t` (km/s, arcsec, yr): 1 mas after 16 years for Barnard's star.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.constants import MAS_PER_DEG

FloatArray = NDArray[np.float64]

#: Radians in a milliarcsecond.
RAD_PER_MAS = float(np.pi / 180.0 / MAS_PER_DEG)


def propagate(
    ra_deg: ArrayLike,
    dec_deg: ArrayLike,
    pmra_masyr: ArrayLike,
    pmdec_masyr: ArrayLike,
    *,
    from_epoch: ArrayLike,
    to_epoch: ArrayLike,
) -> tuple[FloatArray, FloatArray]:
    """Positions at another epoch.

    Parameters
    ----------
    ra_deg, dec_deg : array_like
        ICRS position at ``from_epoch``, deg; any shapes that broadcast together.
    pmra_masyr, pmdec_masyr : array_like
        Proper motion at ``from_epoch``, mas/yr (``pmra`` includes cos dec). NaN in either leaves the position as
        it is.
    from_epoch, to_epoch : array_like
        Julian years, one for all rows or one per row.

    Returns
    -------
    ra_deg, dec_deg : ndarray
        Position at ``to_epoch``, deg; RA in [0, 360).

    Notes
    -----
    Radial velocity and parallax are taken as zero; see the module for the size of what is left out.
    """
    ra, dec, pmra, pmdec, t0, t1 = np.broadcast_arrays(
        *(np.asarray(v, dtype=np.float64) for v in (ra_deg, dec_deg, pmra_masyr, pmdec_masyr, from_epoch, to_epoch))
    )
    known = np.isfinite(pmra) & np.isfinite(pmdec)
    scale = np.where(known, (t1 - t0) * RAD_PER_MAS, 0.0)
    east = np.where(known, pmra, 0.0) * scale
    north = np.where(known, pmdec, 0.0) * scale
    sin_dec = np.sin(np.radians(dec))
    # 90 - |dec| is exact in binary, so that cos(dec) keeps its digits next to a pole.
    cos_dec = np.sin(np.radians(90.0 - np.abs(dec)))
    meridian = cos_dec - north * sin_dec
    moved = (east != 0.0) | (north != 0.0)
    new_ra = np.mod(ra + np.degrees(np.arctan2(east, meridian)), 360.0)
    # A negative angle smaller than the spacing of numbers at 360 comes out of mod as 360 itself.
    new_ra = np.where(new_ra >= 360.0, 0.0, new_ra)
    new_dec = np.degrees(np.arctan2(sin_dec + north * cos_dec, np.hypot(east, meridian)))
    return np.where(moved, new_ra, np.mod(ra, 360.0)), np.where(moved, new_dec, dec)
