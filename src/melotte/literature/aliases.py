"""Tables of names that stand for one object."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from ..datasets import locate
from ..errors import DatasetError
from ..tables.decode import Place, to_text
from ..tables.reader import open_table

ALIAS_DATASET = "ucc_all_names"


@dataclass(frozen=True)
class AliasTable:
    """Names that stand for one object, row by row.

    Attributes
    ----------
    name : str
        Of the table, for reports.
    rows : tuple of tuple of str
        The names of one object; the first is the one it is shown under.
    """

    name: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Clash:
    """Names that cannot be trusted.

    Attributes
    ----------
    kind : str
        ``alias of two objects``: a name that rows of a table give to different objects, or that joins objects another
        table keeps apart; ``listed twice``: a table has the same object in two rows.
    alias : str
        The name.
    objects : tuple of str
        The objects it would stand for.
    table : str
        The table at fault.
    rows : tuple of int
        Its rows, from 1.
    """

    kind: str
    alias: str
    objects: tuple[str, ...]
    table: str
    rows: tuple[int, ...]


@cache
def proper_names() -> AliasTable:
    """Messier numbers and proper names (Praesepe, Pleiades, ...), shipped with the package."""
    text = (resources.files(__package__) / "data" / "proper_names.toml").read_text(encoding="utf-8")
    return AliasTable("proper names", tuple(tuple(row) for row in tomllib.loads(text)["clusters"]))


def read_aliases(name_or_path: str | Path = ALIAS_DATASET, *, data_dir: Path | None = None) -> AliasTable:
    """Read an alias table with a column ``Names`` of names separated by semicolons.

    Raises
    ------
    DatasetError, ReadError, SchemaError
        If the file is missing or damaged.
    """
    path = locate(name_or_path, data_dir=data_dir)
    reader = open_table(path)
    rows: list[tuple[str, ...]] = []
    column = next((n for n in ("Names", "names") if n in reader.columns), None)
    if column is None:
        raise DatasetError("there is no column with names", where=path, expected="Names, separated by semicolons")
    for batch in reader.batches([column], 100_000):
        for cell in to_text(batch[column], Place(path, column, len(rows) + 1)):
            names = (part.strip() for part in (cell or "").split(";"))
            rows.append(tuple(name for name in names if name))
    return AliasTable(str(name_or_path), tuple(rows))
