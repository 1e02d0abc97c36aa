"""Orbits: conservation, reversibility, symmetry, turning points, masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar

from melotte.errors import ConfigError
from melotte.galaxy import actions, frames
from melotte.galaxy.components import Array
from melotte.galaxy.generic import integrate_generic
from melotte.galaxy.orbits import MYR, integrate_orbits
from melotte.galaxy.potential import Axisymmetric, TabulatedPotential, load_potential


@pytest.fixture(scope="module")
def potential() -> TabulatedPotential:
    found = load_potential("mcmillan2017")
    assert isinstance(found, TabulatedPotential)
    return found


def discs(n: int, seed: int) -> tuple[Array, Array]:
    """Points of disc orbits, counter-rotating with the axes as the disc does."""
    rng = np.random.default_rng(seed)
    place = frames.Cylindrical(
        rng.uniform(4, 16, n),
        rng.uniform(0, 2 * np.pi, n),
        rng.normal(0, 0.3, n),
        rng.normal(0, 30, n),
        -rng.normal(225, 25, n),
        rng.normal(0, 15, n),
    )
    return frames.cartesian(place)


@pytest.mark.parametrize("forward", [False, True])
def test_energy_and_angular_momentum_over_ten_gigayears(potential: TabulatedPotential, forward: bool) -> None:
    x, v = discs(30, 1)
    orbits = integrate_orbits(x, v, potential, times=[0.0, 5_000.0, 10_000.0], span=10_000.0, forward=forward)
    assert orbits.good.all()
    assert orbits.energy_error.max() < 1e-6
    momentum = frames.angular_momentum(orbits.position, orbits.velocity)[..., 2]
    np.testing.assert_allclose(momentum[:, 2], orbits.momentum[:, 2], rtol=1e-6)
    energy = 0.5 * (orbits.velocity[:, 2] ** 2).sum(axis=1) + potential.potential(orbits.position[:, 2])
    np.testing.assert_allclose(energy, orbits.energy, rtol=1e-6)


def test_time_reversal_returns_to_the_start(potential: TabulatedPotential) -> None:
    x, v = discs(50, 2)
    past = integrate_orbits(x, v, potential, times=[500.0])
    back = integrate_orbits(past.position[:, 0], past.velocity[:, 0], potential, times=[500.0], forward=True)
    np.testing.assert_allclose(back.position[:, 0], x, atol=2e-4)
    np.testing.assert_allclose(back.velocity[:, 0], v, atol=2e-2)
    fine = {"tolerance": 1e-12, "times": [500.0]}
    past = integrate_orbits(x, v, potential, **fine)  # type: ignore[arg-type]
    back = integrate_orbits(past.position[:, 0], past.velocity[:, 0], potential, forward=True, **fine)  # type: ignore[arg-type]
    np.testing.assert_allclose(back.position[:, 0], x, atol=1e-7)


@pytest.mark.parametrize("R", [0.5, 3.0, 8.2, 25.0, 100.0, 300.0])
def test_circular_orbit_stays_circular(potential: TabulatedPotential, R: float) -> None:
    speed = float(potential.v_circ(R))
    period = 2 * np.pi * R / speed * MYR
    orbits = integrate_orbits([[R, 0, 0]], [[0, -speed, 0]], potential, times=[period / 4, period], span=period)
    assert orbits.good.all()
    assert orbits.r_apo[0] - orbits.r_peri[0] < 2e-6 * R
    assert orbits.eccentricity[0] < 1e-6
    assert orbits.z_max[0] == 0.0
    assert orbits.guiding_radius[0] == pytest.approx(R, rel=1e-9)
    np.testing.assert_allclose(orbits.position[0, 0], [0, R, 0], atol=2e-5 * R)  # a quarter turn back
    np.testing.assert_allclose(orbits.position[0, 1], [R, 0, 0], atol=1e-4 * R)


def test_against_scipy_with_the_same_potential(potential: TabulatedPotential) -> None:
    """Snapshots and refined turning points against DOP853 with dense output and a minimiser."""
    x, v = discs(6, 3)
    times = np.array([300.0, 0.0, 500.0, 123.456])
    orbits = integrate_orbits(x, v, potential, times=times, span=500.0, patience=0.0)

    def slope(_: float, y: Array) -> Array:
        return np.concatenate([y[3:], potential.acceleration(y[None, :3])[0]])

    for n in range(len(x)):
        start = np.concatenate([x[n], -v[n]])
        path = solve_ivp(slope, (0, 500 / MYR), start, method="DOP853", rtol=1e-12, atol=1e-12, dense_output=True)
        there = path.sol(times / MYR).T
        np.testing.assert_allclose(orbits.position[n], there[:, :3], atol=3e-5)
        np.testing.assert_allclose(orbits.velocity[n], -there[:, 3:], atol=3e-3)
        grid = np.linspace(0, 500 / MYR, 4001)
        for sign, result, quantity in (
            (1, orbits.r_peri[n], lambda y: np.sqrt((y[:3] ** 2).sum(axis=0))),
            (-1, orbits.r_apo[n], lambda y: np.sqrt((y[:3] ** 2).sum(axis=0))),
            (1, orbits.R_min[n], lambda y: np.hypot(y[0], y[1])),
            (-1, orbits.R_max[n], lambda y: np.hypot(y[0], y[1])),
            (-1, orbits.z_max[n], lambda y: np.abs(y[2])),
        ):
            values = sign * quantity(path.sol(grid))
            k = int(values.argmin())
            near = minimize_scalar(
                lambda t, s=sign, q=quantity, p=path: s * float(q(p.sol(t))),
                bounds=(grid[max(k - 1, 0)], grid[min(k + 1, 4000)]),
                method="bounded",
                options={"xatol": 1e-12},
            )
            assert sign * result == pytest.approx(min(near.fun, values[k]), abs=3e-5)


def test_snapshots_in_any_order_and_any_number(potential: TabulatedPotential) -> None:
    x, v = discs(5, 4)
    times = np.array([500.0, 0.0, 250.0, 250.0, 1.0])
    orbits = integrate_orbits(x, v, potential, times=times)
    np.testing.assert_array_equal(orbits.position[:, 1], x)
    np.testing.assert_array_equal(orbits.velocity[:, 1], v)
    np.testing.assert_array_equal(orbits.position[:, 2], orbits.position[:, 3])
    single = integrate_orbits(x, v, potential, times=[250.0])
    np.testing.assert_allclose(orbits.position[:, 2], single.position[:, 0], atol=2e-5)
    np.testing.assert_array_equal(orbits.times, times)
    none = integrate_orbits(x, v, potential, times=[])
    assert none.position.shape == (5, 0, 3)


def test_spherical_and_cylindrical_radii_are_kept_apart(potential: TabulatedPotential) -> None:
    orbits = integrate_orbits([[5.0, 0, 4.0]], [[0, -120.0, 60.0]], potential)
    assert orbits.r_apo[0] > orbits.R_max[0]
    assert orbits.r_peri[0] > orbits.R_min[0]
    assert orbits.z_max[0] > 4.0
    assert orbits.eccentricity[0] == pytest.approx(
        (orbits.r_apo[0] - orbits.r_peri[0]) / (orbits.r_apo[0] + orbits.r_peri[0])
    )


def test_symmetries(potential: TabulatedPotential) -> None:
    """Turned about z, mirrored in the plane, rotating the other way: the same extremes and places."""
    x, v = discs(20, 5)
    first = integrate_orbits(x, v, potential)
    c, s = np.cos(1.1), np.sin(1.1)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    for matrix in (turn, np.diag([1.0, 1.0, -1.0]), np.diag([1.0, -1.0, 1.0])):
        other = integrate_orbits(x @ matrix.T, v @ matrix.T, potential)
        np.testing.assert_allclose(other.position, first.position @ matrix.T, atol=1e-7)
        for name in ("r_peri", "r_apo", "R_min", "R_max", "z_max", "energy"):
            np.testing.assert_allclose(getattr(other, name), getattr(first, name), rtol=1e-8)


def test_threads_and_chunks_change_nothing(potential: TabulatedPotential) -> None:
    x, v = discs(300, 6)
    one, two = (integrate_orbits(x, v, potential, jobs=jobs) for jobs in (1, 2))
    alone = integrate_orbits(x[137:138], v[137:138], potential)
    np.testing.assert_array_equal(one.position, two.position)
    np.testing.assert_array_equal(one.r_peri, two.r_peri)
    np.testing.assert_array_equal(one.position[137], alone.position[0])


def test_masked_rows_say_why(potential: TabulatedPotential) -> None:
    x = np.array([[8.0, 0, 0], [np.nan, 0, 0], [8.0, 0, 0], [0.0, 0.0, 0.0]])
    v = np.array([[0, -220.0, 5], [0, -220.0, 0], [0, -900.0, 0], [0.0, 0.0, 0.0]])
    orbits = integrate_orbits(x, v, potential)
    assert list(orbits.good) == [True, False, False, True]
    assert "no position" in orbits.reason[1]
    assert "unbound" in orbits.reason[2]
    for values in (orbits.r_peri, orbits.r_apo, orbits.z_max, orbits.position[:, 0, 0]):
        assert np.isnan(values[1:3]).all()
        assert np.isfinite(values[[0, 3]]).all()
    assert orbits.r_apo[3] < 1e-6  # at rest in the centre
    given_up = integrate_orbits(x[:1], v[:1], potential, max_steps=3)
    assert "steps" in given_up.reason[0]
    assert np.isnan(given_up.r_peri[0])


def test_energy_gate(potential: TabulatedPotential) -> None:
    x, v = discs(4, 7)
    loose = integrate_orbits(x, v, potential, tolerance=1e-2, energy_gate=1e-15)
    assert not loose.good.any()
    assert all("energy error" in reason for reason in loose.reason)
    assert np.isnan(loose.r_apo).all()
    rescued = integrate_orbits(x, v, potential, tolerance=1e-2)  # integrated again with smaller steps
    assert rescued.good.all()
    assert rescued.energy_error.max() < 1e-6


def test_orbit_goes_on_until_both_turning_points_are_seen(potential: TabulatedPotential) -> None:
    x, v = [[60.0, 0, 1.0]], [[30.0, -90.0, 3.0]]
    short = integrate_orbits(x, v, potential, span=100.0, times=[0.0, 100.0], patience=0.0)
    full = integrate_orbits(x, v, potential, span=100.0, times=[0.0, 100.0])
    truth = integrate_orbits(x, v, potential, span=10_000.0)
    assert 0 in short.passages[0]
    assert (full.passages[0] > 0).all()
    np.testing.assert_allclose([full.r_peri, full.r_apo], [truth.r_peri, truth.r_apo], rtol=2e-2)
    assert short.r_apo[0] / short.r_peri[0] < 0.7 * full.r_apo[0] / full.r_peri[0]


def test_impossible_input() -> None:
    potential = load_potential("mcmillan2017")
    with pytest.raises(ConfigError, match="shape"):
        integrate_orbits(np.zeros((3, 2)), np.zeros((3, 2)), potential)
    with pytest.raises(ConfigError, match="negative"):
        integrate_orbits(np.zeros((1, 3)), np.zeros((1, 3)), potential, times=[-1.0])
    empty = integrate_orbits(np.zeros((0, 3)), np.zeros((0, 3)), potential)
    assert empty.position.shape == (0, 6, 3)


@settings(max_examples=60, deadline=None)
@given(
    r=st.floats(0.05, 200),
    mu=st.floats(-1, 1),
    speed=st.floats(0, 0.98),
    direction=st.tuples(st.floats(-1, 1), st.floats(0, 2 * np.pi)),
)
def test_every_bound_orbit_conserves_energy_and_keeps_its_bounds(
    r: float, mu: float, speed: float, direction: tuple[float, float]
) -> None:
    potential = load_potential("mcmillan2017")
    assert isinstance(potential, TabulatedPotential)
    R, z = r * np.sqrt(1 - mu**2), r * mu
    v = speed * float(potential.v_escape(R, z))
    c, angle = direction
    s = np.sqrt(1 - c**2)
    x = np.array([[R, 0.0, z]])
    w = v * np.array([[s * np.cos(angle), s * np.sin(angle), c]])
    orbits = integrate_orbits(x, w, potential, times=[0.0, 250.0, 500.0])
    assert orbits.good.all(), orbits.reason
    assert orbits.energy_error[0] < 1e-6
    radii = np.linalg.norm(orbits.position[0], axis=1)
    cylinder = np.hypot(orbits.position[0, :, 0], orbits.position[0, :, 1])
    assert orbits.r_peri[0] <= radii.min() * (1 + 1e-12)
    assert orbits.r_apo[0] >= radii.max() * (1 - 1e-12)
    assert orbits.R_min[0] <= cylinder.min() * (1 + 1e-12) + 1e-12
    assert orbits.z_max[0] >= np.abs(orbits.position[0, :, 2]).max() * (1 - 1e-12)
    assert orbits.r_peri[0] <= orbits.r_apo[0]
    momentum = frames.angular_momentum(orbits.position, orbits.velocity)[0, :, 2]
    np.testing.assert_allclose(momentum, momentum[0], atol=1e-5 * max(abs(momentum[0]), r * v, 1e-3))


class Kepler(Axisymmetric):
    """A point mass: orbits and actions in closed form."""

    name = "kepler"
    gm = 8.0 * 220.0**2

    def evaluate(self, R: object, z: object) -> tuple[Array, Array, Array]:
        a, b = np.broadcast_arrays(np.asarray(R, dtype=float), np.asarray(z, dtype=float))
        r = np.hypot(a, b)
        return -self.gm / r, -self.gm * a / r**3, -self.gm * b / r**3

    def density_at(self, R: object, z: object) -> Array:
        return np.zeros(np.broadcast(R, z).shape)


def test_generic_integrator_gives_the_ellipse() -> None:
    kepler = Kepler()
    a, e = 8.0, 0.3
    x = np.array([[a * (1 - e), 0.0, 0.0]])
    v = np.array([[0.0, np.sqrt(kepler.gm / a * (1 + e) / (1 - e)), 0.0]])
    turn = np.array([[1, 0, 0], [0, np.cos(0.4), -np.sin(0.4)], [0, np.sin(0.4), np.cos(0.4)]])
    period = 2 * np.pi * np.sqrt(a**3 / kepler.gm) * MYR
    orbits = integrate_orbits(x @ turn.T, v @ turn.T, kepler, times=[0, period / 2, period], span=period * 1.2)
    assert orbits.r_peri[0] == pytest.approx(a * (1 - e), rel=1e-7)
    assert orbits.r_apo[0] == pytest.approx(a * (1 + e), rel=1e-7)
    assert orbits.eccentricity[0] == pytest.approx(e, rel=1e-6)
    assert orbits.energy[0] == pytest.approx(-kepler.gm / (2 * a))
    assert orbits.z_max[0] == pytest.approx(a * np.sqrt(1 - e**2) * np.sin(0.4), rel=1e-6)
    np.testing.assert_allclose(orbits.position[0, 1], [-a * (1 + e), 0, 0], atol=1e-5)
    np.testing.assert_allclose(orbits.position[0, 2], x[0], atol=1e-5)


def test_generic_integrator_agrees_with_the_kernel(potential: TabulatedPotential) -> None:
    x, v = discs(5, 9)
    start = np.concatenate([x, -v], axis=1)
    start = np.concatenate([start, [[np.nan] * 6], [[8.0, 0, 0, 0, 900.0, 0]]])
    times = np.array([0.0, 200.0, 500.0]) / MYR
    out = np.empty((7, 3, 6)), np.empty((7, 5)), np.empty((7, 2), int), np.empty(7), np.empty(7, int)
    integrate_generic(potential, start, times, 500.0 / MYR, 1e-7, -1.0, *out)
    kernel = integrate_orbits(x, v, potential, times=[0.0, 200.0, 500.0], patience=0.0, tolerance=1e-11)
    np.testing.assert_allclose(out[0][:5, :, :3], kernel.position, atol=2e-5)
    np.testing.assert_allclose(out[1][:5, 0], kernel.r_peri, atol=1e-5)
    np.testing.assert_allclose(out[1][:5, 3], kernel.R_max, atol=1e-5)
    np.testing.assert_allclose(out[1][:5, 4], kernel.z_max, atol=1e-5)
    assert list(out[4]) == [0, 0, 0, 0, 0, 1, 2]


class Shell(Axisymmetric):
    """Henon's isochrone: actions in closed form (Binney & Tremaine 2008, eq. 3.226)."""

    name = "isochrone"
    gm, b = 2.0e6, 3.0

    def evaluate(self, R: object, z: object) -> tuple[Array, Array, Array]:
        x, y = np.broadcast_arrays(np.asarray(R, dtype=float), np.asarray(z, dtype=float))
        s = np.sqrt(self.b**2 + x**2 + y**2)
        pull = -self.gm / (s * (self.b + s) ** 2)
        return -self.gm / (self.b + s), pull * x, pull * y

    def density_at(self, R: object, z: object) -> Array:
        return np.zeros(np.broadcast(R, z).shape)


def test_actions_in_the_isochrone() -> None:
    shell = Shell()
    rng = np.random.default_rng(2)
    x = rng.normal(0, 5, (40, 3))
    v = rng.normal(0, 100, (40, 3))
    energy = 0.5 * (v**2).sum(axis=1) + shell.potential(x)
    L = frames.angular_momentum(x, v)
    total = np.linalg.norm(L, axis=1)
    bound = energy < 0
    radial = shell.gm / np.sqrt(-2 * energy[bound]) - 0.5 * (
        total[bound] + np.sqrt(total[bound] ** 2 + 4 * shell.gm * shell.b)
    )
    J_r, J_z = actions.actions(x, v, shell)
    scale = np.abs(radial) + total[bound]
    assert np.quantile(np.abs(J_r[bound] - radial) / scale, 0.9) < 0.02
    assert np.quantile(np.abs(J_z[bound] - (total - np.abs(L[:, 2]))[bound]) / scale, 0.9) < 0.02
    assert np.isnan(J_r[~bound]).all()


def test_actions_are_conserved_along_disc_orbits(potential: TabulatedPotential) -> None:
    x, v = discs(40, 11)
    orbits = integrate_orbits(x, v, potential)
    J = np.array([actions.actions(orbits.position[:, m], orbits.velocity[:, m], potential) for m in range(6)])
    spread = J.std(axis=0) / (J.mean(axis=0) + 1.0)
    assert np.median(spread, axis=1).max() < 0.02


def test_no_action_in_a_circular_orbit(potential: TabulatedPotential) -> None:
    J_r, J_z = actions.actions(np.array([[8.0, 0, 0]]), np.array([[0, -float(potential.v_circ(8.0)), 0]]), potential)
    assert J_r[0] < 1e-4
    assert J_z[0] < 1e-4
