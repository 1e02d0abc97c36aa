"""The mixture model of the radial velocities: table in, posterior of each cluster and membership of each star out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import polars as pl

from ...config import MixtureConfig, VelocityModelConfig
from ...stars import has_valid_error
from .likelihood_binaries import primary_masses
from .likelihood_fit import Model
from .likelihood_parameters import FloatArray, IntArray, Prior, Stars, Survey, at_edge

#: Percentiles of a Gaussian's 1-sigma interval.
PERCENTILES = np.array([0.16, 0.5, 0.84])


@dataclass(frozen=True)
class MixtureResult:
    """What the model found.

    Attributes
    ----------
    clusters : polars.DataFrame
        ``cluster``, then the percentiles 16, 50, 84 of mean, dispersion and binary fraction (``mean_p16`` ...), and
        ``n_expected``, the sum of the membership probabilities.
    members : polars.DataFrame
        ``cluster``, ``source_id``, ``member``: the probability of each star used.
    survey : Survey or None
        What all clusters share; None without stars.
    means : mapping
        Nodes and density of the posterior of each cluster's mean, if asked for.
    edges : tuple of str
        Parameters of the survey that ended at the edge of their priors.
    """

    clusters: pl.DataFrame
    members: pl.DataFrame
    survey: Survey | None
    means: Mapping[str, tuple[FloatArray, FloatArray]]
    edges: tuple[str, ...] = ()

    def numbers(self) -> dict[str, float] | None:
        """The survey's parameters by name."""
        return None if self.survey is None else asdict(self.survey)


def mixture(
    stars: pl.DataFrame, quantity: str, prior: Prior, *, fit_stars: int, jobs: int = 1, keep: bool = False
) -> MixtureResult:
    """Fit the model to a quantity of the stars of all clusters.

    Parameters
    ----------
    stars : polars.DataFrame
        ``cluster``, ``source_id``, ``<quantity>``, ``<quantity>_error`` (positive), ``probability`` (null: 1),
        ``root_mass``; no other nulls.
    quantity : str
        Name of the quantity.
    prior : Prior
    fit_stars : int
        The survey's parameters are fitted to clusters with about so many stars together.
    jobs : int
        Threads; the result does not depend on it.
    keep : bool
        Whether the posteriors of the means are kept.

    Returns
    -------
    MixtureResult
        Sorted by cluster and source_id.
    """
    stars = stars.sort("cluster", "source_id")
    groups = stars.group_by("cluster", maintain_order=True).agg(pl.len().alias("n"))
    names = groups["cluster"].to_list()
    columns = ("mean", "dispersion", "fraction")
    empty = {f"{c}_p{p:.0f}": pl.Float64 for c in columns for p in 100 * PERCENTILES}
    if not names:
        schema = {"cluster": pl.String, **empty, "n_expected": pl.Float64}
        members = pl.DataFrame(schema={"cluster": pl.String, "source_id": pl.Int64, "member": pl.Float64})
        return MixtureResult(pl.DataFrame(schema=schema), members, None, {})
    data = Stars(
        value=stars[quantity].to_numpy(),
        error=stars[f"{quantity}_error"].to_numpy(),
        probability=stars["probability"].fill_null(1.0).to_numpy(),
        root_mass=stars["root_mass"].to_numpy(),
        offsets=np.concatenate([[0], np.cumsum(groups["n"].to_numpy())]).astype(np.int64),
    )
    some = some_clusters(names, np.diff(data.offsets), fit_stars)
    survey = Model(data.take(some), prior, jobs=jobs).fit()
    model = Model(data, prior, jobs=jobs)

    def work(k: int) -> tuple[FloatArray, FloatArray, tuple[FloatArray, FloatArray] | None]:
        found = model.posterior(k, survey)
        kept = (found.mean, found.mean_density()) if keep else None
        return found.quantiles(PERCENTILES), model.membership(k, survey, found), kept

    percentiles, membership, means = zip(*model.each(work), strict=True)
    table = np.stack(percentiles).reshape(len(names), -1)
    member = np.concatenate(membership)
    return MixtureResult(
        clusters=pl.DataFrame(
            {
                "cluster": names,
                **{name: pl.Series(table[:, i], dtype=pl.Float64).fill_nan(None) for i, name in enumerate(empty)},
                "n_expected": np.add.reduceat(member, data.offsets[:-1]),
            }
        ),
        members=stars.select("cluster", "source_id").with_columns(pl.Series("member", member)),
        survey=survey,
        means={n: m for n, m in zip(names, means, strict=True) if m is not None},
        edges=at_edge(survey, prior),
    )


def some_clusters(names: Sequence[str], sizes: IntArray, wanted: int) -> IntArray:
    """Indices of clusters with at least so many stars together, in the order of a hash of their names; all if fewer."""
    if sizes.sum() <= wanted:
        return np.arange(len(names))
    order = np.array(sorted(range(len(names)), key=lambda k: hashlib.sha256(names[k].encode()).digest()))
    return np.sort(order[: int(np.searchsorted(np.cumsum(sizes[order]), wanted)) + 1])


def mixture_prior(settings: MixtureConfig) -> Prior:
    """The priors of the settings, in the unit of the quantity; only velocities have binaries."""
    binaries = settings if isinstance(settings, VelocityModelConfig) else None
    return Prior(
        centre=Survey(
            settings.error_scale,
            float(settings.error_floor.value),
            settings.unlisted,
            settings.trust,
            float(settings.field_width.value),
            binaries.binary_fraction if binaries else 0.5,
        ),
        width=Survey(
            settings.error_scale_width,
            settings.error_floor_width,
            settings.unlisted_width,
            settings.trust_width,
            settings.field_width_width,
            binaries.binary_fraction_width if binaries else 0.0,
        ),
        dispersion=float(settings.dispersion.value),
        concentration=binaries.binary_concentration if binaries else Prior.concentration,
        binaries=binaries is not None,
    )


def velocity_model(
    stars: pl.DataFrame, *, settings: VelocityModelConfig, jobs: int = 1, keep: bool = False
) -> MixtureResult:
    """The mixture model of the radial velocities of the stars of all clusters.

    Parameters
    ----------
    stars : polars.DataFrame
        As `melotte.stars.assign` makes it; stars without a velocity and a positive error of it are left out.
    settings : VelocityModelConfig
    jobs : int
        Threads; the result does not depend on it.
    keep : bool
        Whether the posteriors of the means are kept.

    Returns
    -------
    MixtureResult
        In km/s.

    References
    ----------
    Cottaar, Meyer & Parker 2012, A&A 547, A35.
    """
    used = stars.filter(has_valid_error("rv"))
    teff, logg = (used[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in ("teff", "logg"))
    mass = primary_masses(
        teff,
        logg,
        giant_logg=float(settings.giant_logg.value),
        giant_mass=settings.giant_mass,
        unknown_mass=settings.unknown_mass,
    )
    used = used.select("cluster", "source_id", "rv", "rv_error", "probability").with_columns(
        pl.Series("root_mass", np.cbrt(mass))
    )
    return mixture(used, "rv", mixture_prior(settings), fit_stars=settings.fit_stars, jobs=jobs, keep=keep)


def model_columns(result: MixtureResult) -> pl.DataFrame:
    """The model's columns of the cluster catalogue, without what the stars of a cluster share."""
    return result.clusters.select(
        "cluster",
        pl.col("mean_p50").alias("rv_model"),
        ((pl.col("mean_p84") - pl.col("mean_p16")) / 2).alias("rv_model_error"),
        pl.col("mean_p16").alias("rv_model_p16"),
        pl.col("mean_p84").alias("rv_model_p84"),
        pl.col("dispersion_p50").alias("rv_dispersion"),
        pl.col("dispersion_p16").alias("rv_dispersion_p16"),
        pl.col("dispersion_p84").alias("rv_dispersion_p84"),
        pl.col("fraction_p50").alias("binary_fraction"),
        pl.col("fraction_p16").alias("binary_fraction_p16"),
        pl.col("fraction_p84").alias("binary_fraction_p84"),
        pl.col("n_expected").alias("n_model"),
    )
