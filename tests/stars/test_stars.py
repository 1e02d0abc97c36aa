"""Repeat spectra -> one row per star, and the join with the membership list."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from science_tables import matches, members, spectra
from scipy import stats as scipy_stats

from melotte.config import StarsConfig
from melotte.errors import SchemaError
from melotte.schema import MATCHES, SPECTRA, STARS
from melotte.stars import assign, combine, separation_arcsec

MEAN, BEST = StarsConfig(combine="mean"), StarsConfig(combine="best")


def one(rows: list[dict], settings_: StarsConfig = MEAN, method: str = "source_id") -> dict:
    """The single star whose spectra these are."""
    table = spectra(rows)
    found = combine(table, matches([(s, 7) for s in table["spectrum_id"]], method=method), settings=settings_)
    assert found.frame.height == 1
    return found.frame.row(0, named=True)


class TestCombine:
    def test_weighted_mean(self) -> None:
        star = one(
            [
                {"rv": 10.0, "rv_error": 1.0, "feh": 0.1, "feh_error": 0.1, "snr": 20.0},
                {"rv": 11.0, "rv_error": 2.0, "feh": 0.2, "feh_error": 0.1, "snr": 50.0},
            ]
        )
        assert star["rv"] == pytest.approx((10 + 11 / 4) / 1.25)
        assert star["rv_error"] == pytest.approx(1.25**-0.5)  # chi2 of 0.2 does not shrink it
        assert star["feh"] == pytest.approx(0.15)
        assert star["rv_chi2"] == pytest.approx(1 / 5)  # (10 - 11)^2 / (1 + 4)
        assert star["rv_chi2_probability"] == pytest.approx(scipy_stats.chi2.sf(0.2, 1))
        assert (star["n_spectra"], star["spectrum_id"], star["snr"]) == (2, "s1", 50.0)

    def test_error_is_inflated_by_the_reduced_chi(self) -> None:
        star = one([{"rv": v, "rv_error": 1.0} for v in (0.0, 10.0, 20.0)])
        chi2 = 200.0
        assert star["rv_chi2"] == pytest.approx(chi2)
        assert star["rv_error"] == pytest.approx(3**-0.5 * np.sqrt(chi2 / 2))
        assert star["rv_chi2_probability"] == pytest.approx(scipy_stats.chi2.sf(chi2, 2))

    def test_best_takes_the_spectrum_of_highest_snr_whole(self) -> None:
        rows = [
            {"rv": 1.0, "rv_error": 1.0, "teff": 5000.0, "snr": 10.0, "error_note": "low"},
            {"rv": 4.0, "rv_error": None, "teff": None, "snr": 90.0, "n_visits": 3},
            {"rv": 3.0, "rv_error": 1.0, "snr": None},
        ]
        star = one(rows, BEST)
        assert (star["rv"], star["rv_error"], star["teff"], star["error_note"]) == (4.0, None, None, None)
        assert (star["n_spectra"], star["n_visits"], star["spectrum_id"]) == (3, 3, "s1")
        assert star["rv_chi2"] == pytest.approx(2.0)  # of the two with errors

    @pytest.mark.parametrize("bad", [None, 0.0])
    def test_spectra_without_a_valid_error_stay_out_of_the_mean(self, bad: float | None) -> None:
        star = one([{"rv": 10.0, "rv_error": 2.0, "snr": 1.0}, {"rv": 99.0, "rv_error": bad, "snr": 9.0}])
        assert (star["rv"], star["rv_error"], star["rv_chi2"]) == (10.0, 2.0, None)

    @pytest.mark.parametrize("bad", [None, 0.0])
    def test_only_invalid_errors_give_the_best_value_without_error(self, bad: float | None) -> None:
        star = one([{"rv": 10.0, "rv_error": bad, "snr": 1.0}, {"rv": 99.0, "rv_error": bad, "snr": 9.0}])
        assert (star["rv"], star["rv_error"], star["rv_chi2"], star["rv_chi2_probability"]) == (99.0, None, None, None)

    def test_all_missing(self) -> None:
        star = one([{"snr": 1.0}, {}])
        assert all(star[name] is None for q in ("rv", "teff", "logg", "feh") for name in (q, f"{q}_error"))
        assert star["n_visits"] is None
        assert star["error_note"] is None

    def test_single_spectrum_is_untouched(self) -> None:
        row = {"rv": 12.3456789, "rv_error": 4.5, "teff": 5777.0, "teff_error": 60.0, "n_visits": 4, "error_note": "x"}
        assert {k: v for k, v in one([row]).items() if k in row} == row

    def test_visits_add_up_and_notes_are_joined(self) -> None:
        star = one([{"n_visits": 2, "error_note": "a"}, {"n_visits": None, "error_note": "b"}, {"error_note": "a"}])
        assert (star["n_visits"], star["error_note"]) == (2, "a; b")

    @settings(max_examples=15, deadline=None)
    @given(
        st.lists(st.tuples(st.floats(-400, 400), st.floats(0.1, 20)), min_size=1, max_size=6),
        st.floats(-100, 100),
        st.randoms(use_true_random=False),
    )
    def test_mean_properties(self, pairs: list[tuple[float, float]], shift: float, random: object) -> None:
        rows = [{"rv": v, "rv_error": e, "snr": float(i)} for i, (v, e) in enumerate(pairs)]
        star = one(rows)
        values = [v for v, _ in pairs]
        assert min(values) - 1e-9 <= star["rv"] <= max(values) + 1e-9
        assert star["rv_error"] <= max(min(e for _, e in pairs), np.ptp(values) + 1e-9) * (1 + 1e-9) or len(pairs) > 2
        moved = one([{**r, "rv": r["rv"] + shift} for r in rows])
        assert moved["rv"] == pytest.approx(star["rv"] + shift, abs=1e-8)
        assert moved["rv_error"] == pytest.approx(star["rv_error"], abs=1e-8)
        shuffled = [{"spectrum_id": f"s{i}", **r} for i, r in enumerate(rows)]
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        assert one(shuffled)["rv"] == star["rv"]

    def test_tiny_errors_do_not_overflow(self) -> None:
        star = one([{"rv": 1.0, "rv_error": 1e-200}, {"rv": 1.0, "rv_error": 1.0}])
        assert (star["rv"], star["rv_error"]) == (1.0, 1e-200)

    def test_equal_values_average_to_themselves(self) -> None:
        star = one([{"rv": 0.1, "rv_error": e} for e in (1.0, 3.0, 7.0)])
        assert (star["rv"], star["rv_chi2"], star["rv_chi2_probability"]) == (0.1, 0.0, 1.0)

    def test_a_blend_counts_for_every_source(self) -> None:
        table = spectra([{"rv": 5.0, "rv_error": 1.0}, {"rv": 7.0, "rv_error": 1.0}])
        found = combine(table, matches([("s0", 1), ("s0", 2), ("s1", 2)], method="position"), settings=MEAN)
        assert found.frame["rv"].to_list() == [5.0, 6.0]
        assert found.facts["n_blended_spectra"] == 1
        assert found.steps[0].came_in == 3
        assert found.steps[0].went_on == 2
        assert "more than one source" in found.notes[0]

    def test_row_order_does_not_matter(self) -> None:
        generator = np.random.default_rng(0)
        rows = [{"rv": generator.normal(), "rv_error": 1.0 + generator.random(), "snr": None} for _ in range(60)]
        table = spectra(rows)
        pairs = matches([(f"s{i}", i % 7) for i in range(60)])
        a = combine(table, pairs, settings=MEAN).frame
        b = combine(table.sample(fraction=1, shuffle=True, seed=1), pairs.reverse(), settings=MEAN).frame
        assert a.equals(b)

    def test_empty(self) -> None:
        found = combine(SPECTRA.empty(), MATCHES.empty(), settings=MEAN)
        assert found.frame.is_empty()
        assert found.frame.columns == STARS.names
        assert combine(spectra([{}]), MATCHES.empty(), settings=BEST).frame.is_empty()


class TestBadInput:
    def test_one_id_at_two_places(self) -> None:
        table = spectra([{"ra": 10.0}, {"ra": 10.01}])
        with pytest.raises(SchemaError, match=r"source_id 7 stands for different places.*33\.\d arcsec") as caught:
            combine(table, matches([("s0", 7), ("s1", 7)]), settings=MEAN)
        assert "floating-point" in str(caught.value)

    def test_within_the_radius_is_fine_also_across_the_meridian(self) -> None:
        assert one([{"ra": 359.9996, "dec": 0.0}, {"ra": 0.0004, "dec": 0.0}])["n_spectra"] == 2

    def test_at_the_pole_right_ascension_is_no_distance(self) -> None:
        assert one([{"ra": 10.0, "dec": 89.9999}, {"ra": 100.0, "dec": 89.9999}])["n_spectra"] == 2

    def test_position_matches_are_within_the_radius_already(self) -> None:
        rows = [{"dec": 20.0}, {"dec": 20.0015}]  # 5.4 arcsec apart, on both sides of their source
        assert one(rows, method="position")["n_spectra"] == 2
        with pytest.raises(SchemaError):
            one(rows)

    def test_proper_motion_between_epochs_is_allowed(self) -> None:
        rows = [{"ref_epoch": 2000.0, "pmdec": 1000.0}, {"ref_epoch": 2015.0, "dec": 20.0 + 15 / 3600, "pmdec": 1000.0}]
        with pytest.raises(SchemaError):
            one(rows)  # proper motion in one coordinate only is not known
        assert one([{**row, "pmra": 0.0} for row in rows])["n_spectra"] == 2

    def test_spectrum_twice(self) -> None:
        table = spectra([{"spectrum_id": "a"}, {"spectrum_id": "a"}])
        with pytest.raises(SchemaError, match="'a' occurs more than once"):
            combine(table, matches([("a", 1)]), settings=MEAN)

    def test_match_without_spectrum(self) -> None:
        with pytest.raises(SchemaError, match="'s9'"):
            combine(spectra([{}]), matches([("s0", 1), ("s9", 1)]), settings=MEAN)

    def test_mixed_releases(self) -> None:
        both = pl.concat([matches([("s0", 1)]), matches([("s1", 2)], release="DR3")])
        with pytest.raises(SchemaError, match="DR2, DR3"):
            combine(spectra([{}, {}]), both, settings=MEAN)


class TestAssign:
    def test_star_in_two_clusters_is_in_both(self) -> None:
        found = combine(spectra([{}, {}]), matches([("s0", 1), ("s1", 2)]), settings=MEAN).frame
        table = assign(found, members([("B", 1), ("A", 1), ("A", 2), ("A", 3)]))
        assert table.select("cluster", "source_id", "n_clusters").rows() == [("A", 1, 2), ("A", 2, 1), ("B", 1, 2)]

    def test_astrometry_is_the_lists_photometry_where_known(self) -> None:
        row = {"phot_g_mean_mag": 14.0, "bp_rp": 0.7, "pmra": 99.0}
        found = combine(spectra([row]), matches([("s0", 1)]), settings=MEAN).frame
        star = assign(found, members([("A", 1)])).row(0, named=True)
        assert (star["ref_epoch"], star["pmra"], star["phot_g_mean_mag"], star["bp_rp"]) == (2015.5, 1.0, 12.0, 0.7)

    def test_releases_are_not_mixed(self) -> None:
        found = combine(spectra([{}]), matches([("s0", 1)]), settings=MEAN).frame
        with pytest.raises(SchemaError, match=r"stars have Gaia DR2 ids, the members Gaia DR3"):
            assign(found, members([("A", 1)], release="DR3"))

    def test_empty(self) -> None:
        assert assign(STARS.empty(), members([("A", 1)])).is_empty()


def test_separation() -> None:
    assert separation_arcsec(*(np.array([x]) for x in (0.0, 90.0, 180.0, 90.0)))[0] == pytest.approx(0, abs=1e-9)
    assert separation_arcsec(*(np.array([x]) for x in (359.5, 0.0, 0.5, 0.0)))[0] == pytest.approx(3600)
    assert separation_arcsec(*(np.array([x]) for x in (10.0, 60.0, 11.0, 60.0)))[0] == pytest.approx(1800, rel=1e-4)


def test_a_hundred_thousand_spectra_take_seconds() -> None:
    n = 100_000
    generator = np.random.default_rng(0)
    table = SPECTRA.conform(
        pl.DataFrame(
            {
                "spectrum_id": [f"s{i}" for i in range(n)],
                "ra": generator.uniform(10, 10.0001, n),
                "dec": np.full(n, 20.0),
                "rv": generator.normal(size=n),
                "rv_error": np.ones(n),
            }
        )
    )
    pairs = MATCHES.conform(
        table.select(
            "spectrum_id",
            pl.Series("source_id", np.arange(n) // 2),
            gaia_release=pl.lit("DR2"),
            propagated=pl.lit(True),
            method=pl.lit("source_id"),
        )
    )
    start = time.process_time()
    assert combine(table, pairs, settings=MEAN).frame.height == n // 2
    assert time.process_time() - start < 10  # row by row it would take minutes
