"""The flare: the likelihood, its errors, and what the tests say about simulated discs."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.integrate import quad
from scipy.stats import kstest

from melotte.config import StructureConfig
from melotte.core.randomness import Streams
from melotte.errors import ConvergenceError, EmptyResultError, SchemaError
from melotte.structure import FlareResult, eccentricities, flare
from melotte.structure.vertical import Vertical, fit, log_density

SETTINGS = StructureConfig(permutations=999)
TRUTH = np.array([np.log(0.08), 0.22, 0.015, 0.0])


def heights(rng: np.random.Generator, R: np.ndarray, p: np.ndarray, profile: str = "sech2") -> np.ndarray:
    """Draws of Z at R: the distance from z0 from the inverse cumulative distribution, the side by its share."""
    h = np.exp(p[0] + p[1] * (R - 8.2))
    north = rng.uniform(size=len(R)) < 1.0 / (1.0 + np.exp(-p[3]))
    side = h * np.exp(np.where(north, 0.5, -0.5) * p[3])
    away = 2.0 * np.arctanh(rng.uniform(size=len(R))) if profile == "sech2" else np.abs(rng.normal(size=len(R)))
    return p[2] + np.where(north, 1.0, -1.0) * side * away


def disc(seed: int, n: int = 300, p: np.ndarray = TRUTH, profile: str = "sech2") -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    R = rng.uniform(7.0, 13.0, n)
    return R, heights(rng, R, p, profile)


def tables(R: np.ndarray, z: np.ndarray, log_age: np.ndarray) -> tuple[pl.DataFrame, pl.DataFrame]:
    names = [f"C_{k}" for k in range(len(R))]
    dynamics = pl.DataFrame({"cluster": names, "r_gc": R, "z_gc": z, "v_phi": np.full(len(R), 230.0)})
    return dynamics, pl.DataFrame({"cluster": names, "log_age": log_age})


def find(result: FlareResult, test: str, group: str = "all") -> dict[str, object]:
    rows = result.tests.filter(pl.col("test").str.contains(test) & (pl.col("group") == group))
    assert rows.height == 1
    return rows.row(0, named=True)


@pytest.mark.parametrize("profile", ["sech2", "gaussian"])
@pytest.mark.parametrize("asymmetry", [0.0, 0.8, -0.5])
def test_the_density_is_normalised_and_its_north_has_the_stated_share(profile: str, asymmetry: float) -> None:
    p = np.array([np.log(0.3), 0.1, 0.05, asymmetry])

    def density(z: float) -> float:
        return float(np.exp(log_density(np.array([10.0]), np.array([z]), p, profile, 8.2)[0]))  # type: ignore[arg-type]

    south, north = quad(density, -20.0, 0.05)[0], quad(density, 0.05, 20.0)[0]
    assert south + north == pytest.approx(1.0, abs=1e-6)
    assert north == pytest.approx(1.0 / (1.0 + np.exp(-asymmetry)), abs=1e-6)
    assert density(0.05 - 1e-9) == pytest.approx(density(0.05 + 1e-9), rel=1e-6)


@pytest.mark.parametrize("profile", ["sech2", "gaussian"])
@pytest.mark.parametrize("asymmetry", [0.0, 0.6])
def test_a_simulated_flare_is_recovered_with_honest_errors(profile: str, asymmetry: float) -> None:
    """Forty discs: the mean of (fit - truth) / error is 0, its standard deviation 1."""
    truth = np.array([*TRUTH[:3], asymmetry])
    pulls = []
    for seed in range(40):
        found = fit(*disc(seed, p=truth, profile=profile), profile=profile, r_ref=8.2, free=(True,) * 4)  # type: ignore[arg-type]
        pulls.append((found.p - truth) / found.sd)
    mean, sd = np.mean(pulls, axis=0), np.std(pulls, axis=0)
    assert (np.abs(mean) < 3.5 / np.sqrt(40)).all()
    assert ((sd > 0.65) & (sd < 1.4)).all()


def test_the_errors_are_those_of_the_likelihood() -> None:
    """The profile likelihood falls by 1/2 at one standard deviation."""
    R, z = disc(3, n=600)
    free = (True, True, True, False)
    best = fit(R, z, profile="sech2", r_ref=8.2, free=free)
    for shift in (-1.0, 1.0):
        held = best.p[1] + shift * best.sd[1]
        values = [
            log_density(R, z, np.array([ln_h, held, z0, 0.0]), "sech2", 8.2).sum()
            for z0 in np.linspace(best.p[2] - 3 * best.sd[2], best.p[2] + 3 * best.sd[2], 41)
            for ln_h in np.linspace(best.p[0] - 3 * best.sd[0], best.p[0] + 3 * best.sd[0], 41)
        ]
        assert best.log_likelihood - max(values) == pytest.approx(0.5, abs=0.08)


def test_likelihood_ratios_without_a_flare_follow_chi_square() -> None:
    flat = np.array([np.log(0.1), 0.0, 0.0, 0.0])
    twice = []
    for seed in range(60):
        R, z = disc(seed, n=150, p=flat)
        both = [fit(R, z, profile="sech2", r_ref=8.2, free=(True, k, True, False)) for k in (False, True)]
        twice.append(2.0 * (both[1].log_likelihood - both[0].log_likelihood))
    assert min(twice) > -1e-4
    assert kstest(twice, "chi2", args=(1,)).pvalue > 0.001


def test_the_stage_finds_flare_asymmetry_and_confinement() -> None:
    rng = np.random.default_rng(4)
    R = rng.uniform(7.0, 14.0, 400)
    young = np.arange(400) < 200
    p_young, p_old = np.array([np.log(0.05), 0.2, 0.0, 0.0]), np.array([np.log(0.15), 0.2, 0.0, 1.2])
    z = np.where(young, heights(rng, R, p_young), heights(rng, R, p_old))
    log_age = np.where(young, 8.0, 9.3)
    log_age[0] = np.log10(5e8)  # on the edge: belongs to the older
    result = flare(*tables(R, z, log_age), settings=SETTINGS, rng=Streams(1))
    assert dict(result.facts) == {"all": 400, "younger": 199, "older": 201}
    rows = {(r["group"], r["model"], r["parameter"]): r for r in result.frame.iter_rows(named=True)}
    for group, model, truth in (("younger", "", 0.05), ("older", ", asymmetric", 0.15)):
        h = rows[group, f"sech2, exponential flare{model}", "h0"]
        assert abs(np.log(h["value"] / truth)) < 3.5 * 0.5 * np.log(h["p84"] / h["p16"])
    a = rows["older", "sech2, exponential flare, asymmetric", "asymmetry"]
    assert a["p16"] > 0.6
    assert a["p84"] < 1.8
    assert find(result, "flare against")["p_value"] < 1e-6
    assert find(result, "asymmetry", "older")["p_value"] < 1e-3
    assert find(result, "north as south", "older")["p_value"] < 0.05
    assert find(result, "share one vertical")["p_value"] < 1e-6
    assert find(result, "not nearer")["p_value"] == pytest.approx(1e-3)
    curve = result.curve.filter(pl.col("group") == "older")
    assert (curve["scale_p16"] < curve["scale"]).all()
    assert curve["scale"].is_sorted()


def test_ages_that_mean_nothing_confine_nothing() -> None:
    """Permutation p-values of random ages are uniform."""
    p = []
    for seed in range(15):
        R, z = disc(seed, n=120)
        log_age = np.random.default_rng(seed).choice([7.5, 9.0], 120)
        result = flare(*tables(R, z, log_age), settings=StructureConfig(permutations=199), rng=Streams(seed))
        p.append(find(result, "not nearer")["p_value"])
    assert kstest(p, "uniform").pvalue > 0.001


def test_missing_places_small_groups_and_columns() -> None:
    R, z = disc(5, n=60)
    dynamics, clusters = tables(R, z, np.where(np.arange(60) < 10, 9.2, 7.5))
    dynamics = dynamics.with_columns(r_gc=pl.when(pl.col("cluster") == "C_59").then(None).otherwise("r_gc"))
    result = flare(dynamics, clusters, settings=SETTINGS, rng=Streams(1))
    assert result.steps[0].went_on == 59
    assert any("older: 10 clusters are too few" in note for note in result.notes)
    assert set(result.frame["group"]) == {"all", "younger"}
    with pytest.raises(SchemaError, match="z_gc"):
        flare(dynamics.drop("z_gc"), clusters, settings=SETTINGS, rng=Streams(1))
    with pytest.raises(EmptyResultError):
        flare(dynamics.head(10), clusters, settings=SETTINGS, rng=Streams(1))
    one_radius = dynamics.with_columns(r_gc=pl.lit(9.0))
    with pytest.raises(ConvergenceError):
        flare(one_radius, clusters, settings=SETTINGS, rng=Streams(1))


def test_scale_of_a_fit() -> None:
    found = Vertical(np.array([np.log(0.1), 0.2, 0, 0]), np.diag([0.01, 0.0025, 0, 0]), 0.0, 10, "sech2", 8.0)
    ln_h, sd = found.scale(np.array([8.0, 10.0]))
    np.testing.assert_allclose(np.exp(ln_h), [0.1, 0.1 * np.exp(0.4)])
    np.testing.assert_allclose(sd, [0.1, np.sqrt(0.01 + 4 * 0.0025)])


# --- eccentricities -------------------------------------------------------------------------------------------------


def orbits(n: int = 80) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(6)
    age = rng.uniform(7.0, 9.8, n)
    names = [f"C_{k}" for k in range(n)]
    ecc = np.clip(0.03 * (age - 6.5) + 0.02 * rng.normal(size=n), 0.001, 0.9)
    feh = rng.normal(-0.1, 0.2, n)
    dynamics = pl.DataFrame({"cluster": names, "r_apo": 10.0 - 3.0 * feh + rng.normal(0, 0.5, n), "ecc": ecc})
    clusters = pl.DataFrame(
        {"cluster": names, "log_age": age, "feh_med": feh, "feh_med_error": 0.05, "n_rv": rng.integers(1, 5, n),
         "n_feh": rng.integers(0, 6, n)}
    )  # fmt: skip
    return dynamics, clusters


def test_eccentricities_select_and_test() -> None:
    dynamics, clusters = orbits()
    dynamics = dynamics.with_columns(ecc=pl.when(pl.col("cluster") == "C_0").then(None).otherwise("ecc"))
    result = eccentricities(dynamics, clusters, settings=SETTINGS, rng=Streams(1))
    assert result.frame.height == 79
    joined = clusters.filter(pl.col("cluster") != "C_0")
    assert result.frame["by_age"].sum() == joined.filter(pl.col("n_rv") >= 2).height
    assert result.frame["by_feh"].sum() == joined.filter(pl.col("n_feh") >= 3).height
    assert result.tests["p_value"].to_list() == pytest.approx([1e-3, 1e-3])
    assert result.tests["observed"][0] > 0.5
    assert result.tests["observed"][1] < -0.5
    shuffled = clusters.with_columns(pl.col("log_age", "feh_med").shuffle(seed=3))
    none = eccentricities(dynamics, shuffled, settings=SETTINGS, rng=Streams(1))
    assert (none.tests["p_value"] > 0.01).all()


def test_eccentricities_without_feh() -> None:
    dynamics, clusters = orbits()
    result = eccentricities(dynamics, clusters.select("cluster", "log_age"), settings=SETTINGS, rng=Streams(1))
    assert not result.frame["by_feh"].any()
    assert result.tests.height == 1
    with pytest.raises(SchemaError, match="r_apo"):
        eccentricities(dynamics.drop("r_apo"), clusters, settings=SETTINGS, rng=Streams(1))
