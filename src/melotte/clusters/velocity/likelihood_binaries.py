"""Radial velocity of a binary's primary about its centre of mass at one moment, as a distribution over all orbits.

After Cottaar, Meyer & Parker 2012 (A&A 547, A35). With P the period, M the primary's mass, q the mass ratio, e the
eccentricity, i the inclination, omega the argument of periastron and nu the true anomaly,

    v = K (cos(omega + nu) + e cos omega),   K = (2 pi G M / P)^(1/3) q sin i / ((1 + q)^(2/3) sqrt(1 - e^2)),

so that v scales with M^(1/3) and one distribution, made for a solar mass, serves all stars. Assumed distributions:

- log10(P / d) normal, mean 5.03, standard deviation 2.28 (Raghavan et al. 2010, ApJS 190, 1; Duquennoy & Mayor 1991,
  A&A 248, 485 found 4.8 and 2.3), from 2 d (below, the components nearly touch) to 10^10 d;
- q uniform in 0.1-1 (Raghavan et al. 2010: flat from 0.2 to 0.95);
- e = 0 below 12 d (the circularisation period of Raghavan et al. 2010), else uniform from 0 to
  1 - (P / 2 d)^(-2/3) (Moe & Di Stefano 2017, ApJS 230, 15, Eq. 3);
- mean anomaly and omega uniform, orbits oriented at random.

The light of the secondary is neglected, as is the averaging of several spectra of one star.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

#: (2 pi G M_sun / 1 d)^(1/3) in km/s.
K_KMS = 212.9
PERIOD_MEAN, PERIOD_SD = 5.03, 2.28
SHORTEST_PERIOD_D, LONGEST_PERIOD_D = 2.0, 1e10
CIRCULAR_BELOW_D = 12.0
SMALLEST_RATIO = 0.1

#: Number of orbits, evenly spread: nothing is drawn at random.
_ORBITS = 200_000
#: Bins of ln |v|, and their limits in km/s.
_BINS, _SLOWEST, _FASTEST = 200, 1e-3, 1e3
#: Table of the distribution convolved with a Gaussian: nodes in u / (u + STRETCH), and in ln(M^(1/3) / sigma).
N_U, N_WIDTH, STRETCH = 512, 56, 4.0
LN_NARROWEST, LN_WIDEST = float(np.log(0.005)), float(np.log(300.0))


def orbital_velocities(uniform: FloatArray) -> FloatArray:
    """Velocities of primaries of one solar mass.

    Parameters
    ----------
    uniform : ndarray, shape (n, 6)
        Numbers between 0 and 1: ranks of period, mass ratio, eccentricity, mean anomaly, omega and cos i.

    Returns
    -------
    ndarray, shape (n,)
        km/s, with sign.
    """
    from scipy.special import ndtr, ndtri

    low, high = (ndtr((np.log10(p) - PERIOD_MEAN) / PERIOD_SD) for p in (SHORTEST_PERIOD_D, LONGEST_PERIOD_D))
    period = 10 ** (PERIOD_MEAN + PERIOD_SD * ndtri(low + uniform[:, 0] * (high - low)))
    ratio = SMALLEST_RATIO + (1 - SMALLEST_RATIO) * uniform[:, 1]
    largest = np.where(period > CIRCULAR_BELOW_D, 1 - (period / 2) ** (-2 / 3), 0.0)
    e = uniform[:, 2] * largest
    nu = true_anomaly(2 * np.pi * uniform[:, 3], e)
    omega = 2 * np.pi * uniform[:, 4]
    sin_i = np.sqrt(1 - uniform[:, 5] ** 2)
    amplitude = K_KMS * ratio * sin_i / np.cbrt(period * (1 + ratio) ** 2) / np.sqrt(1 - e**2)
    return np.asarray(amplitude * (np.cos(omega + nu) + e * np.cos(omega)))


def true_anomaly(mean_anomaly: FloatArray, e: FloatArray) -> FloatArray:
    """True anomaly [rad] by Newton's method on Kepler's equation E - e sin E = M, to 1e-10."""
    folded = np.mod(mean_anomaly + np.pi, 2 * np.pi) - np.pi
    # Started at pi (with the sign of M) the iteration converges for every e < 1 (Charles & Tatum 1997).
    eccentric = np.where(e > 0.5, np.pi * np.sign(folded), folded)
    for _ in range(60):
        step = (eccentric - e * np.sin(eccentric) - folded) / (1 - e * np.cos(eccentric))
        eccentric = eccentric - step
        if np.max(np.abs(step), initial=0.0) < 1e-10:
            break
    return np.asarray(2 * np.arctan2(np.sqrt(1 + e) * np.sin(eccentric / 2), np.sqrt(1 - e) * np.cos(eccentric / 2)))


@functools.cache
def offset_distribution() -> tuple[FloatArray, FloatArray]:
    """Distribution of \\|v\\| for a primary of one solar mass.

    Returns
    -------
    edges : ndarray, shape (n + 1,)
        km/s, increasing.
    probability : ndarray, shape (n,)
        Of \\|v\\| between two edges; the sum is one.
    """
    # Additive recurrence with the powers of the generalised golden ratio: evenly spread in six dimensions.
    ratio = 1.0
    for _ in range(60):
        ratio = (1 + ratio) ** (1 / 7)
    points = np.mod(0.5 + np.arange(1, _ORBITS + 1)[:, None] * ratio ** -np.arange(1.0, 7.0), 1.0)
    speed = np.abs(orbital_velocities(points))
    edges = np.geomspace(_SLOWEST, _FASTEST, _BINS + 1)
    counts, _ = np.histogram(np.clip(speed, _SLOWEST * 1.0001, _FASTEST * 0.9999), edges)
    edges[0] = 0.0
    return edges, counts / counts.sum()


@dataclass(frozen=True)
class Profile:
    """The distribution convolved with a Gaussian: ``table[k, j]`` = sigma p(v), v / sigma = u_j, M^(1/3) / sigma = a_k.

    u_j = ``STRETCH`` t / (1 - t) with t from 0 to 1 in ``N_U`` equal steps (the last value is 0); ln a_k in equal
    steps from ``LN_NARROWEST`` to ``LN_WIDEST``, a in s/km.
    """

    table: FloatArray

    def density(self, v_kms: Any, sigma_kms: Any, mass_sun: Any = 1.0) -> FloatArray:
        """p(v) in s/km, by the interpolation the kernels use."""
        v, sigma, mass = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (v_kms, sigma_kms, mass_sun)))
        u = np.abs(v) / sigma
        row = (np.log(np.cbrt(mass) / sigma) - LN_NARROWEST) / (LN_WIDEST - LN_NARROWEST) * (N_WIDTH - 1)
        row = np.clip(row, 0, N_WIDTH - 1.0001)
        column = np.minimum(u / (u + STRETCH) * N_U, N_U - 1e-9)
        k, j = row.astype(int), column.astype(int)
        a, b = row - k, column - j
        t = self.table
        found = (1 - a) * ((1 - b) * t[k, j] + b * t[k, j + 1]) + a * ((1 - b) * t[k + 1, j] + b * t[k + 1, j + 1])
        return np.asarray(found / sigma)


@functools.cache
def profile() -> Profile:
    """The table, made once in a process (0.2 s)."""
    from scipy.special import ndtr

    edges, probability = offset_distribution()
    t = np.arange(N_U) / N_U
    u = STRETCH * t / (1 - t)
    table = np.zeros((N_WIDTH, N_U + 1))
    for k, a in enumerate(np.exp(np.linspace(LN_NARROWEST, LN_WIDEST, N_WIDTH))):
        at = a * edges
        # Each bin is a uniform distribution: its convolution with a Gaussian is a difference of two error functions.
        upper, lower = ndtr(u[:, None] + at), ndtr(u[:, None] - at)
        weight = probability / (2 * np.diff(at))
        table[k, :N_U] = (np.diff(upper, axis=1) - np.diff(lower, axis=1)) @ weight
    return Profile(np.maximum(table, 0.0))


def primary_masses(
    teff_k: FloatArray, logg: FloatArray, *, giant_logg: float, giant_mass: float, unknown_mass: float
) -> FloatArray:
    """Masses of the primaries [solar masses]; they enter the velocities with the power 1/3 only.

    Parameters
    ----------
    teff_k, logg : ndarray
        Effective temperature [K] and log g; NaN where missing.
    giant_logg, giant_mass : float
        A star below this log g is a giant and has this mass.
    unknown_mass : float
        Mass of a star without Teff.

    Returns
    -------
    ndarray
        Dwarfs: (Teff / 5772 K)^1.75, within 14 % of the sequence of Pecaut & Mamajek 2013 (ApJS 208, 9) from K5 to A0,
        limited to 0.3-8.
    """
    dwarf = np.clip((teff_k / 5772.0) ** 1.75, 0.3, 8.0)
    mass = np.where(logg < giant_logg, giant_mass, dwarf)
    return np.where(np.isnan(mass), unknown_mass, mass)
