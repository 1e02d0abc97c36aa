"""A run opened again is the run that was made: every table, number, figure and command."""

from __future__ import annotations

import inspect
import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from faults_runs import CONFIG
from polars.testing import assert_frame_equal

import melotte
from melotte.catalogue.catalogue import Catalogue
from melotte.catalogue.views import Plots
from melotte.cli import main
from melotte.core.randomness import Streams
from melotte.errors import MelotteError
from melotte.figures import look
from melotte.schema.products import RUN_TABLES
from melotte.validation.simulate import SimulationSettings, simulate
from melotte.workflow.delivery import deliver

GOLDEN = Path(__file__).parent / "golden" / "products.json"
PLOTS = [name for name, _ in inspect.getmembers(Plots, inspect.isfunction) if not name.startswith("_")]


@pytest.fixture(scope="module", params=["clip", pytest.param("likelihood", marks=pytest.mark.slow)])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalogue, Path, Path]:
    """A fresh run, its directory and its inputs; its own figures are not drawn."""
    top = tmp_path_factory.mktemp("reopened")
    simulate(SimulationSettings(n_clusters=8, n_field_spectra=50), Streams(5)).write(top / "in")
    settings: dict[str, Any] = {**CONFIG, "velocity": {**CONFIG["velocity"], "model": request.param}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(look, "_print", lambda figure, stream, name: stream.write(b"\x89PNG\r\n\x1a\n"))
        patch.setattr(look, "_laid_out", nullcontext)
        return melotte.run(settings, data_dir=top / "in", out=top / "out"), top / "out", top / "in"


def drawn(catalogue: Catalogue, name: str) -> bytes | str:
    """The figure as it is drawn, or what is said instead."""
    plot = getattr(catalogue.plot, name)
    arguments = [catalogue.largest(1)[0]] if "name" in inspect.signature(plot).parameters else []
    try:
        figure = plot(*arguments)
    except MelotteError as error:
        return str(error)
    stream = io.BytesIO()
    figure.savefig(stream, format="raw", dpi=30)
    return stream.getvalue()


@pytest.mark.parametrize("name", PLOTS)
def test_every_figure(made: tuple[Catalogue, Path, Path], name: str):
    fresh, out, inputs = made
    shown = drawn(fresh, name)
    assert isinstance(shown, bytes) or name == "metallicity_distribution"  # the run has no [gradients]
    assert drawn(melotte.read(out, data_dir=inputs), name) == shown


def test_every_table_and_number(made: tuple[Catalogue, Path, Path]):
    fresh, out, inputs = made
    again = melotte.read(out, data_dir=inputs)
    for table in RUN_TABLES:
        one, two = table.of(fresh), table.of(again)
        assert (one is None) == (two is None), table.name
        if one is not None:
            assert_frame_equal(one, two, check_exact=True)
    assert fresh.zero_point is not None
    assert_frame_equal(again.member_list, fresh.member_list)
    for name in ("zero_point", "survey", "config_name", "config", "notes"):
        assert getattr(again, name) == getattr(fresh, name), name
    assert again.summary() == fresh.summary()
    assert {role: digest for role, (_, digest) in again.inputs.items()} == {
        role: digest for role, (_, digest) in fresh.inputs.items()
    }


def test_rejected_clusters_come_back(made: tuple[Catalogue, Path, Path], tmp_path: Path):
    fresh, _, inputs = made
    rejected = pl.DataFrame({"cluster": ["A"], "n_all": [3], "reason": ["none"]}, schema_overrides={"n_all": pl.Int32})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(look, "_print", lambda figure, stream, name: stream.write(b"\x89PNG\r\n\x1a\n"))
        deliver(replace(fresh, rejected=rejected), tmp_path)
    assert_frame_equal(melotte.read(tmp_path, data_dir=inputs).rejected, rejected)


@pytest.mark.parametrize("command", ["show", "publish", "explore"])
def test_every_command(
    made: tuple[Catalogue, Path, Path], tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
):
    """On the run's directory, and on one that the opened run was written to."""
    fresh, out, inputs = made
    said = []
    copies = (Path(shutil.copytree(out, tmp_path / "one" / "out")), tmp_path / "two" / "out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(look, "_print", lambda figure, stream, name: stream.write(b"\x89PNG\r\n\x1a\n"))
        opened = melotte.read(out, data_dir=inputs)
        deliver(replace(opened, inputs=fresh.inputs), copies[1])
        for copy in copies:
            arguments = {
                "show": ["show", fresh.largest(1)[0], "--out", str(copy), "--data-dir", str(inputs)],
                "publish": ["publish", str(copy)],
                "explore": ["explore", str(copy), "--data-dir", str(inputs)],
            }[command]
            with pytest.raises(SystemExit) as end:
                main(arguments)
            assert not end.value.code
            said.append(capsys.readouterr().out.replace(str(copy.parent), ""))
    assert said[0].split() == said[1].split()


def test_products_are_those_agreed_on(made: tuple[Catalogue, Path, Path]):
    """Files of a run, and the columns and units of its tables; MELOTTE_UPDATE_GOLDEN=1 writes the list again."""
    _, out, _ = made
    found: dict[str, Any] = {}
    for path in sorted(p for p in out.rglob("*") if p.is_file() and p.name != ".melotte.lock"):
        columns = None
        if path.suffix == ".parquet":
            fields = pq.read_schema(path)
            units = [(f.metadata or {}).get(b"unit", b"").decode() for f in fields]
            columns = [f"{f.name} {f.type} {unit}".strip() for f, unit in zip(fields, units, strict=True)]
        found[path.relative_to(out).as_posix()] = columns
    if os.environ.get("MELOTTE_UPDATE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    assert found == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_reading_a_run_back_needs_neither_compiler_nor_page():
    """What `melotte show` waits for: numba and bokeh take longer to import than all the rest."""
    code = "import sys, melotte; melotte.read; print(*({'numba', 'bokeh'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == []
