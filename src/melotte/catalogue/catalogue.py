"""The result of a run: the cluster catalogue, the stars behind it, and the account of how it came about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from .. import datasets, publish
from ..clusters.isochrones import Isochrones
from ..config import Config
from ..literature import LocalNames, find_online, load_resolver
from ..schema import CATALOGUE, MEMBER_STARS, to_qtable
from ..schema.result import Step
from .views import ClusterView, Plots, describe_cluster

if TYPE_CHECKING:
    from astropy.table import QTable

    from ..gradients import GradientsResult

#: Columns and rows a notebook shows.
_SHOWN = (
    "cluster",
    "n_all",
    "rv_med",
    "rv_med_error",
    "rv_scatter",
    "n_rv",
    "feh_med",
    "feh_med_error",
    "n_feh",
    "log_age",
)
_ROWS = 20


@dataclass(frozen=True)
class Catalogue:
    """A cluster catalogue.

    Attributes
    ----------
    frame : polars.DataFrame
        One row per cluster, schema `melotte.schema.CATALOGUE`.
    members : polars.DataFrame
        One row per matched star with flag and reason, schema `melotte.schema.MEMBER_STARS`.
    rejected : polars.DataFrame
        Clusters with matched stars but no velocity: ``cluster``, ``n_all``, ``reason``.
    member_list : polars.DataFrame
        The membership list after the probability cut.
    survey : str
        Name of the survey.
    zero_point : mapping or None
        The survey's zero point, reference minus survey: ``median``, ``error``, ``mean``, ``sd`` (km/s), ``n``.
    zero_point_pairs : polars.DataFrame or None
        The stars behind it.
    orbits : polars.DataFrame or None
        Orbits and integrals of motion, schema `melotte.schema.DYNAMICS`.
    snapshots : polars.DataFrame or None
        Positions at the look-back times, schema `melotte.schema.SNAPSHOTS`.
    isochrones : Isochrones or None
        The isochrones the cool-dwarf rule used.
    config : Config
        The configuration, with every default.
    config_name : str
        Name of the configuration file.
    steps : tuple of Step
        Where each row went.
    notes : tuple of str
        What a reader must know.
    inputs : mapping
        Role -> (path, SHA-256) of each input file.
    data_dir : pathlib.Path or None
        Local mirror, for the table of cluster names.
    gradients : GradientsResult or None
        The metallicity distribution (`melotte.gradients`); read back from a directory it is without the fits.
    """

    frame: pl.DataFrame
    members: pl.DataFrame
    rejected: pl.DataFrame
    member_list: pl.DataFrame
    survey: str
    zero_point: Mapping[str, float] | None
    zero_point_pairs: pl.DataFrame | None
    orbits: pl.DataFrame | None
    snapshots: pl.DataFrame | None
    isochrones: Isochrones | None
    config: Config
    config_name: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    inputs: Mapping[str, tuple[Path, str]]
    data_dir: Path | None = None
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    gradients: GradientsResult | None = None

    def __len__(self) -> int:
        return self.frame.height

    def __iter__(self) -> Iterator[str]:
        return iter(self.frame["cluster"])

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __getitem__(self, name: str) -> ClusterView:
        return ClusterView(self, self._names.find(name))

    @cached_property
    def _names(self) -> LocalNames:
        return LocalNames(self.frame["cluster"], lambda: load_resolver(data_dir=self.data_dir))

    def find(self, name: str, *, online: bool = False) -> ClusterView:
        """The cluster of a name, as ``catalogue[name]``; ``online`` asks SIMBAD for a name the tables do not have.

        Raises
        ------
        NameResolutionError
            If no cluster of the catalogue, or more than one, has the name.
        NameServiceError
            If SIMBAD cannot be asked.
        """
        return ClusterView(self, find_online(name, self._names) if online else self._names.find(name))

    @property
    def plot(self) -> Plots:
        """Figures of this catalogue."""
        return Plots(self)

    def to_table(self) -> QTable:
        """The cluster catalogue as an `astropy.table.QTable`."""
        return to_qtable(self.frame, CATALOGUE)

    def to_polars(self) -> pl.DataFrame:
        """The cluster catalogue as a polars table."""
        return self.frame

    def members_table(self) -> QTable:
        """The matched stars as an `astropy.table.QTable`."""
        return to_qtable(self.members, MEMBER_STARS)

    @property
    def citations(self) -> list[tuple[str, str]]:
        """Bibcode (or name) and text of every registered catalogue among the inputs."""
        names = {path.name for path, _ in self.inputs.values()}
        return [
            (record.bibcode or record.name, record.citation)
            for record in datasets.records().values()
            if names & {Path(name).name for name in record.files}
        ]

    @property
    def citation(self) -> str:
        """What to cite when using this catalogue: method, catalogues, software."""
        return publish.citation_text(self.citations)

    def largest(self, n: int) -> list[str]:
        """Names of the ``n`` clusters with the most matched stars."""
        return self.frame.sort("n_all", "cluster", descending=[True, False])["cluster"].head(n).to_list()

    def summary(self) -> str:
        """The account of the run, for a terminal."""
        lines = []
        for step in self.steps:
            lines.append(f"{step.name:<28} {step.came_in:>11,} {step.unit} in, {step.went_on:>11,} on")
            lines += [f"{'':<28} {-count:>+11,} {reason}" for reason, count in step.lost.items() if count]
        n_feh = self.frame.filter(pl.col("n_feh") > 0).height
        n_rv = self.frame.filter(pl.col("n_rv") > 0).height
        lines.append("")
        lines.append(
            f"{len(self)} clusters with {self.members.height:,} stars; radial velocity for {n_rv}, [Fe/H] for {n_feh}"
        )
        if self.zero_point:
            zero = self.zero_point
            lines.append(
                f"zero point (reference - survey): {zero['median']:+.2f} +- {zero['error']:.2f} km/s, "
                f"scatter {zero['sd']:.2f} km/s, {zero['n']:.0f} stars"
            )
        top = self.frame.sort("n_all", "cluster", descending=[True, False]).head(5)
        lines.append("largest clusters:")
        lines += [f"  {describe_cluster(row)}" for row in top.iter_rows(named=True)]
        if self.notes:
            lines.append("notes:")
            lines += [f"  - {note}" for note in self.notes]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Catalogue: {len(self)} clusters, {self.members.height:,} stars of {self.survey}>"

    def _repr_html_(self) -> str:
        shown = self.frame.sort("n_all", "cluster", descending=[True, False]).head(_ROWS)
        text = f"<p><b>{len(self)} clusters, {self.members.height:,} stars of {escape(self.survey)}</b></p>"
        rest = len(self) - shown.height
        table = "".join(to_qtable(shown, CATALOGUE)[_SHOWN].pformat(max_lines=-1, max_width=-1, html=True))
        return text + table + (f"<p>and {rest} clusters with fewer stars</p>" if rest > 0 else "")
