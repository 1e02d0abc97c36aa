"""Zero points of surveys against each other, all solved together.

Every object i (a star or a cluster) that several surveys s measured gives

    y_si = mu_i + b_s + noise,    noise ~ N(0, e_si^2 + j_s^2)

with its unknown true velocity mu_i, the survey's offset b_s and the survey's extra scatter j_s (underestimated errors,
binaries). mu_i is eliminated analytically; b of the reference survey is zero. The zero point given is -b_s.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ..errors import EmptyResultError, MelotteError, SchemaError
from ..schema.literature import SURVEY_PAIRS, ZERO_POINTS
from .equations import Equations, Fit, Floats, SolveSettings
from .measurements import MEASUREMENTS
from .statistics import describe


@dataclass(frozen=True)
class Network:
    """The common solution.

    Attributes
    ----------
    reference : str
        The survey whose zero point is fixed at 0.
    frame : polars.DataFrame
        ZERO_POINTS.
    pairs : polars.DataFrame
        SURVEY_PAIRS.
    covariance : ndarray, shape (k, k)
        Of the zero points of ``solved``, (km/s)^2; scaled by chi2 / dof where that is larger than one (Birge 1932,
        Phys. Rev. 40, 207).
    solved : tuple of str
        Surveys with a zero point, the reference not among them.
    scatter : mapping
        Extra scatter of each survey by kind of object, km/s.
    n_clipped : int
        Measurements left out as outliers.
    chi2, dof : float, int
        Of the residuals that stayed.
    """

    reference: str
    frame: pl.DataFrame
    pairs: pl.DataFrame
    covariance: Floats
    solved: tuple[str, ...]
    scatter: Mapping[tuple[str, str], float]
    n_clipped: int
    chi2: float
    dof: int

    def summary(self) -> str:
        """A few lines for a terminal."""
        lines = [f"zero points relative to {self.reference} (to be added), chi2/dof = {self.chi2:.0f}/{self.dof}"]
        for row in self.frame.iter_rows(named=True):
            value = (
                row["note"]
                if row["zero_point"] is None
                else f"{row['zero_point']:+.2f} +- {row['zero_point_error']:.2f} km/s"
            )
            lines.append(f"  {row['survey']:<24} {value}  ({row['n_stars']} stars, {row['n_clusters']} clusters)")
        for row in self.pairs.iter_rows(named=True):
            median = "-" if row["median"] is None else f"{row['median']:+.2f}"
            median += "" if row["median_error"] is None else f" +- {row['median_error']:.2f}"
            solution = "-" if row["solution"] is None else f"{row['solution']:+.2f}"
            lines.append(
                f"  {row['first']} - {row['second']}, {row['n']} {row['kind']}s: median {median}, solution {solution}"
            )
        return "\n".join(lines)


def solve(
    measurements: pl.DataFrame, *, reference: str, surveys: Sequence[str] = (), settings: SolveSettings | None = None
) -> Network:
    """Solve for the zero points of all surveys at once.

    Parameters
    ----------
    measurements : polars.DataFrame
        ``kind`` (star or cluster), ``object``, ``survey``, ``value``, ``error`` (km/s, null: unknown); one row per
        object and survey. Stars and clusters enter together: where the clusters of a survey are made of the stars
        given here, give one of the two only, or its stars count twice.
    reference : str
        Survey whose zero point is 0.
    surveys : sequence of str
        Order of the surveys in the result; those of the table by default.
    settings : SolveSettings, optional
        Choices.

    Returns
    -------
    Network
        A survey that shares too few objects with others, or is not connected with the reference, has no zero point
        and a note.

    Raises
    ------
    SchemaError
        If a column is missing or an object occurs twice in a survey.
    EmptyResultError
        If no two surveys have an object in common.
    MelotteError
        If the reference is not among the surveys.
    """
    settings = settings or SolveSettings()
    if absent := [c for c in MEASUREMENTS if c not in measurements.columns]:
        raise SchemaError(f"columns {absent} are missing", where="measurements", expected=", ".join(MEASUREMENTS))
    if measurements.select("kind", "object", "survey").is_duplicated().any():
        raise SchemaError("an object occurs twice in a survey", where="measurements", hint="average repeats first")
    names = list(dict.fromkeys([*surveys, *measurements["survey"].unique(maintain_order=True)]))
    if reference not in names:
        raise MelotteError(f"the reference {reference!r} is not among the surveys", expected=", ".join(names))
    shared = measurements.filter(pl.len().over("kind", "object") > 1).sort("kind", "object", "survey")
    if shared.is_empty():
        raise EmptyResultError("no two surveys have an object in common", where="measurements")
    data = Equations(shared, names, settings)
    connected = data.connected(reference, settings.minimum)
    fit = data.fit([n for n in connected if n != reference], reference, settings)
    return _report(shared, names, reference, connected, data, fit)


def _report(
    shared: pl.DataFrame, names: list[str], reference: str, connected: list[str], data: Equations, fit: Fit
) -> Network:
    offset = dict(zip(fit.solved, fit.offsets, strict=True)) | {reference: 0.0}
    error = dict(zip(fit.solved, np.sqrt(np.diag(fit.covariance)), strict=True)) | {reference: 0.0}
    counts = {(s, k): n for s, k, n in shared.group_by("survey", "kind").len().iter_rows()}
    rows = [
        {
            "survey": n,
            "zero_point": 0.0 - offset[n] if n in offset else None,
            "zero_point_error": error.get(n),
            "n_stars": counts.get((n, "star"), 0),
            "n_clusters": counts.get((n, "cluster"), 0),
            "note": "reference" if n == reference else None if n in connected else "not connected with the reference",
        }
        for n in names
    ]
    pairs = []
    for (first, second), kind in itertools.product(itertools.combinations(names, 2), data.kinds):
        both = shared.filter((pl.col("survey") == first) & (pl.col("kind") == kind)).join(
            shared.filter(pl.col("survey") == second), on=["kind", "object"], suffix="_second"
        )
        if both.is_empty():
            continue
        direct = describe((both["value"] - both["value_second"]).to_numpy())
        solution = offset[first] - offset[second] if first in offset and second in offset else None
        tension = None
        if solution is not None and direct.median is not None and direct.median_error:
            together = (direct.median_error**2 + _difference_error(fit, first, second) ** 2) ** 0.5
            tension = (direct.median - solution) / together
        pairs.append(
            {
                "first": first,
                "second": second,
                "kind": kind,
                "n": direct.n,
                "median": direct.median,
                "median_error": direct.median_error,
                "sd": direct.sd,
                "solution": solution,
                "tension": tension,
            }
        )
    return Network(
        reference=reference,
        frame=ZERO_POINTS.conform(pl.DataFrame(rows, schema_overrides=ZERO_POINTS.polars_schema())),
        pairs=SURVEY_PAIRS.conform(pl.DataFrame(pairs, schema_overrides=SURVEY_PAIRS.polars_schema())),
        covariance=fit.covariance,
        solved=fit.solved,
        scatter=fit.scatter,
        n_clipped=int((~fit.used).sum()),
        chi2=fit.chi2,
        dof=fit.dof,
    )


def _difference_error(fit: Fit, first: str, second: str) -> float:
    """Standard error of the difference of two zero points, with their covariance."""
    vector: Floats = np.zeros(len(fit.solved))
    for name, sign in ((first, 1.0), (second, -1.0)):
        if name in fit.solved:
            vector[fit.solved.index(name)] = sign
    return float(max(0.0, float(vector @ fit.covariance @ vector)) ** 0.5)
