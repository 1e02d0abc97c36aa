"""A catalogue in a notebook: figures of orbits, HTML, what to cite."""

from __future__ import annotations

import html
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import melotte
from melotte.catalogue.catalogue import Catalogue
from melotte.core.randomness import Streams
from melotte.errors import MelotteError
from melotte.validation.demonstration import CONFIG as DEMO
from melotte.validation.simulate import SimulationSettings, simulate
from melotte.workflow.delivery import read_back

CONFIG = {**DEMO, "figures": {"largest": 1, "formats": ["png"]}, "galaxy": {"draws": 3}}


@pytest.fixture(scope="module", params=["clip", "likelihood"])
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalogue, Path]:
    inputs, out = tmp_path_factory.mktemp("inputs"), tmp_path_factory.mktemp("out") / "results"
    simulate(SimulationSettings(n_clusters=6, n_field_spectra=50), Streams(3)).write(inputs)
    return melotte.run({**CONFIG, "velocity": {"model": request.param}}, data_dir=inputs, out=out), out


def test_orbit_of_a_cluster_starts_and_turns_where_the_table_says(finished: tuple[Catalogue, Path]) -> None:
    catalogue, out = finished
    assert catalogue.orbits is not None
    assert catalogue.snapshots is not None
    name = catalogue.orbits.filter(pl.col("reason").is_null())["cluster"][0]
    meridional, _polar, _time = catalogue.plot.orbit(name).axes
    R, z = meridional.lines[0].get_data()
    places = catalogue.snapshots.filter(pl.col("cluster") == name).sort("lookback")
    when = places["lookback"].cast(pl.Int64).to_numpy()  # the drawn orbit has a point every Myr
    np.testing.assert_allclose(R[when], places["r_gc"].to_numpy(), rtol=1e-6)
    np.testing.assert_allclose(z[when], places["z_gc"].to_numpy(), rtol=1e-6, atol=1e-6)
    assert len(R) == 501
    row = catalogue.orbits.row(by_predicate=pl.col("cluster") == name, named=True)
    assert row["r_peri"] - 0.01 <= np.min(np.hypot(R, z))
    assert np.max(np.hypot(R, z)) <= row["r_apo"] + 0.01
    largest = catalogue.largest(1)[0]
    assert list(out.glob(f"figures/{largest}_orbit.png"))
    assert (out / "figures" / "positions.png").is_file()


def test_clusters_are_open_before_they_are_born(finished: tuple[Catalogue, Path]) -> None:
    catalogue, _ = finished
    assert catalogue.snapshots is not None
    frame = catalogue.frame.with_columns(log_age=pl.when(pl.int_range(pl.len()) == 0).then(7.0).otherwise(9.9))
    panels = replace(catalogue, frame=frame).plot.positions().axes
    good = catalogue.snapshots.filter((pl.col("lookback") == 0) & pl.col("x").is_not_null())["cluster"]
    first = int(frame["cluster"][0] in good)
    counts = [[len(c.get_offsets()) for c in panels[i].collections[:3]] for i in (0, 1)]
    assert counts == [[0, len(good), 0], [0, len(good) - first, first]]


def test_no_orbits_is_said(finished: tuple[Catalogue, Path]) -> None:
    without = replace(finished[0], orbits=None, snapshots=None)
    for draw in (lambda: without.plot.orbit(next(iter(without))), without.plot.positions):
        with pytest.raises(MelotteError, match="no orbits"):
            draw()


def test_html_shows_clusters_and_escapes_names(finished: tuple[Catalogue, Path]) -> None:
    catalogue, _ = finished
    assert "rv_med" in catalogue._repr_html_()
    assert "km / s" in catalogue._repr_html_()
    name = next(iter(catalogue))
    bad = "<script>alert(1)</script>"
    renamed = replace(
        catalogue,
        frame=catalogue.frame.with_columns(pl.col("cluster").replace(name, bad)),
        members=catalogue.members.with_columns(pl.col("cluster").replace(name, bad)),
        survey=bad,
    )
    for text in (renamed._repr_html_(), renamed[bad]._repr_html_()):
        assert bad not in text
        assert html.escape(bad) in text
    assert repr(catalogue).startswith("<Catalogue: ")


def test_explained_stars_with_units(finished: tuple[Catalogue, Path]) -> None:
    view = finished[0][finished[0].largest(1)[0]]
    table = view.explain_table()
    assert table["rv"].unit == "km / s"
    assert list(table["source_id"]) == view.explain()["source_id"].to_list()


def test_citation_is_the_same_after_reading_back(finished: tuple[Catalogue, Path]) -> None:
    catalogue, out = finished
    assert "2022A&A...668A...4F" in catalogue.citation
    assert "numpy" in catalogue.citation
    assert read_back(out).citation == catalogue.citation == (out / "CITATION").read_text(encoding="utf-8")
