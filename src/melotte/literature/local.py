"""The clusters of one catalogue, found under any name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

from .canonical import canonical, split_names
from .errors import NameResolutionError
from .names import Resolver, near_names, safe_key


class LocalNames:
    """The clusters of one catalogue, found under any name.

    Parameters
    ----------
    names : iterable of str
        Cluster names as the catalogue writes them.
    resolver : Resolver or callable
        Knows the aliases; a callable is asked for it only when the spelling alone does not answer.
    title : str
        What the catalogue is called in messages.
    """

    def __init__(
        self, names: Iterable[str], resolver: Resolver | Callable[[], Resolver], *, title: str = "this catalogue"
    ) -> None:
        self._names = list(names)
        self._given, self._title = resolver, title
        self._spelled: dict[str, list[str]] = {}
        for name in self._names:
            for key in _keys(name):
                self._spelled.setdefault(key, []).append(name)

    @cached_property
    def _resolver(self) -> Resolver:
        return self._given if isinstance(self._given, Resolver) else self._given()

    @cached_property
    def _by_key(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self._names:
            found.setdefault(safe_key(self._resolver, name), []).append(name)
        return found

    @property
    def listed_twice(self) -> list[tuple[str, ...]]:
        """Names of the catalogue that stand for one object."""
        return [tuple(names) for names in self._by_key.values() if len(names) > 1]

    def __contains__(self, query: object) -> bool:
        if not isinstance(query, str):
            return False
        try:
            self.find(query)
        except NameResolutionError:
            return False
        return True

    def spelled(self, query: str) -> tuple[str, ...]:
        """The catalogue's names that are ``query`` in another spelling, or one name of a pair."""
        found = tuple(dict.fromkeys(name for key in _keys(query) for name in self._spelled.get(key, ())))
        if len(found) > 1:  # perhaps told apart by leading zeros: LP 05, LP 5
            written = canonical(query, keep_zeros=True)
            alike = tuple(name for name in found if canonical(name, keep_zeros=True) == written)
            return alike if len(alike) == 1 else found
        return found

    def aliased(self, query: str) -> tuple[str, ...]:
        """The catalogue's names of the object that the resolver knows as ``query``.

        Raises
        ------
        NameResolutionError
            If the name stands for several objects.
        """
        known = self._resolver.find(query)
        return tuple(self._by_key.get(known.key, ())) if known else ()

    def near(self, query: str, *, n: int = 3) -> tuple[str, ...]:
        """Names of the catalogue that are spelled alike, nearest first."""
        return near_names(canonical(query), {key: names[0] for key, names in self._spelled.items()}, n=n)

    def find(self, query: str) -> str:
        """The catalogue's own name of the cluster called ``query``.

        Raises
        ------
        NameResolutionError
            If the catalogue does not have it (the message says whether other catalogues know it) or has it twice.
        """
        if query in self._names:
            return query
        spelled = self.spelled(query)
        if len(spelled) == 1:
            return spelled[0]
        known = self._resolver.find(query)
        here = spelled or self.aliased(query)
        if len(here) == 1:
            return here[0]
        if here:
            found = f"{query!r} is listed {len(here)} times in {self._title}: {', '.join(here)}"
            raise NameResolutionError(found, near=here)
        if known is not None:
            also = ", ".join(known.aliases[:6])
            found = f"{query!r} ({also}) is not among the {len(self._names)} clusters of {self._title}"
            raise NameResolutionError(found)
        raise NameResolutionError(
            f"no cluster {query!r} among the {len(self._names)} of {self._title}", near=self.near(query)
        )


def _keys(name: str) -> list[str]:
    """The canonical forms a cell answers to: its own and those of the names it joins."""
    # With its zeros too: ESO_092_18 run together is eso09218, where the zero looks like a leading one.
    forms = (canonical(part, keep_zeros=zeros) for part in [name, *split_names(name)] for zeros in (False, True))
    return [key for key in dict.fromkeys(forms) if key]
