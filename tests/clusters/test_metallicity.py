"""Selection by stellar parameters, cluster [Fe/H], and the assembled catalogue."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from astropy import units as u
from hypothesis import given, settings
from hypothesis import strategies as st
from science_tables import clusters, isochrone_grid, stars

from melotte.clusters import velocity
from melotte.clusters.isochrones import Isochrones
from melotte.clusters.metallicity import CLUSTER_METALLICITIES, MetallicityResult, assemble, select
from melotte.config import MetallicityConfig, VelocityConfig
from melotte.core.randomness import Streams
from melotte.errors import SchemaError
from melotte.schema import CATALOGUE, CLUSTERS, MEMBER_STARS

RNG = Streams(20221101)
QUICK = MetallicityConfig(draws=200)
FIXED = MetallicityConfig(draws=200, giant_rule="logg")
GRID = Isochrones(isochrone_grid())
GOOD = {"rv": 10.0, "rv_error": 3.0, "teff": 6000.0, "logg": 4.3, "feh": -0.1, "feh_error": 0.05}


def run(
    rows: list[dict],
    *,
    config: MetallicityConfig = QUICK,
    ages: dict[str, float | None] | None = None,
    grid: Isochrones | None = GRID,
) -> tuple[velocity.VelocityResult, MetallicityResult]:
    filled = [{"cluster": "A", **GOOD, "source_id": i, **row} for i, row in enumerate(rows)]
    moved = velocity.select(stars(filled), settings=VelocityConfig(draws=200), rng=RNG)
    return moved, select(moved.members, clusters(ages or {"A": 9.0}), grid, settings=config, rng=RNG)


def star(row: dict, **more: object) -> dict:
    """The fate of one star among others that are fine."""
    found = run([row, {}, {}, {}], **more)[1]  # type: ignore[arg-type]
    return found.members.row(0, named=True)


class TestSelection:
    @pytest.mark.parametrize(
        ("row", "flag", "words"),
        [
            ({}, 12, "Used for [Fe/H]: Teff 6000 K is within 4000 to 7500 K"),
            ({"teff": 7500.0}, 12, "Teff 7500 K is within"),
            ({"teff": 4000.0, "logg": 1.2}, 12, "a giant"),
            ({"teff": 5000.0, "logg": 4.7}, 12, "Teff 5000 K is within"),
            ({"teff": 7501.0}, 1, "Teff 7501 K is outside 4000 to 7500 K"),
            ({"teff": 3999.0, "logg": 1.2}, 1, "Teff 3999 K is outside"),
            ({"feh": None, "feh_error": None}, 1, "no [Fe/H]"),
            ({"feh_error": None}, 1, "[Fe/H] -0.1 has no valid error"),
            ({"feh_error": 0.0}, 1, "[Fe/H] -0.1 has no valid error"),
            ({"teff": None}, 1, "no Teff"),
            ({"teff": 4500.0, "logg": None}, 1, "without log g it cannot be shown to be a giant"),
            # The dividing log g of the made-up isochrone at 4500 K is (4.6 + 2.5) / 2.
            ({"teff": 4500.0, "logg": 3.56}, 1, "log g 3.56 is above 3.55, the isochrone's dividing value"),
            ({"teff": 4500.0, "logg": 3.54}, 12, "log g 3.54 is at most 3.55, the isochrone's dividing value: a giant"),
            ({"rv": 400.0}, 0, "accepted"),
            ({"rv": None}, 0, "no radial velocity"),
        ],
    )
    def test_each_rule(self, row: dict, flag: int, words: str) -> None:
        # Enough stars that one with a strange velocity lies outside 2 sigma.
        found = run([row] + [{}] * 8)[1].members.row(0, named=True)
        assert found["flag"] == flag, found["reason"]
        assert words in found["reason"]
        assert ("sed for [Fe/H]" in found["reason"]) == (flag > 0)

    def test_flag_12_keeps_the_velocity_sentence(self) -> None:
        assert star({})["reason"].startswith("RV 10.0 km/s is ")

    def test_fixed_rule(self) -> None:
        for logg, flag in ((3.5, 12), (3.51, 1)):
            found = star({"teff": 4500.0, "logg": logg}, config=FIXED)
            assert (found["flag"], found["giant_rule"], found["logg_giant"]) == (flag, "fixed", 3.5)
        assert "the fixed dividing value" in found["reason"]

    @pytest.mark.parametrize(
        ("more", "why"),
        [
            ({"grid": None}, "no isochrones given"),
            ({"ages": {"A": None}}, "no age in the cluster catalogue"),
            ({"ages": {"B": 9.0}}, "no age in the cluster catalogue"),
            ({"ages": {"A": 6.0}}, "no isochrone near log age 6"),
        ],
    )
    def test_fallback_to_the_fixed_rule_is_marked_and_noted(self, more: dict, why: str) -> None:
        _, found = run([{"teff": 4500.0, "logg": 3.52}, {}, {}], **more)
        first = found.members.row(0, named=True)
        assert (first["flag"], first["giant_rule"], first["logg_giant"]) == (1, "fixed", 3.5)
        assert found.giant_rules["why"].to_list() == [why]
        assert any(why in note and "3.5" in note for note in found.notes)

    def test_isochrone_without_giants_falls_back(self) -> None:
        dwarfs = Isochrones(isochrone_grid().filter(pl.col("phase") <= 1))
        found = star({"teff": 4500.0, "logg": 3.2}, grid=dwarfs)
        assert (found["flag"], found["giant_rule"], found["logg_giant"]) == (12, "fixed", 3.5)

    def test_isochrone_metallicity_is_the_warm_stars_median(self) -> None:
        poor = [{"feh": -0.2} for _ in range(3)]
        assert run(poor)[1].giant_rules["isochrone_mh"].to_list() == [-0.25]
        assert run(poor[:2])[1].giant_rules["isochrone_mh"].to_list() == [0.0]  # too few: solar
        cool = [{"feh": -0.2, "teff": 4600.0}] * 5
        assert run(cool)[1].giant_rules["isochrone_mh"].to_list() == [0.0]  # not warm

    def test_rule_is_given_for_cool_stars_only(self) -> None:
        found = run([{"teff": 4900.0, "logg": 2.5}, {"teff": 5100.0}, {"teff": None}])[1].members
        assert found["logg_giant"].is_null().to_list() == [False, True, True]
        assert found["giant_rule"].to_list() == ["isochrone", None, None]

    def test_missing_teff_can_be_accepted(self) -> None:
        found = star({"teff": None}, config=MetallicityConfig(draws=200, missing_teff="accept"))
        assert found["flag"] == 12
        assert "accepted by the configuration" in found["reason"]

    def test_limits_are_settings(self) -> None:
        wide = MetallicityConfig(draws=200, teff=(3000 * u.K, 9000 * u.K), cool_dwarf_teff=3500 * u.K)
        assert star({"teff": 8000.0}, config=wide)["flag"] == 12
        assert star({"teff": 3600.0, "logg": 4.8}, config=wide)["flag"] == 12

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.one_of(st.none(), st.floats(3500, 9000)),
                st.one_of(st.none(), st.floats(0, 5)),
                st.one_of(st.none(), st.floats(-1, 0.5)),
                st.one_of(st.none(), st.floats(0, 0.3)),
            ),
            min_size=1,
            max_size=12,
        )
    )
    def test_any_star_gets_a_flag_and_a_reason(self, values: list[tuple]) -> None:
        rows = [dict(zip(("teff", "logg", "feh", "feh_error"), v, strict=True)) for v in values]
        moved, found = run(rows)
        table = found.members
        assert table["flag"].is_in([1, 12]).all()
        for row in table.iter_rows(named=True):
            teff, logg = row["teff"], row["logg"]
            good = row["feh"] is not None and (row["feh_error"] or 0) > 0 and teff is not None and 4000 <= teff <= 7500
            if good and teff < 5000:
                good = logg is not None and logg <= row["logg_giant"]
            assert (row["flag"] == 12) == good, row["reason"]
        step = found.steps[0]
        assert step.came_in == moved.members.height
        assert step.went_on == (table["flag"] == 12).sum()


class TestClusterValues:
    def test_against_the_definition(self) -> None:
        feh = np.random.default_rng(0).normal(-0.1, 0.05, 30)
        rows = [{"feh": float(x)} for x in feh]
        row = run(rows, config=MetallicityConfig())[1].clusters.row(0, named=True)
        assert row["n_feh"] == 30
        assert row["feh_mean"] == pytest.approx(feh.mean(), abs=4.5 * 0.05 / np.sqrt(30 * 5000))
        assert row["feh_mean_error"] == pytest.approx(0.05 / np.sqrt(30), rel=0.05)
        assert row["feh_scatter"] == pytest.approx(feh.std(ddof=1))
        medians = np.median(np.random.default_rng(1).normal(feh, 0.05, (20_000, 30)), axis=1)
        assert row["feh_med"] == pytest.approx(medians.mean(), abs=1e-3)
        assert row["feh_med_error"] == pytest.approx(medians.std(), rel=0.06)

    def test_one_star_is_itself(self) -> None:
        row = run([{}])[1].clusters.row(0, named=True)
        assert (row["feh_med"], row["feh_mean"], row["feh_med_error"]) == (-0.1, -0.1, 0.05)
        assert row["feh_scatter"] is None

    def test_without_flag_12_stars_all_is_missing(self) -> None:
        row = run([{"feh": None, "feh_error": None}, {"teff": 9000.0}])[1].clusters.row(0, named=True)
        assert row["n_feh"] == 0
        assert all(row[name] is None for name in CLUSTER_METALLICITIES.names if name.startswith("feh"))

    def test_order_and_jobs_do_not_matter(self) -> None:
        rows = [{"feh": x} for x in np.linspace(-0.3, 0.2, 40)]
        moved, first = run(rows)
        listed = clusters({"A": 9.0})
        shuffled = moved.members.sample(fraction=1, shuffle=True, seed=4)
        assert first.members.equals(select(shuffled, listed, GRID, settings=QUICK, rng=RNG).members)
        again = select(shuffled, listed, GRID, settings=QUICK, rng=RNG, jobs=3)
        assert first.clusters.equals(again.clusters)

    def test_a_finished_table_is_refused(self) -> None:
        _, found = run([{}, {}])
        with pytest.raises(SchemaError, match="flags"):
            select(found.members, clusters({"A": 9.0}), GRID, settings=QUICK, rng=RNG)

    def test_empty(self) -> None:
        found = select(MEMBER_STARS.empty(), CLUSTERS.empty(), None, settings=QUICK, rng=RNG)
        assert found.members.columns == MEMBER_STARS.names
        assert found.clusters.is_empty()


#: What `ZeroPoint.numbers` gives.
NUMBERS = {"n": 40, "median": 4.7, "error": 0.3, "mean": 4.8, "sd": 2.0}


class TestCatalogue:
    def test_corrected_velocity_is_reference_minus_survey_added(self) -> None:
        moved, found = run([{"rv": v} for v in (8.0, 10.0, 12.0)])
        row = assemble(moved.clusters, found.clusters, clusters({"A": 9.0}), zero_point=NUMBERS).row(0, named=True)
        assert row["rv_corrected"] == pytest.approx(row["rv_med"] + 4.7)
        assert row["rv_corrected_error"] == pytest.approx(np.hypot(row["rv_med_error"], 0.3))
        assert row["note"] is None
        assert (row["n_all"], row["n_rv"], row["n_feh"], row["log_age"]) == (3, 3, 3, 9.0)

    def test_without_zero_point_nothing_is_corrected(self) -> None:
        moved, found = run([{}, {}])
        table = assemble(moved.clusters, found.clusters, clusters({"A": 9.0}))
        assert table["rv_corrected"].null_count() == table["rv_corrected_error"].null_count() == 1

    def test_unlisted_cluster_is_kept_with_a_note(self) -> None:
        moved, found = run([{}, {"cluster": "B"}], ages={"A": 9.0})
        table = assemble(moved.clusters, found.clusters, clusters({"A": 9.0, "Z": 8.0}))
        assert table["cluster"].to_list() == ["A", "B"]
        assert table["log_age"].to_list() == [9.0, None]
        assert "not in the cluster catalogue" in table["note"][1]
        assert "single star" in table["note"][0]

    def test_schema_and_empty(self) -> None:
        moved, found = run([{}, {}])
        table = assemble(moved.clusters, found.clusters, clusters({"A": 9.0}))
        assert table.columns == CATALOGUE.names
        nothing = assemble(moved.clusters.clear(), found.clusters.clear(), CLUSTERS.empty(), zero_point=NUMBERS)
        assert nothing.is_empty()
        assert nothing.columns == CATALOGUE.names
