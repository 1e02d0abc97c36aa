"""Named constants with their source. Science defaults live in :mod:`melotte.config`."""

from __future__ import annotations

from typing import Final

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
