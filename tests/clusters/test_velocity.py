"""Radial-velocity selection, cluster velocities and the zero point."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from science_tables import spectra, stars

from melotte.clusters.velocity import CLUSTER_VELOCITIES, select, zero_point
from melotte.config import VelocityConfig, ZeroPointConfig
from melotte.core.randomness import Streams
from melotte.errors import SchemaError
from melotte.schema import MEMBER_STARS

RNG = Streams(20221101)
PAPER = VelocityConfig()
QUICK = VelocityConfig(draws=200)


def cluster(name: str, n: int, *, rv: float = 10.0, error: float = 3.0, start: int = 0, seed: int = 1) -> list[dict]:
    generator = np.random.default_rng(seed)
    return [
        {"cluster": name, "source_id": start + i, "rv": float(v), "rv_error": error}
        for i, v in enumerate(generator.normal(rv, error, n))
    ]


class TestSelection:
    def test_limits_are_those_of_the_pooled_draws(self) -> None:
        rows = cluster("A", 40)
        found = select(stars(rows), settings=PAPER, rng=RNG)
        v = np.array([r["rv"] for r in rows])
        mu, sigma = v.mean(), np.sqrt(v.var() + 9.0)
        row = found.members.row(0, named=True)
        assert row["rv_low"] == pytest.approx(mu - 2 * sigma, abs=0.15)
        assert row["rv_high"] == pytest.approx(mu + 2 * sigma, abs=0.15)
        centre, half = (row["rv_low"] + row["rv_high"]) / 2, (row["rv_high"] - row["rv_low"]) / 2
        assert row["rv_deviation"] == pytest.approx((row["rv"] - centre) / (half / 2))

    def test_measured_velocity_decides(self) -> None:
        found = select(
            stars([*cluster("A", 30), {"cluster": "A", "source_id": 99, "rv": 80.0, "rv_error": 3.0}]),
            settings=PAPER,
            rng=RNG,
        )
        table = found.members
        inside = table["rv"].is_between(table["rv_low"], table["rv_high"])
        assert (inside == (table["flag"] == 1)).all()
        outlier = table.filter(pl.col("source_id") == 99).row(0, named=True)
        assert outlier["flag"] == 0
        assert outlier["rv_deviation"] > 2
        for number in ("80.0 km/s", f"{outlier['rv_deviation']:.3g}", f"{outlier['rv_high']:.2f}"):
            assert number in outlier["reason"]

    def test_cluster_values_against_the_definition(self) -> None:
        rows = cluster("A", 25, seed=3)
        found = select(stars(rows), settings=PAPER, rng=RNG)
        used = found.members.filter(pl.col("flag") == 1)
        row = found.clusters.row(0, named=True)
        n = used.height
        assert (row["n_all"], row["n_rv"]) == (25, n)
        error = 3.0 / np.sqrt(n)
        assert row["rv_mean"] == pytest.approx(used["rv"].mean(), abs=4.5 * error / np.sqrt(5000))
        assert row["rv_mean_error"] == pytest.approx(error, rel=0.05)
        assert row["rv_scatter"] == pytest.approx(used["rv"].std(ddof=1), rel=1e-12)
        x = np.random.default_rng(0).normal(used["rv"].to_numpy(), 3.0, size=(20_000, n))
        medians = np.median(x, axis=1)
        assert row["rv_med"] == pytest.approx(medians.mean(), abs=4.5 * error * np.sqrt(1 / 5000 + 1 / 20_000) * 1.3)
        assert row["rv_med_error"] == pytest.approx(medians.std(), rel=0.06)

    @settings(max_examples=20, deadline=None)
    @given(rv=st.floats(-500, 500), error=st.floats(1e-3, 50))
    def test_one_star_is_itself(self, rv: float, error: float) -> None:
        found = select(stars([{"cluster": "A", "rv": rv, "rv_error": error}]), settings=QUICK, rng=RNG)
        row, star = found.clusters.row(0, named=True), found.members.row(0, named=True)
        assert (row["rv_med"], row["rv_mean"]) == (rv, rv)
        assert (row["rv_med_error"], row["rv_mean_error"], row["rv_scatter"]) == (error, error, None)
        assert (star["flag"], star["rv_deviation"]) == (1, 0.0)
        assert (star["rv_low"], star["rv_high"]) == pytest.approx((rv - 2 * error, rv + 2 * error))

    def test_one_usable_star_among_several(self) -> None:
        rows = [{"cluster": "A", "rv": 5.0, "rv_error": 2.0}, {"cluster": "A", "rv": 9.0}, {"cluster": "A"}]
        found = select(stars(rows), settings=QUICK, rng=RNG)
        row = found.clusters.row(0, named=True)
        assert (row["n_all"], row["n_rv"], row["rv_med"], row["rv_med_error"]) == (3, 1, 5.0, 2.0)
        assert found.members["flag"].to_list() == [1, 0, 0]
        assert found.members["reason"][1] == "RV 9.0 km/s has no error"
        assert found.members["reason"][2] == "no radial velocity"

    def test_cluster_without_a_usable_star_is_rejected_with_a_reason(self) -> None:
        rows = [*cluster("A", 5), {"cluster": "B"}, {"cluster": "B", "rv": 1.0}]
        found = select(stars(rows), settings=QUICK, rng=RNG)
        assert found.clusters["cluster"].to_list() == ["A"]
        assert found.rejected.select("cluster", "n_all").rows() == [("B", 2)]
        assert "no star with a radial velocity" in found.rejected["reason"][0]
        assert found.members.height == 7  # no star is lost
        assert "B" in found.notes[0]

    def test_a_narrow_clip_can_leave_nobody(self) -> None:
        rows = [{"cluster": "A", "rv": v, "rv_error": 1.0} for v in (-50.0, 50.0)]
        found = select(stars(rows), settings=VelocityConfig(draws=200, clip="0.5 sigma"), rng=RNG)
        assert found.clusters.is_empty()
        assert found.rejected["reason"].to_list() == ["no star within 0.5 sigma of the mean"]

    def test_all_errors_missing(self) -> None:
        found = select(stars([{"cluster": "A", "rv": 1.0}, {"cluster": "A", "rv": 2.0}]), settings=QUICK, rng=RNG)
        assert found.clusters.is_empty()
        assert found.members["flag"].to_list() == [0, 0]

    def test_account_adds_up(self) -> None:
        rows = [*cluster("A", 30), {"cluster": "A"}, {"cluster": "A", "rv": 1.0}, {"cluster": "B"}]
        found = select(stars(rows), settings=QUICK, rng=RNG)
        stars_step, clusters_step = found.steps
        assert stars_step.came_in == 33
        assert stars_step.went_on == (found.members["flag"] == 1).sum()
        assert clusters_step.went_on == found.clusters.height == 1

    def test_empty(self) -> None:
        found = select(stars([]), settings=QUICK, rng=RNG)
        assert found.members.columns == MEMBER_STARS.names
        assert found.clusters.columns == CLUSTER_VELOCITIES.names
        assert found.members.is_empty()

    def test_order_jobs_and_other_clusters_do_not_matter(self) -> None:
        rows = [*cluster("A", 50), *cluster("B", 7, start=100, seed=2), *cluster("C", 1, start=200)]
        table = stars(rows)
        first = select(table, settings=QUICK, rng=RNG)
        for other in (
            select(table.sample(fraction=1, shuffle=True, seed=3), settings=QUICK, rng=RNG),
            select(table, settings=QUICK, rng=RNG, jobs=3),
        ):
            assert first.members.equals(other.members)
            assert first.clusters.equals(other.clusters)
        alone = select(table.filter(pl.col("cluster") == "A"), settings=QUICK, rng=RNG)
        clip = ["cluster", "n_all", "n_rv", "rv_med", "rv_med_error", "rv_mean", "rv_mean_error", "rv_scatter"]
        # What all clusters share makes the mixture model depend on the others; the clip never does.
        assert alone.clusters[clip].equals(first.clusters.filter(pl.col("cluster") == "A")[clip])

    @settings(max_examples=15, deadline=None)
    @given(shift=st.floats(-300, 300))
    def test_shift(self, shift: float) -> None:
        rows = cluster("A", 20)
        moved = [{**r, "rv": r["rv"] + shift} for r in rows]
        a = select(stars(rows), settings=QUICK, rng=RNG)
        b = select(stars(moved), settings=QUICK, rng=RNG)
        assert (a.members["flag"] == b.members["flag"]).all()
        assert b.clusters["rv_med"][0] == pytest.approx(a.clusters["rv_med"][0] + shift, abs=1e-8)
        assert b.clusters["rv_med_error"][0] == pytest.approx(a.clusters["rv_med_error"][0], abs=1e-8)

    def test_star_in_two_clusters_is_noted(self) -> None:
        rows = [*cluster("A", 4), *[{**r, "cluster": "B"} for r in cluster("A", 1)]]
        table = stars([r for r in rows if r["cluster"] == "A"])
        both = pl.concat([table, table.head(1).with_columns(cluster=pl.lit("B"))]).with_columns(
            n_clusters=pl.len().over("source_id").cast(pl.Int32)
        )
        found = select(both, settings=QUICK, rng=RNG)
        assert found.members.height == 5
        assert any("1 star is in the member list of more than one cluster" in note for note in found.notes)


class TestZeroPoint:
    @staticmethod
    def flagged(rows: list[dict]) -> pl.DataFrame:
        return select(stars(rows), settings=QUICK, rng=RNG).members

    def test_reference_minus_survey(self) -> None:
        generator = np.random.default_rng(0)
        rows = [{**r, "source_id_dr3": 1000 + r["source_id"]} for r in cluster("A", 60)]
        used = self.flagged(rows)
        difference = generator.normal(4.7, 2.0, 60)
        reference = spectra(
            [
                {"source_id_dr3": 1000 + r["source_id"], "rv": r["rv"] + d, "rv_error": 0.5}
                for r, d in zip(rows, difference, strict=True)
            ]
        )
        found = zero_point(used, reference, settings=ZeroPointConfig())
        keep = used.filter(pl.col("flag") == 1)["source_id"].to_numpy()
        assert found.n == len(keep) < 60
        assert found.median == pytest.approx(np.median(difference[keep]))
        assert found.mean == pytest.approx(difference[keep].mean())
        assert found.sd == pytest.approx(difference[keep].std(ddof=1))
        assert found.median_error == pytest.approx(1.2533 * 2.0 / np.sqrt(found.n), rel=0.4)
        assert found.pairs["gaia_release"].unique().to_list() == ["DR3"]
        assert found.numbers() == {
            "n": found.n,
            "median": found.median,
            "error": found.median_error,
            "mean": found.mean,
            "sd": found.sd,
        }

    def test_ids_of_different_releases_never_meet(self) -> None:
        used = self.flagged(cluster("A", 20))  # DR2 ids only
        as_dr3 = spectra([{"source_id_dr3": i, "rv": 0.0, "rv_error": 1.0} for i in range(20)])
        assert zero_point(used, as_dr3, settings=ZeroPointConfig()).n == 0
        as_dr2 = spectra([{"source_id_dr2": i, "rv": 0.0, "rv_error": 1.0} for i in range(20)])
        found = zero_point(used, as_dr2, settings=ZeroPointConfig(minimum_stars=5))
        assert found.n == (used["flag"] == 1).sum()
        assert found.pairs["gaia_release"].unique().to_list() == ["DR2"]

    def test_dr3_comes_first_and_no_star_counts_twice(self) -> None:
        used = self.flagged([{**r, "source_id_dr3": 500 + r["source_id"]} for r in cluster("A", 20)])
        reference = spectra(
            [
                row
                for i in range(20)
                for row in (
                    {"source_id_dr3": 500 + i, "rv": 1.0, "rv_error": 1.0},
                    {"source_id_dr2": i, "rv": 2.0, "rv_error": 1.0},
                )
            ]
        )
        found = zero_point(used, reference, settings=ZeroPointConfig(minimum_stars=5))
        assert found.pairs["rv_reference"].unique().to_list() == [1.0]
        assert found.pairs["source_id"].is_unique().all()

    def test_reference_may_be_combined_stars(self) -> None:
        used = self.flagged(cluster("A", 20))
        reference = stars([{**r, "rv": r["rv"] + 3.0} for r in cluster("A", 20)]).drop(
            "cluster", "probability", "n_clusters"
        )
        found = zero_point(used, reference, settings=ZeroPointConfig(minimum_stars=5))
        assert found.median == pytest.approx(3.0)
        assert found.median_error == pytest.approx(0.0, abs=1e-9)

    def test_repeated_reference_spectra_are_averaged(self) -> None:
        used = self.flagged(cluster("A", 20))
        reference = spectra(
            [{"source_id_dr2": i, "rv": v, "rv_error": e} for i in range(20) for v, e in ((0.0, 1.0), (5.0, 2.0))]
        )
        found = zero_point(used, reference, settings=ZeroPointConfig(minimum_stars=5))
        assert found.pairs["rv_reference"].to_numpy() == pytest.approx(1.0)

    def test_too_few_stars_give_none_and_say_so(self) -> None:
        used = self.flagged(cluster("A", 5))
        reference = spectra([{"source_id_dr2": i, "rv": 0.0, "rv_error": 1.0} for i in range(5)])
        found = zero_point(used, reference, settings=ZeroPointConfig())
        assert (found.median, found.mean, found.sd, found.median_error) == (None, None, None, None)
        assert found.numbers() is None
        assert found.pairs.height == found.n > 0
        assert f"{found.n} stars in common" in found.notes[0]

    def test_wrong_table(self) -> None:
        with pytest.raises(SchemaError):
            zero_point(self.flagged(cluster("A", 3)), pl.DataFrame({"rv": [1.0]}), settings=ZeroPointConfig())
