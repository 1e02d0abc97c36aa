"""The paper's own member table (7,570 stars with flags) as the stars of the reproduction."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import polars as pl
from pydantic import ConfigDict, Field, ValidationError

from .. import datasets
from ..catalogue.catalogue import Catalogue
from ..config import Config, GaiaRelease, Settings, parse
from ..errors import ConfigError, DatasetError, SchemaError
from ..tables.decode import Place, to_count
from ..tables.reader import TableReader, open_table
from .judge import Finding, missing
from .numbers import read

#: Name of the dataset.
DATASET: Final = "fu2022_members"
#: Columns the pipeline needs of a spectrum, and what it can use besides.
_SURVEY: Final = ("ra", "dec", "rv", "rv_error", "teff", "logg", "feh", "feh_error")
_MORE: Final = ("snr", "teff_error", "logg_error")

Names = Annotated[tuple[str, ...], Field(min_length=1)]


class MemberMap(Settings):
    """What the member table must be.

    Attributes
    ----------
    rows, clusters : int
        Rows and clusters of the published table.
    gaia_release : str
        Of the source ids.
    columns : mapping
        Column here -> possible names in the file, the likelier first. All must be there.
    optional : mapping
        The same for columns that may be missing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: Annotated[int, Field(gt=0)]
    clusters: Annotated[int, Field(gt=0)]
    gaia_release: GaiaRelease
    columns: dict[str, Names]
    optional: dict[str, Names] = Field(default_factory=dict)


def member_map(path: Path | None = None) -> MemberMap:
    """The columns of the member table: those of ``path``, or the guesses of the package.

    Raises
    ------
    ConfigError
        If the file is not TOML, or lacks a column or names one that is not used.
    """
    try:
        content = read("members") if path is None else tomllib.loads(path.read_text(encoding="utf-8"))
        found = MemberMap.model_validate(content)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigError(f"not a map of the member table: {error}", where=path, expected=_FORM) from error
    guesses = MemberMap.model_validate(read("members"))
    wrong = set(guesses.columns) ^ set(found.columns) | set(found.optional) - set(guesses.optional)
    if wrong:
        raise ConfigError(f"[columns]: missing or unknown: {', '.join(sorted(wrong))}", where=path, expected=_FORM)
    return found


_FORM: Final = "rows, clusters, gaia_release, [columns] and [optional] as in melotte/reproduce/data/members.toml"


@dataclass(frozen=True)
class MemberTable:
    """A member table that is what it must be.

    Attributes
    ----------
    path : pathlib.Path
    columns : mapping
        Column here -> name in the file.
    map : MemberMap
        What it was held against.
    """

    path: Path
    columns: Mapping[str, str]
    map: MemberMap


def open_members(file: str | Path, *, columns: Path | None = None, data_dir: Path | None = None) -> MemberTable:
    """Check the member table: columns, rows, clusters, flags.

    Parameters
    ----------
    file : str or path
        The table, or the name of its dataset.
    columns : path, optional
        Another map of its columns.
    data_dir : path, optional
        Local mirror.

    Raises
    ------
    DatasetError
        If the file is not there.
    SchemaError
        If it is not the published table; the message lists the columns found.
    """
    wanted = member_map(columns)
    path = datasets.locate(file, data_dir=data_dir)
    reader = open_table(path)
    found = _resolve(reader, wanted)
    batches = list(reader.batches([found["cluster"], found["flag"]], 1_000_000))
    if not batches:
        raise SchemaError("the table has no rows", where=path, expected=f"{wanted.rows:,} rows")
    raw = pl.concat(batches)
    flags = _flags(raw[found["flag"]], path, found["flag"])
    clusters = raw[found["cluster"]].n_unique()
    strange = sorted(set(flags.drop_nulls().to_list()) - {0, 1, 12})
    problems = []
    if raw.height != wanted.rows:
        problems.append(f"{raw.height:,} rows instead of {wanted.rows:,}")
    if clusters != wanted.clusters:
        problems.append(f"{clusters} clusters instead of {wanted.clusters}")
    if strange or flags.null_count():
        problems.append(f"flags {strange or 'missing'} in {found['flag']!r}, 0, 1 and 12 expected")
    if problems:
        raise SchemaError(
            f"not the member table of Fu et al. 2022: {'; '.join(problems)}",
            where=path,
            expected=f"{wanted.rows:,} stars of {wanted.clusters} clusters with flags 0, 1 and 12",
            hint=f"the file has the columns: {', '.join(reader.columns)}",
        )
    return MemberTable(path, found, wanted)


def _resolve(reader: TableReader, wanted: MemberMap) -> dict[str, str]:
    there = {name.lower(): name for name in reversed(list(reader.columns))}
    found: dict[str, str] = {}
    absent: list[str] = []
    for target, names in {**wanted.columns, **wanted.optional}.items():
        match = next((there[n.lower()] for n in names if n.lower() in there), None)
        if match is not None:
            found[target] = match
        elif target in wanted.columns:
            absent.append(f"{target} ({' or '.join(names)})")
    if absent:
        raise SchemaError(
            f"no column for {', '.join(absent)}; the file has: {', '.join(reader.columns)}",
            where=reader.path,
            expected="the member table of Fu et al. 2022; its column names are guesses, see docs/reproduce.md",
            hint="name the columns in a file given as --member-columns",
        )
    return found


def _flags(series: pl.Series, path: Path, name: str) -> pl.Series:
    """Flags: whole numbers, of which 0 is one."""
    zero = series.cast(pl.String).str.strip_chars().is_in(["0", "0.0"])
    counts = to_count(series, Place(path, name))
    return pl.select(pl.when(zero).then(0).otherwise(counts).cast(pl.Int32)).to_series()


def member_config(table: MemberTable, seed: int) -> Config:
    """The run on the member table: stars and membership list are the same file and meet by their ids."""
    columns: dict[str, Any] = {name: table.columns[name] for name in (*_SURVEY, *_MORE) if name in table.columns}
    release = table.map.gaia_release
    identity = f"source_id_{release.lower()}"
    return parse(
        {
            "survey": {
                "adapter": "table",
                "file": str(table.path),
                "name": "LAMOST DR8",
                "columns": columns | {identity: table.columns["source_id"], "spectrum_id": table.columns["source_id"]},
            },
            "members": {
                "catalogue": "table",
                "file": str(table.path),
                "gaia_release": release,
                "columns": {n: table.columns[n] for n in ("cluster", "source_id", "ra", "dec")},
            },
            "clusters": {"catalogue": "cantat2020"},
            "zero_point": {"reference": {"adapter": "gaia_rvs", "file": "gaia_dr3_rv_tarricq2022", "name": "Gaia DR3"}},
            "run": {"seed": seed},
        },
        where="the member table of the reproduction",
    )


def findings(run: Catalogue) -> list[Finding]:
    """Numbers of Section 2 that need all stars."""
    stars = run.members.unique("source_id", keep="first", maintain_order=True)
    basis = "the paper's member table"
    found = [
        Finding("feh_error.mean", _mean(stars["feh_error"]), basis),
        Finding("rv_error.median", _median(stars["rv_error"]), basis),
        Finding("rv_error.sd", _sd(stars["rv_error"]), basis),
    ]
    if stars["snr"].null_count() == stars.height:
        return [*found, *(missing(k, "the member table gives no S/N") for k in ("snr.mean", "snr.30"))]
    snr = stars["snr"].drop_nulls()
    return [
        *found,
        Finding("snr.mean", _mean(snr), basis),
        Finding("snr.30", 100.0 * float((snr > 30).sum()) / len(snr), basis),
    ]


def flag_notes(table: MemberTable, run: Catalogue) -> list[str]:
    """How the flags found here compare with the published ones, in words."""
    names = [table.columns[n] for n in ("cluster", "source_id", "flag")]
    raw = pl.concat(list(open_table(table.path).batches(names, 1_000_000)))
    theirs = pl.DataFrame(
        {
            "cluster": raw[names[0]].cast(pl.String).str.strip_chars(),
            "source_id": raw[names[1]].cast(pl.String).str.strip_chars().cast(pl.Int64),
            "published": _flags(raw[names[2]], table.path, names[2]),
        }
    )
    both = theirs.join(run.members.select("cluster", "source_id", ours="flag"), on=["cluster", "source_id"])
    same = both.filter(pl.col("published") == pl.col("ours")).height
    counts = both.filter(pl.col("published") != pl.col("ours")).group_by("published", "ours").len()
    changes = ", ".join(f"{n} from {a} to {b}" for a, b, n in counts.sort("published", "ours").iter_rows())
    return [f"flags: {same:,} of {both.height:,} stars have the published one" + (f"; {changes}" if changes else "")]


def _mean(values: pl.Series) -> float | None:
    array = values.drop_nulls().to_numpy()
    return float(array.mean()) if len(array) else None


def _median(values: pl.Series) -> float | None:
    middle = values.drop_nulls().median()
    return None if middle is None else float(middle)  # type: ignore[arg-type]


def _sd(values: pl.Series) -> float | None:
    array = values.drop_nulls().to_numpy()
    return float(array.std(ddof=1)) if len(array) > 1 else None


def find_members(file: str | Path | None, *, columns: Path | None, data_dir: Path | None) -> MemberTable | None:
    """The member table asked for, or the one of the dataset if it is on this machine; None without either."""
    if file is not None:
        return open_members(file, columns=columns, data_dir=data_dir)
    try:
        datasets.locate(DATASET, data_dir=data_dir)
    except DatasetError:
        return None
    return open_members(DATASET, columns=columns, data_dir=data_dir)
