"""Compiled likelihood of one cluster on a grid of mean, dispersion and binary fraction.

A star of velocity v, variance of the error t^2, prior probability o of belonging to the field and mass M has

    L(v) = o N(v - mu; t^2 + w^2) + (1 - o) ((1 - f) N(v - mu; t^2 + s^2) + f B(v - mu; t^2 + s^2, M)),

N the Gaussian, w the width of the field, s the intrinsic dispersion, f the binary fraction, B the distribution of
`likelihood_binaries` convolved with a Gaussian. For [Fe/H] f = 0.
"""

from __future__ import annotations

from math import erf
from typing import Any

import numba
import numpy as np

from .likelihood_binaries import LN_NARROWEST, LN_WIDEST, N_U, N_WIDTH, STRETCH

_jit: Any = numba.njit(cache=True, nogil=True, error_model="numpy")
_inlined: Any = numba.njit(inline="always", error_model="numpy")

_ROOT_2PI = float(np.sqrt(2 * np.pi))
_PER_LN = (N_WIDTH - 1) / (LN_WIDEST - LN_NARROWEST)
#: The likelihood of one star is at least this; logarithms are taken after so many stars.
_LEAST, _BLOCK = 1e-60, 4
#: Nodes left out of the membership probabilities hold together less than this of the posterior.
_UNWORTHY = 1e-3


@_inlined
def _row(cube_root_mass, sigma):  # type: ignore[no-untyped-def]
    x = (np.log(cube_root_mass / sigma) - LN_NARROWEST) * _PER_LN
    x = min(max(x, 0.0), N_WIDTH - 1.0001)
    return int(x), x - int(x)


@_inlined
def _binary(table, row, part, u):  # type: ignore[no-untyped-def]
    x = min(u / (u + STRETCH) * N_U, N_U - 1e-9)
    j = int(x)
    b = x - j
    low = table[row, j] * (1.0 - b) + table[row, j + 1] * b
    high = table[row + 1, j] * (1.0 - b) + table[row + 1, j + 1] * b
    return low + part * (high - low)


@_jit
def log_likelihood(v, var, outlier, root_mass, mu, s, f, field, table, out):  # type: ignore[no-untyped-def]
    """Log-likelihood ``out[mu, s, f]`` of one cluster.

    ``v, var, outlier, root_mass`` (n_stars): value, variance of its error, prior of the field, M^(1/3); ``mu, s, f``:
    nodes; ``field``: variance of the field; ``table``: `Profile.table`.
    """
    n_mu, n_s, n_f = mu.size, s.size, f.size
    binaries = n_f > 1 or f[0] > 0.0
    product = np.ones((n_mu, n_s, n_f))
    of_field = np.empty(n_mu)
    out[:] = 0.0
    for i in range(v.size):
        wide = var[i] + field
        scale = outlier[i] / (_ROOT_2PI * np.sqrt(wide))
        for m in range(n_mu):
            d = v[i] - mu[m]
            of_field[m] = scale * np.exp(-0.5 * d * d / wide)
        for j in range(n_s):
            sigma = np.sqrt(var[i] + s[j] * s[j])
            inverse = 1.0 / sigma
            member = (1.0 - outlier[i]) * inverse
            row, part = _row(root_mass[i], sigma)
            for m in range(n_mu):
                u = abs(v[i] - mu[m]) * inverse
                single = member / _ROOT_2PI * np.exp(-0.5 * u * u)
                base = of_field[m] + single + _LEAST
                if binaries:
                    more = member * _binary(table, row, part, u) - single
                    for k in range(n_f):
                        product[m, j, k] *= base + f[k] * more
                else:
                    product[m, j, 0] *= base
        if i % _BLOCK == _BLOCK - 1 or i == v.size - 1:
            for m in range(n_mu):
                for j in range(n_s):
                    for k in range(n_f):
                        out[m, j, k] += np.log(product[m, j, k])
                        product[m, j, k] = 1.0


@_jit
def log_evidences(v, var, outlier, root_mass, offsets, mu, s, log_weight, f, log_f, field, table, out):  # type: ignore[no-untyped-def]
    """Logarithm of the integral of the likelihood of clusters ``0 .. n - 1`` over their own grids.

    ``mu`` (n, n_mu), ``s`` (n, n_s): nodes; ``log_weight`` (n, n_mu, n_s): log of prior and quadrature weight;
    ``log_f`` (n_f): the same of ``f``.
    """
    buffer = np.empty((mu.shape[1], s.shape[1], f.size))
    for c in range(offsets.size - 1):
        a, b = offsets[c], offsets[c + 1]
        log_likelihood(v[a:b], var[a:b], outlier[a:b], root_mass[a:b], mu[c], s[c], f, field, table, buffer)
        top = -np.inf
        for m in range(mu.shape[1]):
            for j in range(s.shape[1]):
                for k in range(f.size):
                    buffer[m, j, k] += log_weight[c, m, j] + log_f[k]
                    top = max(top, buffer[m, j, k])
        total = 0.0
        for m in range(mu.shape[1]):
            for j in range(s.shape[1]):
                for k in range(f.size):
                    total += np.exp(buffer[m, j, k] - top)
        out[c] = top + np.log(total)


@_jit
def memberships(v, var, outlier, root_mass, mu, s, f, field, table, weight, out):  # type: ignore[no-untyped-def]
    """Probability ``out[star]`` not to belong to the field, averaged over the posterior ``weight[mu, s]``.

    ``f[mu, s]`` is the posterior mean of the binary fraction there.
    """
    n_mu, n_s = mu.size, s.size
    for i in range(v.size):
        wide = var[i] + field
        scale = outlier[i] / (_ROOT_2PI * np.sqrt(wide))
        found, total = 0.0, 0.0
        for j in range(n_s):
            sigma = np.sqrt(var[i] + s[j] * s[j])
            inverse = 1.0 / sigma
            member = (1.0 - outlier[i]) * inverse
            row, part = _row(root_mass[i], sigma)
            for m in range(n_mu):
                if weight[m, j] * n_mu * n_s < _UNWORTHY:
                    continue
                d = v[i] - mu[m]
                of_field = scale * np.exp(-0.5 * d * d / wide)
                u = abs(d) * inverse
                inside = member / _ROOT_2PI * np.exp(-0.5 * u * u)
                if f[m, j] > 0.0:
                    inside += f[m, j] * (member * _binary(table, row, part, u) - inside)
                found += weight[m, j] * inside / (inside + of_field + _LEAST)
                total += weight[m, j]
        out[i] = found / total


@_jit
def smoothed(x, half, weight, z, width, out):  # type: ignore[no-untyped-def]
    """``out[t, z]``: a density made of uniform cells, smoothed with a Gaussian of standard deviation ``width[t]``.

    ``x, half, weight`` (n): middle, half-width and probability of the cells.
    """
    root2 = np.sqrt(2.0)
    for t in range(width.size):
        for k in range(z.size):
            total = 0.0
            for j in range(x.size):
                d = abs(x[j] - z[k])
                if d - half[j] < 8.0 * width[t]:
                    scale = 1.0 / (root2 * width[t])
                    total += weight[j] * (erf((d + half[j]) * scale) - erf((d - half[j]) * scale)) / (4.0 * half[j])
            out[t, k] = total
