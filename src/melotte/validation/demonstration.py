"""The demo: a simulated survey through the same pipeline, compared with the truth it was drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from .. import figures
from ..catalogue.catalogue import Catalogue
from ..catalogue.store import exclusive
from ..config import parse
from ..core.randomness import Streams
from ..workflow.delivery import Extra, deliver
from ..workflow.pipeline import Progress, compute, silent
from .simulate import SimulationSettings, simulate

#: Fewest stars of a cluster that counts in the comparison.
MINIMUM_STARS = 5

#: The configuration of the demo: everything else is the default.
CONFIG = {
    "survey": {"adapter": "lamost", "file": "lamost_like.csv", "name": "simulated survey", "gaia_release": "DR2"},
    "members": {"catalogue": "cantat2018", "file": "members.csv", "probability": ">= 0.7"},
    "clusters": {"catalogue": "cantat2020", "file": "clusters.csv"},
    "crossmatch": {"method": "position"},
    "zero_point": {"reference": {"adapter": "gaia_rvs", "file": "reference.csv", "name": "simulated reference"}},
    # The PARSEC isochrones are not part of the package: the demo tells giants by log g.
    "metallicity": {"giant_rule": "logg"},
}


@dataclass(frozen=True)
class Recovery:
    """How well one quantity was recovered, over clusters with `MINIMUM_STARS` or more stars.

    Attributes
    ----------
    quantity : str
        ``RV`` or ``[Fe/H]``.
    unit : str
        Unit of ``bias``.
    n : int
        Number of clusters.
    bias : float
        Median of recovered - true.
    within_1, within_3 : float
        Fraction of clusters whose truth lies within 1 and 3 of their published uncertainties.
    """

    quantity: str
    unit: str
    n: int
    bias: float
    within_1: float
    within_3: float

    def __str__(self) -> str:
        return (
            f"{self.quantity:<7} {self.n:>4} clusters   bias {self.bias:+.3f} {self.unit:<4}   "
            f"truth within 1 sigma {self.within_1:6.1%}   within 3 sigma {self.within_3:6.1%}"
        )

    @property
    def sentence(self) -> str:
        """The same for the report."""
        return (
            f"bias {self.bias:+.3f} {self.unit}; truth within 1 sigma for {self.within_1:.1%}, within 3 sigma for "
            f"{self.within_3:.1%} of {self.n} clusters with {MINIMUM_STARS} or more stars"
        )


def recover(catalogue: pl.DataFrame, truth: pl.DataFrame) -> tuple[Recovery, ...]:
    """Compare a catalogue with the truth.

    Parameters
    ----------
    catalogue : polars.DataFrame
        Schema `melotte.schema.CATALOGUE`, with a zero point.
    truth : polars.DataFrame
        ``cluster``, ``rv`` (km/s) and ``feh`` (dex).

    Returns
    -------
    tuple of Recovery
        One each for RV (corrected for the zero point) and [Fe/H].
    """
    joined = catalogue.join(truth.select("cluster", "rv", "feh"), on="cluster")
    found = []
    for quantity, unit, value, error, count, true in (
        ("RV", "km/s", "rv_corrected", "rv_corrected_error", "n_rv", "rv"),
        ("[Fe/H]", "dex", "feh_med", "feh_med_error", "n_feh", "feh"),
    ):
        rows = joined.filter((pl.col(count) >= MINIMUM_STARS) & pl.col(value).is_not_null())
        difference = rows[value] - rows[true]
        sigmas = (difference / rows[error]).abs()
        found.append(
            Recovery(
                quantity,
                unit,
                rows.height,
                float(difference.median()),  # type: ignore[arg-type]
                float((sigmas <= 1).mean()),  # type: ignore[arg-type]
                float((sigmas <= 3).mean()),  # type: ignore[arg-type]
            )
        )
    return tuple(found)


def run_demo(
    out: str | Path,
    *,
    jobs: int | None = None,
    progress: Progress = silent,
    settings: SimulationSettings | None = None,
    seed: int = 20221101,
) -> tuple[Catalogue, tuple[Recovery, ...]]:
    """Simulate a survey below ``out/input``, make its catalogue in ``out`` and compare with the truth.

    Parameters
    ----------
    out : path
        Directory for inputs and results.
    jobs : int, optional
        Number of threads.
    progress : callable, optional
        See `melotte.workflow.pipeline.run`.
    settings : SimulationSettings, optional
        Size and properties of the simulated survey.
    seed : int
        Seed of the simulation and of the run.

    Returns
    -------
    catalogue : Catalogue
    recovered : tuple of Recovery
    """
    with exclusive(out):
        progress("simulate", 0, None)
        survey = simulate(settings or SimulationSettings(), Streams(seed))
        inputs = Path(out) / "input"
        survey.write(inputs)
        config = parse({**CONFIG, "run": {"seed": seed, "title": "Demo on simulated data"}}, where="demo")
        catalogue = compute(config, data_dir=inputs, out=out, jobs=jobs, progress=progress)
        recovered = recover(catalogue.frame, survey.truth)
        extra = Extra(
            facts={f"recovered {r.quantity}": r.sentence for r in recovered},
            pictures={
                "recovery": (
                    figures.recovery(catalogue.frame, survey.truth, minimum_stars=MINIMUM_STARS),
                    "Recovered minus true values in units of their uncertainty.",
                )
            },
            simulated=True,
        )
        deliver(catalogue, out, extra=extra, progress=progress)
        return catalogue, recovered
