"""``melotte zeropoints``: the velocity zero points of surveys, from the stars and the clusters they have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ... import figures, publish
from ...catalogue.store import exclusive
from ...config import FiguresConfig, SurveyConfig, ZeroPointsConfig, load_section
from ...core.progress import Progress
from ...crossmatch import identify
from ...errors import EmptyResultError
from ...inputs.members import read_members
from ...inputs.surveys import open_survey
from ...literature import Network, member_measurements, solve, solve_settings
from ...schema.literature import SOLUTIONS, SURVEY_PAIRS
from ...stars import assign, combine

#: A pair whose direct difference is this far from the solution contradicts it.
TENSION = 3.0


@dataclass(frozen=True)
class ZeroPoints:
    """Three solutions: from common stars, from common clusters, from both together.

    Attributes
    ----------
    networks : mapping
        ``stars``, ``clusters`` and ``together`` -> `melotte.literature.Network`; one is missing where no two surveys
        have such an object in common.
    notes : tuple of str
        What was not done, and what the surveys say of themselves.
    """

    networks: Mapping[str, Network]
    notes: tuple[str, ...] = ()

    @property
    def frame(self) -> pl.DataFrame:
        """All solutions, `melotte.schema.literature.SOLUTIONS`."""
        parts = [n.frame.select(pl.lit(name).alias("made_from"), pl.all()) for name, n in self.networks.items()]
        return SOLUTIONS.conform(pl.concat(parts))

    @property
    def pairs(self) -> pl.DataFrame:
        """The direct differences beside the solution from both, `melotte.schema.literature.SURVEY_PAIRS`."""
        return self.networks["together"].pairs

    def summary(self) -> str:
        """One screen: the zero points, the pairs, which of them contradict the solution."""
        together = self.networks["together"]
        lines = [f"velocity zero points, to be added to be on the scale of {together.reference} (km/s):"]
        lines.append(f"  {'':<20}" + "".join(f"{name:>18}" for name in self.networks) + "     stars  clusters")
        by_name = {name: {r["survey"]: r for r in n.frame.iter_rows(named=True)} for name, n in self.networks.items()}
        for survey, row in by_name["together"].items():
            cells = [_value(rows[survey]) for rows in by_name.values()]
            counts = f"{row['n_stars']:>10}{row['n_clusters']:>10}"
            lines.append(f"  {survey:<20}" + "".join(f"{cell:>18}" for cell in cells) + counts)
        lines.append("differences, first - second (km/s): median, and by the common solution")
        for row in self.pairs.iter_rows(named=True):
            error = "" if row["median_error"] is None else f" +- {row['median_error']:.2f}"
            mark = f"   contradicts it, {row['tension']:+.1f} sigma" if abs(row["tension"] or 0.0) > TENSION else ""
            solution = "" if row["solution"] is None else f"{row['solution']:+.2f}"
            kind = row["kind"] if row["n"] == 1 else f"{row['kind']}s"
            lines.append(
                f"  {row['first'] + ' - ' + row['second']:<28}{row['n']:>6} {kind:<9}"
                f"{row['median']:+.2f}{error:<10}{solution:>8}{mark}"
            )
        lines.append(
            f"chi2/dof {together.chi2:.0f}/{together.dof}; {together.n_clipped} measurements left out as outliers"
        )
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def _value(row: Mapping[str, object]) -> str:
    if row["zero_point"] is None:
        return "-"
    if row["note"] == "reference":
        return "0 (reference)"
    return f"{row['zero_point']:+.2f} +- {row['zero_point_error']:.2f}"


def run_zero_points(
    out: Path,
    *,
    config: Path | None = None,
    reference: str | None = None,
    data_dir: Path | None = None,
    progress: Progress,
) -> tuple[ZeroPoints, list[Path]]:
    """Read surveys, match them to one membership list, solve for their zero points.

    Parameters
    ----------
    out : path
        Directory for ``tables/`` and ``figures/``.
    config : path, optional
        TOML file with a ``[zero_points]`` section; by default the five surveys with registered cluster files.
    reference : str, optional
        Survey whose zero point is 0; by default that of the configuration.
    data_dir : path, optional
        Local mirror.
    progress : callable
        Called for every survey.

    Returns
    -------
    found : ZeroPoints
    files : list of path
        ``zero_points`` and ``survey_pairs`` in every table format, the figure ``zero_points``.

    Raises
    ------
    DatasetError, ReadError, SchemaError
        If a survey or the membership list is missing or wrong.
    ConfigError
        If the configuration is wrong.
    EmptyResultError
        If no two surveys have a star or a cluster in common.
    MelotteError
        If the reference is none of the surveys.
    """
    settings = ZeroPointsConfig() if config is None else load_section(config, "zero_points", ZeroPointsConfig)
    formats = (FiguresConfig() if config is None else load_section(config, "figures", FiguresConfig)).formats
    with exclusive(out, create=False):
        pass  # another run there is said now, not when the work is done
    listed = read_members(settings.members, data_dir=data_dir).frame
    stars: dict[str, pl.DataFrame] = {}
    notes: list[str] = []
    for number, survey in enumerate(settings.surveys, start=1):
        name = survey.name or survey.adapter
        stars[name] = _members_of(survey, listed, settings, data_dir, notes)
        progress("surveys", number, len(settings.surveys))
    found = zero_points(stars, reference=reference or settings.reference, settings=settings, notes=notes)
    with exclusive(out):
        files = publish.write_table(found.frame, SOLUTIONS, out / "tables" / "zero_points")
        files += publish.write_table(found.pairs, SURVEY_PAIRS, out / "tables" / "survey_pairs")
        figure = figures.survey_matrix(found.networks["together"])
        return found, files + figures.save(figure, out / "figures" / "zero_points", formats)


def _members_of(
    survey: SurveyConfig, listed: pl.DataFrame, settings: ZeroPointsConfig, data_dir: Path | None, notes: list[str]
) -> pl.DataFrame:
    """The stars of one survey that are members, one row per star and cluster."""
    opened = open_survey(survey, data_dir=data_dir)
    spectra, matches = [], []
    for batch in opened.batches():
        matched = identify(batch, listed, settings=settings.crossmatch, gaia_releases=opened.gaia_releases).frame
        spectra.append(batch.join(matched, on="spectrum_id", how="semi"))
        matches.append(matched)
    if not any(m.height for m in matches):
        raise EmptyResultError("no star of this survey is a member", where=opened.path, hint="[zero_points] members")
    notes += [note for note in opened.notes if note.startswith(opened.name)]
    radius = float(settings.crossmatch.radius.to_value("arcsec"))
    combined = combine(pl.concat(spectra), pl.concat(matches), settings=settings.stars, radius_arcsec=radius)
    return assign(combined.frame, listed)


def zero_points(
    stars: Mapping[str, pl.DataFrame],
    *,
    reference: str,
    settings: ZeroPointsConfig | None = None,
    notes: list[str] | None = None,
) -> ZeroPoints:
    """Solve from the stars in common, from the clusters in common, and from both.

    Parameters
    ----------
    stars : mapping
        Survey name -> its member stars (`melotte.stars.assign`).
    reference : str
        Survey whose zero point is 0.
    settings : ZeroPointsConfig, optional
        Choices.
    notes : list of str, optional
        Go along.

    Returns
    -------
    ZeroPoints

    Raises
    ------
    EmptyResultError
        If no two surveys have a star or a cluster in common.
    """
    settings = settings or ZeroPointsConfig()
    choices = solve_settings(settings)
    both = member_measurements(stars, minimum=settings.minimum_members)
    found: dict[str, Network] = {}
    said = list(notes or [])
    for name, kind in (("stars", "star"), ("clusters", "cluster")):
        part = both.filter(pl.col("kind") == kind)
        try:
            found[name] = solve(part, reference=reference, surveys=list(stars), settings=choices)
        except EmptyResultError:
            said.append(f"no two surveys have {name} in common")
    found["together"] = solve(both, reference=reference, surveys=list(stars), settings=choices)
    return ZeroPoints(found, tuple(said))
