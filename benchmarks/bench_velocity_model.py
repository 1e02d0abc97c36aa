"""The mixture model of the velocities against plain emcee on the same likelihood, in one process.

    python benchmarks/bench_velocity_model.py [CLUSTERS [SAMPLED]]

Simulated clusters (386 with 7,570 stars by default, as in Fu et al. 2022). The model: fit of what all clusters share,
posteriors and memberships of all. emcee: the posterior of mean, dispersion and binary fraction of SAMPLED of the
clusters, one after another, the shared parameters given; a vectorised likelihood (all walkers and stars at once),
32 walkers, 2,000 steps after 500. Its time is scaled to all stars.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import emcee
import numpy as np
from results import record

from melotte.clusters.velocity.likelihood import mixture_prior
from melotte.clusters.velocity.likelihood_binaries import orbital_velocities, profile
from melotte.clusters.velocity.likelihood_fit import Model
from melotte.clusters.velocity.likelihood_parameters import Stars, Survey
from melotte.config import VelocityModelConfig

WALKERS, BURN, STEPS = 32, 500, 2000
AT = np.array([0.16, 0.5, 0.84])


def clusters(n: int, mean_stars: float, seed: int) -> Stars:
    """Stars drawn from the model, with LAMOST's errors."""
    rng = np.random.default_rng(seed)
    size = np.maximum(1, np.round(rng.lognormal(0, 1.38, n))).astype(int)
    size = np.maximum(1, np.round(size * mean_stars * n / size.sum())).astype(int)
    offsets = np.r_[0, np.cumsum(size)].astype(np.int64)
    total = int(offsets[-1])
    centre = np.repeat(rng.normal(0, 30, n), size)
    error = np.hypot(2.2, 25 / np.sqrt(10 ** rng.normal(1.8, 0.4, total)))
    probability = rng.choice([0.7, 0.8, 0.9, 1.0], total)
    v = centre + rng.normal(0, 0.8, total)
    v += (rng.random(total) < 0.44) * orbital_velocities(rng.random((total, 6)))
    v = np.where(rng.random(total) < 0.06, centre + rng.normal(0, 40, total), v)
    return Stars(v + rng.normal(0, np.hypot(error, 2.0)), error, probability, np.ones(total), offsets)


def sample(data: Stars, k: int, survey: Survey, settings: VelocityModelConfig) -> tuple[np.ndarray, float]:
    """Percentiles by emcee, and the largest autocorrelation time."""
    rows = data.of(k)
    v, mass = data.value[rows], data.root_mass[rows] ** 3
    var, outlier = survey.variance(data.error[rows]), survey.field_prior(data.probability[rows])
    scale, a = float(settings.dispersion.value), settings.binary_concentration * survey.binary_fraction
    b = settings.binary_concentration - a
    table = profile()

    def log_posterior(x: np.ndarray) -> np.ndarray:
        mu, s, f = x[:, :1], x[:, 1:2], x[:, 2:]
        good = ((s >= 0) & (f > 0) & (f < 1))[:, 0]
        s, f = np.abs(s), np.clip(f, 1e-9, 1 - 1e-9)
        d, sigma2, wide = v - mu, var + s**2, var + survey.field_width**2
        single = np.exp(-0.5 * d**2 / sigma2) / np.sqrt(2 * np.pi * sigma2)
        pair = table.density(d, np.sqrt(sigma2), mass)
        field = np.exp(-0.5 * d**2 / wide) / np.sqrt(2 * np.pi * wide)
        stars = np.log(outlier * field + (1 - outlier) * ((1 - f) * single + f * pair) + 1e-60).sum(axis=1)
        prior = -0.5 * (s / scale) ** 2 + (a - 1) * np.log(f) + (b - 1) * np.log1p(-f)
        return np.where(good, stars + prior[:, 0], -np.inf)

    rng = np.random.default_rng(k)
    start = np.column_stack(
        [
            np.median(v) + rng.normal(0, np.sqrt(np.median(var) / v.size), WALKERS),
            rng.uniform(0.1, 1.5, WALKERS) * scale,
            rng.uniform(0.2, 0.7, WALKERS),
        ]
    )
    sampler = emcee.EnsembleSampler(WALKERS, 3, log_posterior, vectorize=True)
    sampler.run_mcmc(start, BURN + STEPS)
    chain = sampler.get_chain(discard=BURN, flat=True)
    return np.percentile(chain, 100 * AT, axis=0).T, float(sampler.get_autocorr_time(tol=0).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clusters", nargs="?", type=int, default=386)
    parser.add_argument("sampled", nargs="?", type=int, default=8)
    parser.add_argument("--json", type=Path, help="append the numbers to this file")
    arguments = parser.parse_args()
    n, sampled = arguments.clusters, arguments.sampled
    settings = VelocityModelConfig()
    data = clusters(n, 7570 / 386, seed=1)
    prior = mixture_prior(settings)
    warm = Model(data.take(np.arange(3)), prior, jobs=1)  # compiles, or loads what was compiled before
    warm.membership(0, warm.fit(), warm.posterior(0, prior.centre))

    wall, cpu = time.perf_counter(), time.process_time()
    order = np.random.default_rng(0).permutation(n)
    needed = int(np.searchsorted(np.cumsum(np.diff(data.offsets)[order]), settings.fit_stars)) + 1
    survey = Model(data.take(np.sort(order[:needed])), prior, jobs=2).fit()
    fitted = time.perf_counter() - wall, time.process_time() - cpu
    model = Model(data, prior, jobs=2)

    def work(k: int) -> np.ndarray:
        found = model.posterior(k, survey)
        model.membership(k, survey, found)
        return found.quantiles(AT)

    wall2, cpu2 = time.perf_counter(), time.process_time()
    found = list(model.each(work))
    posteriors = time.perf_counter() - wall2, time.process_time() - cpu2
    total = int(data.offsets[-1])
    print(f"{n} clusters, {total} stars; seconds (of processor time)")
    print(f"  what all share   {fitted[0]:7.1f} ({fitted[1]:.1f})   {survey}")
    print(f"  all posteriors   {posteriors[0]:7.1f} ({posteriors[1]:.1f})")

    chosen = np.linspace(0, n - 1, sampled).astype(int)
    cpu = time.process_time()
    worst, longest = 0.0, 0.0
    for k in chosen:
        wanted, tau = sample(data, int(k), survey, settings)
        worst = max(worst, float(np.max(np.abs(found[k] - wanted) / (wanted[:, 2:] - wanted[:, :1]))))
        longest = max(longest, tau)
    emcee_time = time.process_time() - cpu
    cpu = time.process_time()
    for k in chosen:
        work(int(k))
    ours = time.process_time() - cpu
    n_stars = int(sum(np.diff(data.offsets)[chosen]))
    print(f"  {sampled} clusters, {n_stars} stars: model {ours:.3f} s, emcee {emcee_time:.1f} s of processor time")
    record(
        arguments.json,
        f"velocity model of {sampled} clusters, {n_stars} stars",
        cpu_seconds=ours,
        peer=f"emcee, {WALKERS} walkers x {BURN + STEPS:,} steps, vectorised",
        peer_seconds=emcee_time,
        ratio=emcee_time / ours,
        basis="processor",
    )
    print(f"  ratio {emcee_time / ours:.0f}; autocorrelation time up to {longest:.0f} steps of {STEPS}")
    print(f"  percentiles differ by at most {worst:.3f} of the 68 % interval")


if __name__ == "__main__":
    main()
