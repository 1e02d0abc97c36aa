"""report.html: the explorer and the account of a run, in one file that opens by double click and needs no network."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import polars as pl
from bokeh.resources import Resources

from ... import publish
from ...catalogue.catalogue import Catalogue
from ...core.files import write_text
from ...errors import ReadError
from ...figures._common import display_name
from ...publish import Picture, report
from ...schema import CATALOGUE, DYNAMICS, MEMBER_STARS, Schema
from ...tables import votable
from . import encode, names, tracks, views
from .places import sun_of, view_columns
from .reviews import read_reviews

#: What the page says besides the tables, below the directory of the run: read back by `rewrite_page`.
RECORD: Final = Path("stages") / "report.json"
#: Scripts in the order in which they run.
_SCRIPTS: Final = ("data.js", "download.js", "table.js", "overview.js", "stars.js", "cluster.js", "main.js")
#: Columns shown at first, in this order; the others, on request, before the note.
_ESSENTIAL: Final = (
    *("cluster", "n_all", "n_rv", "rv_med", "rv_med_error", "n_feh", "feh_med", "feh_med_error"),
    *("log_age", "distance", "r_gc", "z_gc", "ecc", "note"),
)
#: A table of more clusters has the essential columns only, and its first 500 rows are listed unless all are asked for.
_LONG_TABLE: Final = 1000
#: Columns of the orbits in the table; all of them are in the downloads.
_ORBIT_COLUMNS: Final = ("r_gc", "z_gc", "l_z", "energy", "r_peri", "r_apo", "ecc", "z_max")


def write_page(
    path: Path,
    catalogue: Catalogue,
    *,
    facts: Mapping[str, str],
    pictures: Sequence[Picture],
    provenance: Mapping[str, Any],
    simulated: bool = False,
    reviews: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write the page of a catalogue.

    Parameters
    ----------
    path : pathlib.Path
        The HTML file. What is not in the tables (facts, captions) is kept in ``stages/report.json`` beside it.
    catalogue : Catalogue
        The result of a run.
    facts : mapping of str to str
        Numbers worth reporting, ready to print, the zero point for example.
    pictures : sequence of Picture
        Figures of the whole catalogue, embedded. Those of single clusters are drawn by the page itself.
    provenance : mapping
        What `melotte.publish.write_provenance` returned.
    simulated : bool
        Whether the data are simulated; said at the top of the page and in its title.
    reviews : mapping, optional
        Literature values by cluster: `melotte.report.explore.reviews.read_reviews`.
    notes : sequence of str
        Notes besides those of the run.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    PublishError
        If a figure is missing or of an unknown type, or the page cannot be written.
    """
    directory = path.parent
    record = {
        "facts": dict(facts),
        "pictures": [{"file": _relative(p.path, directory), "caption": p.caption, "alt": p.alt} for p in pictures],
    }
    write_text(directory / RECORD, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    found, more = names.aliases(catalogue.frame["cluster"].to_list(), data_dir=catalogue.data_dir)
    drawn = tracks.drawn(catalogue)
    if len(drawn) < catalogue.frame.height:
        room = f"{len(drawn):,} of {catalogue.frame.height:,} clusters ([figures] page_stars)"
        notes = [*notes, f"report: this page has the stars and orbits of {room}; the tables have all"]
    every_note = list(dict.fromkeys([*catalogue.notes, *(f"names: {n}" for n in more), *notes]))
    frame, schema = _with_orbits(catalogue)
    payload = _payload(catalogue, frame, schema, drawn, found, every_note, reviews or {}, simulated)
    scripts = [_bokeh(), _script()]
    in_table = [c for c in schema if c.name in CATALOGUE or c.name in _ORBIT_COLUMNS]
    shown, empty = report.layout(frame, in_table)
    if frame.height > _LONG_TABLE:
        shown = [c for c in shown if c.name in _ESSENTIAL]
    order = {name: place for place, name in enumerate(_ESSENTIAL[:-1])} | {"note": len(shown) + len(_ESSENTIAL)}
    shown = sorted(shown, key=lambda c: order.get(c.name, len(_ESSENTIAL)))
    text = (
        report.templates("melotte.report.explore")
        .get_template("explorer.html.jinja")
        .render(
            title=_title(catalogue),
            simulated=simulated,
            steps=catalogue.steps,
            notes=report.by_kind(every_note),
            facts=facts,
            columns=[report.head(c, essential=c.name in _ESSENTIAL) for c in shown],
            empty=empty,
            rows=report.cells(frame, shown),
            long=frame.height > _LONG_TABLE,
            figures=[report.embed(p) for p in pictures],
            provenance=provenance,
            configuration=report.sections(provenance.get("configuration", {})),
            views=[v.__dict__ for v in views.VIEWS],
            style=report.resource("base.css") + report.resource("explorer.css", __package__),
            scripts=scripts,
            hashes=[f"'sha256-{_digest(s)}'" for s in scripts],
            payload=encode.script_json(payload),
        )
    )
    return write_text(path, text)


def rewrite_page(directory: Path, catalogue: Catalogue) -> Path:
    """Write ``report.html`` of a finished run again, with the literature reviewed since.

    Parameters
    ----------
    directory : pathlib.Path
        The run's.
    catalogue : Catalogue
        Read back from it.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ReadError
        If the record of the run is damaged.
    PublishError
        If the page cannot be written.
    """
    try:
        provenance = json.loads((directory / "provenance.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReadError(f"not the record of a run: {error}", where=directory / "provenance.json") from error
    facts, pictures, notes = read_page_record(directory)
    found, more = read_reviews(directory / "tables", catalogue.frame)
    return write_page(
        directory / "report.html",
        catalogue,
        facts=facts,
        pictures=pictures,
        provenance=provenance,
        simulated=bool(provenance.get("simulated", False)),
        reviews=found,
        notes=[*notes, *more],
    )


def read_page_record(directory: Path) -> tuple[dict[str, str], list[Picture], list[str]]:
    """What the page of a run says besides the tables.

    Parameters
    ----------
    directory : pathlib.Path
        The run's.

    Returns
    -------
    facts : dict
        Label -> text.
    pictures : list of Picture
        Those that are still there.
    notes : list of str
        What is not.

    Raises
    ------
    ReadError
        If the record is damaged.
    """
    try:
        record = json.loads((directory / RECORD).read_text(encoding="utf-8"))
        facts = {str(k): str(v) for k, v in record["facts"].items()}
        pictures = [Picture(directory / p["file"], p["caption"], p["alt"]) for p in record["pictures"]]
    except FileNotFoundError:
        return {}, [], [f"report: {RECORD} is gone, and with it the figures and the numbers of the summary"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReadError(f"not the record of a page: {error}", where=directory / RECORD, hint="remove it") from error
    gone = [p for p in pictures if not p.path.is_file()]
    return facts, [p for p in pictures if p not in gone], [f"report: the figure {p.path.name} is gone" for p in gone]


def _title(catalogue: Catalogue) -> str:
    return catalogue.config.run.title or f"Open clusters of {catalogue.survey}"


def _relative(path: Path, directory: Path) -> str:
    return path.relative_to(directory).as_posix() if path.is_relative_to(directory) else str(path)


def _with_orbits(catalogue: Catalogue) -> tuple[pl.DataFrame, Schema]:
    """The catalogue with the columns of the orbits."""
    frame, schema = catalogue.frame, CATALOGUE
    if catalogue.orbits is not None:
        more = [c for c in DYNAMICS if c.name not in CATALOGUE]
        more = [replace(c, name="orbit_reason", label="NoOrbit") if c.name == "reason" else c for c in more]
        orbits = catalogue.orbits.rename({"reason": "orbit_reason"})
        schema = CATALOGUE.extend(*more)
        columns = orbits.select("cluster", *(c.name for c in more))
        frame = frame.join(columns, on="cluster", how="left", maintain_order="left")
    return frame, schema


def _payload(
    catalogue: Catalogue,
    frame: pl.DataFrame,
    schema: Schema,
    drawn: Sequence[str],
    found: Mapping[str, Any],
    notes: Sequence[str],
    reviews: Mapping[str, Sequence[Mapping[str, Any]]],
    simulated: bool,
) -> dict[str, Any]:
    """Everything the scripts read."""
    clusters = frame["cluster"].to_list()
    order = pl.DataFrame(
        {"cluster": clusters, "_row": range(len(clusters))}, schema={"cluster": pl.String, "_row": pl.Int32}
    )
    stars = (
        catalogue.members.filter(pl.col("cluster").is_in(list(drawn)))
        .join(order, on="cluster")
        .sort("_row", pl.col("flag").replace_strict({12: 0, 2: 0, 1: 1, 0: 2}, default=3), "source_id")
    )
    rows = stars["_row"].to_numpy()
    start = rows.searchsorted(range(len(clusters) + 1)) if clusters else [0]
    stars = stars.drop("_row")
    parts = (stars.slice(int(a), int(b - a)) for a, b in itertools.pairwise(start))
    own = dict(zip(clusters, parts, strict=True))
    place = {name: row for row, name in enumerate(drawn)}
    cluster_views = [catalogue[name] for name in drawn]
    about = publish.About(simulated=simulated)
    kept = encode.filled(frame, schema)
    star_columns = encode.filled(stars, MEMBER_STARS)
    star_schema = MEMBER_STARS.select([c.name for c in star_columns])
    sun = sun_of(catalogue.config.galaxy)
    return {
        "title": _title(catalogue),
        "clusters": encode.table(frame, kept)
        | {"votable": votable.header(frame, schema.select([c.name for c in kept]), about)},
        "stars": encode.table(stars, star_columns)
        | {"votable": votable.header(stars, star_schema, about), "start": encode.array(start, "i4")},
        "places": {k: encode.array(v) for k, v in view_columns(catalogue).items()},
        "names": {**found, "shown": [display_name(n) for n in clusters]},
        # Row of each cluster in what follows, -1 without one; and how many stars there are in all.
        "drawn": encode.array([place.get(name, -1) for name in clusters], "i4"),
        "n_stars": catalogue.members.height,
        "selection": tracks.selection(cluster_views, [own[name] for name in drawn], catalogue),
        "members": tracks.members(catalogue, drawn),
        "isochrones": tracks.isochrones(cluster_views),
        "orbits": tracks.orbits(catalogue, drawn),
        "reviews": [list(reviews.get(name, ())) for name in clusters],
        "notes": [_notes_on(name, notes) for name in clusters],
        "bokeh": {
            "overview": views.as_json(views.overview(sun)),
            "cluster": views.as_json(views.cluster(catalogue.config.metallicity, sun)),
        },
    }


def _notes_on(cluster: str, notes: Sequence[str]) -> list[str]:
    """The notes that name a cluster."""
    word = re.compile(rf"(?<![\w+-]){re.escape(cluster)}(?![\w+-])")
    return [note for note in notes if cluster in note and word.search(note)]


def _script() -> str:
    """Our scripts as one."""
    parts = [report.resource("sort.js"), *(report.resource(name, __package__) for name in _SCRIPTS)]
    return '"use strict";\n' + "\n".join(parts)


def _bokeh() -> str:
    """BokehJS itself: drawing only, no widgets, no WebGL."""
    return "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
