"""The maximum of the posterior, and the Gaussian that touches it there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from .groups import Array
from .problem import SLOPE, Problem

#: Knees tried as starts, and the largest standard deviation [u, dex] the touching Gaussian may have.
_KNEES: Final = 9
_WIDEST: Final = 1.0
_STEP: Final = 1e-4


@dataclass(frozen=True)
class Optimum:
    """Where the posterior is largest.

    Attributes
    ----------
    point : ndarray, shape (P,)
        In the sampled variables.
    covariance : ndarray, shape (P, P)
        Inverse of the curvature there, made positive and finite.
    """

    point: Array
    covariance: Array


def gaussian(problem: Problem) -> tuple[Array, Array]:
    """Mean and covariance of the posterior where it is exactly Gaussian.

    That is for a linear shape, fixed errors and flat priors: theta = C A^T V^-1 y with C = (A^T V^-1 A)^-1, the
    weighted least squares solution, by QR decomposition of V^-1/2 A.

    Returns
    -------
    mean : ndarray, shape (P,)
    covariance : ndarray, shape (P, P)
        Of the coefficients of the scaled variable.
    """
    weight = 1.0 / np.sqrt(problem.variance)
    q, r = np.linalg.qr(problem.design() * weight[:, None])
    inverse = np.linalg.inv(r)
    return inverse @ (q.T @ (problem.sample.y * weight)), inverse @ inverse.T


def is_gaussian(problem: Problem) -> bool:
    """Whether the posterior is exactly Gaussian."""
    return problem.model.linear and not problem.model.scatter and not problem.model.outliers and problem.exact_x


def find(problem: Problem) -> Optimum:
    """The highest maximum of the posterior reached from several starts."""
    starts = _starts(problem)
    order = np.argsort(-problem.log_posterior(starts))
    best, value = starts[order[0]], -np.inf
    for start in starts[order[:3]]:
        found = _climb(problem, start)
        height = float(problem.log_posterior(found[None])[0])
        if height > value:
            best, value = found, height
    return Optimum(best, _covariance(problem, best))


def _starts(problem: Problem) -> Array:
    model, y = problem.model, problem.sample.y
    knees = [None] if model.linear else list(np.linspace(*problem.knees, _KNEES))
    out = []
    for scatter in (0.02, 0.1, 0.3) if model.scatter else (0.0,):
        for knee in knees:
            terms = problem.design(knee)
            weight = 1.0 / (problem.variance + scatter**2)
            curvature = terms.T @ (terms * weight[:, None])
            if not model.linear:
                curvature[np.arange(1, len(curvature)), np.arange(1, len(curvature))] += 1.0 / SLOPE**2
            solved = np.linalg.lstsq(curvature, terms.T @ (y * weight), rcond=None)[0]
            point = [*solved, *([] if knee is None else [knee]), *([scatter] if model.scatter else [])]
            out.append([*point, *([0.1, np.log(0.5)] if model.outliers else [])])
    return np.array(out)


def _climb(problem: Problem, start: Array) -> Array:
    lower = np.array([-np.inf if a is None else a for a, _ in problem.limits()])
    upper = np.array([np.inf if b is None else b for _, b in problem.limits()])
    size = len(start)

    def height(point: Array) -> tuple[float, Array]:
        # Differences stay inside the limits, where the posterior is smooth; all in one call.
        low, high = (np.clip(point + s * _STEP * np.eye(size), lower, upper) for s in (-1.0, 1.0))
        f = -problem.log_posterior(np.concatenate([point[None], low, high]))
        with np.errstate(invalid="ignore"):
            slope = (f[1 + size :] - f[1 : 1 + size]) / (np.diagonal(high) - np.diagonal(low))
        return float(f[0]), np.nan_to_num(slope)

    from scipy.optimize import minimize

    solution = minimize(height, start, jac=True, method="L-BFGS-B", bounds=problem.limits())
    point: Array = np.clip(solution.x, lower, upper)
    return point


def _covariance(problem: Problem, point: Array) -> Array:
    size, h = len(point), 1e-3
    shifts = [s * h * np.eye(size)[i] + t * h * np.eye(size)[j] for i in range(size) for j in range(size)
              for s, t in ((1, 1), (1, -1), (-1, 1), (-1, -1))]  # fmt: skip
    lower = np.array([-np.inf if a is None else a for a, _ in problem.limits()])
    upper = np.array([np.inf if b is None else b for _, b in problem.limits()])
    # The curvature is taken just inside the limits.
    inside = np.clip(point, lower + 2.5 * h, upper - 2.5 * h)
    f = problem.log_posterior(inside + np.array(shifts)).reshape(size, size, 4)
    hessian = -(f[..., 0] - f[..., 1] - f[..., 2] + f[..., 3]) / (4 * h * h)
    hessian = np.nan_to_num((hessian + hessian.T) / 2, posinf=0.0, neginf=0.0)
    value, vector = np.linalg.eigh(hessian)
    value = np.maximum(value, 1.0 / _WIDEST**2)
    covariance: Array = (vector / value) @ vector.T
    return covariance
