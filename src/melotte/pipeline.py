"""The main job, end to end: survey file and membership list in, cluster catalogue out."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from . import __version__, metallicity, velocity
from . import config as configuration
from .catalogue import Catalogue
from .config import Config, SurveyConfig
from .crossmatch import identify
from .errors import ConfigError, DatasetError, EmptyResultError
from .isochrones import Isochrones, load_isochrones
from .members import read_clusters, read_members
from .randomness import Streams
from .result import Result, Step
from .schema import MATCHES, SPECTRA
from .stars import assign, combine
from .store import Product, Store, sha256
from .surveys import open_survey

log = logging.getLogger(__name__)

#: The stages in order, with the sections of the configuration each one adds to what its result depends on.
STAGES: dict[str, tuple[str, ...]] = {
    "match": ("survey", "members", "crossmatch", "zero_point"),
    "stars": ("stars",),
    "velocity": ("velocity", "run"),
    "metallicity": ("metallicity", "clusters"),
}

#: Called with (stage, done, total); ``total`` is None while unknown.
Progress = Callable[[str, int, int | None], None]


def _silent(stage: str, done: int, total: int | None) -> None:
    """Report nothing."""


def run(
    config: str | Path | dict[str, Any] | Config,
    *,
    data_dir: str | Path | None = None,
    out: str | Path | None = None,
    from_stage: str | None = None,
    jobs: int | None = None,
    progress: Progress = _silent,
) -> Catalogue:
    """Make a cluster catalogue.

    Parameters
    ----------
    config : path, dict or Config
        The configuration (see :mod:`melotte.config`).
    data_dir : path, optional
        Local mirror of the published catalogues; ``MELOTTE_DATA_DIR`` and the cache of ``melotte fetch`` otherwise.
    out : path, optional
        Directory below which the stages are saved. Nothing is written without it.
    from_stage : str, optional
        Start from this stage with what a previous run saved in ``out``.
    jobs : int, optional
        Number of threads; all cores by default. The result does not depend on it.
    progress : callable, optional
        Called with the stage, the amount done and the total.

    Returns
    -------
    Catalogue

    Raises
    ------
    MelotteError
        If the configuration or an input is wrong, or a step leaves nothing to go on with.
    """
    job = _Job.open(config, data_dir=data_dir, out=out, jobs=jobs, progress=progress)
    first = _first_stage(from_stage, out)
    products: dict[str, Product] = {}
    for number, (stage, compute) in enumerate(
        {"match": job.match, "stars": job.stars, "velocity": job.velocity, "metallicity": job.metallicity}.items()
    ):
        key = job.key(stage)
        if number < first:
            products[stage] = job.store.load(stage, key=key)
        else:
            products[stage] = compute(products)
            job.store.save(stage, products[stage], key=key)
    return job.catalogue(products)


def _first_stage(from_stage: str | None, out: str | Path | None) -> int:
    if from_stage is None:
        return 0
    if from_stage not in STAGES:
        raise ConfigError(f"unknown stage {from_stage!r}", where="--from", expected=", ".join(STAGES))
    if out is None:
        raise ConfigError("a run can only start from a saved stage", where="--from", hint="name the directory: --out")
    return list(STAGES).index(from_stage)


@dataclass(frozen=True)
class _Job:
    """One run: its configuration, its inputs and its stages."""

    config: Config
    where: str
    data_dir: Path | None
    member_list: Result
    clusters: Result
    isochrones: Isochrones | None
    notes: tuple[str, ...]
    inputs: dict[str, tuple[Path, str]]
    store: Store
    rng: Streams
    threads: int
    progress: Progress
    started: datetime

    @classmethod
    def open(
        cls,
        config: str | Path | dict[str, Any] | Config,
        *,
        data_dir: str | Path | None,
        out: str | Path | None,
        jobs: int | None,
        progress: Progress,
    ) -> _Job:
        started = datetime.now(UTC)
        if isinstance(config, Config):
            cfg, where = config, "configuration"
        elif isinstance(config, dict):
            cfg, where = configuration.parse(config), "configuration"
        else:
            cfg, where = configuration.load(config), Path(config).name
        mirror = None if data_dir is None else Path(data_dir)
        if mirror is not None and not mirror.is_dir():
            raise ConfigError("no such directory", where=mirror, expected="the local mirror given as --data-dir")
        if jobs is not None and jobs < 1:
            raise ConfigError(f"{jobs} threads", where="--jobs", expected="1 or more")
        progress("inputs", 0, None)
        members = read_members(cfg.members, data_dir=mirror)
        clusters = read_clusters(cfg.clusters, data_dir=mirror)
        files = {"members": members.facts["path"], "clusters": clusters.facts["path"]}
        files["survey"] = open_survey(cfg.survey, data_dir=mirror).path
        if cfg.zero_point.reference is not None:
            files["zero-point reference"] = open_survey(cfg.zero_point.reference, data_dir=mirror).path
        isochrones, notes = _isochrones(cfg, mirror)
        if isochrones is not None:
            files["isochrones"] = isochrones.path
        return cls(
            config=cfg,
            where=where,
            data_dir=mirror,
            member_list=members,
            clusters=clusters,
            isochrones=isochrones,
            notes=notes,
            inputs={name: (Path(path), sha256(Path(path))) for name, path in files.items()},
            store=Store(None if out is None else Path(out) / "stages"),
            rng=Streams(cfg.run.seed),
            threads=jobs or os.cpu_count() or 1,
            progress=progress,
            started=started,
        )

    def key(self, stage: str) -> str:
        """Fingerprint of all a stage's product depends on: inputs, settings so far, version."""
        sections: list[str] = []
        for name, added in STAGES.items():
            sections.extend(added)
            if name == stage:
                break
        resolved = self.config.resolved()
        content = {
            "version": __version__,
            "inputs": {name: digest for name, (_, digest) in sorted(self.inputs.items())},
            "config": {section: resolved[section] for section in sections},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    # --- the stages --------------------------------------------------------------------------------------------

    def match(self, _: dict[str, Product]) -> Product:
        """Stream the survey past the membership list and keep the spectra of members."""
        survey, steps, notes = self._match_survey(self.config.survey, "match")
        frames = {"spectra": survey[0], "matches": survey[1]}
        if self.config.zero_point.reference is not None:
            reference, _steps, more = self._match_survey(self.config.zero_point.reference, "zero point")
            frames |= {"reference_spectra": reference[0], "reference_matches": reference[1]}
            notes += tuple(f"zero-point reference: {note}" for note in more)
        return Product(frames, steps, notes)

    def _match_survey(
        self, survey_config: SurveyConfig, label: str
    ) -> tuple[tuple[pl.DataFrame, pl.DataFrame], tuple[Step, ...], tuple[str, ...]]:
        survey = open_survey(survey_config, data_dir=self.data_dir)
        spectra: list[pl.DataFrame] = [SPECTRA.empty()]
        matches: list[pl.DataFrame] = [MATCHES.empty()]
        notes: list[str] = []
        done = lost = 0
        for batch in survey.batches():
            result = identify(batch, self.member_list.frame, settings=self.config.crossmatch)
            kept = batch.join(result.frame.select("spectrum_id").unique(), on="spectrum_id", how="semi")
            spectra.append(kept)
            matches.append(result.frame)
            notes.extend(note for note in result.notes if note not in notes)
            done += batch.height
            lost += batch.height - kept.height
            self.progress(label, done, survey.n_rows)
        if done == lost:
            raise EmptyResultError(
                f"none of the {done:,} spectra matches a member" if done else "no spectrum is left to match",
                where=survey.path,
                expected=f"spectra of stars in {self.inputs['members'][0].name}",
                hint="check that survey and membership list cover the same sky, and [crossmatch] method and radius",
            )
        step = Step("cross-match", "spectra", done, {"no member of a cluster at this position or id": lost})
        return (
            (pl.concat(spectra), pl.concat(matches)),
            (*survey.steps, step),
            (*survey.notes, *notes),
        )

    def stars(self, products: dict[str, Product]) -> Product:
        """Combine repeat spectra and give each star its clusters."""
        frames = products["match"].frames
        self.progress("stars", 0, None)
        combined = combine(frames["spectra"], frames["matches"], settings=self.config.stars)
        out = {"stars": assign(combined.frame, self.member_list.frame)}
        if "reference_spectra" in frames:
            reference = combine(frames["reference_spectra"], frames["reference_matches"], settings=self.config.stars)
            out["reference"] = reference.frame
        return Product(out, combined.steps, combined.notes)

    def velocity(self, products: dict[str, Product]) -> Product:
        """Quality control of the radial velocities, and the survey's zero point."""
        frames = products["stars"].frames
        result = velocity.select(
            frames["stars"],
            settings=self.config.velocity,
            rng=self.rng.child("velocity"),
            jobs=self.threads,
            progress=self._part("velocity"),
        )
        out = {"members": result.members, "clusters": result.clusters}
        notes, facts = result.notes, {}
        if "reference" in frames:
            zero = velocity.zero_point(result.members, frames["reference"], settings=self.config.zero_point)
            out["zero_point_pairs"] = zero.pairs
            facts["zero_point"] = zero.numbers()
            notes += zero.notes
        return Product(out, result.steps, notes, facts)

    def metallicity(self, products: dict[str, Product]) -> Product:
        """Quality control of the stellar parameters, cluster [Fe/H], and the assembled catalogue."""
        before = products["velocity"]
        result = metallicity.select(
            before.frames["members"],
            self.clusters.frame,
            self.isochrones,
            settings=self.config.metallicity,
            rng=self.rng.child("metallicity"),
            jobs=self.threads,
            progress=self._part("metallicity"),
        )
        catalogue = metallicity.assemble(
            before.frames["clusters"],
            result.clusters,
            self.clusters.frame,
            zero_point=before.facts.get("zero_point"),
        )
        return Product({"members": result.members, "catalogue": catalogue}, result.steps, result.notes)

    def _part(self, stage: str) -> Callable[[int, int], None]:
        return lambda done, total: self.progress(stage, done, total)

    def catalogue(self, products: dict[str, Product]) -> Catalogue:
        """The result, with the account of the whole run."""
        everything = [self.member_list, self.clusters, *products.values()]
        notes = [*self.notes, *(note for part in everything for note in part.notes)]
        final = products["metallicity"].frames
        return Catalogue(
            frame=final["catalogue"],
            members=final["members"],
            member_list=self.member_list.frame,
            clusters=self.clusters.frame,
            zero_point=products["velocity"].facts.get("zero_point"),
            zero_point_pairs=products["velocity"].frames.get("zero_point_pairs"),
            isochrones=self.isochrones,
            config=self.config,
            config_name=self.where,
            steps=tuple(step for part in (self.member_list, *products.values()) for step in part.steps),
            notes=tuple(dict.fromkeys(notes)),
            inputs=self.inputs,
            started=self.started,
        )


def _isochrones(config: Config, data_dir: Path | None) -> tuple[Isochrones | None, tuple[str, ...]]:
    if config.metallicity.giant_rule == "logg":
        return None, ()
    try:
        return load_isochrones(config.metallicity.isochrones, data_dir=data_dir), ()
    except DatasetError as error:
        limit = config.metallicity.dwarf_logg
        return None, (
            f"isochrones {config.metallicity.isochrones!r} not found: giants are told from dwarfs by log g <= "
            f"{limit.value:g} instead ({error.found})",
        )
