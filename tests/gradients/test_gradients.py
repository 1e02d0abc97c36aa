"""The metallicity distribution on simulated clusters, against references that share no code with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import emcee
import numpy as np
import polars as pl
import pytest
import xarray as xr
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from melotte.config import GradientsConfig
from melotte.core.randomness import Streams
from melotte.errors import ConfigError, EmptyResultError, SchemaError
from melotte.gradients import Model, age_groups, evaluate, fit_group, fit_table
from melotte.gradients.comparison import loo, waic
from melotte.gradients.fit import Fit
from melotte.gradients.groups import Sample, predictor, prepare
from melotte.gradients.problem import FRACTION, SLOPE, WIDTH, Problem, _true_x
from melotte.gradients.proposals import whole_half
from melotte.gradients.sampling import Settings, sample
from melotte.publish import FORMATS, read_table
from melotte.publish.gradients import cds, write_gradients
from melotte.schema.gradients import GRADIENTS

TRUTH = {
    "line": (-0.06, 0.5),
    "parabola": (0.004, -0.14, 0.9),
    "broken": (-0.25, -0.07, -0.01, 12.0),
    "plateau": (-0.25, -0.07, 12.0),
}
SHAPES: tuple[Any, ...] = tuple(TRUTH)


def clusters(shape: Any, *, n: int = 40, scatter: float = 0.0, x_error: float = 0.0, seed: int = 1) -> Sample:
    rng = np.random.default_rng(seed)
    x = rng.uniform(7, 16, n)
    e = rng.uniform(0.02, 0.08, n)
    y = evaluate(shape, np.array([TRUTH[shape]]), x)[0] + np.hypot(e, scatter) * rng.standard_normal(n)
    xe = np.full(n, x_error)
    return Sample(tuple(f"C{i}" for i in range(n)), x + xe * rng.standard_normal(n), xe, y, e)


def frame(shape: Any = "line", **more: Any) -> pl.DataFrame:
    s = clusters(shape, **more)
    return pl.DataFrame({"cluster": s.cluster, "r_gc_0_myr": s.x, "fe": s.y, "e_fe": s.y_error})


PLAIN: dict[str, Any] = {"feh": "fe", "feh_error": "e_fe", "age_edges": (), "predictors": ("r_gc_0_myr",)}


# --- shapes and likelihood -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_scaled_and_natural_parameters_are_the_same_curve(shape: Any) -> None:
    problem = Problem(Model(shape, scatter=True, outliers=True), clusters(shape))
    points = np.random.default_rng(2).normal(size=(20, len(problem.model.parameters))) * 0.3
    mean, variance = problem.moments(points)
    np.testing.assert_allclose(mean, evaluate(shape, problem.natural(points), problem.sample.x), atol=1e-10)
    assert variance == 0.0


@pytest.mark.parametrize("shape", SHAPES)
def test_moments_over_the_error_of_x_are_those_of_draws(shape: Any) -> None:
    problem = Problem(Model(shape), clusters(shape, n=15, x_error=1.0))
    point = np.array([[0.3, -0.4, 0.2, 0.1][: len(problem.model.parameters)]])
    mean, variance = problem.moments(point)
    rng = np.random.default_rng(3)
    u = problem.u + np.sqrt(problem.v) * rng.standard_normal((200_000, 15))
    drawn = evaluate(shape, point, u.ravel())[0].reshape(u.shape)
    np.testing.assert_allclose(mean[0], drawn.mean(axis=0), atol=0.005)
    np.testing.assert_allclose(np.broadcast_to(variance, mean.shape)[0], drawn.var(axis=0), rtol=0.02, atol=1e-4)


def test_likelihood_with_outliers_is_the_mixture() -> None:
    problem = Problem(Model("line", scatter=True, outliers=True), clusters("line", n=6))
    point = np.array([[-0.1, 0.05, 0.07, 0.2, np.log(0.5)]])
    mean = -0.1 * problem.u + 0.05
    s = problem.sample
    core = norm.pdf(s.y, mean, np.sqrt(s.y_error**2 + 0.07**2))
    wide = norm.pdf(s.y, mean, np.sqrt(s.y_error**2 + 0.07**2 + 0.5**2))
    np.testing.assert_allclose(problem.pointwise(point)[0], np.log(0.8 * core + 0.2 * wide))


def test_true_x_shrinks_towards_the_population() -> None:
    rng = np.random.default_rng(4)
    true = rng.normal(1.0, 0.7, 20_000)
    error = np.full(20_000, 0.5)
    mean, variance = _true_x(true + error * rng.standard_normal(20_000), error)
    assert np.mean(true - mean) == pytest.approx(0.0, abs=0.01)
    assert np.var(true - mean) == pytest.approx(variance[0], rel=0.03)


@given(st.integers(0, 40), st.sampled_from(SHAPES), st.booleans(), st.booleans())
def test_a_model_is_refused_below_its_minimum_only(n: int, shape: Any, scatter: bool, outliers: bool) -> None:
    model = Model(shape, scatter, outliers)
    reason = model.refusal(n)
    assert (reason is None) == (n >= model.minimum)
    assert model.minimum > len(model.parameters)


def test_five_clusters_do_not_carry_a_parabola_with_scatter() -> None:
    assert str(Model("parabola", scatter=True).refusal(5)).startswith("5 clusters do not carry a parabola with scatter")
    assert Model("parabola").refusal(5) is None


# --- samplers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["line", "parabola"])
def test_exact_posterior_is_weighted_least_squares(shape: Any) -> None:
    s = clusters(shape)
    post = sample(Problem(Model(shape), s), Settings(), Streams(1), "x")
    coefficients, covariance = np.polyfit(s.x, s.y, 1 if shape == "line" else 2, w=1 / s.y_error, cov="unscaled")
    assert post.sampler == "exact"
    np.testing.assert_allclose(post.median, coefficients, rtol=1e-6)
    np.testing.assert_allclose(post.sd, np.sqrt(np.diag(covariance)), rtol=1e-6)
    np.testing.assert_allclose((post.p84 - post.p16) / 2 / post.sd, norm.ppf(0.84), rtol=1e-9)


@pytest.mark.slow
def test_emcee_finds_the_exact_posterior() -> None:
    """Medians within 0.02 sigma, widths within 3 %."""
    problem = Problem(Model("parabola"), clusters("parabola", n=12))
    exact = sample(problem, Settings(), Streams(1), "x")
    drawn = sample(problem, Settings(sampler="emcee", ess=60_000.0), Streams(1), "x")
    assert drawn.sampler == "emcee"
    assert drawn.converged
    assert np.abs((drawn.median - exact.median) / exact.sd).max() < 0.02
    assert np.abs((drawn.p84 - drawn.p16) / (exact.p84 - exact.p16) - 1).max() < 0.03


@pytest.mark.parametrize("name", ["StretchMove", "DEMove"])
def test_moves_of_half_an_ensemble_are_those_of_emcee(name: str) -> None:
    """The same seed gives the same chain, number by number."""
    problem = Problem(Model("line", scatter=True), clusters("line", n=15, scatter=0.05))
    start = np.array([-0.15, 0.0, 0.06]) + 0.01 * np.random.default_rng(1).standard_normal((32, 3))
    chains = []
    for wrap in (False, True):
        move = getattr(emcee.moves, name)()
        move = whole_half(move, problem.log_posterior) if wrap else move
        sampler = emcee.EnsembleSampler(32, 3, problem.log_posterior, vectorize=True, moves=move)
        sampler.random_state = np.random.RandomState(3).get_state()
        sampler.run_mcmc(start, 200)
        chains.append(sampler.get_chain())
    assert np.array_equal(*chains)
    assert len(np.unique(chains[0][:, 0, 0])) > 20


@pytest.mark.parametrize("shape", ["broken", "plateau"])
def test_knee_and_scatter_against_quadrature(shape: Any) -> None:
    """The marginal posterior of the knee by brute force on a grid of knee and scatter."""
    problem = Problem(Model(shape, scatter=True), clusters(shape, n=30, scatter=0.08))
    post = sample(problem, Settings(ess=8000.0), Streams(1), "x")
    s = problem.sample
    knees, scatters = np.linspace(*problem.knees, 400), np.linspace(0.001, 0.4, 300)
    log_density = np.empty((400, 300))
    for i, k in enumerate(knees):
        d = problem.u - k
        terms = np.stack([np.ones_like(d), np.minimum(d, 0), np.maximum(d, 0)][: len(TRUTH[shape]) - 1], axis=1)
        prior = np.diag([1e-12, *([1 / SLOPE**2] * (terms.shape[1] - 1))])
        for j, t in enumerate(scatters):
            w = 1 / (s.y_error**2 + t**2)
            m = terms.T @ (terms * w[:, None]) + prior
            b = terms.T @ (w * s.y)
            log_density[i, j] = -0.5 * (
                (w * s.y**2).sum() - b @ np.linalg.solve(m, b) - np.log(w).sum() + np.linalg.slogdet(m)[1]
            )
    density = np.exp(log_density - log_density.max())
    for grid, marginal, column in (
        (problem.origin + problem.width * knees, density.sum(axis=1), len(TRUTH[shape]) - 1),
        (scatters, density.sum(axis=0), len(TRUTH[shape])),
    ):
        cumulative = marginal.cumsum() / marginal.sum()
        expected = np.interp([0.16, 0.5, 0.84], cumulative, grid)
        width = expected[2] - expected[0]
        found = np.array([post.p16[column], post.median[column], post.p84[column]])
        assert np.abs(found - expected).max() < 0.05 * width
    assert post.converged


def test_a_budget_that_ends_says_so() -> None:
    settings = GradientsConfig(**PLAIN, models=("broken",), max_steps=100)
    result = fit_table(frame("broken", scatter=0.05), settings=settings, rng=Streams(1))
    assert not result.frame["converged"].any()
    assert "have not converged" in " ".join(result.notes)
    assert "NOT CONVERGED" in result.comparison["verdict"][0]


def test_result_depends_on_the_seed_only() -> None:
    settings = GradientsConfig(**PLAIN, models=("line",))
    table = frame(scatter=0.05, n=25)
    first = fit_table(table, settings=settings, rng=Streams(1)).frame
    assert first.equals(fit_table(table, settings=settings, rng=Streams(1)).frame)
    more = GradientsConfig(**PLAIN, models=("parabola", "line"))
    other = fit_table(table, settings=more, rng=Streams(1)).frame.filter(pl.col("model") == "line + scatter")
    assert first.equals(other)
    assert not first.equals(fit_table(table, settings=settings, rng=Streams(2)).frame)


@pytest.mark.slow
def test_processes_do_not_change_the_result() -> None:
    settings = GradientsConfig(**PLAIN, models=("line", "parabola"))
    table = frame(scatter=0.05, n=25)
    one, two = (fit_table(table, settings=settings, rng=Streams(1), jobs=j).frame for j in (1, 2))
    assert one.equals(two)


def injected(shape: Any, number: int, *, outliers: bool = False) -> tuple[Sample, Any]:
    """A simulated data set with errors in x and an intrinsic scatter of 0.06 dex, and its true parameters.

    Slopes and knee of the shapes with a knee, fraction and width of the outliers come from their priors: an interval
    with a proper prior covers the truth with its probability on average over the prior, not for each truth.
    """
    rng = np.random.default_rng(10_000 + number)
    x = rng.uniform(7, 16, 60)
    e, xe = rng.uniform(0.02, 0.08, 60), np.full(60, 0.1)
    seen = Sample(tuple(f"C{i}" for i in range(60)), x + xe * rng.standard_normal(60), xe, np.zeros(60), e)
    truth = np.array(TRUTH[shape])
    if shape in {"broken", "plateau"}:
        problem = Problem(Model(shape, scatter=True), seen)
        truth[1:-1] = SLOPE / problem.width * rng.standard_normal(len(truth) - 2)
        truth[-1] = problem.origin + problem.width * rng.uniform(*problem.knees)
    y = evaluate(shape, truth[None], x)[0] + np.hypot(e, 0.06) * rng.standard_normal(60)
    if not outliers:
        return replace(seen, y=y), np.array([*truth, 0.06])
    fraction, width = rng.uniform(0, FRACTION), float(np.exp(rng.uniform(*np.log(WIDTH))))
    y += np.where(rng.random(60) < fraction, width, 0.0) * rng.standard_normal(60)
    return replace(seen, y=y), np.array([*truth, 0.06, fraction, width])


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "outliers"), [*((shape, False) for shape in SHAPES), ("line", True)])
def test_injected_truth_is_covered(shape: Any, outliers: bool) -> None:
    """500 simulated data sets of known gradient, knee and scatter (100 with outliers): 68 % intervals cover 63-73 %."""
    covered, pull, n = [], [], 100 if outliers else 500
    for number in range(n):
        s, truth = injected(shape, number, outliers=outliers)
        problem = Problem(Model(shape, scatter=True, outliers=outliers), s)
        post = sample(problem, Settings(ess=500.0, r_hat=1.05), Streams(number), "x")
        covered.append((post.p16 <= truth) & (truth <= post.p84))
        pull.append((post.median - truth) / post.sd)
    assert 0.63 <= np.mean(covered) <= 0.73
    # Each parameter alone: two standard errors of a fraction of n more.
    assert np.all(np.abs(np.mean(covered, axis=0) - 0.68) <= 0.05 + 2 * np.sqrt(0.68 * 0.32 / n))
    assert np.abs(np.mean(pull, axis=0)).max() < 0.35


# --- comparison ------------------------------------------------------------------------------------------------


def test_loo_and_waic_against_refits() -> None:
    s = clusters("line", n=25)
    problem = Problem(Model("line"), s)
    fit = Fit("all", predictor("r_gc_0_myr"), problem.model, s, sample(problem, Settings(), Streams(1), "x"))
    values = fit.log_likelihood(4000)
    expected = 0.0
    for i in range(25):
        keep = np.arange(25) != i
        c, cov = np.polyfit(s.x[keep], s.y[keep], 1, w=1 / s.y_error[keep], cov="unscaled")
        a = np.array([s.x[i], 1.0])
        expected += float(norm.logpdf(s.y[i], a @ c, np.sqrt(a @ cov @ a + s.y_error[i] ** 2)))
    one, k = loo(values)
    assert one.sum() == pytest.approx(expected, abs=0.15)
    assert waic(values.reshape(-1, 25)) == pytest.approx(expected, abs=0.4)
    assert k.max() < 0.7


def test_comparison_prefers_the_true_shape() -> None:
    settings = GradientsConfig(**PLAIN, models=("line", "broken"))
    table = fit_table(frame("broken", n=80, scatter=0.01), settings=settings, rng=Streams(1)).comparison
    rows = {r["model"]: r for r in table.iter_rows(named=True)}
    assert rows["broken + scatter"]["delta_loo"] == 0.0
    assert rows["broken + scatter"]["delta_bic"] == 0.0
    assert "very strongly against it" in rows["line + scatter"]["verdict"]
    assert "predicts a cluster left out worse than broken + scatter" in rows["line + scatter"]["verdict"]


# --- groups and tables -----------------------------------------------------------------------------------------


def test_a_cluster_on_an_edge_belongs_to_the_older_group() -> None:
    edges = [0.1, 0.5, 1.0, 2.0, 4.0]
    table = frame(n=6).with_columns(age=pl.Series([0.0999, *edges]), n_feh=3)
    settings = GradientsConfig(**(PLAIN | {"age_edges": GradientsConfig().age_edges}), age="age", age_unit="Gyr")
    found, _ = prepare(table, settings)
    assert found["group"].to_list() == [g.name for g in age_groups(edges)]
    logarithmic = table.with_columns(log_age=9.0 + pl.col("age").log10())
    again, _ = prepare(logarithmic, settings.model_copy(update={"age": "log_age", "age_unit": "log yr"}))
    assert again["group"].to_list() == found["group"].to_list()


def test_losses_add_up() -> None:
    table = frame(n=20).with_columns(
        n_feh=pl.Series([2] * 3 + [3] * 17), fe=pl.when(pl.int_range(20) > 17).then(None).otherwise(pl.col("fe"))
    )
    result = fit_table(table, settings=GradientsConfig(**PLAIN, models=("line",)), rng=Streams(1))
    assert result.steps[0].lost["with fewer than 3 stars"] == 3
    assert result.steps[0].lost["without [Fe/H]"] == 2
    assert result.steps[0].went_on == result.frame["n_clusters"][0] == 15


def test_wrong_tables_are_refused() -> None:
    settings = GradientsConfig(**PLAIN, models=("line",))
    table = frame(n=20)
    with pytest.raises(SchemaError, match="lacks"):
        fit_table(table.drop("e_fe"), settings=settings, rng=Streams(1))
    with pytest.raises(SchemaError, match="twice"):
        fit_table(pl.concat([table, table]), settings=settings, rng=Streams(1))
    with pytest.raises(SchemaError, match="error of"):
        fit_table(table.with_columns(e_fe=pl.lit(0.0)), settings=settings, rng=Streams(1))
    with pytest.raises(EmptyResultError, match="no group"):
        fit_table(table.head(3), settings=settings, rng=Streams(1))
    with pytest.raises(EmptyResultError):
        fit_table(table.clear(), settings=settings, rng=Streams(1))


def test_edges_must_increase() -> None:
    from melotte.config import parse

    base = {"survey": {"adapter": "lamost", "file": "x"}, "members": {"catalogue": "cantat2018"}}
    with pytest.raises(ConfigError, match="must increase"):
        parse(base | {"clusters": {"catalogue": "cantat2020"}, "gradients": {"age_edges": ["1 Gyr", "0.5 Gyr"]}})


def test_products_read_back(tmp_path: Path) -> None:
    settings = GradientsConfig(**PLAIN, models=("line", "parabola"))
    result = fit_table(frame(n=20, scatter=0.05), settings=settings, rng=Streams(1))
    paths = write_gradients(result, tmp_path)
    assert {p.name for p in paths} == {
        *(f"{stem}.{form}" for stem in ("gradients", "model_comparison") for form in FORMATS),
        "gradients.dat", "gradients.ReadMe", "gradients.nc", "table6_line_scatter.tex", "table6_parabola_scatter.tex",
    }  # fmt: skip
    assert read_table(tmp_path / "gradients.fits", GRADIENTS).equals(result.frame)
    tex = (tmp_path / "table6_parabola_scatter.tex").read_text()
    a = result.frame.filter(pl.col("model") == "parabola + scatter")["median"][0]
    assert f"$a_{{1}}$ & ${a:.3f}^" in tex
    with xr.open_datatree(tmp_path / "gradients.nc", engine="h5netcdf") as tree:
        node: Any = tree[fit_group("all", "r_gc_0_myr", "line + scatter")]
        slope = np.asarray(node["posterior"]["b"]).ravel()
        assert node.attrs["converged"] == 1
        assert node["posterior"]["b"].attrs["units"] == "dex / (kpc)"
        assert node["log_likelihood"]["feh"].dims == ("chain", "draw", "cluster")
    row = result.frame.row(0, named=True)
    assert np.median(slope) == pytest.approx(row["median"], abs=0.2 * row["sd"])


def test_astropy_reads_the_cds_files(tmp_path: Path) -> None:
    result = fit_table(frame(n=20), settings=GradientsConfig(**PLAIN, models=("line",)), rng=Streams(1))
    data, description = cds(result.frame, GRADIENTS, "gradients.dat")
    (tmp_path / "gradients.dat").write_text(data)
    (tmp_path / "ReadMe").write_text(description)
    table = Table.read(tmp_path / "gradients.dat", format="ascii.cds", readme=str(tmp_path / "ReadMe"))
    for column in GRADIENTS:
        values = result.frame[column.name]
        if values.null_count() == len(values):
            assert column.cds_label not in table.colnames
            continue
        for cell, value in zip(table[column.cds_label], values, strict=True):
            if isinstance(value, float):
                assert float(cell) == pytest.approx(value, rel=1e-2, abs=1e-4)
            else:
                assert np.ma.is_masked(cell) if value is None else type(value)(cell) == value
