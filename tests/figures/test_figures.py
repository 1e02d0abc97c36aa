"""Figures: the right artists and numbers, no global state, valid and reproducible files."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from melotte import figures
from melotte.clusters.isochrones import Isochrone
from melotte.errors import MelotteError, PublishError
from melotte.figures.recovery import pulls
from melotte.figures.sky import galactic_plane
from melotte.schema import CATALOGUE, MEMBER_STARS, MEMBERS


def make_stars(n: int, cluster: str = "NGC_2682", seed: int = 1) -> pl.DataFrame:
    """Matched stars: two thirds used for [Fe/H], the rest for the velocity only or not at all."""
    rng = np.random.default_rng(seed)
    flag = np.resize([12, 12, 1, 12, 12, 0], n)
    return MEMBER_STARS.conform(
        pl.DataFrame(
            {
                "cluster": [cluster] * n,
                "source_id": np.arange(n) + 10**18,
                "gaia_release": ["DR2"] * n,
                "spectrum_id": [str(i) for i in range(n)],
                "ra": rng.uniform(0, 360, n),
                "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, n))),
                "method": ["source_id"] * n,
                "n_spectra": [1] * n,
                "n_clusters": [1] * n,
                "phot_g_mean_mag": rng.uniform(9, 17, n),
                "bp_rp": rng.uniform(0, 2, n),
                "rv": np.where(flag == 0, 70.0, 0.0) + rng.normal(30, 3, n),
                "rv_error": rng.uniform(2, 6, n),
                "teff": rng.uniform(4200, 8000, n),
                "logg": rng.uniform(2, 4.8, n),
                "feh": rng.normal(0, 0.1, n),
                "feh_error": rng.uniform(0.02, 0.1, n),
                "rv_low": [15.0] * n,
                "rv_high": [45.0] * n,
                "logg_giant": [3.5] * n,
                "flag": flag,
                "reason": ["a reason"] * n,
            }
        )
    )


def make_row(cluster: str = "NGC_2682", n: int = 20, **more: object) -> pl.DataFrame:
    row = {
        "cluster": cluster,
        "n_all": n,
        "n_rv": n,
        "n_feh": n,
        "rv_med": -29.5,
        "rv_med_error": 0.5,
        "rv_mean": -29.4,
        "rv_mean_error": 0.5,
        "rv_scatter": 3.2 if n > 1 else None,
        "feh_med": 0.012,
        "feh_med_error": 0.004,
        "feh_scatter": 0.05 if n > 1 else None,
        "distance_modulus": 9.5,
        "a_v": 0.1,
    }
    return CATALOGUE.conform(pl.DataFrame([row | more]))


def make_members(stars: pl.DataFrame) -> pl.DataFrame:
    return MEMBERS.conform(stars.with_columns(probability=pl.lit(0.9)))


def make_catalogue(n: int = 60, seed: int = 2) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A catalogue whose errors are right, and its truth."""
    rng = np.random.default_rng(seed)
    stars = rng.integers(1, 200, n)
    rv, feh = rng.normal(0, 30, n), rng.normal(-0.1, 0.1, n)
    rv_error, feh_error = 6 / np.sqrt(stars), 0.08 / np.sqrt(stars)
    found = rng.normal(rv, rv_error)
    names = [f"C_{i}" for i in range(n)]
    catalogue = CATALOGUE.conform(
        pl.DataFrame(
            {
                "cluster": names,
                "n_all": stars,
                "n_rv": stars,
                "n_feh": stars,
                "rv_med": found - 4.7,
                "rv_med_error": rv_error,
                "rv_scatter": np.full(n, 6.0),
                "rv_corrected": found,
                "rv_corrected_error": rv_error,
                "feh_med": rng.normal(feh, feh_error),
                "feh_med_error": feh_error,
                "feh_scatter": np.full(n, 0.08),
            }
        )
    )
    return catalogue, pl.DataFrame({"cluster": names, "rv": rv, "feh": feh})


def make_isochrone() -> Isochrone:
    teff = np.array([4000.0, 5000.0, 6000.0, 5000.0, 4500.0, 3000.0])
    return Isochrone(
        0.0,
        9.6,
        pl.DataFrame(
            {
                "initial_mass": np.linspace(0.5, 1.2, 6),
                "teff": teff,
                "logg": [4.8, 4.6, 4.2, 3.6, 2.0, 0.5],
                "phase": [1.0, 1.0, 1.0, 2.0, 3.0, 9.0],
                "g": [9.0, 6.0, 4.0, 3.0, 0.0, -4.0],
                "bp": [9.8, 6.5, 4.3, 3.5, 0.7, -2.0],
                "rp": [8.2, 5.5, 3.7, 2.5, -0.8, -5.0],
            }
        ),
    )


def labelled(figure: Figure, label: str, axes: int = 0) -> list[object]:
    return [a for a in figure.axes[axes].get_children() if getattr(a, "get_label", str)() == label]


def texts(figure: Figure) -> str:
    """Everything written in a figure."""
    found = []
    for ax in figure.axes:
        found += [t.get_text() for t in ax.texts] + [ax.get_title(), ax.get_xlabel(), ax.get_ylabel()]
    for legend in [*figure.legends, *(ax.get_legend() for ax in figure.axes)]:
        if legend is not None:
            found += [t.get_text() for t in legend.get_texts()]
    return "\n".join(found)


def offsets(figure: Figure, label: str, axes: int = 0) -> np.ndarray:
    """Positions of all scattered points of a label."""
    found = [a.get_offsets() for a in labelled(figure, label, axes) if isinstance(a, PathCollection)]
    return np.concatenate([np.asarray(f) for f in found]) if found else np.empty((0, 2))


DRAW = {
    "sky": lambda s, r, c, t: figures.sky_coverage(make_members(s), s, survey="LAMOST"),
    "mollweide": lambda s, r, c, t: figures.sky_coverage(make_members(s), s, projection="mollweide"),
    "rv": lambda s, r, c, t: figures.rv_selection(s, r),
    "zero_point": lambda s, r, c, t: figures.zero_point(s["rv"]),
    "kiel": lambda s, r, c, t: figures.kiel(s, r, isochrone=make_isochrone()),
    "cmd": lambda s, r, c, t: figures.cmd_pair(make_members(s), s, r, isochrone=make_isochrone()),
    "overview": lambda s, r, c, t: figures.catalogue_overview(c),
    "recovery": lambda s, r, c, t: figures.recovery(c, t),
    "compare": lambda s, r, c, t: figures.compare(c, "rv_med", "rv_corrected", count="n_rv"),
}


def without_values(frame: pl.DataFrame) -> pl.DataFrame:
    """The same table with every nullable column null."""
    schema = MEMBER_STARS if "flag" in frame.columns else CATALOGUE
    return frame.with_columns(
        pl.lit(None, dtype=c.polars_dtype).alias(c.name) for c in schema if c.nullable and c.name in frame.columns
    )


@pytest.mark.parametrize("name", DRAW)
@pytest.mark.parametrize("case", ["many", "two", "one", "nulls", "empty"])
def test_every_figure_draws_whatever_the_table_holds(name: str, case: str) -> None:
    n = {"many": 60, "two": 2, "one": 1, "nulls": 7, "empty": 0}[case]
    stars, row = make_stars(n), make_row(n=max(n, 1))
    catalogue, truth = make_catalogue(max(n, 1))
    catalogue, truth = catalogue.head(n), truth.head(n)
    if case == "nulls":
        stars, row, catalogue = without_values(stars), without_values(row), without_values(catalogue)
    if case == "empty":
        row = row.clear()
    figure = DRAW[name](stars, row, catalogue, truth)
    assert isinstance(figure, Figure)
    if case in {"one", "nulls"}:
        figure.draw_without_rendering()
    if case in {"nulls", "empty"} and name not in {"sky", "mollweide"}:
        # Empty axes say why they are empty.
        assert any(word in texts(figure) for word in ("no star", "no cluster", "no matched star", "not drawn"))


@pytest.mark.parametrize("name", DRAW)
def test_settings_of_the_user_stay_and_do_not_matter(name: str) -> None:
    stars, row = make_stars(12), make_row()
    catalogue, truth = make_catalogue(12)
    plain = DRAW[name](stars, row, catalogue, truth)
    with mpl.rc_context({"font.size": 31, "axes.labelsize": 40, "lines.linewidth": 9, "axes.grid": True}):
        before = dict(mpl.rcParams)
        odd = DRAW[name](stars, row, catalogue, truth)
        assert dict(mpl.rcParams) == before
    for a, b in zip(plain.axes, odd.axes, strict=True):
        assert a.xaxis.label.get_fontsize() == b.xaxis.label.get_fontsize() == 9
        assert a.xaxis.label.get_fontfamily() == b.xaxis.label.get_fontfamily() == ["STIXGeneral"]


def test_pyplot_knows_nothing_of_it() -> None:
    code = (
        "import sys, polars as pl, melotte.figures as f; f.zero_point(pl.Series([1.0, 2.0]));"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)

    def draw(i: int) -> bytes:
        figure = figures.rv_selection(make_stars(5), make_row())
        return figures.save(figure, tmp_path / str(i), ["png"])[0].read_bytes()

    with ThreadPoolExecutor(4) as pool:
        files = list(pool.map(draw, range(4)))
    assert len(set(files)) == 1
    assert dict(mpl.rcParams) == before


# --- files -----------------------------------------------------------------------------------------------------


def png_size(data: bytes) -> tuple[int, int, float]:
    """Width and height in pixels, dots per inch, after checking every chunk."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    position, found = 8, {}
    while position < len(data):
        (length,) = struct.unpack(">I", data[position : position + 4])
        kind, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        (check,) = struct.unpack(">I", data[position + 8 + length : position + 12 + length])
        assert zlib.crc32(kind + body) == check
        found[kind] = body
        position += 12 + length
    assert b"IEND" in found
    width, height = struct.unpack(">II", found[b"IHDR"][:8])
    return width, height, struct.unpack(">I", found[b"pHYs"][:4])[0] * 0.0254


def test_files_are_valid_embed_fonts_and_are_the_same_twice(tmp_path: Path) -> None:
    contents = []
    for run in ("a", "b"):
        figure = figures.rv_selection(make_stars(30), make_row())
        paths = figures.save(figure, tmp_path / "new" / f"NGC_2682.{run}", ("pdf", "png", "svg"))
        assert [p.name for p in paths] == [f"NGC_2682.{run}.{e}" for e in ("pdf", "png", "svg")]
        contents.append([p.read_bytes() for p in paths])
        assert figure.get_dpi() == 150
    assert contents[0] == contents[1]
    pdf, png, svg = contents[0]
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")
    assert b"/CIDFontType2" in pdf or b"/TrueType" in pdf
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf
    width, height, dpi = png_size(png)
    assert dpi == pytest.approx(300, abs=0.1)
    assert width == pytest.approx(88 / 25.4 * 300, abs=1)
    assert height > 500
    assert b"<svg" in svg
    assert not [p for p in (tmp_path / "new").iterdir() if p.name.startswith(".")]


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = figures.zero_point(pl.Series([1.0, 2.0]))
    (path,) = figures.save(figure, tmp_path / "zp", ["png"])
    old = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.backends.backend_agg.FigureCanvasAgg.print_png", full)
    with pytest.raises(PublishError, match="No space left") as error:
        figures.save(figure, tmp_path / "zp", ["png"])
    assert str(path) in str(error.value)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="jpg"):
        figures.save(figures.zero_point(pl.Series([1.0])), tmp_path / "zp", ["png", "jpg"])
    assert not list(tmp_path.iterdir())


def test_column_widths_are_those_of_the_journal() -> None:
    catalogue, _ = make_catalogue(5)
    assert figures.zero_point(pl.Series([1.0])).get_figwidth() * 25.4 == pytest.approx(88)
    assert figures.catalogue_overview(catalogue).get_figwidth() * 25.4 == pytest.approx(180)


# --- contents --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 6, 1000])
def test_rv_selection_has_a_curve_per_star_and_the_thresholds(n: int) -> None:
    stars = make_stars(n)
    figure = figures.rv_selection(stars, make_row(n=n))
    curves = {c.get_label(): c for c in figure.axes[0].collections if isinstance(c, LineCollection)}
    n_used = stars.filter(pl.col("flag") > 0).height
    assert len(curves["used"].get_segments()) == n_used
    assert len(curves["rejected"].get_segments()) == n - n_used
    peaks = sorted(s[np.argmax(s[:, 1]), 0] for s in curves["used"].get_segments())
    np.testing.assert_allclose(peaks, sorted(stars.filter(pl.col("flag") > 0)["rv"]), atol=1e-9)
    for name, at in (("rv_low", 15.0), ("rv_high", 45.0), ("mean", -29.4)):
        (line,) = labelled(figure, name)
        assert set(line.get_xdata()) == {at}
    written = texts(figure)
    assert f"$N$ = {n}\n" in written
    assert f"= {n_used}\n" in written
    assert "−29.50 ± 0.50" in written
    assert ("3.20" in written) == (n > 1)


def test_rv_curves_fade_when_there_are_many() -> None:
    def alpha(n: int) -> float:
        (curves,) = labelled(figures.rv_selection(make_stars(n), make_row()), "used")
        return float(curves.get_alpha())

    assert alpha(5) == 1.0
    assert 0.1 <= alpha(1000) < alpha(60) < 1.0


def test_rv_profile_has_the_width_of_the_error() -> None:
    stars = make_stars(1).with_columns(rv=pl.lit(10.0), rv_error=pl.lit(4.0))
    (curve,) = labelled(figures.rv_selection(stars, None), "used")[0].get_segments()
    assert np.interp(14.0, curve[:, 0], curve[:, 1]) == pytest.approx(np.exp(-0.5), abs=2e-3)
    assert curve[:, 1].max() == 1.0


def test_cluster_curve_has_the_width_of_the_pooled_draws() -> None:
    stars = make_stars(12)
    (line,) = labelled(figures.rv_selection(stars, make_row(rv_mean=0.0)), "cluster")
    used = stars.filter(pl.col("flag") > 0)
    draws = np.random.default_rng(0).normal(used["rv"], used["rv_error"], (20000, used.height))
    x, y = line.get_xdata(), line.get_ydata()
    half = x[y >= 0.5]
    assert (half[-1] - half[0]) / 2.3548 == pytest.approx(draws.std(), rel=0.1)


def test_far_outlier_does_not_set_the_scale_and_is_counted() -> None:
    stars = make_stars(12).with_columns(
        rv=pl.when(pl.int_range(pl.len()) == 5).then(-900.0).otherwise(pl.col("rv")),
    )
    figure = figures.rv_selection(stars, make_row())
    low, high = figure.axes[0].get_xlim()
    assert high - low < 160
    assert "1 beyond" in texts(figure)


def test_stars_without_velocity_are_counted_not_hidden() -> None:
    stars = make_stars(6).with_columns(
        rv_error=pl.when(pl.int_range(pl.len()) < 2).then(None).otherwise(pl.col("rv_error"))
    )
    assert "not drawn: 2 without RV or error" in texts(figures.rv_selection(stars, make_row()))


@pytest.mark.parametrize("cluster", ["NGC_2682", "NGC 2682"])
def test_cluster_is_found_under_either_spelling_and_titled_with_blanks(cluster: str) -> None:
    stars = pl.concat([make_stars(6), make_stars(9, "NGC_2168")])
    catalogue = pl.concat([make_row(), make_row("NGC_2168")])
    figure = figures.rv_selection(stars, catalogue, cluster=cluster)
    assert figure.axes[0].get_title() == "NGC 2682"
    assert "$N$ = 6\n" in texts(figure)


def test_wrong_or_missing_cluster_name_is_an_error_that_helps() -> None:
    stars = pl.concat([make_stars(6), make_stars(9, "NGC_2168")])
    with pytest.raises(MelotteError, match="did you mean 'NGC 2682'"):
        figures.kiel(stars, None, cluster="NGC 2628")
    with pytest.raises(MelotteError, match="2 clusters"):
        figures.cmd_pair(make_members(stars), stars, None)


def test_a_row_may_be_a_mapping() -> None:
    figure = figures.rv_selection(make_stars(3), make_row().row(0, named=True))
    assert "−29.50 ± 0.50" in texts(figure)


def test_zero_point_shows_the_numbers_of_all_stars() -> None:
    d = np.append(np.random.default_rng(3).normal(4.7, 6, 400), [500.0, np.nan])
    figure = figures.zero_point(pl.Series(d), reference="Gaia DR3", survey="LAMOST")
    good = d[:-1]
    (median,), (mean,) = labelled(figure, "median"), labelled(figure, "mean")
    assert median.get_xdata()[0] == pytest.approx(np.median(good))
    assert mean.get_xdata()[0] == pytest.approx(good.mean())
    written = texts(figure)
    assert "$n$ = 401" in written
    assert f"s.d. {good.std(ddof=1):.2f}" in written
    assert "1 outside the axis" in written
    assert figure.axes[0].get_xlim()[1] < 100
    assert "Gaia" in figure.axes[0].get_xlabel()


def test_histogram_counts_every_star_inside() -> None:
    d = np.random.default_rng(4).normal(0, 1, 300)
    (patch,) = figures.zero_point(d).axes[0].patches
    values, _, _ = patch.get_data()
    assert values.sum() == 300


def test_kiel_marks_flags_and_shades_what_is_rejected() -> None:
    stars, row = make_stars(60), make_row()
    figure = figures.kiel(stars, row, isochrone=make_isochrone())
    for label, flag in (("used for [Fe/H]", 12), ("RV only", 1), ("rejected by RV", 0)):
        of_flag = stars.filter(pl.col("flag") == flag)
        got = offsets(figure, label)
        np.testing.assert_allclose(sorted(got[:, 0]), sorted(of_flag["teff"]))
        np.testing.assert_allclose(sorted(offsets(figure, label, 1)[:, 1]), sorted(of_flag["feh"]))
        assert f"{label} ({of_flag.height})" in texts(figure)
    hollow = labelled(figure, "RV only")[0]
    assert not len(hollow.get_facecolors())
    assert len(labelled(figure, "used for [Fe/H]")[0].get_facecolors()) == 40
    shades = sorted((p.get_x(), p.get_x() + p.get_width()) for p in labelled(figure, "rejected Teff"))
    assert shades[0][1] == 4000
    assert shades[1][0] == 7500
    (region,) = labelled(figure, "cool dwarfs")
    corners = region.get_paths()[0].vertices
    assert corners[:, 0].min() == 4000
    assert corners[:, 0].max() == 5000
    assert corners[:, 1].min() == 3.5
    (line,) = labelled(figure, "feh_med", 1)
    assert line.get_ydata()[0] == 0.012
    assert figure.axes[0].yaxis_inverted()
    assert figure.axes[0].xaxis_inverted()
    # Thermal pulses (phase 8 and up) are not drawn.
    (track,) = labelled(figure, "isochrone")
    assert list(track.get_xdata()) == [4000, 5000, 6000, 5000, 4500]
    assert "[M/H] = 0.0" in texts(figure)


def test_kiel_counts_the_stars_it_cannot_draw() -> None:
    stars = make_stars(10).with_columns(
        logg=pl.when(pl.int_range(pl.len()) < 3).then(None).otherwise(pl.col("logg")),
    )
    written = texts(figures.kiel(stars, None))
    assert written.count("not drawn: 3 without") == 1
    assert "log" in written


def test_many_stars_far_out_stay_in_view() -> None:
    stars = make_stars(60)
    figure = figures.rv_selection(stars, make_row())
    assert figure.axes[0].get_xlim()[1] > stars["rv"].max()
    assert "beyond" not in texts(figure)


def test_cool_dwarf_region_follows_the_thresholds_of_the_stars() -> None:
    stars = make_stars(2).with_columns(teff=pl.Series([4200.0, 4800.0]), logg_giant=pl.Series([2.8, 3.6]))
    (region,) = labelled(figures.kiel(stars, None), "cool dwarfs")
    boundary = region.get_paths()[0].vertices
    at = boundary[np.isclose(boundary[:, 0], 4500)][:, 1]
    assert at.min() == pytest.approx(3.2)


def test_cmd_colours_the_stars_used_and_says_what_is_missing() -> None:
    stars = make_stars(60).with_columns(
        bp_rp=pl.when(pl.int_range(pl.len()) < 6).then(None).otherwise(pl.col("bp_rp")),
    )
    seen = stars.filter(pl.col("bp_rp").is_not_null())
    members = make_members(make_stars(80, seed=5)).with_columns(bp_rp=pl.lit(None, dtype=pl.Float64))
    figure = figures.cmd_pair(members, stars, make_row(), isochrone=make_isochrone())
    assert len(offsets(figure, "used", 0)) == seen.filter(pl.col("flag") == 12).height
    assert len(offsets(figure, "used", 1)) == seen.filter(pl.col("flag") > 0).height
    assert len(offsets(figure, "not used", 0)) == seen.filter(pl.col("flag") != 12).height
    written = texts(figure)
    assert "6 matched stars without" in written
    assert "80 members without" in written
    assert "−29.50 ± 0.50 km" in figure.axes[1].get_title()
    for ax in figure.axes[:2]:
        assert ax.yaxis_inverted()
        assert not ax.xaxis_inverted()


def test_cmd_isochrone_is_moved_to_distance_and_extinction() -> None:
    isochrone = make_isochrone()
    figure = figures.cmd_pair(make_members(make_stars(5)), make_stars(5), make_row(), isochrone=isochrone)
    (track,) = labelled(figure, "isochrone")
    expected = isochrone.magnitudes(9.5, 0.1).head(5)
    np.testing.assert_allclose(track.get_xdata(), expected["bp_rp"])
    np.testing.assert_allclose(track.get_ydata(), expected["phot_g_mean_mag"])
    figure = figures.cmd_pair(
        make_members(make_stars(5)), make_stars(5), make_row(distance_modulus=None), isochrone=isochrone
    )
    assert not labelled(figure, "isochrone")
    assert "isochrone not drawn" in texts(figure)


def test_sky_draws_each_star_once_with_ra_to_the_left() -> None:
    stars = make_stars(50)
    members = make_members(pl.concat([stars, make_stars(50, "NGC_2168")]))
    figure = figures.sky_coverage(members, stars, survey="LAMOST")
    assert len(offsets(figure, "members")) == 50
    assert len(offsets(figure, "observed by LAMOST")) == 50
    assert figure.axes[0].get_xlim() == (360, 0)
    assert labelled(figure, "members")[0].get_rasterized()
    round_map = figures.sky_coverage(members, stars, projection="mollweide")
    np.testing.assert_allclose(
        np.sort(offsets(round_map, "members")[:, 0]), np.sort(np.radians(180 - stars["ra"].to_numpy()))
    )


def test_galactic_plane_against_its_pole() -> None:
    """Every point of the plane is 90 deg from the north Galactic pole (ICRS 192.85948, +27.12825 deg)."""
    ra, dec = (np.radians(x) for x in galactic_plane())
    pole_ra, pole_dec = np.radians(192.85948), np.radians(27.12825)
    cosine = np.sin(dec) * np.sin(pole_dec) + np.cos(dec) * np.cos(pole_dec) * np.cos(ra - pole_ra)
    assert np.abs(cosine).max() < 1e-4
    assert ra[0] == 0
    assert ra[-1] == pytest.approx(2 * np.pi)


def test_overview_draws_every_cluster_with_a_value() -> None:
    catalogue, _ = make_catalogue(40)
    catalogue = catalogue.with_columns(
        feh_med_error=pl.when(pl.int_range(pl.len()) < 4).then(None).otherwise(pl.col("feh_med_error"))
    )
    figure = figures.catalogue_overview(catalogue)
    (rv,), (feh,) = labelled(figure, "uncertainty", 0), labelled(figure, "uncertainty", 1)
    np.testing.assert_allclose(rv.get_ydata(), catalogue["rv_med_error"])
    assert len(feh.get_xdata()) == 36
    (line,) = labelled(figure, "expected")
    # The errors made above are exactly 6 km/s / sqrt(N).
    np.testing.assert_allclose(line.get_ydata() * np.sqrt(line.get_xdata()), 6.0)


def test_pulls_against_a_loop() -> None:
    catalogue, truth = make_catalogue(30)
    got = pulls(
        catalogue, truth.reverse(), value="feh_med", error="feh_med_error", count="n_feh", true="feh", minimum_stars=10
    )
    lookup = dict(truth.select("cluster", "feh").iter_rows())
    expected = [
        (r["feh_med"] - lookup[r["cluster"]]) / r["feh_med_error"]
        for r in catalogue.iter_rows(named=True)
        if r["n_feh"] >= 10
    ]
    np.testing.assert_allclose(sorted(got.pull), sorted(expected))
    assert got.within_one == pytest.approx(np.mean(np.abs(expected) <= 1))


def test_recovery_writes_the_fractions_and_keeps_outliers_in_view() -> None:
    catalogue, truth = make_catalogue(40)
    catalogue = catalogue.with_columns(n_rv=pl.lit(9, dtype=pl.Int32))
    shift = pl.when(pl.int_range(pl.len()) == 0).then(1000.0).otherwise(0.0)
    figure = figures.recovery(catalogue.with_columns(pl.col("rv_corrected") + shift), truth)
    found = pulls(
        catalogue.with_columns(pl.col("rv_corrected") + shift),
        truth,
        value="rv_corrected",
        error="rv_corrected_error",
        count="n_rv",
        true="rv",
    )
    written = texts(figure)
    assert f"within $1\\sigma$: {100 * found.within_one:.0f} %" in written
    assert f"within $3\\sigma$: {100 * found.within_three:.0f} %" in written
    assert "simulated" in written
    top = [line for line in figure.axes[0].lines if line.get_marker() == "^" and len(line.get_xdata())]
    assert len(top) == 1
    assert top[0].get_ydata()[0] < figure.axes[0].get_ylim()[1]
    (gaussian,) = labelled(figure, "unit Gaussian", 1)
    assert np.trapezoid(gaussian.get_xdata(), gaussian.get_ydata()) == pytest.approx(1, abs=1e-5)


def test_compare_writes_the_statistics_of_ours_minus_theirs() -> None:
    catalogue, _ = make_catalogue(30)
    catalogue = catalogue.with_columns(
        rv_corrected=pl.when(pl.int_range(pl.len()) < 3).then(None).otherwise(pl.col("rv_corrected"))
    )
    figure = figures.compare(
        catalogue, "rv_med", "rv_corrected", ours_error="rv_med_error", theirs_label="Zhong+ 2020", title="RV"
    )
    title = figure.axes[0].get_title()
    assert "$n$ = 27" in title
    assert "−4.70" in title
    (median,) = labelled(figure, "median", 1)
    assert median.get_ydata()[0] == pytest.approx(-4.7)
    assert "Zhong+ 2020" in figure.axes[1].get_xlabel()


def test_given_axes_are_used_and_counted() -> None:
    figure = Figure()
    left, right = figure.subfigures(1, 2)
    axes = right.subplots(2, 1)
    assert figures.kiel(make_stars(6), make_row(), axes=axes) is figure
    assert axes[0].collections
    ax = left.subplots()
    assert figures.rv_selection(make_stars(6), make_row(), ax=ax) is figure
    with pytest.raises(MelotteError, match="1 axes were given"):
        figures.catalogue_overview(make_catalogue(3)[0], axes=[ax])


def test_colours_are_told_apart_by_the_colour_blind() -> None:
    """Used and rejected, data and marks differ in lightness, not only in hue."""
    from melotte.figures import look

    def lightness(colour: str) -> float:
        r, g, b, _ = to_rgba(colour)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    assert lightness(look.LIGHT) - lightness(look.DARK) > 0.3
    assert abs(lightness(look.BLUE) - lightness(look.LIGHT)) > 0.25
    for cmap in (look.VIRIDIS, look.PLASMA):
        steps = np.diff([lightness(cmap(x)) for x in np.linspace(0, 1, 20)])
        assert (steps > 0).all()
        assert lightness(cmap(1.0)) < 0.85
