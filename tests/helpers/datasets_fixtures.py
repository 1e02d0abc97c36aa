"""Fixtures of the tests that fetch from `datasets_archive`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from datasets_archive import BODY, Archive, archive_module, make_record, serve

from melotte.datasets import Record, download


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """A running archive that holds `BODY`; nobody waits between attempts."""
    monkeypatch.setattr(download, "WAIT_S", 0.0)
    monkeypatch.setattr(download, "_CHUNK", 512)
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
