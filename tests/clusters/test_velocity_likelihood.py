"""The mixture model: binaries, kernels, posteriors, what the clusters share; against independent computations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from astropy import constants as const
from astropy import units as u
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from science_tables import stars
from scipy.stats import norm

from melotte.clusters.velocity import select, share, velocity_model, with_shared_error
from melotte.clusters.velocity.likelihood import mixture_prior
from melotte.clusters.velocity.likelihood_binaries import (
    K_KMS,
    offset_distribution,
    orbital_velocities,
    primary_masses,
    profile,
    true_anomaly,
)
from melotte.clusters.velocity.likelihood_fit import Model, density_quantiles
from melotte.clusters.velocity.likelihood_kernels import log_likelihood
from melotte.clusters.velocity.likelihood_parameters import Prior, Stars, Survey
from melotte.clusters.velocity.likelihood_shared import shared_error
from melotte.config import VelocityConfig, VelocityModelConfig
from melotte.core.randomness import Streams
from melotte.validation.demonstration import CONFIG as DEMO
from melotte.validation.simulate import SimulationSettings, simulate
from melotte.workflow.pipeline import compute

Array = NDArray[np.float64]
SURVEY = Survey(1.1, 1.5, 0.03, 0.8, 40.0, 0.44)
PRIOR = mixture_prior(VelocityModelConfig())
FIXED = replace(PRIOR, width=Survey(0, 0, 0, 0, 0, 0))


def sky(seed: int, n_clusters: int, n_stars: int, **truth: float) -> tuple[Stars, Array, NDArray[np.bool_]]:
    """Clusters drawn from the model itself; the orbits are drawn at random, not from the model's table."""
    rng = np.random.default_rng(seed)
    n = n_clusters * n_stars
    centre = rng.normal(0, 30, n_clusters)
    mass = rng.uniform(0.7, 2.0, n)
    error = rng.uniform(1.0, 6.0, n)
    v = np.repeat(centre, n_stars) + rng.normal(0, truth.get("dispersion", 0.8), n)
    binary = rng.random(n) < truth.get("binaries", 0.44)
    v += binary * orbital_velocities(rng.random((n, 6))) * np.cbrt(mass)
    probability = rng.choice([0.7, 0.8, 0.9, 1.0], n)
    field = rng.random(n) < 1 - (1 - truth.get("unlisted", 0.03)) * probability
    v = np.where(field, np.repeat(centre, n_stars) + rng.normal(0, 40.0, n), v)
    v += rng.normal(0, np.hypot(truth.get("scale", 1.0) * error, truth.get("floor", 2.0)))
    offsets = np.arange(n_clusters + 1, dtype=np.int64) * n_stars
    return Stars(v, error, probability, np.cbrt(mass), offsets), centre, field


class TestBinaries:
    def test_semi_amplitude_of_one_solar_mass_and_one_day(self):
        value = (2 * np.pi * const.G * const.M_sun / u.d) ** (1 / 3)
        assert value.to_value("km/s") == pytest.approx(K_KMS, abs=0.1)

    def test_kepler(self):
        rng = np.random.default_rng(1)
        mean, e = rng.uniform(0, 2 * np.pi, 5000), rng.uniform(0, 0.999, 5000)
        nu = true_anomaly(mean, e)
        eccentric = 2 * np.arctan2(np.sqrt(1 - e) * np.sin(nu / 2), np.sqrt(1 + e) * np.cos(nu / 2))
        back = np.mod(eccentric - e * np.sin(eccentric), 2 * np.pi)
        assert np.max(np.abs(np.angle(np.exp(1j * (back - mean))))) < 1e-8

    def test_velocity_is_the_derivative_of_the_place_on_the_ellipse(self):
        """Independent: z = r sin(omega + nu) along the line of sight, differentiated numerically."""
        e, omega, step = 0.6, 1.1, 1e-6
        ranks = np.tile([0.5, 0.7, 0.0, 0.0, omega / (2 * np.pi), 0.3], (50, 1))
        ranks[:, 3] = np.linspace(0.01, 0.99, 50)
        period = 10**5.03
        largest = 1 - (period / 2) ** (-2 / 3)
        ranks[:, 2] = e / largest
        ranks[:, 0] = 0.5
        found = orbital_velocities(ranks)
        # The median of the truncated period distribution is close to, not at, 10^5.03 d: the scale is left free.

        def place(rank: Array) -> Array:
            nu = true_anomaly(2 * np.pi * rank, np.full(rank.size, e))
            r = (1 - e**2) / (1 + e * np.cos(nu))
            return r * np.sin(omega + nu)

        derivative = (place(ranks[:, 3] + step) - place(ranks[:, 3] - step)) / (2 * step)
        ratio = found / derivative
        assert np.ptp(ratio) / abs(ratio.mean()) < 1e-3
        assert ratio.mean() > 0

    def test_distribution_against_random_orbits(self):
        edges, probability = offset_distribution()
        assert probability.sum() == pytest.approx(1.0)
        drawn = np.abs(orbital_velocities(np.random.default_rng(2).random((300_000, 6))))
        for speed in (0.1, 0.5, 2.0, 10.0, 30.0):
            from_table = np.interp(speed, edges, np.r_[0.0, np.cumsum(probability)])
            assert from_table == pytest.approx((drawn < speed).mean(), abs=0.006)

    def test_circular_close_orbits(self):
        """Below 12 d orbits are circular: the largest speed is the semi-amplitude of an equal-mass pair at 2 d."""
        drawn = orbital_velocities(np.random.default_rng(3).random((200_000, 6)))
        fastest = K_KMS / np.cbrt(2.0 * 4.0)
        assert np.abs(drawn).max() <= fastest * 1.0001

    @pytest.mark.parametrize("sigma", [0.3, 1.0, 4.0])
    @pytest.mark.parametrize("mass", [0.7, 2.0])
    def test_convolved_profile(self, sigma: float, mass: float):
        v = orbital_velocities(np.random.default_rng(4).random((400_000, 6))) * np.cbrt(mass)
        for at in (0.0, 0.7 * sigma, 3 * sigma, 15.0):
            direct = norm.pdf(at - v, scale=sigma)
            error = direct.std() / np.sqrt(v.size)
            assert abs(profile().density(at, sigma, mass) - direct.mean()) < 4 * error + 0.015 * direct.mean()

    def test_profile_is_a_density(self):
        v = np.linspace(-600, 600, 240_001)
        for sigma in (0.1, 1.0, 10.0):
            assert np.trapezoid(profile().density(v, sigma), v) == pytest.approx(1.0, abs=0.003)

    def test_masses_follow_the_main_sequence(self):
        """Pecaut & Mamajek 2013: K5V, K0V, G2V, F5V, F0V, A5V, A0V."""
        teff = np.array([4440.0, 5270.0, 5770.0, 6550.0, 7220.0, 8080.0, 9700.0])
        mass = np.array([0.70, 0.88, 1.00, 1.33, 1.61, 1.88, 2.18])
        found = primary_masses(teff, np.full(7, 4.4), giant_logg=3.5, giant_mass=1.7, unknown_mass=1.0)
        assert found == pytest.approx(mass, rel=0.14)
        others = primary_masses(
            np.array([4800.0, np.nan]), np.array([2.5, np.nan]), giant_logg=3.5, giant_mass=1.7, unknown_mass=1.0
        )
        assert others.tolist() == [1.7, 1.0]


def plain_log_likelihood(data: Stars, rows: slice, survey: Survey, mu: float, s: float, f: float) -> float:
    """The equation, star by star, with scipy."""
    total = 0.0
    for v, e, p, root in zip(
        data.value[rows], data.error[rows], data.probability[rows], data.root_mass[rows], strict=True
    ):
        t = np.hypot(survey.error_scale * e, survey.error_floor)
        o = 1 - (1 - survey.unlisted) * p**survey.trust
        sigma = np.hypot(t, s)
        member = (1 - f) * norm.pdf(v, mu, sigma) + f * profile().density(v - mu, sigma, root**3)
        total += np.log(o * norm.pdf(v, mu, np.hypot(t, survey.field_width)) + (1 - o) * member)
    return float(total)


class TestPosterior:
    def test_kernel_is_the_equation(self):
        data, centre, _ = sky(5, 1, 9)
        model = Model(data, PRIOR)
        mu, s, f = np.array([centre[0] - 3, centre[0] + 1]), np.array([0.0, 0.9, 4.0]), np.array([0.0, 0.4, 1.0])
        out = np.empty((2, 3, 3))
        log_likelihood(*model._columns(slice(None), SURVEY), mu, s, f, SURVEY.field_width**2, profile().table, out)
        for i, j, k in np.ndindex(out.shape):
            wanted = plain_log_likelihood(data, slice(None), SURVEY, mu[i], s[j], f[k])
            assert out[i, j, k] == pytest.approx(wanted, abs=1e-6)

    @pytest.mark.parametrize("n", [1, 2, 3, 40])
    def test_quantiles_against_dense_uniform_grids(self, n: int):
        data, _, _ = sky(10 + n, 1, n)
        found = Model(data, PRIOR).posterior(0, SURVEY).quantiles(np.array([0.16, 0.5, 0.84]))
        low, high = data.value.min() - 150, data.value.max() + 150
        mu = np.linspace(low, high, 2001) if n < 10 else np.median(data.value) + np.linspace(-5, 5, 801)
        s, f = np.linspace(0, 6, 61), (np.arange(20) + 0.5) / 20
        out = np.empty((mu.size, s.size, f.size))
        columns = Model(data, PRIOR)._columns(slice(None), SURVEY)
        log_likelihood(*columns, mu, s, f, SURVEY.field_width**2, profile().table, out)
        a = PRIOR.concentration * SURVEY.binary_fraction
        b = PRIOR.concentration - a
        out += -0.5 * s[:, None] ** 2 + (a - 1) * np.log(f) + (b - 1) * np.log1p(-f)
        weight = np.exp(out - out.max())
        for row, (x, axes) in zip(found, ((mu, (1, 2)), (s, (0, 2)), (f, (0, 1))), strict=True):
            density = weight.sum(axis=axes)
            wanted = density_quantiles(x, density, np.array([0.16, 0.5, 0.84]))
            width = wanted[2] - wanted[0]
            assert row == pytest.approx(wanted, abs=0.03 * width)

    def test_gaussian_limit(self):
        """No field, no binaries, no dispersion: the inverse-variance mean and its error."""
        rng = np.random.default_rng(6)
        error = rng.uniform(1, 3, 20)
        data = Stars(rng.normal(5, error), error, np.ones(20), np.ones(20), np.array([0, 20]))
        survey = Survey(1.0, 1e-6, 1e-9, 1.0, 40.0, 0.5)
        found = Model(data, Prior(survey, FIXED.width, 1e-4, binaries=False)).posterior(0, survey)
        p16, p50, p84 = found.quantiles(np.array([0.158655, 0.5, 0.841345]))[0]
        weight = error**-2
        assert p50 == pytest.approx(np.sum(weight * data.value) / weight.sum(), abs=0.01 / np.sqrt(weight.sum()))
        assert (p84 - p16) / 2 == pytest.approx(1 / np.sqrt(weight.sum()), rel=0.01)

    def test_informative_velocities_give_dispersion_and_binaries(self):
        rng = np.random.default_rng(7)
        n = 1500
        v = rng.normal(0, 0.6, n)
        binary = rng.random(n) < 0.5
        v += binary * orbital_velocities(rng.random((n, 6))) + rng.normal(0, 0.1, n)
        data = Stars(v, np.full(n, 0.1), np.ones(n), np.ones(n), np.array([0, n]))
        survey = Survey(1.0, 1e-3, 1e-3, 1.0, 40.0, 0.44)
        mean, dispersion, fraction = Model(data, PRIOR).posterior(0, survey).quantiles(np.array([0.003, 0.5, 0.997]))
        assert mean[0] < 0 < mean[2]
        assert dispersion[0] < 0.6 < dispersion[2]
        assert fraction[0] < 0.5 < fraction[2]
        assert dispersion[2] - dispersion[0] < 0.2

    @settings(max_examples=15, deadline=None)
    @given(shift=st.floats(-400, 400), n=st.integers(1, 12), seed=st.integers(0, 1000))
    def test_shift(self, shift: float, n: int, seed: int):
        data, _, _ = sky(seed, 1, n)
        at = np.array([0.16, 0.5, 0.84])
        one = Model(data, PRIOR).posterior(0, SURVEY).quantiles(at)
        two = Model(replace(data, value=data.value + shift), PRIOR).posterior(0, SURVEY).quantiles(at)
        width = one[0, 2] - one[0, 0]
        assert two[0] == pytest.approx(one[0] + shift, abs=2e-3 * width)
        assert two[1:] == pytest.approx(one[1:], abs=2e-3)

    def test_a_far_star_is_no_member_and_hardly_moves_the_mean(self):
        """It pulls like one star whose error is the width of the field, which is centred on the cluster."""
        data, centre, _ = sky(8, 1, 30, unlisted=0.0)
        value, distance = data.value.copy(), 150.0
        value[0] = centre[0] + distance
        model = Model(replace(data, value=value), PRIOR)
        found = model.posterior(0, SURVEY)
        assert model.membership(0, SURVEY, found)[0] < 0.05
        rest = Stars(*(x[1:] for x in (value, data.error, data.probability, data.root_mass)), np.array([0, 29]))
        without = Model(rest, PRIOR).posterior(0, SURVEY).quantiles(np.array([0.16, 0.5, 0.84]))[0]
        at = found.quantiles(np.array([0.16, 0.5, 0.84]))[0]
        half_width = (without[2] - without[0]) / 2
        pull = (distance + centre[0] - without[1]) * half_width**2 / SURVEY.field_width**2
        assert 0 < pull < 0.15 * half_width
        assert at - without == pytest.approx(pull, abs=0.04 * half_width)

    @pytest.mark.slow
    def test_against_emcee(self):
        """The same posterior sampled: percentiles to a twentieth of the width."""
        import emcee

        data, _, _ = sky(21, 1, 25)
        a = PRIOR.concentration * SURVEY.binary_fraction
        b = PRIOR.concentration - a

        def log_posterior(x: Array) -> float:
            mu, s, f = x
            if s < 0 or not 0 < f < 1:
                return -np.inf
            prior = -0.5 * s**2 + (a - 1) * np.log(f) + (b - 1) * np.log1p(-f)
            out = np.empty((1, 1, 1))
            columns = Model(data, PRIOR)._columns(slice(None), SURVEY)
            grid = (np.array([mu]), np.array([s]), np.array([f]))
            log_likelihood(*columns, *grid, SURVEY.field_width**2, profile().table, out)
            return float(prior + out[0, 0, 0])

        rng = np.random.default_rng(1)
        start = np.column_stack(
            [rng.normal(np.median(data.value), 1, 16), rng.uniform(0.2, 1.5, 16), rng.uniform(0.2, 0.7, 16)]
        )
        sampler = emcee.EnsembleSampler(16, 3, log_posterior)
        sampler._random = np.random.RandomState(1)
        sampler.run_mcmc(start, 6000)
        chain = sampler.get_chain(discard=1000, flat=True)
        wanted = np.percentile(chain, [16, 50, 84], axis=0).T
        found = Model(data, PRIOR).posterior(0, SURVEY).quantiles(np.array([0.16, 0.5, 0.84]))
        for one, two in zip(found, wanted, strict=True):
            assert one == pytest.approx(two, abs=0.05 * (two[2] - two[0]))


class TestSurvey:
    @pytest.fixture(scope="class")
    @staticmethod
    def fitted() -> tuple[Stars, Array, NDArray[np.bool_], Survey]:
        data, centre, field = sky(30, 150, 20, scale=1.2, floor=2.5)
        return data, centre, field, Model(data, PRIOR, jobs=2).fit()

    def test_what_the_clusters_share_is_recovered(self, fitted: tuple[Stars, Array, NDArray[np.bool_], Survey]):
        survey = fitted[3]
        # The two are measured together: their sum in quadrature at the median error of 3.5 km/s.
        assert np.hypot(survey.error_scale * 3.5, survey.error_floor) == pytest.approx(np.hypot(4.2, 2.5), rel=0.05)
        assert survey.field_width == pytest.approx(40.0, rel=0.15)
        field = survey.field_prior(fitted[0].probability).mean()
        assert field == pytest.approx(fitted[2].mean(), abs=0.03)

    def test_intervals_cover(self, fitted: tuple[Stars, Array, NDArray[np.bool_], Survey]):
        data, centre, _, survey = fitted
        model = Model(data, PRIOR, jobs=2)
        at = np.array([0.16, 0.5, 0.84])
        found = np.stack(list(model.each(lambda k: model.posterior(k, survey).quantiles(at)[0])))
        inside = (found[:, 0] <= centre) & (centre <= found[:, 2])
        # 3 standard deviations of a binomial fraction of 150.
        assert inside.mean() == pytest.approx(0.68, abs=3 * np.sqrt(0.68 * 0.32 / 150))

    def test_memberships_are_probabilities(self, fitted: tuple[Stars, Array, NDArray[np.bool_], Survey]):
        data, _, field, survey = fitted
        model = Model(data, PRIOR, jobs=2)
        found = np.concatenate(list(model.each(lambda k: model.membership(k, survey, model.posterior(k, survey)))))
        assert ((found >= 0) & (found <= 1)).all()
        for low, high in ((0.0, 0.2), (0.2, 0.8), (0.8, 0.95), (0.95, 1.0)):
            inside = (found >= low) & (found < high)
            error = np.sqrt(max(inside.sum(), 1) * found[inside].mean() * (1 - found[inside].mean()))
            expected = found[inside].sum()
            assert abs((~field[inside]).sum() - expected) < 4 * error + 3

    def test_threads_do_not_matter(self):
        data, _, _ = sky(31, 40, 15)
        assert Model(data, PRIOR, jobs=1).fit() == Model(data, PRIOR, jobs=3).fit()

    def test_a_width_of_zero_fixes_a_parameter(self):
        data, _, _ = sky(32, 10, 10)
        prior = replace(PRIOR, width=replace(PRIOR.width, error_scale=0.0))
        assert Model(data, prior).fit().error_scale == pytest.approx(1.0)
        assert Model(data, FIXED).fit() == PRIOR.centre

    def test_data_unlike_the_model_are_noted(self):
        """Outliers of 1,000 km/s: the field is as wide as the prior allows, and a note says so."""
        given, _ = table(33, 12, 20, unlisted=0.0)
        rng = np.random.default_rng(1)
        far = given.with_columns(
            pl.when(pl.Series(rng.random(given.height) < 0.1))
            .then(pl.col("rv") + pl.Series(rng.normal(0, 1000.0, given.height)))
            .otherwise("rv")
            .alias("rv")
        )
        quick = VelocityConfig(draws=100)
        assert any("field_width ended at the edge" in n for n in select(far, settings=quick, rng=Streams(1)).notes)
        assert not any("ended at the edge" in n for n in select(given, settings=quick, rng=Streams(1)).notes)


def table(seed: int, n_clusters: int, n_stars: int, **truth: float) -> tuple[pl.DataFrame, Array]:
    data, centre, _ = sky(seed, n_clusters, n_stars, **truth)
    rows = [
        {"cluster": f"C{k:03d}", "source_id": i, "rv": float(data.value[i]), "rv_error": float(data.error[i])}
        for k in range(n_clusters)
        for i in range(data.of(k).start, data.of(k).stop)
    ]
    return stars(rows), centre


class TestStage:
    QUICK = VelocityConfig(draws=200)

    def test_columns_and_flags(self):
        given, _ = table(40, 6, 12)
        clip = select(given, settings=self.QUICK, rng=Streams(1))
        model = select(given, settings=VelocityConfig(draws=200, model="likelihood"), rng=Streams(1))
        assert model.clusters.equals(clip.clusters)
        wanted = (model.members["rv_probability"] >= 0.5).cast(pl.Int32)
        assert model.members["flag"].equals(wanted.alias("flag"))
        assert model.members["reason"].str.contains("mixture model").all()
        row = clip.clusters.row(0, named=True)
        assert row["rv_model_p16"] < row["rv_model"] < row["rv_model_p84"]
        expected = clip.members.filter(pl.col("cluster") == row["cluster"])["rv_probability"].sum()
        assert row["n_model"] == pytest.approx(expected)

    def test_one_star_and_no_star(self):
        rows = [{"cluster": "A", "rv": 3.0, "rv_error": 2.0}, {"cluster": "B", "source_id": 7}]
        found = select(stars(rows), settings=self.QUICK, rng=Streams(1))
        row = found.clusters.row(0, named=True)
        assert row["rv_model"] == pytest.approx(3.0, abs=0.05)
        # Wider than the published error: dispersion, binaries and field are possible.
        assert row["rv_model_error"] > 2.0
        assert found.members.filter(pl.col("cluster") == "B")["rv_probability"].to_list() == [None]
        empty = velocity_model(stars([]), settings=VelocityModelConfig())
        assert empty.survey is None
        assert empty.clusters.is_empty()

    def test_order_does_not_matter(self):
        given, _ = table(41, 5, 8)
        one = velocity_model(given, settings=VelocityModelConfig())
        two = velocity_model(given.sample(fraction=1, shuffle=True, seed=3), settings=VelocityModelConfig())
        assert one.clusters.equals(two.clusters)
        assert one.members.equals(two.members)

    def test_shared_errors_widen_in_quadrature(self):
        given, _ = table(42, 4, 10)
        found = select(given, settings=self.QUICK, rng=Streams(1))
        wide, facts, notes = share(found, None, settings=VelocityModelConfig(shared_error="3 km/s"))
        assert facts["shared_error"]["error"] == 3.0
        assert "3.00 km/s shared by the stars of a cluster (assumed)" in notes[0]
        below = found.clusters["rv_model"] - found.clusters["rv_model_p16"]
        assert (wide["rv_model"] - wide["rv_model_p16"]).to_numpy() == pytest.approx(np.hypot(below.to_numpy(), 3.0))
        assert with_shared_error(found.clusters, 0.0)["rv_model_p84"].to_numpy() == pytest.approx(
            found.clusters["rv_model_p84"].to_numpy()
        )

    @pytest.mark.parametrize("truth", [0.0, 1.5])
    def test_shared_error_from_a_reference(self, truth: float):
        """Clusters whose survey velocities are all shifted by a common offset, which the reference does not have."""
        rng = np.random.default_rng(43)
        given, _ = table(44, 60, 15, binaries=0.0, unlisted=0.0, floor=0.5)
        found = select(given, settings=self.QUICK, rng=Streams(1))
        offset = np.repeat(rng.normal(4.7, truth, 60) if truth else np.full(60, 4.7), 15)
        noise = rng.normal(0, np.hypot(found.members["rv_error"].to_numpy(), 0.5))
        pairs = found.members.select("source_id", pl.Series("difference", offset + noise))
        estimate = shared_error(pairs, found.members, settings=VelocityModelConfig())
        assert estimate is not None
        assert estimate["n"] == 60
        if truth:
            assert estimate["error"] == pytest.approx(truth, abs=0.45)
        else:
            assert estimate["error"] < 0.45


def test_the_chosen_velocity_goes_through_the_pipeline(tmp_path: Path):
    """With the model: rv_corrected and the orbits start from rv_model; the columns of the clip are the same."""
    simulate(SimulationSettings(n_clusters=8, n_field_spectra=0, max_members=40), Streams(5)).write(tmp_path)
    galaxy = {"draws": 0, "lookback": "100 Myr", "velocity": "uncorrected"}
    runs = {
        model: compute({**DEMO, "velocity": {"model": model, "draws": 200}, "galaxy": galaxy}, data_dir=tmp_path)
        for model in ("clip", "likelihood")
    }
    clip, model = runs["clip"], runs["likelihood"]
    published = ["cluster", "n_rv", "rv_med", "rv_med_error", "rv_mean", "rv_scatter"]
    assert clip.frame[published].equals(model.frame[published])
    for run, name in ((clip, "rv_med"), (model, "rv_model")):
        assert run.zero_point is not None
        expected = run.frame[name] + run.zero_point["median"]
        assert run.frame["rv_corrected"].to_numpy() == pytest.approx(expected.to_numpy())
    assert clip.orbits is not None
    assert model.orbits is not None
    assert not clip.orbits["l_z"].equals(model.orbits["l_z"])
    assert any(note.startswith("velocity model: published errors times") for note in clip.notes)
    used = model.members.filter(pl.col("flag") >= 1)
    assert (used["rv_probability"] >= 0.5).all()
