"""The dynamics stage: sampling, masks, determinism, files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from melotte.config import GalaxyConfig, parse
from melotte.core.randomness import Streams
from melotte.errors import ConfigError, SchemaError
from melotte.galaxy import frames, sampling
from melotte.galaxy.orbits import integrate_orbits
from melotte.galaxy.percentiles import Percentiles
from melotte.galaxy.potential import load_potential
from melotte.galaxy.sink import parquet_sink
from melotte.galaxy.stage import chain_of, compare_chains, dynamics
from melotte.galaxy.sun import solar
from melotte.schema import DYNAMICS, SNAPSHOTS

RNG = Streams(7)


def table(n: int = 4) -> pl.DataFrame:
    rng = np.random.default_rng(n)
    return pl.DataFrame(
        {
            "cluster": [f"C{k}" for k in range(n)],
            "ra": rng.uniform(0, 360, n),
            "dec": rng.uniform(-60, 80, n),
            "distance": rng.uniform(300, 3000, n),
            "distance_error": rng.uniform(10, 200, n),
            "pmra": rng.normal(0, 3, n),
            "pmdec": rng.normal(-2, 3, n),
            "pmra_error": rng.uniform(0.05, 0.3, n),
            "pmdec_error": rng.uniform(0.05, 0.3, n),
            "pmra_pmdec_corr": rng.uniform(-0.9, 0.9, n),
            "rv_med": rng.normal(0, 20, n),
            "rv_med_error": rng.uniform(0.5, 4, n),
        }
    )


def quick(**more: object) -> GalaxyConfig:
    return GalaxyConfig.model_validate({"draws": 64, "velocity": "uncorrected", **more})


def test_percentiles_against_brute_force() -> None:
    """One cluster, drawn by other means: covariance matrix, astropy-free chain, plain percentiles."""
    one = table(1)
    draws = 6000
    found = dynamics(one, settings=quick(draws=draws), rng=RNG).frame.row(0, named=True)
    row = one.row(0, named=True)
    rng = np.random.default_rng(99)
    s1, s2, rho = row["pmra_error"], row["pmdec_error"], row["pmra_pmdec_corr"]
    pm = rng.multivariate_normal([row["pmra"], row["pmdec"]], [[s1**2, rho * s1 * s2], [rho * s1 * s2, s2**2]], draws)
    modulus = 5 * np.log10(row["distance"]) - 5
    error = 5 / np.log(10) * row["distance_error"] / row["distance"]
    distance = 10 ** ((rng.normal(modulus, error, draws) + 5) / 5) / 1e3
    rv = rng.normal(row["rv_med"], row["rv_med_error"], draws)
    x, v = frames.icrs_to_galactocentric(
        np.full(draws, row["ra"]), np.full(draws, row["dec"]), distance, pm[:, 0], pm[:, 1], rv, solar("fu2022")
    )
    orbits = integrate_orbits(x, v, load_potential("mcmillan2017"))
    brute = {
        "u_lsr": v[:, 0],
        "l_z": -(x[:, 0] * v[:, 1] - x[:, 1] * v[:, 0]),
        "r_gc": np.hypot(x[:, 0], x[:, 1]),
        "r_peri": orbits.r_peri,
        "r_apo": orbits.r_apo,
        "z_max": orbits.z_max,
        "ecc": orbits.eccentricity,
        "energy": orbits.energy,
    }
    for name, values in brute.items():
        width = values.std()
        for p in (16, 50, 84):
            # 1.6 / sqrt(n) is the standard error of the 16th percentile of a Gaussian; two samples, five sigma.
            assert found[f"{name}_p{p}"] == pytest.approx(
                np.percentile(values, p), abs=5 * 1.6 * width * (2 / draws) ** 0.5
            )
    assert found["n_draws"] == draws


def test_same_seed_same_numbers_whatever_the_order_or_the_threads() -> None:
    clusters = table(5)
    first = dynamics(clusters, settings=quick(), rng=RNG)
    threads = dynamics(clusters, settings=quick(), rng=RNG, jobs=2)
    assert first.frame.equals(threads.frame)
    reversed_ = dynamics(clusters.reverse(), settings=quick(), rng=RNG)
    assert first.frame.equals(reversed_.frame.reverse())
    alone = dynamics(clusters[3:4], settings=quick(), rng=RNG)
    assert alone.frame.equals(first.frame[3:4])
    other = dynamics(clusters, settings=quick(), rng=Streams(8))
    assert not first.frame["r_peri_p50"].equals(other.frame["r_peri_p50"])
    assert first.frame["r_peri"].equals(other.frame["r_peri"])


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    one = table(1)
    whole = dynamics(one, settings=quick(draws=3000), rng=RNG).frame.row(0, named=True)
    monkeypatch.setattr(sampling, "BLOCK", 700)
    parts = dynamics(one, settings=quick(draws=3000), rng=RNG).frame.row(0, named=True)
    for name in ("r_peri", "l_z", "ecc"):
        width = whole[f"{name}_p84"] - whole[f"{name}_p16"]
        for p in (16, 50, 84):
            # The same draws, counted in bins over three times the range of the first block.
            assert parts[f"{name}_p{p}"] == pytest.approx(whole[f"{name}_p{p}"], abs=2e-3 * width)


def test_streamed_percentiles_are_those_of_all_values() -> None:
    rng = np.random.default_rng(0)
    values = np.stack([rng.normal(5, 2, 50_000), rng.exponential(1, 50_000), np.full(50_000, 3.0)], axis=1)
    stream = Percentiles()
    for block in np.array_split(values, 9):
        stream.add(block)
    result = stream.result()
    assert result is not None
    np.testing.assert_allclose(result, np.percentile(values, [16, 50, 84], axis=0), atol=2e-3)
    assert Percentiles().result() is None


def test_rows_that_cannot_be_computed_are_there_with_a_reason() -> None:
    clusters = table(5).with_columns(
        distance=pl.Series([None, 1000.0, 1000.0, 0.0, 1000.0]),
        rv_med=pl.Series([1.0, None, 1.0, 1.0, 900.0]),
        pmra=pl.Series([1.0, 1.0, None, 1.0, 1.0]),
    )
    result = dynamics(clusters, settings=quick(), rng=RNG)
    reasons = result.frame["reason"].to_list()
    assert reasons[0] == "no distance"
    assert reasons[1] == "no radial velocity"
    assert reasons[2] == "no proper motion"
    assert reasons[3] == "no distance"
    assert "unbound" in reasons[4]
    assert result.frame.select(pl.all().exclude("cluster", "reason", "n_draws", "rv_zero_point").is_null().all()).row(0)
    assert result.rejected.height == 5
    assert result.steps[0].went_on == 0
    assert result.snapshots.filter(pl.col("r_gc").is_not_null()).height == 0
    assert result.snapshots.height == 5 * 6
    DYNAMICS.validate(result.frame)
    SNAPSHOTS.validate(result.snapshots)


def test_empty_table() -> None:
    result = dynamics(table(3)[:0], settings=quick(), rng=RNG)
    assert result.frame.height == 0
    assert result.snapshots.height == 0


def test_draws_that_escape_are_left_out_and_counted() -> None:
    fast = table(1).with_columns(rv_med=pl.lit(450.0), rv_med_error=pl.lit(150.0), ra=pl.lit(180.0), dec=pl.lit(0.0))
    result = dynamics(fast, settings=quick(draws=400), rng=RNG)
    row = result.frame.row(0, named=True)
    assert 0 < row["n_draws"] < 400
    assert any("n_draws" in note for note in result.notes)


def test_corrected_velocity_is_used_where_there_is_one() -> None:
    clusters = table(2).with_columns(
        rv_corrected=pl.Series([5.0, None], dtype=pl.Float64),
        rv_corrected_error=pl.Series([1.0, None], dtype=pl.Float64),
    )
    result = dynamics(clusters, settings=quick(velocity="corrected"), rng=RNG)
    assert result.frame["rv_zero_point"].to_list() == ["corrected", "uncorrected"]
    assert any("no zero-point correction" in note for note in result.notes)
    by_hand = dynamics(clusters.with_columns(rv_med=pl.Series([5.0, 0.0])), settings=quick(), rng=RNG)
    assert result.frame["u_lsr"][0] == by_hand.frame["u_lsr"][0]
    legacy = dynamics(clusters, settings=quick(velocity="corrected", legacy="fu2022"), rng=RNG)
    assert set(legacy.frame["rv_zero_point"]) == {"uncorrected"}


def test_errors_that_are_assumed_are_named() -> None:
    bare = table(2).drop("distance_error", "pmra_error", "pmdec_error", "rv_med_error")
    notes = " ".join(dynamics(bare, settings=quick(), rng=RNG).notes)
    assert "0.1 mag" in notes
    assert "0.066 mas" in notes
    assert "no radial-velocity error" in notes


def test_sampling_the_sun_and_the_potential_widens() -> None:
    one = table(1)
    plain = dynamics(one, settings=quick(draws=500), rng=RNG).frame.row(0, named=True)
    sun = dynamics(one, settings=quick(draws=500, sample_sun=True), rng=RNG).frame.row(0, named=True)
    assert sun["r_gc_p84"] - sun["r_gc_p16"] > 1.5 * (plain["r_gc_p84"] - plain["r_gc_p16"])
    same = dynamics(
        one, settings=quick(draws=500, sample_potentials=["mcmillan2017", "mcmillan2017"]), rng=RNG
    ).frame.row(0, named=True)
    assert same == plain
    assert plain["r_gc"] == sun["r_gc"]


def test_a_heavier_halo_mixed_in_moves_the_percentiles(tmp_path: Path) -> None:
    from importlib.resources import files

    text = (files("melotte.galaxy") / "data" / "mcmillan2017.toml").read_text()
    components = text.split("[[component]]")
    light = 'name = "halo only"\n[[component]]' + components[-1].replace("8.53702e6", "2.2e7")
    path = tmp_path / "halo.toml"
    path.write_text(light)
    one = table(1)
    pure = dynamics(one, settings=quick(draws=300, potential=str(path)), rng=RNG).frame.row(0, named=True)
    plain = dynamics(one, settings=quick(draws=300), rng=RNG).frame.row(0, named=True)
    mixed = dynamics(one, settings=quick(draws=300, sample_potentials=["mcmillan2017", str(path)]), rng=RNG)
    row = mixed.frame.row(0, named=True)
    low, high = sorted([pure["energy_p50"], plain["energy_p50"]])
    assert low <= row["energy_p50"] <= high
    assert row["energy_p84"] - row["energy_p16"] > 5 * (plain["energy_p84"] - plain["energy_p16"])


def test_all_draws_to_parquet(tmp_path: Path) -> None:
    clusters = table(3)
    path = tmp_path / "draws.parquet"
    with parquet_sink(path) as sink:
        result = dynamics(clusters, settings=quick(draws=128), rng=RNG, sink=sink, jobs=2)
    draws = pl.read_parquet(path)
    assert draws.height == 3 * 128
    assert draws["cluster"].to_list() == [c for c in clusters["cluster"] for _ in range(128)]
    for cluster in clusters["cluster"]:
        values = draws.filter(pl.col("cluster") == cluster)["r_apo"].to_numpy()
        found = result.frame.filter(pl.col("cluster") == cluster)["r_apo_p50"][0]
        assert found == pytest.approx(float(np.percentile(values, 50)), rel=1e-12)
    without = dynamics(clusters, settings=quick(draws=128), rng=RNG)
    assert without.frame.equals(result.frame)
    with pytest.raises(RuntimeError), parquet_sink(tmp_path / "broken.parquet") as sink:
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["draws.parquet"]


def test_published_chain_differs_where_it_should() -> None:
    clusters = table(6)
    both = compare_chains(clusters, settings=quick(), rng=RNG)
    assert both["r_peri_difference"].abs().max() > 1e-3
    assert both["energy_difference"].mean() == pytest.approx(66.3, abs=30)
    right = dynamics(clusters, settings=quick(draws=0), rng=RNG).frame
    assert right["r_peri_p50"].null_count() == 6
    assert both["r_peri"].equals(right["r_peri"])


def test_unrotated_start_is_harmless_towards_the_anticentre() -> None:
    """At azimuth zero the heliocentric components are the cylindrical ones: only z and the sense of v_R differ."""
    from melotte.galaxy.legacy import unrotated_start

    x, v = np.array([[-10.0, 0.0, 0.1]]), np.array([[12.0, 230.0, 5.0]])
    start, speed = unrotated_start(x, v, 0.0)
    np.testing.assert_array_equal(start, [[10.0, 0.0, 0.1]])
    potential = load_potential("mcmillan2017")
    flipped = integrate_orbits(x, v * [-1, 1, 1], potential, forward=True)
    published = integrate_orbits(start, speed * [-1, 1, 1] * [-1, 1, 1], potential, forward=True)
    assert published.r_peri[0] == pytest.approx(flipped.r_peri[0], rel=1e-3)


def test_configuration() -> None:
    chain = chain_of(GalaxyConfig.model_validate({"lookback": "0.3 Gyr", "step": "100 Myr"}))
    np.testing.assert_allclose(chain.times, [0, 100, 200, 300])
    values = {"r0": "8 kpc", "v_c": "220 km/s", "u": "-10 km/s", "v": "5 km/s", "w": "7 km/s", "z": "0 kpc"}
    assert chain_of(GalaxyConfig.model_validate({"sun": values})).sun.u == -10.0
    with pytest.raises(ConfigError, match="nowhere"):
        chain_of(GalaxyConfig(sun="nowhere"))
    survey = {"survey": {"adapter": "lamost", "file": "x"}, "members": {"catalogue": "cantat2018"}}
    rest = {"clusters": {"catalogue": "cantat2020"}}
    with pytest.raises(ConfigError, match="named set"):
        parse({**survey, **rest, "galaxy": {"sun": values, "sample_sun": True}})
    with pytest.raises(ConfigError, match="wrong dimension"):
        parse({**survey, **rest, "galaxy": {"lookback": "500 km"}})


def test_wrong_tables() -> None:
    with pytest.raises(SchemaError, match="distance"):
        dynamics(table().drop("distance"), settings=quick(), rng=RNG)
    with pytest.raises(SchemaError, match="radial velocity"):
        dynamics(table().drop("rv_med"), settings=quick(), rng=RNG)
    with pytest.raises(SchemaError, match="twice"):
        dynamics(pl.concat([table(), table()]), settings=quick(), rng=RNG)


@pytest.mark.parametrize(
    ("column", "value"), [("pmra_pmdec_corr", 1.5), ("pmra_error", -0.1), ("distance_error", -3.0)]
)
def test_impossible_errors(column: str, value: float) -> None:
    with pytest.raises(SchemaError, match=f"row 1: {column}"):
        dynamics(table().with_columns(pl.lit(value).alias(column)), settings=quick(), rng=RNG)


def test_backend_through_the_stage() -> None:
    pytest.importorskip("galpy")
    two = table(2)
    result = dynamics(two, settings=quick(draws=3, potential="galpy:MWPotential2014"), rng=RNG)
    assert result.frame["reason"].null_count() == 2
    assert result.frame["guiding_radius_p50"].null_count() == 0
    bar = quick(draws=2, potential="galpy:MWPotential2014+DehnenBarPotential", lookback="50 Myr", step="50 Myr")
    turning = dynamics(two[:1], settings=bar, rng=RNG).frame
    assert turning["guiding_radius"].null_count() == 1
    assert any("bounds only" in note for note in dynamics(two, settings=bar, rng=RNG).notes)
    assert turning["r_peri_p50"].null_count() == 0
