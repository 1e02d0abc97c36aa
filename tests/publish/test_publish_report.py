"""The report, the provenance record, the tables for people and the CITATION file."""

from __future__ import annotations

import csv
import hashlib
import html.parser
import itertools
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from melotte.errors import PublishError, SchemaError
from melotte.publish import (
    InputFile,
    Picture,
    published_columns,
    write_citation,
    write_paper_table,
    write_provenance,
    write_report,
)
from melotte.schema import CATALOGUE
from melotte.schema.result import Step

EVIL = "<script>alert(1)</script>\"'&"
STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STEPS = (
    Step("cross-match", "spectra", 12_345, {"no member within 3.5 arcsec": 12_000, "no radial velocity": 45}),
    Step("combine", "spectra", 300, {"repeat spectrum of a star": 20, "never happens": 0}),
)


def catalogue() -> pl.DataFrame:
    return CATALOGUE.conform(
        pl.DataFrame(
            {
                "cluster": ["Sim_10", EVIL, "Sim_9"],
                "ra": [0.1, None, 359.99],
                "dec": [-1.5, None, 2.0],
                "n_all": [12, 1, 3],
                "n_rv": [11, 1, 3],
                "rv_med": [-24.198, 0.004, -0.001],
                "rv_med_error": [1.567, None, 0.2],
                "rv_scatter": [7.4249, None, 1.0],
                "n_feh": [10, 0, 2],
                "feh_med": [-0.1234, None, 0.0049],
                "feh_med_error": [0.0149, None, 0.02],
                "note": [None, EVIL, "50 % of R&D_data"],
            }
        )
    )


def record(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    (tmp_path / "data" / "deep").mkdir(parents=True, exist_ok=True)
    survey = tmp_path / "data" / "deep" / "survey.csv"
    survey.write_text("obsid\n1\n")
    (tmp_path / "clusters.ecsv").write_text("x")
    (tmp_path / "tables").mkdir(exist_ok=True)
    (tmp_path / "tables" / "a.csv").write_text("y")
    arguments: dict[str, Any] = {
        "inputs": [
            InputFile("survey", survey, root=tmp_path / "data", rows=1),
            InputFile("elsewhere", tmp_path / "clusters.ecsv", root=tmp_path / "data"),
        ],
        "config": {"survey": {"adapter": "table", "file": EVIL}, "run": {"seed": 7}},
        "steps": STEPS,
        "notes": ["zero point: " + EVIL],
        "outputs": [tmp_path / "tables" / "a.csv", tmp_path / "clusters.ecsv"],
        "started": STARTED,
        "finished": STARTED + timedelta(seconds=30),
        "citations": [("2022A&A...668A...4F", "Fu et al. 2022")],
    }
    return write_provenance(tmp_path / "provenance.json", **{**arguments, **changes})


class Page(html.parser.HTMLParser):
    """What a browser would find."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.words: list[str] = []
        self.in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self.in_cell = False

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.in_cell:
            self.rows[-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


def report(tmp_path: Path, **changes: Any) -> Page:
    (tmp_path / "f.png").write_bytes(PNG)
    arguments: dict[str, Any] = {
        "title": f"Test {EVIL}",
        "frame": catalogue(),
        "schema": CATALOGUE,
        "steps": STEPS,
        "notes": ["zero point: " + EVIL, "zero point: two", "just a sentence"],
        "facts": {"zero point": "+4.66 ± 0.10 km/s"},
        "figures": [(tmp_path / "f.png", EVIL), Picture(tmp_path / "f.png", "caption", alt="what it shows")],
        "provenance": record(tmp_path),
    }
    path = write_report(tmp_path / "report.html", **{**arguments, **changes})
    return Page(path.read_text("utf-8"))


def test_nothing_from_a_catalogue_becomes_markup(tmp_path: Path) -> None:
    evil_schema = replace(CATALOGUE, columns=tuple(replace(c, description=EVIL, label=EVIL) for c in CATALOGUE.columns))
    facts = {EVIL: EVIL}
    page = report(tmp_path, schema=evil_schema, steps=(Step(EVIL, EVIL, 2, {EVIL: 1}),), facts=facts, notes=[EVIL])
    assert len(page.all("script")) == 1
    assert "alert" not in "".join(page.words[-30:]).replace(EVIL, "")
    assert EVIL in [cell for row in page.rows for cell in row]
    assert EVIL in [a.get("alt") for a in page.all("img")]


def test_report_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    page = report(tmp_path)
    assert not page.all("link")
    assert all((a.get("src") or "").startswith("data:image/png;base64,") for a in page.all("img"))
    assert not [a for a in page.all("script") if "src" in a]
    assert all((a["href"] or "").startswith("#") for a in page.all("a"))
    targets = {a["href"] for a in page.all("a")}
    assert targets <= {f"#{a['id']}" for _, a in page.tags if "id" in a}
    assert "://" not in (tmp_path / "report.html").read_text("utf-8")


def test_report_waterfall_adds_up(tmp_path: Path) -> None:
    rows = [row for row in report(tmp_path).rows if len(row) == 3]
    for step in STEPS:
        start = next(i for i, row in enumerate(rows) if row[0] == f"{step.name}: in")
        end = next(i for i, row in enumerate(rows) if row[0] == f"{step.name}: on")
        counts = [int(row[2].replace(",", "").replace("−", "-")) for row in rows[start : end + 1]]
        assert sum(counts[:-1]) == counts[-1]
    assert not [row for row in rows if row[0] == "never happens"]


def test_report_has_every_cluster_and_every_column_with_a_value(tmp_path: Path) -> None:
    page = report(tmp_path)
    frame = catalogue()
    filled = [c for c in CATALOGUE if frame[c.name].null_count() < frame.height]
    head, *rows = [row for row in page.rows if len(row) == len(filled)]
    assert len(rows) == 3
    assert set(head) == {c.cds_label + c.unit.replace(" ", "") for c in filled}
    column = head.index("RVmedkm/s")
    assert [row[column] for row in rows] == ["-24.1980", "0.0040", "-0.0010"]
    assert rows[1][head.index("[Fe/H]meddex")] == ""
    # What a reader looks for comes before the positions.
    assert head[0] == "Cluster"
    assert head[-2:] == ["RAdegdeg", "DEdegdeg"]
    hidden = {c.cds_label for c in CATALOGUE} - {c.cds_label for c in filled}
    said = next(w for w in page.words if "not shown: " in w)
    assert set(said.split("not shown: ")[1].removesuffix(".").split(", ")) == hidden


def test_report_is_accessible(tmp_path: Path) -> None:
    page = report(tmp_path)
    assert page.all("html")[0]["lang"] == "en"
    assert all(a.get("scope") in {"row", "col"} for a in page.all("th"))
    assert [a["alt"] for a in page.all("img")] == [EVIL, "what it shows"]
    assert page.all("img")[0]["width"] == "1"
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_warnings_are_grouped(tmp_path: Path) -> None:
    words = report(tmp_path).words
    assert "zero point (2)" in words
    assert "general (1)" in words


def test_simulated_data_are_announced_first(tmp_path: Path) -> None:
    said = report(tmp_path, simulated=True)
    text = [w.strip() for w in said.words if w.strip()]
    assert any(w.startswith("[Simulated]") for w in text)
    assert text.index("Simulated data. Nothing on this page was observed.") < text.index(f"Test {EVIL}")
    assert not any("imulated" in w for w in report(tmp_path).words)


def test_report_of_an_empty_catalogue(tmp_path: Path) -> None:
    page = report(tmp_path, frame=CATALOGUE.empty(), steps=(), notes=(), facts={}, figures=())
    assert not page.all("figure")
    assert {"summary", "clusters", "inputs"} <= {a["id"] for _, a in page.tags if "id" in a}


def test_missing_or_unknown_figures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match=r"gone\.png"):
        report(tmp_path, figures=[(tmp_path / "gone.png", "x")])
    with pytest.raises(PublishError, match=r"\.png, \.svg"):
        report(tmp_path, figures=[(tmp_path / "a.pdf", "x")])


def test_provenance_says_what_went_in_and_came_out(tmp_path: Path) -> None:
    written = record(tmp_path)
    assert json.loads((tmp_path / "provenance.json").read_text("utf-8")) == written
    first, second = written["inputs"]
    assert first == {
        "name": "survey",
        "file": "deep/survey.csv",
        "bytes": 8,
        "sha256": hashlib.sha256(b"obsid\n1\n").hexdigest(),
        "rows": 1,
    }
    assert second["file"] == "clusters.ecsv"
    assert [o["file"] for o in written["outputs"]] == ["clusters.ecsv", "tables/a.csv"]
    assert written["seed"] == 7
    assert written["started"] == "2026-01-02T03:04:05Z"
    assert {"melotte", "numpy", "astropy", "polars", "python", "platform"} <= set(written["software"])
    assert [s["came_in"] - sum(s["lost"].values()) - s["went_on"] for s in written["steps"]] == [0, 0]
    assert str(tmp_path) not in (tmp_path / "provenance.json").read_text("utf-8")


def test_provenance_is_stable_but_for_the_times(tmp_path: Path) -> None:
    here = record(tmp_path / "a")
    zone = timezone(timedelta(hours=8))
    there = record(tmp_path / "b", started=STARTED.astimezone(zone), finished=STARTED + timedelta(days=1))
    assert there["started"] == here["started"]
    assert there.pop("finished") != here.pop("finished")
    assert there == here


def test_provenance_refuses_what_it_cannot_record(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="zone"):
        record(tmp_path, started=datetime(2026, 1, 1))
    with pytest.raises(PublishError, match=r"gone\.csv"):
        record(tmp_path, outputs=[tmp_path / "gone.csv"])
    with pytest.raises(PublishError, match="JSON"):
        record(tmp_path, config={"x": float("nan")})


def test_paper_table_in_csv(tmp_path: Path) -> None:
    columns = ["cluster", "n_all", "rv_med", "rv_med_error", "feh_med", "note"]
    path, _ = write_paper_table(catalogue(), CATALOGUE, columns, tmp_path / "t")
    head, *rows = csv.reader(path.read_text("utf-8").splitlines())
    assert head == ["Cluster", "Nall", "RVmed", "e_RVmed", "[Fe/H]med", "Note"]
    assert rows[0] == ["Sim_10", "12", "-24.1980", "1.5670", "-0.1234", ""]
    assert rows[1] == [EVIL, "1", "0.0040", "", "", EVIL]


def test_paper_table_in_latex(tmp_path: Path) -> None:
    columns = ["cluster", "n_all", "rv_med", "rv_med_error", "rv_scatter", "feh_med", "feh_med_error", "note"]
    _, path = write_paper_table(catalogue(), CATALOGUE, columns, tmp_path / "t", caption="A & B")
    text = path.read_text("utf-8")
    assert r"Sim\_10 & $12$ & $-24.20 \pm 1.57$ & $7.42$ & $-0.12 \pm 0.01$ & \ldots \\" in text
    # No error: the value alone; nothing: dots; never -0.00.
    assert r"& $1$ & $0.00$ & \ldots & \ldots &" in text
    assert r"$0.00 \pm 0.20$" in text
    assert r"50 \% of R\&D\_data" in text
    assert r"\caption{A \& B}" in text
    assert r"\begin{tabular}{lrrrrl}" in text
    assert r"[$\mathrm{km\,s^{-1}}$]" in text
    assert {line.count(" & ") for line in text.replace(r"\&", "").splitlines() if line.endswith(r"\\")} == {5}


def test_published_columns_are_in_the_published_order() -> None:
    columns = published_columns(CATALOGUE)
    assert columns[:8] == [
        "cluster",
        "n_all",
        "n_rv",
        "rv_med",
        "rv_med_error",
        "rv_mean",
        "rv_mean_error",
        "rv_scatter",
    ]
    assert columns[-2:] == ["ra", "dec"]


@pytest.mark.real_data
def test_published_columns_are_those_of_the_catalogue(data_dir: Path) -> None:
    from melotte.publish.paper import PUBLISHED_LABELS

    with (data_dir / "clusters" / "fu2022.csv").open(encoding="utf-8") as stream:
        head = next(csv.reader(stream))
    names = {"_RA": "RAdeg", "_DE": "DEdeg"}
    assert [names.get(name, name) for name in head] == list(PUBLISHED_LABELS)


def test_unknown_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="nope"):
        write_paper_table(catalogue(), CATALOGUE, ["nope"], tmp_path / "t")
    assert not list(tmp_path.iterdir())


def test_citation_names_each_catalogue_once(tmp_path: Path) -> None:
    items = [("2020A&A...640A...1C", "Cantat-Gaudin et al. 2020, A&A, 640, A1")] * 2
    text = write_citation(tmp_path / "CITATION", items).read_text("utf-8")
    assert text.count("2020A&A...640A...1C") == 1
    assert text.count("2022A&A...668A...4F") == 1
    assert "2022ApJ...935..167A" in text
    assert re.search(r"numpy \d+\.\d+", text)
