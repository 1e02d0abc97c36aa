"""Simulated discs, clouds and waves with a known truth."""

from __future__ import annotations

import numpy as np
import polars as pl

from melotte.galaxy import solar
from melotte.galaxy.frames import Cylindrical, cartesian, galactocentric_to_icrs
from melotte.galaxy.potential import Axisymmetric, load_potential
from melotte.structure.places import direction


def thin_disc(
    seed: int, n: int, *, sigma: tuple[float, float, float] = (22.0, 15.0, 9.0), rv_error: float = 2.0
) -> pl.DataFrame:
    """Clusters of a thin disc within some kpc of the Sun, as they would be measured.

    Velocities scatter like Gaussians about the circular orbit (``sigma``: radial, azimuthal, vertical, km/s); radial
    velocities have errors between half and twice ``rv_error``.
    """
    rng = np.random.default_rng(seed)
    potential = load_potential("mcmillan2017")
    assert isinstance(potential, Axisymmetric)
    R = rng.uniform(7.0, 12.0, n)
    phi = np.pi + rng.normal(0.0, 0.15, n)
    z = rng.laplace(0.0, 0.08, n)
    v = rng.normal(0.0, 1.0, (3, n)) * np.array(sigma)[:, None]
    place = Cylindrical(R, phi, z, v[0], -(potential.v_circ(R) + v[1]), v[2])
    seen = galactocentric_to_icrs(*cartesian(place), solar("fu2022"))
    error = rv_error * rng.uniform(0.5, 2.0, n)
    return pl.DataFrame(
        {
            "cluster": [f"Disc_{k}" for k in range(n)],
            "ra": seen.ra,
            "dec": seen.dec,
            "distance": seen.distance * 1e3 * 10.0 ** (0.2 * rng.normal(0.0, 0.02, n)),
            "distance_modulus_error": np.full(n, 0.02),
            "pmra": seen.pmra + rng.normal(0.0, 0.02, n),
            "pmdec": seen.pmdec + rng.normal(0.0, 0.02, n),
            "pmra_error": np.full(n, 0.02),
            "pmdec_error": np.full(n, 0.02),
            "rv": seen.rv + error * rng.normal(0.0, 1.0, n),
            "rv_error": error,
            "n_rv": pl.Series(rng.integers(2, 40, n), dtype=pl.Int32),
            "n_feh": pl.Series(rng.integers(0, 20, n), dtype=pl.Int32),
            "feh_med": 0.3 - 0.04 * R + rng.normal(0.0, 0.05, n),
            "feh_med_error": np.full(n, 0.03),
            "log_age": rng.uniform(6.8, 9.6, n),
        }
    )


def sinusoid(points: int = 800) -> pl.DataFrame:
    """A wave of one and a half periods along a straight line past the Sun [pc]."""
    s = np.linspace(-1200.0, 1200.0, points)
    return pl.DataFrame({"x": -200.0 + 0.6 * s, "y": 0.8 * s, "z": 150.0 * np.sin(2.0 * np.pi * s / 1600.0)})


def at(places: np.ndarray, *, prefix: str = "Young", log_age: float = 7.3, **more: object) -> pl.DataFrame:
    """Clusters at heliocentric Galactic places (N, 3) [pc]."""
    from melotte.galaxy.frames import GALACTIC

    x, y, z = (places @ GALACTIC).T  # the transpose of the matrix turns back to ICRS
    d = np.sqrt(x**2 + y**2 + z**2)
    n = len(places)
    return pl.DataFrame(
        {
            "cluster": [f"{prefix}_{k}" for k in range(n)],
            "ra": np.rad2deg(np.arctan2(y, x)) % 360.0,
            "dec": np.rad2deg(np.arcsin(z / d)),
            "distance": d,
            "log_age": np.full(n, log_age),
            **more,
        }
    )


def sightlines(
    glon: np.ndarray, glat: np.ndarray, distance: np.ndarray, names: list[str] | None = None
) -> pl.DataFrame:
    """Sightlines with errors of 3 %."""
    from melotte.schema.structure import SIGHTLINES

    x, y, z = (direction(glon, glat) * distance[:, None]).T
    return SIGHTLINES.conform(
        pl.DataFrame(
            {
                "cloud": names or [f"Cloud_{k}" for k in range(len(glon))],
                "glon": glon,
                "glat": glat,
                "x": x,
                "y": y,
                "z": z,
                "distance": distance,
                "distance_p16": 0.97 * distance,
                "distance_p84": 1.03 * distance,
            }
        )
    )
