"""A cluster under any of its names.

Alias tables are merged into objects. A name that two objects claim is never decided by chance: it is reported as a
clash and answers to no query until the tables are corrected.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..datasets import record
from ..errors import DatasetError
from .aliases import ALIAS_DATASET, AliasTable, Clash, proper_names, read_aliases
from .canonical import canonical, split_names
from .errors import NameResolutionError


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
