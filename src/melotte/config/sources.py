"""Where the data come from: survey, members, clusters, and how they are matched."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from astropy import units as u
from pydantic import Field, model_validator

from .values import Abundance, Angle, Epoch, GaiaRelease, Probability, Settings, Speed, Threshold


class ColumnSource(Settings):
    """Where one column of a user's table comes from.

    ``column`` names it in the file; ``unit`` overrides or supplies its unit; ``value`` gives a constant instead, with
    its unit if it has one (``"0.05 dex"``); ``missing`` lists the values that mean "no value". ``expr`` computes it:
    SQL over the columns of the file (``1/SQRT(ivar)``; ``rv[1]`` is the first element of an array column, as in FITS
    and SQL), with functions and constants and nothing else. The unit "redshift" is a velocity v = c z.
    """

    column: str | None = None
    expr: str | None = None
    unit: str | None = None
    value: str | float | int | None = None
    missing: tuple[float | str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        return {"column": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _one_source(self) -> ColumnSource:
        if sum(given is not None for given in (self.column, self.expr, self.value)) != 1:
            raise ValueError(
                'give one of "column" (a name in the file), "expr" (computed from columns) and "value" (a constant)'
            )
        if self.unit is not None and self.unit.strip().lower() != "redshift":
            try:
                u.Unit(self.unit)
            except ValueError as error:
                raise ValueError(f"{self.unit!r} is not a unit") from error
        return self


#: Which table of a FITS file.
HduChoice = str | int | tuple[str | int, ...] | None

Adapter = Literal["lamost", "boss", "apogee", "gaia_rvs", "table"]


class SurveyConfig(Settings):
    """``[survey]``: the spectra. ``file`` is a path (relative to the data directory) or a dataset name."""

    adapter: Adapter
    file: str
    #: Name of the survey in figures and tables; the adapter's own by default.
    name: str | None = None
    #: Table of a FITS file: its name or number (the first table is 1); a list joins tables with the same rows.
    hdu: HduChoice = None
    #: Conditions on the rows, in SQL over the columns of the file (``"(flag & 8) = 0"``); each is a counted step.
    keep: tuple[str, ...] = ()
    #: Errors below these are raised to them; missing errors get them. Reported, and marked star by star.
    rv_error_floor: Speed | None = None
    feh_error_floor: Abundance | None = None
    #: Column map of the ``table`` adapter.
    columns: dict[str, ColumnSource] = Field(default_factory=dict)
    #: Epoch of the coordinates where the file does not say (J2000 for ground-based surveys).
    epoch: Epoch | None = None
    #: Gaia release of LAMOST's ``gaia_source_id`` where the file does not tell (DR7 and DR8 ship DR2 ids), and of a
    #: ``gaia_rvs`` file (DR3 if not said).
    gaia_release: GaiaRelease | None = None

    @model_validator(mode="after")
    def _columns_for_table(self) -> SurveyConfig:
        if (self.adapter == "table") != bool(self.columns):
            raise ValueError('"columns" goes with adapter = "table", and only with it')
        return self


class MembersConfig(Settings):
    """``[members]``: the membership list.

    Fu et al. 2022 write "probabilities > 70 %". Cantat-Gaudin et al. publish probabilities in steps of 0.1, so
    that 0.7 itself decides: ``>= 0.7`` reproduces the member counts of Cantat-Gaudin et al. 2020 (nbstars07).
    """

    catalogue: Literal["cantat2018", "cantat2020", "tarricq2022", "hunt2023", "table"]
    file: str | None = None
    hdu: HduChoice = None
    probability: Probability = Threshold(">=", 0.7)
    columns: dict[str, ColumnSource] = Field(default_factory=dict)
    gaia_release: GaiaRelease | None = None

    @model_validator(mode="after")
    def _complete(self) -> MembersConfig:
        if self.catalogue == "table" and not (self.file and self.columns and self.gaia_release):
            raise ValueError('catalogue = "table" needs "file", "columns" and "gaia_release"')
        if self.catalogue != "table" and (self.columns or self.gaia_release):
            raise ValueError('"columns" and "gaia_release" go with catalogue = "table" only')
        return self


class ClustersConfig(Settings):
    """``[clusters]``: age, distance, extinction, proper motion of the clusters."""

    catalogue: Literal["cantat2018", "cantat2020", "dias2021", "hunt2023", "table"]
    file: str | None = None
    hdu: HduChoice = None
    columns: dict[str, ColumnSource] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _complete(self) -> ClustersConfig:
        if (self.catalogue == "table") != bool(self.columns):
            raise ValueError('"columns" goes with catalogue = "table", and only with it')
        if self.catalogue == "table" and not self.file:
            raise ValueError('catalogue = "table" needs "file"')
        return self


class DaskConfig(Settings):
    """``[crossmatch.dask]``: where the LSDB engine computes."""

    #: Address of a running scheduler (``tcp://host:8786``); without one a cluster is started on this machine.
    scheduler: str | None = None
    #: Processes of the cluster started here; as many as processors by default.
    workers: Annotated[int, Field(ge=1)] | None = None
    #: Memory of each of them, in Dask's notation (``"4GiB"``); shared out evenly by default.
    memory_per_worker: str | None = None

    @model_validator(mode="after")
    def _one_cluster(self) -> DaskConfig:
        if self.scheduler is not None and (self.workers is not None or self.memory_per_worker is not None):
            raise ValueError('"workers" and "memory_per_worker" describe a cluster started here, not "scheduler"')
        return self


class CrossmatchConfig(Settings):
    """``[crossmatch]``: how spectra find their Gaia source (Fu et al. 2022, Sect. 2)."""

    #: ``source_id`` joins the survey's own Gaia ids; ``position`` matches on the sky; ``auto`` uses the ids if
    #: the survey has them in the release of the membership list, positions otherwise, and reports which.
    method: Literal["auto", "source_id", "position"] = "auto"
    radius: Angle = u.Quantity(3.5, "arcsec")
    dask: DaskConfig = DaskConfig()
