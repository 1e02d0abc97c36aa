"""Finished runs for the tests of what goes wrong after a run."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from melotte.core.randomness import Streams
from melotte.figures import look
from melotte.validation.demonstration import CONFIG as DEMO
from melotte.validation.simulate import SimulationSettings, simulate
from melotte.workflow.pipeline import run

CONFIG: dict[str, Any] = {
    **DEMO,
    "velocity": {"draws": 50},
    "metallicity": {"giant_rule": "logg", "draws": 50},
    "galaxy": {"draws": 2, "lookback": "20 Myr", "step": "10 Myr"},
    "figures": {"largest": 0, "formats": ["png"]},
}


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs, ``one`` and ``two``; what their figures show does not matter."""
    top = tmp_path_factory.mktemp("runs")
    simulate(SimulationSettings(n_clusters=6, n_field_spectra=50), Streams(5)).write(top / "in")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(look, "_print", lambda figure, stream, name: stream.write(b"\x89PNG\r\n\x1a\n"))
        patch.setattr(look, "_laid_out", nullcontext)
        for name, seed in (("one", 1), ("two", 2)):
            run({**CONFIG, "run": {"seed": seed}}, data_dir=top / "in", out=top / name)
    return top


@pytest.fixture
def out(runs: Path, tmp_path: Path) -> Path:
    """A run that may be damaged."""
    return Path(shutil.copytree(runs / "one", tmp_path / "out"))
