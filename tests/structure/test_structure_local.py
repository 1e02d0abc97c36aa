"""Clouds, co-located clusters and the wave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest
from structure_tables import at, sightlines, sinusoid

from melotte.config import StructureConfig
from melotte.core.randomness import Streams
from melotte.errors import DatasetError, EmptyResultError, MelotteError, ReadError, SchemaError
from melotte.structure import Curve, along_wave, near_clouds, read_sightlines, read_wave, table7
from melotte.structure.abundance import chi_square, intrinsic_spread
from melotte.structure.places import direction

SETTINGS = StructureConfig(draws=200, shuffles=499)


# --- geometry -------------------------------------------------------------------------------------------------------

PLACES = st.tuples(*[st.floats(-2000, 2000)] * 3)


@given(place=PLACES)
@settings(max_examples=50, deadline=None)
def test_the_nearest_point_of_a_curve_is_the_nearest(place: tuple[float, float, float]) -> None:
    curve = Curve.through(sinusoid(200).to_numpy())
    (distance,), (along,) = curve.nearest(np.array([place]))
    fine = np.linspace(0.0, curve.length[-1], 50_001)
    dense = np.stack([np.interp(fine, curve.length, curve.points[:, k]) for k in range(3)], axis=1)
    away = np.linalg.norm(dense - place, axis=1)
    assert distance == pytest.approx(away.min(), abs=0.05)
    at_point = np.array([np.interp(along, curve.length, curve.points[:, k]) for k in range(3)])
    assert np.linalg.norm(at_point - place) == pytest.approx(distance, abs=1e-6)
    assert 0.0 <= curve.distances(np.array([place]))[0] - distance < 1.0


def test_phase_follows_the_undulation() -> None:
    """Of 150 sin(2 pi s / 1600) from s = -1200 to 1200: crossings at -800, 0, 800, extremes at -400, 400."""
    wave = sinusoid(2401)
    curve = Curve.through(wave.to_numpy())
    s = np.linspace(-1200.0, 1200.0, 2401)
    place = {float(v): curve.length[n] for n, v in enumerate(s)}
    marks = {-800.0: 0.5, -400.0: 0.75, 0.0: 1.0, 400.0: 1.25, 800.0: 1.5}
    found = curve.phase(np.array([place[v] for v in marks]))
    # The first crossing inside is downward, so its phase is 0.5.
    np.testing.assert_allclose(found, list(marks.values()), atol=2e-3)
    assert np.isnan(curve.phase(np.array([0.0, curve.length[-1]]))).all()
    assert (np.diff(curve.phase(np.linspace(place[-790.0], place[790.0], 100))) > 0).all()


def test_a_straight_line_has_no_phase() -> None:
    line = Curve.through(np.array([[0.0, 0.0, 5.0], [10.0, 0.0, 5.0]]))
    assert np.isnan(line.phase(np.array([5.0]))).all()
    np.testing.assert_allclose(line.nearest(np.array([[4.0, 3.0, 5.0], [-4.0, 0.0, 8.0]])), [[3.0, 5.0], [4.0, 0.0]])


@pytest.mark.parametrize(
    "points",
    [np.zeros((1, 3)), np.zeros((3, 2)), np.array([[0.0, 0, 0], [0, 0, 0]]), np.array([[0.0, 0, 0], [1, np.nan, 0]])],
)
def test_what_is_no_curve_is_refused(points: np.ndarray) -> None:
    with pytest.raises(SchemaError):
        Curve.through(points)


def test_places_of_young_clusters() -> None:
    """Galactic coordinates against astropy, for directions all over the sky."""
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    rng = np.random.default_rng(1)
    clusters = at(rng.normal(0, 500, (40, 3)))
    cloud = sightlines(np.array([0.0]), np.array([0.0]), np.array([500.0]))
    found = near_clouds(clusters, cloud, settings=SETTINGS, rng=Streams(1)).frame
    ordered = clusters.sort("cluster")
    seen = SkyCoord(ordered["ra"].to_numpy() * u.deg, ordered["dec"].to_numpy() * u.deg).galactic
    np.testing.assert_allclose(found["glon"], seen.l.deg, atol=1e-4)
    np.testing.assert_allclose(found["glat"], seen.b.deg, atol=1e-4)
    np.testing.assert_allclose(np.sqrt(found["x"] ** 2 + found["y"] ** 2 + found["z"] ** 2), ordered["distance"])


# --- clouds ---------------------------------------------------------------------------------------------------------


def scattered_clouds(rng: np.random.Generator, n: int = 40) -> pl.DataFrame:
    lon, lat = rng.uniform(0, 360, n), rng.normal(0, 4, n)
    return sightlines(lon, lat, rng.uniform(200, 1500, n), [f"Cloud_{k // 2}" for k in range(n)])


def test_clusters_in_clouds_are_near_them_and_not_by_chance() -> None:
    rng = np.random.default_rng(2)
    clouds = scattered_clouds(rng)
    places = clouds.select("x", "y", "z").to_numpy()[:30] + rng.normal(0, 8, (30, 3))
    result = near_clouds(at(places), clouds, settings=SETTINGS, rng=Streams(1))
    assert result.frame["near"].all()
    assert (result.frame["separation"] < 45).all()
    inside = (result.frame["separation_p16"] <= result.frame["separation_p50"]).all()
    assert inside
    chance = result.tests.filter(pl.col("test").str.contains("by chance"))
    assert (chance["p_value"] == 1 / 500).all()
    assert ((chance["observed"] - chance["expected"]).abs() > 4 * chance["spread"]).all()
    expected = {f"Young_{k}": f"Cloud_{k // 2}" for k in range(30)}
    right = sum(expected[r["cluster"]] == r["cloud"] for r in result.frame.iter_rows(named=True))
    assert right >= 28


def test_clusters_elsewhere_are_near_clouds_by_chance() -> None:
    """p-values of clusters that know nothing of the clouds are uniform."""
    p = []
    for seed in range(25):
        rng = np.random.default_rng(100 + seed)
        clouds = scattered_clouds(rng)
        places = direction(rng.uniform(0, 360, 40), rng.normal(0, 4, 40)) * rng.uniform(200, 1500, 40)[:, None]
        chosen = StructureConfig(draws=0, shuffles=199)
        tests = near_clouds(at(places), clouds, settings=chosen, rng=Streams(seed)).tests
        p.append(tests.filter(pl.col("statistic").str.contains("median"))["p_value"][0])
    assert kstest(p, "uniform").pvalue > 0.001


def test_drawn_separations_know_both_errors() -> None:
    """A cluster at its cloud, both 1 kpc away: the median separation is that of the two distance errors."""
    cloud = sightlines(np.array([60.0]), np.array([0.0]), np.array([1000.0]))
    clusters = at(cloud.select("x", "y", "z").to_numpy())
    many = StructureConfig(draws=1000, shuffles=99)
    row = near_clouds(clusters, cloud, settings=many, rng=Streams(1)).frame.row(0, named=True)
    # 0.1 mag is 4.6 %, the cloud has 3 % and 5 %: 74 pc in all; the median of |N| is 0.6745 of it.
    assert row["separation_p50"] == pytest.approx(0.6745 * 1000 * np.hypot(np.hypot(0.046, 0.03), 0.05), rel=0.1)
    assert row["p_near"] == pytest.approx(0.823, abs=0.05)
    without = near_clouds(clusters, cloud, settings=StructureConfig(draws=0, shuffles=99), rng=Streams(1)).frame
    assert without["separation_p50"].null_count() == 1


def test_old_and_far_clusters_are_left_out_and_counted() -> None:
    cloud = sightlines(np.array([60.0]), np.array([0.0]), np.array([1000.0]))
    young = at(np.array([[100.0, 0, 0], [3000.0, 0, 0], [500.0, 0, 0]]))
    old = at(np.array([[200.0, 0, 0]]), prefix="Old", log_age=8.0)
    clusters = pl.concat([young, old]).with_columns(
        distance=pl.when(pl.col("cluster") == "Young_2").then(None).otherwise("distance")
    )
    result = near_clouds(clusters, cloud, settings=SETTINGS, rng=Streams(1))
    assert result.frame["cluster"].to_list() == ["Young_0"]
    assert result.steps[0].lost == {
        "without an age": 0, "of 100 Myr or more": 1, "without a place": 1, "beyond 2500 pc": 1,
    }  # fmt: skip
    with pytest.raises(EmptyResultError, match="no cluster younger"):
        near_clouds(old, cloud, settings=SETTINGS, rng=Streams(1))
    with pytest.raises(SchemaError, match="log_age"):
        near_clouds(young.drop("log_age"), cloud, settings=SETTINGS, rng=Streams(1))


# --- [Fe/H] of one place --------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    y=st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=8),
    e=st.lists(st.floats(0.01, 0.2), min_size=8, max_size=8),
)
def test_chi_square_is_smallest_at_the_mean(y: list[float], e: list[float]) -> None:
    values, errors = np.array(y), np.array(e[: len(y)])
    mean, chi = chi_square(values, errors)
    assert min(y) - 1e-9 <= mean <= max(y) + 1e-9
    for shift in (-0.01, 0.01):
        assert (((values - mean - shift) / errors) ** 2).sum() >= chi - 1e-9


def test_intrinsic_spread_is_recovered() -> None:
    rng = np.random.default_rng(3)
    for truth in (0.0, 0.1):
        values, errors = [], []
        for _ in range(40):
            e = rng.uniform(0.02, 0.06, 6)
            values.append(rng.normal() + truth * rng.normal(size=6) + e * rng.normal(size=6))
            errors.append(e)
        # 200 degrees of freedom: 5 % of the spread.
        assert intrinsic_spread(values, errors) == pytest.approx(truth, abs=0.015)


def test_co_located_clusters_are_grouped_and_compared() -> None:
    rng = np.random.default_rng(4)
    centres = np.array([[300.0, 0, 0], [-600.0, 100, 0], [0.0, 900.0, 50]])
    places = np.concatenate([c + rng.normal(0, 15, (n, 3)) for c, n in zip(centres, (5, 4, 1), strict=True)])
    feh = np.concatenate([0.1 + 0.02 * rng.normal(size=5), [-0.3, -0.1, 0.1, 0.3], [0.0]])
    clusters = at(places, feh_med=feh, feh_med_error=np.full(10, 0.02), n_feh=pl.Series([5] * 9 + [1], dtype=pl.Int32))
    cloud = sightlines(np.array([0.0]), np.array([0.0]), np.array([300.0]), ["Nearby"])
    result = near_clouds(clusters, cloud, settings=SETTINGS, rng=Streams(1))
    assert result.frame.sort("cluster")["place"].to_list() == [1] * 5 + [2] * 4 + [None]
    rows = {(r["place"], r["errors"]): r for r in result.places.iter_rows(named=True)}
    assert rows[1, "formal"]["clouds"] == "Nearby"
    assert rows[1, "formal"]["p_value"] > 0.01
    assert rows[2, "formal"]["p_value"] < 1e-6
    assert rows[2, "formal"]["intrinsic"] == pytest.approx(0.25, abs=0.1)
    assert rows[2, "formal"]["feh_range"] == pytest.approx(0.6)
    assert rows[0, "formal"]["dof"] == 7
    assert rows[0, "with 0.11 dex"]["chi2"] < rows[0, "formal"]["chi2"]
    no_feh = near_clouds(clusters.drop("feh_med", "feh_med_error", "n_feh"), cloud, settings=SETTINGS, rng=Streams(1))
    assert no_feh.places.is_empty()
    assert no_feh.tests.height == 2


# --- the wave -------------------------------------------------------------------------------------------------------


def along(seed: int, *, peak: float = -0.15) -> tuple[pl.DataFrame, np.ndarray]:
    """40 clusters within some 30 pc of the wave, [Fe/H] falling from its middle to the ends; 30 elsewhere."""
    rng = np.random.default_rng(seed)
    wave = sinusoid()
    n = rng.integers(20, 780, 40)
    near = wave.to_numpy()[n] + rng.normal(0, 20, (40, 3))
    far = direction(rng.uniform(260, 330, 30), rng.normal(0, 5, 30)) * rng.uniform(600, 2000, 30)[:, None]
    s = n / 400.0 - 1.0
    feh = np.concatenate([0.1 + peak * s**2 + 0.03 * rng.normal(size=40), rng.normal(0, 0.2, 30)])
    stars = pl.Series([5] * 70, dtype=pl.Int32)
    return at(np.concatenate([near, far]), feh_med=feh, feh_med_error=np.full(70, 0.02), n_feh=stars), s


def test_a_simulated_wave_is_recovered() -> None:
    clusters, s = along(5)
    result = along_wave(clusters, sinusoid(), settings=SETTINGS, rng=Streams(1))
    rows = {r["cluster"]: r for r in result.frame.iter_rows(named=True)}
    assert {c for c, r in rows.items() if r["member"]} == {f"Young_{k}" for k in range(40)}
    assert all(rows[f"Young_{k}"]["p_member"] > 0.6 for k in range(40))
    assert result.curve is not None
    place = (np.array([rows[f"Young_{k}"]["along"] for k in range(40)]) / result.curve.length[-1]) * 2.0 - 1.0
    np.testing.assert_allclose(place, s, atol=0.1)
    tests = {r["test"]: r for r in result.tests.iter_rows(named=True)}
    assert tests["[Fe/H] does not peak within the wave"]["p_value"] < 1e-4
    assert tests["[Fe/H] has no gradient along the wave"]["p_value"] > 0.01
    assert tests["the wave has one [Fe/H] (formal errors)"]["p_value"] < 1e-6
    (weakest,) = (r for t, r in tests.items() if t.startswith("[Fe/H] does not peak") and "matters most" in t)
    assert tests["[Fe/H] does not peak within the wave"]["p_value"] < weakest["p_value"] < 1e-3
    assert weakest["n_clusters"] == 39
    assert result.facts["members"] == 40
    table = table7(result, SETTINGS)
    assert table.height == 40
    assert table["glon"].is_sorted()
    low, high = result.facts["feh_relative_to_sun"]
    assert low == pytest.approx(10 ** table["feh_med"].min())  # type: ignore[operator]
    assert high == pytest.approx(10 ** table["feh_med"].max())  # type: ignore[operator]


def test_a_wave_of_one_abundance_has_no_trend() -> None:
    p = []
    for seed in range(20):
        clusters, _ = along(seed, peak=0.0)
        tests = along_wave(
            clusters, sinusoid(), settings=StructureConfig(draws=0, shuffles=99), rng=Streams(seed)
        ).tests
        p.append(tests.filter(pl.col("test") == "[Fe/H] does not peak within the wave")["p_value"][0])
    assert kstest(p, "uniform").pvalue > 0.001


def test_the_threshold_decides() -> None:
    clusters, _ = along(6)
    for limit in ("10 pc", "60 pc", "400 pc"):
        chosen = StructureConfig.model_validate({"draws": 0, "shuffles": 99, "wave_distance": limit})
        result = along_wave(clusters, sinusoid(), settings=chosen, rng=Streams(1))
        near = result.frame["wave_distance"] <= float(limit.split()[0])
        assert (result.frame["member"] == near).all()
        assert result.members["along"].is_sorted()


def test_table_7_lists_firm_abundances_only_if_asked() -> None:
    clusters, _ = along(7)
    clusters = clusters.with_columns(
        n_feh=pl.when(pl.col("cluster") == "Young_3").then(1).otherwise("n_feh").cast(pl.Int32)
    )
    result = along_wave(clusters, sinusoid(), settings=SETTINGS, rng=Streams(1))
    assert table7(result).height == 40
    assert "Young_3" not in table7(result, SETTINGS)["cluster"].to_list()


def test_a_wave_without_feh() -> None:
    clusters, _ = along(8)
    bare = clusters.select("cluster", "ra", "dec", "distance", "log_age")
    result = along_wave(bare, sinusoid(), settings=SETTINGS, rng=Streams(1))
    assert result.tests.height == 1
    assert result.facts["feh_relative_to_sun"] is None
    with pytest.raises(SchemaError, match="lacks"):
        along_wave(clusters, sinusoid().drop("z"), settings=SETTINGS, rng=Streams(1))


def test_the_result_does_not_depend_on_the_order_of_the_rows() -> None:
    clusters, _ = along(9)
    one = along_wave(clusters, sinusoid(), settings=SETTINGS, rng=Streams(3))
    two = along_wave(clusters.reverse(), sinusoid(), settings=SETTINGS, rng=Streams(3))
    assert one.frame.equals(two.frame)
    assert one.tests.equals(two.tests)


# --- files ----------------------------------------------------------------------------------------------------------


def test_sightlines_of_vizier_and_of_csv(tmp_path: Path) -> None:
    names = ["Name", "GLON", "GLAT", "d16", "d50", "d84"]
    rows = [["Orion", "209.0", "-19.5", "390", "400", "415"], ["Taurus", "170.0", "-15.0", "140", "145", "150"]]
    vizier = tmp_path / "clouds.tsv"
    rule = ["-" * 5] * 6
    lines = ["#comment", "", *("\t".join(r) for r in (names, [" ", "deg", "deg", "pc", "pc", "pc"], rule, *rows))]
    vizier.write_text("\n".join(lines) + "\n", encoding="utf-8")
    plain = tmp_path / "clouds.csv"
    plain.write_text("\n".join(",".join(r) for r in (names, *rows)) + "\n", encoding="utf-8")
    first, second = read_sightlines(str(vizier)), read_sightlines(str(plain))
    assert first.equals(second)
    assert first["cloud"].to_list() == ["Orion", "Taurus"]
    assert first["distance_p84"].to_list() == [415.0, 150.0]
    np.testing.assert_allclose(np.sqrt(first["x"] ** 2 + first["y"] ** 2 + first["z"] ** 2), [400.0, 145.0])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", ReadError),
        ("Name,GLON,GLAT,d16,d50\nOrion,1,2,3,4\n", SchemaError),
        ("Name,GLON,GLAT,d16,d50,d84\nOrion,1,2,3,4\n", ReadError),
        ("Name,GLON,GLAT,d16,d50,d84\nOrion,1,2,3,x,5\n", ReadError),
        ("Name,GLON,GLAT,d16,d50,d84\nOrion,1,2,3,nan,5\n", MelotteError),
        ("Name,GLON,GLAT,d16,d50,d84\nOrion,1,2,3,-4,5\n", SchemaError),
    ],
)
def test_bad_sightlines_are_refused(tmp_path: Path, text: str, error: type[MelotteError]) -> None:
    path = tmp_path / "clouds.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(error):
        read_sightlines(str(path))


def test_reading_a_wave(tmp_path: Path) -> None:
    path = tmp_path / "wave.csv"
    sinusoid(10).write_csv(path)
    assert read_wave(str(path)).shape == (10, 3)
    path.write_text("x,y\n1,2\n", encoding="utf-8")
    with pytest.raises(SchemaError):
        read_wave(str(path))
    path.write_text("x,y,z\n1,2,far\n", encoding="utf-8")
    with pytest.raises(ReadError):
        read_wave(str(path))
    with pytest.raises(DatasetError):
        read_wave(str(tmp_path / "none.csv"))
