"""Fetching tables from VizieR, played by a server on 127.0.0.1 that sends VOTables of the true shape."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from astroquery.vizier import VizierClass
from datasets_archive import Archive, Field, archive_module, get, left, votable

from melotte import datasets
from melotte.datasets import Record
from melotte.errors import DatasetError

pytest_plugins = ("datasets_fixtures",)

IDS = [str(2**60 + 1 + 3 * i) for i in range(5)]
STARS = [
    Field("recno", "int", ["1", "2", "3", "4", "5"]),
    Field("Source", "long", IDS),
    Field("pmRA*", "double", ["1.5", "-0.25", "", "NaN", "4e-05"], "mas/yr"),
    Field("[Fe/H]", "float", ["-0.1", "0.02", "", "0.3", "0.4"], "[Sun]"),
    Field("Cluster", "char", ["NGC_752  ", "a, b", "", "x", "IC_4665"]),
    Field("dmode-01", "short", ["1", "2", "", "4", "5"]),
    Field("dmode+01", "short", ["5", "4", "3", "2", "1"]),
]


@pytest.fixture
def vizier(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """The archive answers what astroquery asks VizieR."""
    monkeypatch.setattr(VizierClass, "_server_to_url", lambda self, return_type="votable": archive.url)
    archive.body = votable({"J/A+A/1/1/stars": STARS})
    return archive


def vizier_source(**changes: Any) -> dict[str, Any]:
    return {"type": "vizier", "catalogue": "J/A+A/1/1", "table": "stars", **changes}


def columns(*names: str, rows: int = 5, **more: Any) -> dict[str, Any]:
    return {"rows": rows, "columns": list(names), **more}


def test_vizier_table(vizier: Archive, register: Callable[..., Record], tmp_path: Path) -> None:
    register(
        source=vizier_source(rename={"pmRA*": "pmra"}),
        content=columns("Source", "[Fe/H]", "pmra", "dmode+01", "dmode-01", "Cluster", optional=["recno"]),
    )
    lines = get(tmp_path).read_text().splitlines()
    assert lines[0] == "Source,[Fe/H],pmra,dmode+01,dmode-01,Cluster,recno"
    assert lines[1] == f"{IDS[0]},-0.1,1.5,5,1,NGC_752,1"
    assert lines[2] == f'{IDS[1]},0.02,-0.25,4,2,"a, b",2'
    assert lines[3] == f"{IDS[2]},,,3,,,3"
    assert lines[4] == f"{IDS[3]},0.3,,2,4,x,4"
    asked = vizier.posted[0]
    assert "-source=J/A+A/1/1/stars" in asked
    assert "-out.max=unlimited" in asked
    assert "-out.all" in asked


def test_vizier_columns_under_their_xml_ids(vizier: Archive, register: Callable[..., Record], tmp_path: Path) -> None:
    register(source=vizier_source(), content=columns("Source", "__Fe_H_"))
    assert get(tmp_path).read_text().splitlines()[0].startswith("Source,__Fe_H_,recno,pmRA*,Cluster")


def test_vizier_columns_spelt_slightly_differently(
    vizier: Archive, register: Callable[..., Record], tmp_path: Path
) -> None:
    register(source=vizier_source(rename={"pmra": "proper_motion"}), content=columns("source", "proper_motion"))
    assert get(tmp_path).read_text().splitlines()[1].startswith(f"{IDS[0]},1.5,")


def test_vizier_ambiguous_spelling_is_not_guessed(
    vizier: Archive, register: Callable[..., Record], tmp_path: Path
) -> None:
    register(source=vizier_source(), content=columns("Source", "dmode01"))
    with pytest.raises(DatasetError, match="lacks dmode01"):
        get(tmp_path)


def test_vizier_gzip_and_selected_columns(vizier: Archive, register: Callable[..., Record], tmp_path: Path) -> None:
    register(file="members/stars.csv.gz", source=vizier_source(select=["Source", "Cluster"]), content=columns("Source"))
    assert gzip.decompress(get(tmp_path).read_bytes()).decode().splitlines()[1].startswith(IDS[0])
    assert "-out=Source,Cluster" in vizier.posted[0]


def test_vizier_tsv_has_units_and_ruler(vizier: Archive, register: Callable[..., Record], tmp_path: Path) -> None:
    content = columns("Cluster", "pmRA*", delimiter="\t")
    register(file="clouds/stars.tsv", source=vizier_source(), content=content)
    lines = get(tmp_path).read_text().splitlines()
    assert lines[0].split("\t")[:2] == ["Cluster", "pmRA*"]
    assert lines[1].split("\t")[:2] == [" ", "mas/yr"]
    assert set(lines[2]) == {"-", "\t"}
    assert lines[3].split("\t")[:2] == ["NGC_752", "1.5"]


def test_vizier_table_found_by_its_columns(vizier: Archive, register: Callable[..., Record], tmp_path: Path) -> None:
    other = [Field("Cluster", "char", ["a"]), Field("RV", "double", ["1"])]
    vizier.body = votable({"J/A+A/1/1/refs": other, "J/A+A/1/1/stars": STARS})
    register(source={"type": "vizier", "catalogue": "J/A+A/1/1"}, content=columns("Cluster", "Source"))
    assert len(get(tmp_path).read_text().splitlines()) == 6


def test_vizier_two_tables_alike_are_told_apart_by_rows(
    vizier: Archive, register: Callable[..., Record], tmp_path: Path
) -> None:
    short = [Field(f.name, f.datatype, f.cells[:2], f.unit) for f in STARS]
    vizier.body = votable({"J/A+A/1/1/a": short, "J/A+A/1/1/b": STARS})
    register(source={"type": "vizier", "catalogue": "J/A+A/1/1"}, content=columns("Cluster", rows=2))
    assert len(get(tmp_path).read_text().splitlines()) == 3
    register(source={"type": "vizier", "catalogue": "J/A+A/1/1"}, content=columns("Cluster", rows=3))
    with pytest.raises(DatasetError, match="2 of the 2 tables"):
        get(tmp_path, force=True)


OVERFLOW = '<INFO name="QUERY_STATUS" value="OVERFLOW">truncated</INFO>'
FAILURE = '<INFO name="QUERY_STATUS" value="ERROR">no such catalogue</INFO>'


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (votable({"t": [Field(f.name, f.datatype, f.cells[:4], f.unit) for f in STARS]}), "has 4 rows"),
        (votable({"t": STARS[:1]}), "lacks Cluster, Source"),
        (votable({}), "0 of the 0 tables"),
        (votable({"t": STARS})[:-150], "no whole VOTable"),
        (b"<html>Service down</html>", "no whole VOTable|0 of the 0"),
        (b"", "no whole VOTable"),
        (votable({"t": STARS}, OVERFLOW), "OVERFLOW truncated"),
        (votable({"t": STARS}, FAILURE), "no such catalogue"),
    ],
    ids=["rows", "columns", "empty", "cut", "page", "nothing", "overflow", "error"],
)
def test_vizier_answers_that_are_not_the_table(
    vizier: Archive, register: Callable[..., Record], tmp_path: Path, body: bytes, problem: str
) -> None:
    vizier.body = body
    register(source=vizier_source(), content=columns("Source", "Cluster"))
    with pytest.raises(DatasetError, match=problem):
        get(tmp_path)
    assert left(tmp_path) == set()


@pytest.mark.parametrize("step", [503, 404, ("cut", 700)])
def test_vizier_out_of_order_then_well(
    vizier: Archive, register: Callable[..., Record], tmp_path: Path, step: Any
) -> None:
    register(source=vizier_source(), content=columns("Source", "Cluster"))
    vizier.script = [step]
    with pytest.raises(DatasetError, match=r"VizieR (answers HTTP|cannot be reached)(.|\n)*melotte fetch stars"):
        get(tmp_path)
    assert left(tmp_path) == set()
    # Nothing of the failure was cached: the next call asks again.
    assert get(tmp_path).is_file()


def test_vizier_interrupted_while_writing(
    vizier: Archive, register: Callable[..., Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(self: Path, data: bytes) -> int:
        with self.open("wb") as stream:
            stream.write(data[:10])
        raise KeyboardInterrupt

    register(source=vizier_source(), content=columns("Source", "Cluster"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", half)
        with pytest.raises(KeyboardInterrupt):
            get(tmp_path)
    assert left(tmp_path) == set()
    assert get(tmp_path).is_file()


@pytest.mark.parametrize("name", sorted(n for n, r in datasets.records().items() if r.source.type == "vizier"))
def test_every_vizier_record_can_be_fetched_from_an_answer_of_its_shape(
    vizier: Archive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """The answer has VizieR's names; the file has the columns of the record in the order of the record."""
    record = datasets.record(name)
    content = record.content.model_copy(update={"rows": 3})
    record = record.model_copy(update={"content": content})
    monkeypatch.setattr(archive_module, "record", {name: record}.__getitem__)
    assert isinstance(record.source, datasets.VizierSource)
    back = {new: old for old, new in record.source.rename.items()}
    names = [back.get(column, column) for column in (*content.columns, *content.optional)]
    fields = [Field(column, "double", ["1.5", "2.5", ""]) for column in names]
    vizier.body = votable({record.source.query: fields[::-1]})
    path = datasets.fetch(name, cache_dir=tmp_path, progress=False)[0]
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    separator = "\t" if ".tsv" in path.name else ","
    assert text.decode().splitlines()[0].split(separator) == [*content.columns, *content.optional]
    assert datasets.locate(name, data_dir=tmp_path) == path
    assert datasets.verify(path, record).rows == 3
