"""Table 6 of Fu et al. 2022 from the published catalogue, and the gradient of Spina et al. 2022."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from published_tables import fu2022_clusters

from melotte.config import GalaxyConfig, GradientsConfig
from melotte.core.randomness import Streams
from melotte.galaxy import dynamics
from melotte.gradients import fit_table, flat_tail_test, predictor_table

pytestmark = pytest.mark.real_data

GROUPS = {"<0.1": 53, "0.1-0.5": 67, "0.5-1": 34, "1-2": 30, "2-4": 12, ">4": 5}
NOW = ("r_gc_0_myr", "l_z", "energy")

#: Fu et al. 2022, Table 6: (median, up, down) of a, b, c against R_GC, L_Z/10^3 and E/10^5.
TABLE6: dict[str, dict[str, tuple[tuple[float, float, float], ...]]] = {
    ">4": {
        "r_gc_0_myr": ((0.066, 0.102, 0.101), (-1.379, 2.021, 2.038), (7.019, 9.951, 9.878)),
        "l_z": ((0.423, 0.706, 0.763), (-2.037, 3.133, 2.890), (2.278, 2.965, 3.209)),
        "energy": ((6.343, 9.242, 9.366), (17.821, 27.608, 27.947), (12.331, 20.589, 20.830)),
    },
    "2-4": {
        "r_gc_0_myr": ((0.004, 0.003, 0.003), (-0.143, 0.090, 0.090), (0.894, 0.633, 0.629)),
        "l_z": ((0.177, 0.153, 0.143), (-1.196, 0.809, 0.866), (1.621, 1.191, 1.126)),
        "energy": ((3.203, 3.122, 3.373), (7.673, 8.505, 9.148), (4.198, 5.765, 6.078)),
    },
    "1-2": {
        "r_gc_0_myr": ((0.005, 0.008, 0.008), (-0.170, 0.176, 0.176), (1.026, 0.897, 0.898)),
        "l_z": ((0.037, 0.167, 0.229), (-0.459, 1.053, 0.765), (0.685, 0.872, 1.181)),
        "energy": ((-1.522, 3.596, 3.235), (-5.670, 10.621, 9.556), (-5.182, 7.819, 7.043)),
    },
    "0.5-1": {
        "r_gc_0_myr": ((-0.002, 0.009, 0.009), (-0.017, 0.189, 0.190), (0.274, 0.930, 0.925)),
        "l_z": ((-0.371, 0.187, 0.197), (1.349, 0.869, 0.825), (-1.233, 0.894, 0.940)),
        "energy": ((-6.969, 3.223, 3.243), (-21.900, 9.621, 9.671), (-17.206, 7.164, 7.196)),
    },
    "0.1-0.5": {
        "r_gc_0_myr": ((-0.009, 0.008, 0.008), (0.122, 0.162, 0.163), (-0.383, 0.833, 0.830)),
        "l_z": ((-0.215, 0.235, 0.173), (0.611, 0.811, 1.095), (-0.402, 1.238, 0.937)),
        "energy": ((-4.113, 2.934, 3.074), (-13.651, 8.598, 9.005), (-11.297, 6.292, 6.590)),
    },
    "<0.1": {
        "r_gc_0_myr": ((-0.005, 0.012, 0.011), (0.044, 0.205, 0.223), (-0.027, 1.032, 0.951)),
        "l_z": ((-0.135, 0.252, 0.210), (0.406, 0.873, 1.053), (-0.277, 1.097, 0.904)),
        "energy": ((-2.439, 4.097, 3.798), (-8.025, 12.480, 11.586), (-6.577, 9.508, 8.830)),
    },
}


@pytest.fixture(scope="module")
def table(data_dir: Path) -> pl.DataFrame:
    """The published [Fe/H] and velocities; predictors from the orbit stage."""
    clusters = fu2022_clusters(data_dir)
    settings = GalaxyConfig(draws=100, velocity="uncorrected")
    orbits = dynamics(clusters, settings=settings, rng=Streams(1), jobs=2)
    return clusters.join(
        predictor_table(orbits.frame, orbits.snapshots), on="cluster", how="left", maintain_order="left"
    )


@pytest.fixture(scope="module")
def exact(table: pl.DataFrame) -> pl.DataFrame:
    settings = GradientsConfig(feh_error="scatter", models=("parabola",), scatter=False, x_errors=False, predictors=NOW)
    return fit_table(table, settings=settings, rng=Streams(1)).frame


def test_groups_have_the_published_sizes(exact: pl.DataFrame) -> None:
    sizes = exact.group_by("group").agg(pl.col("n_clusters").unique())
    assert {g: n for g, (n,) in sizes.iter_rows()} == GROUPS


def test_all_54_coefficients_of_table_6(exact: pl.DataFrame) -> None:
    found = {(r["group"], r["predictor"], r["parameter"]): r for r in exact.iter_rows(named=True)}
    assert len(found) == 54
    for group, columns in TABLE6.items():
        for name, coefficients in columns.items():
            for parameter, (median, up, down) in zip("abc", coefficients, strict=True):
                ours = found[group, name, parameter]
                half = (up + down) / 2
                assert abs(ours["median"] - median) < 0.25 * half, (group, name, parameter)
                assert abs(ours["sd"] - half) < 0.25 * half, (group, name, parameter)


def test_errors_of_the_median_change_the_young_groups_completely(table: pl.DataFrame) -> None:
    """Why the intrinsic scatter is part of the model: b of the youngest group is -0.19 +- 0.06 without it."""
    base = {"models": ("parabola",), "x_errors": False, "predictors": ("r_gc_0_myr",)}
    sd = {}
    for scatter in (False, True):
        settings = GradientsConfig.model_validate(base | {"scatter": scatter})
        frame = fit_table(table, settings=settings, rng=Streams(1)).frame
        row = frame.filter((pl.col("group") == "<0.1") & (pl.col("parameter") == "b")).row(0, named=True)
        assert row["converged"]
        sd[scatter] = row["sd"]
        if not scatter:
            assert row["median"] == pytest.approx(-0.19, abs=0.005)
            assert row["sd"] == pytest.approx(0.06, abs=0.005)
    assert sd[True] > 4 * sd[False]


@pytest.mark.slow
def test_legacy_run_of_emcee_finds_the_exact_posterior(table: pl.DataFrame, exact: pl.DataFrame) -> None:
    """300 walkers, 10,000 steps: medians within 0.02 sigma, widths within 3 %, for the two middle groups."""
    few = table.filter(pl.col("log_age").is_between(9.0, 9.599))
    frame = fit_table(few, settings=GradientsConfig(legacy="fu2022"), rng=Streams(1)).frame
    key = ["group", "predictor", "parameter"]
    both = frame.join(exact, on=key, suffix="_exact")
    assert both.height == 18
    assert both["converged"].all()
    assert ((both["median"] - both["median_exact"]) / both["sd_exact"]).abs().max() < 0.02
    assert ((both["p84"] - both["p16"]) / (both["p84_exact"] - both["p16_exact"]) - 1).abs().max() < 0.03


def test_flat_tails_are_not_decided_by_the_data(table: pl.DataFrame) -> None:
    old = table.filter(pl.col("log_age") >= 9.3010)
    deserved, published = flat_tail_test(old, settings=GradientsConfig(), rng=Streams(1))
    refused = deserved.comparison.filter(pl.col("group") == ">4")
    assert refused["refused"].str.starts_with("5 clusters do not carry").all()
    for result, groups in ((deserved, {"2-4"}), (published, {"2-4", ">4"})):
        fitted = result.comparison.filter(pl.col("refused").is_null())
        assert set(fitted["group"]) == groups
        # No shape, the straight line included, is worse than the best by two standard errors and more than 4.
        assert not fitted["verdict"].str.contains("left out worse").any()


def test_slope_and_knee_of_spina_2022(data_dir: Path) -> None:
    """About -0.06 to -0.07 dex/kpc inside some 12 kpc, flatter outside (Spina et al. 2022)."""
    spina = pl.read_csv(data_dir / "clusters" / "spina2022.csv", infer_schema_length=None).select(
        pl.col("Cluster").alias("cluster"),
        pl.col("Fe").cast(pl.Float64, strict=False),
        pl.col("Fe_err").cast(pl.Float64, strict=False),
        r=pl.col("R_Rzphi_med").cast(pl.Float64, strict=False),
    )
    usable = spina.filter(pl.col("Fe_err") > 0).unique("cluster", keep="first", maintain_order=True)
    settings = GradientsConfig(feh="Fe", feh_error="Fe_err", age_edges=(), predictors=("r",), models=("line", "broken"))
    result = fit_table(usable, settings=settings, rng=Streams(1))
    assert result.frame["converged"].all()
    rows = {r["parameter"]: r for r in result.frame.filter(pl.col("model") == "broken + scatter").iter_rows(named=True)}
    inner, outer, knee = rows["slope_in"], rows["slope_out"], rows["knee"]
    assert -0.08 < inner["median"] < -0.05
    assert inner["sd"] < 0.01
    assert outer["median"] - inner["median"] > 2 * np.hypot(inner["sd"], outer["sd"])
    assert 10.5 < knee["median"] < 14.0
    verdict = result.comparison.filter(pl.col("model") == "broken + scatter")
    assert verdict["delta_loo"][0] == 0.0
