"""What a survey file looks like: which columns carry which quantity, under which names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import polars as pl

from ...errors import SchemaError
from ...tables.decode import Place, unit_factor

if TYPE_CHECKING:
    from ...schema import Column
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
    expr : str
        An expression over the columns instead of a column; ``names`` holds it too (see `expression`).
    """

    names: tuple[str, ...] = ()
    required: bool = False
    unit: str = ""
    forced: bool = False
    missing: tuple[float | str, ...] = ()
    value: float | int | str | None = None
    expr: str = ""


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
    conditions : tuple of str
        Further ones in SQL over the columns of the file; their text is the reason.
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
    conditions: tuple[str, ...] = ()

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
        matches = (name if name in exact else folded.get(name.lower()) for name in source.names)
        there = [match for match in matches if match is not None]
        single = [match for match in there if not reader.columns[match].array]
        if single:
            found[target] = single[0]
        elif there and source.required:
            what = reader.columns[there[0]].array
            raise SchemaError(
                f"column {there[0]!r} for {target!r} is an array: {what}",
                where=reader.path,
                expected="one value a row",
                hint=f'take an element, counted from 1: {{ expr = "{there[0]}[1]" }}',
            )
        elif source.required:
            raise _absent(reader, target, source)
    return found


def _absent(reader: TableReader, target: str, source: Source) -> SchemaError:
    names = list(reader.columns)
    wanted = {n.lower() for n in source.names}
    holders = [h for h, columns in reader.elsewhere.items() if wanted & {c.lower() for c in columns}]
    others = holders or list(reader.elsewhere)
    tables = f"; hdu = {' or '.join(repr(h) for h in others)} {'has it' if holders else 'has rows too'}"
    return SchemaError(
        f"there is no column for {target!r}",
        where=reader.path,
        expected=" or ".join(repr(n) for n in source.names),
        hint=f"the file has: {', '.join(names[:40])}{' ...' if len(names) > 40 else ''}{tables if others else ''}",
    )


def unit_of(reader: TableReader, name: str | None, source: Source, what: Column) -> str:
    """The unit of a quantity in the file: that of the column map before the file's.

    Parameters
    ----------
    reader : TableReader
        The file.
    name : str or None
        The column found for it; None for a constant.
    source : Source
        What the layout or the map says.
    what : Column
        The schema column it becomes.

    Returns
    -------
    str
        Empty: that of the schema.

    Raises
    ------
    SchemaError
        If it is computed from columns in another unit and the map does not say in which unit the result is.
    """
    if name is None or (source.forced and source.unit):
        return source.unit
    column = reader.columns[name]
    if source.expr and not source.unit:
        for unit in column.computed_from:
            if not _is_unit_of(unit, what, Place(reader.path, name)):
                raise SchemaError(
                    f"{what.name!r} is computed from columns in {', '.join(column.computed_from)}: {source.expr!r}",
                    where=reader.path,
                    expected=f"the unit of the result (without one it would be taken as {what.unit or 'a number'})",
                    hint=f'{what.name} = {{ expr = "...", unit = "..." }}',
                )
    return column.unit or source.unit


def _is_unit_of(unit: str, what: Column, place: Place) -> bool:
    """Whether a value in ``unit`` is one of the schema's as it stands."""
    try:
        return unit_factor(unit, what, place) == 1.0
    except SchemaError:
        return False
