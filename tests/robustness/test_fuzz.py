"""A small share of the damaged files of ``fuzz_readers.py``, and more that hypothesis finds."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import fuzz_readers
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from melotte import config
from melotte.datasets.model import parse_record
from melotte.errors import MelotteError

CASES = 4


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, fuzz_readers.Reader]:
    directory = tmp_path_factory.mktemp("valid")
    return {r.name: r for r in fuzz_readers.readers(directory)}


def test_the_undamaged_files_are_read(readers: dict[str, fuzz_readers.Reader], tmp_path: Path):
    assert len(readers) > 30
    for reader in readers.values():
        path = tmp_path / f"valid{reader.suffix}"
        path.write_bytes(reader.valid)
        reader.read(path)


def test_a_damaged_file_is_read_or_refused(readers: dict[str, fuzz_readers.Reader], tmp_path: Path):
    outcomes = {
        (reader.name, number): fuzz_readers.one(reader, number, tmp_path)
        for reader in readers.values()
        for number in range(CASES)
    }
    assert {k: v for k, v in outcomes.items() if v not in ("read", "refused")} == {}
    # Damage that nothing notices tests nothing.
    assert sum(v == "refused" for v in outcomes.values()) > len(outcomes) / 4


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("member table.csv", 817),
        ("answer of VizieR.vot", 821),
        *(("answer of X-Match.vot", number) for number in (513, 988, 998, 1483, 1505)),
        *(("match sources.parquet", number) for number in (742, 1304, 1469, 2675)),
    ],
)
def test_what_was_once_a_fault(
    readers: dict[str, fuzz_readers.Reader], tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, number: int
):
    """Found by the long runs; 2675 ended the process."""
    assert fuzz_readers.one(readers[name], number, tmp_path) in ("read", "refused")
    capfd.readouterr()  # polars prints the panics it raises


def test_the_same_number_is_the_same_file():
    valid = b"ra,dec\n1.0,2.0\n" * 5
    for number in range(50):
        one, two = (fuzz_readers.damage(valid, random.Random(f"a {number}")) for _ in range(2))
        assert one == two


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_as_a_configuration_or_a_table(tmp_path: Path, content: bytes):
    path = tmp_path / "any.toml"
    path.write_bytes(content)
    with pytest.raises(MelotteError):
        config.load(path)
    from melotte.tables.reader import open_table

    try:
        reader = open_table(path)
        list(reader.batches(list(reader.columns)[:3], 100))
    except MelotteError:
        pass


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_SECTIONS = st.sampled_from(sorted(config.Config.model_fields))


@given(st.dictionaries(_SECTIONS, _VALUES, max_size=4), st.data())
@settings(max_examples=100, deadline=None)
def test_any_values_as_a_configuration(sections: dict[str, Any], data: st.DataObject):
    """Wrong types anywhere: a `ConfigError`, or a configuration that can be written out again."""
    content: dict[str, Any] = {
        "survey": {"adapter": "lamost", "file": "a"},
        "members": {"catalogue": "cantat2018"},
        "clusters": {"catalogue": "cantat2020"},
        **sections,
    }
    section = data.draw(_SECTIONS)
    if isinstance(content.get(section, {}), dict):
        model = config.Config.model_fields[section].annotation
        keys = sorted(getattr(model, "model_fields", {"x": None}))
        content[section] = {**content.get(section, {}), data.draw(st.sampled_from(keys)): data.draw(_VALUES)}
    try:
        found = config.parse(content)
    except MelotteError:
        return
    assert config.parse(found.resolved()) == found


@given(st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_any_text_as_a_dataset_record(text: str):
    with pytest.raises(MelotteError):
        parse_record(text, where="record")


@pytest.mark.slow
def test_ten_thousand_damaged_files():
    done = subprocess.run(
        [sys.executable, fuzz_readers.__file__, "--cases", "10000", "--first", "1000"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
