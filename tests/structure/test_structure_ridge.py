"""The ridge of the thin disc and what lies off it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import binom, kstest, poisson
from structure_tables import thin_disc

from melotte.config import GalaxyConfig, StructureConfig
from melotte.core.randomness import Streams
from melotte.errors import ConfigError, EmptyResultError, SchemaError
from melotte.galaxy import dynamics, load_potential
from melotte.galaxy.legacy import GALPOT_ZERO_POINT
from melotte.galaxy.potential import Axisymmetric
from melotte.structure import CircularOrbits, OutliersResult, outliers, phase_draws
from melotte.structure.ridge import density, fit_ridge, survival

GALAXY = GalaxyConfig(velocity="uncorrected", draws=200)
MEANS = st.floats(50.0, 2000.0)
NOISES = st.floats(0.0, 5000.0)


@pytest.fixture(scope="module")
def circular() -> CircularOrbits:
    return CircularOrbits()


# --- the model ----------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(mean=MEANS, noise=NOISES)
def test_the_density_is_normalised_and_the_survival_is_its_integral(mean: float, noise: float) -> None:
    m, n = np.array([mean]), np.array([noise])

    def p(x: float) -> float:
        return float(np.exp(density(np.array([x]), m, n))[0])

    top = 60.0 * (mean + 2.0 * noise)
    break_points = [mean, mean + noise, 5 * (mean + noise)]
    assert quad(p, 0.0, top, limit=200, points=break_points)[0] == pytest.approx(1.0, abs=1e-5)
    x = 1.5 * mean + noise
    expected = quad(p, x, top, limit=200, points=[5 * (mean + noise)])[0]
    # 64 angles; a ratio of the two widths of 100 and more costs digits.
    assert survival(np.array([x]), m, n)[0] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("noise", [0.0, 30.0, 1500.0])
def test_the_model_is_that_of_gaussian_velocities(noise: float) -> None:
    """Two Gaussian velocity components, an error along one: drawn excesses against the survival function."""
    rng = np.random.default_rng(5)
    mean, n = 400.0, 20_000
    v = np.sqrt(mean) * rng.normal(size=(2, n))
    v[0] += np.sqrt(2.0 * noise) * rng.normal(size=n)
    x = 0.5 * (v**2).sum(axis=0)
    assert x.mean() == pytest.approx(mean + noise, rel=0.03)
    p = survival(x, np.full(n, mean), np.full(n, noise))
    assert kstest(p, "uniform").pvalue > 1e-3


def test_energy_of_circular_orbits(circular: CircularOrbits) -> None:
    potential = load_potential("mcmillan2017")
    assert isinstance(potential, Axisymmetric)
    R = np.array([1.0, 4.0, 8.2, 15.0, 25.0])
    v = potential.v_circ(R)
    expected = 0.5 * v**2 + potential.evaluate(R, np.zeros(5))[0]
    np.testing.assert_allclose(circular.energy(R * v), expected, atol=0.01)
    np.testing.assert_allclose(circular.energy(-R * v), expected, atol=0.01)
    assert np.isnan(circular.energy(np.array([0.0, 1e9]))).all()
    np.testing.assert_allclose(CircularOrbits(zero=66.3).energy(R * v), expected + 66.3, atol=0.01)


@settings(deadline=None)
@given(
    R=st.floats(2.0, 20.0), z=st.floats(-2.0, 2.0), v_R=st.floats(-150, 150), v_phi=st.floats(50, 300),
    v_z=st.floats(-100, 100),
)  # fmt: skip
def test_no_orbit_lies_below_the_circular_one(
    circular: CircularOrbits, R: float, z: float, v_R: float, v_phi: float, v_z: float
) -> None:
    potential = load_potential("mcmillan2017")
    phi = float(potential.potential(np.array([[R, 0.0, z]]))[0])
    energy = 0.5 * (v_R**2 + v_phi**2 + v_z**2) + phi
    assert energy - float(circular.energy(np.array([R * v_phi]))[0]) > -0.5


def test_a_barred_potential_has_no_ridge() -> None:
    with pytest.raises(ConfigError):
        CircularOrbits("no such potential")


def test_the_ridge_is_recovered_and_its_interval_honest() -> None:
    """Truth within three posterior standard deviations, with errors of very different size."""
    rng = np.random.default_rng(8)
    n, m0, beta = 300, 350.0, 2.0
    l_z = 2000.0 * np.exp(rng.normal(0.0, 0.2, n))
    noise = rng.choice([0.0, 10.0, 800.0], n)
    mean = m0 * (l_z / np.median(l_z)) ** beta
    v = np.sqrt(mean) * rng.normal(size=(2, n))
    v[0] += np.sqrt(2.0 * noise) * rng.normal(size=n)
    ridge = fit_ridge(0.5 * (v**2).sum(axis=0), l_z, noise, np.random.default_rng(1))
    for k, truth in ((0, m0), (1, beta)):
        middle, sd = np.mean(ridge.draws[:, k]), np.std(ridge.draws[:, k])
        assert abs(middle - truth) < 3.0 * sd
    assert np.std(ridge.draws[:, 0]) / m0 < 0.12
    assert np.median(ridge.draws[:, 3]) < 0.05


def test_heating_with_age_is_recovered() -> None:
    rng = np.random.default_rng(9)
    n, gamma = 300, 0.5
    age = 10.0 ** rng.uniform(7.0, 9.8, n)
    mean = 300.0 * (age / np.exp(np.median(np.log(age)))) ** gamma
    x = mean * rng.exponential(size=n)
    ridge = fit_ridge(x, np.full(n, 2000.0) + rng.normal(0, 200, n), np.zeros(n), rng, age=age)
    middle, sd = np.mean(ridge.draws[:, 2]), np.std(ridge.draws[:, 2])
    assert abs(middle - gamma) < 3.0 * sd
    assert sd < 0.06


# --- simulated discs ------------------------------------------------------------------------------------------------


def judge(clusters: pl.DataFrame, *, seed: int = 1, **settings: object) -> OutliersResult:
    chosen = StructureConfig.model_validate({"draws": GALAXY.draws, **settings})
    found = dynamics(clusters, settings=GALAXY.model_copy(update={"draws": 0}), rng=Streams(seed))
    draws = phase_draws(clusters, settings=GALAXY, rng=Streams(seed))
    return outliers(found.frame, settings=chosen, rng=Streams(seed), clusters=clusters, draws=draws, galaxy=GALAXY)


def test_a_pure_thin_disc_has_no_more_outliers_than_the_stated_rate() -> None:
    result = judge(thin_disc(11, 400), false_alarm=0.005)
    judged = result.facts["judged"]
    assert judged == 400
    assert len(result.facts["off"]) <= binom.ppf(1 - 1e-4, judged, 0.005)
    assert result.facts["expected_false_alarms"] == pytest.approx(2.0)
    assert (result.frame["p_outlier"] > 0.5).sum() <= poisson.ppf(1 - 1e-4, 2.0)


def test_a_disc_that_is_heated_needs_the_ages() -> None:
    """Half cold and young, half hot and old: against one population old clusters seem off, against a heated one not."""
    cold = thin_disc(22, 200, sigma=(12.0, 8.0, 6.0)).with_columns(log_age=pl.lit(7.5))
    hot = thin_disc(23, 200, sigma=(30.0, 20.0, 15.0)).with_columns(
        log_age=pl.lit(9.5), cluster=pl.lit("Old_") + pl.col("cluster")
    )
    result = judge(pl.concat([cold, hot]))
    assert len(result.facts["off"]) >= 5
    assert all(name.startswith("Old_") for name in result.facts["off"])
    assert len(result.facts["off_heated"]) <= poisson.ppf(1 - 1e-4, 0.4)
    without = judge(pl.concat([cold, hot]).drop("log_age"))
    assert without.frame["p_value_heated"].null_count() == 400


def test_large_velocity_errors_make_outliers_only_where_they_are_ignored() -> None:
    """A third of the clusters with errors of 60 km/s: without the errors many seem off, with them none more than
    the rate."""
    clusters = thin_disc(12, 240, sigma=(15.0, 10.0, 6.0), rv_error=1.5)
    rng = np.random.default_rng(2)
    bad = np.arange(240) % 3 == 0
    clusters = clusters.with_columns(
        rv=pl.col("rv") + pl.Series(np.where(bad, 60.0 * rng.normal(size=240), 0.0)),
        rv_error=pl.Series(np.where(bad, 60.0, clusters["rv_error"].to_numpy())),
    )
    result = judge(clusters)
    noisy = result.frame.filter(pl.Series(bad))
    assert noisy.filter("off_ignoring").height >= 3
    assert noisy.filter("off").height <= 1


def test_injected_outliers_are_found() -> None:
    """Clusters with 110 km/s radially outward, one in retrograde rotation, one far out on the ridge."""
    clusters = thin_disc(13, 200)
    kicked = ["Disc_3", "Disc_50", "Disc_120"]
    found = dynamics(clusters, settings=GALAXY.model_copy(update={"draws": 0}), rng=Streams(1)).frame
    draws = phase_draws(clusters, settings=GALAXY, rng=Streams(1))
    kick = pl.when(pl.col("cluster").is_in(kicked)).then(0.5 * 110.0**2).otherwise(0.0)
    sign = pl.when(pl.col("cluster") == "Disc_7").then(-1.0).otherwise(1.0)

    def change(table: pl.DataFrame) -> pl.DataFrame:
        return table.with_columns(energy=pl.col("energy") + kick, l_z=pl.col("l_z") * sign)

    result = outliers(
        change(found), settings=StructureConfig(), rng=Streams(1), clusters=clusters, draws=change(draws), galaxy=GALAXY
    )
    off = set(result.facts["off"])
    assert {*kicked, "Disc_7"} <= off
    assert len(off) <= 5
    rows = {r["cluster"]: r for r in result.frame.iter_rows(named=True)}
    assert all(rows[c]["p_outlier"] > 0.9 for c in (*kicked, "Disc_7"))
    assert all(rows[c]["rank"] <= 6 for c in kicked)
    fit = {r["parameter"]: r for r in result.fit.iter_rows(named=True)}
    assert fit["share"]["p16"] > 0.002


def test_ends_of_the_ridge_are_not_off_it() -> None:
    clusters = thin_disc(14, 120)
    found = dynamics(clusters, settings=GALAXY.model_copy(update={"draws": 0}), rng=Streams(1)).frame
    far = CircularOrbits()
    l_z = 5200.0
    e = float(far.energy(np.array([l_z]))[0]) + 300.0
    found = found.with_columns(
        l_z=pl.when(pl.col("cluster") == "Disc_0").then(l_z).otherwise("l_z"),
        energy=pl.when(pl.col("cluster") == "Disc_0").then(e).otherwise("energy"),
    )
    result = outliers(found, settings=StructureConfig(), rng=Streams(1), clusters=clusters, galaxy=GALAXY)
    row = result.frame.row(0, named=True)
    assert row["end"]
    assert row["rank_any"] == 1
    assert not row["off_ignoring"]
    assert row["off"] is None
    assert "ignore the uncertainties" in result.notes[0]


# --- the stage ------------------------------------------------------------------------------------------------------


def test_draws_are_those_behind_the_percentiles() -> None:
    clusters = thin_disc(15, 6).with_columns(rv=pl.when(pl.col("cluster") == "Disc_2").then(None).otherwise("rv"))
    found = dynamics(clusters, settings=GALAXY, rng=Streams(7)).frame.drop_nulls("energy")
    draws = phase_draws(clusters, settings=GALAXY, rng=Streams(7))
    assert set(draws["cluster"]) == set(found["cluster"])
    for name in ("l_z", "energy", "r_gc", "z_gc", "v_phi"):
        middle = draws.group_by("cluster", maintain_order=True).agg(pl.col(name).median())
        np.testing.assert_allclose(middle[name], found[f"{name}_p50"], rtol=1e-9)


def test_draws_of_the_published_chain_have_its_zero_point() -> None:
    clusters = thin_disc(15, 2)
    right = phase_draws(clusters, settings=GALAXY, rng=Streams(7))
    published = phase_draws(clusters, settings=GALAXY.model_copy(update={"legacy": "fu2022"}), rng=Streams(7))
    assert (published["energy"] - right["energy"]).median() == pytest.approx(GALPOT_ZERO_POINT, abs=20.0)


def test_few_stars_no_orbit_and_order() -> None:
    clusters = thin_disc(16, 60)
    found = dynamics(clusters, settings=GALAXY.model_copy(update={"draws": 0}), rng=Streams(1)).frame
    found = found.with_columns(
        energy=pl.when(pl.col("cluster") == "Disc_5").then(None).otherwise("energy"),
    )
    clusters = clusters.with_columns(
        n_rv=pl.when(pl.col("cluster") == "Disc_9").then(1).otherwise("n_rv").cast(pl.Int32)
    )
    settings = StructureConfig()
    result = outliers(found, settings=settings, rng=Streams(1), clusters=clusters, galaxy=GALAXY)
    rows = {r["cluster"]: r for r in result.frame.iter_rows(named=True)}
    assert rows["Disc_5"]["reason"] == "no orbit"
    assert rows["Disc_9"]["reason"] == "fewer than 2 stars behind the velocity"
    for name in ("Disc_5", "Disc_9"):
        assert rows[name]["p_value_ignoring"] is None
        assert rows[name]["rank"] is None
        assert rows[name]["off_ignoring"] is None
    assert result.steps[0].went_on == 58
    again = outliers(
        found.reverse(), settings=settings, rng=Streams(1), clusters=clusters.reverse(), galaxy=GALAXY
    ).frame.reverse()
    np.testing.assert_allclose(
        again["p_value_ignoring"].drop_nulls(), result.frame["p_value_ignoring"].drop_nulls(), rtol=0.2
    )


def test_energies_of_another_potential_are_refused() -> None:
    clusters = thin_disc(16, 30)
    found = dynamics(clusters, settings=GALAXY.model_copy(update={"draws": 0}), rng=Streams(1)).frame
    with pytest.raises(SchemaError, match="below that of the circular orbit"):
        outliers(found.with_columns(pl.col("energy") - 5000.0), settings=StructureConfig(), rng=Streams(1))
    with pytest.raises(SchemaError, match="energy"):
        outliers(found.drop("energy"), settings=StructureConfig(), rng=Streams(1))
    with pytest.raises(EmptyResultError):
        outliers(found.head(5), settings=StructureConfig(), rng=Streams(1))
    with pytest.raises(SchemaError, match="no draws of"):
        outliers(
            found, settings=StructureConfig(), rng=Streams(1),
            draws=phase_draws(clusters.head(3), settings=GALAXY, rng=Streams(1)),
        )  # fmt: skip
