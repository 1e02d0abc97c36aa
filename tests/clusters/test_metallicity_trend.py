"""The trend of [Fe/H] with Teff, and the mixture model of [Fe/H]: injected and recovered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from science_tables import clusters, stars

from melotte.clusters.metallicity import select
from melotte.clusters.metallicity.likelihood import metallicity_model
from melotte.clusters.metallicity.trend import fit_trend, held_out
from melotte.clusters.velocity import select as select_by_velocity
from melotte.config import MetallicityConfig, MetallicityModelConfig, TrendConfig, VelocityConfig
from melotte.core.randomness import Streams
from melotte.errors import EmptyResultError
from melotte.schema import CLUSTERS, MEMBER_STARS
from melotte.validation.simulate import SimulationSettings, simulate
from melotte.workflow.pipeline import compute

SETTINGS = TrendConfig()
FIT = MetallicityConfig(giant_rule="logg", teff_trend="fit", draws=200)
NOISE = 0.06


def dwarf_trend(teff: NDArray[np.float64]) -> NDArray[np.float64]:
    """Injected: falls below 5500 K, flat above."""
    return np.where(teff < 5500, -0.35 * (5500 - teff) / 1000, 0.0)


def members(seed: int, *, n_clusters: int = 20, trend: bool = True, outliers: float = 0.05) -> pl.DataFrame:
    """MEMBER_STARS of flag 1: dwarfs of 4200-7000 K and, in half of the clusters, giants that are 0.1 dex too rich."""
    rng = np.random.default_rng(seed)
    rows = []
    for c in range(n_clusters):
        feh = rng.normal(-0.05, 0.15)
        for i in range(30):
            giant = c % 2 == 0 and i < 8
            teff = rng.uniform(4500, 5100) if giant else rng.uniform(4200, 7000)
            shift = 0.1 if giant else float(dwarf_trend(np.array(teff)))
            value = feh + rng.normal(0, NOISE) + (shift if trend else 0.0)
            if rng.random() < outliers:
                value += rng.normal(0, 0.5)
            rows.append(
                {
                    "cluster": f"C{c:02d}",
                    "source_id": 100 * c + i,
                    "rv": float(rng.normal(10, 3)),
                    "rv_error": 3.0,
                    "teff": float(teff),
                    "teff_error": 50.0,
                    "logg": 2.5 if giant else 4.5,
                    "logg_error": 0.1,
                    "feh": float(value),
                    "feh_error": NOISE,
                }
            )
    found = select_by_velocity(stars(rows), settings=VelocityConfig(draws=100, clip="9 sigma"), rng=Streams(1)).members
    return MEMBER_STARS.conform(found)


@pytest.fixture(scope="module")
def with_trend() -> pl.DataFrame:
    return members(1)


def test_the_injected_trend_comes_out(with_trend: pl.DataFrame):
    trend = fit_trend(with_trend, settings=SETTINGS, dwarf_logg=3.5)
    assert trend is not None
    teff = np.linspace(4400, 6800, 25)
    found = trend.at(teff, np.zeros(25, dtype=bool))
    # Zero on average in the reference range, where the injected one is zero too. 580 stars of 0.06 dex on six knots.
    assert found == pytest.approx(dwarf_trend(teff), abs=0.05)
    assert trend.at(np.array([4800.0]), np.array([True]))[0] == pytest.approx(0.1, abs=0.04)


def test_without_a_trend_none_is_found():
    trend = fit_trend(members(2, trend=False), settings=SETTINGS, dwarf_logg=3.5)
    assert trend is not None
    found = trend.at(np.linspace(4400, 6800, 25), np.zeros(25, dtype=bool))
    assert np.abs(found).max() < 0.05
    assert trend.scatter_after == pytest.approx(trend.scatter_before, rel=0.35)


def test_clusters_that_were_left_out_scatter_less(with_trend: pl.DataFrame):
    found = held_out(with_trend, settings=SETTINGS, dwarf_logg=3.5)
    assert found.n_clusters == 20
    assert found.uncorrected > 1.5 * NOISE
    # What is left is the noise, to the precision of a robust scatter of 600 stars of which 5 % are outliers.
    assert found.corrected == pytest.approx(NOISE, rel=0.15)


def test_outside_its_range_there_is_no_trend(with_trend: pl.DataFrame):
    trend = fit_trend(with_trend, settings=SETTINGS, dwarf_logg=3.5)
    assert trend is not None
    assert np.isnan(trend.at(np.array([3000.0, 9000.0]), np.array([False, False]))).all()
    assert trend.dwarfs is not None
    inside = with_trend.filter((pl.col("logg") > 3.5) & pl.col("teff").is_between(trend.dwarfs.low, trend.dwarfs.high))
    n_dwarfs = with_trend.filter(pl.col("logg") > 3.5).height
    assert inside.height == n_dwarfs - 2 * (SETTINGS.minimum_stars - 1)


def test_the_stage_subtracts_it(with_trend: pl.DataFrame):
    ages = clusters({f"C{c:02d}": 9.0 for c in range(20)})
    found = select(with_trend, ages, None, settings=FIT, rng=Streams(1))
    cut = select(with_trend, ages, None, settings=FIT.model_copy(update={"teff_trend": "cuts"}), rng=Streams(1))
    assert found.trend is not None
    assert any("trend of [Fe/H] with Teff: fitted to" in note for note in found.notes)
    assert found.clusters["n_feh"].sum() > 1.2 * cut.clusters["n_feh"].sum()  # cool dwarfs are used
    used = found.members.filter(pl.col("flag") == 12)
    assert used["feh_trend"].is_not_null().all()
    assert used["reason"].str.contains("subtracted").all()
    assert found.members["feh"].equals(with_trend.sort("cluster", "source_id")["feh"])  # the survey's value is kept
    lost = found.members.filter(pl.col("flag") == 1)
    assert lost["feh_trend"].is_null().all()
    assert cut.members["feh_trend"].is_null().all()
    row = found.clusters.row(0, named=True)
    mine = used.filter(pl.col("cluster") == row["cluster"]).select(pl.col("feh") - pl.col("feh_trend")).to_series()
    assert row["feh_mean"] == pytest.approx(mine.mean(), abs=0.01)
    assert row["feh_scatter"] == pytest.approx(mine.std())


def test_too_few_clusters(with_trend: pl.DataFrame):
    few = with_trend.filter(pl.col("cluster").is_in(["C00", "C01"]))
    with pytest.raises(EmptyResultError, match="trend of"):
        select(few, CLUSTERS.empty(), None, settings=FIT, rng=Streams(1))


def test_row_order_does_not_matter(with_trend: pl.DataFrame):
    one = fit_trend(with_trend, settings=SETTINGS, dwarf_logg=3.5)
    two = fit_trend(with_trend.sample(fraction=1, shuffle=True, seed=2), settings=SETTINGS, dwarf_logg=3.5)
    assert one is not None
    assert two is not None
    assert one.note() == two.note()
    assert one.dwarfs is not None
    assert two.dwarfs is not None
    assert np.array_equal(one.dwarfs.value, two.dwarfs.value)


@pytest.mark.slow
def test_a_simulated_survey_with_a_trend(tmp_path: Path):
    """The whole pipeline on a survey whose [Fe/H] rises by 0.1 dex per 1000 K: cuts leave it, the fit takes it out."""
    from melotte.validation.demonstration import CONFIG

    survey = simulate(SimulationSettings(n_clusters=60, n_field_spectra=0, feh_trend_dex=0.1), Streams(11))
    survey.write(tmp_path)
    scatter = {}
    for how in ("cuts", "fit"):
        config = {**CONFIG, "metallicity": {"giant_rule": "logg", "teff_trend": how}}
        found = compute(config, data_dir=tmp_path)
        used = found.members.filter(pl.col("flag") == 12)
        value = pl.col("feh") - pl.col("feh_trend").fill_null(0.0)
        rest = used.select((value - value.median().over("cluster")).alias("d"))["d"]
        scatter[how] = 1.4826 * float(rest.abs().median())
    assert scatter["fit"] < scatter["cuts"]


class TestModel:
    def test_recovers_what_was_put_in(self):
        rng = np.random.default_rng(3)
        n, each = 80, 12
        true = rng.normal(-0.1, 0.15, n)
        error = rng.uniform(0.03, 0.1, n * each)
        field = rng.random(n * each) < 0.08
        value = np.repeat(true, each) + rng.normal(0, np.hypot(np.hypot(error, 0.06), 0.02))
        value = np.where(field, np.repeat(true, each) + rng.normal(0, 0.25, n * each), value)
        table = pl.DataFrame(
            {
                "cluster": np.repeat([f"C{k:02d}" for k in range(n)], each),
                "source_id": np.arange(n * each),
                "feh": value,
                "feh_error": error,
                "probability": np.full(n * each, 0.9),
                "rv_probability": pl.Series([None] * (n * each), dtype=pl.Float64),
            }
        )
        found = metallicity_model(table, settings=MetallicityModelConfig(), jobs=2)
        assert found.survey is not None
        total = np.hypot(found.survey.error_scale * 0.06, found.survey.error_floor)
        assert total == pytest.approx(np.hypot(0.06, 0.06), rel=0.1)
        assert found.clusters["fraction_p50"].null_count() == n
        low, high = (found.clusters[f"mean_p{p}"].to_numpy() for p in (16, 84))
        inside = ((low <= true) & (true <= high)).mean()
        assert inside == pytest.approx(0.68, abs=3 * np.sqrt(0.68 * 0.32 / n))

    def test_the_velocity_tells_field_stars(self):
        rows = {
            "cluster": ["A"] * 6,
            "source_id": list(range(6)),
            "feh": [0.0, 0.02, -0.02, 0.01, -0.6, -0.01],
            "feh_error": [0.05] * 6,
            "probability": [0.9] * 6,
        }
        settings = MetallicityModelConfig(unlisted_width=0, trust_width=0)
        high = pl.DataFrame({**rows, "rv_probability": [0.95] * 6})
        low = pl.DataFrame({**rows, "rv_probability": [0.95] * 4 + [0.001, 0.95]})
        a, b = (metallicity_model(t, settings=settings).members["member"][4] for t in (high, low))
        assert b < a < 0.2
