"""The simulated survey has the shape of the archives' files and the truth it claims."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from astropy import units as u
from astropy.coordinates import ICRS, CartesianDifferential, Galactic, Galactocentric, SkyCoord

from melotte.core.randomness import Streams
from melotte.validation.simulate import SimulatedSurvey, SimulationSettings, simulate


@pytest.fixture(scope="module")
def survey() -> SimulatedSurvey:
    return simulate(SimulationSettings(), Streams(7))


def test_the_same_seed_gives_the_same_survey(survey: SimulatedSurvey):
    again = simulate(SimulationSettings(), Streams(7))
    assert again.spectra.equals(survey.spectra)
    assert again.members.equals(survey.members)
    assert not simulate(SimulationSettings(), Streams(8)).truth.equals(survey.truth)


def test_ids_are_unique_and_too_large_for_a_double(survey: SimulatedSurvey):
    ids = survey.members["Source"]
    assert ids.is_unique().all()
    assert (ids.cast(pl.Float64).cast(pl.Int64) != ids).mean() > 0.9


def test_the_survey_resembles_the_published_one(survey: SimulatedSurvey):
    """Fu et al. 2022, Sect. 2: 78 % above S/N 30; [Fe/H] errors of 0.07 dex on average; RV errors of a few km/s."""
    good = survey.spectra.filter((pl.col("rv") > -9000) & (pl.col("obsid") < 1_000_000_000))
    assert (good["snrg"] > 30).mean() == pytest.approx(0.78, abs=0.05)
    assert good["rv_err"].median() == pytest.approx(3.9, abs=0.5)  # as in the LAMOST cluster file
    assert good["feh_err"].mean() == pytest.approx(0.07, abs=0.02)
    assert good["dec"].min() > -12


def test_sentinels_are_those_of_the_archive(survey: SimulatedSurvey):
    failed = survey.spectra.filter(pl.col("rv") < -9000)
    assert 0.01 < failed.height / survey.spectra.height < 0.03
    assert failed.select((pl.col("rv", "rv_err", "teff", "feh_err") == -9999.0).all()).row(0) == (True,) * 4
    assert (survey.spectra["gaia_source_id"] == 0).mean() == pytest.approx(0.03, abs=0.01)


def test_zero_point_is_in_the_spectra(survey: SimulatedSurvey):
    """The median difference of reference and spectra is the zero point, binaries and all."""
    joined = survey.spectra.filter(pl.col("rv") > -9000).join(
        survey.reference.with_columns((pl.col("source_id") - 1).alias("gaia_source_id")), on="gaia_source_id"
    )
    difference = (joined["radial_velocity"] - joined["rv"]).median()
    assert joined.height > 1000
    assert difference == pytest.approx(4.7, abs=0.4)


def test_clusters_rotate_with_the_disc(survey: SimulatedSurvey):
    """Independent reference: astropy's Galactocentric frame with the same solar parameters."""
    rows = survey.clusters.join(survey.truth, left_on="Cluster", right_on="cluster")
    frame = Galactocentric(
        galcen_distance=8.2 * u.kpc,
        z_sun=0 * u.pc,
        galcen_v_sun=CartesianDifferential([11.1, 245.04, 7.25] * u.km / u.s),
    )
    sky = SkyCoord(
        rows["RA_ICRS"].to_numpy() * u.deg,
        rows["DE_ICRS"].to_numpy() * u.deg,
        distance=1 / rows["plx"].to_numpy() * u.kpc,
        pm_ra_cosdec=rows["pmRA*"].to_numpy() * u.mas / u.yr,
        pm_dec=rows["pmDE"].to_numpy() * u.mas / u.yr,
        radial_velocity=rows["rv"].to_numpy() * u.km / u.s,
        frame=ICRS,
    )
    there = sky.transform_to(frame)
    x, y = there.x.to_value(u.kpc), there.y.to_value(u.kpc)
    vx, vy = there.v_x.to_value(u.km / u.s), there.v_y.to_value(u.km / u.s)
    v_phi = (x * vy - y * vx) / np.hypot(x, y)
    # astropy's axes are right-handed with the Sun at negative x: disc rotation is negative there.
    assert np.median(v_phi) == pytest.approx(-232.8, abs=2.5)
    assert np.std(v_phi) == pytest.approx(7.0, abs=3.0)
    assert np.std(there.v_z.to_value(u.km / u.s)) == pytest.approx(5.0, abs=1.5)
    galactic = sky.transform_to(Galactic())
    np.testing.assert_allclose(galactic.l.deg, rows["GLON"].to_numpy(), atol=1e-6)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_clusters(n: int):
    survey = simulate(SimulationSettings(n_clusters=n), Streams(1))
    assert survey.truth.height == n
    assert survey.spectra.columns == simulate(SimulationSettings(n_clusters=3), Streams(1)).spectra.columns
