"""The registry of Gaia releases, and DR4 accepted wherever a release is."""

from __future__ import annotations

import itertools
from dataclasses import replace

import polars as pl
import pytest

from melotte.config import MembersConfig, SurveyConfig, parse
from melotte.config.sources import CrossmatchConfig
from melotte.crossmatch import identify
from melotte.crossmatch.cds import match_cds
from melotte.errors import ConfigError, CrossmatchError, SchemaError
from melotte.inputs.members import read_members
from melotte.inputs.surveys import open_survey
from melotte.literature.measurements import star_measurements
from melotte.schema import MEMBERS, SPECTRA, STARS
from melotte.schema.gaia import ID_COLUMNS, RELEASES, gaia_release
from melotte.tables.about import About
from melotte.tables.write import FORMATS, read_table, write_table

BIG = 4242424242424242424


@pytest.mark.parametrize("name", ["DR3", "dr3", "EDR3", "Gaia DR3", "gaiaedr3"])
def test_a_release_is_found_by_its_names(name):
    assert gaia_release(name).name == "DR3"


def test_a_wrong_name_is_refused_with_the_nearest():
    with pytest.raises(CrossmatchError, match=r"no Gaia release 'DR5'(.|\n)*DR2, DR3 or DR4(.|\n)*did you mean"):
        gaia_release("DR5", error=CrossmatchError)
    with pytest.raises(SchemaError, match="no Gaia release 'tycho'"):
        gaia_release("tycho")


def test_every_release_has_its_epoch_and_its_columns():
    assert [(r.name, r.epoch) for r in RELEASES] == [("DR2", 2015.5), ("DR3", 2016.0), ("DR4", 2017.5)]
    assert [r.epoch for r in RELEASES] == sorted(r.epoch for r in RELEASES)
    for older, newer in itertools.pairwise(RELEASES):
        assert newer.crosswalk is not None
        assert (newer.crosswalk.old_id, newer.crosswalk.new_id) == (older.archive_id, newer.archive_id)
    for schema in (SPECTRA, STARS):
        assert [n for n in schema.names if n.startswith("source_id_")] == list(ID_COLUMNS)
    assert [SPECTRA[i].label for i in ID_COLUMNS] == ["GaiaDR2", "GaiaDR3", "GaiaDR4"]


def test_a_config_takes_dr4_and_refuses_dr5():
    assert SurveyConfig(adapter="lamost", file="x.csv", gaia_release="DR4").gaia_release == "DR4"
    assert SurveyConfig(adapter="lamost", file="x.csv", gaia_release="EDR3").gaia_release == "DR3"
    with pytest.raises(ConfigError, match=r"no Gaia release 'DR5'(.|\n)*did you mean"):
        parse({"survey": {"adapter": "lamost", "file": "x", "gaia_release": "DR5"}})


def members_of_dr4(tmp_path):
    path = tmp_path / "members.csv"
    pl.DataFrame({"c": ["A", "A"], "id": [BIG, BIG + 1], "ra": [10.0, 10.1], "dec": [5.0, 5.0]}).write_csv(path)
    columns = {"cluster": "c", "source_id": "id", "ra": "ra", "dec": "dec"}
    config = MembersConfig(catalogue="table", file=str(path), columns=columns, gaia_release="DR4")
    return read_members(config).frame


def test_members_of_dr4_have_its_epoch_and_meet_its_ids_only(tmp_path):
    members = members_of_dr4(tmp_path)
    MEMBERS.validate(members)
    assert members["ref_epoch"].to_list() == [2017.5, 2017.5]
    spectra = SPECTRA.conform(
        pl.DataFrame(
            {
                "spectrum_id": ["a", "b"],
                "source_id_dr4": [BIG + 1, None],
                "source_id_dr3": [None, BIG],
                "ra": [10.1, 200.0],
                "dec": [5.0, 5.0],
                "ref_epoch": [2017.5, 2017.5],
            }
        )
    )
    settings = CrossmatchConfig(method="source_id")
    found = identify(spectra, members, settings=settings).frame
    assert found.select("spectrum_id", "source_id", "gaia_release").rows() == [("a", BIG + 1, "DR4")]
    with pytest.raises(CrossmatchError, match="it gives Gaia DR3 ids only"):
        identify(spectra[1:], members, settings=settings)


def test_ids_of_three_releases_are_connected_step_by_step():
    def table(**ids):
        n = len(next(iter(ids.values())))
        return pl.DataFrame({**ids, "ra": [10.0 * (1 + len(ids))] * n, "dec": [5.0] * n, "rv": [1.0] * n}).with_columns(
            rv_error=pl.lit(1.0)
        )

    found = star_measurements(
        {
            "two": table(source_id_dr2=[2]),
            "two-three": table(source_id_dr2=[2], source_id_dr3=[3]),
            "three-four": table(source_id_dr3=[3], source_id_dr4=[4]),
        }
    )
    assert found["object"].to_list() == ["DR4 4"] * 3


def test_cds_has_no_table_of_dr4_yet(tmp_path):
    spectra = pl.DataFrame({"spectrum_id": ["a"], "ra": [1.0], "dec": [1.0], "ref_epoch": [2000.0]})
    with pytest.raises(CrossmatchError, match="no table of Gaia DR4"):
        match_cds(spectra, tmp_path / "out.parquet", radius_arcsec=3.5, gaia_release="DR4")


def test_the_archive_table_of_a_release_gives_ids_of_that_release(tmp_path):
    path = tmp_path / "rvs.csv"
    velocity = {"radial_velocity": [3.0], "radial_velocity_error": [0.5]}
    pl.DataFrame({"source_id": [BIG], "ra": [1.0], "dec": [2.0], **velocity}).write_csv(path)
    for asked, release in (("DR4", "DR4"), (None, "DR3"), ("EDR3", "DR3")):
        spectra = open_survey(SurveyConfig(adapter="gaia_rvs", file=str(path), gaia_release=asked)).read().frame
        found = {i: spectra[i][0] for i in ID_COLUMNS}
        assert found == {r.id_column: BIG if r.name == release else None for r in RELEASES}
        assert spectra["ref_epoch"].to_list() == [gaia_release(release).epoch]


def test_lamost_without_a_release_says_which_there_are(tmp_path):
    path = tmp_path / "lamost.csv"
    columns = {"obsid": [1], "ra": [1.0], "dec": [2.0], "gaia_source_id": [str(BIG)]}
    pl.DataFrame({**columns, "rv": [3.0], "teff": [5000.0], "logg": [4.0], "feh": [0.0]}).write_csv(path)
    survey = open_survey(SurveyConfig(adapter="lamost", file=str(path)))
    assert any("set [survey] gaia_release to DR2, DR3 or DR4" in note for note in survey.notes)
    spectra = open_survey(SurveyConfig(adapter="lamost", file=str(path), gaia_release="DR4")).read().frame
    assert spectra["source_id_dr4"].to_list() == [BIG]


@pytest.mark.parametrize("format_", FORMATS)
def test_a_table_written_before_dr4_is_read_with_its_ids_null(tmp_path, format_):
    before = replace(SPECTRA, columns=tuple(c for c in SPECTRA if c.name != "source_id_dr4"))
    frame = before.conform(pl.DataFrame({"spectrum_id": ["a"], "source_id_dr3": [BIG], "ra": [1.0], "dec": [2.0]}))
    (path,) = write_table(frame, before, tmp_path / "spectra", formats=[format_], about=About())
    again = read_table(path, SPECTRA)
    assert again["source_id_dr4"].to_list() == [None]
    assert again.drop("source_id_dr4").equals(frame)
