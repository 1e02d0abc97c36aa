"""What every stage returns, and the account of where each row went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from ..errors import MelotteError
from . import Schema

if TYPE_CHECKING:
    from astropy.table import QTable


@dataclass(frozen=True)
class Step:
    """One line of the waterfall: ``came_in`` rows, of which ``lost`` went for ``reason``."""

    name: str
    unit: str
    came_in: int
    lost: Mapping[str, int]

    @property
    def went_on(self) -> int:
        """Rows left after the losses."""
        return self.came_in - sum(self.lost.values())


def describe_losses(step: Step) -> str:
    """The losses of a step in one phrase."""
    return ", ".join(f"{count:,} {reason}" for reason, count in step.lost.items() if count)


@dataclass(frozen=True)
class Result:
    """The product of one stage.

    Attributes
    ----------
    frame : polars.DataFrame
        The product; its columns, units and masks are those of ``schema``.
    schema : Schema
        Description of ``frame``.
    rejected : polars.DataFrame
        Rows that did not go on, with a ``reason`` column.
    settings : object
        The settings the stage ran with.
    steps : tuple of Step
        Where each row went.
    notes : tuple of str
        Warnings a reader of the result must know.
    facts : mapping
        Numbers worth reporting (for example the zero point found).
    """

    frame: pl.DataFrame
    schema: Schema
    rejected: pl.DataFrame = field(default_factory=pl.DataFrame)
    settings: Any = None
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.schema.validate(self.frame, where=self.schema.name)
        for step in self.steps:
            if step.went_on < 0 or any(n < 0 for n in step.lost.values()):
                raise MelotteError(f"the account of step {step.name!r} does not add up: {step}")

    @property
    def table(self) -> QTable:
        """The product as an `astropy.table.QTable` with units and masks."""
        from . import to_qtable

        return to_qtable(self.frame, self.schema)

    def summary(self) -> str:
        """A few lines for a terminal."""
        lines = []
        for step in self.steps:
            lines.append(f"{step.name}: {step.came_in:,} {step.unit} in, {step.went_on:,} on")
            lines.extend(f"  - {count:,} {reason}" for reason, count in step.lost.items() if count)
        lines.extend(f"note: {note}" for note in self.notes)
        return "\n".join(lines)
