"""The code blocks of README and docs as tests: ``pytest -m slow README.md docs``.

Python blocks run as they are, console blocks command by command; TOML blocks must be valid configurations. A page runs
from top to bottom in a directory of its own, where ``DATA`` is the mirror of the published catalogues.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
from sybil import Example, Sybil
from sybil.integration.pytest import SybilItem
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser

ROOT = Path(__file__).resolve().parent
DATA = Path(os.environ.get("MELOTTE_DATA_DIR", ROOT.parent / "shared" / "data"))
#: Commands that CI runs on its own.
ELSEWHERE = ("pip install", "pytest", "sphinx-build", "melotte demo")


def run_commands(example: Example) -> None:
    """Run every line that starts with a dollar sign; each must succeed."""
    for line in str(example.parsed).splitlines():
        if not line.startswith("$ "):
            continue
        for part in line[2:].split("#")[0].split("&&"):
            command = part.strip()
            if not command or command.startswith(ELSEWHERE):
                continue
            program, *arguments = shlex.split(command)
            # The entry point beside this interpreter, as the reader's shell would find it.
            script = str(Path(sys.executable).parent / program)
            done = subprocess.run([script, *arguments], capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{command}\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}"


def check_configuration(example: Example) -> None:
    """A block may show some sections only."""
    from melotte.config import parse

    rest: dict[str, Any] = {
        "survey": {"adapter": "lamost", "file": "x.csv"},
        "members": {"catalogue": "cantat2018"},
        "clusters": {"catalogue": "cantat2020"},
    }
    parse(rest | tomllib.loads(str(example.parsed)), where=example.path)


def enter(namespace: dict[str, Any]) -> None:
    """An empty directory with what the pages mention: examples, mirror, a table of clusters, two to be matched."""
    import astropy.units as u
    import numpy as np
    import polars as pl
    from astropy.table import QTable

    namespace["_before"] = Path.cwd()
    namespace["_directory"] = tempfile.TemporaryDirectory()
    os.chdir(namespace["_directory"].name)
    Path("examples").symlink_to(ROOT / "examples")
    Path("DATA").symlink_to(DATA)
    clusters = QTable({"cluster": ["M 67", "NGC 188"], "ra": [132.8, 11.8] * u.deg, "dec": [11.8, 85.2] * u.deg})
    clusters["distance"] = [0.89, 1.7] * u.kpc
    clusters["pmra"], clusters["pmdec"] = [-11.0, -2.3] * u.mas / u.yr, [-2.9, -1.0] * u.mas / u.yr
    clusters["rv"] = [34.0, -42.0] * u.km / u.s
    clusters.write("my_clusters.fits")
    ra, dec = np.linspace(10.0, 11.0, 50), np.linspace(-1.0, 1.0, 50)
    spectra = pl.DataFrame({"spectrum_id": [str(n) for n in range(50)], "ra": ra, "dec": dec})
    spectra.write_parquet("spectra.parquet")
    gaia = pl.DataFrame({"source_id": np.arange(50), "ra": ra, "dec": dec, "pmra": ra, "pmdec": dec})
    gaia.write_parquet("gaia.parquet")


def leave(namespace: dict[str, Any]) -> None:
    """Back to where the tests run."""
    os.chdir(namespace["_before"])
    namespace["_directory"].cleanup()


pytest_collect_file = Sybil(
    parsers=[
        PythonCodeBlockParser(),
        CodeBlockParser("console", run_commands),
        CodeBlockParser("toml", check_configuration),
    ],
    patterns=["README.md", "docs/*.md"],
    setup=enter,
    teardown=leave,
).pytest()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pages are slow, and those that name the mirror need it; in CI its absence is a failure."""
    there = (DATA / "clusters" / "fu2022.csv").is_file()
    for item in items:
        if isinstance(item, SybilItem):
            item.add_marker(pytest.mark.slow)
            if "DATA" in item.example.document.text:
                item.add_marker(pytest.mark.real_data)
                if not there and not os.environ.get("CI"):
                    item.add_marker(pytest.mark.skip(f"no published catalogues at {DATA} (set MELOTTE_DATA_DIR)"))
