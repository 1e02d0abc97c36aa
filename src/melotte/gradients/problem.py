r"""The likelihood of a model of [Fe/H] (shapes: `melotte.gradients.models`) and its priors.

**Errors in x.** A measured x +- e_x of a Gaussian population N(mu, t^2) stands for a true value of mean
x_hat = (t^2 x + e_x^2 mu) / (t^2 + e_x^2) and variance v = t^2 e_x^2 / (t^2 + e_x^2) (Kelly 2007, ApJ 665, 1489, with
one component; mu and t from the clusters themselves). The likelihood is Gaussian with the mean and the variance of the
shape over that distribution, both in closed form; exact for the line, the first two moments for the others.

**Likelihood** of one cluster, with V = e_y^2 + scatter^2 + var(shape):
(1 - p) N(y; shape, V) + p N(y; shape, V + width^2), p = 0 without outliers (Hogg, Bovy & Lang 2010, arXiv:1008.4686).

**Priors.** Line and parabola: flat in the coefficients. Broken and plateau: level flat; slopes N(0, `SLOPE`^2) in dex
per standard deviation of x (a proper prior: otherwise a knee beyond which few clusters lie, with any slope there, would
win by volume); knee flat from the `EDGE`-th smallest to the `EDGE`-th largest x. Scatter flat in 0 to `SCATTER` dex;
outlier fraction flat in 0 to `FRACTION`; outlier width flat in its logarithm in `WIDTH` dex.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final, cast

import numpy as np
from scipy.special import ndtr

from .groups import Array, Sample
from .models import Model

SLOPE: Final = 0.5
SCATTER: Final = 1.0
FRACTION: Final = 0.5
WIDTH: Final = (0.1, 3.0)
#: Clusters that must lie at or beyond the knee.
EDGE: Final = {"broken": 3, "plateau": 2}

_LOG_2PI: Final = float(np.log(2.0 * np.pi))


class Problem:
    """A model and a sample, in the scaled variable: what the samplers see.

    Parameters
    ----------
    model : Model
    sample : Sample

    Notes
    -----
    A point is (coefficients of u, scatter, outlier fraction, log outlier width), as far as the model has them; all
    methods take points of shape (W, P).
    """

    def __init__(self, model: Model, sample: Sample) -> None:
        self.model, self.sample = model, sample
        self.origin = float(np.median(sample.x))
        spread = float(np.std(sample.x))
        self.width = spread if spread > 0 else 1.0
        u = (sample.x - self.origin) / self.width
        self.u, self.v = _true_x(u, sample.x_error / self.width)
        self.exact_x = not bool((self.v > 0).any())
        self.variance = sample.y_error**2
        edge = EDGE.get(model.shape, 1)
        ordered = np.sort(self.u)
        self.knees = float(ordered[edge - 1]), float(ordered[-edge])
        self.p = len(model.coefficients)

    def design(self, knee: float | None = None) -> Array:
        """Terms of the shape at the clusters, shape (N, coefficients other than the knee)."""
        one = np.ones_like(self.u)
        if self.model.shape == "line":
            return np.stack([self.u, one], axis=1)
        if self.model.shape == "parabola":
            return np.stack([self.u**2, self.u, one], axis=1)
        assert knee is not None
        d = self.u - knee
        terms = [one, np.minimum(d, 0.0), np.maximum(d, 0.0)]
        return np.stack(terms[: self.p - 1], axis=1)

    def moments(self, points: Array) -> tuple[Array, Array | float]:
        """Mean and variance of the shape over the true x of each cluster, shape (W, N)."""
        u, v = self.u, self.v
        if self.model.shape == "line":
            b, c = points[:, 0:1], points[:, 1:2]
            return b * u + c, 0.0 if self.exact_x else b * b * v
        if self.model.shape == "parabola":
            a, b, c = points[:, 0:1], points[:, 1:2], points[:, 2:3]
            mean = (a * u + b) * u + c
            if self.exact_x:
                return mean, 0.0
            return mean + a * v, (2.0 * a * u + b) ** 2 * v + 2.0 * a * a * v * v
        level, inner, knee = points[:, 0:1], points[:, 1:2], points[:, self.p - 1 : self.p]
        outer = points[:, 2:3] if self.model.shape == "broken" else np.zeros_like(level)
        d = u - knee
        if self.exact_x:
            return level + inner * np.minimum(d, 0.0) + outer * np.maximum(d, 0.0), 0.0
        s = np.sqrt(v)
        z = d / np.where(s > 0, s, 1e-12)
        right = ndtr(z)
        peak = s * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
        # Moments of (u - knee)_+ and (u - knee)_- of a Gaussian; the two never differ from zero together.
        plus = d * right + peak
        minus = d - plus
        plus2 = (d * d + v) * right + d * peak
        minus2 = d * d + v - plus2
        mean = level + inner * minus + outer * plus
        variance = inner**2 * minus2 + outer**2 * plus2 - (inner * minus + outer * plus) ** 2
        return mean, np.maximum(variance, 0.0)

    def pointwise(self, points: Array) -> Array:
        """Log-likelihood of each cluster, shape (W, N)."""
        mean, spread = self.moments(points)
        variance = self.variance + spread
        if self.model.scatter:
            variance = variance + points[:, self.p : self.p + 1] ** 2
        r2 = (self.sample.y - mean) ** 2
        out: Array = -0.5 * (r2 / variance + np.log(variance) + _LOG_2PI)
        if self.model.outliers:
            fraction = points[:, -2:-1]
            wide = variance + np.exp(2.0 * points[:, -1:])
            far = -0.5 * (r2 / wide + np.log(wide) + _LOG_2PI)
            with np.errstate(divide="ignore", invalid="ignore"):
                out = np.logaddexp(np.log1p(-fraction) + out, np.log(fraction) + far)
        return out

    def log_likelihood(self, points: Array) -> Array:
        """Log-likelihood, shape (W,)."""
        if self._quadratic is not None:
            root, centre, constant = self._quadratic
            out: Array = constant - 0.5 * ((points @ root - centre) ** 2).sum(axis=1)
            return out
        return cast(Array, self.pointwise(points).sum(axis=1))

    @cached_property
    def _quadratic(self) -> tuple[Array, Array, float] | None:
        """Of a Gaussian likelihood, which is constant - |points root - centre|^2 / 2: the same number, sooner."""
        model = self.model
        if not model.linear or model.scatter or model.outliers or not self.exact_x:
            return None
        weight = 1.0 / np.sqrt(self.variance)
        q, r = np.linalg.qr(self.design() * weight[:, None])
        scaled = self.sample.y * weight
        centre = q.T @ scaled
        rest = float(scaled @ scaled - centre @ centre)
        return r.T, centre, -0.5 * (rest + float(np.log(self.variance).sum()) + len(scaled) * _LOG_2PI)

    def log_prior(self, points: Array) -> Array:
        """Log-density of the prior up to a constant, in the sampled variables (with their Jacobians), shape (W,)."""
        out = np.zeros(len(points))
        good = np.isfinite(points).all(axis=1)
        if not self.model.linear:
            knee = points[:, self.p - 1]
            good &= (knee >= self.knees[0]) & (knee <= self.knees[1])
            out -= 0.5 * ((points[:, 1 : self.p - 1] / SLOPE) ** 2).sum(axis=1)
        if self.model.scatter:
            good &= (points[:, self.p] >= 0) & (points[:, self.p] <= SCATTER)
        if self.model.outliers:
            good &= (points[:, -2] >= 0) & (points[:, -2] <= FRACTION)
            good &= (points[:, -1] >= np.log(WIDTH[0])) & (points[:, -1] <= np.log(WIDTH[1]))
        return np.where(good, out, -np.inf)

    def log_posterior(self, points: Array) -> Array:
        """Log-density of the posterior up to a constant, shape (W,)."""
        if self._quadratic is not None:  # flat priors
            return self.log_likelihood(points)
        out = self.log_prior(points)
        good = np.isfinite(out)
        if good.any():
            out[good] += self.log_likelihood(points[good])
        return out

    def natural(self, points: Array) -> Array:
        """Points in the parameters of the model, ``model.parameters``, for x itself; shape (..., P)."""
        out = points.copy()
        x0, w = self.origin, self.width
        if self.model.shape == "line":
            out[..., 0] = points[..., 0] / w
            out[..., 1] = points[..., 1] - points[..., 0] * x0 / w
        elif self.model.shape == "parabola":
            a, b = points[..., 0] / w**2, points[..., 1] / w
            out[..., 0] = a
            out[..., 1] = b - 2.0 * a * x0
            out[..., 2] = points[..., 2] - b * x0 + a * x0**2
        else:
            out[..., 1 : self.p - 1] = points[..., 1 : self.p - 1] / w
            out[..., self.p - 1] = x0 + w * points[..., self.p - 1]
        if self.model.outliers:
            out[..., -1] = np.exp(points[..., -1])
        return out

    def limits(self) -> list[tuple[float | None, float | None]]:
        """Lower and upper limit of each sampled variable; None where there is none."""
        out: list[tuple[float | None, float | None]] = [(None, None)] * self.p
        if not self.model.linear:
            out[-1] = self.knees
        out += [(0.0, SCATTER)] if self.model.scatter else []
        out += [(0.0, FRACTION), (float(np.log(WIDTH[0])), float(np.log(WIDTH[1])))] if self.model.outliers else []
        return out


def _true_x(u: Array, error: Array) -> tuple[Array, Array]:
    """Mean and variance of the true values behind measured ones of a Gaussian population."""
    if not (error > 0).any():
        return u, np.zeros_like(u)
    e2 = error**2
    mu, t2 = float(np.mean(u)), float(np.var(u))
    for _ in range(50):  # fixed point of the moment equations; converges in a few turns
        weight = 1.0 / (t2 + e2)
        mu = float((weight * u).sum() / weight.sum())
        t2 = max(float((weight**2 * ((u - mu) ** 2 - e2)).sum() / (weight**2).sum()), 1e-6)
    return (t2 * u + e2 * mu) / (t2 + e2), t2 * e2 / (t2 + e2)
