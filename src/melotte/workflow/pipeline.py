"""The main job, end to end: survey file and membership list in, cluster catalogue out."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from .. import __version__, datasets
from .. import config as configuration
from ..catalogue.catalogue import Catalogue
from ..catalogue.store import Product, Store, exclusive
from ..clusters import metallicity, velocity
from ..clusters.isochrones import Isochrones, load_isochrones
from ..config import Config, SurveyConfig
from ..core.checksum import sha256
from ..core.randomness import Streams
from ..core.words import plural
from ..crossmatch.identify import identify
from ..errors import ConfigError, DatasetError, EmptyResultError
from ..galaxy import dynamics, with_chosen_velocity
from ..gradients import GradientsResult, analyse, cluster_table, from_frames, to_frames
from ..inputs.members import read_clusters, read_members
from ..inputs.surveys import open_survey
from ..inputs.surveys.survey import Survey
from ..schema import MATCHES, SPECTRA
from ..schema.gaia import ID_COLUMNS, gaia_release
from ..schema.result import Result, Step, describe_losses
from ..stars import assign, combine
from .delivery import deliver
from .identity import Identity, names_at_hand, under_member_names

log = logging.getLogger(__name__)

__all__ = ["STAGES", "Catalogue", "compute", "run", "silent"]

#: The stages in order, with the sections of the configuration each one adds to what its result depends on.
STAGES: dict[str, tuple[str, ...]] = {
    "match": ("survey", "members", "crossmatch", "zero_point"),
    "stars": ("stars",),
    "velocity": ("velocity", "run"),
    "metallicity": ("metallicity", "clusters"),
    "orbits": ("galaxy",),
    "gradients": ("gradients",),
}

#: Most spectra matched in one call, in rows: some 300 bytes each.
_LARGEST_BLOCK = 1_500_000

#: What the alias table is called among the inputs of a run that needed it.
_ALIASES = "cluster names"

#: Called with (stage, done, total); ``total`` is None while unknown.
Progress = Callable[[str, int, int | None], None]


def silent(stage: str, done: int, total: int | None) -> None:
    """Report nothing."""


def run(
    config: str | Path | dict[str, Any] | Config,
    *,
    data_dir: str | Path | None = None,
    out: str | Path | None = None,
    from_stage: str | None = None,
    jobs: int | None = None,
    progress: Progress = silent,
) -> Catalogue:
    """Make a cluster catalogue.

    Parameters
    ----------
    config : path, dict or Config
        The configuration (see :mod:`melotte.config`).
    data_dir : path, optional
        Local mirror of the published catalogues; ``MELOTTE_DATA_DIR`` and the cache of ``melotte fetch`` otherwise.
    out : path, optional
        Directory for the products and the saved stages. Nothing is written without it.
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
        If the configuration or an input is wrong, a step leaves nothing to go on with, or another run is writing to
        ``out``.
    """
    job = _Job.open(config, data_dir=data_dir, out=out, jobs=jobs, progress=progress)
    first = _first_stage(from_stage, out)
    with exclusive(out):
        catalogue = job.stages(first)
        if out is not None:
            deliver(catalogue, out, progress=progress)
    return catalogue


def compute(
    config: str | Path | dict[str, Any] | Config,
    *,
    data_dir: str | Path | None = None,
    out: str | Path | None = None,
    from_stage: str | None = None,
    jobs: int | None = None,
    progress: Progress = silent,
) -> Catalogue:
    """Make a cluster catalogue without writing its products: `run`, but only the stages are saved in ``out``."""
    job = _Job.open(config, data_dir=data_dir, out=out, jobs=jobs, progress=progress)
    first = _first_stage(from_stage, out)
    with exclusive(out):
        return job.stages(first)


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
    survey_name: str
    measures: frozenset[str]
    data_dir: Path | None
    member_list: Result
    clusters: Result
    identity: Identity
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
        identity = under_member_names(members.frame, clusters.frame, lambda: names_at_hand(mirror))
        survey = open_survey(cfg.survey, data_dir=mirror)
        files = {"survey": survey.path, "members": members.facts["path"], "clusters": clusters.facts["path"]}
        if cfg.zero_point.reference is not None and "rv" in survey.measures:
            reference = open_survey(cfg.zero_point.reference, data_dir=mirror)
            if "rv" not in reference.measures:
                raise ConfigError("[zero_point.reference] columns: rv is missing", expected="a survey with velocities")
            files["zero-point reference"] = reference.path
        isochrones, notes = _isochrones(cfg, mirror)
        if isochrones is not None:
            files["isochrones"] = datasets.locate(cfg.metallicity.isochrones, data_dir=mirror)
        if identity.alias_dataset is not None:
            files[_ALIASES] = datasets.locate(identity.alias_dataset, data_dir=mirror)
        return cls(
            config=cfg,
            where=where,
            survey_name=survey.name,
            measures=survey.measures,
            data_dir=mirror,
            member_list=members,
            clusters=replace(clusters, frame=identity.frame),
            identity=identity,
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
            "inputs": {name: digest for name, (_, digest) in sorted(self.inputs.items()) if name != _ALIASES},
            "config": {section: resolved.get(section) for section in sections},
        }
        if "clusters" in sections and self.identity.joined:  # what the alias table is used for, and nothing else of it
            content["names"] = {name: joined.listed for name, joined in self.identity.joined.items()}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    # --- the stages --------------------------------------------------------------------------------------------

    def stages(self, first: int) -> Catalogue:
        """Do the stages from number ``first`` on; those before it are what a previous run saved."""
        products: dict[str, Product] = {}
        for number, stage in enumerate(STAGES):
            key = self.key(stage)
            if number < first:
                products[stage] = self.store.load(stage, key=key)
            else:
                products[stage] = getattr(self, stage)(products)
                self.store.save(stage, products[stage], key=key)
        return self.catalogue(products)

    def match(self, _: dict[str, Product]) -> Product:
        """Stream the survey past the membership list and keep the spectra of members."""
        product = self._match_survey(self.config.survey, "cross-match")
        reference_config = self.config.zero_point.reference
        if reference_config is None or "rv" not in self.measures:
            return product
        reference = self._match_survey(reference_config, "reference")
        frames = {**product.frames, "reference": _with_matched_ids(**reference.frames)}
        notes = tuple(f"zero-point reference: {note}" for note in reference.notes)
        return replace(product, frames=frames, notes=product.notes + notes)

    def _match_survey(self, survey_config: SurveyConfig, label: str) -> Product:
        """Spectra and matches of one survey; only spectra of members are kept in memory."""
        survey = open_survey(survey_config, data_dir=self.data_dir)
        spectra: list[pl.DataFrame] = [SPECTRA.empty()]
        matches: list[pl.DataFrame] = [MATCHES.empty()]
        counts: dict[str, int] = {}
        lost: dict[str, int] = {}
        members = self.member_list.frame

        def batches() -> Iterator[pl.DataFrame]:
            read = 0
            for batch in survey.batches():
                yield batch
                read += batch.height
                self.progress(label, read, survey.n_rows)

        done = 0
        # Each call looks at every member: with about as many spectra a call the time goes with the sum of both.
        for block in _blocks(batches(), min(members.height, _LARGEST_BLOCK)):
            result = identify(
                block,
                members,
                settings=self.config.crossmatch,
                gaia_releases=survey.gaia_releases,
            )
            spectra.append(block.join(result.frame, on="spectrum_id", how="semi"))
            matches.append(result.frame)
            done += block.height
            for reason, count in result.steps[0].lost.items():
                lost[reason] = lost.get(reason, 0) + count
            for name, count in result.facts.items():
                if isinstance(count, int):
                    counts[name] = counts.get(name, 0) + count
        step = Step("cross-match", "spectra", done, lost)
        if not step.went_on:
            raise EmptyResultError(
                f"none of the {done:,} spectra matches a member ({describe_losses(step)})",
                where=survey.path,
                expected=f"spectra of stars in {self.inputs['members'][0].name}",
                hint="check that survey and membership list cover the same sky, and [crossmatch] method and radius",
            )
        return Product(
            {"spectra": pl.concat(spectra), "matches": pl.concat(matches)},
            (*survey.steps, step),
            (*survey.notes, *self._match_notes(counts, survey)),
        )

    def _match_notes(self, counts: dict[str, int], survey: Survey) -> list[str]:
        """How the spectra found their members, over all batches."""
        release = self.member_list.frame["gaia_release"][0]
        radius = self.config.crossmatch.radius
        by_id, by_position = counts["spectra_by_source_id"], counts["spectra_by_position"]
        notes = []
        if by_id:
            notes.append(f"{survey.name}: {by_id:,} spectra of members found by the survey's Gaia {release} ids")
        if by_position:
            others = [r for r in survey.gaia_releases if r != release]
            reason = f" (the survey gives Gaia {', '.join(others)} ids, which are never joined)" if others else ""
            notes.append(
                f"{survey.name}: {by_position:,} spectra of members found within {radius} of Gaia {release}"
                f" positions moved to their epoch{reason}"
            )
        if counts["id_pairs_beyond_radius"]:
            notes.append(
                f"{survey.name}: {counts['id_pairs_beyond_radius']:,} pairs joined by id are more than {radius} apart"
                " (kept; see the separation column of the members)"
            )
        if counts["pairs_not_propagated"]:
            notes.append(
                f"{survey.name}: {counts['pairs_not_propagated']:,} members without a proper motion were matched at"
                " their catalogue position"
            )
        return notes

    def stars(self, products: dict[str, Product]) -> Product:
        """Combine repeat spectra and give each star its clusters."""
        frames = products["match"].frames
        self.progress("stars", 0, None)
        combined = combine(
            frames["spectra"],
            frames["matches"],
            settings=self.config.stars,
            radius_arcsec=float(self.config.crossmatch.radius.to_value("arcsec")),
        )
        return Product({"stars": assign(combined.frame, self.member_list.frame)}, combined.steps, combined.notes)

    def velocity(self, products: dict[str, Product]) -> Product:
        """Quality control of the radial velocities, and the survey's zero point."""
        if "rv" not in self.measures:
            listed = velocity.by_membership(products["stars"].frames["stars"], settings=self.config.velocity)
            frames = {"members": listed.members, "clusters": listed.clusters, "rejected": listed.rejected}
            return Product(frames, listed.steps, listed.notes)
        result = velocity.select(
            products["stars"].frames["stars"],
            settings=self.config.velocity,
            rng=self.rng,
            jobs=self.threads,
            progress=self._part("velocity"),
        )
        frames = {"members": result.members, "clusters": result.clusters, "rejected": result.rejected}
        reference = products["match"].frames.get("reference")
        if reference is None:
            clusters, facts, note = velocity.share(result, None, settings=self.config.velocity.likelihood)
            return Product({**frames, "clusters": clusters}, result.steps, (*result.notes, *note), facts)
        zero = velocity.zero_point(result.members, reference, settings=self.config.zero_point)
        same = self.inputs["zero-point reference"][1] == self.inputs["survey"][1]
        itself = ("the zero-point reference is the survey itself: the zero point says nothing",) if same else ()
        clusters, facts, note = velocity.share(
            result, None if same else zero.pairs, settings=self.config.velocity.likelihood, jobs=self.threads
        )
        return Product(
            {**frames, "clusters": clusters, "zero_point": zero.pairs},
            result.steps,
            (*result.notes, *zero.notes, *itself, *note),
            {"zero_point": zero.numbers(), **facts},
        )

    def metallicity(self, products: dict[str, Product]) -> Product:
        """Quality control of the stellar parameters, cluster [Fe/H], and the assembled catalogue."""
        before = products["velocity"]
        result = metallicity.select(
            before.frames["members"],
            self.clusters.frame,
            self.isochrones,
            settings=self.config.metallicity,
            rng=self.rng,
            jobs=self.threads,
            progress=self._part("metallicity"),
        )
        catalogue = metallicity.assemble(
            before.frames["clusters"],
            result.clusters,
            self.clusters.frame,
            zero_point=before.facts.get("zero_point"),
            velocity=self.config.velocity.model,
        )
        cold = sum(step.lost.get("without Teff", 0) for step in result.steps)
        hint = (
            f"{plural(cold, 'star', 'have')} no effective temperature: not used for [Fe/H]; "
            '[metallicity] missing_teff = "accept" would use them',
        )
        bare = () if "feh" in self.measures else ("the survey gives no [Fe/H]: no metallicity is computed",)
        return Product(
            {"members": result.members, "catalogue": catalogue},
            result.steps,
            (*result.notes, *self.identity.notes(result.clusters["cluster"]), *bare, *(hint if cold else ())),
        )

    def orbits(self, products: dict[str, Product]) -> Product:
        """Orbits and integrals of motion, if the configuration has a ``[galaxy]`` section."""
        if self.config.galaxy is None:
            return Product({})
        catalogue = products["metallicity"].frames["catalogue"]
        result = dynamics(
            with_chosen_velocity(catalogue, model=self.config.velocity.model),
            settings=self.config.galaxy,
            rng=self.rng,
            jobs=self.threads,
            progress=self._part("orbits"),
        )
        notes = tuple(f"orbits: {note}" for note in result.notes)
        return Product({"orbits": result.frame, "snapshots": result.snapshots}, result.steps, notes)

    def gradients(self, products: dict[str, Product]) -> Product:
        """The metallicity distribution, if the configuration has a ``[gradients]`` section."""
        orbits = products["orbits"].frames
        if self.config.gradients is not None and "rv" not in self.measures:
            return Product({}, (), ("gradients: none is fitted, as no cluster has an orbit",))
        if self.config.gradients is None or "orbits" not in orbits:
            return Product({})
        result = analyse(
            cluster_table(products["metallicity"].frames["catalogue"], orbits["orbits"], orbits["snapshots"]),
            settings=self.config.gradients,
            rng=self.rng,
            jobs=self.threads,
            progress=self._part("gradients"),
        )
        notes = tuple(f"gradients: {note}" for note in result.notes)
        return Product(to_frames(result), result.steps, notes, result.facts)

    def _part(self, stage: str) -> Callable[[int, int], None]:
        return lambda done, total: self.progress(stage, done, total)

    def catalogue(self, products: dict[str, Product]) -> Catalogue:
        """The result, with the account of the whole run."""
        everything: list[Result | Product] = [self.member_list, self.clusters, *products.values()]
        notes = [*self.notes, *(note for part in everything for note in part.notes)]
        if "rv" not in self.measures:
            notes.append("no figure that needs a radial velocity is made (selection by velocity, zero point, orbits)")
        final = products["metallicity"].frames
        catalogue = Catalogue(
            frame=final["catalogue"],
            members=final["members"],
            rejected=products["velocity"].frames["rejected"],
            member_list=self.member_list.frame,
            survey=self.survey_name,
            zero_point=products["velocity"].facts.get("zero_point"),
            zero_point_pairs=products["velocity"].frames.get("zero_point"),
            orbits=products["orbits"].frames.get("orbits"),
            snapshots=products["orbits"].frames.get("snapshots"),
            gradients=self._gradients_of(products["gradients"]),
            isochrones=self.isochrones,
            config=self.config,
            config_name=self.where,
            steps=tuple(step for part in everything if part is not self.clusters for step in part.steps),
            notes=tuple(dict.fromkeys(notes)),
            inputs=self.inputs,
            data_dir=self.data_dir,
            started=self.started,
        )
        absent = [name for name in self.config.figures.clusters if name not in catalogue]
        more = tuple(f"no figures of {name!r} ([figures] clusters): it is not in this catalogue" for name in absent)
        return replace(catalogue, notes=catalogue.notes + more)

    def _gradients_of(self, product: Product) -> GradientsResult | None:
        if self.config.gradients is None or not product.frames:
            return None
        return from_frames(
            product.frames,
            settings=self.config.gradients,
            steps=product.steps,
            notes=product.notes,
            facts=product.facts,
        )


def _blocks(batches: Iterator[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """The batches, joined to blocks of at least so many rows."""
    held: list[pl.DataFrame] = []
    for batch in batches:
        held.append(batch)
        if sum(b.height for b in held) >= rows:
            yield pl.concat(held)
            held.clear()
    if held:
        yield pl.concat(held)


def _with_matched_ids(spectra: pl.DataFrame, matches: pl.DataFrame) -> pl.DataFrame:
    """Spectra with the id of the nearest member they match, so that both surveys name a star alike."""
    nearest = matches.sort("separation", "source_id").unique("spectrum_id", keep="first", maintain_order=True)
    release = matches["gaia_release"][0]
    column = gaia_release(release).id_column
    found = nearest.select("spectrum_id", pl.col("source_id").alias(column))
    return spectra.drop(*ID_COLUMNS).join(found, on="spectrum_id").pipe(SPECTRA.conform)


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
