"""Survey adapters on files in the shape the archives ship them: every format and release gives the same SPECTRA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from survey_files import LAMOST_NAMES, lamost_rows, write_csv, write_fits, write_parquet, write_votable

from melotte.config import CrossmatchConfig, MembersConfig, SurveyConfig
from melotte.crossmatch import identify
from melotte.errors import ConfigError, CrossmatchError, SchemaError
from melotte.inputs.members import read_members
from melotte.inputs.surveys import open_survey
from melotte.schema import SPECTRA

WRITERS = {
    "fits": write_fits,
    "fits.gz": write_fits,
    "csv": write_csv,
    "csv.gz": write_csv,
    "parquet": write_parquet,
    "vot": write_votable,
}


def read(path: Path, adapter: str = "lamost", **more: Any) -> pl.DataFrame:
    return open_survey(SurveyConfig(adapter=adapter, file=str(path), **more)).read().frame


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("release", LAMOST_NAMES)
def test_every_release_and_format_gives_the_same_spectra(tmp_path: Path, release: str, form: str) -> None:
    data = lamost_rows(release)
    names = LAMOST_NAMES[release]
    path = WRITERS[form](tmp_path / f"{release}_v2.0_LRS_stellar.{form}", data)
    result = open_survey(SurveyConfig(adapter="lamost", file=str(path), gaia_release="DR2")).read()
    assert result.frame.columns == SPECTRA.names
    expected = {
        "spectrum_id": [str(i) for i in data["obsid"]],
        "ra": data[names["ra"]],
        "dec": data[names["dec"]],
        "obs_mjd": [float(x) for x in data[names["mjd"]]],
        "rv": data["rv"],
        "rv_error": data["rv_err"],
        "teff": [None if x == -9999 else x for x in data["teff"]],
        "logg": data["logg"],
        "feh": [None if x == -9999 else x for x in data["feh"]],
        "feh_error": [None if x == -9999 else x for x in data["feh_err"]],
        "snr": [None if x == -9999 else x for x in data["snrg"]],
        "ref_epoch": [2000.0] * 30,
    }
    assert_frame_equal(result.frame.select(list(expected)), pl.DataFrame(expected), check_exact=True)
    ids = [int(i) or None for i in data[names["gaia"]]] if names["gaia"] else [None] * 30
    assert result.frame["source_id_dr2"].to_list() == ids
    assert result.frame["source_id_dr3"].null_count() == 30
    assert result.steps[0].came_in == result.steps[0].went_on == 30


@pytest.mark.parametrize(
    ("name", "release"),
    [("dr8_v2.0_LRS_stellar.csv", "DR2"), ("dr7.csv", "DR2"), ("dr10_v1.0.csv", None), ("catalogue.csv", None)],
)
def test_gaia_ids_are_used_only_in_a_known_release(tmp_path: Path, name: str, release: str | None) -> None:
    survey = open_survey(SurveyConfig(adapter="lamost", file=str(write_csv(tmp_path / name, lamost_rows()))))
    frame = survey.read().frame
    assert survey.gaia_releases == ((release,) if release else ())
    assert (frame["source_id_dr2"].null_count() < 30) == (release == "DR2")
    assert frame["source_id_dr3"].null_count() == 30
    assert any("gaia_source_id" in note for note in survey.notes)


def test_the_user_names_the_release(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "dr11.csv", lamost_rows("dr11"))
    survey = open_survey(SurveyConfig(adapter="lamost", file=str(path), gaia_release="DR3"))
    assert survey.read().frame["source_id_dr3"].null_count() == 1
    assert survey.gaia_releases == ("DR3",)


def test_mrs_names(tmp_path: Path) -> None:
    """DR8 v2.0 MRS: mobsid identifies the spectrum, rv_lasp1 is preferred to rv_lasp0, 9999 is no error."""
    data = lamost_rows("dr8")
    for name in ("teff", "logg", "feh"):
        data[f"{name}_lasp"], data[f"{name}_lasp_err"] = data.pop(name), data.pop(f"{name}_err")
    data["rv_lasp1"], data["rv_lasp1_err"] = data.pop("rv"), data.pop("rv_err")
    data["rv_lasp0"] = [0.0] * 30
    data["rv_lasp1_err"][4] = 9999.0
    data["mobsid"], data["obsid"] = [f"MR{i:08d}" for i in range(30)], [7] * 30
    data["snr"] = data.pop("snrg")
    path = write_fits(tmp_path / "dr8_v2.0_MRS_stellar.fits", data)
    survey = open_survey(SurveyConfig(adapter="lamost", file=str(path)))
    frame = survey.read().frame
    assert frame["spectrum_id"][3] == "MR00000003"
    assert frame["rv"].to_list() == data["rv_lasp1"]
    assert frame["rv_error"].is_null().arg_true().to_list() == [4]
    assert frame["snr"][0] == data["snr"][0]
    assert any("rv_lasp1" in note for note in survey.notes)
    assert any("1 row has a velocity without an error" in note for note in survey.notes)


def test_only_stars_pass(tmp_path: Path) -> None:
    data = lamost_rows()
    data["fibertype"][:4] = ["Sky", "PosErr", "F-std", "Unused"]
    data["class"][4:6] = ["GALAXY", "QSO"]
    survey = open_survey(SurveyConfig(adapter="lamost", file=str(write_csv(tmp_path / "x.csv", data))))
    frame = survey.read().frame
    assert frame.height == 25  # a flux standard is a star
    assert survey.steps[0].lost == {"the fibre is not on a star (fibertype)": 3, "not classified as a star": 2}
    assert survey.rejected["row"].to_list() == [1, 2, 4, 5, 6]
    assert survey.rejected["spectrum_id"][0] == "100000"


def test_batches_do_not_change_the_result(tmp_path: Path) -> None:
    data = lamost_rows(n=200)
    data["obsid"][150] = data["obsid"][10]  # the same id with another measurement
    for name in data:
        data[name][160] = data[name][20]  # the same row again
    for form in ("fits.gz", "csv.gz", "parquet"):
        path = WRITERS[form](tmp_path / f"dr8.{form}", data)
        whole = open_survey(SurveyConfig(adapter="lamost", file=str(path)))
        expected = whole.read()
        parts = open_survey(SurveyConfig(adapter="lamost", file=str(path)))
        frames = list(parts.batches(size=7))
        assert max(f.height for f in frames) <= 7
        assert_frame_equal(pl.concat(frames), expected.frame)
        assert parts.steps == whole.steps
        assert parts.steps[0].lost == {"the same row listed again": 1}
        assert expected.frame["spectrum_id"][150] == "100010#151"
        assert expected.frame["spectrum_id"].is_unique().all()


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    survey = open_survey(SurveyConfig(adapter="lamost", file=str(write_csv(tmp_path / "dr8.csv", lamost_rows()))))
    first, second = survey.read(), survey.read()
    assert_frame_equal(first.frame, second.frame)
    assert (first.steps, first.notes) == (second.steps, second.notes)


def test_ids_of_another_release_never_join(tmp_path: Path) -> None:
    """DR3 ids against a DR2 list: an error that says so, although every number agrees."""
    data = lamost_rows()
    path = write_csv(tmp_path / "survey.csv", data)
    rows = [i for i, ident in enumerate(data["gaia_source_id"]) if int(ident)]
    listed = {
        "Cluster": ["A"] * len(rows),
        "Source": [data["gaia_source_id"][i] for i in rows],
        "ra": [data["ra"][i] for i in rows],
        "dec": [data["dec"][i] for i in rows],
        "PMemb": [1.0] * len(rows),
    }
    members = read_members(MembersConfig(catalogue="cantat2018", file=str(write_csv(tmp_path / "m.csv", listed))))
    settings = CrossmatchConfig(method="source_id")
    for release in ("DR2", "DR3"):
        survey = open_survey(SurveyConfig(adapter="lamost", file=str(path), gaia_release=release))
        spectra = survey.read().frame
        if release == "DR2":
            matches = identify(spectra, members.frame, settings=settings, gaia_releases=survey.gaia_releases)
            assert matches.frame.height == len(rows)
        else:
            with pytest.raises(CrossmatchError, match="DR2"):
                identify(spectra, members.frame, settings=settings, gaia_releases=survey.gaia_releases)


# --- units -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["fits", "vot"])
def test_units_are_converted(tmp_path: Path, form: str) -> None:
    data = lamost_rows()
    plain = read(WRITERS[form](tmp_path / f"a.{form}", data))
    data["rv"] = [1000.0 * x for x in data["rv"]]
    path = WRITERS[form](tmp_path / f"b.{form}", data, {"rv": "m/s", "ra": "deg", "teff": "K"})
    np.testing.assert_allclose(read(path)["rv"], plain["rv"], rtol=1e-14)


@pytest.mark.parametrize("unit", ["dex", "log(cm.s**-2)", "[cm/s2]", "Sun"])
def test_spellings_of_logarithmic_units(tmp_path: Path, unit: str) -> None:
    path = write_fits(tmp_path / "a.fits", lamost_rows(), {"logg": unit})
    assert read(path)["logg"].to_list() == lamost_rows()["logg"]


@pytest.mark.parametrize(("column", "unit"), [("rv", "K"), ("teff", "km/s"), ("ra", "mag"), ("feh", "km/s")])
def test_wrong_unit(tmp_path: Path, column: str, unit: str) -> None:
    path = write_fits(tmp_path / "a.fits", lamost_rows(), {column: unit})
    with pytest.raises(SchemaError, match=f"column '{column}'.*unit is '{unit}'") as caught:
        read(path)
    assert caught.value.expected
    assert caught.value.hint


def test_unreadable_unit(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="furlong"):
        read(write_fits(tmp_path / "a.fits", lamost_rows(), {"rv": "furlong/fortnight^"}))


# --- the table adapter -----------------------------------------------------------------------------------------


def table_data() -> dict[str, list[Any]]:
    return {
        "star": [f"s{i}" for i in range(25)],
        "gaia": [4_000_000_000_000_000_001 + i for i in range(25)],
        "x": [10.0 + i for i in range(25)],
        "y": [-5.0 + i for i in range(25)],
        "v": [1000.0 * i for i in range(25)],
        "metal": [-0.1 if i else 99.9 for i in range(25)],
    }


TABLE_COLUMNS = {
    "spectrum_id": "star",
    "source_id_dr3": "gaia",
    "ra": "x",
    "dec": "y",
    "rv": {"column": "v", "unit": "m/s"},
    "rv_error": {"value": 0.5},
    "feh": {"column": "metal", "missing": [99.9]},
    "ref_epoch": {"value": 2016.0},
}


@pytest.mark.parametrize("form", WRITERS)
def test_table_adapter(tmp_path: Path, form: str) -> None:
    path = WRITERS[form](tmp_path / f"unknown.{form}", table_data())
    config = SurveyConfig(adapter="table", file=str(path), name="Unknown", columns=TABLE_COLUMNS)
    survey = open_survey(config)
    frame = survey.read().frame
    assert survey.name == "Unknown"
    assert survey.gaia_releases == ("DR3",)
    assert frame["source_id_dr3"].to_list() == table_data()["gaia"]
    np.testing.assert_allclose(frame["rv"], np.arange(25.0))
    assert frame["rv_error"].to_list() == [0.5] * 25
    assert frame["feh"].to_list() == [None, *[-0.1] * 24]
    assert frame["ref_epoch"].to_list() == [2016.0] * 25
    assert frame["spectrum_id"][7] == "s7"


def test_table_without_names_numbers_its_rows(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", table_data(), ",")
    columns = {k: v for k, v in TABLE_COLUMNS.items() if k != "spectrum_id"}
    frame = read(path, "table", columns=columns)
    assert frame["spectrum_id"].to_list() == [f"row {i}" for i in range(1, 26)]


@pytest.mark.parametrize("change", [{"speed": "v"}, {"ra": None}])
def test_bad_column_map(tmp_path: Path, change: dict[str, Any]) -> None:
    columns = {k: v for k, v in {**TABLE_COLUMNS, **change}.items() if v is not None}
    path = write_csv(tmp_path / "a.csv", table_data(), ",")
    with pytest.raises(ConfigError, match=next(iter(change))):
        read(path, "table", columns=columns)


# --- errors that are not measured ------------------------------------------------------------------------------


def with_errors(tmp_path: Path, **change: Any) -> Path:
    data = lamost_rows()
    data.update(change)
    return write_csv(tmp_path / "dr8.csv", data)


def test_constant_errors_are_kept_and_marked(tmp_path: Path) -> None:
    survey = open_survey(SurveyConfig(adapter="lamost", file=str(with_errors(tmp_path, feh_err=[0.01] * 30))))
    frame = survey.read().frame
    assert frame["feh_error"].drop_nulls().unique().to_list() == [0.01]
    assert frame["error_note"].to_list() == ["feh_error: constant"] * 29 + [None]
    assert any("0.01 dex in all 29 rows: a floor" in note for note in survey.notes)


def test_a_floor_replaces_a_constant(tmp_path: Path) -> None:
    frame = read(with_errors(tmp_path, feh_err=[0.01] * 30), feh_error_floor="0.1 dex")
    assert frame["feh_error"].drop_nulls().unique().to_list() == [0.1]
    assert frame["error_note"][0] == "feh_error: floor"


def test_a_constant_broken_late_is_no_constant(tmp_path: Path) -> None:
    """The column is read to its end before it is called constant."""
    n = 12_000
    data = lamost_rows(n=n)
    data["feh_err"] = [0.01] * (n - 5) + [0.02] * 5
    survey = open_survey(SurveyConfig(adapter="lamost", file=str(write_csv(tmp_path / "dr8.csv", data))))
    assert survey.read().frame["error_note"].null_count() == n
    assert not any("floor" in note for note in survey.notes)


def test_few_equal_errors_are_no_constant(tmp_path: Path) -> None:
    data = {k: v[:19] for k, v in lamost_rows().items()}
    data["rv_err"] = [2.0] * 19
    assert read(write_csv(tmp_path / "dr8.csv", data))["error_note"].null_count() == 19


def test_configured_floor_raises_small_and_fills_missing_errors(tmp_path: Path) -> None:
    path = with_errors(tmp_path, rv_err=[0.0, 0.5, None, -1.0, *[3.0 + i / 10 for i in range(26)]])
    survey = open_survey(SurveyConfig(adapter="lamost", file=str(path), rv_error_floor="1 km/s"))
    frame = survey.read().frame
    assert frame["rv_error"].to_list() == [1.0, 1.0, 1.0, *[3.0 + i / 10 for i in range(26)]]
    assert frame["error_note"].to_list()[:4] == ["rv_error: floor", "rv_error: floor", "rv_error: assumed", None]
    assert survey.steps[0].lost == {"rv_error is zero or negative": 1}
    assert survey.rejected["row"].to_list() == [4]


def test_zero_and_negative_errors(tmp_path: Path) -> None:
    data = lamost_rows()
    data["rv_err"][3], data["rv_err"][7], data["feh_err"][5] = 0.0, -2.0, 0.0
    survey = open_survey(SurveyConfig(adapter="lamost", file=str(write_csv(tmp_path / "dr8.csv", data))))
    frame = survey.read().frame
    assert survey.steps[0].lost == {"rv_error is zero or negative": 2}
    assert survey.rejected["row"].to_list() == [4, 8]
    row = frame.row(by_predicate=pl.col("spectrum_id") == "100005", named=True)
    assert (row["feh"], row["feh_error"]) == (data["feh"][5], None)
    assert row["error_note"] == "feh_error: not positive"


# --- real files ------------------------------------------------------------------------------------------------

REAL = {
    "surveys/lamost_lrs_clusters.csv": ("lamost", 691, {}, ("DR2", "DR3")),
    "surveys/lamost_mrs_clusters.csv": ("lamost", 555, {}, ("DR2", "DR3")),
    "surveys/lamost_dr1_field_sample.csv": ("lamost", 3165, {}, ()),
    "surveys/boss_occam_member_dr20.fits": ("boss", 3834, {}, ("DR3",)),
    "surveys/occam_member_dr16.fits": ("apogee", 10063, {"the same row listed again": 500}, ()),
    "surveys/gaia_dr3_rv_in_tarricq2022_members.csv.gz": (
        "gaia_rvs",
        55433,
        {"no radial velocity": 35489, "the same row listed again": 155},
        ("DR3",),
    ),
}


@pytest.mark.parametrize("file", REAL)
def test_real_files(data_dir: Path, file: str) -> None:
    adapter, rows, lost, releases = REAL[file]
    survey = open_survey(SurveyConfig(adapter=adapter, file=file), data_dir=data_dir)
    result = survey.read()
    assert result.steps[0].came_in == rows
    assert result.steps[0].lost == lost
    assert survey.gaia_releases == releases
    frame = result.frame
    assert frame["spectrum_id"].is_unique().all()
    assert frame["rv"].abs().max() < 1000
    assert frame["teff"].drop_nulls().is_between(2000, 60000).all()
    assert frame["feh"].drop_nulls().is_between(-5, 1).all()
    assert frame["rv_error"].drop_nulls().is_between(0, 500, closed="right").all()


def test_real_lamost_ids_and_notes(data_dir: Path) -> None:
    """Every value of the LRS file against an independent reader."""
    frame = open_survey(
        SurveyConfig(adapter="lamost", file="surveys/lamost_lrs_clusters.csv"), data_dir=data_dir
    ).read()
    raw = pl.read_csv(data_dir / "surveys/lamost_lrs_clusters.csv", infer_schema_length=None)
    pairs = {"source_id_dr2": "dr2_source_id", "source_id_dr3": "dr3_source_id", "rv": "rv", "feh_error": "feh_err"}
    for ours, theirs in pairs.items():
        assert frame.frame[ours].to_list() == raw[theirs].to_list()
    imputed = frame.frame["error_note"].is_not_null()
    assert imputed.to_list() == raw["imputed_uncertainties_flag"].to_list()
    assert imputed.sum() == 34


def test_real_boss_constant_error_is_a_floor(data_dir: Path) -> None:
    survey = open_survey(SurveyConfig(adapter="boss", file="surveys/boss_occam_member_dr20.fits"), data_dir=data_dir)
    frame = survey.read().frame
    assert frame["feh_error"].unique().to_list() == [0.05]
    assert frame["error_note"].unique().to_list() == ["feh_error: floor"]
    assert any("E_FeH_CLAM is 0.01 dex in all 3,834 rows" in note for note in survey.notes)


def test_real_boss_floor_is_the_scatter_within_clusters(data_dir: Path) -> None:
    """Where the 0.05 dex come from: robust scatter of [Fe/H] among RV members, median over clusters of ten or more."""
    from astropy.table import Table

    table = Table.read(data_dir / "surveys/boss_occam_member_dr20.fits")
    names = ["Cluster", "FeH_CLAM", "Teff", "RV_Prob", "FeH_Prob_CLAM"]
    stars = pl.DataFrame(
        {n: table[n].astype(str) if n == "Cluster" else np.array(table[n], dtype=float) for n in names}
    )
    stars = stars.filter(pl.col("Teff").is_between(4000, 7500) & (pl.col("RV_Prob") >= 0.05))
    metal = pl.col("FeH_CLAM")
    mad = 1.4826 * (metal - metal.median()).abs().median()
    for selected, expected in ((pl.lit(True), 0.063), (pl.col("FeH_Prob_CLAM") >= 0.05, 0.044)):
        groups = stars.filter(selected).group_by("Cluster").agg(pl.len(), mad.alias("scatter"))
        assert groups.filter(pl.col("len") >= 10)["scatter"].median() == pytest.approx(expected, abs=0.002)


def test_real_mrs_averaged_sentinels_are_no_errors(data_dir: Path) -> None:
    """9999 averaged over n visits is 9999 / sqrt(n) in the MRS file: no error at all."""
    file = "surveys/lamost_mrs_clusters.csv"
    survey = open_survey(SurveyConfig(adapter="lamost", file=file), data_dir=data_dir)
    frame = survey.read().frame
    raw = pl.read_csv(data_dir / file, infer_schema_length=None)
    sentinel = (9999 / raw["nobs"].sqrt() - raw["rv_err"]).abs() < 0.01
    assert sentinel.sum() == 22
    assert frame["rv_error"].is_null().to_list() == sentinel.to_list()
    assert any("22 rows have a velocity without an error" in note for note in survey.notes)


def test_real_apogee_positions_and_sentinels(data_dir: Path) -> None:
    """Positions from the 2MASS names against the catalogue's own Galactic coordinates; 999999 is no velocity."""
    from astropy.coordinates import SkyCoord
    from astropy.io import fits

    path = data_dir / "surveys/occam_member_dr16.fits"
    frame = open_survey(SurveyConfig(adapter="apogee", file=str(path))).read().frame
    raw = fits.getdata(path, 1)
    _, first = np.unique(raw["APOGEE_ID"], return_index=True)
    raw = raw[np.sort(first)]
    assert frame["spectrum_id"].to_list() == [str(x).strip() for x in raw["APOGEE_ID"]]
    galactic = SkyCoord(l=raw["GLON"], b=raw["GLAT"], unit="deg", frame="galactic")
    ours = SkyCoord(frame["ra"].to_numpy(), frame["dec"].to_numpy(), unit="deg")
    separation = ours.separation(galactic).arcsec
    assert np.median(separation) < 0.5
    assert (separation > 1.2).sum() == 2  # two names of the catalogue are 20 arcsec off its own coordinates
    assert frame["rv"].null_count() == (raw["VHELIO_AVG"] > 9e5).sum()
    assert frame["feh"].null_count() == (raw["FE_H"] < -9e3).sum()
    assert frame["rv_error"].drop_nulls().unique().to_list() == [0.1]


def test_real_gaia_against_an_independent_reader(data_dir: Path) -> None:
    path = data_dir / "surveys/gaia_dr3_rv_in_tarricq2022_members.csv.gz"
    frame = open_survey(SurveyConfig(adapter="gaia_rvs", file=str(path))).read().frame
    raw = pl.read_csv(path, infer_schema_length=None).filter(pl.col("radial_velocity").is_not_null())
    raw = raw.unique("source_id", maintain_order=True)
    assert frame["source_id_dr3"].to_list() == raw["source_id"].to_list()
    assert frame["rv"].to_list() == raw["radial_velocity"].to_list()
    assert frame["ref_epoch"].unique().to_list() == [2016.0]
