"""What a survey file looks like: which columns carry which quantity, under which names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import polars as pl

from ...errors import SchemaError

if TYPE_CHECKING:
    from ...tables.reader import TableReader


@dataclass(frozen=True, slots=True)
class Source:
    """Where one quantity comes from.

    Attributes
    ----------
    names : tuple of str
        Names of the column in the releases of the survey, best first; compared without regard to case.
    required : bool
        Whether the file must have it.
    unit : str
        Unit if the file gives none; empty: the unit of the schema.
    forced : bool
        Whether ``unit`` holds even if the file gives another (a user's column map).
    missing : tuple
        Values that mean "no value" in this column only.
    value : float, int, str or None
        A constant instead of a column.
    """

    names: tuple[str, ...] = ()
    required: bool = False
    unit: str = ""
    forced: bool = False
    missing: tuple[float | str, ...] = ()
    value: float | int | str | None = None


def column(*names: str, required: bool = False, missing: tuple[float | str, ...] = ()) -> Source:
    """Shorthand for a column by its possible names."""
    return Source(names, required=required, missing=missing)


@dataclass(frozen=True)
class Floor:
    """An error the adapter assumes where the survey publishes none worth believing."""

    value: float
    reason: str


@dataclass(frozen=True)
class Layout:
    """How to read one survey.

    Attributes
    ----------
    title : str
        Name of the survey for people.
    sources : mapping of str to Source
        By column of the SPECTRA schema.
    extra : mapping of str to Source
        Text columns that only decide on rows (fibre type, class, flags).
    epoch : float
        Julian epoch of the coordinates.
    floors : mapping of str to Floor
        Default errors by error column, used where the file has none or a constant one.
    prepare : callable
        Last change to a batch that holds the schema columns and the extra ones.
    keep : mapping of str to expression
        Conditions a row must meet; the key is the reason of the rejection.
    drop_without_rv : bool
        Whether rows without a radial velocity are dropped (and counted) instead of passed on.
    """

    title: str
    sources: Mapping[str, Source]
    extra: Mapping[str, Source] = field(default_factory=dict)
    epoch: float = 2000.0
    floors: Mapping[str, Floor] = field(default_factory=dict)
    prepare: Callable[[pl.DataFrame], pl.DataFrame] | None = None
    keep: Mapping[str, pl.Expr] = field(default_factory=dict)
    drop_without_rv: bool = False
    notes: tuple[str, ...] = ()

    def at_epoch(self, epoch: float | None) -> Layout:
        """The layout with the user's epoch of the coordinates, if there is one."""
        return self if epoch is None else replace(self, epoch=epoch)


def resolve(reader: TableReader, sources: Mapping[str, Source]) -> dict[str, str]:
    """Find each quantity's column in the file.

    Returns
    -------
    dict of str to str
        Column name in the file by quantity; quantities the file lacks (and constants) are left out.

    Raises
    ------
    SchemaError
        If a required column is missing; the message names the spellings looked for and the columns there are.
    """
    exact = set(reader.columns)
    folded = {name.lower(): name for name in reversed(list(reader.columns))}
    found = {}
    for target, source in sources.items():
        if source.value is not None:
            continue
        for name in source.names:
            match = name if name in exact else folded.get(name.lower())
            if match is not None:
                found[target] = match
                break
        else:
            if source.required:
                names = list(reader.columns)
                raise SchemaError(
                    f"there is no column for {target!r}",
                    where=reader.path,
                    expected=" or ".join(repr(n) for n in source.names),
                    hint=f"the file has: {', '.join(names[:40])}{' ...' if len(names) > 40 else ''}",
                )
    return found
