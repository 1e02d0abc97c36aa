"""The compiled orbit integrator: an embedded Runge-Kutta-Nystrom pair of order 8(6) with refined turning points.

Method: RKN8(6)9FM of Dormand, El-Mikkawy & Prince 1987, IMA J. Numer. Anal. 7, 423 (nine stages, the last reused by the
next step). The step follows the error estimate of the sixth-order solution; the eighth-order one is kept.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from .kernels import _FAST, _force

#: Outcome of one orbit.
OK: Final = 0
NOT_FINITE: Final = 1
UNBOUND: Final = 2
TOO_MANY_STEPS: Final = 3

#: Columns of the extremes returned.
R_SPH_MIN, R_SPH_MAX, R_CYL_MIN, R_CYL_MAX, Z_MAX = range(5)

_C2, _C3, _C4, _C5, _C6, _C7 = 1 / 20, 1 / 10, 3 / 10, 1 / 2, 7 / 10, 9 / 10
_A21 = 1 / 800
_A31, _A32 = 1 / 600, 1 / 300
_A41, _A42, _A43 = 9 / 200, -9 / 100, 9 / 100
_A51, _A52, _A53, _A54 = -66701 / 197352, 28325 / 32892, -2665 / 5482, 2170 / 24669
_A61, _A62, _A63 = 227015747 / 304251000, -54897451 / 30425100, 12942349 / 10141700
_A64, _A65 = -9499 / 304251, 539 / 9250
_A71, _A72, _A73 = -1131891597 / 901789000, 41964921 / 12882700, -6663147 / 3220675
_A74, _A75, _A76 = 270954 / 644135, -108 / 5875, 114 / 1645
_A81, _A82, _A83 = 13836959 / 3667458, -17731450 / 1833729, 1063919505 / 156478208
_A84, _A85, _A86, _A87 = -33213845 / 39119552, 13335 / 28544, -705 / 14272, 1645 / 57088
_B1, _B3, _B4, _B5, _B6, _B7 = 223 / 7938, 1175 / 8064, 925 / 6048, 41 / 448, 925 / 14112, 1175 / 72576
_D1, _D3, _D4, _D5, _D6, _D7, _D8 = (
    223 / 7938,
    5875 / 36288,
    4625 / 21168,
    41 / 224,
    4625 / 21168,
    5875 / 36288,
    223 / 7938,
)
# Eighth-order minus sixth-order weights of position (E) and velocity (F).
_E1, _E3, _E4 = _B1 - 7987313 / 109941300, _B3 - 1610737 / 44674560, _B4 - 10023263 / 33505920
_E5, _E6, _E7 = _B5 + 497221 / 12409600, _B6 - 10023263 / 78180480, _B7 - 1610737 / 402071040
_F1, _F3, _F4 = _D1 - 7987313 / 109941300, _D3 - 1610737 / 40207104, _D4 - 10023263 / 23454144
_F5, _F6, _F7 = _D5 + 497221 / 6204800, _D6 - 10023263 / 23454144, _D7 - 1610737 / 40207104
_F8, _F9 = _D8 + 4251941 / 54970650, -3 / 20


@njit(fastmath=_FAST, error_model="numpy")
def _step(table, scale, exterior, x, y, z, vx, vy, vz, ax, ay, az, h):  # type: ignore[no-untyped-def]
    """One step: new position and velocity, potential and acceleration there, squared errors of x/h and v/h."""
    g = h * h
    _, bx, by, bz = _force(
        table,
        scale,
        exterior,
        x + _C2 * h * vx + g * (_A21 * ax),
        y + _C2 * h * vy + g * (_A21 * ay),
        z + _C2 * h * vz + g * (_A21 * az),
    )
    _, cx, cy, cz = _force(
        table,
        scale,
        exterior,
        x + _C3 * h * vx + g * (_A31 * ax + _A32 * bx),
        y + _C3 * h * vy + g * (_A31 * ay + _A32 * by),
        z + _C3 * h * vz + g * (_A31 * az + _A32 * bz),
    )
    _, dx, dy, dz = _force(
        table,
        scale,
        exterior,
        x + _C4 * h * vx + g * (_A41 * ax + _A42 * bx + _A43 * cx),
        y + _C4 * h * vy + g * (_A41 * ay + _A42 * by + _A43 * cy),
        z + _C4 * h * vz + g * (_A41 * az + _A42 * bz + _A43 * cz),
    )
    _, ex, ey, ez = _force(
        table,
        scale,
        exterior,
        x + _C5 * h * vx + g * (_A51 * ax + _A52 * bx + _A53 * cx + _A54 * dx),
        y + _C5 * h * vy + g * (_A51 * ay + _A52 * by + _A53 * cy + _A54 * dy),
        z + _C5 * h * vz + g * (_A51 * az + _A52 * bz + _A53 * cz + _A54 * dz),
    )
    _, fx, fy, fz = _force(
        table,
        scale,
        exterior,
        x + _C6 * h * vx + g * (_A61 * ax + _A62 * bx + _A63 * cx + _A64 * dx + _A65 * ex),
        y + _C6 * h * vy + g * (_A61 * ay + _A62 * by + _A63 * cy + _A64 * dy + _A65 * ey),
        z + _C6 * h * vz + g * (_A61 * az + _A62 * bz + _A63 * cz + _A64 * dz + _A65 * ez),
    )
    _, gx, gy, gz = _force(
        table,
        scale,
        exterior,
        x + _C7 * h * vx + g * (_A71 * ax + _A72 * bx + _A73 * cx + _A74 * dx + _A75 * ex + _A76 * fx),
        y + _C7 * h * vy + g * (_A71 * ay + _A72 * by + _A73 * cy + _A74 * dy + _A75 * ey + _A76 * fy),
        z + _C7 * h * vz + g * (_A71 * az + _A72 * bz + _A73 * cz + _A74 * dz + _A75 * ez + _A76 * fz),
    )
    _, hx, hy, hz = _force(
        table,
        scale,
        exterior,
        x + h * vx + g * (_A81 * ax + _A82 * bx + _A83 * cx + _A84 * dx + _A85 * ex + _A86 * fx + _A87 * gx),
        y + h * vy + g * (_A81 * ay + _A82 * by + _A83 * cy + _A84 * dy + _A85 * ey + _A86 * fy + _A87 * gy),
        z + h * vz + g * (_A81 * az + _A82 * bz + _A83 * cz + _A84 * dz + _A85 * ez + _A86 * fz + _A87 * gz),
    )
    nx = x + h * vx + g * (_B1 * ax + _B3 * cx + _B4 * dx + _B5 * ex + _B6 * fx + _B7 * gx)
    ny = y + h * vy + g * (_B1 * ay + _B3 * cy + _B4 * dy + _B5 * ey + _B6 * fy + _B7 * gy)
    nz = z + h * vz + g * (_B1 * az + _B3 * cz + _B4 * dz + _B5 * ez + _B6 * fz + _B7 * gz)
    potential, ix, iy, iz = _force(table, scale, exterior, nx, ny, nz)
    ux = vx + h * (_D1 * ax + _D3 * cx + _D4 * dx + _D5 * ex + _D6 * fx + _D7 * gx + _D8 * hx)
    uy = vy + h * (_D1 * ay + _D3 * cy + _D4 * dy + _D5 * ey + _D6 * fy + _D7 * gy + _D8 * hy)
    uz = vz + h * (_D1 * az + _D3 * cz + _D4 * dz + _D5 * ez + _D6 * fz + _D7 * gz + _D8 * hz)
    px = h * (_E1 * ax + _E3 * cx + _E4 * dx + _E5 * ex + _E6 * fx + _E7 * gx)
    py = h * (_E1 * ay + _E3 * cy + _E4 * dy + _E5 * ey + _E6 * fy + _E7 * gy)
    pz = h * (_E1 * az + _E3 * cz + _E4 * dz + _E5 * ez + _E6 * fz + _E7 * gz)
    qx = _F1 * ax + _F3 * cx + _F4 * dx + _F5 * ex + _F6 * fx + _F7 * gx + _F8 * hx + _F9 * ix
    qy = _F1 * ay + _F3 * cy + _F4 * dy + _F5 * ey + _F6 * fy + _F7 * gy + _F8 * hy + _F9 * iy
    qz = _F1 * az + _F3 * cz + _F4 * dz + _F5 * ez + _F6 * fz + _F7 * gz + _F8 * hz + _F9 * iz
    error_x, error_v = px * px + py * py + pz * pz, qx * qx + qy * qy + qz * qz
    return nx, ny, nz, ux, uy, uz, potential, ix, iy, iz, error_x, error_v


@njit(inline="always", error_model="numpy")
def _turning(d0, d1, dd0, dd1, h):  # type: ignore[no-untyped-def]
    """Where in (0, 1) the cubic through the first (d) and second (dd) derivatives at both ends vanishes."""
    s = d0 / (d0 - d1)
    low, high = 0.0, 1.0
    for _ in range(12):
        t = 1.0 - s
        f = d0 * t * t * (1.0 + 2.0 * s) + d1 * s * s * (3.0 - 2.0 * s) + h * s * t * (dd0 * t - dd1 * s)
        if f * d0 > 0.0:
            low = s
        else:
            high = s
        df = 6.0 * s * t * (d1 - d0) + h * (dd0 * t * (1.0 - 3.0 * s) + dd1 * s * (3.0 * s - 2.0))
        new = s - f / df if df != 0.0 else -1.0
        if not low < new < high:
            new = 0.5 * (low + high)
        if abs(new - s) < 1e-12:
            break
        s = new
    return s


@njit(inline="always", error_model="numpy")
def _value(g0, d0, d1, dd0, dd1, h, s):  # type: ignore[no-untyped-def]
    """The function whose derivative is the cubic of `_turning`, at s."""
    s2 = s * s
    s3, s4 = s2 * s, s2 * s2
    return g0 + h * (
        d0 * (s - s3 + 0.5 * s4)
        + d1 * (s3 - 0.5 * s4)
        + h * (dd0 * (0.5 * s2 - 2.0 / 3.0 * s3 + 0.25 * s4) + dd1 * (0.25 * s4 - s3 / 3.0))
    )


@njit(nogil=True, cache=True, error_model="numpy")
def integrate(  # type: ignore[no-untyped-def]
    table, scale, exterior, start, times, span, patience, tolerance, max_steps, snapshots, extremes, seen, drift, status
):
    """Integrate orbits forward in time.

    Parameters
    ----------
    table, scale, exterior : ndarray
        The potential.
    start : ndarray, shape (N, 6)
        Positions [kpc] and velocities [km/s].
    times : ndarray, shape (M,)
        Ascending, non-negative times of the snapshots [kpc/(km/s)]; steps end exactly there.
    span : float
        Extremes are sought up to here at least (and up to the last snapshot).
    patience : float
        Beyond ``span`` the orbit goes on until a pericentre and an apocentre have been passed, at most up to here.
    tolerance : float
        Relative error of position and velocity of one step (sixth-order estimate).
    max_steps : int
        Steps tried per orbit.
    snapshots : ndarray, shape (N, M, 6)
    extremes : ndarray, shape (N, 5)
        r_min, r_max, R_min, R_max, max |z| [kpc].
    seen : ndarray of int64, shape (N, 2)
        Pericentres and apocentres passed.
    drift : ndarray, shape (N,)
        max |E - E_0| / |E_0| over all steps.
    status : ndarray of int64, shape (N,)
    """
    inverse = 1.0 / tolerance
    for n in range(start.shape[0]):
        # Element by element: numba's slice assignment takes a second to compile.
        for m in range(times.size):
            for k in range(6):
                snapshots[n, m, k] = np.nan
        for k in range(5):
            extremes[n, k] = np.nan
        seen[n, 0], seen[n, 1] = 0, 0
        drift[n] = np.nan
        x, y, z, vx, vy, vz = start[n, 0], start[n, 1], start[n, 2], start[n, 3], start[n, 4], start[n, 5]
        if not np.isfinite(x + y + z + vx + vy + vz):
            status[n] = NOT_FINITE
            continue
        potential, ax, ay, az = _force(table, scale, exterior, x, y, z)
        energy = 0.5 * (vx * vx + vy * vy + vz * vz) + potential
        if energy >= 0.0:
            status[n] = UNBOUND
            continue
        R2 = x * x + y * y
        r2 = R2 + z * z
        r_min = r_max = r2
        R_min = R_max = R2
        z_max = abs(z)
        worst = 0.0
        t = 0.0
        output = 0
        end = max(span, times[-1] if times.size else 0.0)
        h = 0.1 * np.sqrt(np.sqrt((r2 + 1e-6) / (ax * ax + ay * ay + az * az + 1e-12)))
        status[n] = TOO_MANY_STEPS
        for _ in range(max_steps):
            while output < times.size and times[output] <= t:
                snapshots[n, output, 0], snapshots[n, output, 1], snapshots[n, output, 2] = x, y, z
                snapshots[n, output, 3], snapshots[n, output, 4], snapshots[n, output, 5] = vx, vy, vz
                output += 1
            if t >= end and (t >= patience or (seen[n, 0] > 0 and seen[n, 1] > 0)):
                status[n] = OK
                break
            target = times[output] if output < times.size else (end if t < end else patience)
            left = target - t
            # Spread the steps to the next stop evenly instead of ending with a sliver.
            now = left / np.ceil(left / h)
            nx, ny, nz, ux, uy, uz, potential, bx, by, bz, error_x, error_v = _step(
                table, scale, exterior, x, y, z, vx, vy, vz, ax, ay, az, now
            )
            ra = np.sqrt((nx * nx + ny * ny + nz * nz) * (bx * bx + by * by + bz * bz)) + 1e-12
            # Both errors against the local dynamical scales: x against r, v against sqrt(r a).
            error = np.sqrt(max(error_x * now * now / (nx * nx + ny * ny + nz * nz + 1e-8), error_v * now * now / ra))
            error *= inverse
            if not error <= 1.0:
                h = now * max(0.2, 0.9 * error ** (-1.0 / 7.0)) if error < 1e30 else 0.2 * now
                continue
            energy_now = 0.5 * (ux * ux + uy * uy + uz * uz) + potential
            worst = max(worst, abs(energy_now - energy))
            N2 = nx * nx + ny * ny
            n2 = N2 + nz * nz
            # Turning points of r^2, R^2 and z: the derivative changes sign within the step.
            D0, D1 = x * vx + y * vy, nx * ux + ny * uy
            d0, d1 = D0 + z * vz, D1 + nz * uz
            E0, E1 = vx * vx + vy * vy + x * ax + y * ay, ux * ux + uy * uy + nx * bx + ny * by
            if d0 * d1 < 0.0:
                seen[n, 0 if d0 < 0.0 else 1] += 1
            for kind in range(3):
                if kind == 0:
                    f0, g0, g1 = r2, 2.0 * d0, 2.0 * d1
                    k0, k1 = 2.0 * (E0 + vz * vz + z * az), 2.0 * (E1 + uz * uz + nz * bz)
                    low, high = r_min, r_max
                elif kind == 1:
                    f0, g0, g1, k0, k1 = R2, 2.0 * D0, 2.0 * D1, 2.0 * E0, 2.0 * E1
                    low, high = R_min, R_max
                else:
                    f0, g0, g1, k0, k1 = z, vz, uz, az, bz
                    low, high = -z_max, z_max
                if g0 * g1 >= 0.0:
                    continue
                s = _turning(g0, g1, k0, k1, now)
                guess = _value(f0, g0, g1, k0, k1, now, s)
                if low <= guess <= high:
                    continue
                # A new extreme: a step of its own gives its value to the accuracy of the orbit.
                px, py, pz = _step(table, scale, exterior, x, y, z, vx, vy, vz, ax, ay, az, s * now)[:3]
                p2 = px * px + py * py
                if kind == 0:
                    r_min, r_max = min(r_min, p2 + pz * pz), max(r_max, p2 + pz * pz)
                elif kind == 1:
                    R_min, R_max = min(R_min, p2), max(R_max, p2)
                else:
                    z_max = max(z_max, abs(pz))
            r_min, r_max, R_min, R_max = min(r_min, n2), max(r_max, n2), min(R_min, N2), max(R_max, N2)
            z_max = max(z_max, abs(nz))
            t = target if now >= left else t + now
            x, y, z, vx, vy, vz, ax, ay, az, R2, r2 = nx, ny, nz, ux, uy, uz, bx, by, bz, N2, n2
            h = now * min(3.0, 0.9 * max(error, 1e-12) ** (-1.0 / 7.0))
        extremes[n, R_SPH_MIN], extremes[n, R_SPH_MAX] = np.sqrt(r_min), np.sqrt(r_max)
        extremes[n, R_CYL_MIN], extremes[n, R_CYL_MAX] = np.sqrt(R_min), np.sqrt(R_max)
        extremes[n, Z_MAX] = z_max
        drift[n] = worst / abs(energy)
