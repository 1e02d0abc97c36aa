"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_SIBLING = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The local mirror of the published catalogues; without it the test is skipped, in CI it fails."""
    path = Path(os.environ.get("MELOTTE_DATA_DIR", _SIBLING))
    if not (path / "clusters" / "fu2022.csv").is_file():
        message = f"no published catalogues at {path} (set MELOTTE_DATA_DIR)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that asks for ``data_dir`` is a real-data test, whether it says so or not."""
    for item in items:
        if "data_dir" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.real_data)
