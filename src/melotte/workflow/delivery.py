"""A finished catalogue to a directory, and back."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from .. import config, figures, publish
from ..catalogue.catalogue import Catalogue
from ..clusters.isochrones import load_isochrones
from ..config import GradientsConfig
from ..core.checksum import sha256
from ..errors import DatasetError, MelotteError, ReadError
from ..inputs.members import read_members
from ..schema import CATALOGUE, DYNAMICS, MEMBERS
from ..schema.products import BY_NAME, RUN_TABLES
from ..schema.result import Step
from ..schema.run import REJECTED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..gradients import GradientsResult

#: Bytes of a file name that a cluster's name may take.
_LONGEST_STEM = 100

#: Called with (stage, done, total).
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Extra:
    """What a run adds to the usual products: the demo its comparison with the truth.

    Attributes
    ----------
    facts : mapping
        Lines of the report: label -> text.
    pictures : mapping
        File stem -> (figure, caption).
    simulated : bool
        Whether the data are simulated; said in every product.
    """

    facts: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, tuple[Figure, str]] = field(default_factory=dict)
    simulated: bool = False


def deliver(
    catalogue: Catalogue, out: str | Path, *, extra: Extra | None = None, progress: Progress | None = None
) -> list[Path]:
    """Write every product of a catalogue.

    Parameters
    ----------
    catalogue : Catalogue
        The result of a run.
    out : path
        Directory; each file in it appears whole or not at all. ``provenance.json`` is written last.
    extra : Extra, optional
        Additional figures and facts.
    progress : callable, optional
        Called with ("products", done, total).

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    PublishError
        If a file cannot be written or does not read back equal.
    """
    from ..report import explore  # bokeh: not for reading a run back

    out, extra = Path(out), extra or Extra()
    citations = catalogue.citations
    about = publish.About(citations=citations, simulated=extra.simulated)
    drawings = _drawings(catalogue) | {stem: (lambda f=f: f, text) for stem, (f, text) in extra.pictures.items()}
    files: list[Path] = []
    counter = itertools.count(1)

    def done(new: Sequence[Path]) -> None:
        files.extend(new)
        if progress is not None:
            progress("products", next(counter), 4 + len(drawings))

    for table in RUN_TABLES:
        frame = None if table.stage == "gradients" else table.of(catalogue)  # `write_gradients` writes all of that
        if frame is not None:
            kinds = publish.FORMATS if table.published else ("parquet",)
            new = publish.write_table(frame, table.schema, out / table.name, kinds, about=about)
            if table.needed:
                done(new)
            else:
                files += new
    if catalogue.gradients is not None and catalogue.gradients.fits:
        from ..publish.gradients import write_gradients

        files += write_gradients(catalogue.gradients, out / "tables", about=about)
    done(_published_table(catalogue, out / "tables" / "clusters"))
    pictures = []
    single = {stem for name in _drawn(catalogue) for stem in _cluster_drawings(catalogue, name)}
    for stem, (draw, caption) in drawings.items():
        formats = list(dict.fromkeys([*catalogue.config.figures.formats, "png"]))
        written = figures.save(draw(), out / "figures" / stem, formats)
        if stem not in single:  # the page draws those itself
            pictures.append(publish.Picture(written[formats.index("png")], caption))
        done(written)
    done([publish.write_citation(out / "CITATION", citations)])
    # Checksums of the outputs need the outputs, the report needs the record: the report is the one file without one.
    record = publish.write_provenance(
        out / "provenance.json",
        inputs=[publish.InputFile(role, path, sha256=digest) for role, (path, digest) in catalogue.inputs.items()],
        config=catalogue.config.resolved(),
        steps=catalogue.steps,
        notes=catalogue.notes,
        outputs=files,
        started=catalogue.started,
        finished=datetime.now(UTC),
        citations=citations,
        simulated=extra.simulated,
        facts={
            "survey": catalogue.survey,
            "config_name": catalogue.config_name,
            "zero_point": None if catalogue.zero_point is None else dict(catalogue.zero_point),
        },
    )
    page = explore.write_page(
        out / "report.html",
        catalogue,
        facts=_facts(catalogue) | dict(extra.facts),
        pictures=pictures,
        provenance=record,
        simulated=extra.simulated,
    )
    return [*files, out / "provenance.json", page]


def _published_table(catalogue: Catalogue, stem: Path) -> list[Path]:
    """The columns of the published catalogue, those of the orbits included where there are any."""
    frame, schema = catalogue.frame, CATALOGUE
    if catalogue.orbits is not None:
        more = [c for c in DYNAMICS if c.name not in CATALOGUE]
        schema = CATALOGUE.extend(*more)
        frame = frame.join(catalogue.orbits.select("cluster", *(c.name for c in more)), on="cluster", how="left")
    return publish.write_paper_table(frame, schema, publish.published_columns(schema), stem)


def draw_cluster(catalogue: Catalogue, name: str, directory: Path) -> list[Path]:
    """Write the figures of one cluster (RV selection, Kiel, colour-magnitude, orbit) into ``directory``."""
    files = []
    for stem, (draw, _) in _cluster_drawings(catalogue, name).items():
        files += figures.save(draw(), directory / stem, catalogue.config.figures.formats)
    return files


Drawing = tuple[Callable[[], "Figure"], str]


def _drawings(catalogue: Catalogue) -> dict[str, Drawing]:
    plot = catalogue.plot
    drawings: dict[str, Drawing] = {
        "sky": (plot.sky, "Members (grey) and those observed by the survey."),
        "overview": (plot.overview, "Errors and scatter of all clusters against the number of stars."),
    }
    if catalogue.zero_point:
        drawings["zero_point"] = (plot.zero_point, "Radial velocities of the reference minus those of the survey.")
    if catalogue.orbits is not None and _has_velocities(catalogue):
        drawings["eccentricity"] = (plot.eccentricity, "Eccentricity against apocentre, by age and by [Fe/H].")
        drawings["positions"] = (
            plot.positions,
            "The clusters seen from the north Galactic pole, by look-back time; open: not yet born.",
        )
        drawings["energy_momentum"] = (plot.energy_momentum, "Energy against angular momentum, by age and by [Fe/H].")
    if catalogue.gradients is not None:
        drawings |= figures.gradient_drawings(catalogue.gradients)
    for name in _drawn(catalogue):
        drawings |= _cluster_drawings(catalogue, name)
    return drawings


def _has_velocities(catalogue: Catalogue) -> bool:
    """Whether the survey gives velocities; without them (a note says so) what needs them is not drawn."""
    return bool(catalogue.members["rv"].is_not_null().any())


def _drawn(catalogue: Catalogue) -> list[str]:
    """The clusters with figures of their own."""
    named = [name for name in catalogue.config.figures.clusters if name in catalogue]  # the run's notes name the others
    wanted = [*named, *catalogue.largest(catalogue.config.figures.largest)]
    return list(dict.fromkeys(catalogue[name].name for name in wanted))


def file_stem(name: str) -> str:
    """The name of a cluster as the beginning of a file name: no place, not too long, different for different names."""
    plain = name.replace(" ", "_")
    kept = "".join(c if c.isalnum() or c in "-_+." else "_" for c in plain).lstrip(".")
    if kept == plain and len(kept.encode()) <= _LONGEST_STEM:
        return kept
    return f"{kept[:40]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _cluster_drawings(catalogue: Catalogue, name: str) -> dict[str, Drawing]:
    plot, label = catalogue.plot, name.replace("_", " ")
    stem = file_stem(name)
    drawings: dict[str, Drawing] = {}
    if _has_velocities(catalogue):
        drawings[f"{stem}_rv"] = (lambda: plot.rv(name), f"{label}: selection of the stars by radial velocity.")
    drawings |= {
        f"{stem}_kiel": (
            lambda: plot.kiel(name),
            f"{label}: surface gravity and [Fe/H] against temperature; filled: used for [Fe/H].",
        ),
        f"{stem}_cmd": (lambda: plot.cmd(name), f"{label}: colour-magnitude diagrams; filled: used."),
    }
    if catalogue.orbits is not None and _has_velocities(catalogue):
        drawings[f"{stem}_orbit"] = (lambda: plot.orbit(name), f"{label}: orbit of the last {_span(catalogue)}.")
    return drawings


def _span(catalogue: Catalogue) -> str:
    return f"{catalogue.config.galaxy.lookback:g}" if catalogue.config.galaxy else ""


def _facts(catalogue: Catalogue) -> dict[str, str]:
    frame = catalogue.frame
    facts = {
        "clusters": f"{frame.height:,}",
        "stars": f"{catalogue.members.height:,}",
        "clusters with two or more stars": f"{frame.filter(pl.col('n_all') > 1).height:,}",
        "clusters with [Fe/H]": f"{frame.filter(pl.col('n_feh') > 0).height:,}",
        "clusters with [Fe/H] of three or more stars": f"{frame.filter(pl.col('n_feh') >= 3).height:,}",
    }
    if catalogue.zero_point:
        zero = catalogue.zero_point
        facts["zero point (reference - survey)"] = (
            f"{zero['median']:+.2f} ± {zero['error']:.2f} km/s (median), {zero['mean']:+.2f} km/s (mean), "
            f"scatter {zero['sd']:.2f} km/s, {zero['n']:.0f} stars"
        )
    return facts


def read_record(out: Path) -> tuple[dict[str, Any], config.Config]:
    """The record of a finished run and its configuration.

    Parameters
    ----------
    out : pathlib.Path
        Directory of the run.

    Returns
    -------
    record : dict
        ``provenance.json`` (`melotte.publish.write_provenance`).
    settings : Config

    Raises
    ------
    ReadError
        If the directory holds no finished run.
    """
    path = out / "provenance.json"
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        settings = config.parse(record["configuration"], where=path)
        for step in record["steps"]:
            Step(step["name"], step["unit"], step["came_in"], step["lost"])
        for item in (*record["inputs"], *record["outputs"]):
            if not isinstance(item["file"], str) or not isinstance(item["sha256"], str):
                raise TypeError("a file without a name or a checksum")
            _ = f"{item['bytes']:,}"
        for item in record["inputs"]:
            _ = item["name"]
        for key in ("started", "finished"):
            datetime.fromisoformat(record[key])
        if not isinstance(record.get("facts", {}), dict):
            raise TypeError("facts that are not a table")
        _ = record["simulated"], record["software"]["melotte"], tuple(record["notes"])
    except FileNotFoundError as error:
        raise ReadError(
            "no finished run here", where=out, expected="provenance.json", hint="make one: melotte run CONFIG --out DIR"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReadError(f"not the record of a run: {error}", where=path, hint="run again") from error
    return record, settings


def read_back(out: str | Path, *, data_dir: str | Path | None = None) -> Catalogue:
    """The catalogue a run left in a directory.

    Parameters
    ----------
    out : path
        Directory of a finished run.
    data_dir : path, optional
        Local mirror: gives figures the membership list and the isochrones. Without them (the notes then say so) the
        figures show the matched stars only.

    Returns
    -------
    Catalogue

    Raises
    ------
    ReadError
        If the directory holds no finished run, or its tables are not those of its record.
    """
    out = Path(out)
    record, settings = read_record(out)
    steps = [Step(s["name"], s["unit"], s["came_in"], s["lost"]) for s in record["steps"]]
    notes, started = tuple(record["notes"]), datetime.fromisoformat(record["started"])
    frames = {t.name: read_product(out, record, t.name) for t in RUN_TABLES if t.needed or has_product(record, t.name)}
    facts = record.get("facts", {})  # absent from runs of older versions
    mirror = None if data_dir is None else Path(data_dir)
    if mirror is None and (out / "input").is_dir():  # the demo keeps its inputs beside its results
        mirror = out / "input"
    missing = []
    member_list, isochrones = MEMBERS.empty(), None
    try:
        member_list = read_members(settings.members, data_dir=mirror).frame
    except MelotteError as error:
        missing.append(f"figures show the matched stars only: {error.found}")
    if settings.metallicity.giant_rule == "isochrone":
        try:
            isochrones = load_isochrones(settings.metallicity.isochrones, data_dir=mirror)
        except DatasetError as error:
            missing.append(f"figures show no isochrone: {error.found}")
    return Catalogue(
        frame=frames["clusters"],
        members=frames["members"],
        rejected=frames.get("tables/rejected", REJECTED.empty()),
        member_list=member_list,
        survey=facts.get("survey") or settings.survey.name or settings.survey.adapter,
        zero_point=facts.get("zero_point"),
        zero_point_pairs=frames.get("tables/zero_point_stars"),
        orbits=frames.get("orbits"),
        snapshots=frames.get("snapshots"),
        gradients=_gradients(frames, settings.gradients),
        isochrones=isochrones,
        config=settings,
        config_name=facts.get("config_name", "provenance.json"),
        steps=tuple(steps),
        notes=(*notes, *missing),
        inputs={entry["name"]: (Path(entry["file"]), entry["sha256"]) for entry in record["inputs"]},
        data_dir=mirror,
        started=started,
    )


def has_product(record: Mapping[str, Any], name: str) -> bool:
    """Whether a run wrote this table."""
    return any(item["file"] == f"{name}.parquet" for item in record["outputs"])


def read_product(out: Path, record: Mapping[str, Any], name: str) -> pl.DataFrame:
    """A table of a finished run, if it is the one the run wrote.

    Parameters
    ----------
    out : pathlib.Path
        Directory of the run.
    record : mapping
        From `read_record`.
    name : str
        Of `melotte.schema.products.RUN_TABLES`: path below ``out`` without suffix, such as ``"tables/gradients"``.

    Raises
    ------
    ReadError
        If the run wrote no such table, or it is missing, truncated, edited or that of another run.
    """
    path = out / f"{name}.parquet"
    again = "put the file back, or run again"
    listed = next((item for item in record["outputs"] if item["file"] == f"{name}.parquet"), None)
    if listed is None:
        raise ReadError(
            "the run wrote no such table", where=path, expected="a file of provenance.json", hint="run again"
        )
    try:
        size, found = path.stat().st_size, sha256(path)
    except FileNotFoundError as error:
        raise ReadError("a table of the run is missing", where=path, hint=again) from error
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror}", where=path, hint=again) from error
    if found != listed["sha256"]:
        raise ReadError(
            f"this is not the table the run wrote: {size:,} bytes, SHA-256 {found}",
            where=path,
            expected=f"{listed['bytes']:,} bytes, SHA-256 {listed['sha256']} (provenance.json)",
            hint=again,
        )
    return publish.read_table(path, BY_NAME[name].schema)


def _gradients(frames: Mapping[str, pl.DataFrame], settings: GradientsConfig | None) -> GradientsResult | None:
    if settings is None or "tables/gradients" not in frames:
        return None
    from ..gradients import from_frames

    names = {"parameters": "tables/gradients", "comparison": "tables/model_comparison", "flat_tail": "tables/flat_tail"}
    return from_frames({key: frames[name] for key, name in names.items() if name in frames}, settings=settings)
