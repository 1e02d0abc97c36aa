"""astropy coordinates as input of the orbits."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import Galactic, Galactocentric, SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from melotte.config import GalaxyConfig
from melotte.core.randomness import Streams
from melotte.errors import SchemaError
from melotte.galaxy import dynamics, from_skycoord

M67 = {
    "ra": 132.846 * u.deg,
    "dec": 11.814 * u.deg,
    "distance": 0.889 * u.kpc,
    "pm_ra_cosdec": -10.97 * u.mas / u.yr,
    "pm_dec": -2.94 * u.mas / u.yr,
    "radial_velocity": 34.0 * u.km / u.s,
}


def test_units_are_converted() -> None:
    table = from_skycoord(SkyCoord(**M67), ["M 67"], rv_error=500 * u.m / u.s, distance_error=0.02 * u.kpc)
    assert table["distance"][0] == pytest.approx(889.0, rel=1e-12)
    assert table["rv_error"][0] == pytest.approx(0.5)
    assert table["distance_error"][0] == pytest.approx(20.0)
    assert table["cluster"].to_list() == ["M 67"]


@pytest.mark.parametrize("frame", [Galactic(), Galactocentric()])
def test_any_frame(frame: Galactic | Galactocentric) -> None:
    one, other = from_skycoord(SkyCoord(**M67)), from_skycoord(SkyCoord(**M67).transform_to(frame))
    for name in ("ra", "dec", "distance", "pmra", "pmdec", "rv"):
        assert other[name][0] == pytest.approx(one[name][0], rel=1e-9)


def test_orbit_of_a_coordinate() -> None:
    result = dynamics(from_skycoord(SkyCoord(**M67)), settings=GalaxyConfig(draws=0), rng=Streams(1))
    x, y, _ = SkyCoord(**M67).galactic.cartesian.xyz.to_value("kpc")
    # The default Sun is that of the paper: a plain translation by 8.2 kpc.
    assert result.frame["r_gc"][0] == pytest.approx(np.hypot(8.2 - x, y), rel=1e-9)


@given(missing=st.sampled_from(["distance", "radial_velocity", "pm_dec"]), row=st.integers(0, 2))
def test_missing_values_are_masked_rows(missing: str, row: int) -> None:
    columns = {name: np.repeat(q, 3) for name, q in M67.items()}
    columns[missing][row] = np.nan
    result = dynamics(from_skycoord(SkyCoord(**columns)), settings=GalaxyConfig(draws=0), rng=Streams(1)).frame
    assert result["ecc"].is_null().to_list() == [n == row for n in range(3)]
    assert result["reason"][row].startswith("no ")


def test_wrong_input_is_named() -> None:
    with pytest.raises(SchemaError, match="lack a distance"):
        from_skycoord(SkyCoord(1 * u.deg, 2 * u.deg))
    with pytest.raises(SchemaError, match="2 names"):
        from_skycoord(SkyCoord(**M67), ["a", "b"])
    with pytest.raises(SchemaError, match="unknown error 'rv_err'"):
        from_skycoord(SkyCoord(**M67), rv_err=1 * u.km / u.s)
    with pytest.raises(SchemaError, match="rv_error"):
        from_skycoord(SkyCoord(**M67), rv_error=1 * u.mag)
