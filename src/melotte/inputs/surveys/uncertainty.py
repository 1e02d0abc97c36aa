"""Errors that are not measured: constants, floors, assumptions. Recognised, replaced, and said star by star.

The rules, for each of rv, teff, logg and [Fe/H]:

* An error column with a single value over 20 rows or more is a floor, not an error. With a floor from the
  configuration or the adapter the larger of the two is used and the star is marked ``floor``; without one the
  constant is kept for the weighting and the star is marked ``constant``.
* An error that the column map gives as a constant is marked ``assumed``.
* A value without an error gets the floor and is marked ``assumed``; without a floor its error stays missing.
* An error below the floor *of the configuration* is raised to it and marked ``floor``.
* An error that is zero or negative (and not raised to a floor; a negative one never is) rejects the row if it is that
  of the radial velocity; of another quantity it becomes missing and is marked ``not positive``.
* A column of errors that are all missing, or all zero or negative, is an error unless a floor is configured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from ...errors import SchemaError
from ...schema import SPECTRA
from ...tables.decode import Place, to_float, unit_factor
from ...tables.reader import TableReader
from .layout import Floor, Source, unit_of

QUANTITIES = ("rv", "teff", "logg", "feh")
#: A constant over fewer rows than this may be chance.
CONSTANT_ROWS = 20
_SCAN_ROWS = 5_000
NOT_POSITIVE = "rv_error is zero or negative"


@dataclass(frozen=True)
class ErrorPlan:
    """What happens to the errors of one quantity.

    ``constant`` is the single value of the file's column (in the schema's unit), ``floor`` the value to use instead
    or at least, ``configured`` whether the floor comes from the user, ``assumed`` whether the error is a constant of
    the column map and not of the file.
    """

    quantity: str
    constant: float | None = None
    floor: float | None = None
    configured: bool = False
    assumed: bool = False


def plan_errors(
    reader: TableReader,
    found: Mapping[str, str],
    sources: Mapping[str, Source],
    *,
    floors: Mapping[str, Floor],
    configured: Mapping[str, float],
    title: str,
) -> tuple[list[ErrorPlan], list[str]]:
    """Decide about the error columns before the first batch.

    Only as many rows are read as are needed to see two different errors in every column; a constant column is
    read to its end.

    Parameters
    ----------
    reader : TableReader
        The file.
    found : mapping
        Column in the file by quantity.
    sources : mapping
        The layout's sources.
    floors, configured : mapping
        Adapter defaults and the user's floors, by error column (``rv_error``).
    title : str
        Name of the survey, for the notes.

    Returns
    -------
    plans : list of ErrorPlan
    notes : list of str

    Raises
    ------
    SchemaError
        If all errors of a quantity are missing, zero or negative and no floor is configured.
    """
    plans, notes = [], []
    seen = _scan(reader, found, sources)
    for quantity in QUANTITIES:
        name = f"{quantity}_error"
        floor = configured.get(name)
        default = floors.get(name)
        tally = seen.get(quantity)
        constant = tally.constant if tally else None
        unit = SPECTRA[name].unit.replace(" ", "")
        if tally and tally.useless and floor is None and default is None:
            raise tally.error(reader, found[name], quantity)
        if constant is not None:
            notes.append(
                f"{title}: {found[name]} is {constant:g} {unit} in all {tally.positive if tally else 0:,} rows: "
                "a floor, not a measured error"
            )
        has_column = name in found or (name in sources and sources[name].value is not None)
        if quantity in found or quantity in sources:
            if floor is not None:
                notes.append(f"{title}: {name} is at least {floor:g} {unit} (configuration)")
            elif default is not None and (constant is not None or not has_column or (tally and tally.useless)):
                notes.append(f"{title}: {name} {default.value:g} {unit} assumed: {default.reason}")
        assumed = name in sources and sources[name].value is not None
        if assumed:
            notes.append(f"{title}: {name} {sources[name].value} assumed for every star (configuration)")
        value = floor if floor is not None else default.value if default else None
        plans.append(ErrorPlan(quantity, constant, value, floor is not None, assumed))
    return plans, notes


@dataclass
class _Tally:
    """What was seen of one error column; ``values`` holds at most two different positive errors."""

    values: set[float]
    positive: int = 0
    not_positive: int = 0
    absent: int = 0

    @property
    def constant(self) -> float | None:
        return next(iter(self.values)) if len(self.values) == 1 and self.positive >= CONSTANT_ROWS else None

    @property
    def useless(self) -> bool:
        return not self.values and self.not_positive + self.absent > 0

    def error(self, reader: TableReader, column: str, quantity: str) -> SchemaError:
        what = "zero or negative" if self.not_positive else "missing"
        return SchemaError(
            f"column {column!r}: the errors are {what} in all {self.not_positive + self.absent:,} rows with a value",
            where=reader.path,
            expected=f"positive errors of {quantity}",
            hint=f"give [survey] {quantity}_error_floor"
            if quantity in {"rv", "feh"}
            else "use the table adapter without this column",
        )


def _scan(reader: TableReader, found: Mapping[str, str], sources: Mapping[str, Source]) -> dict[str, _Tally]:
    pairs = [q for q in QUANTITIES if q in found and f"{q}_error" in found]
    tallies = {q: _Tally(set()) for q in pairs}
    factors = {q: error_factor(reader, found, sources, f"{q}_error") for q in pairs}
    names = sorted({found[t] for q in pairs for t in (q, f"{q}_error")})
    rows = 0
    for batch in reader.batches(names, _SCAN_ROWS) if pairs else ():
        for quantity in pairs:
            _count(tallies[quantity], quantity, batch, reader, found, sources, factors[quantity], rows + 1)
        rows += batch.height
        if all(len(tally.values) > 1 for tally in tallies.values()):
            break
    return tallies


def _count(
    tally: _Tally,
    quantity: str,
    batch: pl.DataFrame,
    reader: TableReader,
    found: Mapping[str, str],
    sources: Mapping[str, Source],
    factor: float,
    first: int,
) -> None:
    if len(tally.values) > 1:
        return
    name = f"{quantity}_error"
    values = to_float(batch[found[quantity]], Place(reader.path, found[quantity], first), sources[quantity].missing)
    errors = to_float(batch[found[name]], Place(reader.path, found[name], first), sources[name].missing)
    errors = errors.filter(values.is_not_null())
    positive = errors.filter((errors > 0).fill_null(False))
    tally.absent += errors.null_count()
    tally.not_positive += len(errors) - errors.null_count() - len(positive)
    tally.positive += len(positive)
    tally.values.update(float(v) * factor for v in positive.unique().head(2))


def error_factor(reader: TableReader, found: Mapping[str, str], sources: Mapping[str, Source], target: str) -> float:
    """Factor from the file's unit to the schema's for one quantity (the source's unit if it is forced or the only)."""
    unit = unit_of(reader, found.get(target), sources[target], SPECTRA[target])
    return unit_factor(unit, SPECTRA[target], Place(reader.path, found[target]))


def apply_errors(frame: pl.DataFrame, plans: list[ErrorPlan]) -> pl.DataFrame:
    """Apply the plans to one batch: errors replaced, ``error_note`` completed, ``_bad_rv_error`` added."""
    notes = [pl.col("error_note")]
    columns = []
    bad = pl.lit(False)
    for plan in plans:
        name = f"{plan.quantity}_error"
        value, error = pl.col(plan.quantity), pl.col(name)
        label: pl.Expr = pl.lit(None, dtype=pl.String)
        result: pl.Expr = pl.when(value.is_not_null() & (error > 0)).then(error)
        wrong = value.is_not_null() & (error <= 0).fill_null(False)
        if plan.floor is not None:
            low = value.is_not_null() & (error >= 0)
            low &= error.is_not_null() & (
                (error < plan.floor) if plan.configured else pl.lit(plan.constant is not None)
            )
            absent = value.is_not_null() & error.is_null()
            raised = pl.max_horizontal(error, pl.lit(plan.floor))
            result = pl.when(low).then(raised).when(absent).then(plan.floor).otherwise(result)
            label = pl.when(low).then(pl.lit(f"{name}: floor")).when(absent).then(pl.lit(f"{name}: assumed"))
            if plan.assumed:
                label = label.when(value.is_not_null()).then(pl.lit(f"{name}: assumed"))
            wrong &= ~low
        elif plan.assumed:
            label = pl.when(value.is_not_null()).then(pl.lit(f"{name}: assumed"))
        elif plan.constant is not None:
            label = pl.when(value.is_not_null() & error.is_not_null()).then(pl.lit(f"{name}: constant"))
        if plan.quantity == "rv":
            bad = wrong
        else:
            label = pl.when(wrong).then(pl.lit(f"{name}: not positive")).otherwise(label)
        columns.append(result.alias(name))
        notes.append(label)
    note = pl.concat_str(notes, separator="; ", ignore_nulls=True)
    return frame.with_columns(
        *columns, pl.when(note != "").then(note).alias("error_note"), bad.fill_null(False).alias("_bad_rv_error")
    )
