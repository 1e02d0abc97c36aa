"""Figures of orbits: what is drawn is what is in the tables."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from melotte.config import GalaxyConfig
from melotte.core.randomness import Streams
from melotte.errors import MelotteError
from melotte.figures import orbits as figures
from melotte.figures.look import save
from melotte.galaxy import DynamicsResult, dynamics

N = 12


@pytest.fixture(scope="module")
def clusters() -> pl.DataFrame:
    rng = np.random.default_rng(4)
    return pl.DataFrame(
        {
            "cluster": [f"Test_{k}" for k in range(N)],
            "ra": rng.uniform(0, 360, N),
            "dec": rng.uniform(-10, 70, N),
            "distance": [None, *rng.uniform(300, 3000, N - 1)],
            "pmra": rng.normal(0, 2, N),
            "pmdec": rng.normal(-2, 2, N),
            "rv_med": rng.normal(0, 20, N),
            "rv_med_error": rng.uniform(0.5, 3, N),
            "log_age": [None, None, *rng.uniform(7, 9.8, N - 2)],
            "feh_med": [0.1, None, *rng.normal(-0.1, 0.2, N - 2)],
        }
    )


@pytest.fixture(scope="module")
def result(clusters: pl.DataFrame) -> DynamicsResult:
    settings = GalaxyConfig(draws=30, velocity="uncorrected")
    return dynamics(clusters, settings=settings, rng=Streams(3))


def drawn(figure: Figure, panel: int) -> np.ndarray:
    """Points of all scatter collections of a panel, sorted."""
    offsets = [np.asarray(c.get_offsets()) for c in figure.axes[panel].collections]
    points = np.concatenate([o for o in offsets if o.ndim == 2 and len(o) and np.any(o)])
    return points[np.lexsort(points.T)]


@pytest.mark.parametrize("panel", [0, 1])
def test_eccentricity_shows_every_cluster_with_an_orbit(
    result: DynamicsResult, clusters: pl.DataFrame, panel: int
) -> None:
    figure = figures.eccentricity(result.frame, clusters)
    known = result.frame.drop_nulls(["r_apo"])
    points = known.select("r_apo", "ecc").to_numpy()
    np.testing.assert_allclose(drawn(figure, panel), points[np.lexsort(points.T)])
    assert len(points) == N - 1
    assert figure.axes[panel].get_xlabel() == "Apocentre (kpc)"


def test_energy_momentum_has_ridge_and_names(result: DynamicsResult, clusters: pl.DataFrame) -> None:
    ridge = np.array([1500.0, 2500.0]), np.array([-1.6e5, -1.4e5])
    figure = figures.energy_momentum(result.frame, clusters, ridge=ridge, names=["Test 3"])
    points = result.frame.drop_nulls(["l_z"]).select(pl.col("l_z") / 1e3, pl.col("energy") / 1e5).to_numpy()
    np.testing.assert_allclose(drawn(figure, 0), points[np.lexsort(points.T)])
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert any(np.allclose(line.get_xdata(), [1.5, 2.5]) for line in lines)
    assert "Test 3" in [text.get_text() for text in figure.axes[0].texts]


def test_positions_has_one_panel_per_time(result: DynamicsResult, clusters: pl.DataFrame) -> None:
    figure = figures.positions(result.snapshots, colour=clusters)
    titles = [ax.get_title() for ax in figure.axes[:6]]
    assert titles == ["today", *(f"{t} Myr ago" for t in range(100, 501, 100))]
    for panel, time in enumerate(range(0, 501, 100)):
        now = (
            result.snapshots.filter((pl.col("lookback") == time) & pl.col("x").is_not_null())
            .select("x", "y")
            .to_numpy()
        )
        np.testing.assert_allclose(drawn(figure, panel), now[np.lexsort(now.T)])
    assert len(figures.positions(result.snapshots.filter(pl.col("lookback") <= 100)).axes) == 2


def test_one_orbit(clusters: pl.DataFrame) -> None:
    settings = GalaxyConfig.model_validate({"draws": 0, "velocity": "uncorrected", "step": "5 Myr"})
    fine = dynamics(clusters[3:5], settings=settings, rng=Streams(3))
    figure = figures.orbit(fine.snapshots, cluster="Test 3", r_peri=fine.frame["r_peri"][0])
    rows = fine.snapshots.filter(pl.col("cluster") == "Test_3").sort("lookback")
    for panel, (x, y) in enumerate((("r_gc", "z_gc"), ("x", "y"), ("lookback", "r_gc"))):
        line = figure.axes[panel].lines[0]
        np.testing.assert_allclose(line.get_xdata(), rows[x].to_numpy())
        np.testing.assert_allclose(line.get_ydata(), rows[y].to_numpy())
    with pytest.raises(MelotteError, match="2 clusters"):
        figures.orbit(fine.snapshots)
    with pytest.raises(MelotteError, match="Nowhere"):
        figures.orbit(fine.snapshots, cluster="Nowhere")


def test_nothing_to_draw(clusters: pl.DataFrame, result: DynamicsResult) -> None:
    none = result.frame.filter(pl.col("reason").is_not_null())
    places = result.snapshots.filter(pl.col("cluster") == "Test_0")
    for figure in (
        figures.eccentricity(none, clusters),
        figures.energy_momentum(none, clusters),
        figures.positions(result.snapshots[:0]),
        figures.orbit(places),
    ):
        assert any("no " in text.get_text() for text in figure.axes[0].texts)


def test_files(result: DynamicsResult, clusters: pl.DataFrame, tmp_path: object) -> None:
    from pathlib import Path

    paths = save(figures.eccentricity(result.frame, clusters), Path(str(tmp_path)) / "fig9")
    assert all(p.stat().st_size > 1000 for p in paths)
