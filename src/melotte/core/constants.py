"""Named constants with their source. Science defaults live in :mod:`melotte.config`."""

from __future__ import annotations

from typing import Final

#: Reference epoch of the astrometry of each Gaia release, Julian year in TCB.
#: DR1: Lindegren et al. 2016, A&A 595, A4; DR2: Lindegren et al. 2018, A&A 616, A2;
#: EDR3/DR3: Lindegren et al. 2021, A&A 649, A2.
GAIA_EPOCH: Final[dict[str, float]] = {"DR2": 2015.5, "DR3": 2016.0}

#: Julian epoch of catalogue coordinates given as "J2000".
J2000: Final = 2000.0

#: Modified Julian date of J2000.0 and the length of the Julian year in days.
MJD_J2000: Final = 51544.5
DAYS_PER_JULIAN_YEAR: Final = 365.25

#: Speed of light in vacuum (exact, SI).
SPEED_OF_LIGHT_KMS: Final = 299792.458

#: Milliarcseconds in a degree.
MAS_PER_DEG: Final = 3.6e6

#: Arcseconds in a radian.
ARCSEC_PER_RAD: Final = 206264.80624709636
