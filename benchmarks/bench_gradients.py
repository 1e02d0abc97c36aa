"""Speed of the metallicity fits beside plain emcee calls, in the same run.

48 fits: six age groups of the published sizes (the oldest with eight clusters, the fewest a parabola with scatter
takes) against eight predictors, on simulated clusters. ``--legacy`` adds the published settings (300 walkers, 10,000
steps) and a plain emcee call with them, ``--jobs`` sets the processes.

    python benchmarks/bench_gradients.py --jobs 2 [--legacy]
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import emcee
import numpy as np
import polars as pl
from results import record

from melotte.config import GradientsConfig
from melotte.core.randomness import Streams
from melotte.gradients import fit_table

SIZES = (53, 67, 34, 30, 12, 8)
PREDICTORS = (*(f"r_gc_{t}_myr" for t in range(0, 501, 100)), "l_z", "energy")


def table() -> pl.DataFrame:
    """Simulated clusters with every column of the fit."""
    rng = np.random.default_rng(1)
    n = sum(SIZES)
    r = rng.uniform(7.5, 15.0, n)
    age = np.repeat([0.05, 0.3, 0.7, 1.5, 3.0, 6.0], SIZES)
    feh = -0.06 * (r - 8.5) + 0.08 * rng.standard_normal(n)
    moved = {p: r + 0.5 * rng.standard_normal(n) for p in PREDICTORS[:6]}
    return pl.DataFrame(
        {
            "cluster": [f"C{i}" for i in range(n)],
            "feh_med": feh,
            "feh_med_error": rng.uniform(0.02, 0.1, n),
            "feh_scatter": rng.uniform(0.05, 0.2, n),
            "n_feh": np.full(n, 5),
            "log_age": 9.0 + np.log10(age),
            **moved,
            "l_z": 233.0 * r,
            "energy": -2.2e5 + 6.0e4 * np.log(r / 3.0),
        }
    )


def plain(frame: pl.DataFrame, size: int, walkers: int, steps: int) -> float:
    """Seconds of one fit as a user writes it: default move, one call of the likelihood per walker, no pool."""
    rows = frame.head(size)
    x, y, e = (rows[c].to_numpy() for c in ("r_gc_0_myr", "feh_med", "feh_scatter"))

    def log_probability(theta: np.ndarray) -> float:
        model = theta[0] * x**2 + theta[1] * x + theta[2]
        return float(-0.5 * np.sum(((y - model) / e) ** 2))

    start = np.polyfit(x, y, 2) + 1e-4 * np.random.default_rng(1).standard_normal((walkers, 3))
    begin = time.perf_counter()
    emcee.EnsembleSampler(walkers, 3, log_probability).run_mcmc(start, steps)
    return time.perf_counter() - begin


def processor_time() -> float:
    """Seconds of this process and of those that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--legacy", action="store_true")
    parser.add_argument("--json", type=Path, help="append the numbers to this file")
    parser.add_argument("--plain-steps", type=int, default=500, help="steps of the plain call; scaled up to 10,000")
    options = parser.parse_args()
    frame = table()
    base = {"models": ("parabola",), "predictors": PREDICTORS}
    runs = {
        "exact posterior (fixed errors)": GradientsConfig(**base, feh_error="scatter", scatter=False, x_errors=False),
        "emcee, intrinsic scatter": GradientsConfig(**base),
    }
    if options.legacy:
        runs["legacy: 300 walkers x 10,000 steps"] = GradientsConfig(legacy="fu2022")
    measured = {}
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors, {options.jobs} processes")
    for name, settings in runs.items():
        jobs = 1 if name.startswith("exact") else options.jobs
        begin, cpu = time.perf_counter(), processor_time()
        result = fit_table(frame, settings=settings, rng=Streams(1), jobs=jobs)
        seconds = time.perf_counter() - begin
        measured[name] = (seconds, processor_time() - cpu)
        worst = result.frame
        print(
            f"{name}: {len(result.fits)} fits in {seconds:.1f} s (comparison of models included); "
            f"{sum(f.posterior.converged for f in result.fits)} converged, "
            f"ESS >= {worst['ess'].min():.0f}, R-hat <= {worst['r_hat'].max():.4f}, "
            f"{measured[name][1]:.1f} s of processor time"
        )
    seconds = plain(frame, 53, 300, options.plain_steps)
    one = seconds * 10_000 / options.plain_steps
    print(
        f"plain emcee, 300 walkers: {options.plain_steps} steps in {seconds:.1f} s, so 10,000 in {one:.0f} s "
        f"and 48 such fits in {48 * one / 60:.0f} min"
    )
    for name, (wall, cpu) in measured.items():
        peer = {"peer": "emcee, default call, 300 walkers x 10,000 steps (scaled)", "peer_seconds": 48 * one}
        record(
            options.json, f"48 metallicity fits; {name}", seconds=wall, cpu_seconds=cpu, **peer, ratio=48 * one / wall
        )


if __name__ == "__main__":
    main()
