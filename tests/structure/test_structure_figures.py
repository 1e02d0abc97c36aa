"""Figures of the structure of the disc: what is drawn is what is in the tables."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from structure_tables import at, sightlines, sinusoid, thin_disc

from melotte.config import GalaxyConfig, StructureConfig
from melotte.core.randomness import Streams
from melotte.errors import ConfigError, MelotteError
from melotte.figures import save
from melotte.figures import structure as disc
from melotte.figures import structure_local as local
from melotte.figures.look import LIGHT
from melotte.figures.orbits import eccentricity
from melotte.figures.structure_3d import wave_3d
from melotte.figures.structure_set import structure_drawings
from melotte.galaxy import dynamics
from melotte.schema.structure import ALONG_WAVE, NEAR_CLOUDS
from melotte.structure import Structure, analyse

GALAXY = GalaxyConfig(velocity="uncorrected", draws=0)
SETTINGS = StructureConfig(draws=100, permutations=99, shuffles=99)


@pytest.fixture(scope="module")
def clusters() -> pl.DataFrame:
    near = at(sinusoid().to_numpy()[50:750:70], prefix="Wave", feh_med=np.linspace(-0.2, 0.2, 10),
              feh_med_error=np.full(10, 0.05), n_feh=pl.Series([5] * 8 + [1] * 2, dtype=pl.Int32))  # fmt: skip
    return pl.concat([thin_disc(21, 60), near], how="diagonal")


@pytest.fixture(scope="module")
def clouds() -> pl.DataFrame:
    return sightlines(np.arange(0.0, 360.0, 12.0), np.linspace(-8, 8, 30), np.linspace(150, 1500, 30))


@pytest.fixture(scope="module")
def orbits(clusters: pl.DataFrame) -> pl.DataFrame:
    return dynamics(clusters, settings=GALAXY, rng=Streams(1)).frame


@pytest.fixture(scope="module")
def found(clusters: pl.DataFrame, orbits: pl.DataFrame, clouds: pl.DataFrame) -> Structure:
    return analyse(
        clusters, orbits, sightlines=clouds, wave=sinusoid(), settings=SETTINGS, rng=Streams(1), galaxy=GALAXY
    )


def points(figure: Figure, panel: int, *, without: str | None = None) -> np.ndarray:
    """All symbols of a panel, sorted; those of one colour left out."""
    parts = []
    for c in figure.axes[panel].collections:
        offsets = np.asarray(c.get_offsets())
        if offsets.ndim != 2 or not len(offsets) or not hasattr(c, "get_sizes") or not len(c.get_sizes()):
            continue
        faces = c.get_facecolor()
        if without is not None and len(faces) and to_hex(faces[0]) == to_hex(without):
            continue
        parts.append(offsets)
    both = np.concatenate(parts)
    return both[np.lexsort(both.T)]


def rows(frame: pl.DataFrame, *columns: str) -> np.ndarray:
    values = frame.select(columns).to_numpy()
    return values[np.lexsort(values.T)]


def test_every_figure_is_drawn_and_saved(
    found: Structure, orbits: pl.DataFrame, clusters: pl.DataFrame, tmp_path: Path
) -> None:
    drawings = structure_drawings(found, orbits, clusters)
    assert list(drawings) == [
        "structure_eccentricity", "structure_integrals", "structure_flare", "structure_clouds", "structure_wave",
        "structure_wave_feh",
    ]  # fmt: skip
    for stem, (draw, caption) in drawings.items():
        assert caption.endswith(".")
        (path,) = save(draw(), tmp_path / stem, ["png"])
        assert path.stat().st_size > 10_000


def test_integrals_shows_every_judged_cluster_and_names_the_outliers(found: Structure, clusters: pl.DataFrame) -> None:
    assert found.outliers is not None
    figure = disc.integrals_of_motion(found.outliers, clusters)
    judged = found.outliers.frame.filter(pl.col("reason").is_null())
    expected = judged.select(pl.col("l_z") / 1e3, pl.col("energy") / 1e5).to_numpy()
    np.testing.assert_allclose(points(figure, 0), expected[np.lexsort(expected.T)])
    assert len(points(figure, 1)) == judged.height
    forced = found.outliers.frame.with_columns(off=pl.col("cluster") == "Disc_4")
    other = type(found.outliers)(**{**vars(found.outliers), "frame": forced})
    for panel in (0, 1):
        texts = [t.get_text() for t in disc.integrals_of_motion(other, clusters).axes[panel].texts]
        assert "Disc 4" in texts


def test_filled_symbols_have_enough_stars(found: Structure, clusters: pl.DataFrame) -> None:
    assert found.outliers is not None
    figure = disc.integrals_of_motion(found.outliers, clusters, minimum_feh_stars=3)
    judged = found.outliers.frame.filter(pl.col("reason").is_null()).join(
        clusters.select("cluster", "n_feh"), on="cluster"
    )
    filled = next(c for c in figure.axes[0].collections if c.get_array() is not None)
    assert len(filled.get_array()) == judged.filter(pl.col("n_feh") >= 3).height


def test_flare_shows_each_group_in_its_panel(found: Structure) -> None:
    assert found.flare is not None
    frame = found.flare.clusters
    figure = disc.flare(frame, found.flare.curve)
    for panel, part in enumerate(
        (frame, frame.filter(pl.col("group") == "younger"), frame.filter(pl.col("group") == "older"))
    ):
        np.testing.assert_allclose(points(figure, panel), rows(part, "r_gc", "z_gc"))
        assert str(part.height) in figure.axes[panel].texts[0].get_text()
    curve = found.flare.curve.filter(pl.col("group") == "all")
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == curve.height]
    drawn = sorted(float(np.asarray(line.get_ydata())[-1]) for line in lines)
    h = float(curve["scale"][-1])
    np.testing.assert_allclose(drawn, [-3 * h, -h, h, 3 * h])


def test_clouds_and_clusters_are_where_they_are(found: Structure) -> None:
    assert found.clouds is not None
    figure = local.near_clouds(found.clouds.frame, found.clouds.sightlines)
    for panel in (0, 1):
        np.testing.assert_allclose(points(figure, panel, without=LIGHT), rows(found.clouds.frame, "x", "y"))
    both = np.concatenate([rows(found.clouds.frame, "x", "y"), rows(found.clouds.sightlines, "x", "y")])
    np.testing.assert_allclose(points(figure, 0), both[np.lexsort(both.T)])


def test_wave_in_both_planes(found: Structure) -> None:
    assert found.wave is not None
    figure = local.wave(found.wave.frame, sinusoid())
    for panel, columns in enumerate((("x", "y"), ("y", "z"))):
        np.testing.assert_allclose(points(figure, panel), rows(found.wave.frame, *columns))
        line = max(figure.axes[panel].lines, key=lambda item: len(item.get_xdata()))
        np.testing.assert_allclose(line.get_xydata(), sinusoid().select(columns).to_numpy())


def test_feh_along_wave(found: Structure) -> None:
    assert found.wave is not None
    members = found.wave.frame.filter(pl.col("member") & pl.col("feh_med").is_not_null())
    figure = local.feh_along_wave(found.wave.frame)
    np.testing.assert_allclose(points(figure, 0), rows(members, "along", "feh_med"))
    far = found.wave.frame.with_columns(feh_med=pl.when(pl.col("n_feh") == 1).then(-2.0).otherwise("feh_med"))
    texts = [t.get_text() for t in local.feh_along_wave(far).axes[0].texts]
    assert "\N{MINUS SIGN}2.00" in texts


def test_the_callers_axes_are_used(found: Structure, clusters: pl.DataFrame, orbits: pl.DataFrame) -> None:
    assert found.outliers is not None
    assert found.flare is not None
    assert found.clouds is not None
    assert found.wave is not None
    figure = Figure()
    panels = list(figure.subplots(1, 3))
    assert disc.flare(found.flare.clusters, found.flare.curve, axes=panels) is figure
    pair: list[Axes] = []
    for draw in (
        lambda two: disc.integrals_of_motion(found.outliers, clusters, axes=two),
        lambda two: local.near_clouds(found.clouds.frame, found.clouds.sightlines, axes=two),
        lambda two: local.wave(found.wave.frame, sinusoid(), axes=two),
        lambda two: eccentricity(orbits, clusters, axes=two),
    ):
        pair = list(Figure().subplots(1, 2))
        assert draw(pair) is pair[0].figure
    one = Figure().subplots()
    assert local.feh_along_wave(found.wave.frame, ax=one) is one.figure
    with pytest.raises(MelotteError, match="axes were given"):
        disc.flare(found.flare.clusters, found.flare.curve, axes=pair)


def test_eccentricity_shows_the_clusters_of_the_paper(clusters: pl.DataFrame, orbits: pl.DataFrame) -> None:
    chosen = clusters.with_columns(n_rv=pl.when(pl.col("cluster") == "Disc_0").then(1).otherwise("n_rv"))
    figure = eccentricity(orbits, chosen, minimum_rv_stars=2, minimum_feh_stars=3)
    known = orbits.drop_nulls("ecc").join(chosen, on="cluster")
    assert len(points(figure, 0)) == known.filter(pl.col("n_rv") >= 2).height
    assert len(points(figure, 1)) == known.filter(pl.col("n_feh") >= 3).height


def test_empty_tables_are_drawn() -> None:
    local.near_clouds(NEAR_CLOUDS.empty(), sightlines(np.array([1.0]), np.array([1.0]), np.array([300.0])))
    local.wave(ALONG_WAVE.empty(), sinusoid())
    figure = local.feh_along_wave(ALONG_WAVE.empty())
    assert "no cluster" in figure.axes[0].texts[0].get_text()


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_is_whole_offline_and_the_same_again(found: Structure) -> None:
    pytest.importorskip("plotly")
    assert found.wave is not None
    assert found.clouds is not None
    page = wave_3d(found.wave.frame, sinusoid(), found.clouds.sightlines)
    assert page == wave_3d(found.wave.frame, sinusoid(), found.clouds.sightlines)
    assert "<html>" in page[:40]
    # Nothing is loaded from anywhere: no script, style, image or frame by address.
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", page)
    members = found.wave.frame.filter("member")
    assert all(name.replace("_", " ") in page for name in members["cluster"])


def test_names_cannot_break_the_page(found: Structure) -> None:
    pytest.importorskip("plotly")
    assert found.wave is not None
    evil = found.wave.frame.with_columns(cluster=pl.lit("</script><script>alert(1)</script>") + pl.col("cluster"))
    page = wave_3d(evil, sinusoid())
    assert "<script>alert(1)" not in page


def test_without_plotly_the_error_says_what_to_install(found: Structure, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found.wave is not None
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(ConfigError, match="interactive"):
        wave_3d(found.wave.frame, sinusoid())
