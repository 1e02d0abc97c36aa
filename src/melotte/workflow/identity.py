"""Member list and cluster catalogue joined by identity: ``NGC 2682``, ``ngc2682`` and ``M 67`` are ``NGC_2682``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ..core.words import plural
from ..errors import MelotteError
from ..literature import LocalNames, NameResolutionError, PairLimits, Resolver, load_resolver
from ..literature.aliases import ALIAS_DATASET, proper_names
from ..literature.check import separation, unit_vectors

__all__ = ["Identity", "Joined", "names_at_hand", "under_member_names"]

#: Separation always accepted, deg: less than to a namesake elsewhere, more than the centres of one cluster differ.
FLOOR_DEG = 1.0
_LIMITS = PairLimits()
#: Clusters named in one note; the others are counted.
_NAMED = 10


@dataclass(frozen=True)
class Joined:
    """A cluster of the member list that has another name in the catalogue.

    Attributes
    ----------
    listed : str
        Its name in the cluster catalogue.
    by : str
        ``spelling`` or ``alias``.
    doubt : str
        What speaks against it (the proper motions), empty if nothing does.
    """

    listed: str
    by: str
    doubt: str = ""


@dataclass(frozen=True)
class Identity:
    """The cluster catalogue as the member list names it.

    Attributes
    ----------
    frame : polars.DataFrame
        The catalogue, row by row; a row of a joined cluster has the member list's name.
    joined : mapping of str to Joined
        By the member list's name: what another spelling or an alias joined.
    refused : mapping of str to str
        By the member list's name: why a row of that name was not joined.
    resolver : Resolver or None
        The aliases, if they were asked for.
    centres : mapping of str to _Centre
        Of the clusters without a row of their spelling.
    """

    frame: pl.DataFrame
    joined: Mapping[str, Joined]
    refused: Mapping[str, str]
    resolver: Resolver | None
    centres: Mapping[str, _Centre]

    @property
    def alias_dataset(self) -> str | None:
        """The dataset whose aliases joined something."""
        if self.resolver is None or ALIAS_DATASET not in self.resolver.tables:
            return None
        return ALIAS_DATASET if any(joined.by == "alias" for joined in self.joined.values()) else None

    def notes(self, names: Iterable[str]) -> tuple[str, ...]:
        """What a reader must know about the names of these clusters: which were joined, which have no parameters."""
        names = sorted(set(names))
        listed = set(self.frame["cluster"])
        joined = [name for name in names if name in self.joined]
        missing = [name for name in names if name not in listed]
        notes = []
        if joined:
            how = " or ".join(sorted({self.joined[name].by for name in joined}, reverse=True))
            known = plural(len(joined), "cluster", "have")
            pairs = [f"{name} = {self.joined[name].listed}" for name in joined]
            notes.append(f"{known} another name in the cluster catalogue ({how}): {_list(pairs)}")
            doubts = [
                f"{pair} ({doubt})"
                for pair, name in zip(pairs, joined, strict=True)
                if (doubt := self.joined[name].doubt)
            ]
            if doubts:
                notes.append(f"joined by name and position, but perhaps not one cluster: {_list(doubts)}")
        if missing:
            local = LocalNames(self.frame["cluster"], Resolver())
            said = [f"{name} ({self._nearest(name, local)})" for name in missing[:_NAMED]]
            said += missing[_NAMED:]
            absent = f"{plural(len(missing), 'cluster', 'are')} not in the cluster catalogue: no age, no distance"
            notes.append(f"{absent}: {_list(said)}")
            notes.extend(() if self.resolver is None else self.resolver.notes)
        return tuple(notes)

    def _nearest(self, name: str, local: LocalNames) -> str:
        """Why a cluster has no row, or the rows that come nearest."""
        if name in self.refused:
            return self.refused[name]
        parts = []
        if name in self.centres:
            centre = self.centres[name]
            ra, dec = self.frame["ra"].to_numpy(), self.frame["dec"].to_numpy()
            distance = separation(np.full_like(ra, centre.ra), np.full_like(dec, centre.dec), ra, dec)
            first = int(np.argmin(distance))
            if distance[first] <= max(FLOOR_DEG, 3 * centre.r50):
                parts.append(f"nearest in position: {self.frame['cluster'][first]}, {distance[first]:.2f} deg")
        if alike := local.near(name, n=2):
            parts.append(f"in name: {' or '.join(alike)}")
        return "; ".join(parts) or "nothing near in position or name"


@dataclass(frozen=True)
class _Centre:
    """Centre, half-number radius and motion of the members of a cluster, NaN where unknown."""

    ra: float
    dec: float
    r50: float
    pmra: float
    pmdec: float


def under_member_names(members: pl.DataFrame, clusters: pl.DataFrame, names: Callable[[], Resolver]) -> Identity:
    """Give the rows of the cluster catalogue the names of the member list, where both mean one cluster.

    Parameters
    ----------
    members : polars.DataFrame
        MEMBERS.
    clusters : polars.DataFrame
        CLUSTERS.
    names : callable
        Gives the resolver; asked only if the spelling of a cluster does not answer.

    Returns
    -------
    Identity

    Notes
    -----
    A row of the same spelling is the cluster's, whatever else is true. For the others the name must answer to one row
    of the catalogue: by its spelling or, if no row is spelled so, by an alias. The row is not joined if the centre of
    the members lies more than 3 r50 (and 1 deg) from it, if a cluster of nearer name has it (same spelling before
    other spelling before alias), or if two clusters are equally near. The proper motion is evidence: where it
    disagrees the note says so.
    """
    unlisted = members.filter(~pl.col("cluster").is_in(clusters["cluster"].implode()))
    if unlisted.is_empty():
        return Identity(clusters, {}, {}, None, {})
    centres = {
        str(name[0]): _centre(group) for name, group in sorted(unlisted.partition_by("cluster", as_dict=True).items())
    }
    asked: list[Resolver] = []

    def resolver() -> Resolver:
        if not asked:
            asked.append(names())
        return asked[0]

    local = LocalNames(clusters["cluster"], resolver)
    claims: dict[str, Joined] = {}
    refused: dict[str, str] = {}
    rows = {row["cluster"]: row for row in clusters.select(*_USED).iter_rows(named=True)}
    for name, centre in centres.items():
        by, found = "spelling", local.spelled(name)
        if not found:
            by = "alias"
            try:
                found = local.aliased(name)
            except NameResolutionError as error:
                refused[name] = error.found
                continue
        if len(found) > 1:
            refused[name] = f"stands for {len(found)} rows: {', '.join(found)}"
        elif found:
            far, doubt = _compare(centre, rows[found[0]])
            if far:
                refused[name] = f"not joined with {found[0]}: {far}"
            else:
                claims[name] = Joined(found[0], by, doubt)
    joined = _undisputed(claims, set(members["cluster"]), refused)
    renamed = {claim.listed: name for name, claim in joined.items()}
    frame = clusters.with_columns(pl.col("cluster").replace(renamed)) if renamed else clusters
    return Identity(frame, joined, refused, asked[0] if asked else None, centres)


_USED = ("cluster", "ra", "dec", "r50", "pmra", "pmdec")


def _undisputed(claims: Mapping[str, Joined], taken: set[str], refused: dict[str, str]) -> dict[str, Joined]:
    """The claims to rows that no other cluster of the member list has or claims as well."""
    holder: dict[str, str] = {}
    for by in ("spelling", "alias"):
        here = {name: claim.listed for name, claim in claims.items() if claim.by == by}
        count = Counter(here.values())
        for name, listed in here.items():
            others = [listed] if listed in taken else [holder[listed]] if listed in holder else []
            others = others or [n for n, row in here.items() if row == listed and n != name and count[row] > 1]
            if others:
                refused[name] = f"{listed} is {' and '.join(others)} of the member list as well"
        holder |= {listed: name for name, listed in here.items() if listed not in holder}
    return {name: claim for name, claim in claims.items() if name not in refused}


def _centre(group: pl.DataFrame) -> _Centre:
    ra, dec = group["ra"].to_numpy(), group["dec"].to_numpy()
    x, y, z = np.median(unit_vectors(ra, dec), axis=0)
    centre_ra, centre_dec = (
        float(np.degrees(np.arctan2(y, x)) % 360.0),
        float(np.degrees(np.arctan2(z, np.hypot(x, y)))),
    )
    distance = separation(np.full_like(ra, centre_ra), np.full_like(dec, centre_dec), ra, dec)
    pmra, pmdec = (_number(group[name].median()) for name in ("pmra", "pmdec"))
    return _Centre(centre_ra, centre_dec, float(np.median(distance)), pmra, pmdec)


def _compare(centre: _Centre, row: Mapping[str, float | None]) -> tuple[str, str]:
    """What forbids that members and row are one cluster, and what speaks against it; empty if nothing does."""
    there = {name: _number(row[name]) for name in _USED[1:]}
    one = (np.array([value]) for value in (centre.ra, centre.dec, there["ra"], there["dec"]))
    distance = float(separation(*one)[0])
    limit = max(FLOOR_DEG, 3 * (centre.r50 if np.isnan(there["r50"]) else there["r50"]))
    far = f"its members lie {distance:.2f} deg from it, {limit:.2f} accepted" if distance > limit else ""
    motion = float(np.hypot(there["pmra"] - centre.pmra, there["pmdec"] - centre.pmdec))
    accepted = _LIMITS.pm_floor + _LIMITS.pm_fraction * float(np.hypot(centre.pmra, centre.pmdec))
    return far, f"proper motions differ by {motion:.2f} mas/yr" if motion > accepted else ""


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _list(items: list[str]) -> str:
    rest = len(items) - _NAMED
    return ", ".join(items[:_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")


def names_at_hand(data_dir: Path | None) -> Resolver:
    """Every alias at hand; an alias table that cannot be read is a note, not the end of a run."""
    try:
        return load_resolver(data_dir=data_dir)
    except MelotteError as error:
        return Resolver([proper_names()], notes=(f"names are matched by spelling only: {error.found}",))
