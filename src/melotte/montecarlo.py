"""Monte-Carlo draws of a quantity of every star of every cluster.

For each cluster with values v_i and errors e_i, ``draws`` times: x_i = v_i + e_i N(0, 1) for every star, then the mean
and the median over the stars; of these their centre (mean over the draws) and standard deviation, and the mean and
standard deviation of all x_i pooled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .randomness import Streams

FloatArray = NDArray[np.float64]
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

    def one(k: int) -> None:
        v, e = values[offsets[k] : offsets[k + 1]], errors[offsets[k] : offsets[k + 1]]
        gen = rng.generator(names[k])
        x = gen.standard_normal((draws, v.size)) * e + v
        m = x.mean(axis=1)
        md = np.median(x, axis=1)
        out[:, k] = m.mean(), m.std(ddof=1), md.mean(), md.std(ddof=1), x.mean(), x.std()

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        for done, _ in enumerate(pool.map(one, range(n_clusters)), start=1):
            if progress is not None:
                progress(done, n_clusters)
    return DrawStatistics(*out)


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
