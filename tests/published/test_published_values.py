"""Cluster velocities and metallicities of real stars against the published catalogue (Fu et al. 2022).

The stars are a later release and mostly fewer than the published ones, hence the tolerances: velocities within 2 sigma
(both errors in quadrature) + 1 km/s, [Fe/H] within 0.08 dex, for clusters with five matched stars or more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from melotte.clusters import metallicity, velocity
from melotte.clusters.isochrones import load_isochrones
from melotte.config import (
    ClustersConfig,
    CrossmatchConfig,
    MembersConfig,
    MetallicityConfig,
    StarsConfig,
    SurveyConfig,
    VelocityConfig,
    ZeroPointConfig,
)
from melotte.core.randomness import Streams
from melotte.crossmatch import identify
from melotte.inputs.members import read_clusters, read_members
from melotte.inputs.surveys import open_survey
from melotte.stars import assign, combine


@dataclass(frozen=True)
class Run:
    """The stages on the LAMOST low-resolution stars of 15 clusters."""

    stars: pl.DataFrame
    clusters: pl.DataFrame
    velocity: velocity.VelocityResult
    metallicity: metallicity.MetallicityResult
    catalogue: pl.DataFrame


def metallicities(
    found: velocity.VelocityResult, clusters: pl.DataFrame, data_dir: Path, rule: str
) -> metallicity.MetallicityResult:
    settings = MetallicityConfig(giant_rule=rule)
    grid = load_isochrones(settings.isochrones, data_dir=data_dir) if rule == "isochrone" else None
    return metallicity.select(found.members, clusters, grid, settings=settings, rng=Streams(20221101))


@pytest.fixture(scope="module")
def run(data_dir: Path) -> Run:
    survey = open_survey(SurveyConfig(adapter="lamost", file="surveys/lamost_lrs_clusters.csv"), data_dir=data_dir)
    spectra = survey.read().frame
    members = read_members(MembersConfig(catalogue="cantat2018", probability=">= 0.7"), data_dir=data_dir).frame
    clusters = read_clusters(ClustersConfig(catalogue="cantat2020"), data_dir=data_dir).frame
    matches = identify(spectra, members, settings=CrossmatchConfig()).frame
    stars = assign(combine(spectra, matches, settings=StarsConfig()).frame, members)
    found = velocity.select(stars, settings=VelocityConfig(), rng=Streams(20221101))
    feh = metallicities(found, clusters, data_dir, "isochrone")
    return Run(stars, clusters, found, feh, metallicity.assemble(found.clusters, feh.clusters, clusters))


@pytest.fixture(scope="module")
def published(data_dir: Path) -> pl.DataFrame:
    return pl.read_csv(data_dir / "clusters" / "fu2022.csv").rename({"Cluster": "cluster"})


def test_stars_and_clusters(run: Run) -> None:
    assert run.stars.height == 537  # P >= 0.7 members among the 691 stars
    assert run.catalogue.height == 15


def test_velocities(run: Run, published: pl.DataFrame) -> None:
    both = run.catalogue.join(published, on="cluster").filter(pl.col("n_all") >= 5)
    assert both.height == 12
    tolerance = 2 * np.hypot(both["rv_med_error"].to_numpy(), both["e_RVmed"].to_numpy()) + 1.0
    pull = (both["rv_med"] - both["RVmed"]).abs().to_numpy() / tolerance
    assert (pull <= 1).all(), dict(zip(both["cluster"], pull.round(2), strict=True))


def test_metallicities(run: Run, published: pl.DataFrame) -> None:
    both = run.catalogue.join(published, on="cluster").filter(pl.col("n_all") >= 5)
    difference = (both["feh_med"] - both["[Fe/H]med"]).to_numpy()
    assert np.isfinite(difference).all()
    assert (np.abs(difference) <= 0.08).all(), dict(zip(both["cluster"], difference.round(3), strict=True))


@pytest.mark.parametrize(
    ("cluster", "rv", "error"), [("IC_4665", -18.6, 1.3), ("NGC_1039", -11.6, 0.6), ("NGC_752", -0.3, 0.9)]
)
def test_values_found_independently_with_the_same_stars(run: Run, cluster: str, rv: float, error: float) -> None:
    row = run.catalogue.row(by_predicate=pl.col("cluster") == cluster, named=True)
    # Given to one decimal; centre and error carry Monte-Carlo noise of about error / sqrt(5000).
    assert row["rv_med"] == pytest.approx(rv, abs=0.15)
    assert row["rv_med_error"] == pytest.approx(error, abs=0.15)


def test_single_stars_are_the_published_ones(run: Run, published: pl.DataFrame) -> None:
    both = run.catalogue.join(published, on="cluster").filter(pl.col("n_all") == 1, pl.col("Nall") == 1)
    assert both.height == 3
    assert both["rv_med"].to_numpy() == pytest.approx(both["RVmed"].to_numpy(), abs=0.3)
    assert both["rv_scatter"].null_count() == 3


def test_both_giant_rules_keep_the_same_stars_here(run: Run, data_dir: Path) -> None:
    """LAMOST's cool stars leave a gap in log g (giants below 2.9, dwarfs above 4.1) that holds both dividing values."""
    fixed = metallicities(run.velocity, run.clusters, data_dir, "logg").members
    isochrone = run.metallicity.members
    cool = isochrone.filter(pl.col("giant_rule") == "isochrone", pl.col("flag") > 0, pl.col("teff") >= 4000)
    assert cool.height > 50
    assert cool["logg"].is_between(2.9, 4.1).sum() == 0
    assert cool["logg_giant"].is_between(2.9, 4.1).all()
    assert (isochrone["flag"] == fixed["flag"]).all()


def test_zero_point_against_gaia(run: Run, data_dir: Path) -> None:
    config = SurveyConfig(adapter="gaia_rvs", file="surveys/gaia_dr3_rv_in_tarricq2022_members.csv.gz")
    reference = open_survey(config, data_dir=data_dir).read().frame
    found = velocity.zero_point(run.metallicity.members, reference, settings=ZeroPointConfig())
    assert found.n >= 50
    assert found.pairs["gaia_release"].unique().to_list() == ["DR3"]
    assert found.median is not None
    assert found.median_error is not None
    # Published (7,570 stars): median 4.66 km/s.
    assert abs(found.median - 4.66) < 3 * found.median_error + 0.5
    table = metallicity.assemble(
        run.velocity.clusters, run.metallicity.clusters, run.clusters, zero_point=found.numbers()
    )
    # The corrected velocities against Gaia's own (Soubiran et al. 2018), for well-populated clusters.
    gaia = pl.read_csv(data_dir / "clusters" / "soubiran2018.csv").select(pl.col("ID").alias("cluster"), "RV", "e_RV")
    both = table.filter(pl.col("n_rv") >= 50).join(gaia, on="cluster")
    assert {"NGC_2682", "NGC_752"} <= set(both["cluster"])
    error = np.hypot(both["rv_corrected_error"].to_numpy(), both["e_RV"].to_numpy())
    assert (np.abs((both["rv_corrected"] - both["RV"]).to_numpy()) < 3 * error).all(), both
