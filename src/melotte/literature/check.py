"""Whether two rows that names call one object are one object: position, proper motion and parallax decide.

A name is evidence, not proof: aliases clash, coordinates are mistyped, tables list a cluster twice. What does not
agree is reported and left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ..schema.literature import PAIRS
from .canonical import canonical, split_names
from .listing import Listing
from .names import Resolver

Floats = NDArray[np.float64]

AGREES, UNCHECKED = "agrees", "unchecked"
WRONG_POSITION, DIFFERENT = "wrong position", "different object"


@dataclass(frozen=True)
class PairLimits:
    """How far two descriptions of one cluster may differ. The values are choices, made on real pairs.

    Cantat-Gaudin et al. 2020 against Dias et al. 2021 (1,530 clusters in common): 98 % of the separations are below
    0.6 r50, of the proper-motion differences below 0.10 mas/yr, of the parallax differences below 0.04 mas; older
    catalogues are up to ten times worse. The limits lie outside that and far inside the distance to a neighbour.

    Attributes
    ----------
    position_r50 : float
        Separation in units of the smaller half-number radius.
    position_floor : float
        Separation always accepted, deg: tabulated centres of small clusters differ by minutes of arc.
    position_unknown : float
        Limit where neither catalogue gives a radius, deg.
    pm_floor, pm_fraction : float
        Proper-motion difference accepted: mas/yr, plus this fraction of the proper motion (large, near clusters).
    parallax_floor, parallax_fraction : float
        The same for the parallax, mas.
    """

    position_r50: float = 3.0
    position_floor: float = 0.25
    position_unknown: float = 0.5
    pm_floor: float = 1.0
    pm_fraction: float = 0.05
    parallax_floor: float = 0.15
    parallax_fraction: float = 0.1


@dataclass(frozen=True)
class Problem:
    """Something found wrong.

    Attributes
    ----------
    kind : str
        ``alias of two objects``, ``listed twice``, ``same place, two names``, ``wrong position``, ``different object``.
    catalogue : str
        Where.
    names : tuple of str
        The names involved.
    detail : str
        The numbers.
    """

    kind: str
    catalogue: str
    names: tuple[str, ...]
    detail: str

    def __str__(self) -> str:
        return f"{self.catalogue}: {self.kind}: {', '.join(self.names)} ({self.detail})"


@dataclass(frozen=True)
class Pairing:
    """Rows of two catalogues that stand for one object.

    Attributes
    ----------
    frame : polars.DataFrame
        PAIRS; ``row`` and ``other_row`` are kept in ``rows``.
    rows : polars.DataFrame
        ``object``, ``row``, ``other_row`` of the pairs that are believed.
    problems : tuple of Problem
        Pairs that do not agree and rows that are listed twice.
    """

    frame: pl.DataFrame
    rows: pl.DataFrame
    problems: tuple[Problem, ...]


def separation(ra1: Floats, dec1: Floats, ra2: Floats, dec2: Floats) -> Floats:
    """Angular separation (deg) of positions in deg, by the haversine formula: exact for small and large angles."""
    a, d, b, e = (np.radians(x) for x in (ra1, dec1, ra2, dec2))
    h = np.sin((e - d) / 2) ** 2 + np.cos(d) * np.cos(e) * np.sin((b - a) / 2) ** 2
    return np.asarray(np.degrees(2 * np.arcsin(np.sqrt(np.clip(h, 0.0, 1.0)))), dtype=np.float64)


def pair(ours: Listing, theirs: Listing, resolver: Resolver, *, limits: PairLimits | None = None) -> Pairing:
    """Match two catalogues by name and check every match.

    Parameters
    ----------
    ours, theirs : Listing
        The catalogues.
    resolver : Resolver
        Knows the aliases.
    limits : PairLimits, optional
        What still agrees.

    Returns
    -------
    Pairing
    """
    limits = limits or PairLimits()
    left, right = ours.keyed(resolver), theirs.keyed(resolver)
    problems = [*_repeated(left, ours.name), *_repeated(right, theirs.name)]
    joined = (
        left.unique("object", keep="none")
        .rename({"row": "our_row"})
        .join(right.unique("object", keep="none"), on="object", how="inner", suffix="_other")
        .sort("our_row")
    )
    frame = judge(joined, limits)
    believed = frame["verdict"] != DIFFERENT
    rows = joined.select("object", pl.col("our_row").alias("row"), pl.col("row").alias("other_row")).filter(believed)
    doubtful = frame.filter(pl.col("verdict").is_in([WRONG_POSITION, DIFFERENT])).iter_rows(named=True)
    both = f"{ours.name} and {theirs.name}"
    problems += [Problem(i["verdict"], both, (i["cluster"], i["other"]), _numbers(i)) for i in doubtful]
    return Pairing(frame, rows, tuple(problems))


def judge(joined: pl.DataFrame, limits: PairLimits) -> pl.DataFrame:
    """PAIRS of a joined table: columns of the one side plain, of the other with ``_other``."""
    value = {c: joined[c].cast(pl.Float64).fill_null(float("nan")).to_numpy() for c in joined.columns if _numeric(c)}
    distance = separation(value["ra"], value["dec"], value["ra_other"], value["dec_other"])
    # The smaller one: a centre averaged across RA = 0 comes with a radius as wrong as itself (three rows of Dias 2021).
    radius = np.fmin(value["r50"], value["r50_other"])
    far = np.where(
        np.isnan(radius), limits.position_unknown, np.fmax(limits.position_r50 * radius, limits.position_floor)
    )
    motion = np.hypot(value["pmra_other"] - value["pmra"], value["pmdec_other"] - value["pmdec"])
    motion_limit = limits.pm_floor + limits.pm_fraction * np.hypot(value["pmra"], value["pmdec"])
    shift = value["parallax_other"] - value["parallax"]
    shift_limit = limits.parallax_floor + limits.parallax_fraction * np.abs(value["parallax"])

    there = [np.isfinite(x) for x in (distance, motion, shift)]
    fine = [distance <= far, motion <= motion_limit, np.abs(shift) <= shift_limit]
    bad_motion = (there[1] & ~fine[1]) | (there[2] & ~fine[2])
    bad_position = there[0] & ~fine[0]
    verdict = np.select(
        [bad_motion, bad_position & there[1], bad_position, ~np.any(there, axis=0)],
        [DIFFERENT, WRONG_POSITION, DIFFERENT, UNCHECKED],
        AGREES,
    )
    matched = [
        "name" if {canonical(x) for x in split_names(a)} & {canonical(x) for x in split_names(b)} else "alias"
        for a, b in joined.select("cluster", "cluster_other").iter_rows()
    ]
    data = {
        "object": joined["object"],
        "cluster": joined["cluster"],
        "other": joined["cluster_other"],
        "matched_by": pl.Series(matched, dtype=pl.String),
        "separation": distance,
        "separation_limit": np.where(there[0], far, np.nan),
        "pm_difference": motion,
        "parallax_difference": shift,
        "verdict": pl.Series(verdict.tolist(), dtype=pl.String),
    }
    return PAIRS.conform(pl.DataFrame(data).with_columns(pl.selectors.float().fill_nan(None)))


def audit(
    listings: Sequence[Listing], resolver: Resolver, *, limits: PairLimits | None = None
) -> tuple[list[Problem], pl.DataFrame]:
    """Check alias tables and catalogues against each other.

    Parameters
    ----------
    listings : sequence of Listing
        The first is the reference for positions, motions and parallaxes.
    resolver : Resolver
        Its clashes are part of the report.
    limits : PairLimits, optional
        What still agrees.

    Returns
    -------
    problems : list of Problem
    pairs : polars.DataFrame
        PAIRS of every catalogue with the reference, with a column ``catalogue``.
    """
    problems = [
        Problem(c.kind, c.table, (c.alias, *c.objects), f"rows {', '.join(map(str, c.rows))}") for c in resolver.clashes
    ]
    frames = []
    for number, listing in enumerate(listings):
        problems += same_place(listing)
        if number == 0:
            problems += _repeated(listing.keyed(resolver), listing.name)
            continue
        found = pair(listings[0], listing, resolver, limits=limits)
        problems += [p for p in found.problems if p.catalogue != listings[0].name]
        frames.append(found.frame.with_columns(pl.lit(listing.name).alias("catalogue")))
    pairs = pl.concat(frames) if frames else PAIRS.empty().with_columns(pl.lit("").alias("catalogue"))
    return problems, pairs


def same_place(listing: Listing, *, radius: float = 1 / 3600) -> list[Problem]:
    """Rows of one catalogue within ``radius`` (deg) whose motions and parallaxes, where given, are equal too."""
    from scipy.spatial import cKDTree

    frame = listing.objects.filter(pl.col("ra").is_not_null() & pl.col("dec").is_not_null())
    if frame.height < 2:
        return []
    vectors = unit_vectors(frame["ra"].to_numpy(), frame["dec"].to_numpy())
    found = []
    for a, b in sorted(cKDTree(vectors).query_pairs(2 * np.sin(np.radians(radius) / 2))):
        one, two = frame.row(a, named=True), frame.row(b, named=True)
        if all(_equal(one[n], two[n]) for n in ("pmra", "pmdec", "parallax")):
            detail = f"rows {one['row']} and {two['row']} have one position"
            found.append(Problem("same place, two names", listing.name, (one["cluster"], two["cluster"]), detail))
    return found


def unit_vectors(ra: Floats, dec: Floats) -> Floats:
    """Cartesian unit vectors, shape (n, 3), of positions in deg."""
    a, d = np.radians(ra), np.radians(dec)
    return np.column_stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])


def _equal(a: float | None, b: float | None) -> bool:
    return a is None or b is None or abs(a - b) <= 1e-6


def _repeated(keyed: pl.DataFrame, catalogue: str) -> Iterable[Problem]:
    groups = keyed.group_by("object", maintain_order=True).agg("cluster", "row").filter(pl.col("row").list.len() > 1)
    for _, clusters, rows in groups.iter_rows():
        yield Problem("listed twice", catalogue, tuple(clusters), f"rows {', '.join(map(str, rows))} are one object")


def _numeric(name: str) -> bool:
    return name.removesuffix("_other") in {"ra", "dec", "pmra", "pmdec", "parallax", "r50"}


def _numbers(item: dict[str, Any]) -> str:
    parts = []
    if item["separation"] is not None:
        parts.append(f"{item['separation']:.3f} deg apart, {item['separation_limit']:.3f} accepted")
    if item["pm_difference"] is not None:
        parts.append(f"proper motions differ by {item['pm_difference']:.2f} mas/yr")
    if item["parallax_difference"] is not None:
        parts.append(f"parallaxes by {item['parallax_difference']:+.3f} mas")
    return "; ".join(parts)
