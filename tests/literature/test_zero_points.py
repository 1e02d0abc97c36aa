"""Zero points of surveys solved together, against an independent solution and known truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from literature_tables import PLACES, make_listing

from melotte.errors import EmptyResultError, MelotteError, SchemaError
from melotte.literature import (
    AliasTable,
    Resolver,
    SolveSettings,
    cluster_measurements,
    member_measurements,
    solve,
    star_measurements,
)
from melotte.literature.equations import Equations

TRUE = {"ref": 0.0, "low": -4.7, "mid": 0.8, "far": 2.5}  # survey minus truth, km/s
ERROR = {"ref": 0.3, "low": 3.0, "mid": 1.0, "far": 1.5}


def simulate(
    seed: int = 0, *, n: int = 300, binaries: float = 0.0, extra: dict[str, float] | None = None, kind: str = "star"
) -> pl.DataFrame:
    """Half of the objects per survey, ``far`` meets only ``mid``; ``binaries`` of the values are off by 50 km/s."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        mu = rng.normal(0, 30)
        for survey, offset in TRUE.items():
            if rng.random() < 0.5 or (survey == "far" and i % 2) or (survey in {"ref", "low"} and not i % 2):
                continue
            sigma = np.hypot(ERROR[survey], (extra or {}).get(survey, 0.0))
            wild = 50.0 * rng.choice([-1, 1]) if rng.random() < binaries else 0.0
            rows.append((kind, f"s{i}", survey, mu + offset + rng.normal(0, sigma) + wild, ERROR[survey]))
    return pl.DataFrame(rows, schema=["kind", "object", "survey", "value", "error"], orient="row")


def zero_points(network) -> dict[str, tuple[float, float]]:
    return {r["survey"]: (r["zero_point"], r["zero_point_error"]) for r in network.frame.iter_rows(named=True)}


def test_the_elimination_of_the_objects_is_the_full_least_squares_solution() -> None:
    """Independent reference: every true velocity an unknown of one dense weighted system."""
    data = simulate(5, n=80)
    names = list(TRUE)
    shared = data.filter(pl.len().over("object") > 1).sort("kind", "object", "survey")
    equations = Equations(shared, names, SolveSettings())
    offsets, covariance = equations._normal(1 / equations.error**2, {1: 0, 2: 1, 3: 2})

    objects = shared["object"].unique().to_list()
    design = np.zeros((shared.height, len(objects) + 3))
    for row, (thing, survey) in enumerate(shared.select("object", "survey").iter_rows()):
        design[row, objects.index(thing)] = 1
        if survey != "ref":
            design[row, len(objects) + names.index(survey) - 1] = 1
    weight = 1 / shared["error"].to_numpy() ** 2
    normal = design.T @ (weight[:, None] * design)
    solution = np.linalg.solve(normal, design.T @ (weight * shared["value"].to_numpy()))
    np.testing.assert_allclose(offsets[1:], solution[-3:], rtol=1e-9)
    np.testing.assert_allclose(covariance, np.linalg.inv(normal)[-3:, -3:], rtol=1e-8)


def test_true_offsets_come_back_within_their_errors() -> None:
    deviations = []
    for seed in range(40):
        found = zero_points(solve(simulate(seed, n=200), reference="ref"))
        deviations += [(found[s][0] + TRUE[s]) / found[s][1] for s in ("low", "mid", "far")]
    # 120 deviations that should be standard normal (their rms within about 15 %).
    assert np.sqrt(np.mean(np.square(deviations))) == pytest.approx(1.0, abs=0.2)
    assert np.max(np.abs(deviations)) < 4.0


def test_binaries_do_not_move_the_zero_points() -> None:
    network = solve(simulate(1, n=600, binaries=0.05), reference="ref")
    for survey, (value, error) in zero_points(network).items():
        assert abs(value + TRUE[survey]) <= 4 * max(error, 1e-9)
        assert error < 0.6
    assert network.n_clipped > 20
    assert 0.7 < network.chi2 / network.dof < 1.3


def test_errors_that_are_too_small_are_found_and_enlarge_the_uncertainty() -> None:
    honest = solve(simulate(2, n=900), reference="ref")
    network = solve(simulate(2, n=900, extra={"mid": 4.0}), reference="ref")
    assert network.scatter["mid", "star"] == pytest.approx(4.0, rel=0.25)
    assert network.scatter["ref", "star"] < 1.5
    assert zero_points(network)["mid"][1] > 1.5 * zero_points(honest)["mid"][1]
    assert 0.7 < network.chi2 / network.dof < 1.4


def test_pairs_compare_the_direct_difference_with_the_solution() -> None:
    network = solve(simulate(3, n=600), reference="ref", surveys=list(TRUE))
    pairs = {(r["first"], r["second"]): r for r in network.pairs.iter_rows(named=True)}
    assert ("low", "far") not in pairs
    row = pairs["ref", "low"]
    assert row["median"] == pytest.approx(4.7, abs=4 * row["median_error"])
    assert row["solution"] == pytest.approx(zero_points(network)["low"][0], abs=1e-9)
    assert all(abs(r["tension"]) < 4 for r in pairs.values())
    assert "to be added" in network.summary()


def test_the_choice_of_the_reference_shifts_all_zero_points_alike() -> None:
    data = simulate(4)
    one, two = (zero_points(solve(data, reference=r)) for r in ("ref", "mid"))
    shift = {s: one[s][0] - two[s][0] for s in TRUE}
    assert np.ptp(list(shift.values())) < 1e-6
    assert two["mid"] == (0.0, 0.0)


def test_the_order_of_rows_does_not_matter() -> None:
    data = simulate(6)
    names = list(TRUE)
    one = solve(data, reference="ref", surveys=names)
    two = solve(data.sample(fraction=1.0, shuffle=True, seed=1), reference="ref", surveys=names)
    assert one.frame.equals(two.frame)


def test_a_survey_apart_has_no_zero_point_and_says_why() -> None:
    apart = pl.DataFrame({"kind": "star", "object": ["s1", "x1", "x2"], "survey": "alone", "value": 1.0, "error": 1.0})
    data = pl.concat([simulate(7).filter(~(pl.col("object") == "s1")), apart])
    row = solve(data, reference="ref").frame.row(by_predicate=pl.col("survey") == "alone", named=True)
    assert (row["zero_point"], row["note"]) == (None, "not connected with the reference")


def test_stars_and_clusters_are_solved_together() -> None:
    both = pl.concat([simulate(8), simulate(9, kind="cluster")])
    one, two = (zero_points(solve(d, reference="ref")) for d in (simulate(8), both))
    assert two["low"][1] < 0.9 * one["low"][1]
    row = solve(both, reference="ref").frame.row(by_predicate=pl.col("survey") == "low", named=True)
    assert row["n_stars"] > 20
    assert row["n_clusters"] > 20


def test_what_cannot_be_solved_is_refused() -> None:
    data = simulate(0, n=20)
    with pytest.raises(MelotteError, match="'gaia' is not among the surveys"):
        solve(data, reference="gaia")
    with pytest.raises(SchemaError, match=r"\['error'\] are missing"):
        solve(data.drop("error"), reference="ref")
    with pytest.raises(SchemaError, match="twice"):
        solve(pl.concat([data, data]), reference="ref")
    with pytest.raises(EmptyResultError, match="in common"):
        solve(data.unique("object"), reference=data.unique("object")["survey"][0])
    with pytest.raises(EmptyResultError):
        star_measurements({})


def spectra(**columns: list[object]) -> pl.DataFrame:
    n = len(next(iter(columns.values())))
    base: dict[str, list[object]] = {"ra": [10.0 + i for i in range(n)], "dec": [5.0] * n, "rv": [1.0] * n}
    base |= {"rv_error": [1.0] * n, "source_id_dr2": [None] * n, "source_id_dr3": [None] * n}
    types = {c: pl.Int64 if c.startswith("source") else pl.Float64 for c in base}
    return pl.DataFrame(base | columns, schema=types)


def test_stars_meet_by_identifier_of_one_release_or_by_position() -> None:
    big = 4_611_686_018_427_387_905  # not a float
    surveys = {
        "both": spectra(source_id_dr2=[11, 12, 13], source_id_dr3=[big, big + 1, big + 2], rv=[1.0, 2.0, 3.0]),
        "dr2": spectra(source_id_dr2=[11, big + 1], ra=[90.0, 91.0], rv=[10.0, 20.0]),  # the second: a DR2 id
        "dr3": spectra(source_id_dr3=[big + 1, 99], ra=[120.0, 121.0], rv=[200.0, 300.0]),
        "none": spectra(ra=[12.0 + 0.0002, 150.0], rv=[3000.0, 4000.0]),
        "also none": spectra(ra=[150.0002], rv=[40000.0]),
    }
    found = star_measurements(surveys)
    groups = {tuple(sorted(v)) for v in found.group_by("object").agg("value")["value"]}
    assert groups == {(1.0, 10.0), (2.0, 200.0), (3.0, 3000.0), (20.0,), (300.0,), (4000.0, 40000.0)}


def test_repeats_of_a_star_are_averaged() -> None:
    found = star_measurements({"s": spectra(source_id_dr3=[7, 7, 8], rv=[1.0, 4.0, 9.0], rv_error=[1.0, 2.0, None])})
    seven, eight = (found.row(by_predicate=pl.col("object") == f"DR3 {i}", named=True) for i in (7, 8))
    assert seven["value"] == pytest.approx((1.0 + 4.0 / 4) / (1 + 1 / 4))
    assert seven["error"] == pytest.approx((1 + 1 / 4) ** -0.5)
    assert (eight["value"], eight["error"]) == (9.0, None)


def test_clusters_meet_under_any_name_and_strangers_do_not() -> None:
    resolver = Resolver([AliasTable("t", (("Melotte 301", "NGC 9001"),))])
    one = make_listing("one", [{"cluster": n, "rv": float(i), "error": 1.0} for i, n in enumerate(PLACES)])
    two = make_listing(
        "two",
        [
            {"cluster": "NGC 9001", "at": "Melotte 301", "rv": 5.0},
            {"cluster": "Melotte 302", "rv": 5.0, "pmra": 30.0},  # another object
        ],
    )
    found = cluster_measurements({"one": one, "two": two}, resolver)
    assert found.filter(pl.col("survey") == "two")["object"].to_list() == ["melotte301"]
    assert found.height == 7


def members(cluster: str, ids: list[int], rv: list[float], **more: object) -> pl.DataFrame:
    frame = pl.DataFrame({"cluster": cluster, "source_id": ids, "rv": rv}, schema_overrides={"source_id": pl.Int64})
    return frame.with_columns(pl.lit("DR3").alias("gaia_release"), pl.lit(1.0).alias("rv_error")).with_columns(
        pl.lit(value).alias(name) for name, value in more.items()
    )


def test_no_star_is_in_the_stars_and_in_the_clusters() -> None:
    one = pl.concat([members("A", [1, 2, 3, 4, 5], [10.0, 11.0, 12.0, 13.0, 99.0]), members("B", [5, 6], [99.0, 1.0])])
    two = members("A", [4, 7, 8, 9], [14.0, 20.0, 21.0, 22.0])
    found = member_measurements({"one": one, "two": two})
    stars = found.filter(pl.col("kind") == "star")
    assert stars.select("object", "survey", "value").rows() == [("DR3 4", "one", 13.0), ("DR3 4", "two", 14.0)]
    clusters = found.filter(pl.col("kind") == "cluster")
    # Star 4 is shared, star 5 is in two clusters; cluster B has one star left.
    assert clusters.select("object", "survey", "value").rows() == [("A", "one", 11.0), ("A", "two", 21.0)]
    expected = np.sqrt(np.pi / 2) * 1.4826022185056018 / np.sqrt(3)
    assert clusters["error"].to_list() == pytest.approx([expected, expected])
    with pytest.raises(SchemaError, match="DR2 and DR3"):
        member_measurements({"one": one, "two": two.with_columns(pl.lit("DR2").alias("gaia_release"))})
    with pytest.raises(SchemaError, match="cluster"):
        member_measurements({"one": one.drop("cluster")})


@pytest.fixture(scope="module")
def bundled(data_dir: Path) -> dict[str, pl.DataFrame]:
    from melotte.config import SurveyConfig
    from melotte.inputs.surveys import open_survey

    files = {
        "LAMOST LRS": ("lamost", "lamost_lrs_clusters"),
        "LAMOST MRS": ("lamost", "lamost_mrs_clusters"),
        "BOSS": ("boss", "boss_occam_dr20"),
        "APOGEE": ("apogee", "apogee_occam_dr16"),
        "Gaia RVS": ("gaia_rvs", "gaia_dr3_rv_tarricq2022"),
    }
    return {
        name: open_survey(SurveyConfig(adapter=adapter, file=file), data_dir=data_dir).read().frame
        for name, (adapter, file) in files.items()
    }


@pytest.mark.real_data
def test_the_bundled_surveys_by_their_common_stars(bundled: dict[str, pl.DataFrame]) -> None:
    network = solve(star_measurements(bundled), reference="Gaia RVS", surveys=list(bundled))
    found = zero_points(network)
    assert all(error is not None and error < 0.5 for _, error in found.values())
    # Fu et al. 2022, Sect. 2.1: RV(Gaia DR3) - RV(LAMOST LRS), median 4.66 km/s over more stars; here 4.3 +- 0.5.
    pairs = {(r["first"], r["second"]): r for r in network.pairs.iter_rows(named=True)}
    direct = pairs["LAMOST LRS", "Gaia RVS"]
    assert -direct["median"] == pytest.approx(4.66, abs=2 * direct["median_error"])
    assert 3.0 < found["LAMOST LRS"][0] < 5.0
    assert abs(found["LAMOST MRS"][0]) < 1.5
    assert 0.7 < network.chi2 / network.dof < 1.5


@pytest.mark.real_data
def test_common_stars_and_common_clusters_agree(bundled: dict[str, pl.DataFrame], data_dir: Path) -> None:
    """Two independent sets of data, matched to one membership list, give the same zero points."""
    from melotte.config import CrossmatchConfig, MembersConfig, StarsConfig
    from melotte.crossmatch import identify
    from melotte.inputs.members import read_members
    from melotte.stars import assign, combine

    listed = read_members(MembersConfig(catalogue="tarricq2022", probability=">= 0.5"), data_dir=data_dir).frame
    stars = {}
    for name, spectra in bundled.items():
        matches = identify(spectra, listed, settings=CrossmatchConfig()).frame
        stars[name] = assign(combine(spectra, matches, settings=StarsConfig()).frame, listed)
    both = member_measurements(stars)
    by_kind = {
        kind: zero_points(solve(both.filter(pl.col("kind") == kind), reference="Gaia RVS"))
        for kind in ("star", "cluster")
    }
    together = zero_points(solve(both, reference="Gaia RVS"))
    for survey in bundled:
        (s, s_error), (c, c_error) = by_kind["star"][survey], by_kind["cluster"][survey]
        assert abs(s - c) <= 3 * np.hypot(s_error, c_error)
        assert min(s, c) <= together[survey][0] <= max(s, c)
