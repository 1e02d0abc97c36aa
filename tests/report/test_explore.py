"""What goes into the explorer: data, places, orbits, names, literature, and that the page is closed to the outside."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import itertools
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import polars as pl
import pytest
from astropy.coordinates import CartesianDifferential, Galactocentric, SkyCoord
from explore_catalogue import EVIL, made_up, write
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from melotte.catalogue.catalogue import Catalogue
from melotte.cli import main
from melotte.errors import PublishError, ReadError
from melotte.publish import Picture, update_outputs, write_table
from melotte.report.explore import encode, names, rewrite_page, tracks
from melotte.report.explore.places import places, sun_of, view_columns
from melotte.report.explore.reviews import read_reviews
from melotte.schema import CATALOGUE, MEMBER_STARS


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return made_up(20, 200)


@pytest.fixture(scope="module")
def page(catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("page"), catalogue)


def numbers(packed: dict[str, str]) -> NDArray[Any]:
    ((kind, text),) = packed.items()
    return np.frombuffer(base64.b64decode(text), dtype=f"<{kind}")


def payload(path: Path) -> dict[str, Any]:
    found = re.search(
        r'<script type="application/json" id="payload">(.*?)</script>', path.read_text("utf-8"), re.DOTALL
    )
    assert found is not None
    return dict(json.loads(found[1]))


class Elements(html.parser.HTMLParser):
    """Elements and the text of the scripts, as a browser would find them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        kind, attributes = self.tags[-1] if self.tags else ("", {})
        if kind == "script" and "type" not in attributes and data.strip():
            self.scripts.append(data)
        elif kind != "script":
            self.words.append(data)


@given(st.lists(st.floats(width=64), max_size=20))
def test_numbers_survive(values: list[float]) -> None:
    assert numbers(encode.array(values)).tobytes() == np.asarray(values, dtype="<f8").tobytes()


@given(st.lists(st.lists(st.floats(allow_nan=False, width=32), max_size=5), max_size=6))
def test_ragged_rows_survive(rows: list[list[float]]) -> None:
    packed = encode.ragged([{"x": row} if row else {} for row in rows], ("x",))
    start, x = numbers(packed["start"]), numbers(packed["x"])
    assert [x[a:b].tolist() for a, b in itertools.pairwise(start)] == rows


@given(st.text())
def test_no_text_ends_the_script_that_holds_it(text: str) -> None:
    written = encode.script_json({"name": text})
    assert "<" not in written
    assert json.loads(written) == {"name": text}


def test_an_identifier_keeps_its_digits() -> None:
    series = pl.Series([2**53 + 1, -(2**63), None, 2**63 - 1], dtype=pl.Int64)
    assert encode.column(series) == ["9007199254740993", "-9223372036854775808", None, "9223372036854775807"]


def test_a_missing_number_is_nan() -> None:
    for dtype, kind in ((pl.Float64, "f8"), (pl.Float32, "f4"), (pl.Int32, "f8")):
        packed = encode.column(pl.Series([1, None, 3], dtype=dtype))
        assert list(packed) == [kind]
        assert np.array_equal(numbers(packed), [1, np.nan, 3], equal_nan=True)


def test_places_are_those_of_astropy(catalogue: Catalogue) -> None:
    sun = sun_of(catalogue.config.galaxy)
    frame = catalogue.frame[:-1]
    found = places(frame, sun)
    sky = SkyCoord(
        frame["ra"].to_numpy() * u.deg, frame["dec"].to_numpy() * u.deg, distance=frame["distance"].to_numpy() * u.pc
    )
    galactic = sky.galactic
    assert np.allclose(found["glon"] % 360, galactic.l.deg, atol=1e-7)
    assert np.allclose(found["glat"], galactic.b.deg, atol=1e-7)
    heliocentric = galactic.cartesian
    assert np.allclose(found["x"], heliocentric.x.to_value("kpc") + sun.position[0], atol=1e-9)
    assert np.allclose(found["y"], heliocentric.y.to_value("kpc"), atol=1e-9)
    # Astropy's own frame tilts its axes and puts the pole elsewhere by 0.1 arcsec: it agrees to the tilt.
    motion = CartesianDifferential([11.1, 245.04, 7.25] * u.km / u.s)
    frame_of = Galactocentric(galcen_distance=8.2 * u.kpc, z_sun=14 * u.pc, galcen_v_sun=motion)
    assert np.allclose(found["r_gc"], sky.transform_to(frame_of).cylindrical.rho.to_value("kpc"), atol=0.01)


def test_place_needs_no_orbit_and_agrees_with_it(catalogue: Catalogue) -> None:
    with_orbits = view_columns(catalogue)
    assert catalogue.orbits is not None
    r_gc = catalogue.orbits["r_gc"].fill_null(float("nan")).to_numpy()
    assert np.allclose(with_orbits["r_gc"], r_gc, rtol=1e-12, equal_nan=True)
    without = view_columns(made_up(20, 200, galaxy=False))
    assert np.array_equal(without["r_gc"], with_orbits["r_gc"], equal_nan=True)
    assert np.isnan(without["l_z"]).all()
    assert np.isfinite(with_orbits["l_z"][:-1]).all()


def test_the_sky_is_centred_where_the_clusters_are() -> None:
    frame = made_up(2, 20).frame
    # Galactic longitudes 359 and 1 (the direction of the centre), then 179 and 181.
    for glon, expected in (([359.0, 1.0], [-1.0, 1.0]), ([179.0, 181.0], [179.0, 181.0])):
        icrs = SkyCoord(glon * u.deg, [0, 0] * u.deg, frame="galactic").icrs
        moved = frame.with_columns(ra=pl.Series(icrs.ra.deg), dec=pl.Series(icrs.dec.deg))
        assert np.allclose(places(moved, sun_of(None))["glon"], expected, atol=1e-4)


def test_orbits_pass_through_the_saved_snapshots(catalogue: Catalogue) -> None:
    found = tracks.orbits(catalogue, catalogue.frame["cluster"].to_list())
    assert catalogue.snapshots is not None
    n = found["n"]
    x, y, r, z = (numbers(found[k]).reshape(-1, n) for k in ("x", "y", "r", "z"))
    for lookback in (0.0, 100.0, 500.0):
        then = catalogue.snapshots.filter(pl.col("lookback") == lookback)
        column = int(lookback / found["step"])
        for name, drawn in (("x", x), ("y", y), ("r_gc", r), ("z_gc", z)):
            saved = then[name].fill_null(float("nan")).to_numpy()
            assert np.allclose(drawn[:, column], saved, atol=2e-5, equal_nan=True)
    assert found["reason"][-1] == "no distance"
    assert set(found["reason"][:-1]) == {None}


def test_no_orbits_without_a_galaxy(catalogue: Catalogue) -> None:
    assert "[galaxy]" in tracks.orbits(made_up(5, 20, galaxy=False), [])["missing"]
    assert catalogue.config.galaxy is not None
    lost = catalogue.config.galaxy.model_copy(update={"potential": "gone.toml"})
    config = catalogue.config.model_copy(update={"galaxy": lost})
    assert "not at hand" in tracks.orbits(replace(catalogue, config=config), [])["missing"]


def test_the_gaussian_of_a_cluster_is_that_of_its_pooled_draws(catalogue: Catalogue) -> None:
    views = [catalogue[name] for name in catalogue]
    stars = [catalogue.members.filter(pl.col("cluster") == v.name) for v in views]
    found = tracks.selection(views, stars, catalogue)
    used = stars[0].filter(pl.col("flag") > 0)
    rng = np.random.default_rng(1)
    draws = rng.normal(used["rv"].to_numpy(), used["rv_error"].to_numpy(), (20_000, used.height))
    assert numbers(found["sigma"])[0] == pytest.approx(draws.std(), rel=0.01)
    assert numbers(found["low"])[0] < used["rv"].min() < used["rv"].max() < numbers(found["high"])[0]


def test_isochrones_are_kept_once_and_seen_at_the_distance(catalogue: Catalogue) -> None:
    views = [catalogue[name] for name in catalogue]
    found = tracks.isochrones(views)
    assert len(found["of"]) == len(views)
    assert max(found["of"]) + 1 == len(found["label"]) == len(numbers(found["kiel"]["start"])) - 1
    assert len(found["label"]) < len(views)
    start = numbers(found["cmd"]["start"])
    isochrone = views[3].isochrone()
    assert isochrone is not None
    seen = isochrone.magnitudes(views[3].row["distance_modulus"], views[3].row["a_v"])
    drawn = numbers(found["cmd"]["y"])[start[3] : start[4]]
    assert np.allclose(drawn, seen["phot_g_mean_mag"].to_numpy(), atol=1e-5)


def test_names_without_an_alias_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MELOTTE_DATA_DIR", str(tmp_path))
    found, _ = names.aliases(["Melotte_22", "Sim_1", "NGC_2632"], data_dir=tmp_path)
    assert "Pleiades" in found["also"][0]
    assert {"melotte22", "m45", "pleiades", "collinder42"} <= set(found["keys"][0])
    assert found["also"][1] == []
    assert found["keys"][1] == ["sim1"]
    assert "praesepe" in found["keys"][2]
    assert found["abbreviations"]["mel"] == "melotte"


@pytest.mark.real_data
def test_names_of_the_alias_table(data_dir: Path) -> None:
    found, notes = names.aliases(["Melotte_22", "NGC_2682"], data_dir=data_dir)
    assert notes == ()
    assert "pleiades" in found["keys"][0]
    assert {"m67", "melotte94"} <= set(found["keys"][1])


def test_literature_values(catalogue: Catalogue, tmp_path: Path) -> None:
    frame = catalogue.frame
    known = frame.select("cluster", "n_rv", "rv_med").with_columns(
        rv_dias2021=pl.Series([1.5, None, *[0.0] * 18]),
        rv_dias2021_error=pl.Series([0.25, None, *[None] * 18], dtype=pl.Float64),
        n_rv_dias2021=pl.Series([7, None, *[None] * 18], dtype=pl.Int32),
    )
    known.write_parquet(tmp_path / "known_rv.parquet")
    first = frame[1:2].select("cluster", "feh_med", status=pl.lit("first"), search_date=pl.lit("2022-08"))
    first.write_parquet(tmp_path / "first_feh.parquet")
    found, notes = read_reviews(tmp_path, frame)
    assert notes == ()
    (entry,) = found["Melotte_22"]
    assert (entry["quantity"], entry["source"], entry["value"], entry["n"]) == ("rv", "dias2021", "1.50 ± 0.25", 7)
    assert "Dias" in entry["reference"]
    assert found["NGC_2682"] == [{"quantity": "feh", "evidence": {"status": "first", "search_date": "2022-08"}}]
    assert found["NGC_2632"][0]["value"] == "0.00"


def test_a_review_of_other_values_is_left_out(catalogue: Catalogue, tmp_path: Path) -> None:
    frame = catalogue.frame
    known = frame.select("cluster", pl.col("rv_med") + 0.1, rv_a=1.0, rv_a_error=0.1, n_rv_a=1)
    known.write_parquet(tmp_path / "known_rv.parquet")
    found, notes = read_reviews(tmp_path, frame)
    assert found == {}
    assert "other values" in notes[0]
    (tmp_path / "known_rv.parquet").write_text("no table")
    with pytest.raises(ReadError, match="known_rv"):
        read_reviews(tmp_path, frame)


def test_nothing_of_a_catalogue_becomes_markup(page: Path) -> None:
    found = Elements(page.read_text("utf-8"))
    kinds = [tag for tag, _ in found.tags]
    # The data, Bokeh, and our own.
    assert kinds.count("script") == 3
    assert "b" not in kinds
    assert [a["alt"] for tag, a in found.tags if tag == "img"] == ["The sky."]
    text = "".join(found.words)
    assert all(name in text for name in EVIL)
    assert payload(page)["names"]["shown"][4] == EVIL[0]


def test_only_the_scripts_of_the_page_may_run_and_nothing_is_fetched(page: Path) -> None:
    found = Elements(page.read_text("utf-8"))
    policy = next(a["content"] for t, a in found.tags if t == "meta" and "content" in a and "default-src" in str(a))
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    allowed = re.search(r"script-src ([^;]*)", policy)
    assert allowed is not None
    digests = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in found.scripts}
    assert set(allowed[1].split()) == {f"'sha256-{d}'" for d in digests}
    outside = [v for t, a in found.tags for k, v in a.items() if k in {"src", "href"} and not str(v).startswith("#")]
    assert all(str(v).startswith("data:image/png;base64,") for v in outside)
    # Bokeh names addresses it does not ask for; our own part has none.
    ours = "".join(s for s in found.scripts if "bokeh.org" not in s) + "".join(found.words)
    assert "://" not in ours


def test_every_number_of_the_tables_is_in_the_page(page: Path, catalogue: Catalogue) -> None:
    found = payload(page)
    for key, frame in (("clusters", catalogue.frame), ("stars", catalogue.members)):
        columns = {c["name"]: c for c in found[key]["columns"]}
        there = {n for n in frame.columns if frame[n].null_count() < frame.height}
        assert there <= set(columns)
        assert columns.keys() - there <= {c for c in columns if c not in frame.columns}
    rv = next(c for c in found["clusters"]["columns"] if c["name"] == "rv_med")
    assert numbers(rv["data"]).tolist() == catalogue.frame["rv_med"].to_list()
    assert (rv["unit"], rv["format"]) == ("km/s", CATALOGUE["rv_med"].format)
    ids = next(c for c in found["stars"]["columns"] if c["name"] == "source_id")["data"]
    assert sorted(map(int, ids)) == catalogue.members["source_id"].sort().to_list()
    start = numbers(found["stars"]["start"])
    assert start[0] == 0
    assert start[-1] == catalogue.members.height


def test_a_star_of_a_cluster_without_a_row_is_not_on_a_page(catalogue: Catalogue, tmp_path: Path) -> None:
    fewer = replace(catalogue, frame=catalogue.frame[1:])
    found = payload(write(tmp_path, fewer))
    gone = catalogue.members.filter(pl.col("cluster") == catalogue.frame["cluster"][0]).height
    assert found["stars"]["n"] == catalogue.members.height - gone


def test_an_empty_catalogue(catalogue: Catalogue, tmp_path: Path) -> None:
    nothing = replace(
        made_up(5, 20, galaxy=False),
        frame=catalogue.frame.clear(),
        members=catalogue.members.clear(),
        steps=(),
        notes=(),
    )
    found = payload(write(tmp_path, nothing, pictures=[], facts={}))
    assert found["clusters"]["n"] == found["stars"]["n"] == 0


def test_a_figure_that_is_gone_is_refused(catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(PublishError, match=r"gone\.png"):
        write(tmp_path, catalogue, pictures=[Picture(tmp_path / "gone.png", "x")])
    assert not (tmp_path / "report.html").exists()


def test_notes_find_their_clusters(page: Path, catalogue: Catalogue) -> None:
    notes = payload(page)["notes"]
    assert notes[0] == ["Melotte_22: a note on it"]
    assert len(notes[4]) == 1
    # Sim_1 is not Sim_12.
    assert not any(notes[catalogue.frame["cluster"].to_list().index(n)] for n in ("Sim_1", "Sim_10"))


def test_written_again(catalogue: Catalogue, tmp_path: Path) -> None:
    first = write(tmp_path, catalogue).read_text("utf-8")
    again = rewrite_page(tmp_path, catalogue).read_text("utf-8")
    # Bokeh counts its models on.
    assert re.sub(r'"p\d+"', "", again) == re.sub(r'"p\d+"', "", first)
    (tmp_path / "figures" / "sky.png").unlink()
    assert "the figure sky.png is gone" in rewrite_page(tmp_path, catalogue).read_text("utf-8")
    (tmp_path / "stages" / "report.json").unlink()
    assert "stages/report.json is gone" in rewrite_page(tmp_path, catalogue).read_text("utf-8")
    (tmp_path / "stages" / "report.json").write_text("[]")
    with pytest.raises(ReadError, match=r"report\.json"):
        rewrite_page(tmp_path, catalogue)


def test_the_command(catalogue: Catalogue, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = {"clusters": (catalogue.frame, CATALOGUE), "members": (catalogue.members, MEMBER_STARS)}
    files = [p for stem, (f, schema) in tables.items() for p in write_table(f, schema, tmp_path / stem, ["parquet"])]
    before = Elements(write(tmp_path, catalogue, simulated=True).read_text("utf-8"))
    record = json.loads((tmp_path / "provenance.json").read_text("utf-8"))
    (tmp_path / "provenance.json").write_text(json.dumps({**record, "simulated": True}))
    update_outputs(tmp_path / "provenance.json", files, note="tables added")
    (tmp_path / "report.html").unlink()
    with pytest.raises(SystemExit) as status:
        main(["explore", str(tmp_path), "--data-dir", str(tmp_path)])
    assert status.value.code == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
    after = Elements((tmp_path / "report.html").read_text("utf-8"))
    for said in ("zero point", "+4.66 ± 0.10 km/s", "Simulated data. Nothing on this page was observed.", "The sky."):
        assert said in before.words
        assert said in after.words
    # Read back without the membership list, the isochrones and the orbits: the page says so.
    assert any("figures show the matched stars only" in w for w in after.words)
    assert "missing" in payload(tmp_path / "report.html")["orbits"]


def test_the_command_where_there_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as status:
        main(["explore", str(tmp_path)])
    assert status.value.code == 2
    assert "no finished run here" in capsys.readouterr().err


def small_page(catalogue: Catalogue, stars: int) -> Catalogue:
    figures = catalogue.config.figures.model_copy(update={"page_stars": stars})
    return replace(catalogue, config=catalogue.config.model_copy(update={"figures": figures}))


def test_a_page_has_room_for_so_many_stars(catalogue: Catalogue) -> None:
    """Clusters with the most velocities first; all of them where there is room."""
    assert tracks.drawn(catalogue) == catalogue.frame["cluster"].to_list()
    sizes = dict(catalogue.members.group_by("cluster").len().iter_rows())
    used = dict(catalogue.frame.select("cluster", "n_rv").iter_rows())
    found = tracks.drawn(small_page(catalogue, 60))
    assert found == [name for name in catalogue.frame["cluster"] if name in found]
    assert 0 < len(found) < catalogue.frame.height
    assert sum(sizes[name] for name in found) <= 60
    left = [name for name in used if name not in found]
    most = max(left, key=lambda name: used[name])
    better = [name for name in found if used[name] >= used[most]]
    assert sum(sizes[name] for name in [*better, most]) > 60
    assert tracks.drawn(small_page(catalogue, 0)) == []


@pytest.mark.parametrize("stars", [0, 60])
def test_what_a_page_leaves_out_is_said(catalogue: Catalogue, tmp_path: Path, stars: int) -> None:
    small = small_page(catalogue, stars)
    text = write(tmp_path, small).read_text()
    found = len(tracks.drawn(small))
    assert f"this page has the stars and orbits of {found} of {catalogue.frame.height} clusters" in text
    payload = json.loads(re.search(r'<script type="application/json" id="payload">(.*?)</script>', text, re.S)[1])
    place = numbers(payload["drawn"])
    assert (place >= 0).sum() == found
    assert sorted(place[place >= 0]) == list(range(found))
    assert payload["stars"]["n"] == sum(
        catalogue.members.filter(pl.col("cluster") == name).height for name in tracks.drawn(small)
    )
