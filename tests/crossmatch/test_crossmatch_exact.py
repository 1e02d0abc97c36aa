"""The local engine against brute force: the same pairs, the same separations."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from brute_force import all_pairs
from hypothesis import given, settings
from hypothesis import strategies as st

from melotte.crossmatch import match_positions, propagate
from melotte.errors import CrossmatchError
from melotte.schema.definitions import MATCHES

EPOCH = 2016.0


def spectra_frame(ra, dec, epoch) -> pl.DataFrame:
    n = len(ra)
    return pl.DataFrame(
        {"spectrum_id": [f"s{i}" for i in range(n)], "ra": ra, "dec": dec, "ref_epoch": np.broadcast_to(epoch, n)},
        schema_overrides={"ra": pl.Float64, "dec": pl.Float64, "ref_epoch": pl.Float64},
    )


def sources_frame(ra, dec, pmra, pmdec, g=None) -> pl.DataFrame:
    n = len(ra)
    return pl.DataFrame(
        {
            "source_id": np.arange(n, dtype=np.int64) + 2**60 + 1,
            "ra": ra,
            "dec": dec,
            "ref_epoch": np.full(n, EPOCH),
            "pmra": pmra,
            "pmdec": pmdec,
            "phot_g_mean_mag": np.full(n, np.nan) if g is None else g,
        }
    ).with_columns(pl.col("pmra", "pmdec", "phot_g_mean_mag").fill_nan(None))


def assert_same(spectra: pl.DataFrame, sources: pl.DataFrame, radius: float) -> pl.DataFrame:
    """Pairs, separations (1e-10 arcsec), position angles and counts are those of brute force."""
    found = match_positions(spectra, sources, radius_arcsec=radius, gaia_release="DR3")
    MATCHES.validate(found)
    expected = all_pairs(spectra, sources, radius, EPOCH)
    got = {(r["spectrum_id"], r["source_id"]): r for r in found.iter_rows(named=True)}
    assert set(got) == set(expected)
    counts: dict[str, int] = {}
    for name, _ in expected:
        counts[name] = counts.get(name, 0) + 1
    for key, (separation, angle) in expected.items():
        row = got[key]
        assert row["separation"] == pytest.approx(separation, abs=1e-10)
        assert row["n_in_radius"] == counts[key[0]]
        if row["position_angle"] is None:
            assert row["separation"] == 0.0
        elif separation > 1e-6:
            turn = np.radians((row["position_angle"] - angle + 180) % 360 - 180)
            assert abs(turn) * separation < 1e-9
    return found


def adversarial(seed: int, n_spectra: int, n_sources: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Clumps at the poles, on the RA seam and elsewhere; fast stars, duplicates, coincident sources."""
    rng = np.random.default_rng(seed)
    ra_c, dec_c = rng.uniform(0, 360, 30), np.degrees(np.arcsin(rng.uniform(-1, 1, 30)))
    ra_c[:8] = [0, 77, 10, 200, 0, 359.9999, 1e-9, 180]
    dec_c[:8] = [90, -90, 89.9995, -89.99999, 0, 45, -60, 90]

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        k = rng.integers(0, 30, n)
        offset, angle = rng.uniform(0, 60, n) * 1000, rng.uniform(0, 2 * np.pi, n)
        return propagate(
            ra_c[k], dec_c[k], offset * np.sin(angle), offset * np.cos(angle), from_epoch=2000.0, to_epoch=2001.0
        )

    ra_s, dec_s = draw(n_spectra)
    ra_g, dec_g = draw(n_sources)
    epoch = rng.choice([1950.0, 2000.0, 2015.5, 2016.0, 2021.3], n_spectra)
    pm = rng.normal(0, 20, (2, n_sources))
    fast = rng.random(n_sources) < 0.2
    pm[:, fast] = rng.uniform(-7071, 7071, (2, fast.sum()))  # up to 10 arcsec/yr
    pm[0, rng.random(n_sources) < 0.05] = np.nan
    pm[1, rng.random(n_sources) < 0.05] = np.nan
    tenth = n_sources // 10
    ra_g[:tenth], dec_g[:tenth], pm[:, :tenth] = (
        ra_g[tenth : 2 * tenth],
        dec_g[tenth : 2 * tenth],
        pm[:, tenth : 2 * tenth],
    )
    half = n_spectra // 10
    ra_s[:half], dec_s[:half] = ra_g[:half], dec_g[:half]  # exactly on a source
    epoch[: half // 2] = EPOCH
    ra_s[half : 2 * half], dec_s[half : 2 * half] = ra_s[2 * half : 3 * half], dec_s[2 * half : 3 * half]
    return spectra_frame(ra_s, dec_s, epoch), sources_frame(ra_g, dec_g, pm[0], pm[1])


@pytest.mark.parametrize("seed", [1, 2])
def test_adversarial_2000_by_20000(seed: int) -> None:
    spectra, sources = adversarial(seed, 2000, 20_000)
    found = assert_same(spectra, sources, 3.5)
    assert found.height > 10_000
    assert (found["separation"] == 0.0).sum() > 0
    assert (~found["propagated"]).sum() > 100


def test_random_sky_2000_by_20000() -> None:
    """A whole sky at a radius that is large, so that there is something to find."""
    rng = np.random.default_rng(5)
    ra, dec = rng.uniform(0, 360, 22_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 22_000)))
    pm = rng.normal(0, 50, (2, 20_000))
    found = assert_same(
        spectra_frame(ra[:2000], dec[:2000], rng.uniform(1990, 2022, 2000)),
        sources_frame(ra[2000:], dec[2000:], *pm),
        3600.0,
    )
    assert found.height > 1000


def test_within_1e9_arcsec_of_the_radius() -> None:
    """Pairs that are in or out by 1e-9 arcsec or less are decided as extended precision decides them."""
    rng = np.random.default_rng(6)
    n = 2000
    ra, dec = rng.uniform(0.01, 1, n), rng.uniform(-1, 1, n)
    angle, offset = rng.uniform(0, 2 * np.pi, n), 3500.0 + rng.choice([-1, 1], n) * 10 ** rng.uniform(-7.5, -6, n)
    tangent = 3.6e6 * np.degrees(np.tan(np.radians(offset / 3.6e6)))
    ra_g, dec_g = propagate(
        ra, dec, tangent * np.sin(angle), tangent * np.cos(angle), from_epoch=2000.0, to_epoch=2001.0
    )
    spectra = spectra_frame(ra, dec, EPOCH)
    sources = sources_frame(ra_g, dec_g, np.zeros(n), np.zeros(n))
    found = match_positions(spectra, sources, radius_arcsec=3.5, gaia_release="DR3")
    edge = (found["separation"] - 3.5).abs() < 1e-9
    assert edge.sum() > 300  # the inner half of them
    assert_same(spectra, sources, 3.5)


def test_tiny_separations_keep_their_digits() -> None:
    """A part in 1e12 of a separation of a nano-arcsecond, not an absolute error."""
    offset = 1e-9 / 3600
    spectra = spectra_frame([0.0, 0.0], [0.0, 0.0], EPOCH)
    found = match_positions(
        spectra,
        sources_frame([0.0, offset], [offset, 0.0], [0.0, 0.0], [0.0, 0.0]),
        radius_arcsec=1,
        gaia_release="DR3",
    )
    assert found["separation"].to_numpy() == pytest.approx(1e-9, rel=1e-12)
    assert sorted(found["position_angle"].to_list()) == pytest.approx([0, 0, 90, 90], abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_small_sky(data: st.DataObject) -> None:
    """Points snapped near the poles, the seam and each other; any radius; any epochs."""
    near = st.floats(-1e-3, 1e-3)
    ra = st.one_of(st.floats(0, 360), near.map(lambda x: x % 360.0), st.just(0.0), st.just(360.0))
    dec = st.one_of(st.floats(-90, 90), near.map(lambda x: 90 - abs(x)), near.map(lambda x: abs(x) - 90), near)
    motion = st.one_of(st.floats(-1e4, 1e4), st.just(float("nan")), st.just(0.0))
    some = data.draw(st.lists(st.tuples(ra, dec, st.floats(1900, 2100)), max_size=12))
    many = data.draw(st.lists(st.tuples(ra, dec, motion, motion), max_size=12))
    radius = data.draw(st.sampled_from([0.01, 3.5, 60.0, 5e4, 3e5, 648000.0]))
    s = np.array(some).reshape(-1, 3).T
    g = np.array(many).reshape(-1, 4).T
    spectra, sources = spectra_frame(s[0], s[1], s[2]), sources_frame(*g)
    expected = all_pairs(spectra, sources, radius, EPOCH)
    found = match_positions(spectra, sources, radius_arcsec=radius, gaia_release="DR3")
    got = {(a, b): c for a, b, c in found.select("spectrum_id", "source_id", "separation").iter_rows()}
    # The edge itself is decided to 1e-9 arcsec elsewhere; a random point may fall on it to the last bit.
    for key in set(got) ^ set(expected):
        assert abs(got.get(key, radius) - expected.get(key, (radius, 0.0))[0]) < 1e-9
    for key in set(got) & set(expected):
        assert got[key] == pytest.approx(expected[key][0], abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_order_of_rows_does_not_matter(seed: int) -> None:
    """Shuffled inputs, or spectra one batch at a time: the same rows to the last bit."""
    spectra, sources = adversarial(seed % 5, 60, 600)
    g = np.random.default_rng(seed).uniform(8, 18, sources.height)
    sources = sources.with_columns(phot_g_mean_mag=pl.Series(g))
    whole = match_positions(spectra, sources, radius_arcsec=3.5, gaia_release="DR3")
    shuffled = match_positions(
        spectra, sources.sample(fraction=1.0, shuffle=True, seed=seed), radius_arcsec=3.5, gaia_release="DR3"
    )
    assert whole.equals(shuffled)
    batches = [match_positions(s, sources, radius_arcsec=3.5, gaia_release="DR3") for s in spectra.iter_slices(7)]
    assert whole.equals(pl.concat(batches))


def test_no_fast_star_is_lost() -> None:
    """10 arcsec/yr over 66 years: 660 arcsec from its catalogue position, found where it was."""
    sources = sources_frame([10.0], [60.0], [1e4], [0.0])
    ra, dec = propagate([10.0], [60.0], [1e4], [0.0], from_epoch=EPOCH, to_epoch=1950.0)
    found = match_positions(spectra_frame(ra, dec, 1950.0), sources, radius_arcsec=3.5, gaia_release="DR3")
    assert found["separation"].to_list() == pytest.approx([0.0], abs=1e-8)
    assert match_positions(
        spectra_frame([10.0], [60.0], 1950.0), sources, radius_arcsec=3.5, gaia_release="DR3"
    ).is_empty()


def test_without_a_proper_motion_the_catalogue_position_counts() -> None:
    for pm in ((np.nan, 1e4), (1e4, np.nan)):
        sources = sources_frame([10.0], [60.0], [pm[0]], [pm[1]])
        found = match_positions(spectra_frame([10.0], [60.0], 1950.0), sources, radius_arcsec=1, gaia_release="DR3")
        assert found["propagated"].to_list() == [False]
        assert found["separation"].to_list() == [0.0]
        assert found["position_angle"].to_list() == [None]


def test_missing_epochs_are_j2000_and_that_of_the_release() -> None:
    spectra = spectra_frame([10.0], [0.0], 2000.0).with_columns(ref_epoch=pl.lit(None, dtype=pl.Float64))
    sources = sources_frame([10.0], [0.0], [0.0], [1000.0]).drop("ref_epoch")
    for release, years in (("DR2", 15.5), ("DR3", 16.0)):
        found = match_positions(spectra, sources, radius_arcsec=60, gaia_release=release)
        assert found["separation"].to_list() == pytest.approx([years], abs=1e-6)
        assert found["position_angle"].to_list() == pytest.approx([180.0])


def test_flux_fraction() -> None:
    """Two sources one magnitude apart share the light 10^0.4 : 1; one missing magnitude and nothing is known."""
    spectra = spectra_frame([10.0, 50.0], [0.0, 0.0], EPOCH)
    ra = [10.0, 10.0002, 50.0, 50.0002, 50.1]
    sources = sources_frame(ra, [0.0] * 5, [0.0] * 5, [0.0] * 5, g=np.array([15.0, 16.0, 15.0, np.nan, 12.0]))
    found = match_positions(spectra, sources, radius_arcsec=3.5, gaia_release="DR3")
    ratio = 10**0.4
    assert found["flux_fraction"].to_list()[:2] == pytest.approx([ratio / (1 + ratio), 1 / (1 + ratio)])
    assert found["flux_fraction"].to_list()[2:] == [None, None]
    assert found["n_in_radius"].to_list() == [2, 2, 2, 2]


def test_a_star_of_two_clusters_counts_once() -> None:
    sources = sources_frame([10.0], [0.0], [0.0], [0.0], g=np.array([15.0]))
    found = match_positions(
        spectra_frame([10.0], [0.0], EPOCH), pl.concat([sources, sources]), radius_arcsec=1, gaia_release="DR3"
    )
    assert found.select("n_in_radius", "flux_fraction").row(0) == (1, 1.0)
    moved = sources.with_columns(pl.col("ra") + 1e-5)
    with pytest.raises(CrossmatchError, match="twice with different astrometry"):
        match_positions(
            spectra_frame([10.0], [0.0], EPOCH), pl.concat([sources, moved]), radius_arcsec=1, gaia_release="DR3"
        )


def test_empty_inputs() -> None:
    spectra, sources = spectra_frame([1.0], [1.0], 2000.0), sources_frame([1.0], [1.0], [0.0], [0.0])
    for s, g in ((spectra.clear(), sources), (spectra, sources.clear()), (spectra.clear(), sources.clear())):
        found = match_positions(s, g, radius_arcsec=3.5, gaia_release="DR2")
        MATCHES.validate(found)
        assert found.is_empty()


def test_what_is_refused() -> None:
    spectra, sources = spectra_frame([1.0, 2.0], [1.0, 1.0], 2000.0), sources_frame([1.0], [1.0], [0.0], [0.0])

    def refused(s: pl.DataFrame, g: pl.DataFrame, message: str, radius: float = 3.5, release: str = "DR3") -> None:
        with pytest.raises(CrossmatchError, match=message):
            match_positions(s, g, radius_arcsec=radius, gaia_release=release)

    refused(spectra, sources, "no Gaia release", release="DR9")
    for radius in (0.0, -1.0, float("nan"), 700_000.0):
        refused(spectra, sources, "a search radius of", radius=radius)
    refused(pl.concat([spectra, spectra]), sources, "'s.' occurs more than once")
    refused(spectra.with_columns(dec=pl.Series([1.0, None])), sources, "row 2 of the spectra has no dec")
    refused(spectra.with_columns(dec=pl.Series([1.0, 91.0])), sources, "row 2 of the spectra has dec = 91")
    refused(spectra, sources.with_columns(ra=pl.lit(float("nan"))), "row 1 of the sources has no ra")
    refused(spectra, sources.drop("dec"), "no column 'dec'")
    refused(spectra, sources.with_columns(pl.col("source_id").cast(pl.Float64)), "has type Float64")
