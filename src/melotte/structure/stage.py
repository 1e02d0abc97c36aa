"""All analyses of the structure of the disc, from one catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import polars as pl

from ..config import GalaxyConfig, StructureConfig
from ..core.randomness import Streams
from ..errors import EmptyResultError
from ..schema.result import Result
from ..schema.structure import FIT, TESTS
from .clouds import NearCloudsResult, near_clouds
from .draws import phase_draws
from .eccentricity import EccentricitiesResult, eccentricities
from .flare import FlareResult, flare
from .integrals import OutliersResult, outliers
from .radcliffe import AlongWaveResult, along_wave

ResultT = TypeVar("ResultT", bound=Result)


@dataclass(frozen=True)
class Structure:
    """The results; a part for which there are too few clusters is None, and ``notes`` says so.

    Attributes
    ----------
    fit, tests : polars.DataFrame
        Every fitted parameter and every test, `melotte.schema.structure.FIT` and ``TESTS``.
    """

    settings: StructureConfig
    eccentricities: EccentricitiesResult | None
    outliers: OutliersResult | None
    flare: FlareResult | None
    clouds: NearCloudsResult | None
    wave: AlongWaveResult | None
    fit: pl.DataFrame
    tests: pl.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """The tables that are there, by the names of `melotte.schema.structure.TABLES`."""
        out = {"fit": self.fit, "tests": self.tests}
        if self.eccentricities is not None:
            out["eccentricities"] = self.eccentricities.frame
        if self.outliers is not None:
            out["outliers"] = self.outliers.frame
        if self.flare is not None:
            out["flare_curve"] = self.flare.curve
        if self.clouds is not None:
            out |= {
                "near_clouds": self.clouds.frame,
                "colocated": self.clouds.places,
                "sightlines": self.clouds.sightlines,
            }
        if self.wave is not None:
            out["wave"] = self.wave.frame
        return out

    def summary(self) -> str:
        """A few lines for a terminal."""
        lines: list[str] = []
        if self.outliers is not None:
            facts = self.outliers.facts
            lines.append(
                f"outliers: {facts['judged']} clusters judged; off the ridge: {_list(facts['off'])} "
                f"({facts['expected_false_alarms']:.2g} expected by chance)"
            )
            fallen = [c for c in facts["off_ignoring"] if c not in facts["off"]]
            if fallen:
                lines.append(f"  off only if the uncertainties are ignored: {_list(fallen)}")
            lines.append(f"  off even if the scatter grows with age: {_list(facts['off_heated'])}")
            lines.append(f"  at the ends of the ridge: {_list(facts['ends'])}")
        if self.flare is not None:
            for group in ("all", "younger", "older"):
                found = self.flare.frame.filter((pl.col("group") == group) & ~pl.col("model").str.contains("asym"))
                value = {r["parameter"]: r for r in found.iter_rows(named=True)}
                if value:
                    h, k = value["h0"], value["k"]
                    lines.append(
                        f"flare, {group} ({h['n_clusters']}): scale {1e3 * h['value']:.0f} "
                        f"({1e3 * h['p16']:.0f}-{1e3 * h['p84']:.0f}) pc at {self.settings.reference_radius:g}, "
                        f"growing by {k['value']:.2f} +- {(k['p84'] - k['p16']) / 2:.2f} per kpc"
                    )
        if self.clouds is not None:
            lines.append(f"clouds: {self.clouds.facts['near']} of {self.clouds.facts['young']} young clusters near one")
        if self.wave is not None:
            facts = self.wave.facts
            lines.append(f"wave: {facts['members']} clusters along it, {facts['members_with_feh']} with firm [Fe/H]")
            if facts["feh_relative_to_sun"] is not None:
                low, high = facts["feh_relative_to_sun"]
                lines.append(f"  {low:.2f} to {high:.2f} times the iron of the Sun")
        lines += [
            f"p = {row['p_value']:.2g}: {row['test']} ({row['group']}, {row['n_clusters']})"
            for row in self.tests.iter_rows(named=True)
            if row["p_value"] is not None
        ]
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


def _list(names: list[str]) -> str:
    return ", ".join(n.replace("_", " ") for n in names) or "none"


def analyse(
    clusters: pl.DataFrame,
    dynamics: pl.DataFrame,
    *,
    sightlines: pl.DataFrame,
    wave: pl.DataFrame,
    settings: StructureConfig,
    rng: Streams,
    galaxy: GalaxyConfig | None = None,
) -> Structure:
    """Run every analysis of Sects. 4.1 (second half) and 4.2 of Fu et al. 2022.

    Parameters
    ----------
    clusters : polars.DataFrame
        The cluster catalogue, or a table with its columns ``cluster``, ``ra``, ``dec``, ``distance``, ``pmra``,
        ``pmdec``, ``rv_med``, ``log_age`` and, if there, ``n_rv``, ``feh_med``, ``feh_med_error``, ``n_feh``.
    dynamics : polars.DataFrame
        `melotte.schema.DYNAMICS` of the same clusters.
    sightlines, wave : polars.DataFrame
        From `read_sightlines` and `read_wave`.
    settings : StructureConfig
    rng : Streams
        That of the run: the draws are then those behind its percentiles.
    galaxy : GalaxyConfig, optional
        What the orbits were made with.

    Returns
    -------
    Structure

    Raises
    ------
    SchemaError
        If a column is missing.
    ConvergenceError
        If a fit fails.
    """
    galaxy = galaxy or GalaxyConfig()
    notes: list[str] = []
    draws = None
    if settings.draws:
        same = galaxy.model_copy(update={"draws": settings.draws})
        draws = phase_draws(clusters, settings=same, rng=rng)

    def attempt(what: str, work: Callable[[], ResultT]) -> ResultT | None:
        try:
            return work()
        except EmptyResultError as error:
            notes.append(f"{what}: left out, {error.found}")
            return None

    eccentric = eccentricities(dynamics, clusters, settings=settings, rng=rng)
    off = attempt(
        "outliers",
        lambda: outliers(dynamics, settings=settings, rng=rng, clusters=clusters, draws=draws, galaxy=galaxy),
    )
    flared = attempt("flare", lambda: flare(dynamics, clusters, settings=settings, rng=rng))
    near = attempt("clouds", lambda: near_clouds(clusters, sightlines, settings=settings, rng=rng))
    along = attempt("wave", lambda: along_wave(clusters, wave, settings=settings, rng=rng))
    there = [part for part in (eccentric, off, flared, near, along) if part is not None]
    for part in there:
        notes += part.notes
    fits = [*([off.fit] if off is not None else []), *([flared.frame] if flared is not None else [])]
    return Structure(
        settings=settings,
        eccentricities=eccentric,
        outliers=off,
        flare=flared,
        clouds=near,
        wave=along,
        fit=pl.concat([FIT.empty(), *fits]),
        tests=pl.concat([TESTS.empty(), *(part.tests for part in there)]),
        notes=tuple(notes),
    )
