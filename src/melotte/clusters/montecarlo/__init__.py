"""Monte-Carlo draws of a quantity of every star of every cluster.

For each cluster with values v_i and errors e_i, ``draws`` times: x_i = v_i + e_i z_i with z_i standard normal for every
star, then the mean and the median over the stars; of these their centre (mean over the draws) and standard deviation,
and the mean and standard deviation of all x_i pooled.

The z_i are pseudo-random: xoshiro256++ (Blackman & Vigna 2021), turned into normal deviates by the Box-Muller
transform; one generator per cluster, seeded from the run's seed and the cluster's name
(`melotte.core.randomness.Streams`).
The result therefore depends neither on the order of the clusters nor on the number of threads. Never more than
``kernels.LANES`` draws of one cluster are held in memory by a thread.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, fields

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ...core.randomness import Streams

FloatArray = NDArray[np.float64]
#: Values drawn by a thread at a time: about 20 ms.
_DRAWS_PER_CHUNK = 3_000_000
#: What a cluster costs besides its stars, in stars.
_OVERHEAD_STARS = 4
#: Called with (clusters done, clusters in all).
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class DrawStatistics:
    """Statistics of the draws, one value per cluster, in the unit of the values.

    Attributes
    ----------
    mean, mean_sd : ndarray
        Mean and standard deviation (over the draws, n - 1) of the mean over the stars.
    median, median_sd : ndarray
        The same of the median over the stars; NaN where not asked for.
    pooled_mean, pooled_sd : ndarray
        Mean and standard deviation of all values drawn.
    """

    mean: FloatArray
    mean_sd: FloatArray
    median: FloatArray
    median_sd: FloatArray
    pooled_mean: FloatArray
    pooled_sd: FloatArray


def statistics(
    values: FloatArray,
    errors: FloatArray,
    offsets: NDArray[np.int64],
    names: Sequence[str],
    *,
    rng: Streams,
    draws: int,
    median: bool = True,
    jobs: int = 1,
    progress: Progress | None = None,
) -> DrawStatistics:
    """Draw statistics of every cluster.

    Parameters
    ----------
    values, errors : ndarray, shape (n_stars,)
        Values and their errors (positive), cluster after cluster.
    offsets : ndarray of int64, shape (n_clusters + 1,)
        Cluster k holds the stars ``offsets[k]:offsets[k + 1]``; none is empty.
    names : sequence of str
        Names of the clusters; each names its own random generator.
    rng : Streams
        The family of generators of the stage.
    draws : int
        Number of draws.
    median : bool
        Whether the medians are wanted.
    jobs : int
        Number of threads.
    progress : callable, optional
        Called with (clusters done, clusters in all).

    Returns
    -------
    DrawStatistics
    """
    n_clusters = len(names)
    out = np.full((6, n_clusters), np.nan)
    if n_clusters == 0:
        return DrawStatistics(*out)

    def run(chunk: list[int]) -> int:
        for k in chunk:
            part = slice(offsets[k], offsets[k + 1])
            means, medians, pooled = draw(
                values[part], errors[part], rng=rng, name=names[k], draws=draws, median=median
            )
            out[:2, k] = means.mean(), means.std(ddof=1)
            if median:
                out[2:4, k] = medians.mean(), medians.std(ddof=1)
            out[4:, k] = pooled
        return len(chunk)

    chunks = _chunks(np.diff(offsets), draws)
    # Compile, or load what was compiled before, in one thread.
    draw(np.zeros(1), np.ones(1), rng=rng, name="", draws=1)
    done = 0
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        futures = [pool.submit(run, chunk) for chunk in chunks]
        try:
            for future in as_completed(futures):
                done += future.result()
                if progress is not None:
                    progress(done, n_clusters)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return DrawStatistics(*out)


def draw(
    values: FloatArray, errors: FloatArray, *, rng: Streams, name: str, draws: int, median: bool = True
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Draw all stars of one cluster.

    Parameters
    ----------
    values, errors : ndarray, shape (n,)
        Measured values and their errors, n >= 1.
    rng : Streams
        The family of generators of the stage.
    name : str
        Name of the cluster, of its generator.
    draws : int
        Number of draws.
    median : bool
        Whether the medians are wanted.

    Returns
    -------
    means : ndarray, shape (draws,)
        Mean over the stars of each draw.
    medians : ndarray, shape (draws,)
        Median over the stars of each draw; shape (0,) if not wanted.
    pooled : ndarray, shape (2,)
        Mean and (population) standard deviation of all ``n * draws`` values.
    """
    from . import kernels  # numba takes half a second to import

    values, errors = np.ascontiguousarray(values, dtype=float), np.ascontiguousarray(errors, dtype=float)
    state = rng.sequence(name).generate_state(8, np.uint64).astype(np.uint64)
    means, medians, pooled = np.empty(draws), np.empty(draws if median else 0), np.empty(2)
    n, lanes = values.size, kernels.LANES
    words, flat, row = np.empty(n * lanes, dtype=np.uint64), np.empty(n * lanes), np.empty(n + 1)
    x, total, squares = flat.reshape(n, lanes), np.empty(lanes), np.empty(lanes)
    scratch = (words, flat, x, row, total, squares)
    kernels.draw_centres(values, errors, state, _network(n), *scratch, means, medians, pooled)
    return means, medians, pooled


@functools.cache
def _network(n: int) -> NDArray[np.int64]:
    from . import kernels

    return kernels.sorting_network(n if n <= kernels.NETWORK_LIMIT else 0)


def _chunks(sizes: NDArray[np.int64], draws: int) -> list[list[int]]:
    """Clusters in portions of about equal work, large clusters first so that no thread is left with one at the end."""
    order = np.argsort(-sizes, kind="stable")
    portion = np.cumsum(sizes[order] + _OVERHEAD_STARS) * draws // _DRAWS_PER_CHUNK
    edges = np.flatnonzero(np.diff(portion)) + 1
    return [part.tolist() for part in np.split(order, edges)]


def summarise(
    frame: pl.DataFrame,
    quantity: str,
    *,
    rng: Streams,
    draws: int,
    median: bool = True,
    jobs: int = 1,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Draw statistics of a table, cluster by cluster.

    Parameters
    ----------
    frame : polars.DataFrame
        Columns ``cluster``, ``<quantity>`` and ``<quantity>_error``, sorted by cluster, without missing values.
    quantity : str
        Name of the quantity.
    rng, draws, median, jobs, progress
        See `statistics`.

    Returns
    -------
    polars.DataFrame
        ``cluster`` and the columns of `DrawStatistics` (null where not asked for). A cluster of one star has that
        star's value for every centre and its error for every standard deviation, exactly.
    """
    groups = frame.group_by("cluster", maintain_order=True).agg(
        pl.len().alias("n"), pl.col(quantity).first().alias("value"), pl.col(f"{quantity}_error").first().alias("error")
    )
    offsets = np.concatenate([[0], np.cumsum(groups["n"].to_numpy())]).astype(np.int64)
    found = statistics(
        frame[quantity].to_numpy(),
        frame[f"{quantity}_error"].to_numpy(),
        offsets,
        groups["cluster"].to_list(),
        rng=rng,
        draws=draws,
        median=median,
        jobs=jobs,
        progress=progress,
    )
    single = pl.col("n") == 1
    columns = {f.name: getattr(found, f.name) for f in fields(found)}
    return groups.with_columns(
        **{k: pl.Series(k, v, dtype=pl.Float64).fill_nan(None) for k, v in columns.items()}
    ).select(
        "cluster",
        *(
            pl.when(single).then("error" if name.endswith("_sd") else "value").otherwise(name).alias(name)
            for name in columns
        ),
    )
