"""Section 4.1: orbits and integrals of motion, by the published chain and by the right one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import polars as pl

from ..config import GalaxyConfig
from ..core.randomness import Streams
from ..galaxy import DynamicsResult, dynamics
from ..galaxy.legacy import GALPOT_ZERO_POINT
from ..schema import DYNAMICS, Column, Schema
from .inputs import ORBITAL, Inputs
from .judge import Explanation, Finding
from .numbers import Published, published

#: Largest difference at which a row counts as reproduced, in the unit of the column. Peri, Apo: extremes taken at
#: GalPot's steps; ecc: what that makes of it; Energy: printed to 1 km2/s2; the rest: float32 of the published start.
SAME: Final[dict[str, float]] = {
    "l_x": 0.01,
    "l_y": 0.01,
    "l_z": 0.01,
    "u_lsr": 1e-3,
    "v_lsr": 1e-3,
    "w_lsr": 1e-3,
    "z_gc": 1e-5,
    "r_gc": 1e-5,
    "r_peri": 1e-3,
    "r_apo": 1e-3,
    "energy": 1.0,
    "ecc": 1e-4,
}

#: Why the right chain differs, by column.
_CAUSE: Final[dict[str, str]] = {
    **dict.fromkeys(("l_x", "l_y", "l_z", "u_lsr", "v_lsr", "w_lsr"), "year of 365 days"),
    **dict.fromkeys(("r_peri", "r_apo", "ecc"), "orbit start not rotated"),
    "energy": "zero point of energy",
}


def _c(name: str, description: str, *, nullable: bool = True) -> Column:
    return Column(name, "float64", "", "stat.value", description, nullable, "%14.6f")


#: One row per published orbital column.
COLUMNS = Schema(
    "dynamics_columns",
    "The published orbital columns beside the published chain and the right one",
    (
        Column("column", "string", "", "meta.id", "Label of the column", False),
        Column("unit", "string", "", "meta.unit", "Its unit", True),
        Column("n", "int32", "", "meta.number", "Rows that both tables give", False, "%4d"),
        Column("n_no_distance", "int32", "", "meta.number", "Published rows without a distance here", False, "%4d"),
        _c("tolerance", "Largest difference of a reproduced row"),
        _c("published_median", "Median of the published column"),
        *(
            column
            for chain, words in (("legacy", "the published chain"), ("right", "the right chain"))
            for column in (
                Column(f"{chain}_same", "int32", "", "meta.number", f"Rows reproduced by {words}", False, "%4d"),
                _c(f"{chain}_median", f"Median of the column by {words}"),
                _c(f"{chain}_median_difference", f"Median absolute difference, {words} - published"),
                _c(f"{chain}_largest_difference", f"Largest absolute difference, {words} - published"),
            )
        ),
    ),
    key=("column",),
)


def rows_schema() -> Schema:
    """All published rows: published, published chain, right chain for each column."""
    columns = [DYNAMICS["cluster"]]
    for name, label in ORBITAL.items():
        base = DYNAMICS[name]
        for suffix, words in (
            ("published", "published"),
            ("legacy", "by the published chain"),
            ("right", "by the right chain"),
        ):
            columns.append(
                Column(
                    f"{name}_{suffix}", "float64", base.unit, base.ucd, f"{base.description}: {words}",
                    format=base.format, label=f"{label}_{suffix}",
                )
            )  # fmt: skip
    return Schema("dynamics_rows", "Orbital columns of every cluster, three times", tuple(columns), key=("cluster",))


@dataclass(frozen=True)
class Chains:
    """Both chains, and their comparison with the published columns.

    Attributes
    ----------
    right, legacy : DynamicsResult
        From the published velocities, without the zero point, as the paper has them.
    columns, rows : polars.DataFrame
        `COLUMNS` and `rows_schema`.
    """

    right: DynamicsResult
    legacy: DynamicsResult
    columns: pl.DataFrame
    rows: pl.DataFrame


def run_chains(inputs: Inputs, *, rng: Streams, jobs: int, progress: Callable[[int, int], None]) -> Chains:
    """Integrate all clusters with both chains."""
    results = []
    for done, legacy in enumerate((None, "fu2022")):
        progress(done, 2)
        settings = GalaxyConfig.model_validate({"draws": 0, "velocity": "uncorrected", "legacy": legacy})
        results.append(dynamics(inputs.catalogue, settings=settings, rng=rng, jobs=jobs))
    progress(2, 2)
    right, legacy_result = results
    table = inputs.orbits.rename({n: f"{n}_published" for n in ORBITAL})
    for result, suffix in ((legacy_result, "legacy"), (right, "right")):
        more = result.frame.select("cluster", *(pl.col(n).alias(f"{n}_{suffix}") for n in ORBITAL))
        table = table.join(more, on="cluster", maintain_order="left")
    rows = rows_schema().conform(table, where="orbits")
    return Chains(right, legacy_result, COLUMNS.conform(pl.DataFrame([_describe(rows, n) for n in ORBITAL])), rows)


def _describe(rows: pl.DataFrame, name: str) -> dict[str, object]:
    given = rows.filter(pl.col(f"{name}_published").is_not_null())
    both = given.filter(pl.col(f"{name}_legacy").is_not_null() & pl.col(f"{name}_right").is_not_null())
    out: dict[str, object] = {
        "column": ORBITAL[name],
        "unit": DYNAMICS[name].unit or None,
        "n": both.height,
        "n_no_distance": given.height - both.height,
        "tolerance": SAME[name],
        "published_median": both[f"{name}_published"].median(),
    }
    for chain in ("legacy", "right"):
        difference = (both[f"{name}_{chain}"] - both[f"{name}_published"]).abs()
        out |= {
            f"{chain}_same": int((difference <= SAME[name]).sum()),
            f"{chain}_median": both[f"{name}_{chain}"].median(),
            f"{chain}_median_difference": difference.median(),
            f"{chain}_largest_difference": difference.max(),
        }
    return out


def column_numbers(chains: Chains) -> tuple[list[Published], list[Finding]]:
    """For each column and chain: how many of the published rows come out."""
    numbers, found = [], []
    names = {label: name for name, label in ORBITAL.items()}
    for row in chains.columns.iter_rows(named=True):
        name = names[row["column"]]
        reproduced = row["legacy_same"] == row["n"]
        to = f"{row['tolerance']:g} {row['unit'] or ''}".strip()
        for chain, words in (("legacy", "published chain"), ("right", "right chain")):
            key = f"column.{chain}.{row['column'].lower()}"
            numbers.append(
                Published(
                    id=key,
                    where="Catalogue (CDS)",
                    quantity=f"rows of {row['column']} reproduced by the {words}, to {to}",
                    text=str(row["n"]),
                    kind="column",
                )
            )
            causes = []
            if chain == "right" and name in _CAUSE:
                evidence = (
                    f"the published chain, which has this error, reproduces {row['legacy_same']} of {row['n']} rows; "
                    f"the median difference of the right one is {row['right_median_difference']:.3g}"
                )
                if name == "energy":
                    evidence += f" (GalPot's constant is {GALPOT_ZERO_POINT} km2/s2)"
                causes = [Explanation(_CAUSE[name], reproduced, evidence)]
            note = f"median {row['published_median']:.6g} published, {row[f'{chain}_median']:.6g} here"
            if row["n_no_distance"]:
                note += f"; {row['n_no_distance']} more rows are published for clusters without a distance"
            found.append(Finding(key, float(row[f"{chain}_same"]), f"orbits, {words}", None, causes, None, note))
    return numbers, found


#: Numbers of single clusters in the text: id -> (cluster, column).
_SINGLE: Final = {
    f"{short}.{key}": (cluster, column)
    for short, cluster in (("be29", "Berkeley_29"), ("be32", "Berkeley_32"))
    for key, column in (("rgc", "r_gc"), ("apo", "r_apo"), ("peri", "r_peri"), ("ecc", "ecc"))
}


def single_clusters(inputs: Inputs, chains: Chains) -> list[Finding]:
    """Berkeley 29 and 32 by the published chain, which the paper quotes."""
    found = []
    frame, rows = chains.legacy.frame, chains.rows
    for key, (cluster, column) in _SINGLE.items():
        row = rows.row(by_predicate=pl.col("cluster") == cluster, named=True)
        ours, right, listed = (row[f"{column}_{c}"] for c in ("legacy", "right", "published"))
        causes = []
        if listed is not None:
            text = published()[key].text
            evidence = f"the catalogue has {listed:.5g}, as found here; the text has {text}"
            causes = [Explanation("text and catalogue differ", abs(listed - ours) <= SAME[column], evidence)]
        note = f"the right chain gives {right:.4g}" if column not in {"r_gc"} else ""
        if key == "be29.rgc":
            note = f"largest R_GC: {frame.row(int(frame['r_gc'].arg_max() or 0), named=True)['cluster']}"
        if key == "be32.ecc":
            some = frame.join(inputs.catalogue.filter(pl.col("n_feh") >= 3).select("cluster"), on="cluster")
            first = some.sort("ecc", descending=True, nulls_last=True).row(0, named=True)["cluster"]
            note += f"; most eccentric of the clusters with three flag-12 stars: {first}"
        found.append(Finding(key, ours, "orbits, published chain", None, causes, None, note))
    return found
