"""``melotte publish`` on a small run: every file is there, valid, and says the same."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from astropy.table import Table
from votables import strictly

from melotte import config as configuration
from melotte.cli import main
from melotte.errors import ConfigError, PublishError, ReadError
from melotte.publish import InputFile, read_table, write_provenance, write_table
from melotte.publish.folder import replacing_folder
from melotte.schema import CATALOGUE, DYNAMICS, MEMBER_STARS, SNAPSHOTS, Schema
from melotte.schema.result import Step
from melotte.workflow.standalone.publish import Publication, run_publish

AUTHORS = """
[publish]
title = "Clusters"
authors = ["Doe J.", "Müller A."]
abstract = "Three clusters."
catalogue = "J/A+A/999/A1"
bibcode = "2030A&A...999A...1D"
doi = "10.5281/zenodo.1"
publisher = "Somebody"
rights_uri = "https://creativecommons.org/licenses/by/4.0/"
"""
BIG = 2**62 + 1
NAMES = ("M_67", "Ruprecht_147_α", "UBC_1")


def silent(stage: str, done: int, total: int | None) -> None:
    """Report nothing."""


def frames() -> dict[str, tuple[Schema, pl.DataFrame]]:
    clusters = pl.DataFrame(
        {
            "cluster": NAMES,
            "ra": [132.846, 289.1, None],
            "dec": [11.814, -16.3, None],
            "n_all": [2, 1, 1],
            "n_rv": [2, 1, 0],
            "n_feh": [1, 0, 0],
            "rv_med": [33.9, 41.6, None],
            "rv_med_error": [0.4, 1.0, None],
        }
    )
    star = {"ref_epoch": 2015.5, "gaia_release": "DR2", "method": "position", "n_spectra": 1, "n_clusters": 1}
    places = [(NAMES[0], BIG, 132.85, 11.81, 12), (NAMES[0], 12, 132.9, 11.8, 1), (NAMES[1], 13, 289.1, -16.3, 1)]
    members = [
        {
            **star,
            "cluster": c,
            "source_id": i,
            "ra": ra,
            "dec": dec,
            "flag": flag,
            "spectrum_id": f"s{i}",
            "reason": "r",
        }
        for c, i, ra, dec, flag in (*places, (NAMES[2], 14, 0.0, 90.0, 0))
    ]
    orbits = pl.DataFrame({"cluster": NAMES[:2], "l_z": [1900.5, None], "reason": [None, "no distance"]})
    snapshots = pl.DataFrame({"cluster": NAMES[:1] * 2, "lookback": [0.0, 100.0], "x": [-8.6, 1.0], "y": [0.1, 8.0]})
    return {
        "clusters": (CATALOGUE, CATALOGUE.conform(clusters)),
        "members": (MEMBER_STARS, MEMBER_STARS.conform(pl.DataFrame(members))),
        "orbits": (DYNAMICS, DYNAMICS.conform(orbits)),
        "snapshots": (SNAPSHOTS, SNAPSHOTS.conform(snapshots)),
    }


def make_run(folder: Path, tables: dict[str, tuple[Schema, pl.DataFrame]]) -> Path:
    """What a run leaves behind, as far as publishing looks at it."""
    outputs = [p for stem, (s, f) in tables.items() for p in write_table(f, s, folder / stem, ("parquet",))]
    inputs = []
    for name, file in (("survey", "lamost_lrs_clusters.csv"), ("clusters", "cantat2020.csv"), ("other", "mine.csv")):
        path = folder / "input" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        inputs.append(InputFile(name, path))
    settings = configuration.parse(
        {
            "survey": {"adapter": "lamost", "file": "x.csv", "name": "Survey"},
            "members": {"catalogue": "cantat2018"},
            "clusters": {"catalogue": "cantat2020"},
            "galaxy": {},
        }
    )
    write_provenance(
        folder / "provenance.json",
        inputs=inputs,
        config=settings.resolved(),
        steps=[Step("reading", "spectra", 10, {"no member": 6})],
        notes=["a note"],
        outputs=outputs,
        started=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
        finished=datetime(2030, 1, 2, 3, 5, 5, tzinfo=UTC),
    )
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("run"), frames())


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without orbits."""
    return make_run(
        tmp_path_factory.mktemp("small"), {k: v for k, v in frames().items() if k in {"clusters", "members"}}
    )


@pytest.fixture(scope="module")
def publication(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Publication:
    folder = tmp_path_factory.mktemp("out")
    (folder / "p.toml").write_text(AUTHORS, encoding="utf-8")
    return run_publish(run, to=folder / "publish", config=folder / "p.toml", progress=silent)


def test_every_file_is_there(publication: Publication) -> None:
    stems = ("clusters", "members", "orbits", "snapshots")
    expected = {"CITATION", "MANIFEST", "prov.json", "provenance.json", "footprint.fits", "cds/ReadMe"}
    expected |= {f"cds/{s}.dat" for s in stems} | {f"aas/{s}.txt" for s in stems}
    expected |= {f"tables/{s}.{f}" for s in stems for f in ("fits", "vot", "parquet", "ecsv")}
    assert set(publication.files) == expected
    assert publication.notices == ["no HATS collection: ask for it with --hats"]
    assert [p.name for p in publication.folder.parent.iterdir() if p.name.startswith(".")] == []


def test_manifest_is_that_of_sha256sum(publication: Publication) -> None:
    done = subprocess.run(["sha256sum", "-c", "--strict", "MANIFEST"], cwd=publication.folder, capture_output=True)
    assert done.returncode == 0
    assert done.stdout.count(b": OK") == len(publication.files) - 1


@pytest.mark.parametrize("stem", ["clusters", "members", "orbits", "snapshots"])
def test_all_formats_hold_the_same(publication: Publication, stem: str) -> None:
    from astropy.io import fits

    schema, frame = frames()[stem]
    for form in ("fits", "vot", "parquet", "ecsv"):
        assert read_table(publication.folder / "tables" / f"{stem}.{form}", schema).equals(frame)
    with fits.open(publication.folder / "tables" / f"{stem}.fits", checksum=True) as hdus:
        hdus.verify("exception")
    cds = Table.read(
        publication.folder / "cds" / f"{stem}.dat", format="ascii.cds", readme=str(publication.folder / "cds/ReadMe")
    )
    aas = Table.read(publication.folder / "aas" / f"{stem}.txt", format="ascii.mrt")
    assert cds.colnames == aas.colnames
    for column in schema:
        if frame[column.name].null_count() == frame.height:
            assert column.cds_label not in cds.colnames
        elif column.dtype.startswith("float"):
            for table in (cds, aas):
                read = np.ma.filled(np.ma.asarray(table[column.cds_label].data, dtype=float), np.nan)
                printed = [np.nan if v is None else float(column.format % v) for v in frame[column.name]]
                np.testing.assert_array_equal(read, printed)
    assert cds["Cluster"][0] == "M_67"


@pytest.mark.skipif(shutil.which("stilts") is None, reason="stilts is not installed")
def test_stilts_finds_no_fault(publication: Publication) -> None:
    for path in sorted((publication.folder / "tables").glob("*.vot")):
        lint = subprocess.run(["stilts", "votlint", str(path)], capture_output=True, text=True, check=True)
        assert (lint.stdout, lint.stderr) == ("", ""), path.name
    command = ["stilts", "tpipe", f"in={publication.folder / 'footprint.fits'}", "ifmt=fits", "omode=count"]
    assert subprocess.run(command, capture_output=True, check=True).returncode == 0


def test_data_origin(publication: Publication) -> None:
    from astropy.io.votable.dataorigin import extract_data_origin

    document = strictly(publication.folder / "tables" / "members.vot")
    origin = extract_data_origin(document)
    assert origin.query.publisher == "Somebody"
    [dataset] = origin.origin
    assert dataset.creator == ["Doe J.", "Müller A."]
    assert dataset.citation == ["doi:10.5281/zenodo.1"]
    assert dataset.article == ["bibcode:2030A&A...999A...1D"]
    assert dataset.is_derived_from == ["ivo://cds.vizier/j/a+a/640/a1"]
    assert set(dataset.cites) == {"bibcode:2012RAA....12.1197C", "bibcode:2020A&A...640A...1C"}
    assert document.resources[0].coordinate_systems[0].epoch == "J2015.5"


def test_footprint_covers_the_stars_and_little_else(publication: Publication) -> None:
    from astropy import units as u
    from mocpy import MOC

    moc = MOC.from_fits(publication.folder / "footprint.fits")
    members = frames()["members"][1]
    assert moc.contains_lonlat(members["ra"].to_numpy() * u.deg, members["dec"].to_numpy() * u.deg).all()
    assert moc.max_order == 10
    # Four stars in four cells of order 10.
    assert moc.sky_fraction == pytest.approx(4 / (12 * 4**10))
    assert not moc.contains_lonlat([10.0] * u.deg, [10.0] * u.deg).any()


def test_readme_and_citation_name_what_was_used(publication: Publication) -> None:
    text = (publication.folder / "cds" / "ReadMe").read_text("ascii")
    assert text.startswith("J/A+A/999/A1  Clusters")
    assert "    Doe J., Muller A.\n    =2030A&A...999A...1D\n" in text
    assert " J/A+A/640/A1 : Ages, distances and extinctions" in text
    assert "- reading: 10 spectra in, 4 on; left out: 6 no member" in text
    assert "- a note" in text
    assert "snapshots.dat" in text
    cited = (publication.folder / "CITATION").read_text("utf-8")
    for key in ("2020A&A...640A...1C", "10.1051/0004-6361/202038192", "2000A&AS..143...23O", "2017MNRAS.465...76M"):
        assert key in cited
    for package in ("numpy", "astropy", "numba", "polars", "mocpy"):
        assert (
            f"    {package} {json.loads((publication.folder / 'provenance.json').read_text())['software'][package]}"
            in cited
        )
    assert "emcee" not in cited


def prov_document(folder: Path) -> Any:
    prov = pytest.importorskip("prov.model")
    return prov.ProvDocument.deserialize(str(folder / "prov.json"))


def test_provenance_leads_from_the_row_to_the_code(publication: Publication) -> None:
    document = prov_document(publication.folder)
    from prov.model import (
        ProvAgent,
        ProvAssociation,
        ProvDerivation,
        ProvDocument,
        ProvEntity,
        ProvMembership,
        ProvUsage,
    )

    assert ProvDocument.deserialize(content=document.serialize(format="json")) == document

    def ends(kind: type) -> list[tuple[str, ...]]:
        return [tuple(str(v) for _, v in r.formal_attributes if v is not None) for r in document.get_records(kind)]

    entities = {str(e.identifier): e for e in document.get_records(ProvEntity)}
    row, stars, survey = "run:row/M_67", "run:stars/M_67", "run:input/survey"
    derived = {(a, b) for a, b, *_ in ends(ProvDerivation)}
    assert (row, stars) in derived
    assert (stars, survey) in derived
    members = {b for a, b in ends(ProvMembership) if a == stars}
    assert members == {f"run:star/M_67/DR2/{BIG}", "run:star/M_67/DR2/12"}
    facts = {str(k): v for k, v in entities[f"run:star/M_67/DR2/{BIG}"].attributes}
    assert int(str(getattr(facts["melotte:source_id"], "value", facts["melotte:source_id"]))) == BIG
    assert facts["melotte:flag"] == 12
    record = json.loads((publication.folder / "provenance.json").read_text("utf-8"))
    checksum = next(i["sha256"] for i in record["inputs"] if i["name"] == "survey")
    assert ("melotte:sha256", checksum) in {(str(k), v) for k, v in entities[survey].attributes}
    assert ("run:run", "run:configuration") in {u[:2] for u in ends(ProvUsage)}
    [association] = [a for a in ends(ProvAssociation) if a[0] == "run:run"]
    assert association == ("run:run", "run:code", "run:configuration")
    [agent] = document.get_records(ProvAgent)
    versions = {str(k): str(v) for k, v in agent.attributes}
    assert versions["melotte:version_of_numpy"] == record["software"]["numpy"]
    # Every relation ends at something that is described.
    known = {*entities, "run:run", "run:publish", "run:code"}
    for kind in (ProvDerivation, ProvMembership, ProvUsage, ProvAssociation):
        assert {end for relation in ends(kind) for end in relation} <= known


def test_again_gives_the_same_bytes(small: Path, tmp_path: Path) -> None:
    folder = run_publish(small, to=tmp_path / "publish", progress=silent).folder
    before = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    (folder / "stale").write_text("x")
    assert run_publish(small, to=folder, progress=silent).folder == folder
    assert {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_a_failure_leaves_the_earlier_folder(
    small: Path, publication: Publication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = Path(shutil.copytree(publication.folder, tmp_path / "publish"))
    before = {p: p.read_bytes() for p in earlier.rglob("*") if p.is_file()}

    def fail(_: object, __: object, stem: Path, **___: object) -> None:
        stem.parent.mkdir()
        stem.write_text("half a table")
        raise PublishError("no space")

    monkeypatch.setattr("melotte.workflow.standalone.publish.write_table", fail)
    with pytest.raises(PublishError, match="no space"):
        run_publish(small, to=earlier, progress=silent)
    assert {p: p.read_bytes() for p in earlier.rglob("*") if p.is_file()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["publish"]


def test_other_files_are_not_replaced(run: Path, tmp_path: Path) -> None:
    (tmp_path / "publish").mkdir()
    (tmp_path / "publish" / "thesis.tex").write_text("x")
    with pytest.raises(PublishError, match="not made by this command"):
        run_publish(run, to=tmp_path / "publish", progress=silent)
    assert (tmp_path / "publish" / "thesis.tex").read_text() == "x"
    with pytest.raises(PublishError, match="not a folder"), replacing_folder(tmp_path / "publish" / "thesis.tex"):
        pass


def test_bad_input(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no finished run here"):
        run_publish(tmp_path, progress=silent)
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    schema, frame = frames()["clusters"]
    write_table(frame.head(1), schema, copy / "clusters", ("parquet",))
    with pytest.raises(ReadError, match="not the table the run wrote"):
        run_publish(copy, progress=silent)
    (copy / "clusters.parquet").unlink()
    with pytest.raises(ReadError, match="missing"):
        run_publish(copy, progress=silent)
    (copy / "provenance.json").write_text("{}")
    with pytest.raises(ReadError, match="not the record of a run"):
        run_publish(copy, progress=silent)
    bad = tmp_path / "bad.toml"
    bad.write_text('[publish]\nauthor = "Doe"\n')
    with pytest.raises(ConfigError, match="author"):
        run_publish(run, config=bad, progress=silent)
    assert not (run / "publish").exists()


def test_tables_without_rows_and_many_stars(tmp_path: Path) -> None:
    tables = frames()
    del tables["orbits"]
    tables["snapshots"] = (SNAPSHOTS, SNAPSHOTS.empty())
    made = make_run(tmp_path / "run", tables)
    (tmp_path / "p.toml").write_text("[publish]\nprovenance_stars = 3\n")
    done = run_publish(made, config=tmp_path / "p.toml", progress=silent)
    assert "cds/snapshots.dat" not in done.files
    assert "tables/snapshots.vot" in done.files
    assert any(n.startswith("snapshots has no row") for n in done.notices)
    assert any("names the stars of a cluster by a rule" in n for n in done.notices)
    document = json.loads((done.folder / "prov.json").read_text("utf-8"))
    assert document["entity"]["run:stars/M_67"]["melotte:rule"] == "rows of members.parquet with cluster = 'M_67'"
    assert not [name for name in document["entity"] if name.startswith("run:star/")]


def test_no_star_at_all(tmp_path: Path) -> None:
    tables = frames()
    del tables["orbits"], tables["snapshots"]
    tables["members"] = (MEMBER_STARS, MEMBER_STARS.empty())
    made = make_run(tmp_path / "run", tables)
    done = run_publish(made, progress=silent)
    assert any(n.startswith("members has no row") for n in done.notices)
    with pytest.raises(PublishError, match=r"needs stars|needs the package"):
        run_publish(made, hats=True, progress=silent)


@pytest.mark.skipif(find_spec("lsdb") is not None, reason="lsdb is installed")
def test_hats_without_its_packages(run: Path, tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="needs the package lsdb") as info:
        run_publish(run, to=tmp_path / "publish", hats=True, progress=silent)
    assert "melotte[hats]" in str(info.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(find_spec("lsdb") is None, reason="lsdb is not installed")
def test_hats_collection(small: Path, tmp_path: Path) -> None:
    import lsdb

    done = run_publish(small, to=tmp_path / "publish", hats=True, progress=silent)
    catalogue = lsdb.open_catalog(done.folder / "hats" / "members", columns=MEMBER_STARS.names)
    frame = frames()["members"][1]
    assert catalogue.hc_structure.catalog_info.total_rows == frame.height
    assert sorted(catalogue.compute()["source_id"].tolist()) == sorted(frame["source_id"])
    cone = catalogue.cone_search(ra=132.85, dec=11.81, radius_arcsec=1.0).compute()
    assert cone["source_id"].tolist() == [BIG]


@pytest.mark.skipif(find_spec("lsdb") is None, reason="lsdb is not installed")
@pytest.mark.parametrize("centre", [45.0, 70.0])
def test_hats_with_and_without_stars_in_the_margin(tmp_path: Path, centre: float) -> None:
    import lsdb

    from melotte.publish.hats import write_hats

    # A line of stars 3.6 arcsec apart; two base cells of HEALPix touch at right ascension 45 on the equator.
    members = pl.concat([frames()["members"][1].head(1)] * 60).with_columns(
        source_id=pl.int_range(60, dtype=pl.Int64) + BIG,
        ra=centre + (pl.int_range(60) - 29.5) / 1000,
        dec=pl.lit(0.0),
    )
    write_hats(tmp_path / "members", members, MEMBER_STARS, rows=1000, margin_arcsec=5.0)
    catalogue = lsdb.open_catalog(tmp_path / "members")
    assert (catalogue.margin is not None) == (centre == 45.0)


def test_command_line(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as info:
        main(["publish", str(small), "--to", str(tmp_path / "publish")])
    assert info.value.code in {0, None}
    out = capsys.readouterr().out
    assert f"18 files in {tmp_path / 'publish'}:\n  CITATION\n" in out
    assert "note: cds/ReadMe and aas/ hold <authors>" in out
