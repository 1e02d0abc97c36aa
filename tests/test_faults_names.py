"""Names from catalogues and values of the configuration: nothing is written outside OUT, nothing becomes HTML."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from melotte.config import parse
from melotte.demonstration import CONFIG as DEMO
from melotte.errors import MelotteError
from melotte.figures import look
from melotte.pipeline import run
from melotte.randomness import Streams
from melotte.simulate import SimulationSettings, simulate

#: Names that climb, that are places, that are markup, that are too long for a file name.
NAMES = (
    "../../../climbed",
    "/absolute/climbed",
    "..",
    "con",
    "NGC 2682\\..\\climbed",
    "~root",
    "$(touch climbed)",
    "a" * 300,
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "</script><script>alert(3)</script>",
    "{{ 7 * 7 }}",
    "M 67 & co's",
    "Größe é ★",
)
_MARKUP = ("<script>alert(", "<img src=x", "</script><script>")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on clusters with these names, drawn one by one."""
    top = tmp_path_factory.mktemp("names")
    simulate(SimulationSettings(n_clusters=len(NAMES), median_members=40, n_field_spectra=50), Streams(5)).write(
        top / "in"
    )
    for name, column in (("members", "Cluster"), ("clusters", "Cluster"), ("reference", "OC")):
        path = top / "in" / f"{name}.csv"
        table = pl.read_csv(path)
        known = dict(zip([f"SIM_{i + 1:04d}" for i in range(len(NAMES))], NAMES, strict=True))
        table.with_columns(pl.col(column).replace_strict(known)).write_csv(path)
    config: dict[str, Any] = {
        **DEMO,
        "velocity": {"draws": 100},
        "metallicity": {"giant_rule": "logg", "draws": 100},
        "figures": {"largest": len(NAMES), "formats": ["png"]},
        "run": {"title": "<script>alert('title')</script>"},
        "survey": {**DEMO["survey"], "name": "<img src=x onerror=alert(4)>"},  # type: ignore[dict-item]
    }
    with pytest.MonkeyPatch.context() as patch:  # the names of the figures' files matter here, not what they show
        patch.setattr(look, "_print", lambda figure, stream, name: stream.write(b"\x89PNG\r\n\x1a\n"))
        patch.setattr(look, "_laid_out", nullcontext)
        run(config, data_dir=top / "in", out=top / "deep" / "er" / "out")
    return top


def test_every_name_is_there_and_nothing_lies_outside(made: Path):
    out = made / "deep" / "er" / "out"
    found = set(pl.read_parquet(out / "clusters.parquet")["cluster"])
    assert len(found) > len(NAMES) / 2
    assert found <= set(NAMES)
    outside = [p for p in made.rglob("*") if p.is_file() and out not in p.parents and p.parent != made / "in"]
    assert outside == []
    assert not list(out.rglob("*climbed*.toml"))
    drawn = {p.name for p in (out / "figures").glob("*_rv.png")}
    assert len(drawn) == len(found), "two clusters share one file"


def test_no_name_becomes_html(made: Path):
    page = (made / "deep" / "er" / "out" / "report.html").read_text(encoding="utf-8")
    for markup in _MARKUP:
        assert markup not in page
    assert "alert(" in page, "the names are in the page"


def test_a_notebook_shows_names_as_text(made: Path):
    from melotte.delivery import read_back

    catalogue = read_back(made / "deep" / "er" / "out", data_dir=made / "in")
    shown = catalogue._repr_html_()
    for markup in _MARKUP:
        assert markup not in shown


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("survey", "file", "../../../../../etc/passwd"),
        ("survey", "file", "a\0b"),
        ("survey", "file", "x" * 5000),
        ("members", "file", "/dev/null"),
        ("members", "file", "\0"),
        ("clusters", "file", "."),
        ("metallicity", "isochrones", "../../a\0"),
    ],
)
def test_paths_in_the_configuration(made: Path, tmp_path: Path, section: str, key: str, value: Any):
    """Inputs may lie anywhere, but what is not there, or no table, is refused; nothing is written beside OUT."""
    base: dict[str, Any] = {**DEMO, "figures": {"largest": 0}}
    changed = {**base, section: {**base.get(section, {}), key: value}}
    if section == "metallicity":
        changed[section] = {key: value}
    (tmp_path / "out").mkdir()
    if section == "metallicity":  # log g instead, and a note that says so
        from melotte.pipeline import _isochrones

        found, notes = _isochrones(parse(changed), made / "in")
        assert found is None
        assert "not found" in notes[0]
        return
    with pytest.raises(MelotteError):
        run(changed, data_dir=made / "in", out=tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_figure_of_a_cluster_with_a_path_for_a_name(made: Path, tmp_path: Path):
    """The name is of no cluster: a note, and nothing is written beside OUT."""
    changed = {**DEMO, "figures": {"largest": 0, "clusters": ["../../nobody knows"]}}
    catalogue = run(changed, data_dir=made / "in", out=tmp_path / "out")
    assert any("nobody knows" in note for note in catalogue.notes)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
