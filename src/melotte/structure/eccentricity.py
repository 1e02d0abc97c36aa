"""Eccentricity against apocentre, by age and by [Fe/H] (Fu et al. 2022, Fig. 9): the table and its trends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import rankdata

from ..config import StructureConfig
from ..core.randomness import Streams
from ..errors import SchemaError
from ..schema.result import Result, Step
from ..schema.structure import ECCENTRICITIES, TESTS

#: Fewest clusters for a trend.
MINIMUM = 10


@dataclass(frozen=True)
class EccentricitiesResult(Result):
    """The clusters of the figure (``frame``), and the trends that the paper reads from it."""

    tests: pl.DataFrame = field(default_factory=TESTS.empty)


def eccentricities(
    dynamics: pl.DataFrame, clusters: pl.DataFrame, *, settings: StructureConfig, rng: Streams
) -> EccentricitiesResult:
    """Put eccentricity, apocentre, age and [Fe/H] side by side, and test the trends.

    Parameters
    ----------
    dynamics : polars.DataFrame
        `melotte.schema.DYNAMICS`: ``cluster``, ``r_apo`` [kpc], ``ecc``, their percentiles if there.
    clusters : polars.DataFrame
        ``cluster``, ``log_age`` [log yr]; ``feh_med``, ``feh_med_error`` [dex], ``n_feh``, ``n_rv`` if there.
    settings : StructureConfig
        Numbers of stars, and of permutations.
    rng : Streams

    Returns
    -------
    EccentricitiesResult
        ``frame`` follows `melotte.schema.structure.ECCENTRICITIES`. Tests: Spearman's rank correlation of eccentricity
        with age, and of apocentre with [Fe/H], against permutations; one-sided in the sense the paper reports.

    Raises
    ------
    SchemaError
        If a column is missing.
    """
    for table, names in ((dynamics, ("cluster", "r_apo", "ecc")), (clusters, ("cluster", "log_age"))):
        missing = [c for c in names if c not in table.columns]
        if missing:
            raise SchemaError(f"the table lacks {missing}", where="eccentricities", expected=", ".join(names))
    have = [c for c in ECCENTRICITIES.names if c in dynamics.columns]
    more = [c for c in ("log_age", "feh_med", "feh_med_error", "n_feh", "n_rv") if c in clusters.columns]
    table = dynamics.select(have).join(
        clusters.select("cluster", *more), on="cluster", how="left", maintain_order="left"
    )
    known = table.drop_nulls(["r_apo", "ecc"])

    def enough(column: str, least: int) -> pl.Expr:
        return (pl.col(column) >= least).fill_null(False) if column in known.columns else pl.lit(True)

    has_feh = pl.col("feh_med").is_not_null() if "feh_med" in known.columns else pl.lit(False)
    frame = ECCENTRICITIES.conform(
        known.with_columns(
            by_age=pl.col("log_age").is_not_null() & enough("n_rv", settings.minimum_rv_stars),
            by_feh=has_feh & enough("n_feh", settings.minimum_feh_stars),
        ),
        where="eccentricities",
    )
    generator = rng.child("structure").generator("eccentricity")
    tests = []
    for test, shown, x, y, sign in (
        ("eccentricity does not grow with age", "by_age", "log_age", "ecc", 1.0),
        ("apocentre does not grow as [Fe/H] falls", "by_feh", "feh_med", "r_apo", -1.0),
    ):
        rows = frame.filter(shown)
        if rows.height >= MINIMUM:
            a, b = (rankdata(rows[c].to_numpy()) for c in (x, y))
            drawn = np.array([_correlation(generator.permutation(a), b) for _ in range(settings.permutations)])
            observed = _correlation(a, b)
            tests.append(
                {
                    "test": test, "group": f"clusters shown {shown.replace('_', ' ')}", "n_clusters": rows.height,
                    "statistic": f"rank correlation of {y} with {x}", "observed": observed,
                    "expected": float(drawn.mean()), "spread": float(drawn.std()),
                    "p_value": (1.0 + float((sign * drawn >= sign * observed).sum())) / (1.0 + settings.permutations),
                    "method": f"{settings.permutations} permutations, one-sided",
                }
            )  # fmt: skip
    rows_of_tests: Any = pl.DataFrame(tests, infer_schema_length=None) if tests else TESTS.empty()
    return EccentricitiesResult(
        frame=frame,
        schema=ECCENTRICITIES,
        settings=settings,
        steps=(Step("eccentricities", "clusters", table.height, {"without an orbit": table.height - known.height}),),
        tests=TESTS.conform(rows_of_tests, where="eccentricities"),
    )


def _correlation(a: Any, b: Any) -> float:
    return float(np.corrcoef(a, b)[0, 1])
