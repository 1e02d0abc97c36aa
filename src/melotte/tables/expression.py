"""Column expressions: SQL over the columns of a file, and nothing but columns, functions and constants.

``1/SQRT(ivar)``, ``(flag & 8) = 0``, ``rv[1]`` (elements of an array column are counted from 1, as in FITS and SQL),
``fit.teff`` (field of a struct), ``"BP-RP" + 0.1`` (double quotes around names that are no plain words).

The text is taken apart here before `polars.sql_expr` sees it: every word must be a column of the file, a keyword or a
function of the list below, so that no statement, file or aggregate can come in.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ..errors import ConfigError
from .decode import Place, without_sentinels
from .reader import FileColumn, TableReader

FUNCTIONS = frozenset(
    (
        "ABS",
        "ACOS",
        "ASIN",
        "ATAN",
        "ATAN2",
        "CBRT",
        "CEIL",
        "COALESCE",
        "CONCAT",
        "COS",
        "DEGREES",
        "EXP",
        "FLOOR",
        "GREATEST",
        "IF",
        "IFNULL",
        "LEAST",
        "LEFT",
        "LENGTH",
        "LN",
        "LOG",
        "LOG10",
        "LOG2",
        "LOWER",
        "LTRIM",
        "MOD",
        "NULLIF",
        "PI",
        "POW",
        "POWER",
        "RADIANS",
        "REGEXP_LIKE",
        "REPLACE",
        "RIGHT",
        "ROUND",
        "RTRIM",
        "SIGN",
        "SIN",
        "SQRT",
        "STARTS_WITH",
        "ENDS_WITH",
        "STRPOS",
        "SUBSTR",
        "SUBSTRING",
        "TAN",
        "TRIM",
        "UPPER",
        "CAST",
        "TRY_CAST",
    )
)
_KEYWORDS = frozenset(
    (
        "AND",
        "OR",
        "NOT",
        "NULL",
        "IS",
        "IN",
        "BETWEEN",
        "CASE",
        "WHEN",
        "THEN",
        "ELSE",
        "END",
        "LIKE",
        "ILIKE",
        "TRUE",
        "FALSE",
        "XOR",
        "DIV",
    )
)
_TYPES = frozenset(
    (
        "DOUBLE",
        "FLOAT",
        "REAL",
        "INTEGER",
        "INT",
        "BIGINT",
        "SMALLINT",
        "VARCHAR",
        "TEXT",
        "BOOLEAN",
    )
)
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))|(?P<text>'(?:[^']|'')*')"
    r"|(?P<name>[^\W\d]\w*|\"(?:[^\"]|\"\")+\")|(?P<sign><=|>=|<>|!=|==|\|\||//|[-+*/%&|=<>(),.\[\]]))"
)
_SCAN_ROWS = 5_000
_CONVENTION = "elements are counted from 1, as in FITS and SQL: rv[1] is the first"


@dataclass(frozen=True, slots=True)
class _Path:
    """A column of the file, or an element or field of one."""

    column: str
    steps: tuple[int | str, ...] = ()

    def take(self, raw: pl.DataFrame) -> pl.Series:
        series = raw[self.column]
        for step in self.steps:
            if isinstance(step, str):
                series = series.struct.field(step)
            elif isinstance(series.dtype, pl.Array):
                series = series.arr.get(step - 1, null_on_oob=True)
            else:
                series = series.list.get(step - 1, null_on_oob=True)
        return series


@dataclass(frozen=True)
class Expression:
    """An expression over the columns of one file, checked."""

    text: str
    sql: str
    paths: Mapping[str, _Path]

    @property
    def columns(self) -> list[str]:
        """The columns of the file it needs."""
        return list(dict.fromkeys(p.column for p in self.paths.values()))

    @property
    def bare(self) -> _Path | None:
        """The column or element, if the expression is nothing else."""
        (first, *others) = [*self.paths.items(), None]
        return first[1] if first and others == [None] and self.sql.strip() == f'"{first[0]}"' else None


def compile_expression(text: str, columns: Mapping[str, FileColumn], where: Path) -> Expression:
    """Take an expression apart and check every word of it.

    Parameters
    ----------
    text : str
        The expression.
    columns : mapping
        Columns of the file; names are compared exactly first, then without regard to case.
    where : path
        The file, for messages.

    Returns
    -------
    Expression

    Raises
    ------
    ConfigError
        Naming the word that is no column, function or constant, with the columns nearest to it.
    """
    tokens = list(_tokens(text, where))
    out: list[str] = []
    paths: dict[str, _Path] = {}
    position = 0
    while position < len(tokens):
        kind, token = tokens[position]
        following = tokens[position + 1][1] if position + 1 < len(tokens) else ""
        word = token.upper()
        position += 1
        if kind != "name":
            if token in "[]." and kind == "sign":
                raise _wrong(text, f"{token!r} stands alone", where)
            out.append("=" if token == "==" else token)
        elif not token.startswith('"') and following == "(" and word not in _KEYWORDS:
            if word not in FUNCTIONS:
                near = difflib.get_close_matches(word, FUNCTIONS, n=3)
                raise _wrong(
                    text, f"{token!r} is not a function", where, f"one of {', '.join(near or sorted(FUNCTIONS))}"
                )
            out.append(word)
        elif not token.startswith('"') and word == "AS":
            if following.upper() not in _TYPES:
                raise _wrong(text, f"{following!r} is not a type", where, ", ".join(sorted(_TYPES)))
            out.extend((word, following.upper()))
            position += 1
        elif not token.startswith('"') and word in _KEYWORDS:
            out.append(word)
        else:
            path, position = _path(text, tokens, position - 1, columns, where)
            alias = next((a for a, p in paths.items() if p == path), f"c{len(paths)}")
            paths[alias] = path
            out.append(f'"{alias}"')
    sql = " ".join(out)
    try:
        pl.sql_expr(sql)
    except pl.exceptions.PolarsError as error:
        raise _wrong(text, f"cannot be read: {str(error)[:120]}", where) from error
    return Expression(text, sql, paths)


def _tokens(text: str, where: Path) -> Iterator[tuple[str, str]]:
    position = 0
    text = text.rstrip()
    if not text:
        raise _wrong(text, "is empty", where)
    while position < len(text):
        match = _TOKEN.match(text, position)
        comment = re.match(r"\s*(--|/\*)", text[position:])
        if match is None or comment:
            raise _wrong(text, f"{text[position:].strip()[:20]!r} has no place in an expression", where)
        position = match.end()
        kind = str(match.lastgroup)
        yield kind, match[kind]


def _path(
    text: str, tokens: Sequence[tuple[str, str]], position: int, columns: Mapping[str, FileColumn], where: Path
) -> tuple[_Path, int]:
    token = _unquoted(tokens[position][1])
    position += 1
    name = _find(token, columns)
    # A name with a dot may be that of a column itself.
    if name is None and _sign(tokens, position, "."):
        name = _find(f"{token}.{_unquoted(tokens[position + 1][1])}", columns) if len(tokens) > position + 1 else None
        position += 2 if name else 0
    if name is None:
        near = difflib.get_close_matches(token.lower(), [c.lower() for c in columns], n=4, cutoff=0.5)
        close = [c for c in columns if c.lower() in near]
        some = list(columns)[:20]
        raise _wrong(
            text,
            f"there is no column {token!r} in this file",
            where,
            f"columns, functions and constants; near: {', '.join(close)}" if close else f"one of {', '.join(some)}",
        )
    steps: list[int | str] = []
    while position < len(tokens):
        if _sign(tokens, position, "["):
            inside = tokens[position + 1 : position + 3]
            if len(inside) < 2 or not inside[0][1].isdecimal() or inside[1][1] != "]" or int(inside[0][1]) < 1:
                raise _wrong(text, f"[...] after {token!r} holds no whole number from 1 on", where, _CONVENTION)
            size = columns[name].size
            number = int(inside[0][1])
            if not columns[name].array or (size and number > size and not steps):
                has = columns[name].array or "one value a row"
                raise _wrong(text, f"there is no element {number}: {name!r} has {has}", where, _CONVENTION)
            steps.append(number)
            position += 3
        elif _sign(tokens, position, ".") and position + 1 < len(tokens) and tokens[position + 1][0] == "name":
            if not columns[name].array:
                raise _wrong(text, f"{name!r} has no fields", where)
            steps.append(_unquoted(tokens[position + 1][1]))
            position += 2
        else:
            break
    return _Path(name, tuple(steps)), position


def _sign(tokens: Sequence[tuple[str, str]], position: int, sign: str) -> bool:
    return position < len(tokens) and tokens[position] == ("sign", sign)


def _unquoted(token: str) -> str:
    return token[1:-1].replace('""', '"') if token.startswith('"') else token


def _find(name: str, columns: Mapping[str, FileColumn]) -> str | None:
    if name in columns:
        return name
    return next((c for c in columns if c.lower() == name.lower()), None)


def _wrong(
    text: str, found: str, where: Path, expected: str = "SQL over columns, functions and constants"
) -> ConfigError:
    return ConfigError(f"the expression {text!r}: {found}", where=where, expected=expected)


class DerivedReader(TableReader):
    """A table with further columns, each the value of an expression; its name is the text of the expression.

    A condition is a column named ``keep: `` and its text. Words for "no value" and the sentinels of archives are null
    in an expression; a condition sees the numbers of the file (a NaN is null in both).
    """

    def __init__(self, reader: TableReader, expressions: Sequence[str], conditions: Sequence[str]) -> None:
        self._reader = reader
        self.path, self.n_rows = reader.path, reader.n_rows
        self.columns = dict(reader.columns)
        self._derived: dict[str, tuple[Expression, bool]] = {}
        for text in expressions:
            item = compile_expression(text, reader.columns, reader.path)
            source = reader.columns[item.bare.column] if item.bare else FileColumn(text)
            array = source.array if item.bare and not item.bare.steps else ""
            used = [] if item.bare else [reader.columns[name].unit for name in item.columns]
            units = tuple(dict.fromkeys(unit for unit in used if unit))
            self.columns[text] = FileColumn(text, source.unit, array, computed_from=units)
            self._derived[text] = item, True
        for text in conditions:
            name = condition_name(text)
            self.columns[name] = FileColumn(name)
            self._derived[name] = compile_expression(text, reader.columns, reader.path), False
        self._kinds: dict[_Path, str] | None = None

    def batches(self, names: Sequence[str], size: int) -> Iterator[pl.DataFrame]:
        """Yield the named columns, about ``size`` rows at a time."""
        derived = [n for n in names if n in self._derived]
        if not derived:
            yield from self._reader.batches(names, size)
            return
        needed = [n for n in names if n not in derived]
        needed += [c for n in derived for c in self._derived[n][0].columns]
        needed = list(dict.fromkeys(needed)) or [next(n for n, c in self._reader.columns.items() if not c.array)]
        if self._kinds is None:
            self._kinds = self._inferred()
        first = 1
        for raw in self._reader.batches(needed, size):
            yield pl.DataFrame([self._value(n, raw, first) if n in derived else raw[n] for n in names])
            first += raw.height

    def _inferred(self) -> dict[_Path, str]:
        """Which columns of a text file hold numbers, by its first rows: the same for every batch."""
        paths = {p for item, _ in self._derived.values() for p in item.paths.values()}
        if not self._reader.textual or not paths:
            return {}
        names = sorted({p.column for p in paths})
        head = next(iter(self._reader.batches(names, _SCAN_ROWS)), None)
        kinds = {}
        if head is None:
            return {}
        for path in paths:
            values = path.take(head).drop_nulls().str.strip_chars()
            if not len(values):
                kinds[path] = "empty"
            elif values.str.to_lowercase().is_in(["true", "false"]).all():
                kinds[path] = "truth"
            else:
                kinds[path] = "text" if values.cast(pl.Float64, strict=False).null_count() else "number"
        return kinds

    def _value(self, name: str, raw: pl.DataFrame, first: int) -> pl.Series:
        item, is_value = self._derived[name]
        place = Place(self.path, name, first)
        data = {"_row": pl.int_range(raw.height, eager=True)}
        try:
            for alias, path in item.paths.items():
                data[alias] = self._input(path, path.take(raw), Place(self.path, path.column, first), is_value)
            result = pl.DataFrame(data).with_columns(pl.sql_expr(item.sql).alias("_value"))["_value"].alias(name)
        except pl.exceptions.PolarsError as error:
            expected = "numbers where it computes, text where it compares with text in single quotes"
            raise place.error(None, f"cannot be computed: {str(error).splitlines()[0][:160]}", expected) from error
        if isinstance(result.dtype, pl.Decimal):
            result = result.cast(pl.Float64)
        if result.dtype.is_float():
            result = result.set(~result.is_finite().fill_null(False), None)
        if not is_value and result.dtype != pl.Boolean:
            raise place.error(None, f"gives {result.dtype}, not true or false", "a condition such as flag = 0")
        return result

    def _input(self, path: _Path, series: pl.Series, place: Place, is_value: bool) -> pl.Series:
        kind = (self._kinds or {}).get(path, "")
        if isinstance(series.dtype, pl.Categorical | pl.Enum):
            series = series.cast(pl.String)
        if kind == "truth":
            return series.str.strip_chars().str.to_lowercase() == "true"
        if kind in ("number", "empty"):
            series = _as_numbers(series, place, strict=kind == "number")
        elif series.dtype == pl.String:
            series = series.str.strip_chars()
        elif series.dtype.is_integer() and series.dtype != pl.UInt64:
            series = series.cast(pl.Int64)
        elif series.dtype.is_float() or isinstance(series.dtype, pl.Decimal):
            series = series.cast(pl.Float64)
        if series.dtype.is_float():
            series = series.set(~series.is_finite().fill_null(False), None)
        return without_sentinels(series) if is_value and series.dtype.is_numeric() else series


def _as_numbers(series: pl.Series, place: Place, *, strict: bool) -> pl.Series:
    stripped = series.str.strip_chars()
    stripped = stripped.set(stripped == "", None)
    for dtype in (pl.Int64, pl.Float64):
        numbers = stripped.cast(dtype, strict=False)
        if numbers.null_count() == stripped.null_count():
            return numbers
    if not strict:
        return stripped
    row = int((numbers.is_null() & stripped.is_not_null()).arg_true()[0])
    raise place.error(row, f"{stripped[row][:60]!r} is not a number", "numbers, as in the first rows")


def condition_name(text: str) -> str:
    """Name of the column that holds a condition."""
    return f"keep: {text}"


def derived(reader: TableReader, expressions: Sequence[str], conditions: Sequence[str] = ()) -> TableReader:
    """The table with the columns of these expressions and conditions (itself if there are none).

    Raises
    ------
    ConfigError
        If one is not an expression over the columns of the file.
    """
    return DerivedReader(reader, list(dict.fromkeys(expressions)), conditions) if expressions or conditions else reader
