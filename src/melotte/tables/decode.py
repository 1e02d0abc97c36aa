"""Values of a file column -> values of a schema column: type, unit, missing.

Sentinels become null here and nowhere else in the package.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import polars as pl

from ..core.constants import SPEED_OF_LIGHT_KMS
from ..errors import SchemaError
from ..schema import Column

#: Numbers that archives write for "no value"; exact to two decimals, so that float32 copies are caught too.
#: LAMOST: -9999, -999; APOGEE: -9999.99, 999999; SkyServer copies: the smallest integers.
SENTINELS = (-9999.99, -9999.0, -999.99, -999.0, 999999.0, -32768.0, -2147483648.0)
#: The unit of a velocity given as z: v = c z, as surveys define their redshift.
REDSHIFT = "redshift"
_TEXT_SENTINELS = ("", "nan", "null", "none", "n/a", "na", "--", "-9999", "-999")
_WITH_UNIT = re.compile(r"\s*([+-]?[\d.]+(?:[eE][+-]?\d+)?)\s+(\S.*?)\s*")
_SMALLEST_INT64 = -9.2e18
_IDENTIFIER = r"^(?:Gaia\s*E?DR\d\s+)?(\d+)(?:\.0*)?$"
_SCIENTIFIC = r"^[+-]?\d+(?:\.\d*)?[eE][+-]?\d+$"
_SEXAGESIMAL = (
    r"^(?P<sign>[+\-\x{2212}]?)\s*(?P<whole>\d+)\s*(?P<mark>[:hd\x{b0}\s])\s*(?P<minutes>\d+)\s*[:m'\x{2032}\s]"
    r"\s*(?P<seconds>\d+(?:\.\d*)?)\s*[s\"\x{2033}]?$"
)
#: Units as files spell them, in lower case, and as astropy does.
_SPELLINGS = {
    "degrees": "deg",
    "radian": "rad",
    "radians": "rad",
    "hours": "hourangle",
    "hour": "hourangle",
    "hr": "hourangle",
    "h": "hourangle",
    "arcseconds": "arcsec",
    "milliarcseconds": "mas",
    "kms": "km/s",
    "kms-1": "km/s",
    "kelvin": "K",
    "magnitude": "mag",
    "magnitudes": "mag",
    "days": "d",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a column of a batch comes from, for messages: file, column name there, number of its first row."""

    path: Path
    column: str
    first_row: int = 1

    def error(self, row: int | None, found: str, expected: str, hint: str | None = None) -> SchemaError:
        """The error for one row (counted from 0 in the batch) of this column."""
        where = f"row {self.first_row + row}, " if row is not None else ""
        return SchemaError(f"{where}column {self.column!r}: {found}", where=self.path, expected=expected, hint=hint)


def unit_factor(file_unit: str, column: Column, place: Place) -> float:
    """Factor from the unit in the file to the unit of the schema.

    Parameters
    ----------
    file_unit : str
        As written in the file; empty if the file gives none (then the schema's unit is taken).
    column : Column
        The schema column.
    place : Place
        For the message.

    Returns
    -------
    float

    Raises
    ------
    SchemaError
        If the unit cannot be read or has another dimension.

    Notes
    -----
    A logarithmic column (``dex``) accepts no unit, ``dex``, and the customary spellings of the logarithm of a
    physical unit (``log(cm.s**-2)``, ``[cm/s2]``): all are the same number.
    """
    text = file_unit.strip()
    if not text or text == column.unit or not column.dtype.startswith("float"):
        return 1.0
    if text.lower() == REDSHIFT and column.unit == "km / s":
        return SPEED_OF_LIGHT_KMS
    from astropy import units as u

    hint = 'correct the file, or read it with adapter = "table" and give the unit in the column map'
    if column.unit == "dex" and (text.startswith(("[", "log", "dex(")) or text in {"Sun", "dex", "---", "-"}):
        return 1.0
    unit = None
    for spelling, form in product(_spellings(text, column), ("generic", "fits", "cds", "vounit")):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                unit = u.Unit(spelling, format=form)
            break
        except (ValueError, TypeError):
            continue
    if unit is None:
        raise place.error(None, f"the unit {text!r} cannot be read", f"a unit like {column.unit}", hint)
    if column.unit == "dex" and unit == u.dimensionless_unscaled:
        return 1.0
    try:
        return float(unit.to(u.Unit(column.unit)))
    except (u.UnitConversionError, u.UnitTypeError, TypeError) as error:
        raise place.error(None, f"the unit is {text!r}", f"a unit like {column.unit}", hint) from error


def _spellings(text: str, column: Column) -> list[str]:
    """A unit as the file writes it, and what it may mean: ``Angle[deg]``, ``DEGREES``, ``KM/S``."""
    inner = re.fullmatch(r"[A-Za-z]\w*\[(.+)\]", text)
    bare = inner[1] if inner else text
    known = _SPELLINGS.get(bare.lower())
    if known == "hourangle" and column.unit != "deg":
        known = None  # of time, not of arc
    return [known] if known else [bare, bare.lower()]


def decode(
    series: pl.Series, column: Column, place: Place, *, unit: str = "", missing: Sequence[float | str] = ()
) -> pl.Series:
    """Values of the file as those of a schema column, in its type and unit.

    Parameters
    ----------
    series : polars.Series
        As read.
    column : Column
        The schema column.
    place : Place
        For messages.
    unit : str
        Unit of the values; empty: that of the schema.
    missing : sequence
        Values that mean "no value" here.

    Raises
    ------
    SchemaError
        If a value or the unit is not what it must be.
    """
    if column.dtype == "string":
        return to_text(series, place, missing)
    if column.dtype == "int32":
        return to_count(series, place, missing)
    if column.dtype == "int64":
        named, wanted = release_named(series), column.name.rpartition("_")[2].upper()
        if named and wanted.startswith("DR") and named != wanted:
            raise place.error(
                None,
                f"holds designations of Gaia {named}",
                f"those of Gaia {wanted}",
                "map the column to the id of its release",
            )
        return to_int(series, place, missing)
    if "constant" in place.column and series.dtype == pl.String and len(series):
        match = _WITH_UNIT.fullmatch(series[0])
        if match:
            series, unit = constant(float(match[1]), len(series)), match[2]
    if column.name in ("ra", "dec") and series.dtype == pl.String and not _are_numbers(series):
        in_degrees = column.name == "dec" or _spellings(unit.strip(), column)[0] in ("deg", "degree")
        return to_float(to_angle(series, place, hours=not in_degrees, missing=missing), place, missing)
    factor = unit_factor(unit, column, place)
    values = to_float(series, place, missing)
    return values if factor == 1.0 else values * factor


def _are_numbers(series: pl.Series) -> bool:
    """Whether text may hold numbers or words for "no value" only, and no sexagesimal angle."""
    return not series.str.contains(r"\d\s*[:hd\x{b0}\s]\s*\d").any()


def constant(value: float | int | str | None, height: int) -> pl.Series:
    """A column of one value."""
    return pl.Series([value] * height) if height else pl.Series([], dtype=pl.String)


def to_float(series: pl.Series, place: Place, missing: Sequence[float | str] = ()) -> pl.Series:
    """A column as Float64; sentinels, NaN, infinities and ``missing`` become null.

    Raises
    ------
    SchemaError
        Naming the first row whose text is not a number.
    """
    series = _simple(series, place, "numbers")
    if series.dtype == pl.Boolean:
        raise place.error(None, "holds true/false", "numbers")
    numbers = (
        _numbers(series, pl.Float64, place, missing, "a number")
        if series.dtype == pl.String
        else series.cast(pl.Float64)
    )
    return without_sentinels(numbers, [float(v) for v in missing if not isinstance(v, str)]).alias(series.name)


def without_sentinels(numbers: pl.Series, missing: Sequence[float] = ()) -> pl.Series:
    """The numbers, with those that stand for "no value" null."""
    value = pl.col("v")
    decimal = value.cast(pl.Float64)
    words = [*SENTINELS, *(round(v, 2) for v in missing)]
    valid = decimal.is_finite() & ~decimal.round(2).is_in(words) & (decimal > _SMALLEST_INT64)
    return pl.DataFrame({"v": numbers}).select(pl.when(valid).then(value)).to_series().alias(numbers.name)


def to_int(series: pl.Series, place: Place, missing: Sequence[float | str] = ()) -> pl.Series:
    """A column as Int64, digit by digit; zero, negative numbers and ``missing`` become null.

    Raises
    ------
    SchemaError
        If the column holds floating-point numbers (an id read as one has lost digits) or text.
    """
    series = _simple(series, place, "64-bit integers")
    if series.dtype.is_float() or series.dtype == pl.Boolean:
        if series.null_count() == len(series):
            return pl.Series(series.name, [None] * len(series), dtype=pl.Int64)
        raise place.error(
            None,
            f"holds {series.dtype} numbers",
            "64-bit integers; an id read as a float has already lost digits",
            "write the file again with an integer or text type for this column",
        )
    if series.dtype == pl.String:
        numbers = _whole_numbers(series, place, missing)
    else:
        numbers = series.cast(pl.Int64, strict=False)
        _all_converted(series, numbers, place, "a number that fits 64 bits")
    extra = [int(v) for v in missing if not isinstance(v, str)]
    frame = pl.DataFrame({"v": numbers})
    kept = frame.select(pl.when((pl.col("v") > 0) & ~pl.col("v").is_in(extra)).then(pl.col("v")))
    return kept.to_series().alias(series.name)


def _whole_numbers(series: pl.Series, place: Place, missing: Sequence[float | str]) -> pl.Series:
    """Identifiers from text: digits, ``Gaia DR3 4242`` (a designation), ``4242.0`` (written by pandas)."""
    numbers = series.str.strip_chars().cast(pl.Int64, strict=False)
    if numbers.null_count() == series.null_count():
        return numbers
    words = [m for m in missing if isinstance(m, str)]
    text = _blank(series, words)
    numbers = text.str.extract(_IDENTIFIER, 1).cast(pl.Int64, strict=False)
    lost = text.is_not_null() & numbers.is_null() & text.str.contains(_SCIENTIFIC)
    if lost.any():
        row = int(lost.arg_true()[0])
        raise place.error(
            row,
            f"{str(text[row])[:60]!r} is an identifier in scientific notation: its last digits are lost",
            "all digits of the identifier",
            "write the file again with an integer or text type for this column",
        )
    _all_converted(text, numbers, place, "a whole number without a decimal point or exponent")
    return numbers


def release_named(series: pl.Series) -> str:
    """The Gaia release that the designations of a column name (``DR2``, ``DR3``); empty if they are plain numbers."""
    if series.dtype != pl.String:
        return ""
    named = series.str.extract(r"^\s*Gaia\s*E?(DR\d)\b", 1).drop_nulls().unique().sort()
    return ", ".join(named.to_list())


def to_angle(series: pl.Series, place: Place, *, hours: bool, missing: Sequence[float | str] = ()) -> pl.Series:
    """Sexagesimal text as degrees: ``08:50:13.2``, ``8 50 13.2``, ``08h50m13.2s``, ``+11d48m51s``.

    Parameters
    ----------
    series : polars.Series
        Text; numbers among it are degrees.
    place : Place
        For messages.
    hours : bool
        Whether the first part counts hours (a right ascension), unless a ``d`` follows it.
    missing : sequence
        Values that mean "no value" here.

    Raises
    ------
    SchemaError
        If a cell is neither, or minutes or seconds are not below 60.
    """
    text = _blank(series, [m for m in missing if isinstance(m, str)])
    plain = text.cast(pl.Float64, strict=False)
    parts = pl.DataFrame({"v": text}).select(pl.col("v").str.extract_groups(_SEXAGESIMAL)).unnest("v")
    first, minutes, seconds = (parts[n].cast(pl.Float64, strict=False) for n in ("whole", "minutes", "seconds"))
    lost = text.is_not_null() & plain.is_null() & first.is_null()
    _all_converted(text.set(~lost, None), pl.Series([None] * len(text), dtype=pl.Float64), place, "an angle")
    wrong = (minutes >= 60) | (seconds >= 60) | ((first >= 24) & hours & (parts["mark"] != "d").fill_null(True))
    if wrong.any():
        row = int(wrong.fill_null(False).arg_true()[0])
        limits = "hours below 24, minutes and seconds below 60" if hours else "minutes and seconds below 60"
        raise place.error(row, f"{text[row]!r} is not an angle", limits)
    value = first + minutes / 60 + seconds / 3600
    if hours:
        value = value * pl.select(pl.when(parts["mark"] == "d").then(1.0).otherwise(15.0)).to_series()
    value = value * pl.select(pl.when(parts["sign"].is_in(["-", "\u2212"])).then(-1.0).otherwise(1.0)).to_series()
    return pl.select(pl.coalesce(plain, value)).to_series().alias(series.name)


def to_count(series: pl.Series, place: Place, missing: Sequence[float | str] = ()) -> pl.Series:
    """A column of small counts as Int32; ``21.0``, as pandas writes integers beside missing ones, is a count.

    Raises
    ------
    SchemaError
        If a value is no number or not whole.
    """
    numbers = to_float(series, place, missing)
    uneven = (numbers != numbers.round()) | (numbers.abs() > 2**31 - 1)
    if uneven.any():
        row = int(uneven.fill_null(False).arg_true()[0])
        raise place.error(row, f"{numbers[row]} is not a count", "a whole number")
    frame = pl.DataFrame({"v": numbers.cast(pl.Int32)})
    return frame.select(pl.when(pl.col("v") > 0).then(pl.col("v"))).to_series().alias(series.name)


def to_text(series: pl.Series, place: Place, missing: Sequence[float | str] = ()) -> pl.Series:
    """A column as text without surrounding blanks; blank and the customary words for "no value" become null."""
    series = _simple(series, place, "text")
    if series.dtype.is_float():
        whole = series.cast(pl.Int64, strict=False)
        if not (whole.cast(pl.Float64) == series).fill_null(True).all():
            raise place.error(None, "holds floating-point numbers", "names or whole numbers")
        series = whole
    return _blank(series.cast(pl.String), missing)


def _simple(series: pl.Series, place: Place, expected: str) -> pl.Series:
    """The column as numbers, truth values or text; dictionary-encoded text (Parquet) is spelled out."""
    dtype = series.dtype
    if dtype == pl.Null or isinstance(dtype, pl.Categorical | pl.Enum):
        return series.cast(pl.String)
    if isinstance(dtype, pl.Decimal):
        return series.cast(pl.String)
    if not (dtype.is_numeric() or dtype in (pl.String, pl.Boolean)):
        raise place.error(None, f"holds {dtype}", expected)
    return series


def _numbers(
    series: pl.Series, dtype: type[pl.DataType], place: Place, missing: Sequence[float | str], expected: str
) -> pl.Series:
    """Text as numbers. Only the cells that are none are compared with the words for "no value": most cells are."""
    words = [m for m in missing if isinstance(m, str)]
    if words:
        series = _blank(series, words)
    numbers = series.str.strip_chars().cast(dtype, strict=False)
    if numbers.null_count() > series.null_count():
        _all_converted(_blank(series, words), numbers, place, expected)
    return numbers


def _blank(series: pl.Series, missing: Sequence[float | str]) -> pl.Series:
    words = [*_TEXT_SENTINELS, *(m.lower() for m in missing if isinstance(m, str))]
    stripped = pl.col("v").str.strip_chars()
    kept = pl.DataFrame({"v": series}).select(pl.when(~stripped.str.to_lowercase().is_in(words)).then(stripped))
    return kept.to_series().alias(series.name)


def _all_converted(before: pl.Series, after: pl.Series, place: Place, expected: str) -> None:
    lost = before.is_not_null() & after.is_null()
    if lost.any():
        row = int(lost.arg_true()[0])
        raise place.error(
            row,
            f"{str(before[row])[:60]!r} is not {expected}",
            expected,
            "correct the cell; if it stands for a missing value, leave it empty",
        )
