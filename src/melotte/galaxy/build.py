"""The potential on the nodes of the table, by one-dimensional integrals.

Discs (density Sigma(R) h(z)): Phi(R, z) = -2 pi G int dk J_0(kR) S(k) V(k, z), with S the Hankel transform of Sigma and
V(k, z) = int dz' h(z') exp(-k|z - z'|) (Kuijken & Gilmore 1989, MNRAS 239, 571, appendix). S is in closed form for both
radial laws; for exp(-a/R - bR) it is the second b-derivative of 2 J_0(A) K_0(B) (Gradshteyn & Ryzhik 6.635.3).
Bulge (density constant on similar spheroids): Binney & Tremaine 2008, eq. 2.140. Halo: closed form.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.special import eval_legendre, j0, j1, k0e, k1e

from .components import Array, Component, G, MassModel
from .kernels import LIMIT, LOG2_CELLS, OFFSET

# (R up to [kpc], k up to [1/kpc]): beyond, the integrand, which falls like k^-4.5, is below 1e-10 of the result.
_WAVENUMBERS = ((1.0, 2000.0), (8.0, 600.0), (30.0, 250.0), (90.0, 120.0), (1e9, 60.0))
_GAUSS = np.polynomial.legendre.leggauss(16)
#: Even multipoles l = 0 ... 12 of discs and bulge beyond the table.
MULTIPOLES = 7


def edges() -> Array:
    """Edges of the cells on both axes [kpc], from 0 to `LIMIT`."""
    cells = 1 << LOG2_CELLS
    octaves = round(np.log2(LIMIT / OFFSET))
    parts = [OFFSET * 2.0**e * (1.0 + np.arange(cells) / cells) for e in range(octaves)]
    return np.concatenate([*parts, [LIMIT]]) - OFFSET


def nodes() -> Array:
    """Where the potential is computed: the edges and four more beyond the end."""
    inner = edges()
    return np.concatenate([inner, inner[-1] + (inner[-1] - inner[-2]) * np.arange(1, 5)])


def hankel(disc: Component, k: Array) -> Array:
    """``int Sigma(R) J_0(kR) R dR`` [Msun]."""
    b = 1.0 / disc["radius"]
    if disc.form == "exponential_disc":
        flat: Array = disc["surface_density"] * b / (b * b + k * k) ** 1.5
        return flat
    a = disc["hole"]
    rho = np.sqrt(b * b + k * k)
    A, B = np.sqrt(2.0 * a * k * k / (rho + b)), np.sqrt(2.0 * a * (rho + b))
    J0, J1, K0, K1 = j0(A), j1(A), k0e(B), k1e(B)
    first = b / rho**3 * (B * J0 * K1 - A * J1 * K0)
    second = 2.0 * a * (b * J0 * K0 - k * J1 * K1) / rho**2
    holed: Array = disc["surface_density"] * np.exp(-B) * (first + second)
    return holed


def vertical(disc: Component, k: Array, z: Array) -> Array:
    """``int h(z') exp(-k|z - z'|) dz'``, shape (len(k), len(z)); z ascending from 0."""
    h = disc["height"]
    if disc.form == "exponential_disc":
        kk, zz = k[:, None], z[None, :]
        difference = (kk - 1.0 / h) * zz
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            # Near k h = 1 the closed form is 0/0: there the quotient is written with expm1.
            quotient = np.where(difference == 0.0, 1.0, -np.expm1(-difference) / difference)
            near = np.exp(-zz / h) * (quotient * zz / h + 1.0) / (1.0 + kk * h)
            far = (np.exp(-kk * zz) - kk * h * np.exp(-zz / h)) / (1.0 - (kk * h) ** 2)
        exponential: Array = np.where(np.abs(1.0 - kk * h) > 0.2, far, near)
        return exponential
    grid = np.unique(np.concatenate([z, h * np.array([0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40])]))
    x, weight = _GAUSS
    above, below = np.zeros((k.size, grid.size)), np.zeros((k.size, grid.size))

    def slab(i: int, *, upwards: bool) -> Array | float:
        """Contribution of the layer between nodes i and i + 1, at its lower (or upper) side."""
        if grid[i] > 45.0 * h:
            return 0.0
        width = grid[i + 1] - grid[i]
        s = grid[i] + 0.5 * width * (1.0 + x)
        away = grid[i + 1] - s if upwards else s - grid[i]
        part: Array = np.exp(-np.outer(k, away)) @ (disc.vertical(s) * weight * 0.5 * width)
        return part

    for i in range(grid.size - 2, -1, -1):
        above[:, i] = above[:, i + 1] * np.exp(-k * (grid[i + 1] - grid[i])) + slab(i, upwards=False)
    below[:, 0] = above[:, 0]
    for i in range(grid.size - 1):
        below[:, i + 1] = below[:, i] * np.exp(-k * (grid[i + 1] - grid[i])) + slab(i, upwards=True)
    sech2: Array = (above + below)[:, np.searchsorted(grid, z)]
    return sech2


def _wavenumbers(top: float, radius: float) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights in k: panels of at most 10 rad of kR."""
    ends = [0.0]
    while ends[-1] < top:
        ends.append(ends[-1] + min(max(0.02, 0.25 * ends[-1]), 10.0 / radius))
    low, high = np.array(ends[:-1]), np.array(ends[1:])
    x, weight = _GAUSS
    half = 0.5 * (high - low)[:, None]
    return (0.5 * (low + high)[:, None] + half * x).ravel(), (half * weight).ravel()


def disc_potential(discs: list[Component], R: Array, z: Array) -> Array:
    """Potential of the discs on the grid R x z [km2/s2]; z ascending from 0."""
    out = np.zeros((R.size, z.size))
    inner = 0.0
    for outer, top in _WAVENUMBERS:
        ring = (inner <= R) & (outer > R)
        inner = outer
        if not ring.any():
            continue
        k, weight = _wavenumbers(top, max(float(R[ring].max()), 0.1))
        for start in range(0, k.size, 4096):
            part = slice(start, start + 4096)
            field = np.zeros((k[part].size, z.size))
            for disc in discs:
                strength = hankel(disc, k[part])
                if np.abs(strength).max() > 1e-16 * disc["surface_density"] * disc["radius"] ** 2:
                    field += strength[:, None] * vertical(disc, k[part], z)
            out[ring] -= 2.0 * np.pi * G * ((j0(R[ring][:, None] * k[part]) * weight[part]) @ field)
    return out


def bulge_potential(bulge: Component, R: Array, z: Array) -> Array:
    """Potential of the spheroidal bulge on the grid R x z [km2/s2]."""
    q, r_0, reach = bulge["axis_ratio"], bulge["radius"], 8.0 * bulge["cutoff"]
    x, weight = _GAUSS
    # psi(m) = int_m^inf 2 m' rho dm', a spline in arcsinh(m / r_0).
    s = np.linspace(0.0, np.arcsinh(reach / r_0), 1201)
    half = 0.5 * np.diff(s)[:, None]
    inner = 0.5 * (s[1:] + s[:-1])[:, None] + half * x
    m = r_0 * np.sinh(inner)
    rho = bulge.density(m, np.zeros_like(m))
    pieces = (2.0 * m * rho * r_0 * np.cosh(inner) * half) @ weight
    psi = make_interp_spline(s, np.concatenate([np.cumsum(pieces[::-1])[::-1], [0.0]]), k=7)
    R2, z2, e2 = (R * R)[:, None], (z * z)[None, :], 1.0 - q * q
    top = np.minimum(1.0, reach / np.maximum(np.sqrt(R2 + z2), 1e-30))
    out = np.zeros((R.size, z.size))
    marks = np.array([0.0, 0.002, 0.006, 0.02, 0.06, 0.15, 0.35, 0.65, 1.0])
    for low, high in pairwise(marks):
        for xi, w in zip(x, weight, strict=True):
            t = top * (0.5 * (low + high) + 0.5 * (high - low) * xi)
            flat = 1.0 - e2 * t * t
            m = t * np.sqrt(R2 + z2 / flat)
            inside = np.where(m < reach, psi(np.arcsinh(np.minimum(m, reach) / r_0)), 0.0)
            out += 0.5 * (high - low) * w * top * inside / np.sqrt(flat)
    return -2.0 * np.pi * G * q * out


def halo_potential(halo: Component, R: Array, z: Array) -> Array:
    """Potential of the NFW halo on the grid R x z [km2/s2]; zero at infinity."""
    x = np.sqrt((R * R)[:, None] + (z * z)[None, :]) / halo["radius"]
    with np.errstate(invalid="ignore"):
        shape = np.where(x > 0.0, np.log1p(x) / x, 1.0)
    phi: Array = -4.0 * np.pi * G * halo["density"] * halo["radius"] ** 2 * shape
    return phi


def grid_potential(model: MassModel, R: Array, z: Array) -> Array:
    """Potential of the whole model on the grid R x z [km2/s2]; z ascending from 0."""
    discs = [c for c in model.components if c.form in {"exponential_disc", "sech2_disc"}]
    total = disc_potential(discs, R, z)
    forms: dict[str, Callable[[Component, Array, Array], Array]] = {"bulge": bulge_potential, "nfw": halo_potential}
    for component in model.components:
        if component.form in forms:
            total += forms[component.form](component, R, z)
    return total


def exterior(model: MassModel) -> Array:
    """What the kernel needs beyond the table: halo constants, then G times the even multipole moments."""
    x, weight = _GAUSS
    marks = np.concatenate([[0.0], np.geomspace(0.01, 400.0, 60)])
    half = 0.5 * np.diff(marks)[:, None]
    points = (0.5 * (marks[1:] + marks[:-1])[:, None] + half * x).ravel()
    weights = (half * weight).ravel()
    R, z = np.meshgrid(points, points, indexing="ij")
    r = np.hypot(R, z)
    measure = 4.0 * np.pi * R * np.outer(weights, weights)
    rho: Any = sum(c.density(R, z) for c in model.components if c.form != "nfw")
    moments = [np.sum(measure * rho * r**n * eval_legendre(n, z / r)) for n in range(0, 2 * MULTIPOLES, 2)]
    halo = next(c for c in model.components if c.form == "nfw")
    return np.array(
        [4.0 * np.pi * G * halo["density"] * halo["radius"] ** 3, halo["radius"], *(G * m for m in moments)]
    )
