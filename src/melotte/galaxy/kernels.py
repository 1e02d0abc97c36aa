"""Compiled kernels: potential and force from the table, and the orbit integrator.

The meridional half-plane is cut into cells whose edges are the binary floating-point numbers with `LOG2_CELLS` bits of
mantissa, so that the bits of ``R + OFFSET`` *are* the cell index and the place inside the cell: no logarithm and no
search. In each cell the potential is a polynomial of degree 5 in R and in |z|, C4 across edges.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

#: log2 of the number of cells per factor of two in (R + OFFSET) and (|z| + OFFSET).
LOG2_CELLS: Final = 4
#: Offset [kpc] and upper limit of R + OFFSET and |z| + OFFSET [kpc], powers of two.
OFFSET: Final = 0.0625
LIMIT: Final = 256.0
#: Where the table ends on both axes [kpc].
EDGE: Final = LIMIT - OFFSET

_SHIFT: Final = 52 - LOG2_CELLS
_FIRST: Final = int(np.float64(OFFSET).view(np.int64)) >> _SHIFT
_LOW: Final = (1 << _SHIFT) - 1
_ONE: Final = int(np.float64(1.0).view(np.int64))


def _cast(source: Any, target: Any) -> Any:
    """A numba intrinsic that reads the bits of a number as another type."""

    def implementation(typingctx: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.bitcast(args[0], context.get_value_type(target))

        return target(source), codegen

    return intrinsic(implementation)


_bits: Any = _cast(types.float64, types.int64)
_real: Any = _cast(types.int64, types.float64)

_FAST = {"contract", "arcp", "nsz", "reassoc"}


@njit(forceinline=True, fastmath=_FAST, error_model="numpy")
def _force_inside(table, scale, R, z):  # type: ignore[no-untyped-def]
    """Potential, dPhi/dR and dPhi/d|z| in the cell that holds (R, z >= 0); both below EDGE."""
    bR, bz = _bits(R + OFFSET), _bits(z + OFFSET)
    i, j = (bR >> _SHIFT) - _FIRST, (bz >> _SHIFT) - _FIRST
    u = _real(((bR & _LOW) << LOG2_CELLS) | _ONE) - 1.0
    w = _real(((bz & _LOW) << LOG2_CELLS) | _ONE) - 1.0
    c = table[i, j]
    p0, p1, p2, p3, p4, p5 = c[30], c[31], c[32], c[33], c[34], c[35]
    q0, q1, q2, q3, q4, q5 = p0, p1, p2, p3, p4, p5
    p0, p1, p2 = p0 * w + c[24], p1 * w + c[25], p2 * w + c[26]
    p3, p4, p5 = p3 * w + c[27], p4 * w + c[28], p5 * w + c[29]
    q0, q1, q2, q3, q4, q5 = q0 * w + p0, q1 * w + p1, q2 * w + p2, q3 * w + p3, q4 * w + p4, q5 * w + p5
    p0, p1, p2 = p0 * w + c[18], p1 * w + c[19], p2 * w + c[20]
    p3, p4, p5 = p3 * w + c[21], p4 * w + c[22], p5 * w + c[23]
    q0, q1, q2, q3, q4, q5 = q0 * w + p0, q1 * w + p1, q2 * w + p2, q3 * w + p3, q4 * w + p4, q5 * w + p5
    p0, p1, p2 = p0 * w + c[12], p1 * w + c[13], p2 * w + c[14]
    p3, p4, p5 = p3 * w + c[15], p4 * w + c[16], p5 * w + c[17]
    q0, q1, q2, q3, q4, q5 = q0 * w + p0, q1 * w + p1, q2 * w + p2, q3 * w + p3, q4 * w + p4, q5 * w + p5
    p0, p1, p2 = p0 * w + c[6], p1 * w + c[7], p2 * w + c[8]
    p3, p4, p5 = p3 * w + c[9], p4 * w + c[10], p5 * w + c[11]
    q0, q1, q2, q3, q4, q5 = q0 * w + p0, q1 * w + p1, q2 * w + p2, q3 * w + p3, q4 * w + p4, q5 * w + p5
    p0, p1, p2 = p0 * w + c[0], p1 * w + c[1], p2 * w + c[2]
    p3, p4, p5 = p3 * w + c[3], p4 * w + c[4], p5 * w + c[5]
    potential = ((((p5 * u + p4) * u + p3) * u + p2) * u + p1) * u + p0
    dR = (((5.0 * p5 * u + 4.0 * p4) * u + 3.0 * p3) * u + 2.0 * p2) * u + p1
    dz = ((((q5 * u + q4) * u + q3) * u + q2) * u + q1) * u + q0
    return potential, dR * scale[i], dz * scale[j]


@njit(error_model="numpy")
def _force_outside(exterior, R, z):  # type: ignore[no-untyped-def]
    """The same beyond the table: the multipoles of discs and bulge, even l, and the analytic NFW halo.

    ``exterior``: 4 pi G rho_s r_s^3, r_s, then G Q_l for l = 0, 2, 4, ... with Q_l the integral of rho r^l P_l.
    """
    r2 = R * R + z * z
    r = np.sqrt(r2)
    x = r / exterior[1]
    log = np.log1p(x)
    potential = -exterior[0] * log / r
    slope = exterior[0] * (log - x / (1.0 + x)) / r2  # dPhi/dr
    mu = z / r
    turn = 0.0  # dPhi/dmu
    before, here = 0.0, 1.0  # P_{l-1}, P_l
    power = 1.0 / r
    for n in range(exterior.size - 2):
        l = 2 * n  # noqa: E741
        weight = exterior[2 + n] * power
        potential -= weight * here
        slope += (l + 1) * weight * here / r
        if l > 0 and mu < 1.0:
            turn -= weight * l * (before - mu * here) / (1.0 - mu * mu)
        for k in (l, l + 1):  # two steps of the recurrence of Legendre polynomials
            before, here = here, ((2 * k + 1) * mu * here - k * before) / (k + 1)
        power /= r2
    return potential, slope * R / r - turn * mu * R / r2, slope * mu + turn * (1.0 - mu * mu) / r


@njit(forceinline=True, fastmath=_FAST, error_model="numpy")
def _force(table, scale, exterior, x, y, z):  # type: ignore[no-untyped-def]
    """Potential and Cartesian acceleration."""
    R = np.sqrt(x * x + y * y)
    h = abs(z)
    if R < EDGE and h < EDGE:
        potential, dR, dz = _force_inside(table, scale, R, h)
    else:
        potential, dR, dz = _force_outside(exterior, R, h)
    ratio = -dR / R if R > 0.0 else 0.0
    return potential, ratio * x, ratio * y, -np.copysign(dz, z)


@njit(nogil=True, cache=True, error_model="numpy")
def evaluate(table, scale, exterior, R, z, potential, force_R, force_z):  # type: ignore[no-untyped-def]
    """Potential and force at many points, into the arrays given."""
    for n in range(R.size):
        h = abs(z[n])
        if R[n] < EDGE and h < EDGE:
            p, dR, dz = _force_inside(table, scale, R[n], h)
        elif np.isfinite(R[n] + h):
            p, dR, dz = _force_outside(exterior, R[n], h)
        else:
            p, dR, dz = np.nan, np.nan, np.nan
        # On the axis and in the plane a component vanishes by symmetry, whatever the rounding of the polynomial.
        potential[n] = p
        force_R[n] = -dR if R[n] > 0.0 else -0.0 * dR
        force_z[n] = -np.copysign(dz, z[n]) if h > 0.0 else -0.0 * dz


@njit(nogil=True, cache=True, error_model="numpy")
def hessian(table, scale, R, z, out):  # type: ignore[no-untyped-def]
    """Second derivatives (RR, Rz, zz) of the potential inside the table, shape (N, 3); z >= 0."""
    for n in range(R.size):
        bR, bz = _bits(R[n] + OFFSET), _bits(z[n] + OFFSET)
        i, j = (bR >> _SHIFT) - _FIRST, (bz >> _SHIFT) - _FIRST
        u = _real(((bR & _LOW) << LOG2_CELLS) | _ONE) - 1.0
        w = _real(((bz & _LOW) << LOG2_CELLS) | _ONE) - 1.0
        rr, rz, zz = 0.0, 0.0, 0.0
        for b in range(6):
            for a in range(6):
                c = table[i, j, 6 * b + a]
                if a > 1:
                    rr += c * a * (a - 1) * u ** (a - 2) * w**b
                if b > 1:
                    zz += c * b * (b - 1) * u**a * w ** (b - 2)
                if a > 0 and b > 0:
                    rz += c * a * b * u ** (a - 1) * w ** (b - 1)
        out[n, 0], out[n, 1], out[n, 2] = rr * scale[i] ** 2, rz * scale[i] * scale[j], zz * scale[j] ** 2
