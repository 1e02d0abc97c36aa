"""Frames against astropy, the poles, and the signs."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import ICRS, CartesianDifferential, Galactic, Galactocentric, SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from melotte.errors import ConfigError
from melotte.galaxy import frames
from melotte.galaxy.sun import Sun, solar, solar_sets


def _sample(n: int = 500) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        "ra": np.concatenate([rng.uniform(0, 360, n), [0, 10, 200, 359.999]]),
        "dec": np.concatenate([np.rad2deg(np.arcsin(rng.uniform(-1, 1, n))), [90, -90, 90, -90]]),
        "distance": np.concatenate([10 ** rng.uniform(-2, 1.5, n), [1, 2, 3, 4]]),
        "pmra": rng.normal(0, 10, n + 4),
        "pmdec": rng.normal(0, 10, n + 4),
        "rv": rng.normal(0, 100, n + 4),
    }


def _coord(s: dict[str, np.ndarray]) -> SkyCoord:
    return SkyCoord(
        ra=s["ra"] * u.deg,
        dec=s["dec"] * u.deg,
        distance=s["distance"] * u.kpc,
        pm_ra_cosdec=s["pmra"] * u.mas / u.yr,
        pm_dec=s["pmdec"] * u.mas / u.yr,
        radial_velocity=s["rv"] * u.km / u.s,
    )


def _close(ours: np.ndarray, theirs: np.ndarray) -> None:
    scale = np.linalg.norm(theirs, axis=-1, keepdims=True)
    assert np.max(np.abs(ours - theirs) / scale) < 1e-10


def test_heliocentric_galactic_agrees_with_astropy() -> None:
    s = _sample()
    ours_x, ours_v = frames.heliocentric(**s)
    galactic = _coord(s).galactic.cartesian
    _close(ours_x, galactic.xyz.to_value(u.kpc).T)
    _close(ours_v, galactic.differentials["s"].d_xyz.to_value(u.km / u.s).T)


def _astropy_frame(sun: Sun) -> Galactocentric:
    """astropy's frame with the centre at l = b = 0 and Galactic north exactly up (its default roll is rounded)."""
    centre = SkyCoord(Galactic(l=0 * u.deg, b=0 * u.deg)).icrs
    fixed = {
        "galcen_coord": ICRS(ra=centre.ra, dec=centre.dec),
        "galcen_distance": sun.r0 * u.kpc,
        "galcen_v_sun": CartesianDifferential(sun.velocity * u.km / u.s),
    }
    pole = SkyCoord(Galactic(l=0 * u.deg, b=90 * u.deg, distance=1 * u.kpc))
    up = pole.transform_to(Galactocentric(**fixed, z_sun=0 * u.pc))
    roll = np.arctan2(up.y.value, up.z.value) * u.rad
    return Galactocentric(**fixed, z_sun=(sun.z if sun.tilt else 0.0) * u.kpc, roll=roll)


@pytest.mark.parametrize("name", solar_sets())
def test_galactocentric_agrees_with_astropy(name: str) -> None:
    sun = solar(name)
    s = _sample()
    ours_x, ours_v = frames.icrs_to_galactocentric(**s, sun=sun)
    theirs = _coord(s).transform_to(_astropy_frame(sun)).cartesian
    offset = np.array([0.0, 0.0, 0.0 if sun.tilt else sun.z])
    _close(ours_x, theirs.xyz.to_value(u.kpc).T + offset)
    _close(ours_v, theirs.differentials["s"].d_xyz.to_value(u.km / u.s).T)


@pytest.mark.parametrize("name", solar_sets())
@given(
    ra=st.floats(0, 360, exclude_max=True),
    dec=st.floats(-90, 90),
    distance=st.floats(1e-3, 100),
    pm=st.tuples(st.floats(-100, 100), st.floats(-100, 100)),
    rv=st.floats(-600, 600),
)
def test_there_and_back(name: str, ra: float, dec: float, distance: float, pm: tuple[float, float], rv: float) -> None:
    sun = solar(name)
    first = frames.icrs_to_galactocentric(ra, dec, distance, *pm, rv, sun)
    seen = frames.galactocentric_to_icrs(*first, sun)
    second = frames.icrs_to_galactocentric(*seen, sun)
    np.testing.assert_allclose(second[0], first[0], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(second[1], first[1], rtol=1e-9, atol=1e-9)
    assert float(seen.distance) == pytest.approx(distance, rel=1e-9)
    if abs(dec) < 89.9:
        assert (float(seen.ra) - ra + 180) % 360 - 180 == pytest.approx(0.0, abs=1e-6 / np.cos(np.deg2rad(dec)))


@given(*[st.floats(-50, 50)] * 3, *[st.floats(-500, 500)] * 3)
def test_cylindrical_there_and_back(x: float, y: float, z: float, vx: float, vy: float, vz: float) -> None:
    position, velocity = np.array([x, y, z]), np.array([vx, vy, vz])
    back = frames.cartesian(frames.cylindrical(position, velocity))
    np.testing.assert_allclose(back[0], position, atol=1e-12)
    np.testing.assert_allclose(back[1], velocity, atol=1e-11)


def test_sun_rotates_with_the_published_sign() -> None:
    sun = solar("fu2022")
    position, velocity = frames.icrs_to_galactocentric(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, sun)
    np.testing.assert_allclose(position, [-8.2, 0.0, 0.014])
    momentum = frames.angular_momentum(position, velocity)
    assert momentum[2] == pytest.approx(-8.2 * (232.8 + 12.24))
    assert frames.cylindrical(position, velocity).v_phi == pytest.approx(-(232.8 + 12.24))
    published = frames.published_momentum(momentum)
    assert published[2] == pytest.approx(8.2 * (232.8 + 12.24))


def test_published_signs_are_those_of_the_left_handed_product() -> None:
    rng = np.random.default_rng(3)
    x, v = rng.normal(size=(50, 3)), rng.normal(size=(50, 3))
    flip = np.array([-1.0, 1.0, 1.0])
    ours = frames.published_momentum(frames.angular_momentum(x, v))
    np.testing.assert_allclose(ours, np.cross(x * flip, v * flip))


def test_missing_input_stays_missing_in_its_row() -> None:
    s = _sample(3)
    s["distance"][1] = np.nan
    x, v = frames.icrs_to_galactocentric(**s, sun=solar("fu2022"))
    assert np.isnan(x[1]).any()
    assert np.isfinite(np.delete(x, 1, axis=0)).all()
    assert np.isfinite(np.delete(v, 1, axis=0)).all()


def test_proper_motion_constants() -> None:
    assert pytest.approx(4.740470463, abs=1e-9) == frames.K_JULIAN
    assert pytest.approx(4.743717361, abs=1e-9) == frames.K_365


def test_unknown_set_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="gravity2021"):
        solar("nowhere")


def test_every_value_has_a_reference() -> None:
    for name in solar_sets():
        assert set(solar(name).reference) == {"r0", "v_c", "uvw", "z", "tilt"}
        assert all(solar(name).reference.values())
