"""Fetching from an archive that breaks in every way a real one does."""

from __future__ import annotations

import gzip
import importlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from astroquery.vizier import VizierClass

from datasets_archive import Archive, Field, make_record, serve, stars_csv, votable
from melotte import datasets
from melotte.datasets import Record, download
from melotte.errors import DatasetError

# The package exports the function; the module of the same purpose is patched here.
archive_module = importlib.import_module("melotte.datasets.archive")
BODY = stars_csv()
NAME = "surveys/stars.csv"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "WAIT_S", 0.0)
    monkeypatch.setattr(download, "_CHUNK", 512)


@pytest.fixture
def archive() -> Iterator[Archive]:
    with serve(Archive(BODY)) as running:
        yield running


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Record]:
    """Make `fetch` know one more record."""

    def add(archive: Archive | None = None, **changes: Any) -> Record:
        if archive is not None:
            changes.setdefault("source", {"type": "url", "url": archive.url, "instructions": "Ask them by letter."})
        record = make_record(**changes)
        monkeypatch.setattr(archive_module, "record", {record.name: record}.__getitem__)
        return record

    return add


def get(cache: Path, **kwargs: Any) -> Path:
    return datasets.fetch(["stars"], cache_dir=cache, progress=False, **kwargs)[0]


def left(cache: Path) -> set[str]:
    """Names of the files in the cache, without the lock."""
    return {path.name for path in cache.rglob("*") if path.is_file() and not path.name.endswith(".lock")}


# --- files behind an address -----------------------------------------------------------------------------------


def test_whole(archive: Archive, register: Callable[..., Record], tmp_path: Path) -> None:
    register(archive)
    path = get(tmp_path)
    assert path == tmp_path / NAME
    assert path.read_bytes() == BODY
    assert left(tmp_path) == {"stars.csv"}
    assert archive.asked[0]["Accept-Encoding"] == "identity"


def test_what_is_there_is_not_fetched_again(archive: Archive, register: Callable[..., Record], tmp_path: Path) -> None:
    register(archive)
    get(tmp_path)
    get(tmp_path)
    assert len(archive.asked) == 1
    get(tmp_path, force=True)
    assert len(archive.asked) == 2


def test_a_broken_file_in_the_cache_is_replaced(
    archive: Archive, register: Callable[..., Record], tmp_path: Path
) -> None:
    register(archive)
    path = tmp_path / NAME
    path.parent.mkdir()
    path.write_bytes(BODY[:100])
    assert get(tmp_path).read_bytes() == BODY


def test_cut_connection_resumes_within_the_call(
    archive: Archive, register: Callable[..., Record], tmp_path: Path
) -> None:
    register(archive)
    archive.script = [("cut", 3000)]
    assert get(tmp_path).read_bytes() == BODY
    begin = int(archive.asked[1]["Range"].removeprefix("bytes=").removesuffix("-"))
    assert 0 < begin <= 3000
    assert archive.asked[1]["If-Range"] == '"v1"'


def test_cut_connection_every_time_then_resumes_in_the_next_call(
    archive: Archive, register: Callable[..., Record], tmp_path: Path
) -> None:
    register(archive)
    archive.script = [("cut", 1000)] * download.ATTEMPTS
    with pytest.raises(DatasetError, match=r"failed 4 times(.|\n)*bytes are kept(.|\n)*melotte fetch stars"):
        get(tmp_path)
    assert not (tmp_path / NAME).exists()
    assert left(tmp_path) == {"stars.csv.part", "stars.csv.part.json"}
    asked = len(archive.asked)
    assert get(tmp_path).read_bytes() == BODY
    assert "Range" in archive.asked[asked]
    assert left(tmp_path) == {"stars.csv"}


def test_interrupted_midway_leaves_no_half_file_and_resumes(
    archive: Archive, register: Callable[..., Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(archive)
    seen = 0

    def interrupt(self: Any, count: int) -> None:
        nonlocal seen
        seen += 1
        if seen == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(archive_module._Bar, "update", interrupt)
        with pytest.raises(KeyboardInterrupt):
            get(tmp_path)
    assert not (tmp_path / NAME).exists()
    assert get(tmp_path).read_bytes() == BODY
    assert archive.asked[1]["Range"] == "bytes=1536-"


def test_a_file_that_changed_meanwhile_is_not_joined_to_the_old_half(
    archive: Archive, register: Callable[..., Record], tmp_path: Path
) -> None:
    register(archive)
    archive.script = [("cut", 1000)] * download.ATTEMPTS
    with pytest.raises(DatasetError):
        get(tmp_path)
    archive.body, archive.etag = BODY.replace(b"0.1", b"9.9"), '"v2"'
    assert get(tmp_path).read_bytes() == archive.body


def test_a_changed_file_without_a_validator_is_noticed_by_its_length(
    archive: Archive, register: Callable[..., Record], tmp_path: Path
) -> None:
    register(archive, content={"rows": 401, "columns": ["id", "rv"]})
    archive.etag = None
    archive.script = [("cut", 1000)] * download.ATTEMPTS
    with pytest.raises(DatasetError):
        get(tmp_path)
    archive.body = stars_csv(401)
    assert get(tmp_path).read_bytes() == archive.body


def test_a_server_without_ranges_sends_all(archive: Archive, register: Callable[..., Record], tmp_path: Path) -> None:
    register(archive)
    archive.script = [("cut", 3000), "ignore-range"]
    assert get(tmp_path).read_bytes() == BODY


def test_without_length_or_validator_nothing_is_resumed(
    archive: Archive, register: Callable[..., Record], tmp_path: Path
) -> None:
    register(archive)
    archive.etag, archive.announce_length = None, False
    part = tmp_path / f"{NAME}.part"
    part.parent.mkdir()
    part.write_bytes(b"leftover of unknown origin")
    assert get(tmp_path).read_bytes() == BODY
    assert "Range" not in archive.asked[0]


def test_cut_without_an_announced_length_is_caught_by_the_row_count(
    archive: Archive, register: Callable[..., Record], tmp_path: Path
) -> None:
    register(archive)
    archive.etag, archive.announce_length = None, False
    archive.script = [("cut", BODY.index(b"\n", 2000) + 1)]
    with pytest.raises(DatasetError, match=r"not the catalogue and was not kept: has \d+ rows"):
        get(tmp_path)
    assert left(tmp_path) == set()


def test_404_is_final_and_says_how_by_hand(archive: Archive, register: Callable[..., Record], tmp_path: Path) -> None:
    register(archive)
    archive.script = [404] * 9
    with pytest.raises(DatasetError, match=r"HTTP 404(.|\n)*by letter"):
        get(tmp_path)
    assert len(archive.asked) == 1
    assert not (tmp_path / NAME).exists()


def test_503_then_well(archive: Archive, register: Callable[..., Record], tmp_path: Path) -> None:
    register(archive)
    archive.script = [503, 429]
    assert get(tmp_path).read_bytes() == BODY
    assert len(archive.asked) == 3


def test_503_for_good(archive: Archive, register: Callable[..., Record], tmp_path: Path) -> None:
    register(archive)
    archive.script = [503] * 9
    with pytest.raises(DatasetError, match=r"failed 4 times: the archive answers HTTP 503"):
        get(tmp_path)
    assert len(archive.asked) == download.ATTEMPTS
    assert not (tmp_path / NAME).exists()


def test_no_server_at_all(register: Callable[..., Record], tmp_path: Path) -> None:
    with serve(Archive(BODY)) as gone:
        pass
    register(gone)
    with pytest.raises(DatasetError, match=r"failed 4 times: ConnectionError(.|\n)*check the connection"):
        get(tmp_path)
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize(
    ("body", "content", "problem"),
    [
        (BODY, {"rows": 400, "columns": ["id", "rv"], "sha256": "0" * 64}, "SHA-256"),
        (BODY, {"rows": 500, "columns": ["id", "rv"]}, "has 400 rows"),
        (BODY, {"rows": 400, "columns": ["id", "rv", "teff"]}, "no column teff"),
        (b"<html><body>Please log in</body></html>", {"rows": 400, "columns": ["id", "rv"]}, "no column"),
    ],
    ids=["checksum", "rows", "columns", "login page"],
)
def test_what_is_not_the_catalogue_is_not_kept(
    archive: Archive,
    register: Callable[..., Record],
    tmp_path: Path,
    body: bytes,
    content: dict[str, Any],
    problem: str,
) -> None:
    archive.body = body
    register(archive, content=content)
    with pytest.raises(DatasetError, match=rf"was not kept: .*{problem}"):
        get(tmp_path)
    assert left(tmp_path) == set()


def test_a_page_instead_of_a_gzip_file(archive: Archive, register: Callable[..., Record], tmp_path: Path) -> None:
    archive.body = b"<!DOCTYPE html><title>Log in</title>"
    register(archive, file="surveys/stars.csv.gz")
    with pytest.raises(DatasetError, match=r"DOCTYPE(.|\n)*by letter"):
        get(tmp_path)
    assert left(tmp_path) == set()


def test_the_old_file_survives_a_failed_renewal(
    archive: Archive, register: Callable[..., Record], tmp_path: Path
) -> None:
    register(archive)
    get(tmp_path)
    archive.body = stars_csv(10)
    with pytest.raises(DatasetError, match="has 10 rows"):
        get(tmp_path, force=True)
    assert (tmp_path / NAME).read_bytes() == BODY


def test_two_at_a_time_take_turns(archive: Archive, register: Callable[..., Record], tmp_path: Path) -> None:
    register(archive)
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: get(tmp_path), range(4)))
    assert {path.read_bytes() for path in paths} == {BODY}
    assert len(archive.asked) == 1


def test_manual_dataset_has_instructions(register: Callable[..., Record], tmp_path: Path) -> None:
    register(source={"type": "manual", "url": "https://example.org/form", "instructions": "Fill in the form there."})
    with pytest.raises(DatasetError) as caught:
        get(tmp_path)
    assert "Fill in the form there." in str(caught.value)
    assert str(tmp_path / NAME) in str(caught.value)


def test_unwritable_place(archive: Archive, register: Callable[..., Record], tmp_path: Path) -> None:
    register(archive)
    (tmp_path / "surveys").write_text("a file where a directory has to be")
    with pytest.raises(DatasetError, match="cannot be written"):
        get(tmp_path)


def test_unknown_name_fetches_nothing(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no dataset is called"):
        datasets.fetch(["nothing"], cache_dir=tmp_path)


# --- VizieR ----------------------------------------------------------------------------------------------------

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
