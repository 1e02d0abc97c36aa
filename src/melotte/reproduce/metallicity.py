"""Section 4.1: the metallicity distribution (Table 6, Figs. 8 and 10)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from ..config import GradientsConfig
from ..core.randomness import Streams
from ..gradients import GradientsResult, fit_table, predictor_table
from .inputs import Inputs
from .judge import Explanation, Finding, missing
from .numbers import PREDICTORS, SHORT, published
from .orbits import Chains
from .settings import ReproduceConfig

#: Look-back times of Fig. 8 [Myr].
LOOKBACK: Final = tuple(f"r_gc_{t}_myr" for t in range(0, 501, 100))
#: Standard error of the sample median of N Gaussian draws, and of the distance from the median to the 16th or 84th
#: percentile, in sigma / sqrt(N): from the covariance p (1 - q) / (N phi_p phi_q) of sample quantiles (p <= q).
MEDIAN_NOISE: Final = math.sqrt(math.pi / 2)
ARM_NOISE: Final = 1.486
#: The same for half the distance from the 16th to the 84th percentile, and for the difference of the arms over their
#: sum.
WIDTH_NOISE: Final = 0.964
SKEW_NOISE: Final = 1.131


@dataclass(frozen=True)
class Distribution:
    """The fits.

    Attributes
    ----------
    table6 : GradientsResult
        Predictors of the published chain, as published: a parabola, the scatter of the stars as the error.
    past : GradientsResult
        R_GC at the look-back times by the right chain, otherwise the same.
    """

    table6: GradientsResult
    past: GradientsResult


def run_distribution(
    inputs: Inputs,
    chains: Chains,
    *,
    settings: ReproduceConfig,
    rng: Streams,
    jobs: int,
    progress: Callable[[int, int], None],
) -> Distribution:
    """Fit the parabolas of Table 6 and Fig. 8."""
    base: dict[str, Any] = {"feh_error": "scatter", "models": ("parabola",), "scatter": False, "x_errors": False}
    tables = [
        inputs.catalogue.join(
            predictor_table(chain.frame, chain.snapshots), on="cluster", how="left", maintain_order="left"
        )
        for chain in (chains.legacy, chains.right)
    ]
    if settings.sampler == "emcee":
        table6 = GradientsConfig(legacy="fu2022")
    else:
        table6 = GradientsConfig.model_validate(base | {"predictors": PREDICTORS})
    past = GradientsConfig.model_validate(base | {"predictors": LOOKBACK})
    n = 2 if settings.sampler == "exact" else 48
    return Distribution(
        fit_table(tables[0], settings=table6, rng=rng, jobs=jobs if n > 2 else 1, progress=lambda d, t: progress(d, t)),
        fit_table(tables[1], settings=past, rng=rng),
    )


@dataclass(frozen=True)
class Noise:
    """How many independent draws would scatter about the exact posterior as Table 6 does, by three statistics."""

    by_median: float
    by_width: float
    by_skew: float
    mean_width: float

    def __str__(self) -> str:
        return (
            f"the 18 fits of Table 6 scatter about the exact posterior like {self.by_median:.0f} draws in the median, "
            f"{self.by_width:.0f} in the width, {self.by_skew:.0f} in the asymmetry; widths are {self.mean_width:.3f} "
            "times the exact ones in the mean"
        )


def noise_of_table6(ours: Mapping[str, Mapping[str, float]]) -> Noise:
    """Effective number of draws of Table 6, from the coefficient b of each fit (a, b, c of a fit go together).

    Parameters
    ----------
    ours : mapping
        Id of the number -> ``median`` and ``sd`` of the exact posterior.
    """
    shift, width, skew = [], [], []
    for key, row in ours.items():
        if not key.endswith(".b"):
            continue
        up, down = published()[f"{key}.up"].value, published()[f"{key}.down"].value
        shift.append((published()[key].value - row["median"]) / row["sd"])
        width.append((up + down) / 2 / row["sd"])
        skew.append((up - down) / (up + down))
    ratio = np.array(width)
    return Noise(
        float(MEDIAN_NOISE**2 / np.mean(np.square(shift))),
        float(WIDTH_NOISE**2 / np.var(ratio, ddof=1)),
        float(SKEW_NOISE**2 / np.mean(np.square(skew))),
        float(ratio.mean()),
    )


def findings(inputs: Inputs, found: Distribution, settings: ReproduceConfig) -> list[Finding]:
    """Table 6: 54 medians and 108 percentiles; the levels of the flat tails."""
    rows: dict[str, dict[str, float]] = {}
    for row in found.table6.frame.filter(pl.col("predictor").is_in(PREDICTORS)).iter_rows(named=True):
        rows[f"t6.{row['group']}.{SHORT[row['predictor']]}.{row['parameter']}"] = row
    noise = noise_of_table6(rows)
    n = settings.walkers
    basis = f"{settings.sampler} posterior"
    out = []
    for key, row in rows.items():
        number = published()[key]
        note = f"{row['n_clusters']} clusters"
        ours = {"": row["median"], ".up": row["p84"] - row["median"], ".down": row["median"] - row["p16"]}
        for part, value in ours.items():
            theirs = published()[f"{key}{part}"]
            scale = (ARM_NOISE if part else MEDIAN_NOISE) / math.sqrt(n) * row["sd"]
            off = max(abs(value - theirs.value) - 0.5 * theirs.unit_of_last_digit, 0.0) / scale
            why = Explanation(
                "sampling noise of Table 6",
                off <= settings.noise,
                f"{off:.1f} standard errors of {n} draws, one for each walker; {noise}",
            )
            out.append(Finding(f"{key}{part}", value, basis, row["sd"], [why], number.uncertainty, note))
    return [*out, *_tails(inputs, found)]


def _tails(inputs: Inputs, found: Distribution) -> list[Finding]:
    """Mean [Fe/H] of the clusters of an age group beyond the L_Z at which the paper sees its tail begin."""
    out = []
    for key, group in (("tail.old", ">4"), ("tail.middle", "2-4")):
        start = published()[f"{key}.lz"].value
        fit = next(f for f in found.table6.fits if f.group == group and f.predictor.name == "l_z")
        beyond = fit.sample.x >= start
        if not beyond.any():
            out.append(missing(key, f"no cluster of {group} Gyr beyond L_Z = {start:g} 10^3 kpc km/s"))
            continue
        y = fit.sample.y[beyond]
        names = ", ".join(np.array(fit.sample.cluster)[beyond])
        out.append(Finding(key, float(y.mean()), "published catalogue", note=f"mean of {names}"))
    return out
