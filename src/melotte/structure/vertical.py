r"""How high clusters lie above the plane at a given radius: model and likelihood.

Given R, the height Z has the density ``p(Z | R) = g((Z - z0) / h) / N`` with ``h(R) = h0 exp(k (R - R_ref))``; ``g`` is
``sech^2(u / 2)``, whose wings are exponentials of scale h (van der Kruit & Searle 1981, A&A 95, 105), or a Gaussian of
standard deviation h. With an asymmetry A, ``h`` is ``h exp(A/2)`` north and ``h exp(-A/2)`` south of z0, and the
density is continuous there: ``A = ln(h_N / h_S)``, and the share of clusters in the north is ``h_N / (h_N + h_S)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from scipy.optimize import minimize

from ..errors import ConvergenceError

Array = np.ndarray[Any, np.dtype[np.float64]]
Profile = Literal["sech2", "gaussian"]

PARAMETERS: Final = ("ln_h0", "k", "z0", "asymmetry")
_VAGUE: Final = 200.0
#: Integral of g over one side, in units of h.
_SIDE: Final = {"sech2": 2.0, "gaussian": float(np.sqrt(np.pi / 2.0))}


def _log_g(u: Array, profile: Profile) -> Array:
    a = np.abs(u)
    log: Array = -0.5 * a**2 if profile == "gaussian" else np.log(4.0) - a - 2.0 * np.log1p(np.exp(-a))
    return log


def log_density(R: Array, z: Array, p: Array, profile: Profile, r_ref: float) -> Array:
    """Log density of Z at R [1/kpc], shape (N,), for parameters ln h0, k, z0, A (kpc)."""
    ln_h0, k, z0, a = p
    log_h = ln_h0 + k * (R - r_ref)
    log_side = log_h + np.where(z > z0, 0.5 * a, -0.5 * a)
    value = _log_g((z - z0) * np.exp(-log_side), profile)
    out: Array = value - log_h - np.log(2.0 * np.cosh(0.5 * a) * _SIDE[profile])
    return out


@dataclass(frozen=True)
class Vertical:
    """A maximum-likelihood fit.

    Attributes
    ----------
    p : ndarray, shape (4,)
        ln(h0 / kpc), k [1/kpc], z0 [kpc], A.
    covariance : ndarray, shape (4, 4)
        Inverse of the matrix of second derivatives of -ln L; zero for parameters held fixed.
    log_likelihood : float
    n : int
        Number of clusters.
    profile : str
    r_ref : float
        Reference radius [kpc].
    """

    p: Array
    covariance: Array
    log_likelihood: float
    n: int
    profile: Profile
    r_ref: float

    @property
    def sd(self) -> Array:
        """Standard deviations of the parameters."""
        out: Array = np.sqrt(np.diag(self.covariance))
        return out

    def scale(self, R: Array) -> tuple[Array, Array]:
        """ln h at R, and its standard deviation."""
        design = np.stack([np.ones_like(R), R - self.r_ref], axis=1)
        return design @ self.p[:2], np.sqrt(np.einsum("ij,jk,ik->i", design, self.covariance[:2, :2], design))


def fit(R: Array, z: Array, *, profile: Profile, r_ref: float, free: tuple[bool, bool, bool, bool]) -> Vertical:
    """Maximise the likelihood over the free parameters of ln h0, k, z0, A; the others are 0.

    Parameters
    ----------
    R, z : ndarray, shape (N,)
        Radius and height [kpc].
    profile : {"sech2", "gaussian"}
    r_ref : float
        Reference radius [kpc].
    free : tuple of bool
        Which parameters are fitted.

    Raises
    ------
    ConvergenceError
        If no maximum is found.
    """
    which = np.flatnonzero(free)
    spread = float(np.median(np.abs(z - np.median(z))))
    start = np.array([np.log(max(spread, 1e-4)), 0.0, float(np.median(z)) if free[2] else 0.0, 0.0])
    unit = np.array([0.1, 0.05, 0.2 * max(spread, 1e-4), 0.1])

    def cost(x: Array) -> float:
        p = np.zeros(4)
        p[which] = start[which] + unit[which] * x
        if abs(p[0]) > 15 or abs(p[1]) > 10 or abs(p[3]) > 10:
            return 1e12
        return -float(log_density(R, z, p, profile, r_ref).sum())

    best = minimize(cost, np.zeros(len(which)), method="BFGS", options={"gtol": 1e-4})
    # The simplex settles what is left where the gradient is too rough to end on.
    best = minimize(cost, best.x, method="Nelder-Mead",
                    options={"maxiter": 8000, "xatol": 1e-4, "fatol": 1e-6,
                             "initial_simplex": best.x + 0.1 * np.eye(len(which) + 1, len(which))})  # fmt: skip
    hessian = _second_derivatives(cost, best.x)
    try:
        inner = np.linalg.inv(hessian)
    except np.linalg.LinAlgError:
        inner = np.full_like(hessian, np.nan)
    # Units are about a standard deviation of 100 clusters: an error of hundreds means no maximum.
    if not best.success or not ((np.diag(inner) > 0) & (np.diag(inner) < _VAGUE**2)).all():
        raise ConvergenceError(
            f"no maximum of the likelihood of the vertical profile of {len(z)} clusters",
            where="flare",
            hint="are there enough clusters, at more than one radius?",
        )
    p, covariance = np.zeros(4), np.zeros((4, 4))
    p[which] = start[which] + unit[which] * best.x
    covariance[np.ix_(which, which)] = inner * np.outer(unit[which], unit[which])
    return Vertical(p, covariance, -float(best.fun), len(z), profile, r_ref)


def _second_derivatives(f: Any, x: Array) -> Array:
    """Matrix of second derivatives by central differences; x is in units of about a standard deviation."""
    n, h = len(x), 0.05
    steps = np.eye(n) * h
    out = np.empty((n, n))
    for i in range(n):
        for j in range(i, n):
            a, b = steps[i], steps[j]
            out[i, j] = out[j, i] = (f(x + a + b) - f(x + a - b) - f(x - a + b) + f(x - a - b)) / (4.0 * h * h)
    return out
