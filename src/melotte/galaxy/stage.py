"""The pipeline stage: clusters (or stars) with positions and velocities in, orbits and integrals of motion out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from ..config import GalaxyConfig
from ..core.randomness import Streams
from ..core.words import plural
from ..errors import SchemaError
from ..schema.dynamics import DYNAMICS, SAMPLED, SNAPSHOTS
from ..schema.result import Result, Step
from .actions import actions
from .components import Array
from .legacy import GALPOT_ZERO_POINT
from .orbits import Orbits
from .potential import Axisymmetric, load_potential
from .sampling import Chain, Observed, Sink, sample
from .sun import Sun, solar

_NEEDED = ("ra", "dec", "distance", "pmra", "pmdec")


@dataclass(frozen=True)
class DynamicsResult(Result):
    """The dynamics table, and the places at the look-back times."""

    snapshots: pl.DataFrame = field(default_factory=SNAPSHOTS.empty)


def chain_of(settings: GalaxyConfig) -> Chain:
    """Sun, potential and times of the settings.

    Raises
    ------
    ConfigError
        If the Sun or the potential is not known.
    """
    if isinstance(settings.sun, str):
        sun = solar(settings.sun)
    else:
        given = settings.sun
        r0, v_c, u, v, w, z = (float(q.value) for q in (given.r0, given.v_c, given.u, given.v, given.w, given.z))
        sun = Sun("explicit values", r0, v_c, u, v, w, z, tilt=given.tilt)
    span, step = float(settings.lookback.value), float(settings.step.value)
    times = np.arange(0.0, span * (1.0 + 1e-9), step)
    return Chain(sun, load_potential(settings.potential), times, span, published=settings.legacy == "fu2022")


def dynamics(
    clusters: pl.DataFrame,
    *,
    settings: GalaxyConfig,
    rng: Streams,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
    sink: Sink | None = None,
) -> DynamicsResult:
    """Orbits and integrals of motion of clusters or stars, with percentiles.

    Parameters
    ----------
    clusters : polars.DataFrame
        ``cluster`` (any unique name), ``ra``, ``dec`` [deg], ``distance`` [pc], ``pmra``, ``pmdec`` [mas/yr] and the
        radial velocity [km/s]: ``rv_corrected`` or ``rv_med`` (with ``_error``), or plain ``rv``. Optional:
        ``distance_error`` [pc] or ``distance_modulus_error`` [mag], ``pmra_error``, ``pmdec_error``
        [mas/yr], ``pmra_pmdec_corr``; and ``problem``, why a row is not to be used (it becomes its reason). The
        cluster catalogue is such a table.
    settings : GalaxyConfig
    rng : Streams
    jobs : int
        Threads; the result does not depend on it.
    progress : callable, optional
        Called with rows done and rows in all while sampling.
    sink : callable, optional
        Gets all draws as frames, row by row (see `parquet_sink`).

    Returns
    -------
    DynamicsResult
        ``frame`` follows `melotte.schema.DYNAMICS`, ``snapshots`` `melotte.schema.SNAPSHOTS`; rows without a distance,
        proper motion or velocity, unbound ones and ones whose energy is not conserved are there, empty, with
        a reason.

    Raises
    ------
    SchemaError
        If a column is missing or a name occurs twice.
    ConfigError
        If the Sun or the potential is not known.
    """
    missing = [c for c in ("cluster", *_NEEDED) if c not in clusters.columns]
    if missing:
        raise SchemaError(f"the table lacks {missing}", expected=", ".join(("cluster", *_NEEDED, "rv_med or rv")))
    if clusters["cluster"].is_duplicated().any():
        raise SchemaError("a name occurs twice", where="cluster", expected="one row per cluster or star")
    chain = chain_of(settings)
    rv, rv_error, which, notes = _velocity(clusters, settings)
    observed, more = _observed(clusters, rv, rv_error, settings)
    notes += more
    derived, orbits = chain.run(observed, chain.sun, chain.potential, jobs=jobs)
    reason = _reasons(observed, orbits)
    if "problem" in clusters.columns:
        problem = clusters["problem"].fill_null("").to_numpy().astype(np.str_)
        reason = np.where(problem != "", problem, reason)
    good = reason == ""
    table: dict[str, pl.Series] = {"cluster": clusters["cluster"].cast(pl.String)}
    for name, values in derived.items():
        table[name] = _masked(values, good)
    if isinstance(chain.potential, Axisymmetric):
        start = observed.galactocentric(chain.sun, chain.k)
        for name, values in zip(("j_r", "j_z"), actions(*start, chain.potential), strict=True):
            table[name] = _masked(values, good)
    table["energy_error"] = _masked(orbits.energy_error, good)
    table["rv_zero_point"] = which
    table["reason"] = pl.Series([str(r) or None for r in reason], dtype=pl.String)
    snapshots = _snapshots(clusters["cluster"], orbits, good)
    open_ended = int((orbits.passages[good] == 0).any(axis=1).sum())
    if open_ended:
        notes.append(
            f"{plural(open_ended, 'row', 'pass')} no pericentre or no apocentre in the time followed: the extremes are "
            "bounds only"
        )
    if settings.draws:
        potentials = [load_potential(name) for name in settings.sample_potentials]
        spread, places, used = sample(
            observed,
            chain,
            draws=settings.draws,
            rng=rng.child("dynamics"),
            sample_sun=settings.sample_sun,
            potentials=potentials,
            jobs=jobs,
            sink=sink,
            progress=progress,
        )
        enough = good & (used > 0)
        for name in SAMPLED:
            for column, p in enumerate(("p16", "p50", "p84")):
                table[f"{name}_{p}"] = _masked(spread[name][:, column], enough)
        table["n_draws"] = pl.Series(used.astype(np.int32))
        for axis, name in enumerate(("r_gc", "z_gc")):
            for column, p in enumerate(("p16", "p50", "p84")):
                snapshots = snapshots.with_columns(
                    _masked(places[:, column, :, axis].ravel(), np.repeat(enough, len(chain.times))).alias(
                        f"{name}_{p}"
                    )
                )
        short = int(((used < settings.draws) & good).sum())
        if short:
            notes.append(f"{short} rows: some draws are unbound or fail the energy gate and are left out (n_draws)")
    if chain.published:
        notes.append(
            "the published chain of Fu et al. 2022 with its errors: pericentre, apocentre, eccentricity and z_max "
            f"are not those of the clusters; energies are {GALPOT_ZERO_POINT} km2/s2 higher than with zero at infinity"
        )
    frame = DYNAMICS.conform(pl.DataFrame(table), where="dynamics")
    counts: dict[str, int] = {}
    for text in reason[~good]:
        short_text = str(text).split(":")[0]
        counts[short_text] = counts.get(short_text, 0) + 1
    return DynamicsResult(
        frame=frame,
        schema=DYNAMICS,
        rejected=frame.filter(pl.col("reason").is_not_null()).select("cluster", "reason"),
        settings=settings,
        steps=(Step("orbits", "clusters", len(observed), counts),),
        notes=tuple(notes),
        facts={"sun": chain.sun.name, "potential": chain.potential.name, "sun_reference": dict(chain.sun.reference)},
        snapshots=SNAPSHOTS.conform(snapshots, where="snapshots"),
    )


def with_chosen_velocity(catalogue: pl.DataFrame, *, model: str) -> pl.DataFrame:
    """The cluster catalogue with the radial velocity that its orbits start from.

    Every caller that follows an orbit of a run goes through here, so that the drawn orbit is the tabulated one.

    Parameters
    ----------
    catalogue : polars.DataFrame
        Schema `melotte.schema.CATALOGUE`.
    model : str
        ``[velocity] model``: with ``"likelihood"`` the velocity of the mixture model stands in for the median
        (``rv_corrected`` is that of the model already).

    Returns
    -------
    polars.DataFrame
        For `dynamics` and `measured`.
    """
    if model != "likelihood":
        return catalogue
    chosen = (pl.col("rv_model").alias("rv_med"), pl.col("rv_model_error").alias("rv_med_error"))
    return catalogue.with_columns(chosen)


def measured(clusters: pl.DataFrame, settings: GalaxyConfig) -> Observed:
    """What `dynamics` starts from, and draws from, for the same table and settings."""
    rv, rv_error, _, _ = _velocity(clusters, settings)
    return _observed(clusters, rv, rv_error, settings)[0]


def compare_chains(clusters: pl.DataFrame, *, settings: GalaxyConfig, rng: Streams, jobs: int = 1) -> pl.DataFrame:
    """The published chain beside the right one, from the same input.

    Parameters
    ----------
    clusters : polars.DataFrame
        As for `dynamics`; both chains use the uncorrected radial velocity, as the paper did.
    settings, rng, jobs
        As for `dynamics`; ``legacy`` and ``draws`` are overridden.

    Returns
    -------
    polars.DataFrame
        ``cluster``, then for each of r_peri, r_apo, ecc, z_max, energy the value of both chains and the difference
        (published chain minus right one).
    """
    same = {"draws": 0, "velocity": "uncorrected"}
    right = dynamics(clusters, settings=settings.model_copy(update={**same, "legacy": None}), rng=rng, jobs=jobs)
    wrong = dynamics(clusters, settings=settings.model_copy(update={**same, "legacy": "fu2022"}), rng=rng, jobs=jobs)
    columns = [right.frame["cluster"]]
    for name in ("r_peri", "r_apo", "ecc", "z_max", "energy"):
        a, b = right.frame[name], wrong.frame[name]
        columns += [a, b.alias(f"{name}_published_chain"), (b - a).alias(f"{name}_difference")]
    return pl.DataFrame(columns)


def _velocity(clusters: pl.DataFrame, settings: GalaxyConfig) -> tuple[Array, Array, pl.Series, list[str]]:
    """The radial velocity to use, its error, which one it is, and notes."""
    nothing = pl.Series([None] * clusters.height, dtype=pl.Float64)

    def column(name: str) -> pl.Series:
        return clusters[name].cast(pl.Float64) if name in clusters.columns else nothing

    plain = "rv_med" if "rv_med" in clusters.columns else "rv"
    if plain not in clusters.columns:
        raise SchemaError("the table has no radial velocity", expected="rv_med or rv (and rv_corrected)")
    notes: list[str] = []
    wanted = settings.velocity == "corrected" and settings.legacy is None
    corrected = column("rv_corrected") if wanted else nothing
    has = corrected.is_not_null()
    value = pl.select(pl.coalesce(corrected, column(plain))).to_series()
    error = pl.select(pl.when(has).then(column("rv_corrected_error")).otherwise(column(f"{plain}_error"))).to_series()
    which = pl.select(
        pl.when(has).then(pl.lit("corrected")).when(column(plain).is_not_null()).then(pl.lit("uncorrected"))
    ).to_series()
    left = int((which == "uncorrected").sum())
    if wanted and left and plain == "rv_med":
        notes.append(f"{plural(left, 'row', 'have')} no zero-point correction: the uncorrected radial velocity is used")
    return _float(value), _float(error), which, notes


def _observed(clusters: pl.DataFrame, rv: Array, rv_error: Array, settings: GalaxyConfig) -> tuple[Observed, list[str]]:
    def column(name: str) -> Array:
        return _float(clusters[name]) if name in clusters.columns else np.full(clusters.height, np.nan)

    distance = column("distance") / 1e3
    modulus = column("distance_modulus_error")
    relative = 5.0 / np.log(10.0) * column("distance_error") / 1e3 / np.where(distance > 0, distance, np.nan)
    modulus = np.where(np.isfinite(modulus), modulus, relative)
    notes = []
    if settings.draws and not np.isfinite(modulus).all():
        notes.append(f"no distance error in the table: {settings.distance_modulus_error} in distance modulus assumed")
    if settings.draws and not np.isfinite(column("pmra_error") + column("pmdec_error")).all():
        notes.append(f"no proper-motion error in the table: {settings.pm_error} assumed")
    without = int((np.isfinite(rv) & ~np.isfinite(rv_error)).sum())
    if settings.draws and without:
        notes.append(f"{plural(without, 'row', 'have')} no radial-velocity error: the percentiles leave it out")
    for name in ("distance_error", "distance_modulus_error", "pmra_error", "pmdec_error", "pmra_pmdec_corr"):
        limit = (-1.0, 1.0) if name == "pmra_pmdec_corr" else (0.0, np.inf)
        wrong = (column(name) < limit[0]) | (column(name) > limit[1])
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise SchemaError(f"row {row + 1}: {name} is {column(name)[row]}", expected=f"{limit[0]:g} to {limit[1]:g}")
    pm = float(settings.pm_error.value)
    return Observed(
        name=[str(n) for n in clusters["cluster"]],
        ra=column("ra"),
        dec=column("dec"),
        distance=np.where(distance > 0, distance, np.nan),
        pmra=column("pmra"),
        pmdec=column("pmdec"),
        rv=rv,
        distance_modulus_error=np.where(np.isfinite(modulus), modulus, float(settings.distance_modulus_error.value)),
        pmra_error=np.nan_to_num(column("pmra_error"), nan=pm),
        pmdec_error=np.nan_to_num(column("pmdec_error"), nan=pm),
        pm_correlation=np.nan_to_num(column("pmra_pmdec_corr")),
        rv_error=rv_error,
    ), notes


def _reasons(observed: Observed, orbits: Orbits) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    """Why a row has no orbit: what is missing by name, or what the integration says."""
    reason = orbits.reason.astype("U120")
    words = {"distance": "distance", "pmra": "proper motion", "rv": "radial velocity", "ra": "position"}
    for row in np.flatnonzero(reason == "no position or velocity"):
        gaps = [word for key, word in words.items() if not np.isfinite(getattr(observed, key)[row])]
        reason[row] = f"no {', no '.join(gaps)}" if gaps else "no proper motion"
    return reason


def _snapshots(cluster: pl.Series, orbits: Orbits, good: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> pl.DataFrame:
    m = len(orbits.times)
    known = np.repeat(good, m)
    x, y, z = (orbits.position[..., n].ravel() for n in range(3))
    return pl.DataFrame(
        {
            "cluster": pl.Series([str(c) for c in cluster for _ in range(m)], dtype=pl.String),
            "lookback": np.tile(orbits.times, len(cluster)),
            "x": _masked(x, known),
            "y": _masked(y, known),
            "r_gc": _masked(np.hypot(x, y), known),
            "z_gc": _masked(z, known),
        }
    )


def _float(series: pl.Series) -> Array:
    values: Array = series.cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
    return values


def _masked(values: Array, known: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> pl.Series:
    return pl.Series(np.where(known, values, np.nan), dtype=pl.Float64).fill_nan(None)
