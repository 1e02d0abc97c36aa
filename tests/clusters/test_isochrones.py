"""Isochrones: dwarfs and giants, and the sequence in the colour-magnitude diagram."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from science_tables import isochrone_grid

from melotte.clusters.isochrones import Isochrones, load_isochrones
from melotte.errors import DatasetError, MelotteError, ReadError

GRID = isochrone_grid()


class TestDividing:
    def test_half_way_between_straight_branches(self) -> None:
        # The made-up branches: log g 4.6 on the main sequence, (Teff - 4000) / 500 + 1.5 on the giant branch.
        teff = np.array([4010.0, 4123.0, 4500.0, 4990.0])
        giants = (teff - 4000) / 500 + 1.5
        assert Isochrones(GRID).logg_dividing(teff, 9.0) == pytest.approx((4.6 + giants) / 2, abs=1e-6)

    def test_branches_continue_at_the_log_g_of_their_ends(self) -> None:
        grid = Isochrones(GRID)
        # The end of the giant branch, 4000 K, is found to the 10 K of the tabulation.
        assert grid.logg_dividing([3600.0], 9.0)[0] == pytest.approx((4.6 + 1.5) / 2, abs=0.5 * 10 / 500 + 1e-9)
        assert grid.logg_dividing([3600.0, 3900.0], 9.0)[0] == grid.logg_dividing([3900.0], 9.0)[0]

    def test_several_giants_at_one_temperature_the_nearest_to_the_dwarfs_counts(self) -> None:
        clump = GRID.filter(pl.col("phase") == 3).with_columns(
            pl.lit(4.0).alias("phase"), pl.col("logg") - 0.7, pl.col("Mini") + 1
        )
        both = Isochrones(pl.concat([GRID, clump]))
        assert both.logg_dividing([4500.0], 9.0) == pytest.approx(Isochrones(GRID).logg_dividing([4500.0], 9.0))

    def test_stars_between_the_phases_are_neither(self) -> None:
        hook = GRID.filter(pl.col("phase") == 3).with_columns(pl.lit(1.5).alias("phase"), pl.lit(4.3).alias("logg"))
        both = Isochrones(pl.concat([GRID, hook]))
        assert both.logg_dividing([4500.0], 9.0) == pytest.approx(Isochrones(GRID).logg_dividing([4500.0], 9.0))

    def test_without_giants_there_is_no_dividing_value(self) -> None:
        dwarfs = Isochrones(GRID.filter(pl.col("phase") <= 1))
        assert np.isnan(dwarfs.logg_dividing([4500.0], 9.0)).all()

    def test_missing_temperature(self) -> None:
        assert np.isnan(Isochrones(GRID).logg_dividing([np.nan], 9.0)).all()


class TestNearest:
    def test_nearest_in_metallicity_then_age(self) -> None:
        found = Isochrones(GRID).nearest(9.04, -0.2)
        assert (found.mh, found.log_age) == (-0.25, 9.0)
        assert Isochrones(GRID).nearest(9.06, 3.0).mh == 0.0
        assert Isochrones(GRID).nearest(9.06).log_age == 9.1

    @pytest.mark.parametrize("age", [8.0, 9.7, float("nan")])
    def test_far_outside_is_refused(self, age: float) -> None:
        with pytest.raises(MelotteError, match="no isochrone near log age"):
            Isochrones(GRID).nearest(age)


class TestMagnitudes:
    def test_distance_only(self) -> None:
        isochrone = Isochrones(GRID).nearest(9.0)
        seen = isochrone.magnitudes(8.0, 0.0)
        assert (seen["phot_g_mean_mag"] - seen["g"]).to_numpy() == pytest.approx(8.0)
        assert (seen["bp_rp"] - (seen["bp"] - seen["rp"])).to_numpy() == pytest.approx(0.0, abs=1e-12)

    def test_extinction_at_a_point(self) -> None:
        """Babusiaux et al. 2018, Eq. 1, by hand for A_V = 1 and an intrinsic BP - RP of 1."""
        point = GRID.head(1).with_columns(Gmag_DR2=pl.lit(5.0), G_BPmag_DR2=pl.lit(5.5), G_RPmag_DR2=pl.lit(4.5))
        seen = Isochrones(point).nearest(9.0).magnitudes(0.0, 1.0)
        k_g = 0.9761 - 0.1704 + 0.0086 + 0.0011 - 0.0438 + 0.0013 + 0.0099
        k_bp = 1.1517 - 0.0871 - 0.0333 + 0.0173 - 0.0230 + 0.0006 + 0.0043
        k_rp = 0.6104 - 0.0170 - 0.0026 - 0.0017 - 0.0078 + 0.00005 + 0.0006
        assert seen["phot_g_mean_mag"][0] == pytest.approx(5.0 + k_g)
        assert seen["bp_rp"][0] == pytest.approx(1.0 + k_bp - k_rp)

    def test_coefficients_do_not_run_away_beyond_the_range_of_the_fit(self) -> None:
        point = GRID.head(1).with_columns(Gmag_DR2=pl.lit(9.0), G_BPmag_DR2=pl.lit(15.0), G_RPmag_DR2=pl.lit(9.0))
        extinction = Isochrones(point).nearest(9.0).magnitudes(0.0, 1.0)["phot_g_mean_mag"][0] - 9.0
        assert 0.4 < extinction < 1.0


class TestLoading:
    def test_file(self, tmp_path: Path) -> None:
        path = tmp_path / "grid.csv"
        GRID.write_csv(path)
        grid = load_isochrones(path)
        assert grid.path == path
        assert grid.nearest(9.0).points.height == GRID.filter((pl.col("MH") == 0) & (pl.col("logAge") == 9.0)).height

    def test_absent(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError):
            load_isochrones(tmp_path / "no.csv")

    def test_other_columns(self, tmp_path: Path) -> None:
        path = tmp_path / "other.csv"
        GRID.drop("logg").write_csv(path)
        with pytest.raises(ReadError, match="logg"):
            load_isochrones(path)

    def test_text_in_a_number_column(self, tmp_path: Path) -> None:
        path = tmp_path / "text.csv"
        GRID.with_columns(logg=pl.lit("high")).write_csv(path)
        with pytest.raises(ReadError, match="high"):
            load_isochrones(path)


def test_parsec_grid(data_dir: Path) -> None:
    """The published grid: everywhere a main sequence above and giants below the dividing log g, from 10 Myr on."""
    grid = load_isochrones("parsec_v1.2S_gaia_dr2", data_dir=data_dir)
    teff = np.array([4100.0, 4500.0, 4900.0])
    for log_age in np.arange(7.0, 10.05, 0.1):
        for mh in (-0.5, 0.0, 0.5):
            dividing = grid.logg_dividing(teff, log_age, mh)
            assert ((dividing > 1.5) & (dividing < 4.4)).all(), (log_age, mh, dividing)
    # The red-giant branch of M 67 (log age 9.6): its base lies near 5000 K and log g 3.5, its main sequence near 4.6.
    assert grid.logg_dividing([4900.0], 9.6)[0] == pytest.approx((4.6 + 3.3) / 2, abs=0.15)
    # Stars of the Sun's temperature have its bolometric correction: M_G = 4.67 - 2.5 log L and BP - RP = 0.82
    # (Casagrande & VandenBerg 2018, MNRAS 479, L102); log L from mass, Teff and log g.
    seen = grid.nearest(9.66).magnitudes(5.0, 0.0)
    twins = seen.filter((pl.col("teff") - 5772).abs() < 50, pl.col("phase") == 1)
    assert twins.height > 3
    log_l = twins["initial_mass"].log10() + 4 * (twins["teff"] / 5772).log10() - twins["logg"] + 4.438
    assert (twins["phot_g_mean_mag"] + 2.5 * log_l).to_numpy() == pytest.approx(9.67, abs=0.05)
    assert twins["bp_rp"].to_numpy() == pytest.approx(0.82, abs=0.04)
