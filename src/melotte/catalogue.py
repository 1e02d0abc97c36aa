"""The result of a run: the cluster catalogue, the stars behind it, and the account of how it came about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from . import figures
from .config import Config
from .errors import MelotteError
from .isochrones import Isochrone, Isochrones
from .literature import LocalNames, load_resolver
from .result import Step
from .schema import CATALOGUE, MEMBER_STARS, to_qtable

if TYPE_CHECKING:
    from astropy.table import QTable
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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


def describe_cluster(row: Mapping[str, Any]) -> str:
    """One line with the radial velocity and [Fe/H] of a row of the catalogue."""

    def value(name: str, digits: int, unit: str) -> str:
        if row[name] is None:
            return "-"
        error = row[f"{name}_error"]
        tail = "" if error is None else f" +- {error:.{digits}f}"
        return f"{row[name]:+.{digits}f}{tail}{unit}"

    return (
        f"{row['cluster']:<18} {row['n_all']:>5} stars   RV {value('rv_med', 2, ' km/s'):<24} ({row['n_rv']})"
        f"   [Fe/H] {value('feh_med', 3, ''):<18} ({row['n_feh']})"
    )


@dataclass(frozen=True)
class ClusterView:
    """One cluster of a catalogue."""

    catalogue: Catalogue
    name: str

    @property
    def row(self) -> dict[str, Any]:
        """The cluster's row of the catalogue."""
        return self.catalogue.frame.row(by_predicate=pl.col("cluster") == self.name, named=True)

    @property
    def members(self) -> pl.DataFrame:
        """The cluster's matched stars, schema `melotte.schema.MEMBER_STARS`."""
        return self.catalogue.members.filter(pl.col("cluster") == self.name)

    def isochrone(self) -> Isochrone | None:
        """The isochrone of the cluster's age and [Fe/H]; None without isochrones, or if the age is unknown."""
        grid, row = self.catalogue.isochrones, self.row
        if grid is None or row["log_age"] is None:
            return None
        try:
            return grid.nearest(row["log_age"], row["feh_med"] or 0.0)
        except MelotteError:  # an age outside the grid: the run's notes name the cluster
            return None

    def explain(self) -> pl.DataFrame:
        """One row per star: its values, its flag and the reason for it, the best-placed first."""
        return self.members.sort(pl.col("flag").replace_strict({12: 0, 1: 1, 0: 2}), "source_id").select(
            "source_id",
            "probability",
            "snr",
            "n_spectra",
            "rv",
            "rv_error",
            "rv_deviation",
            "teff",
            "logg",
            "feh",
            "feh_error",
            "flag",
            "reason",
        )

    def __repr__(self) -> str:
        return describe_cluster(self.row)


@dataclass(frozen=True)
class Plots:
    """The figures of a catalogue, each returned as a `matplotlib.figure.Figure`."""

    catalogue: Catalogue

    def sky(self, *, ax: Axes | None = None) -> Figure:
        """Sky coverage (Fig. 1 of Fu et al. 2022)."""
        return figures.sky_coverage(
            self.catalogue.member_list, self.catalogue.members, survey=self.catalogue.survey, ax=ax
        )

    def rv(self, name: str, *, ax: Axes | None = None) -> Figure:
        """Radial-velocity selection of one cluster (Fig. 2)."""
        cluster = self.catalogue[name]
        return figures.rv_selection(cluster.members, cluster.row, ax=ax)

    def zero_point(self, *, ax: Axes | None = None) -> Figure:
        """Differences with the reference survey (Fig. 3)."""
        pairs = self.catalogue.zero_point_pairs
        if pairs is None or pairs.is_empty():
            raise MelotteError(
                "this catalogue has no stars in common with a reference survey",
                hint="name a reference survey in [zero_point] of the configuration",
            )
        reference = self.catalogue.config.zero_point.reference
        label = "reference" if reference is None else reference.name or reference.adapter
        return figures.zero_point(pairs["difference"], reference=label, survey=self.catalogue.survey, ax=ax)

    def kiel(self, name: str, *, axes: Sequence[Axes] | None = None) -> Figure:
        """Kiel diagram and [Fe/H] against temperature of one cluster (Fig. 4)."""
        cluster = self.catalogue[name]
        return figures.kiel(
            cluster.members,
            cluster.row,
            isochrone=cluster.isochrone(),
            settings=self.catalogue.config.metallicity,
            axes=axes,
        )

    def cmd(self, name: str, *, axes: Sequence[Axes] | None = None) -> Figure:
        """Colour-magnitude diagrams of one cluster (Fig. 5)."""
        cluster = self.catalogue[name]
        listed = self.catalogue.member_list.filter(pl.col("cluster") == cluster.name)
        return figures.cmd_pair(listed, cluster.members, cluster.row, isochrone=cluster.isochrone(), axes=axes)

    def eccentricity(self, *, axes: Sequence[Axes] | None = None) -> Figure:
        """Eccentricity against apocentre (Fig. 9)."""
        return figures.eccentricity(self._orbits, self.catalogue.frame, axes=axes)

    def energy_momentum(self, *, axes: Sequence[Axes] | None = None) -> Figure:
        """Energy against angular momentum (Fig. 11)."""
        return figures.energy_momentum(self._orbits, self.catalogue.frame, axes=axes)

    @property
    def _orbits(self) -> pl.DataFrame:
        if self.catalogue.orbits is None:
            raise MelotteError("this catalogue has no orbits", hint="add a [galaxy] section to the configuration")
        return self.catalogue.orbits

    def overview(self, *, axes: Sequence[Axes] | None = None) -> Figure:
        """Errors and scatter of all clusters against the number of stars."""
        return figures.catalogue_overview(self.catalogue.frame, axes=axes)
