"""``melotte publish``: a finished run as CDS, the AAS and the Virtual Observatory take it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from ... import datasets
from ...catalogue.store import exclusive
from ...config import Config, PublishConfig, load_section
from ...core.files import write_text
from ...core.progress import Progress
from ...datasets.cite import VIZIER
from ...galaxy.sun import solar
from ...publish import About, citation_text, write_table
from ...publish.citation import software_versions
from ...publish.folder import contents, replacing_folder, write_manifest
from ...publish.hats import check_hats, write_hats
from ...publish.moc import write_moc
from ...publish.prov import write_prov
from ...publish.readme import missing
from ...publish.story import story
from ...publish.submission import Product, Submission, write_aas, write_cds
from ...schema import MEMBER_STARS, Schema
from ...schema.products import RUN_TABLES
from ...schema.result import Step
from ..delivery import has_product, read_product, read_record


@dataclass(frozen=True)
class Publication:
    """What was written.

    Attributes
    ----------
    folder : pathlib.Path
        Where it lies.
    files : sequence of str
        Names relative to the folder.
    notices : sequence of str
        What is not there, and why.
    """

    folder: Path
    files: Sequence[str]
    notices: Sequence[str]


def run_publish(
    out: Path,
    *,
    to: Path | None = None,
    config: Path | None = None,
    hats: bool = False,
    progress: Progress,
) -> Publication:
    """Publish a finished run.

    Parameters
    ----------
    out : path
        Directory of the run.
    to : path, optional
        Folder of the products, ``out/publish`` by default; an earlier one is replaced, whole or not at all.
    config : path, optional
        TOML file with a ``[publish]`` section; that of the run by default.
    hats : bool
        Also write the star table as a HATS collection (needs lsdb).
    progress : callable
        Called with ("publish", done, total).

    Returns
    -------
    Publication

    Raises
    ------
    ReadError
        If the directory holds no finished run, or its tables are not those of its record.
    PublishError
        If a file cannot be written or does not read back equal, or another run is writing to the directory.
    """
    with exclusive(out, create=False):
        return _publish(out, to=to, config=config, hats=hats, progress=progress)


def _publish(out: Path, *, to: Path | None, config: Path | None, hats: bool, progress: Progress) -> Publication:
    record, settings = read_record(out)
    said = settings.publish if config is None else load_section(config, "publish", PublishConfig)
    frames = _read(out, record)
    steps = 6 + len(frames)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        progress("publish", done, steps)

    used = _used(record)
    citations = [_cite(item) for item in used]
    about = About(citations=citations, simulated=record["simulated"], origin=_origin(said, used))
    products = [Product(Path(name).name, schema, frame) for name, (schema, frame) in frames.items()]
    filled = [p for p in products if p.frame.height]
    members = frames["members"][1]
    if hats:
        check_hats(members)
    notices = [f"{p.stem} has no row: not in cds/ and aas/" for p in products if not p.frame.height]
    with replacing_folder(to or out / "publish") as folder:
        for product in products:
            write_table(product.frame, product.schema, folder / "tables" / product.stem, about=about)
            advance()
        submission = _submission(record, settings, said, frames, used)
        write_cds(folder / "cds", filled, submission)
        advance()
        write_aas(folder / "aas", filled, submission)
        advance()
        write_moc(folder / "footprint.fits", members, order=said.moc_order)
        advance()
        notices += _hats(folder / "hats" / "members", members, said, wanted=hats)
        advance()
        also = {"mocpy", *(("emcee", "arviz-base") if "tables/gradients" in frames else ())}
        text = citation_text(
            [*citations, *_vizier(used)],
            models=_models(settings),
            versions={**software_versions(), **record["software"]},
            also=also,
        )
        write_text(folder / "CITATION", text)
        write_text(folder / "provenance.json", (out / "provenance.json").read_text(encoding="utf-8"))
        named = write_prov(
            folder / "prov.json",
            record=record,
            clusters=frames["clusters"][1],
            members=members,
            published=contents(folder),
            most_stars=said.provenance_stars,
        )
        advance()
        if not named:
            notices.append(
                f"prov.json names the stars of a cluster by a rule: more than {said.provenance_stars:,} stars "
                "([publish] provenance_stars)"
            )
        write_manifest(folder)
        files = [str(item["file"]) for item in contents(folder)]
        advance()
    notices += [f"cds/ReadMe and aas/ hold <{key}>: give [publish] {key}" for key in missing(said)]
    return Publication(to or out / "publish", files, notices)


def _read(out: Path, record: Mapping[str, Any]) -> dict[str, tuple[Schema, pl.DataFrame]]:
    """The tables the run wrote, as it wrote them."""
    wanted = [t for t in RUN_TABLES if t.published and (t.needed or has_product(record, t.name))]
    return {t.name: (t.schema, read_product(out, record, t.name)) for t in wanted}


def _used(record: Mapping[str, Any]) -> list[datasets.Record]:
    """Registered catalogues among the inputs."""
    names = {Path(item["file"]).name for item in record["inputs"]}
    return [r for r in datasets.records().values() if names & {Path(name).name for name in r.files}]


def _sources(record: Mapping[str, Any]) -> dict[str, str]:
    """What each registered input is: role -> title."""
    by_file = {Path(name).name: r for r in datasets.records().values() for name in r.files}
    roles = {item["name"]: by_file.get(Path(item["file"]).name) for item in record["inputs"]}
    return {role: item.title for role, item in roles.items() if item is not None}


def _cite(item: datasets.Record) -> tuple[str, str]:
    text = f"{item.citation}, doi:{item.doi}" if item.doi else item.citation
    return item.bibcode or item.name, text


def _vizier(used: Sequence[datasets.Record]) -> list[tuple[str, str]]:
    if any(isinstance(item.source, datasets.VizierSource) for item in used):
        return [("2000A&AS..143...23O", f"{VIZIER}, doi:10.26093/cds/vizier")]
    return []


def _models(settings: Config) -> list[tuple[str, str]]:
    """Papers of the potential and of the solar parameters."""
    galaxy = settings.galaxy
    if galaxy is None:
        return []
    found: dict[str, str] = {}
    if galaxy.potential == "mcmillan2017":
        key, text = _cite(datasets.record("mcmillan2017_galpot"))
        found[key] = text
    else:
        found[f"potential {galaxy.potential}"] = "as given in the configuration"
    if isinstance(galaxy.sun, str):
        values: dict[str, list[str]] = {}
        for quantity, text in solar(galaxy.sun).reference.items():
            if quantity != "tilt":  # a choice of axes, not a measurement
                values.setdefault(text, []).append(quantity)
        found |= {f"Sun: {', '.join(quantities)}": text for text, quantities in values.items()}
    return list(found.items())


def _origin(said: PublishConfig, used: Sequence[datasets.Record]) -> list[tuple[str, str]]:
    """Items of the IVOA note "Data Origin in the VO" the run or the authors know."""
    items = [
        ("publisher", said.publisher),
        ("contact", said.contact),
        ("citation", f"doi:{said.doi}" if said.doi else None),
        ("reference_url", f"https://doi.org/{said.doi}" if said.doi else None),
        ("resource_version", said.version),
        ("rights", said.rights),
        ("rights_uri", said.rights_uri),
        *(("creator", author) for author in said.authors),
        ("article", f"bibcode:{said.bibcode}" if said.bibcode else None),
        ("journal", said.journal),
        *(
            ("is_derived_from", f"ivo://cds.vizier/{item.source.catalogue.lower()}")
            for item in used
            if isinstance(item.source, datasets.VizierSource)
        ),
    ]
    return list(dict.fromkeys((name, value) for name, value in items if value))


def _submission(
    record: Mapping[str, Any],
    settings: Config,
    said: PublishConfig,
    frames: Mapping[str, tuple[Schema, pl.DataFrame]],
    used: Sequence[datasets.Record],
) -> Submission:
    survey = settings.survey.name or settings.survey.adapter
    steps = [Step(s["name"], s["unit"], s["came_in"], s["lost"]) for s in record["steps"]]
    see = {item.source.catalogue: item.title for item in used if isinstance(item.source, datasets.VizierSource)}
    return Submission(
        settings=said,
        title=settings.run.title or f"Open clusters of {survey}",
        description=story(
            settings,
            clusters=frames["clusters"][1],
            members=frames["members"][1],
            steps=steps,
            notes=record["notes"],
            sources=_sources(record),
            simulated=record["simulated"],
        ),
        references=[*(_cite(item) for item in used), *_models(settings)],
        see_also=list(see.items()),
        written=datetime.fromisoformat(record["finished"]).date(),
    )


def _hats(folder: Path, members: pl.DataFrame, said: PublishConfig, *, wanted: bool) -> list[str]:
    """Write the star table in HEALPix partitions if that is wanted; say so if it is not there."""
    if not wanted:
        return ["no HATS collection: ask for it with --hats"]
    write_hats(
        folder, members, MEMBER_STARS, rows=said.hats_rows, margin_arcsec=float(said.hats_margin.to_value("arcsec"))
    )
    return []
