"""Propagation of positions: against astropy, at the poles, across RA 0."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from melotte.crossmatch import propagate

angles = st.floats(0, 359.99999999)
declinations = st.floats(-90, 90)
motions = st.floats(-1e4, 1e4)


def separation_arcsec(ra1, dec1, ra2, dec2):
    return SkyCoord(ra1 * u.deg, dec1 * u.deg).separation(SkyCoord(ra2 * u.deg, dec2 * u.deg)).arcsec


@pytest.mark.parametrize("mu_masyr", [5.0, 300.0, 1e4])
def test_agrees_with_apply_space_motion(mu_masyr: float) -> None:
    """Straight line in space, no parallax, no radial velocity: 1e-8 arcsec after 16 and 100 years."""
    rng = np.random.default_rng(3)
    n = 500
    ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    dec[:20] = 90 - 10 ** rng.uniform(-9, 0, 20)
    ra[20:40] = np.mod(10 ** rng.uniform(-9, -3, 20) * rng.choice([-1, 1], 20), 360)
    pm = rng.normal(0, mu_masyr, (2, n))
    t0, t1 = 2016.0, np.where(np.arange(n) % 2, 2000.0, 1916.0)
    star = SkyCoord(
        ra * u.deg,
        dec * u.deg,
        pm_ra_cosdec=pm[0] * u.mas / u.yr,
        pm_dec=pm[1] * u.mas / u.yr,
        # So near that 10 arcsec/yr is far below the speed of light: astropy stops faster stars.
        distance=np.full(n, 1e-3) * u.pc,
        obstime=Time(t0, format="jyear", scale="tdb"),
    )
    expected = star.apply_space_motion(new_obstime=Time(t1, format="jyear", scale="tdb"))
    got = propagate(ra, dec, *pm, from_epoch=t0, to_epoch=t1)
    assert separation_arcsec(*got, expected.ra.deg, expected.dec.deg).max() < 1e-8
    assert separation_arcsec(*got, ra, dec).max() > 10 * mu_masyr / 1000  # and it did move


def test_over_the_pole_and_through_zero() -> None:
    ra, dec = propagate([30.0], [89.9999], [0.0], [1000.0], from_epoch=2000.0, to_epoch=2001.0)
    assert ra[0] == pytest.approx(210.0, abs=1e-6)
    assert 90 - dec[0] == pytest.approx(1 / 3600 - 1e-4, abs=1e-9)
    ra, dec = propagate([0.0], [0.0], [-3600.0], [0.0], from_epoch=2000.0, to_epoch=2001.0)
    assert ra[0] == pytest.approx(359.999, abs=1e-9)
    ra, _ = propagate([0.0], [0.0], [-1e-12], [0.0], from_epoch=2000.0, to_epoch=2001.0)
    assert 0.0 <= ra[0] < 360.0


@pytest.mark.parametrize(("pmra", "pmdec"), [(np.nan, 5.0), (5.0, np.nan), (np.nan, np.nan)])
def test_without_a_motion_stays(pmra: float, pmdec: float) -> None:
    ra, dec = propagate([12.3], [45.6], [pmra], [pmdec], from_epoch=2016.0, to_epoch=2000.0)
    assert (ra[0], dec[0]) == (12.3, 45.6)


def test_every_row_has_its_epoch() -> None:
    _, dec = propagate(
        [0.0, 0.0, 0.0], [0.0] * 3, [0.0] * 3, [3600.0] * 3, from_epoch=2000.0, to_epoch=[2000, 2001, 1998]
    )
    assert dec == pytest.approx([0.0, 1e-3, -2e-3], abs=1e-9)


@given(ra=angles, dec=declinations, pmra=motions, pmdec=motions, years=st.floats(-200, 200))
def test_moves_by_the_right_angle(ra: float, dec: float, pmra: float, pmdec: float, years: float) -> None:
    """The way travelled is atan(mu t), whatever the direction and place."""
    a, d = propagate(ra, dec, pmra, pmdec, from_epoch=2000.0, to_epoch=2000.0 + years)
    assert 0 <= a < 360
    assert -90 <= d <= 90
    elapsed = (2000.0 + years) - 2000.0
    expected = np.degrees(np.arctan(np.radians(np.hypot(pmra, pmdec) * elapsed / 3.6e6))) * 3600
    assert separation_arcsec(ra, dec, a, d) == pytest.approx(abs(expected), abs=1e-8)
