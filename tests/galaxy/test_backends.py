"""One suite for every potential, and each backend against what its package says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from melotte.errors import ConfigError
from melotte.galaxy.components import G, read_model
from melotte.galaxy.orbits import MYR, integrate_orbits
from melotte.galaxy.potential import Axisymmetric, Potential, load_potential

HALO = """[Potential 1]
type=Spheroid
densityNorm=8.53702e6
gamma=1
beta=3
scaleRadius=19.5725
[Potential 2]
type=MiyamotoNagai
mass=6e10
scaleRadius=3
scaleHeight=0.3
"""
BAR = (
    HALO
    + """[Potential 3]
type=Ferrers
mass=1e10
scaleRadius=3.5
axisRatioY=0.4
axisRatioZ=0.3
rotation=SPIN
"""
)


@pytest.fixture(params=["mcmillan2017", "galpy:MWPotential2014", "galpy:MWPotential2014+DehnenBarPotential", "agama"])
def potential(request: pytest.FixtureRequest, tmp_path: Path) -> Potential:
    name = request.param
    if name.startswith("galpy"):
        pytest.importorskip("galpy")
    if name == "agama":
        pytest.importorskip("agama")
        (tmp_path / "halo.ini").write_text(HALO)
        name = f"agama:{tmp_path / 'halo.ini'}"
    return load_potential(name)


POINTS = np.array([[8.0, 0.0, 0.0], [-3.0, 4.0, 0.7], [1.0, 11.0, -2.0]])


def test_protocol_and_shapes(potential: Potential) -> None:
    assert isinstance(potential, Potential)
    assert potential.potential(POINTS).shape == (3,)
    assert potential.acceleration(POINTS).shape == (3, 3)
    assert potential.density(POINTS).shape == (3,)


def test_acceleration_is_minus_the_gradient(potential: Potential) -> None:
    h = 1e-4
    numeric = np.stack(
        [-(potential.potential(POINTS + h * e) - potential.potential(POINTS - h * e)) / (2 * h) for e in np.eye(3)],
        axis=1,
    )
    np.testing.assert_allclose(potential.acceleration(POINTS), numeric, atol=2e-4 * np.abs(numeric).max())


def test_poisson(potential: Potential) -> None:
    """The divergence of the acceleration is -4 pi G rho: the density has the unit it should."""
    points, h = POINTS[1:], 2e-3
    divergence = sum(
        (potential.acceleration(points + h * e)[:, n] - potential.acceleration(points - h * e)[:, n]) / (2 * h)
        for n, e in enumerate(np.eye(3))
    )
    rho = potential.density(points)
    np.testing.assert_allclose(divergence, -4 * np.pi * G * rho, rtol=0.02, atol=4 * np.pi * G * 2e5)


def test_orbit_is_bound_and_comes_back(potential: Potential) -> None:
    x, v = np.array([[-8.0, 0.5, 0.1]]), np.array([[10.0, 215.0, 8.0]])
    there = integrate_orbits(x, v, potential, times=[0.0, 150.0], span=150.0, patience=0.0)
    assert there.good.all()
    assert there.r_peri[0] <= np.linalg.norm(x) * (1 + 1e-9)
    assert there.r_apo[0] >= np.linalg.norm(x) * (1 - 1e-9)
    if potential.axisymmetric:
        back = integrate_orbits(there.position[:, 1], there.velocity[:, 1], potential, times=[150.0], forward=True)
        np.testing.assert_allclose(back.position[:, 0], x, atol=1e-3)
    else:
        assert np.isnan(there.guiding_radius[0])


def test_galpy_units_and_orbit_are_those_of_galpy() -> None:
    galpy = pytest.importorskip("galpy.potential")
    from galpy.orbit import Orbit

    ours = load_potential("galpy:MWPotential2014")
    assert isinstance(ours, Axisymmetric)
    assert float(ours.v_circ(8.0)) == pytest.approx(220.0, rel=1e-6)
    epicycle = ours.epicycle(8.0)
    vo_ro = 220.0 / 8.0
    for frequency, function in ((epicycle.omega, "omegac"), (epicycle.kappa, "epifreq"), (epicycle.nu, "verticalfreq")):
        there = sum_frequency(galpy, function)
        assert float(frequency) == pytest.approx(there * vo_ro, rel=1e-4)
    x, v = np.array([[8.4, 0.0, 0.05]]), np.array([[12.0, 230.0, 9.0]])
    result = integrate_orbits(x, v, ours, times=[500.0], span=500.0, patience=0.0, forward=True)
    orbit = Orbit([8.4 / 8, 12 / 220, 230 / 220, 0.05 / 8, 9 / 220, 0.0])
    times = np.linspace(0, 500 / MYR * vo_ro, 5001)
    orbit.integrate(times, galpy.MWPotential2014, method="dop853_c")
    assert result.r_apo[0] == pytest.approx(float(orbit.rap()) * 8, abs=2e-4)
    assert result.r_peri[0] == pytest.approx(float(orbit.rperi()) * 8, abs=2e-4)
    last = [float(f(times[-1])) * 8 for f in (orbit.x, orbit.y, orbit.z)]
    np.testing.assert_allclose(result.position[0, 0], last, atol=2e-4)


def sum_frequency(galpy: object, function: str) -> float:
    return float(getattr(galpy, function)(galpy.MWPotential2014, 1.0, use_physical=False))  # type: ignore[attr-defined]


def test_mcmillan_agrees_with_agama(tmp_path: Path) -> None:
    """The same components in Agama, whose own expansion is good to about 1e-3 near the plane."""
    agama = pytest.importorskip("agama")
    agama.setUnits(mass=1, length=1, velocity=1)
    parts = []
    for c in read_model("mcmillan2017").components:
        if c.form.endswith("disc"):
            parts.append(
                {
                    "type": "Disk",
                    "surfaceDensity": c["surface_density"],
                    "scaleRadius": c["radius"],
                    "scaleHeight": c["height"] * (-1 if c.form == "sech2_disc" else 1),
                    "innerCutoffRadius": c.values.get("hole", 0.0),
                }
            )
        elif c.form == "bulge":
            parts.append(
                {
                    "type": "Spheroid",
                    "densityNorm": c["density"],
                    "axisRatioZ": c["axis_ratio"],
                    "gamma": 0,
                    "beta": c["exponent"],
                    "scaleRadius": c["radius"],
                    "outerCutoffRadius": c["cutoff"],
                }
            )
        else:
            parts.append({"type": "NFW", "densityNorm": c["density"], "scaleRadius": c["radius"]})
            parts[-1] |= {"type": "Spheroid", "gamma": 1, "beta": 3}
    theirs = agama.Potential(*parts)
    ours = load_potential("mcmillan2017")
    rng = np.random.default_rng(0)
    R, z = rng.uniform(0.5, 30, 200), rng.normal(0, 1, 200)
    points = np.stack([R, 0 * R, z], axis=1)
    a, b = ours.acceleration(points), theirs.force(points)
    assert np.median(np.linalg.norm(a - b, axis=1) / np.linalg.norm(a, axis=1)) < 3e-4
    np.testing.assert_allclose(ours.density(points), theirs.density(points), rtol=5e-2)
    offset = ours.potential(points) - theirs.potential(points)
    assert offset.std() < 5.0


def test_rotating_bar_conserves_the_jacobi_integral(tmp_path: Path) -> None:
    """Agama's rotating bar through the generic integrator, backwards: E - Omega L_z is constant, E is not."""
    pytest.importorskip("agama")
    spin = tmp_path / "spin.txt"  # time, angle: -40 km/s/kpc, as the disc
    spin.write_text("0 0\n1 -40\n")
    (tmp_path / "bar.ini").write_text(BAR.replace("SPIN", str(spin)))
    potential = load_potential(f"agama:{tmp_path / 'bar.ini'}")
    x, v = np.array([[-3.5, 0.5, 0.1]]), np.array([[20.0, 200.0, 10.0]])
    times = np.linspace(0, 300, 7)
    orbits = integrate_orbits(x, v, potential, times=times, span=300.0)
    assert orbits.good.all()
    jacobi, energy = [], []
    for m, t in enumerate(times):
        p, w = orbits.position[:, m], orbits.velocity[:, m]
        e = float(0.5 * (w**2).sum() + potential.potential(p, -t / MYR)[0])
        energy.append(e)
        jacobi.append(e + 40.0 * float(p[0, 0] * w[0, 1] - p[0, 1] * w[0, 0]))
    assert np.ptp(energy) > 50.0
    assert np.ptp(jacobi) < 1e-4 * abs(np.mean(jacobi))


def test_unknown_names(tmp_path: Path) -> None:
    pytest.importorskip("galpy")
    with pytest.raises(ConfigError, match="NoSuchPotential"):
        load_potential("galpy:NoSuchPotential")
