"""Errors that all stars of a cluster share (a plate's offset): how large, from a reference survey, and what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ...config import VelocityModelConfig
from ...stars import has_valid_error
from .likelihood import PERCENTILES, some_clusters, velocity_model
from .likelihood_fit import trapezoid
from .likelihood_parameters import FloatArray

if TYPE_CHECKING:
    from .selection import VelocityResult

#: Scatter of the cluster-to-cluster differences is looked for up to this many times the scale of its prior.
_LARGEST_SHARED = 6.0


def share(
    result: VelocityResult, pairs: pl.DataFrame | None, *, settings: VelocityModelConfig, jobs: int = 1
) -> tuple[pl.DataFrame, dict[str, Any], tuple[str, ...]]:
    """Widen the model's intervals by what the stars of a cluster share.

    Parameters
    ----------
    result : VelocityResult
    pairs : polars.DataFrame or None
        ``ZeroPoint.pairs``; without them ``settings.shared_error`` itself is the error.
    settings : VelocityModelConfig
    jobs : int
        Threads.

    Returns
    -------
    clusters : polars.DataFrame
        ``result.clusters``, widened.
    facts : dict
        ``velocity_model`` (what all clusters share) and ``shared_error``, if there are velocities.
    notes : tuple of str
    """
    if result.model is None:
        return result.clusters, {}, ()
    found = None if pairs is None else shared_error(pairs, result.members, settings=settings, jobs=jobs)
    shared = found or {"error": float(settings.shared_error.value)}
    model = result.model
    how = f"from {found['n']:.0f} clusters of the reference" if found else "assumed"
    note = (
        f"velocity model: published errors times {model['error_scale']:.2f} and {model['error_floor']:.2f} km/s in "
        f"quadrature; {model['binary_fraction']:.0%} binaries; field of {model['field_width']:.0f} km/s width; "
        f"{shared['error']:.2f} km/s shared by the stars of a cluster ({how})"
    )
    clusters = with_shared_error(result.clusters, shared["error"])
    return clusters, {"velocity_model": dict(model), "shared_error": shared}, (note,)


def shared_error(
    pairs: pl.DataFrame, members: pl.DataFrame, *, settings: VelocityModelConfig, jobs: int = 1
) -> dict[str, float] | None:
    """Error the velocities of a cluster's stars have in common, from a reference survey.

    The differences reference - survey of the stars of each cluster are given the mixture model (errors, binaries and
    field stars scatter them); the clusters' mean differences d_c have a common mean and the scatter tau that is
    wanted. With L_c(d) the likelihood of cluster c, the posterior of tau is

        p(tau) ~ h(tau) int dz prod_c int L_c(d) N(d; z, tau^2) dd,

    h half-normal. Its root mean square is returned: errors add in quadrature.

    Parameters
    ----------
    pairs : polars.DataFrame
        ``ZeroPoint.pairs``: ``source_id``, ``difference``.
    members : polars.DataFrame
        MEMBER_STARS.
    settings : VelocityModelConfig
    jobs : int
        Threads.

    Returns
    -------
    dict or None
        ``error`` (root mean square), ``p16``, ``p50``, ``p84`` (km/s) and ``n``, the number of clusters; None for
        fewer than three clusters. With many stars the clusters are those of `some_clusters`.
    """
    stars = members.filter(has_valid_error("rv")).join(pairs.select("source_id", "difference"), on="source_id")
    counts = stars.group_by("cluster").len().sort("cluster")
    if counts.height < 3:
        return None
    names = counts["cluster"].to_list()
    some = some_clusters(names, counts["len"].to_numpy().astype(np.int64), settings.fit_stars)
    stars = stars.filter(pl.col("cluster").is_in([names[k] for k in some]))
    columns = ("cluster", "source_id", "difference", "rv_error", "teff", "logg", "probability")
    differences = stars.select(columns).rename({"difference": "rv"})
    found = velocity_model(differences, settings=settings, jobs=jobs, keep=True)
    scale = float(settings.shared_error.value)
    tau = np.linspace(0, _LARGEST_SHARED * scale, 121)
    low, middle, high = (found.clusters[f"mean_p{p}"].to_numpy() for p in (16, 50, 84))
    weight = 1 / (((high - low) / 2) ** 2 + scale**2)
    centre, width = float(middle @ weight / weight.sum()), float(1 / np.sqrt(weight.sum()))
    z = centre + np.linspace(-1, 1, 81) * 5 * (width + scale)
    log_likelihood = np.zeros((tau.size, z.size))
    for x, mean_density in found.means.values():
        log_likelihood += _shifted_evidence(x, mean_density, z, tau)
    log_likelihood -= log_likelihood.max()
    density = np.exp(log_likelihood).sum(axis=1) * np.exp(-0.5 * (tau / scale) ** 2)
    density /= density.sum()
    p16, p50, p84 = np.interp(PERCENTILES, np.cumsum(density), tau)
    return {
        "error": float(np.sqrt(density @ tau**2)),
        "p16": float(p16),
        "p50": float(p50),
        "p84": float(p84),
        "n": float(len(found.means)),
    }


def _shifted_evidence(x: FloatArray, p: FloatArray, z: FloatArray, tau: FloatArray) -> FloatArray:
    """ln int p(d) N(d; z, tau^2) dd, shape (tau, z), of a density p given at the nodes x.

    Each node stands for the interval about it: a Gaussian much narrower than the spacing is integrated as well.
    """
    from .likelihood_kernels import smoothed

    cells = trapezoid(x)
    out = np.empty((tau.size, z.size))
    smoothed(x, np.maximum(cells / 2, 1e-9), p * cells, z, np.maximum(tau, 1e-3), out)
    return np.log(np.maximum(out, 1e-300))


def with_shared_error(clusters: pl.DataFrame, error: float) -> pl.DataFrame:
    """Widen the intervals of ``rv_model``: the distances of its percentiles from it grow by ``error`` in quadrature.

    Exact where the posterior is Gaussian.
    """
    below, above = (
        ((pl.col("rv_model") - pl.col(f"rv_model_p{p}")) ** 2 + error**2).sqrt().alias(f"_{p}") for p in (16, 84)
    )
    return (
        clusters.with_columns(below, above)
        .with_columns(
            (pl.col("rv_model") - pl.col("_16")).alias("rv_model_p16"),
            (pl.col("rv_model") + pl.col("_84")).alias("rv_model_p84"),
            ((pl.col("_16") + pl.col("_84")) / 2).alias("rv_model_error"),
        )
        .drop("_16", "_84")
    )
