"""The explorer in a browser: what a reader does with it, from a file, without a network."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from astropy.table import Table
from explore_catalogue import EVIL, FIRST_ID, made_up, write
from PIL import Image

from melotte.catalogue.catalogue import Catalogue
from melotte.literature import canonical
from melotte.report.explore import tracks

#: The size of the published catalogue.
N_CLUSTERS, N_STARS = 386, 7570
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def _lacks(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium; without it the tests are skipped, in CI they fail."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _lacks("no playwright")
    if CHROMIUM is None:
        _lacks("no chromium on this machine")
    with sync_playwright() as driver:
        program = driver.chromium.launch(executable_path=CHROMIUM)
        yield program
        program.close()


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return made_up(30, 300)


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("large"), made_up(N_CLUSTERS, N_STARS))


@pytest.fixture(scope="module")
def page_file(catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("page"), catalogue)


@contextmanager
def opened(browser: Any, path: Path, *, ready: bool = True, **context: Any) -> Iterator[Any]:
    """A page that has reached no network, said nothing on the console and opened no dialog."""
    complaints: list[str] = []
    world = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **context})
    world.set_default_timeout(60_000)
    page = world.new_page()
    page.on("console", lambda m: complaints.append(m.text) if m.type in {"error", "warning"} else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.on("dialog", lambda d: (complaints.append(f"dialog {d.message}"), d.dismiss()))

    def only_files(route: Any) -> None:
        if route.request.url.startswith(("file:", "data:", "blob:")):
            route.continue_()
        else:
            complaints.append(f"request {route.request.url}")
            route.abort()

    page.route("**/*", only_files)
    page.goto(path.as_uri())
    if ready:
        page.wait_for_selector("html[data-ready]", state="attached")
    yield page
    assert complaints == []
    assert page.evaluate("document.documentElement.dataset.failed") is None
    world.close()


def open_cluster(page: Any, name: str) -> None:
    page.evaluate("name => { location.hash = '#/cluster/' + encodeURIComponent(name); }", name)
    page.wait_for_function("name => document.documentElement.dataset.cluster === name", arg=name)


def chosen(page: Any) -> list[int]:
    """Rows of the catalogue that are marked in the table."""
    return page.evaluate("tableRows.flatMap((row, i) => row.classList.contains('chosen') ? [i] : [])")


def marked_pixels(page: Any, selector: str) -> int:
    """Pixels of the colour of a selected point."""
    image = np.asarray(Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("RGB")).astype(int)
    return int((np.abs(image - [213, 94, 0]).max(axis=-1) < 30).sum())


def drag(page: Any, selector: str) -> None:
    """A box over the left half of a drawing."""
    page.locator(selector).scroll_into_view_if_needed()
    box = page.locator(selector).bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 150, steps=4)
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 260, steps=4)
    page.mouse.up()


def download(page: Any, selector: str) -> Path:
    with page.expect_download() as found:
        page.locator(selector).click()
    return Path(found.value.path())


def test_size_and_time_to_open(browser: Any, large_file: Path) -> None:
    assert large_file.stat().st_size < 15e6
    with opened(browser, large_file, ready=False) as page:
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.goto("about:blank")
        page.goto(large_file.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
        # Processor time of the page's thread: what an idle machine needs, however busy this one is.
        assert 0 < metrics["TaskDuration"] < 3


def test_a_brush_in_one_view_marks_the_others_and_the_table(browser: Any, large_file: Path) -> None:
    with opened(browser, large_file) as page:
        assert chosen(page) == []
        others = ["#plot-plane", "#plot-radial", "#plot-integrals", "#plot-ages"]
        assert [marked_pixels(page, o) for o in others] == [0, 0, 0, 0]
        drag(page, "#plot-sky")
        page.wait_for_function("chosen.rows.size > 0")
        rows = chosen(page)
        assert 0 < len(rows) < N_CLUSTERS
        # All of them lie in the box, none in it was missed.
        x, y = (np.array(page.evaluate(f"Array.from(decode(P.places.{c}))")) for c in ("glon", "glat"))
        inside = (x >= x[rows].min()) & (x <= x[rows].max()) & (y >= y[rows].min()) & (y <= y[rows].max())
        assert np.flatnonzero(inside).tolist() == rows
        page.wait_for_timeout(300)
        assert all(marked_pixels(page, o) > 20 for o in others)
        assert f"{len(rows)} selected" in page.locator("#found").inner_text()
        page.locator("#only").check()
        assert page.locator("#catalogue tbody tr:visible").count() == len(rows)
        page.locator("#explore ~ .bar .clear").click()
        assert chosen(page) == []
        page.wait_for_timeout(300)
        assert marked_pixels(page, "#plot-plane") == 0


def test_pleiades_are_melotte_22(browser: Any, page_file: Path) -> None:
    with opened(browser, page_file) as page:
        page.locator("#find").fill("Pleiades")
        visible = page.locator("#catalogue tbody tr:visible")
        assert visible.count() == 1
        assert visible.locator("th").inner_text() == "Melotte_22"
        assert "Melotte 22 is Pleiades" in page.locator("#found").inner_text()
        page.locator("#find").press("Enter")
        page.wait_for_selector("html[data-cluster]", state="attached")
        assert page.locator("#cluster-name").inner_text() == "Melotte 22"
        assert "Pleiades" in page.locator("#cluster-also").inner_text()
        assert page.title().startswith("Melotte 22")
        assert page.evaluate("document.activeElement.id") == "cluster-name"
        assert not page.locator("#whole").is_visible()
        page.go_back()
        page.wait_for_selector("#whole", state="visible")
        assert not page.locator("#cluster").is_visible()
        assert page.evaluate("document.activeElement.textContent") == "Melotte_22"
        page.locator("#find").fill("no such cluster")
        assert visible.count() == 0
        assert "No cluster here" in page.locator("#found").inner_text()


def test_other_spellings(browser: Any, page_file: Path) -> None:
    def found(query: str) -> list[str]:
        page.locator("#find").fill(query)
        return list(page.locator("#catalogue tbody tr:visible th").all_inner_texts())

    with opened(browser, page_file, ready=False) as page:
        for query in ("mel 22", "MELOTTE-022", "M45", "Messier 45", "Cl Melotte 22", "pleiad"):
            assert found(query) == ["Melotte_22"], query
        assert found("M 67") == found("2682") == ["NGC_2682"]
        assert found("22") == ["Melotte_22", "Sim_22"]
        assert found("ngc 26") == ["NGC_2682", "NGC_2632"]
        assert found("Praesepe cluster") == ["NGC_2632"]
        assert len(found("")) == 30


def test_names_are_brought_into_the_same_form_as_in_python(browser: Any, page_file: Path) -> None:
    names = (
        *("NGC 2682", "ngc_2682", "M 67", "Cl Melotte 088", "Mel_88", "BH 99", "Skiff J0507+30.8", "Praesepe"),
        *("LP 05", "UPK 39", "Coma Ber", "ESO 065-02", "α Persei cluster", "vdBergh-Hagen 99", "Collinder 140a"),
        *("Ruprecht 1", "Tr 2", "FSR 0686", "Lynga 2", "Lyngå 2", "COIN-Gaia 40", "NAME Hyades", "  IC   4665 "),
    )
    with opened(browser, page_file, ready=False) as page:
        found = page.evaluate("names => names.map(canonical)", list(names))
    assert dict(zip(names, found, strict=True)) == {n: canonical(n) for n in names if n != "α Persei cluster"} | {
        # Greek letters are spelled out in the tables of names only.
        "α Persei cluster": "αpersei"
    }


def test_downloads_hold_the_selection_with_every_digit(browser: Any, page_file: Path, catalogue: Catalogue) -> None:
    rows = [0, 5, 29]
    wanted = catalogue.frame[rows]
    with opened(browser, page_file) as page:
        for row in rows:
            page.locator("#catalogue tbody tr").nth(row).locator("input").check()
        table = pl.read_csv(download(page, "#csv"), schema_overrides={"cluster": pl.String, "note": pl.String})
        for name in ("cluster", "n_all", "rv_med", "distance", "feh_med", "ra", "note"):
            assert table[name].to_list() == wanted[name].to_list()
        path = download(page, "#vot")
        read = Table.read(path, format="votable")
        assert list(read["cluster"]) == wanted["cluster"].to_list()
        assert read["rv_med"].tolist() == wanted["rv_med"].to_list()
        assert read["feh_med"].mask.tolist() == wanted["feh_med"].is_null().to_list()
        assert str(read["rv_med"].unit) == "km / s"
        assert read["rv_med"].meta["ucd"].startswith("spect.dopplerVeloc")
        assert votlint(path) == []


def votlint(path: Path) -> list[str]:
    """What votlint complains about; nothing where it is not installed (the CI has it)."""
    if shutil.which("stilts") is None:
        return []
    done = subprocess.run(["stilts", "votlint", str(path)], capture_output=True, text=True, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("ERROR", "WARNING"))]


def test_the_page_of_a_cluster(browser: Any, page_file: Path, catalogue: Catalogue) -> None:
    own = catalogue.members.filter(pl.col("cluster") == "NGC_2682")
    with opened(browser, page_file) as page:
        open_cluster(page, "NGC_2682")
        for key in ("rv", "kiel", "feh", "cmd", "orbit_rz", "orbit_xy"):
            image = Image.open(io.BytesIO(page.locator(f"#plot-{key}").screenshot())).convert("RGB")
            # The line or the stars, in blue.
            blue = np.abs(np.asarray(image).astype(int) - [0, 114, 178]).max(axis=-1) < 60
            assert blue.sum() > 100, key
        assert page.locator("#stars tbody tr").count() == own.height
        ids = page.locator("#stars tbody th").all_inner_texts()
        assert sorted(map(int, ids)) == own["source_id"].sort().to_list()
        assert min(map(int, ids)) > FIRST_ID
        reasons = page.locator("#stars tbody td.reason").all_inner_texts()
        assert set(reasons) == set(own["reason"])
        page.locator("#stars tbody input").first.check()
        page.wait_for_timeout(300)
        assert marked_pixels(page, "#plot-cmd") > 0
        table = pl.read_csv(download(page, "#stars-csv"), schema_overrides={"source_id": pl.Int64})
        assert table["source_id"].to_list() == [int(ids[0])]
        assert table["rv"].to_list() == own.filter(pl.col("source_id") == int(ids[0]))["rv"].to_list()
        page.locator("#clear-stars").click()
        path = download(page, "#stars-vot")
        read = Table.read(path, format="votable")
        assert sorted(read["source_id"].tolist()) == own["source_id"].sort().to_list()
        assert votlint(path) == []
        drag(page, "#plot-kiel")
        page.wait_for_function("chosenStars.rows.size > 0")
        assert page.locator("#stars tr.chosen").count() == page.evaluate("chosenStars.rows.size")
        # Another cluster replaces everything.
        open_cluster(page, "Berkeley_17")
        n = catalogue.members.filter(pl.col("cluster") == "Berkeley_17").height
        assert page.locator("#stars tbody tr").count() == n
        assert page.locator("#stars tr.chosen").count() == 0


def test_values_that_are_missing_are_said_to_be(browser: Any, tmp_path: Path) -> None:
    path = write(tmp_path, made_up(9, 40, galaxy=False, evil=False))
    with opened(browser, path) as page:
        assert "[galaxy]" in page.locator("#view-integrals .empty").inner_text()
        assert not page.locator("#plot-integrals").is_visible()
        # Place needs no orbit.
        assert page.locator("#plot-plane").is_visible()
        assert "8 clusters; 1 without a distance not drawn" in page.locator("#view-plane .count").inner_text()
        open_cluster(page, "NGC_2682")
        assert "[galaxy]" in page.locator("#orbit-missing").inner_text()
        assert not page.locator("#plot-orbit_rz").is_visible()
        open_cluster(page, "Sim_4")
        assert page.locator("#cluster-notes li").all_inner_texts() == ["radial velocity of <b>one</b> star"]


def test_no_orbit_says_why(browser: Any, page_file: Path, catalogue: Catalogue) -> None:
    last = catalogue.frame["cluster"][-1]
    with opened(browser, page_file) as page:
        open_cluster(page, last)
        assert page.locator("#orbit-missing").inner_text() == "No orbit: no distance."


@pytest.mark.parametrize("name", EVIL)
def test_no_name_becomes_markup(browser: Any, page_file: Path, name: str) -> None:
    with opened(browser, page_file) as page:
        assert page.locator("h1").inner_text() == "Made-up " + EVIL[0]
        row = page.locator("#catalogue tbody tr").filter(has=page.get_by_role("link", name=name, exact=True))
        assert row.count() == 1
        row.locator("a").click()
        page.wait_for_function("name => document.documentElement.dataset.cluster === name", arg=name)
        assert page.locator("#cluster-name").inner_text() == name
        assert page.locator("#cluster script, #cluster img, #cluster b").count() == 0
        # The address survives a reload.
        page.reload()
        page.wait_for_function("name => document.documentElement.dataset.cluster === name", arg=name)


def test_a_hover_shows_a_name_as_text(browser: Any, page_file: Path) -> None:
    with opened(browser, page_file) as page:
        spot = page.evaluate(
            """name => {
                const plot = Bokeh.documents.flatMap(d => d.roots()).find(r => r.name === "sky");
                const view = Bokeh.index.roots.find(v => v.model === plot), row = clusterNames.indexOf(name);
                const place = n => decode(P.places[n])[row];
                const offset = document.getElementById("plot-sky").getBoundingClientRect();
                return [offset.x + view.frame.x_scale.compute(place("glon")),
                        offset.y + view.frame.y_scale.compute(place("glat"))];
            }""",
            EVIL[0],
        )
        page.mouse.move(spot[0] - 3, spot[1])
        page.mouse.move(*spot)
        tip = page.locator(".bk-tooltip-content").first
        tip.wait_for()
        assert EVIL[0] in tip.inner_text()


def test_keyboard(browser: Any, page_file: Path) -> None:
    with opened(browser, page_file) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.locator("#catalogue tbody input").nth(2).focus()
        page.keyboard.press("Space")
        assert chosen(page) == [2]
        head = page.locator("#catalogue thead th", has_text="RVmed").first
        head.locator("button").focus()
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "ascending"
        column = page.evaluate("[...document.querySelectorAll('#catalogue thead th')].findIndex(h => h.ariaSort)")
        values = page.locator(f"#catalogue tbody tr td:nth-child({column + 1})").all_inner_texts()
        assert [float(v) for v in values] == sorted(float(v) for v in values)
        # Sorting moves no selection.
        assert chosen(page) == [2]
        page.locator("#catalogue tbody a").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("html[data-cluster]", state="attached")
        assert page.evaluate("document.activeElement.id") == "cluster-name"


def test_screen_readers_find_names_for_everything(browser: Any, page_file: Path) -> None:
    with opened(browser, page_file) as page:
        open_cluster(page, "NGC_2682")
        nameless = page.evaluate(
            """[...document.querySelectorAll("input, button, a, table, img, [role=region], figure, section, article")]
            .filter(e => !(e.labels?.length || e.ariaLabel || e.textContent.trim() || e.alt || e.closest("template")))
            .map(e => e.outerHTML.slice(0, 80))"""
        )
        assert nameless == []
        # The parts of the drawings too.
        reached = page.evaluate(
            """() => { const found = []; const walk = n => { for (const e of n.querySelectorAll("*")) {
                if (e.tabIndex === 0) found.push([e.role, e.ariaLabel]);
                if (e.shadowRoot) walk(e.shadowRoot); } };
                document.querySelectorAll(".plot").forEach(walk); return found; }"""
        )
        assert len(reached) > 50
        assert {role for role, _ in reached} == {"button", "img"}
        assert all(label for _, label in reached)
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids))
        pointed = page.evaluate(
            """[...document.querySelectorAll("[aria-labelledby], [aria-describedby], label[for]")].flatMap(e =>
            ["aria-labelledby", "aria-describedby", "for"].flatMap(a => (e.getAttribute(a) ?? "").split(" ")))"""
        )
        assert {i for i in pointed if i} <= set(ids)
        assert page.locator("h1").count() == 1
        assert page.locator("th:not([scope])").count() == 0


@pytest.mark.parametrize("name", [None, "NGC_2682", EVIL[1]])
def test_nothing_is_wider_than_a_phone(browser: Any, page_file: Path, name: str | None) -> None:
    with opened(browser, page_file, viewport={"width": 390, "height": 844}, has_touch=True) as page:
        if name is not None:
            open_cluster(page, name)
        page.wait_for_timeout(500)
        assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_without_scripts_the_account_and_the_table_are_there(
    browser: Any, page_file: Path, catalogue: Catalogue
) -> None:
    with opened(browser, page_file, java_script_enabled=False, ready=False) as page:
        names = page.locator("#catalogue tbody th").all_inner_texts()
        assert names == [" ".join(n.split()) for n in catalogue.frame["cluster"]]
        assert page.locator("#waterfall tbody tr").count() == 3
        assert "without" in page.locator("noscript").inner_text().lower()
        assert not page.locator("#find").is_visible()
        assert not page.locator("#explore").is_visible()
        assert not page.locator("#cluster").is_visible()
        # Every column, as none can be asked for.
        heads = page.locator("#catalogue thead th")
        assert all(heads.nth(i).is_visible() for i in range(heads.count()))


def test_print_leaves_the_controls_out(browser: Any, page_file: Path) -> None:
    with opened(browser, page_file) as page:
        page.emulate_media(media="print")
        assert not page.locator("#find").is_visible()
        assert page.locator(".bar button:visible, nav:visible").count() == 0
        assert page.locator("#catalogue thead th", has_text="RVmed").first.is_visible()
        assert page.locator("#catalogue thead th", has_text="RVmed").first.inner_text().startswith("RVmed")
        assert page.locator("#catalogue").is_visible()
        assert re.match(rb"%PDF-", page.pdf())


def test_a_cluster_that_found_no_room_says_where_its_stars_are(
    browser: Any, catalogue: Catalogue, tmp_path: Path
) -> None:
    figures = catalogue.config.figures.model_copy(update={"page_stars": 60})
    small = replace(catalogue, config=catalogue.config.model_copy(update={"figures": figures}))
    inside = tracks.drawn(small)
    outside = next(name for name in small.frame["cluster"] if name not in inside and name not in EVIL)
    # Not the first of the catalogue: its row among the stars drawn is another than its row in the table.
    name = next(n for n in inside if n not in EVIL and small.frame["cluster"].to_list().index(n) != inside.index(n))
    with opened(browser, write(tmp_path, small)) as page:
        open_cluster(page, outside)
        assert "melotte show" in page.locator("#left-out").inner_text()
        assert not page.locator("#stars").is_visible()
        assert not page.locator("#view-rv").is_visible()
        open_cluster(page, name)
        assert not page.locator("#left-out").is_visible()
        n = small.members.filter(pl.col("cluster") == name).height
        assert page.locator("#stars tbody tr").count() == n
        text = page.locator("#view-orbit_rz .count").inner_text()
        assert "Myr" in text
        # What is drawn is that of this cluster: its own mean velocity is the centre of its Gaussian.
        mean = page.evaluate("row => selectionOf().mean[drawnRow[row]]", small.frame["cluster"].to_list().index(name))
        assert mean == small.frame.row(by_predicate=pl.col("cluster") == name, named=True)["rv_mean"]


def test_a_long_table_lists_its_first_rows(browser: Any, tmp_path: Path) -> None:
    n = 1100
    with opened(browser, write(tmp_path, made_up(n, n, galaxy=False))) as page:
        listed = "[...document.querySelectorAll('#catalogue tbody tr')].filter(row => row.offsetParent).length"
        assert page.evaluate(listed) == 500
        assert f"{n:,} clusters of {n:,} shown" in page.locator("#found").inner_text()
        assert "first 500" in page.locator("#found").inner_text()
        # What is searched for is listed wherever it stands.
        page.fill("#find", "Sim 1090")
        assert page.evaluate(listed) == 1
        page.fill("#find", "")
        page.check("#all-rows")
        assert page.evaluate(listed) == n
        assert "first 500" not in page.locator("#found").inner_text()
        page.uncheck("#all-rows")
        page.locator("#catalogue thead button").first.click()
        page.locator("#catalogue thead button").first.click()
        assert page.evaluate(listed) == 500
        names = page.evaluate(
            "[...document.querySelectorAll('#catalogue tbody tr')].map(row => row.cells[1].dataset.v)"
        )
        assert names[0] == "Sim_1092"
