"""Fetching files from an archive that breaks in every way a real one does."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from datasets_archive import BODY, NAME, Archive, archive_module, get, left, serve, stars_csv

from melotte import datasets
from melotte.datasets import Record, download
from melotte.errors import DatasetError

pytest_plugins = ("datasets_fixtures",)


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


def test_no_server_at_all(register: Callable[..., Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "WAIT_S", 0.0)
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
    assert list(tmp_path.iterdir()) == []


def test_manual_dataset_put_in_its_place_is_taken(register: Callable[..., Record], tmp_path: Path) -> None:
    register(source={"type": "manual", "url": "https://example.org/form", "instructions": "Fill in the form there."})
    (tmp_path / NAME).parent.mkdir()
    (tmp_path / NAME).write_bytes(BODY)
    assert get(tmp_path) == tmp_path / NAME


def test_unwritable_place(archive: Archive, register: Callable[..., Record], tmp_path: Path) -> None:
    register(archive)
    (tmp_path / "surveys").write_text("a file where a directory has to be")
    with pytest.raises(DatasetError, match="cannot be written"):
        get(tmp_path)


def test_unknown_name_fetches_nothing(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no dataset is called"):
        datasets.fetch(["nothing"], cache_dir=tmp_path)
