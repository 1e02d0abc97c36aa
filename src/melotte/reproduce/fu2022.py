"""The whole reproduction of Fu et al. 2022 (A&A 668, A4)."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from ..catalogue.catalogue import Catalogue
from ..catalogue.store import exclusive
from ..core.checksum import sha256
from ..core.randomness import Streams
from ..errors import ConfigError
from ..schema.result import Step
from ..workflow.delivery import deliver
from ..workflow.pipeline import compute
from . import (
    counts,
    disc,
    literature,
    members,
    metallicity,
    orbits,
    pictures,
    products,
    stars,
    summary,
)
from .inputs import Inputs, read_inputs, star_config
from .judge import Finding, table
from .numbers import Published, published
from .settings import ReproduceConfig

#: Called with (what is done, done, total).
Progress = Callable[[str, int, int | None], None]
_ABSENT = "needs the 7,570 stars of the paper's member table, which is not at hand"


@dataclass(frozen=True)
class Reproduction:
    """What came out.

    Attributes
    ----------
    comparison : polars.DataFrame
        `melotte.schema.reproduction.REPRODUCTION`: every number of the paper beside the recomputed one.
    files : tuple of pathlib.Path
        Everything written.
    seconds : float
        Wall-clock time.
    out : pathlib.Path
        The directory.
    """

    comparison: pl.DataFrame
    files: tuple[Path, ...]
    seconds: float
    out: Path

    def summary(self) -> str:
        """One screen: counts by verdict, what differs, where the files are."""
        return summary.screen(self.comparison, self.out, self.seconds)


def reproduce_fu2022(
    out: str | Path,
    *,
    data_dir: str | Path | None = None,
    settings: ReproduceConfig | None = None,
    member_file: str | Path | None = None,
    member_columns: Path | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Reproduction:
    """Rebuild the paper from published tables and hold every number against it.

    Parameters
    ----------
    out : path
        Directory for the results.
    data_dir : path, optional
        Local mirror of the published catalogues; ``MELOTTE_DATA_DIR`` and the cache of ``melotte fetch`` otherwise.
    settings : ReproduceConfig, optional
        Tolerances, sampler, seed.
    member_file : path or str, optional
        The paper's member table (VizieR J/A+A/668/A4), or the name of its dataset, as the stars. By default the
        dataset ``fu2022_members`` where it is on this machine, the stars of ``lamost_lrs_clusters`` otherwise.
    member_columns : path, optional
        TOML file that names its columns (``melotte/reproduce/data/members.toml`` holds the guesses).
    jobs : int, optional
        Threads; all cores by default. The result does not depend on it.
    progress : callable, optional
        Called with what is done, the amount and the total.

    Returns
    -------
    Reproduction

    Raises
    ------
    DatasetError
        If a dataset is not on this machine; the message names all of them and the command that gets them.
    SchemaError
        If a table, the member table above all, is not what it must be.
    PublishError
        If a file cannot be written.
    """
    started = datetime.now(UTC)
    settings, progress = settings or ReproduceConfig(), progress or _silent
    out, mirror = Path(out), None if data_dir is None else Path(data_dir)
    if mirror is not None and not mirror.is_dir():
        raise ConfigError("no such directory", where=mirror, expected="the local mirror given as --data-dir")
    threads = jobs or os.cpu_count() or 1
    progress("inputs", 0, None)
    with exclusive(out, create=False):
        pass  # another run there is said before anything is read
    inputs = read_inputs(mirror)
    member_table = members.find_members(member_file, columns=member_columns, data_dir=mirror)
    if member_table is not None:
        entry = {members.DATASET: (member_table.path, sha256(member_table.path))}
        inputs = replace(inputs, files={**inputs.files, **entry})
    with exclusive(out), exclusive(out / "stars"):
        return _reproduce(
            inputs, member_table, out, settings=settings, threads=threads, progress=progress, started=started
        )


def _reproduce(
    inputs: Inputs,
    member_table: members.MemberTable | None,
    out: Path,
    *,
    settings: ReproduceConfig,
    threads: int,
    progress: Progress,
    started: datetime,
) -> Reproduction:
    rng = Streams(settings.seed)
    run, basis, files = _stars(inputs, member_table, out, settings, threads, progress)
    progress("literature", 0, 1)
    found = literature.review(inputs, until=dt.date.fromisoformat(settings.until))
    progress("literature", 1, 1)
    chains = orbits.run_chains(
        inputs, rng=rng, jobs=threads, progress=lambda done, total: progress("orbits", done, total)
    )
    distribution = metallicity.run_distribution(
        inputs,
        chains,
        settings=settings,
        rng=rng,
        jobs=threads,
        progress=lambda done, total: progress("metallicity distribution", done, total),
    )
    progress("disc", 0, 1)
    structure = disc.run_disc(inputs, chains, rng=rng)
    progress("disc", 1, 1)

    star_numbers, star_findings = stars.cluster_numbers(inputs, run, basis, literature.release_scatter(found))
    column_numbers, column_findings = orbits.column_numbers(chains)
    numbers: list[Published] = [*published().values(), *column_numbers, *star_numbers]
    findings: list[Finding] = [
        *counts.counts(inputs),
        *stars.text_numbers(run, basis),
        *literature.findings(inputs, found),
        *orbits.single_clusters(inputs, chains),
        *metallicity.findings(inputs, distribution, settings),
        *disc.findings(structure),
        *column_findings,
        *star_findings,
    ]
    notes = list(run.notes)
    if member_table is not None:
        findings += members.findings(run)
        notes += members.flag_notes(member_table, run)
    comparison = table(numbers, findings, settings.tolerances, absent=_ABSENT)

    files += products.write_tables(
        out,
        inputs=inputs,
        review=found,
        chains=chains,
        distribution=distribution,
        disc=structure,
        comparison=comparison,
    )
    drawings = {
        **pictures.star_figures(run),
        **pictures.catalogue_figures(inputs, found, chains, distribution),
        **pictures.disc_figures(inputs, structure),
    }
    drawn, shown = products.write_figures(out, drawings, lambda done, total: progress("figures", done, total))
    steps = (
        *run.steps,
        Step("published catalogue", "clusters", inputs.catalogue.height, {}),
        *chains.right.steps,
        *distribution.table6.steps,
        *structure.wave.steps,
    )
    files += products.write_record(
        out,
        inputs=inputs,
        settings=settings,
        steps=steps,
        notes=[*notes, *chains.legacy.notes, *structure.outliers.notes],
        files=[*files, *drawn],
        pictures=shown,
        comparison=comparison,
        catalogue=replace(
            run,
            frame=inputs.catalogue,
            orbits=chains.right.frame,
            snapshots=chains.right.snapshots,
            inputs=inputs.files,
        ),
        started=started,
    )
    return Reproduction(comparison, tuple(files), (datetime.now(UTC) - started).total_seconds(), out)


def _silent(stage: str, done: int, total: int | None) -> None:
    """Report nothing."""


def _stars(
    inputs: Inputs,
    table: members.MemberTable | None,
    out: Path,
    settings: ReproduceConfig,
    threads: int,
    progress: Progress,
) -> tuple[Catalogue, str, list[Path]]:
    """The run on the stars, its basis in words, and its products."""
    if table is None:
        config, basis = star_config(settings.seed), "stars of lamost_lrs_clusters"
    else:
        config, basis = members.member_config(table, settings.seed), "the paper's member table"
    run = compute(config, data_dir=inputs.data_dir, jobs=threads, progress=progress)
    return run, basis, deliver(run, out / "stars", progress=progress)
