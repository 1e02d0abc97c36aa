"""First determinations, each with its evidence (Fu et al. 2022, Tables 2, 4 and 5).

"First" is a statement about what was searched: which catalogues, published up to which date, under which names, and
what lay nearest. An incomplete catalogue cannot support it: rows that hang on one say so.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from ..schema.literature import LEDGER
from .check import DIFFERENT, WRONG_POSITION, PairLimits, Problem, pair, unit_vectors
from .compare import CompareSettings
from .listing import Listing
from .names import Resolver
from .records import SPECTROSCOPIC
from .search import Searched


@dataclass(frozen=True)
class LedgerSettings:
    """Choices of the ledger.

    Attributes
    ----------
    resolutions : tuple of str
        Classes of values that make a cluster known.
    near_miss_radius : float
        Radius of the search for a near miss where our catalogue gives no half-number radius, deg. (Theirs may be as
        wrong as their position.)
    limits : PairLimits
        When two rows of one name are one object, and when proper motions are compatible.
    """

    resolutions: tuple[str, ...] = SPECTROSCOPIC
    near_miss_radius: float = 0.1
    limits: PairLimits = field(default_factory=lambda: CompareSettings().limits)


@dataclass(frozen=True)
class Ledger:
    """The ledger of one quantity.

    Attributes
    ----------
    frame : polars.DataFrame
        LEDGER: every cluster with a value, in the order of our catalogue.
    problems : tuple of Problem
        Pairs not believed, coordinates that disagree, clusters listed twice.
    """

    frame: pl.DataFrame
    problems: tuple[Problem, ...]

    def first(self, *, at_least: int | None = None, fewer_than: int | None = None) -> pl.DataFrame:
        """Rows that are not known, most stars first: Table 2; with ``at_least=3`` Table 4, ``fewer_than=3`` Table 5."""
        frame = self.frame.filter(pl.col("status") != "known")
        if at_least is not None:
            frame = frame.filter(pl.col("n") >= at_least)
        if fewer_than is not None:
            frame = frame.filter(pl.col("n") < fewer_than)
        return frame.sort("n", "cluster", descending=[True, False])

    def count(self, status: str) -> int:
        """Number of rows of a status."""
        return self.frame.filter(pl.col("status") == status).height

    def summary(self) -> str:
        """A few lines for a terminal."""
        if self.frame.is_empty():
            return "no cluster has a value"
        top = self.frame.row(0, named=True)
        lines = [
            f"{top['quantity']}: {self.frame.height} clusters: {self.count('known')} known, {self.count('first')} "
            f"first determinations, {self.count('near miss')} to be judged (near miss), {self.count('open')} open",
            f"  searched, published up to {top['search_date']}: {top['searched']}",
        ]
        waits = self.frame.filter(pl.col("status") == "open")
        if waits.height:
            hangs = ", ".join(sorted(set(waits["hangs_on"].drop_nulls())))
            lines.append(f"  open rows hang on: {hangs}")
        return "\n".join(lines)


def make_ledger(
    ours: Listing,
    quantity: str,
    search: Searched,
    resolver: Resolver,
    *,
    until: dt.date,
    settings: LedgerSettings | None = None,
) -> Ledger:
    """Decide for every cluster whether its value is the first.

    Parameters
    ----------
    ours : Listing
        Our catalogue; positions, radii and proper motions find the near misses.
    quantity : str
        ``rv`` or ``feh``.
    search : Searched
        What to search.
    resolver : Resolver
        Knows the aliases.
    until : datetime.date
        The date of the search, for the record.
    settings : LedgerSettings, optional
        Choices.

    Returns
    -------
    Ledger
        A cluster is *known* if a catalogue has a value under any of its names and the two agree in position and
        motion; a *near miss* if an unmatched object with a value lies within the half-number radius and its proper
        motion is compatible or unknown, or if a row of its name is another object; *open* if only an incomplete or
        missing catalogue could still have it; otherwise *first*.
    """
    settings = settings or LedgerSettings()
    mine = (
        ours.measured(quantity)
        .select("row", "value", "value_error", "n")
        .join(ours.keyed(resolver), on="row")
        .sort("row")
    )
    all_keys = set(ours.keyed(resolver)["object"])
    known: dict[str, list[str]] = {}
    near: dict[str, tuple[float, float | None, str]] = {}
    problems: list[Problem] = []
    for listing in search.listings:
        valued = replace(listing, objects=_valued(listing, quantity, settings))
        values = valued.keyed(resolver)
        pairing = pair(ours, valued, resolver, limits=settings.limits)
        problems += pairing.problems
        for item in pairing.frame.iter_rows(named=True):
            if item["verdict"] == DIFFERENT:
                text = f"{item['other']} ({listing.name}): same name, {DIFFERENT}"
                _nearest(near, item["object"], (item["separation"] or 0.0, item["pm_difference"], text))
            else:
                suffix = f" [{WRONG_POSITION}]" if item["verdict"] == WRONG_POSITION else ""
                known.setdefault(item["object"], []).append(f"{listing.name}{suffix}")
        # A cluster the other catalogue lists twice is known all the same: the pairing leaves it out.
        twice = values.filter(pl.col("object").is_duplicated())["object"].unique()
        for key in twice:
            known.setdefault(key, []).append(f"{listing.name} [listed twice]")
        for key, candidate in _near_misses(mine, values, all_keys, listing.name, settings):
            _nearest(near, key, candidate)
    hangs = [f"{x.name} ({x.incomplete})" for x in search.listings if x.incomplete]
    hangs += [f"{name} (not on this machine)" for name in search.missing]
    searched_text = "; ".join(f"{x.name} ({x.date})" for x in search.listings)

    rows = []
    for row in mine.iter_rows(named=True):
        key = row["object"]
        miss = near.get(key)
        status = "known" if key in known else "near miss" if miss else "open" if hangs else "first"
        found = resolver.find(row["cluster"]) if status != "known" else None
        tried = [row["cluster"], *(found.aliases if found else ())]
        rows.append(
            {
                **{n: row[n] for n in ("cluster", "object", "value", "value_error", "n")},
                "quantity": quantity,
                "status": status,
                "known_in": ", ".join(known.get(key, [])) or None,
                "hangs_on": ", ".join(hangs) if status in {"open", "near miss"} and hangs else None,
                "near_miss": miss[2] if miss and status != "known" else None,
                "near_miss_separation": miss[0] if miss and status != "known" else None,
                "near_miss_pm": miss[1] if miss and status != "known" else None,
                "searched": searched_text or "nothing",
                "names_tried": "; ".join(dict.fromkeys(tried)),
                "search_date": until.isoformat(),
            }
        )
    frame = LEDGER.conform(pl.DataFrame(rows, schema_overrides=LEDGER.polars_schema())) if rows else LEDGER.empty()
    return Ledger(frame, tuple(problems))


def _valued(listing: Listing, quantity: str, settings: LedgerSettings) -> pl.DataFrame:
    """The rows of a catalogue with a value that counts."""
    rows = listing.values.filter((pl.col("quantity") == quantity) & pl.col("resolution").is_in(settings.resolutions))[
        "row"
    ].unique()
    return listing.objects.filter(pl.col("row").is_in(rows.implode()))


def _nearest(
    near: dict[str, tuple[float, float | None, str]], key: str, candidate: tuple[float, float | None, str]
) -> None:
    if key not in near or candidate[0] < near[key][0]:
        near[key] = candidate


def _near_misses(
    mine: pl.DataFrame, theirs: pl.DataFrame, matched: set[str], catalogue: str, settings: LedgerSettings
) -> list[tuple[str, tuple[float, float | None, str]]]:
    """Unmatched objects of a catalogue inside our clusters' radii whose proper motion does not speak against them."""
    from scipy.spatial import cKDTree

    placed = pl.col("ra").is_not_null() & pl.col("dec").is_not_null()
    theirs = theirs.filter(placed & ~pl.col("object").is_in(list(matched)))
    mine = mine.filter(placed)
    if theirs.is_empty() or mine.is_empty():
        return []
    tree = cKDTree(unit_vectors(theirs["ra"].to_numpy(), theirs["dec"].to_numpy()))
    points = unit_vectors(mine["ra"].to_numpy(), mine["dec"].to_numpy())
    others: list[dict[str, Any]] = theirs.to_dicts()
    found = []
    for point, row in zip(points, mine.iter_rows(named=True), strict=True):
        radius = min(row["r50"] or settings.near_miss_radius, 180.0)
        for index in tree.query_ball_point(point, 2 * np.sin(np.radians(radius) / 2)):
            other = others[index]
            distance = float(np.degrees(2 * np.arcsin(min(1.0, float(np.linalg.norm(point - tree.data[index])) / 2))))
            motion = None
            if None not in (row["pmra"], row["pmdec"], other["pmra"], other["pmdec"]):
                motion = float(np.hypot(other["pmra"] - row["pmra"], other["pmdec"] - row["pmdec"]))
                limit = settings.limits.pm_floor + settings.limits.pm_fraction * np.hypot(row["pmra"], row["pmdec"])
                if motion > limit:
                    continue
            found.append((row["object"], (distance, motion, f"{other['cluster']} ({catalogue})")))
    return found
