"""What a notebook shows of a catalogue: one cluster, and the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import polars as pl

from .. import figures
from ..clusters.isochrones import Isochrone
from ..core.randomness import Streams
from ..errors import MelotteError
from ..schema import MEMBER_STARS, to_qtable

if TYPE_CHECKING:
    from astropy.table import QTable
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .catalogue import Catalogue


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
        return self._by_flag.select(
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

    def explain_table(self) -> QTable:
        """The same rows with all their columns and units, as an `astropy.table.QTable`."""
        return to_qtable(self._by_flag, MEMBER_STARS)

    @property
    def _by_flag(self) -> pl.DataFrame:
        return self.members.sort(pl.col("flag").replace_strict({12: 0, 2: 0, 1: 1, 0: 2}), "source_id")

    def __repr__(self) -> str:
        return describe_cluster(self.row)

    def _repr_html_(self) -> str:
        note = self.row["note"]
        text = f"<p><b>{escape(describe_cluster(self.row))}</b></p>"
        stars = self.explain_table()[self.explain().columns]
        table = "".join(stars.pformat(max_lines=-1, max_width=-1, html=True))
        return text + (f"<p>{escape(note)}</p>" if note else "") + table


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

    def orbit(self, name: str, *, axes: Sequence[Axes] | None = None) -> Figure:
        """The orbit of one cluster: R-z, x-y and R(t), followed again in steps of 1 Myr."""
        from ..galaxy import dynamics, with_chosen_velocity  # numba: not for a figure without an orbit

        row = self._orbits.filter(pl.col("cluster") == self.catalogue[name].name)
        settings = self.catalogue.config.galaxy
        assert settings is not None  # orbits are there
        close = settings.model_copy(update={"draws": 0, "step": 1.0 * settings.lookback.unit, "legacy": None})
        cluster = self.catalogue.frame.filter(pl.col("cluster") == self.catalogue[name].name)
        cluster = with_chosen_velocity(cluster, model=self.catalogue.config.velocity.model)
        path = dynamics(cluster, settings=close, rng=Streams(0)).snapshots
        turning = {"r_peri": None, "r_apo": None} if settings.legacy else row.row(0, named=True)
        return figures.orbit(path, r_peri=turning["r_peri"], r_apo=turning["r_apo"], axes=axes)

    def positions(self, *, axes: Sequence[Axes] | None = None) -> Figure:
        """All clusters from above at each look-back time, coloured by age."""
        snapshots = self.catalogue.snapshots
        if snapshots is None:
            self._orbits  # raises  # noqa: B018
            raise MelotteError("this catalogue has no snapshots")
        return figures.positions(snapshots, colour=self.catalogue.frame, axes=axes)

    def eccentricity(self, *, axes: Sequence[Axes] | None = None) -> Figure:
        """Eccentricity against apocentre (Fig. 9)."""
        return figures.eccentricity(self._orbits, self.catalogue.frame, axes=axes)

    def energy_momentum(self, *, axes: Sequence[Axes] | None = None) -> Figure:
        """Energy against angular momentum (Fig. 11)."""
        return figures.energy_momentum(self._orbits, self.catalogue.frame, axes=axes)

    def metallicity_distribution(
        self, model: str | None = None, predictors: Sequence[str] | None = None, *, axes: Sequence[Axes] | None = None
    ) -> Figure:
        """[Fe/H] against radius, angular momentum and energy (Figs. 8 and 10); ``model`` as in the tables."""
        found = self.catalogue.gradients
        if found is None or not found.fits:
            raise MelotteError(
                "this catalogue has no fits of the metallicity distribution",
                hint="add a [gradients] section to the configuration, or run: melotte gradients DIR",
            )
        if model is None:
            model = next(iter(f.model.name for f in found.fits if f.model.shape == found.settings.drawn_model), None)
        return figures.metallicity_distribution(found.fits, model=model, predictors=predictors, axes=axes)

    @property
    def _orbits(self) -> pl.DataFrame:
        if self.catalogue.orbits is None:
            raise MelotteError("this catalogue has no orbits", hint="add a [galaxy] section to the configuration")
        return self.catalogue.orbits

    def overview(self, *, axes: Sequence[Axes] | None = None) -> Figure:
        """Errors and scatter of all clusters against the number of stars."""
        return figures.catalogue_overview(self.catalogue.frame, axes=axes)
