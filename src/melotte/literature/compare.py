"""Our values against a catalogue's, cluster by cluster (Fu et al. 2022, Sect. 3, Figs. 6 and 7).

``difference`` is ours - theirs everywhere. The zero point is the other way round: what must be added to ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from ..schema.literature import COMPARISON
from .check import PairLimits, Problem, pair
from .compilation import open_listing
from .listing import Listing
from .names import Resolver
from .statistics import Offset, describe


@dataclass(frozen=True)
class CompareSettings:
    """Choices of a comparison.

    Attributes
    ----------
    outlier : float
        Distance from the median, in robust standard deviations, beyond which a cluster is named as an outlier.
    counts : tuple of int
        Smallest numbers of stars for which the offset is given separately.
    limits : PairLimits
        When two rows of one name are one object.
    """

    outlier: float = 5.0
    counts: tuple[int, ...] = (1, 2, 3, 5, 10)
    limits: PairLimits = field(default_factory=PairLimits)


@dataclass(frozen=True)
class CountOffset:
    """The offset of the clusters with at least ``minimum`` stars on both sides."""

    minimum: int
    offset: Offset


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes
    ----------
    quantity : str
        ``rv`` (km/s) or ``feh`` (dex).
    ours, theirs : str
        Names of the catalogues.
    frame : polars.DataFrame
        COMPARISON: the clusters in common with both values.
    n_paired : int
        Clusters in common, with or without both values.
    offset : Offset
        Of ours - theirs, all clusters.
    by_count : tuple of CountOffset
        The same for clusters with many stars on both sides; a catalogue without numbers of stars gives none.
    unknown_count : int
        Clusters left out of ``by_count`` because a number of stars is not known.
    problems : tuple of Problem
        Pairs not believed, coordinates that disagree, clusters listed twice.
    """

    quantity: str
    ours: str
    theirs: str
    frame: pl.DataFrame
    n_paired: int
    offset: Offset
    by_count: tuple[CountOffset, ...]
    unknown_count: int
    problems: tuple[Problem, ...]

    @property
    def zero_point(self) -> tuple[float, float | None] | None:
        """What must be added to ours to be on the scale of theirs, and its standard error (both by medians)."""
        return None if self.offset.median is None else (-self.offset.median, self.offset.median_error)

    @property
    def outliers(self) -> pl.DataFrame:
        """The outliers, the largest difference from the median first."""
        middle = self.offset.median or 0.0
        return self.frame.filter("outlier").sort((pl.col("difference") - middle).abs(), descending=True)

    def at_least(self, minimum: int) -> Offset:
        """The offset of the clusters with at least ``minimum`` stars on both sides."""
        return describe(_enough(self.frame, minimum)["difference"])

    def summary(self) -> str:
        """A few lines for a terminal."""
        digits, unit = (2, " km/s") if self.quantity == "rv" else (3, " dex")
        lines = [f"{self.ours} - {self.theirs}, {self.quantity}: {describe_offset(self.offset, digits, unit)}"]
        lines += [
            f"  at least {c.minimum} stars on both sides: {describe_offset(c.offset, digits, unit)}"
            for c in self.by_count
            if c.minimum > 1
        ]
        if self.unknown_count:
            lines.append(f"  {self.unknown_count} clusters without a number of stars are in the first line only")
        if self.zero_point:
            value, error = self.zero_point
            tail = "" if error is None else f" +- {error:.{digits}f}"
            lines.append(f"  zero point, to be added to {self.ours}: {value:+.{digits}f}{tail}{unit}")
        outliers = self.outliers
        if outliers.height:
            named = ", ".join(f"{c} ({d:+.{digits}f})" for c, d in outliers.select("cluster", "difference").iter_rows())
            lines.append(f"  {outliers.height} outliers: {named}")
        lines += [f"  {problem}" for problem in self.problems]
        return "\n".join(lines)


def describe_offset(offset: Offset, digits: int, unit: str) -> str:
    """One phrase with every number of an offset."""

    def number(value: float | None, sign: str = "") -> str:
        return "-" if value is None else f"{value:{sign}.{digits}f}"

    return (
        f"n = {offset.n}, median {number(offset.median, '+')} +- {number(offset.median_error)}, "
        f"mean {number(offset.mean, '+')} +- {number(offset.mean_error)}, sd {number(offset.sd)}, "
        f"robust sd {number(offset.robust_sd)}{unit}"
    )


def compare(
    ours: Listing,
    theirs: Listing,
    quantity: str,
    resolver: Resolver,
    *,
    resolution: str | None = None,
    settings: CompareSettings | None = None,
) -> Comparison:
    """Compare two catalogues.

    Parameters
    ----------
    ours, theirs : Listing
        The catalogues; any two.
    quantity : str
        ``rv`` or ``feh``.
    resolver : Resolver
        Knows the aliases.
    resolution : str, optional
        Only their values of this class.
    settings : CompareSettings, optional
        Choices.

    Returns
    -------
    Comparison

    Raises
    ------
    MelotteError
        If a catalogue does not give the quantity.
    """
    settings = settings or CompareSettings()
    names = {"value": "ours", "value_error": "ours_error", "n": "ours_n"}
    mine = ours.measured(quantity).rename(names).select("row", *names.values())
    names = {"value": "theirs", "value_error": "theirs_error", "n": "theirs_n", "reference": "source"}
    other = theirs.measured(quantity, resolution=resolution).rename({"row": "other_row", **names})
    pairing = pair(ours, theirs, resolver, limits=settings.limits)
    frame = (
        pairing.rows.join(pairing.frame.select("object", "cluster", "other", "verdict"), on="object")
        .join(mine, on="row")
        .join(other.select("other_row", *names.values()), on="other_row")
        .with_columns((pl.col("ours") - pl.col("theirs")).alias("difference"))
        .sort("row")
    )
    offset = describe(frame["difference"])
    # Differences that are all equal have no width: any other one is far then.
    limit = float("inf") if offset.robust_sd is None else settings.outlier * max(offset.robust_sd, 1e-9)
    far = (pl.col("difference") - (offset.median or 0.0)).abs() > limit
    frame = COMPARISON.conform(frame.with_columns(far.alias("outlier")))
    counted = frame.filter(pl.col("ours_n").is_not_null() & pl.col("theirs_n").is_not_null())
    by_count = (
        [CountOffset(k, describe(_enough(frame, k)["difference"])) for k in settings.counts] if len(counted) else []
    )
    return Comparison(
        quantity=quantity,
        ours=ours.name,
        theirs=theirs.name,
        frame=frame,
        n_paired=pairing.rows.height,
        offset=offset,
        by_count=tuple(by_count),
        unknown_count=frame.height - counted.height,
        problems=pairing.problems,
    )


def _enough(frame: pl.DataFrame, minimum: int) -> pl.DataFrame:
    return frame.filter((pl.col("ours_n") >= minimum) & (pl.col("theirs_n") >= minimum))


def compare_named(
    ours: Listing,
    names: Sequence[str],
    quantity: str,
    resolver: Resolver,
    *,
    data_dir: Path | None = None,
    settings: CompareSettings | None = None,
) -> dict[str, Comparison]:
    """Compare with literature catalogues by name, in the order given."""
    return {
        name: compare(ours, open_listing(name, resolver, data_dir=data_dir), quantity, resolver, settings=settings)
        for name in names
    }
