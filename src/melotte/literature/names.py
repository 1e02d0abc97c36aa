"""A cluster under any of its names.

Alias tables are merged into objects. A name that two objects claim is never decided by chance: it is reported as a
clash and answers to no query until the tables are corrected.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

from ..datasets import locate, record
from ..errors import DatasetError
from ..surveys.decode import Place, to_text
from ..surveys.reader import open_table
from .canonical import canonical, split_names
from .errors import NameResolutionError

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


@dataclass(frozen=True)
class Resolved:
    """What a name stands for.

    Attributes
    ----------
    name : str
        Main name of the object.
    key : str
        Canonical form of the main name: equal for every name of the object.
    query : str
        The name asked for.
    aliases : tuple of str
        All names of the object, the main one first.
    source : str
        Where the answer comes from: an alias table, ``spelling`` or the online service.
    """

    name: str
    key: str
    query: str
    aliases: tuple[str, ...]
    source: str


@dataclass
class _Object:
    names: list[str]
    source: str
    keys: set[str] = field(default_factory=set)


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


class Resolver:
    """Finds an object under any of its names.

    Parameters
    ----------
    tables : sequence of AliasTable
        The first one defines the objects; the others add names to them, or objects of their own. A row of a later
        table whose names belong to different objects adds nothing and is a clash.

    Attributes
    ----------
    clashes : tuple of Clash
        What was wrong with the tables.
    tables : tuple of str
        Names of the tables used.
    notes : tuple of str
        What a user must know (for example that no alias table was found).
    """

    def __init__(self, tables: Sequence[AliasTable] = (), *, notes: Sequence[str] = ()) -> None:
        self._objects: list[_Object] = []
        self._index: dict[str, dict[int, list[str]]] = {}
        self._clashes: list[Clash] = []
        self.tables: tuple[str, ...] = tuple(t.name for t in tables)
        self.notes = tuple(notes)
        for number, table in enumerate(tables):
            self._add(table, defines=number == 0)

    @property
    def clashes(self) -> tuple[Clash, ...]:
        """What was wrong with the tables."""
        return tuple(self._clashes)

    def __len__(self) -> int:
        return len(self._objects)

    # -- building ------------------------------------------------------------------------------------------------

    def _add(self, table: AliasTable, *, defines: bool) -> None:
        row_of: dict[int, int] = {}
        for row, names in enumerate(table.rows, 1):
            keys = {canonical(n) for n in names} - {""}
            if not keys:
                continue
            known = set() if defines else {i for k in keys for i in self._index.get(k, ())}
            if len(known) > 1:
                # The row joins objects that another table keeps apart: none of its names is believed.
                objects = tuple(self._objects[i].names[0] for i in sorted(known))
                self._clashes.append(Clash("alias of two objects", names[0], objects, table.name, (row,)))
                continue
            if known:
                number = known.pop()
                if number in row_of:
                    main = self._objects[number].names[0]
                    self._clashes.append(Clash("listed twice", names[0], (main,), table.name, (row_of[number], row)))
                    continue
            else:
                number = len(self._objects)
                self._objects.append(_Object([], table.name))
            row_of[number] = row
            for name in names:
                self._name(number, name)
        if defines:
            self._check(table, row_of)

    def _name(self, number: int, name: str) -> None:
        target, key = self._objects[number], canonical(name)
        if not key:
            return
        if key not in target.keys:
            target.names.append(name)
            target.keys.add(key)
        self._index.setdefault(key, {}).setdefault(number, []).append(name)

    def _check(self, table: AliasTable, row_of: dict[int, int]) -> None:
        """Report the names that two rows of the defining table give."""
        for numbers in self._index.values():
            spelled = [canonical(names[0], keep_zeros=True) for names in numbers.values()]
            if len(set(spelled)) == len(spelled):  # told apart by leading zeros: LP 05, LP 5
                continue
            objects = tuple(self._objects[i].names[0] for i in numbers)
            mains = {canonical(name, keep_zeros=True) for name in objects}
            kind = "listed twice" if len(mains) == 1 else "alias of two objects"
            alias = next(iter(numbers.values()))[0]
            self._clashes.append(Clash(kind, alias, objects, table.name, tuple(row_of[i] for i in numbers)))

    # -- asking --------------------------------------------------------------------------------------------------

    def _numbers(self, name: str) -> set[int]:
        found = self._index.get(canonical(name), {})
        if len(found) > 1:
            spelled = canonical(name, keep_zeros=True)
            exact = {i for i, names in found.items() if spelled in {canonical(n, keep_zeros=True) for n in names}}
            return exact or set(found)
        return set(found)

    def find(self, name: str) -> Resolved | None:
        """The object a name stands for, or None if no object has it.

        Raises
        ------
        NameResolutionError
            If objects that differ claim the name, or the two names of a pair stand for different objects.
        """
        numbers = self._numbers(name)
        parts = [name] if numbers else split_names(name)
        for part in parts if not numbers else ():
            numbers |= self._numbers(part)
        if not numbers:
            return None
        if len(numbers) > 1:
            names = tuple(self._objects[i].names[0] for i in sorted(numbers))
            raise NameResolutionError(
                f"{name!r} stands for {len(names)} objects: {', '.join(names)}",
                near=names,
                hint="use a name only one of them has; the alias table is at fault if they are one cluster",
            )
        found = self._objects[numbers.pop()]
        return Resolved(found.names[0], canonical(found.names[0]), name, tuple(found.names), found.source)

    def resolve(self, name: str) -> Resolved:
        """The object a name stands for.

        Parameters
        ----------
        name : str
            Any name of the object, in any spelling; a pair joined by a comma counts as both names.

        Raises
        ------
        NameResolutionError
            If no object has the name (the message lists near names) or several have it.
        """
        found = self.find(name)
        if found is None:
            raise NameResolutionError(
                f"no cluster is called {name!r} in {', '.join(self.tables) or 'the tables (none was given)'}",
                near=self.near(name),
            )
        return found

    def key(self, name: str) -> str:
        """A key that is equal for two names of one object; of an unknown name, its canonical form."""
        found = self.find(name)
        if found is not None:
            return found.key
        return canonical(split_names(name)[0]) if split_names(name) else canonical(name)

    def near(self, name: str, *, n: int = 3) -> tuple[str, ...]:
        """Names that are spelled alike, nearest first."""
        return near_names(canonical(name), {key: next(iter(f.values()))[0] for key, f in self._index.items()}, n=n)


def near_names(key: str, known: dict[str, str], *, n: int = 3) -> tuple[str, ...]:
    """Names (values of ``known``, by canonical form) that resemble ``key``, nearest first, each once."""
    digits = re.sub(r"\D", "", key)
    # Comparing with every name is slow; a slip rarely changes both the first letter and the number.
    candidates = [k for k in known if abs(len(k) - len(key)) <= 2 and (k[:1] == key[:1] or (digits and digits in k))]
    close = difflib.get_close_matches(key, candidates, n=10 * n, cutoff=0.6)
    same = {k: difflib.SequenceMatcher(None, k, key).ratio() for k in close}
    close.sort(key=lambda k: (-same[k], sorted(k) != sorted(key), -_shared_start(k, key)))
    return tuple(dict.fromkeys(known[k] for k in close))[:n]


def _shared_start(a: str, b: str) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def load_resolver(*, data_dir: Path | None = None, extra: Iterable[AliasTable] = ()) -> Resolver:
    """The resolver with every alias table at hand.

    Parameters
    ----------
    data_dir : path, optional
        Local mirror.
    extra : iterable of AliasTable
        More tables, for example the aliases a cluster catalogue gives.

    Returns
    -------
    Resolver
        Without the alias dataset it knows the proper names and ``extra`` only, and says so in ``notes``.
    """
    try:
        tables = [read_aliases(data_dir=data_dir)]
    except DatasetError as error:
        if _present(data_dir):
            raise
        note = f"names are matched by spelling only: {error.found}"
        return Resolver([proper_names(), *extra], notes=(note,))
    return Resolver([*tables, proper_names(), *extra])


def _present(data_dir: Path | None) -> bool:
    """Whether the alias file is there (and the error was about its content)."""
    from ..datasets import data_dirs

    return any((d / name).is_file() for d in data_dirs(data_dir) for name in record(ALIAS_DATASET).files)


def safe_key(resolver: Resolver, name: str) -> str:
    """`Resolver.key`, or the canonical form of a name that several objects claim."""
    try:
        return resolver.key(name)
    except NameResolutionError:
        return canonical(name)
