"""What counts as agreement, and the choices of the reproduction."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..config import Settings

Kind = Literal["count", "printed", "about", "estimate", "posterior", "column"]


class Tolerances(Settings):
    """How far ours may lie from the paper's, by kind of number.

    Attributes
    ----------
    count : float
        Whole numbers from the same rows: no difference.
    printed : float
        Values computed from the same rows: half a unit of the last digit printed.
    about : float
        Values the paper marks with "about" or "~": one unit of the last digit printed.
    estimate : float
        Values from other stars or another compilation, in standard deviations: the paper's error (that of its mean or
        scatter where the paper gives none) and ours in quadrature.
    posterior : float
        Median and percentiles of the same posterior from the same data, in standard deviations of the posterior; half
        a unit of the last digit printed is added. Two converged chains of the published length differ by 0.02.
    """

    count: Annotated[float, Field(ge=0)] = 0.0
    printed: Annotated[float, Field(gt=0)] = 0.5
    about: Annotated[float, Field(gt=0)] = 1.0
    estimate: Annotated[float, Field(gt=0)] = 2.0
    posterior: Annotated[float, Field(gt=0)] = 0.05


class ReproduceConfig(Settings):
    """Choices of the reproduction.

    Attributes
    ----------
    seed : int
        Of every random draw.
    sampler : str
        ``exact``: the Gaussian posterior of Table 6 in closed form; ``emcee``: 300 walkers, 10,000 steps, as published.
    until : str
        Literature up to this month counts as known (the paper was accepted in September 2022).
    walkers : int
        Walkers of the published chains (Sect. 4.1): the number of draws whose sampling noise Table 6 is held against.
    noise : float
        Standard errors of that noise within which it explains a difference.
    """

    seed: Annotated[int, Field(ge=0)] = 20221101
    sampler: Literal["exact", "emcee"] = "exact"
    until: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] = "2022-09-30"
    walkers: Annotated[int, Field(ge=2)] = 300
    noise: Annotated[float, Field(gt=0)] = 3.0
    tolerances: Tolerances = Tolerances()
