"""The tables of a run: the one list that writing, reading back, publishing and provenance go through."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

from .core import Schema
from .definitions import CATALOGUE, MEMBER_STARS
from .dynamics import DYNAMICS, SNAPSHOTS
from .gradients import COMPARISON, FLAT_TAIL, GRADIENTS
from .run import REJECTED, ZERO_POINT_STARS


@dataclass(frozen=True)
class RunTable:
    """A table of a run.

    Attributes
    ----------
    name : str
        Path below the directory of the run, without suffix.
    schema : Schema
        Its columns.
    stage : str
        The stage that makes it.
    attribute : str
        Where a `melotte.Catalogue` holds it.
    needed : bool
        Whether every run has it.
    published : bool
        Whether `melotte publish` publishes it; the others are for opening the run again, in Parquet only.
    """

    name: str
    schema: Schema
    stage: str
    attribute: str
    needed: bool = False
    published: bool = True

    def of(self, catalogue: Any) -> Any:
        """The table that a catalogue holds; None if it has none."""
        return reduce(lambda held, name: getattr(held, name, None), self.attribute.split("."), catalogue)


CLUSTERS: Final = RunTable("clusters", CATALOGUE, "metallicity", "frame", needed=True)
MEMBERS: Final = RunTable("members", MEMBER_STARS, "metallicity", "members", needed=True)

#: Every table of a run, in the order in which they are published.
RUN_TABLES: Final = (
    CLUSTERS,
    MEMBERS,
    RunTable("orbits", DYNAMICS, "orbits", "orbits"),
    RunTable("snapshots", SNAPSHOTS, "orbits", "snapshots"),
    RunTable("tables/gradients", GRADIENTS, "gradients", "gradients.frame"),
    RunTable("tables/model_comparison", COMPARISON, "gradients", "gradients.comparison"),
    RunTable("tables/flat_tail", FLAT_TAIL, "gradients", "gradients.flat_tail"),
    RunTable("tables/zero_point_stars", ZERO_POINT_STARS, "velocity", "zero_point_pairs", published=False),
    RunTable("tables/rejected", REJECTED, "velocity", "rejected", published=False),
)
BY_NAME: Final = {table.name: table for table in RUN_TABLES}
