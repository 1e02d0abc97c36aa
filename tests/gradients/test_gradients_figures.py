"""Figures of the metallicity distribution: what is drawn is what was fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from matplotlib.collections import FillBetweenPolyCollection

from melotte.config import GradientsConfig
from melotte.core.randomness import Streams
from melotte.errors import MelotteError
from melotte.figures import save
from melotte.figures.corner import corner
from melotte.figures.gradients import metallicity_distribution, residuals
from melotte.gradients import GradientsResult, fit_table


@pytest.fixture(scope="module")
def result() -> GradientsResult:
    rng = np.random.default_rng(1)
    r = rng.uniform(7.5, 15, 40)
    feh = -0.06 * (r - 8.5) + 0.05 * rng.standard_normal(40)
    feh[3] = -2.0
    table = pl.DataFrame(
        {
            "cluster": [f"Cluster_{i}" for i in range(40)],
            "feh": feh,
            "e": np.full(40, 0.05),
            "age": np.repeat([0.05, 3.0], 20),
            "r_gc_0_myr": r,
            "r_gc_300_myr": r + 0.3,
            "l_z": 230.0 * r,
        }
    )
    settings = GradientsConfig(
        feh="feh",
        feh_error="e",
        age="age",
        age_unit="Gyr",
        predictors=("r_gc_0_myr", "r_gc_300_myr", "l_z"),
        models=("line", "parabola"),
        scatter=False,
    )
    return fit_table(table, settings=settings, rng=Streams(1))


def test_a_panel_per_predictor_with_curves_bands_and_outliers(result: GradientsResult, tmp_path: Path) -> None:
    figure = metallicity_distribution(result.fits, model="line")
    assert [ax.get_xlabel() for ax in figure.axes][:2] == [r"$R_{\rm GC}$ (kpc)"] * 2
    assert {t.get_text() for ax in figure.axes for t in ax.texts} == {"today", "300 Myr ago"}
    first = figure.axes[0]
    assert len([c for c in first.collections if isinstance(c, FillBetweenPolyCollection)]) == 2
    fit = next(f for f in result.fits if f.group == "<0.1" and f.predictor.name == "r_gc_0_myr")
    b, c = fit.posterior.median
    curves: list[Any] = [line for line in first.lines if len(line.get_xdata()) == 120]
    assert any(np.allclose(line.get_ydata(), b * line.get_xdata() + c, atol=0.005) for line in curves)
    # The cluster at -2 dex is outside the panel and marked at its edge.
    low, high = first.get_ylim()
    marks: list[Any] = [
        line for line in first.lines if line.get_marker() == "v" and line.get_markerfacecolor() == "none"
    ]
    assert sum(len(line.get_xdata()) for line in marks) == 1
    assert low > -2.0
    assert all(low < y < high for line in marks for y in line.get_ydata())
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["< 0.1 Gyr (20)", "2–4 Gyr (20)"]
    assert save(figure, tmp_path / "fig10", ("png",))[0].stat().st_size > 10_000


def test_several_models_must_be_named(result: GradientsResult) -> None:
    with pytest.raises(MelotteError, match="several models"):
        metallicity_distribution(result.fits)
    with pytest.raises(MelotteError, match="no fits"):
        metallicity_distribution(result.fits, model="broken")


def test_residuals_name_the_outlier(result: GradientsResult) -> None:
    fits = [f for f in result.fits if f.predictor.name == "l_z"]
    figure = residuals(fits, model="line")
    texts = [t.get_text() for t in figure.axes[0].texts]
    assert any(t.startswith("Cluster 3") for t in texts)
    with pytest.raises(MelotteError, match="3 predictors"):
        residuals(result.fits, model="line")


def test_corner_shows_the_posterior(result: GradientsResult) -> None:
    fit = next(f for f in result.fits if f.model.shape == "parabola")
    figure = corner(fit)
    assert len(figure.axes) == 9
    lines: list[Any] = [line.get_xdata()[0] for line in figure.axes[0].lines]
    post = fit.posterior
    assert lines == [post.median[0], post.p16[0], post.p84[0]]
    assert [figure.axes[6 + n].get_xlabel() for n in range(3)] == ["$a$", "$b$", "$c$"]
