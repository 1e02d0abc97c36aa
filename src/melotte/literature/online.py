"""Names through SIMBAD: only when asked for, never by default."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .canonical import canonical, split_names
from .errors import NameResolutionError, NameServiceError
from .local import LocalNames
from .names import Resolved, Resolver

#: Identifiers of an object in the service's spelling; empty if it knows none of that name.
Service = Callable[[str], Iterable[str]]


def simbad_identifiers(name: str) -> list[str]:
    """All identifiers SIMBAD has for an object.

    Raises
    ------
    NameServiceError
        If SIMBAD cannot be reached or its answer cannot be read.
    """
    try:
        from astroquery.simbad import Simbad

        table = Simbad.query_objectids(name)
    except Exception as error:  # astroquery lets through whatever requests and pyvo raise
        raise NameServiceError(
            f"SIMBAD cannot be asked: {type(error).__name__}: {error}",
            hint="check the network, or resolve names offline (the default)",
        ) from error
    if table is None:
        return []
    column = next((c for c in table.colnames if c.lower() == "id"), None)
    if column is None:
        raise NameServiceError(
            "SIMBAD's answer has no column of identifiers", where="SIMBAD", expected=f"id, not {table.colnames}"
        )
    return [str(value) for value in table[column]]


def resolve_online(name: str, resolver: Resolver, *, service: Service = simbad_identifiers) -> Resolved:
    """The object a name stands for: by the tables at hand, or else by the identifiers an online service gives it.

    Parameters
    ----------
    name : str
        Any name.
    resolver : Resolver
        The tables at hand: asked first, and the judge of the service's answer.
    service : callable
        Name -> identifiers.

    Returns
    -------
    Resolved
        With ``source`` "online" if the service was needed. An object that the tables do not have is returned under
        its identifiers.

    Raises
    ------
    NameResolutionError
        If neither knows the name, or the identifiers belong to different objects of the tables.
    NameServiceError
        If the service cannot be asked.
    """
    found = resolver.find(name)
    if found is not None:
        return found
    identifiers = [i for part in split_names(name) or [name] for i in service(part) if canonical(i)]
    if not identifiers:
        raise NameResolutionError(
            f"neither the tables nor the online service know a cluster {name!r}", near=resolver.near(name)
        )
    known = {r.key: r for i in identifiers if (r := resolver.find(i)) is not None}
    if len(known) > 1:
        names = tuple(r.name for r in known.values())
        raise NameResolutionError(
            f"the identifiers of {name!r} belong to {len(names)} objects: {', '.join(names)}",
            near=names,
            hint="the alias table and the service disagree; use a name only one of them has",
        )
    if known:
        local = next(iter(known.values()))
        return Resolved(local.name, local.key, name, local.aliases, "online")
    return Resolved(identifiers[0], canonical(identifiers[0]), name, tuple(dict.fromkeys(identifiers)), "online")


def find_online(name: str, local: LocalNames, *, service: Service = simbad_identifiers) -> str:
    """The name under which a catalogue has a cluster; the service is asked if the tables do not know the name.

    Parameters
    ----------
    name : str
        Any name.
    local : LocalNames
        The clusters of the catalogue.
    service : callable
        Name -> identifiers.

    Returns
    -------
    str

    Raises
    ------
    NameResolutionError
        If no cluster of the catalogue, or more than one, has the name or one of its identifiers.
    NameServiceError
        If the service cannot be asked.
    """
    try:
        return local.find(name)
    except NameResolutionError as error:
        found = {local.find(i) for i in service(name) if canonical(i) and i in local}
        if len(found) == 1:
            return found.pop()
        if found:
            raise NameResolutionError(
                f"the identifiers of {name!r} belong to {len(found)} clusters: {', '.join(sorted(found))}",
                near=tuple(sorted(found)),
            ) from error
        raise
