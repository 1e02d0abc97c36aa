"""Names from catalogues and values of the configuration: nothing is written outside OUT, nothing becomes HTML."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from structure_tables import at, sinusoid, thin_disc

from melotte.cli import main
from melotte.config import parse
from melotte.core.randomness import Streams
from melotte.errors import MelotteError
from melotte.figures import look
from melotte.publish import FORMATS, read_table
from melotte.schema import CATALOGUE
from melotte.validation.demonstration import CONFIG as DEMO
from melotte.validation.simulate import SimulationSettings, simulate
from melotte.workflow.pipeline import run
from melotte.workflow.standalone.gradients import run_gradients
from melotte.workflow.standalone.publish import run_publish
from melotte.workflow.standalone.structure import run_structure

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
    from melotte.workflow.delivery import read_back

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
        from melotte.workflow.pipeline import _isochrones

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


# --- what other commands make of the names -------------------------------------------------------------------------


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    """The same in a place of its own."""
    return Path(shutil.copytree(made, tmp_path / "made"))


def _nothing_outside(top: Path, out: Path) -> None:
    outside = [p for p in top.rglob("*") if p.is_file() and out not in p.parents and p.parent != top / "in"]
    assert outside == []
    assert not list(out.rglob("*climbed*.toml"))


def test_published(copied: Path):
    out = copied / "deep" / "er" / "out"
    found = set(pl.read_parquet(out / "clusters.parquet")["cluster"])
    publication = run_publish(out, progress=lambda *_: None)
    _nothing_outside(copied, out)
    allowed = {"tables", "cds", "aas", "footprint.fits", "CITATION", "provenance.json", "prov.json", "MANIFEST"}
    assert {file.split("/")[0] for file in publication.files} == allowed
    assert not [file for file in publication.files if "climbed" in file]
    for suffix in FORMATS:
        table = read_table(out / "publish" / "tables" / f"clusters.{suffix}", CATALOGUE)
        assert set(table["cluster"]) == found
    for path in (*(out / "publish" / "cds").iterdir(), *(out / "publish" / "aas").iterdir()):
        assert path.read_bytes().isascii()
    votable = (out / "publish" / "tables" / "clusters.vot").read_text(encoding="utf-8")
    assert "<script" not in votable


def test_explored_again(copied: Path):
    out = copied / "deep" / "er" / "out"
    with pytest.raises(SystemExit) as status:
        main(["explore", str(out), "--data-dir", str(copied / "in")])
    assert not status.value.code
    _nothing_outside(copied, out)
    page = (out / "report.html").read_text(encoding="utf-8")
    for markup in _MARKUP:
        assert markup not in page


def test_compared_with_the_literature(copied: Path, monkeypatch: pytest.MonkeyPatch):
    """A catalogue of the literature with these names; what is found is in the page that is then written again."""
    out = copied / "deep" / "er" / "out"
    monkeypatch.setenv("XDG_CACHE_HOME", str(copied / "in" / "cache"))
    ours = pl.read_parquet(out / "clusters.parquet")
    one = pl.lit("1")
    theirs = ours.select(
        Cluster="cluster", RA_ICRS="ra", DE_ICRS="dec", **{"pmRA*": "pmra", "pmDE": "pmdec"}, RV="rv_med", e_RV=one,
        o_RV=one, **{"[Fe/H]": "feh_med", "e_[Fe/H]": one, "o_[Fe/H]": one},
    )  # fmt: skip
    (copied / "in" / "clusters").mkdir()
    theirs.write_csv(copied / "in" / "clusters" / "zhong2020.csv")
    for command in (["compare", str(out), "--with", "zhong2020", "--until", "2021-12-31"], ["explore", str(out)]):
        with pytest.raises(SystemExit) as status:
            main([*command, "--data-dir", str(copied / "in")])
        assert not status.value.code
    compared = pl.read_parquet(out / "tables" / "compared_rv_zhong2020.parquet")
    assert compared.height > len(NAMES) / 2
    outside = [p for p in copied.rglob("*") if p.is_file() and out not in p.parents and copied / "in" not in p.parents]
    assert outside == []
    page = (out / "report.html").read_text(encoding="utf-8")
    for markup in _MARKUP:
        assert markup not in page


def test_structure(tmp_path: Path):
    """Names of clusters and of clouds, in the tables and in the page of the wave."""
    top, out = tmp_path / "top", tmp_path / "top" / "out"
    top.mkdir()
    wave = sinusoid()
    near = at(wave.to_numpy()[50 : 50 + 50 * len(NAMES) : 50], feh_med=[0.1] * len(NAMES),
              feh_med_error=[0.05] * len(NAMES), n_feh=pl.Series([5] * len(NAMES), dtype=pl.Int32))  # fmt: skip
    near = near.with_columns(pl.Series("cluster", NAMES))
    pl.concat([thin_disc(31, 40), near], how="diagonal").write_parquet(tmp_path / "clusters.parquet")
    wave.write_csv(tmp_path / "wave.csv")
    clouds = [n for n in NAMES if "," not in n and "\t" not in n]
    lines = "".join(
        f"{n},{12 * k},{k - 15},{95 + 30 * k},{100 + 30 * k},{106 + 30 * k}\n" for k, n in enumerate(clouds)
    )
    (tmp_path / "clouds.csv").write_text(f"Name,GLON,GLAT,d16,d50,d84\n{lines}", encoding="utf-8")
    (tmp_path / "run.toml").write_text(
        f"[structure]\nclouds = {str(tmp_path / 'clouds.csv')!r}\nwave = {str(tmp_path / 'wave.csv')!r}\n"
        'draws = 50\npermutations = 99\nshuffles = 99\n[galaxy]\ndraws = 0\n[figures]\nformats = ["png"]\n'
    )
    _, files = run_structure(tmp_path / "clusters.parquet", out, config=tmp_path / "run.toml", progress=lambda *_: None)
    assert all(out in p.parents for p in files)
    assert [p.name for p in top.iterdir()] == ["out"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "clouds.csv",
        "clusters.parquet",
        "run.toml",
        "top",
        "wave.csv",
    ]
    pages = [p for p in files if p.suffix == ".html"]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "alert(" in text
        for markup in _MARKUP:
            assert markup not in text
        assert "&lt;" in text


def test_gradients(tmp_path: Path):
    n = len(NAMES)
    table = {"cluster": NAMES, "r_gc": [8.0 + 0.2 * i for i in range(n)], "feh_med": [0.1 - 0.02 * i for i in range(n)]}
    table |= {"feh_med_error": [0.03] * n, "feh_scatter": [0.05] * n, "n_feh": [5] * n}
    pl.DataFrame(table).write_csv(tmp_path / "in.csv")
    (tmp_path / "my.toml").write_text(
        '[gradients]\nfeh_error = "scatter"\nscatter = false\nx_errors = false\nmodels = ["line"]\nage_edges = []\n'
        'predictors = ["r_gc"]\nflat_tail = false\n[figures]\nformats = ["png"]\n'
    )
    out = tmp_path / "out"
    result, files = run_gradients(
        tmp_path / "in.csv", out, config=tmp_path / "my.toml", jobs=1, progress=lambda *_: None
    )
    assert set(result.fits[0].sample.cluster) == set(NAMES)
    assert all(out in p.parents for p in files)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.csv", "my.toml", "out"]
