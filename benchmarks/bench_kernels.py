"""Speed and memory of the draw kernel against plain numpy, on simulated clusters of realistic sizes.

    python benchmarks/bench_kernels.py            # 7,570 stars in 386 clusters and 1.3 million in 7,000
    python benchmarks/bench_kernels.py --small    # the first only

Plain numpy means, cluster after cluster: ``rng.normal(v, e, (draws, n))``, mean and median over the stars, centre and
standard deviation over the draws. Both run in the same process on the same clusters; peak memory is that of the
process (resident set), read before numpy runs.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
from results import peak_mib, record

from melotte.clusters.montecarlo import DrawStatistics, statistics
from melotte.core.randomness import Streams

DRAWS = 5000
#: stars, clusters, goal in seconds on two threads
SIZES = {"small": (7_570, 386, 0.5), "large": (1_300_000, 7_000, 40.0)}


def clusters(n_stars: int, n_clusters: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Clusters with log-normal numbers of stars that add up to ``n_stars``, RV errors of about 6 km/s."""
    rng = np.random.default_rng(1)
    weights = rng.lognormal(0.0, 1.5, n_clusters)
    sizes = np.maximum(1, np.floor(weights / weights.sum() * (n_stars - n_clusters)).astype(np.int64))
    sizes[np.argmax(sizes)] += n_stars - sizes.sum()
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    errors = rng.gamma(4.0, 1.6, offsets[-1])
    values = rng.normal(0.0, np.hypot(errors, 1.5)) + np.repeat(rng.normal(0, 30, n_clusters), sizes)
    return values, errors, offsets, [f"cluster {k}" for k in range(n_clusters)]


def plain_numpy(values: np.ndarray, errors: np.ndarray, offsets: np.ndarray, draws: int) -> np.ndarray:
    """Centre and standard deviation of the means and medians, shape (4, n_clusters)."""
    rng = np.random.default_rng(2)
    out = np.empty((4, len(offsets) - 1))
    for k in range(len(offsets) - 1):
        part = slice(offsets[k], offsets[k + 1])
        x = rng.normal(values[part], errors[part], size=(draws, offsets[k + 1] - offsets[k]))
        means, medians = x.mean(axis=1), np.median(x, axis=1)
        out[:, k] = means.mean(), means.std(ddof=1), medians.mean(), medians.std(ddof=1)
    return out


def timed(label: str, run: object) -> tuple[object, float]:
    """Run and print wall and processor time."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()  # type: ignore[operator]
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"  {label:<42} {wall:8.2f} s wall {cpu:8.2f} s processor", flush=True)
    return result, wall


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="only the small problem")
    parser.add_argument("--jobs", type=int, default=2, help="threads of the kernel")
    parser.add_argument("--no-numpy", action="store_true", help="skip the comparison")
    parser.add_argument("--json", type=Path, help="append the numbers to this file")
    arguments = parser.parse_args()

    start = time.perf_counter(), time.process_time()
    statistics(np.zeros(2), np.ones(2), np.array([0, 2]), ["first"], rng=Streams(0), draws=2)
    print(f"import of the kernel and first call: {time.perf_counter() - start[0]:.2f} s wall,", end=" ")
    print(f"{time.process_time() - start[1]:.2f} s processor (compiled only if not on disk yet)")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for name in ("small",) if arguments.small else ("small", "large"):
        n_stars, n_clusters, goal = SIZES[name]
        problem = clusters(n_stars, n_clusters)
        print(f"{name}: {DRAWS} draws of {len(problem[0]):,} stars in {n_clusters:,} clusters")
        found, kernel = timed(
            f"kernel, {arguments.jobs} threads (goal {goal:g} s)",
            lambda p=problem: statistics(*p, rng=Streams(0), draws=DRAWS, jobs=arguments.jobs),
        )
        assert isinstance(found, DrawStatistics)
        memory = peak_mib()
        print(f"  peak memory of the process {memory:.0f} MiB")
        timed(
            "kernel without medians (selection pass)",
            lambda p=problem: statistics(*p, rng=Streams(0), draws=DRAWS, jobs=arguments.jobs, median=False),
        )
        if arguments.no_numpy:
            continue
        plain, numpy_time = timed("plain numpy per cluster", lambda p=problem: plain_numpy(*p[:3], DRAWS))
        pull = (found.median - plain[2]) / np.hypot(found.median_sd, plain[3]) * np.sqrt(DRAWS)
        record(
            arguments.json,
            f"Monte-Carlo means and medians, {len(problem[0]):,} stars in {n_clusters:,} clusters, {DRAWS:,} draws",
            seconds=kernel,
            mib=memory,
            peer="numpy, cluster by cluster",
            peer_seconds=numpy_time,
            ratio=numpy_time / kernel,
        )
        print(f"  ratio {numpy_time / kernel:.1f}; medians differ by {pull.std():.2f} Monte-Carlo errors (1 expected)")


if __name__ == "__main__":
    main()
