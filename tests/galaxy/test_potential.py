"""The potential against sums over rings, closed forms and published values."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import j0

from melotte.errors import ConfigError
from melotte.galaxy import build
from melotte.galaxy.components import G, read_model
from melotte.galaxy.direct import direct, direct_force
from melotte.galaxy.kernels import EDGE
from melotte.galaxy.potential import Potential, TabulatedPotential, load_potential
from melotte.galaxy.table import Table, make_table


@pytest.fixture(scope="module")
def potential() -> TabulatedPotential:
    found = load_potential("mcmillan2017")
    assert isinstance(found, TabulatedPotential)
    return found


def test_ring_sum_gives_the_field_of_a_plummer_sphere() -> None:
    """The reference itself, against a closed form: Binney & Tremaine 2008, eq. 2.44."""
    mass, b = 1e10, 0.7

    def density(R: np.ndarray, z: np.ndarray) -> np.ndarray:
        return 3 * mass / (4 * np.pi * b**3) * (1 + (R**2 + z**2) / b**2) ** -2.5

    for R, z in ((0.2, 0.0), (0.5, 0.3), (3.0, -2.0)):
        phi, force_R, force_z = direct(density, R, z, reach=2000.0)
        s = np.sqrt(R**2 + z**2 + b**2)
        assert phi == pytest.approx(-G * mass / s, rel=1e-6)
        assert force_R == pytest.approx(-G * mass * R / s**3, rel=1e-8)
        assert force_z == pytest.approx(-G * mass * z / s**3, rel=1e-8, abs=1e-4)


def _domain(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points over R 0.1-40 kpc and |z| < 20 kpc: logarithmic, linear, in the plane, on cell edges and along the rim."""
    rng = np.random.default_rng(seed)
    R = 10 ** rng.uniform(-1, np.log10(40), n)
    z = np.where(rng.random(n) < 0.7, 10 ** rng.uniform(-2.5, np.log10(20), n), rng.uniform(0, 20, n))
    edges = build.edges()
    inside = edges[(edges > 0.1) & (edges < 40)]
    R[: n // 8] = rng.choice(inside, n // 8)
    z[n // 8 : n // 4] = rng.choice(edges[edges < 20], n // 8)
    R[n // 4 : n // 4 + 2] = 0.1
    z[n // 4 : n // 4 + 1] = 0.0
    return R, z * rng.choice([-1, 1], n)


@pytest.mark.parametrize(("points", "seed"), [(12, 5), pytest.param(160, 6, marks=pytest.mark.slow)])
def test_force_agrees_with_the_ring_sum_over_the_domain(potential: TabulatedPotential, points: int, seed: int) -> None:
    R, z = _domain(points, seed)
    phi, force_R, force_z = potential.evaluate(R, z)
    true = np.array([direct_force(potential.model, *point) for point in zip(R, z, strict=True)])
    error = np.hypot(force_R - true[:, 1], force_z - true[:, 2]) / np.hypot(true[:, 1], true[:, 2])
    assert error.max() < 1e-6
    np.testing.assert_allclose(phi, true[:, 0], rtol=1e-8)


def test_force_is_the_gradient_and_has_no_kink_at_cell_edges(potential: TabulatedPotential) -> None:
    """Across every edge: value, first and second derivatives agree on both sides."""
    edges = build.edges()
    edges = edges[(edges > 0.05) & (edges < EDGE - 1)]
    other = np.full_like(edges, 0.123)
    for points in ((edges, other), (edges, 40 * other), (other, edges), (40 * other, edges)):
        axis = 0 if points[0] is edges else 1
        h = 1e-9 * edges
        low = [p - h if n == axis else p for n, p in enumerate(points)]
        high = [p + h if n == axis else p for n, p in enumerate(points)]
        below, above = potential.evaluate(*low), potential.evaluate(*high)
        np.testing.assert_allclose(below[0], above[0], rtol=1e-8)
        jump = np.hypot(below[1] - above[1], below[2] - above[2])
        assert (jump / np.hypot(below[1], below[2])).max() < 1e-8
        second = zip(potential.second_derivatives(*low), potential.second_derivatives(*high), strict=True)
        for a, b in second:
            np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-5 * np.abs(a).min())


@given(R=st.floats(0.02, 300), z=st.floats(-300, 300), angle=st.floats(0, 6.3))
def test_force_is_minus_the_gradient(R: float, z: float, angle: float) -> None:
    potential = load_potential("mcmillan2017")
    h = 1e-4 * max(R, abs(z), 0.05)
    x = np.array([[R * np.cos(angle), R * np.sin(angle), z]])
    force = potential.acceleration(x)[0]
    numeric = [-(potential.potential(x + h * e)[0] - potential.potential(x - h * e)[0]) / (2 * h) for e in np.eye(3)]
    np.testing.assert_allclose(force, numeric, rtol=1e-4, atol=1e-4 * np.linalg.norm(force))


def test_continues_beyond_the_table(potential: TabulatedPotential) -> None:
    for R, z in ((EDGE, 3.0), (EDGE, 100.0), (5.0, EDGE), (0.01, EDGE)):
        inside = potential.evaluate(R - 1e-6 if R == EDGE else R, z - 1e-6 if z == EDGE else z)
        outside = potential.evaluate(R + 1e-6 if R == EDGE else R, z + 1e-6 if z == EDGE else z)
        scale = np.hypot(inside[1], inside[2])
        assert abs(inside[0] - outside[0]) < 1e-6 * abs(inside[0])
        assert np.hypot(inside[1] - outside[1], inside[2] - outside[2]) < 1e-7 * scale
    far = potential.evaluate(1e6, 2e5)
    assert np.isfinite(far).all()
    assert -1e3 < far[0] < 0.0
    true = direct_force(potential.model, 400.0, 250.0)
    np.testing.assert_allclose(potential.evaluate(400.0, 250.0)[1:], true[1:], rtol=1e-7)


def test_axis_plane_and_missing(potential: TabulatedPotential) -> None:
    _, force_R, force_z = potential.evaluate([0.0, 8.0, np.nan], [1.0, 0.0, 1.0])
    assert force_R[0] == 0.0
    assert force_z[1] == 0.0
    assert np.isnan(force_R[2])
    up, down = potential.evaluate(8.0, 0.7), potential.evaluate(8.0, -0.7)
    assert (up[0], up[1], up[2]) == (down[0], down[1], -down[2])


def test_poisson(potential: TabulatedPotential) -> None:
    """The Laplacian of the table is 4 pi G times the density of the components."""
    R, z = _domain(400, 8)
    keep = R > 0.3
    R, z = R[keep], z[keep]
    RR, _, zz = potential.second_derivatives(R, z)
    laplacian = RR - potential.evaluate(R, z)[1] / R + zz
    # Where the density is a small difference of large derivatives it is known to the size of those.
    np.testing.assert_allclose(
        laplacian, 4 * np.pi * G * potential.density_at(R, z), atol=3e-5 * np.abs(RR).max(), rtol=1e-3
    )
    nearby = (np.abs(z) < 1) & (R > 3) & (R < 15)
    np.testing.assert_allclose(laplacian[nearby], 4 * np.pi * G * potential.density_at(R, z)[nearby], rtol=1e-3)


@pytest.mark.parametrize("k", [0.0, 0.1, 1.0, 7.0, 40.0])
def test_hankel_transform_of_a_disc_with_a_hole(k: float) -> None:
    for disc in read_model("mcmillan2017").components[:4]:
        edges = np.linspace(0, 40 * disc["radius"], 400)
        pieces = [
            quad(lambda R, d=disc: float(d.surface_density(np.array(R)) * j0(k * R) * R), a, b, epsabs=0, epsrel=1e-9)[
                0
            ]
            for a, b in pairwise(edges)
        ]
        scale = float(build.hankel(disc, np.array([0.0]))[0])
        assert build.hankel(disc, np.array([k]))[0] == pytest.approx(sum(pieces), rel=1e-6, abs=1e-9 * scale)


def test_published_values(potential: TabulatedPotential) -> None:
    """McMillan 2017, MNRAS 465, 76: Table 3 (best fit) and text."""
    model = potential.model
    R0 = 8.21
    assert 232.8 < float(potential.v_circ(8.2)) < 233.2
    assert 232.8 < float(potential.v_circ(R0)) < 233.2
    by_name = {c.name: c for c in model.components}
    local = {name: float(c.density(np.array(R0), np.array(0.0))) for name, c in by_name.items()}
    # Dark matter near the Sun, abstract: 0.40 +- 0.04 GeV/cm3; 1 GeV/cm3 is 0.02633 Msun/pc3.
    assert local["dark halo"] / 1e9 / 0.02633 == pytest.approx(0.40, abs=0.04)
    # Gas masses of his Table 1: 1.1e10 and 1.2e9. Stellar mass, abstract: 5.43e10 +- 0.57e10. Bulge: 8.9e9 +- 10 %.
    discs = [2 * np.pi * float(build.hankel(c, np.array([0.0]))[0]) for c in model.components[:4]]
    bulge = make_table(model).exterior[2] / G - sum(discs)
    assert discs[2] == pytest.approx(1.1e10, abs=0.05e10)
    assert discs[3] == pytest.approx(1.2e9, abs=0.05e9)
    assert discs[0] + discs[1] + bulge == pytest.approx(5.43e10, abs=0.57e10)
    assert bulge == pytest.approx(8.9e9, rel=0.1)
    # Escape speed near the Sun, Smith et al. 2007, MNRAS 379, 755: 498 to 608 km/s (90 %).
    assert 498 < float(potential.v_escape(R0)) < 608
    # Virial mass, abstract: 1.30e12 +- 0.30e12, within the radius of 94 times the critical density (H0 = 70.4).
    critical = 3 * 0.0704**2 / (8 * np.pi * G)
    r = np.geomspace(20, 1000, 4000)
    mass = r**2 / G * np.hypot(*potential.evaluate(r / np.sqrt(2), r / np.sqrt(2))[1:])
    virial = np.interp(0.0, -(mass / (4 / 3 * np.pi * r**3) - 94 * critical), mass)
    assert virial == pytest.approx(1.30e12, abs=0.30e12)


def test_guiding_radius_and_epicycle(potential: TabulatedPotential) -> None:
    R = np.array([0.1, 1.0, 4.0, 8.2, 20.0, 60.0, 240.0, 500.0])
    np.testing.assert_allclose(potential.guiding_radius(-R * potential.v_circ(R)), R, rtol=1e-9)
    assert potential.guiding_radius(0.0) == 0.0
    assert np.isnan(potential.guiding_radius(1e12))
    table, numeric = (
        potential.epicycle(R[2:6]),
        super(TabulatedPotential, potential).second_derivatives(R[2:6], 0.0 * R[2:6]),
    )
    np.testing.assert_allclose(table.kappa**2 - 3 * table.omega**2, numeric[0], rtol=1e-4)
    # Near the Sun: kappa / Omega about sqrt(2) for a flat curve, nu far larger.
    sun = potential.epicycle(8.2)
    assert float(sun.kappa / sun.omega) == pytest.approx(np.sqrt(2), abs=0.01)
    assert float(sun.nu) > 2 * float(sun.omega)


def test_stored_nodes_are_those_of_the_components() -> None:
    """The shipped table is the one the integrals give: a band of nodes computed anew."""
    model = read_model("mcmillan2017")
    stored = make_table(model)
    nodes = build.nodes()
    some = np.array([0, 3, 60, 100, 140])
    z = nodes[:60]
    values = build.grid_potential(model, nodes[some], z)
    mine = TabulatedPotential(model, Table(stored.coefficients, stored.scale, stored.exterior))
    for row, R in enumerate(nodes[some]):
        np.testing.assert_allclose(mine.evaluate(R, z)[0], values[row], rtol=1e-10)
    np.testing.assert_allclose(stored.exterior, build.exterior(model), rtol=1e-10)


def test_protocol(potential: TabulatedPotential) -> None:
    assert isinstance(potential, Potential)
    assert potential.axisymmetric


def test_wrong_names_and_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mcmillan2017"):
        load_potential("nothing")
    path = tmp_path / "model.toml"
    path.write_text('name = "x"\n[[component]]\nname = "halo"\nform = "nfw"\ndensity = -1.0\nradius = 3.0\n')
    with pytest.raises(ConfigError, match="not positive"):
        load_potential(path)
    path.write_text('name = "x"\n[[component]]\nname = "halo"\nform = "cube"\n')
    with pytest.raises(ConfigError, match="cube"):
        load_potential(path)
    path.write_text("name = ")
    with pytest.raises(ConfigError, match="TOML"):
        load_potential(path)


def test_backend_that_is_not_installed_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "agama", None)
    with pytest.raises(ConfigError, match=r"pip install melotte\[agama\]"):
        load_potential("agama:file.ini")


@settings(max_examples=30)
@given(st.floats(0.1, 200))
def test_circular_velocity_is_that_of_the_force(R: float) -> None:
    potential = load_potential("mcmillan2017")
    assert isinstance(potential, TabulatedPotential)
    assert float(potential.v_circ(R)) ** 2 / R == pytest.approx(-float(potential.evaluate(R, 0.0)[1]), rel=1e-12)
