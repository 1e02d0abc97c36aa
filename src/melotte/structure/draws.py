"""Draws of place, energy and angular momentum without orbits: those of `melotte.galaxy.dynamics`, number by number."""

from __future__ import annotations

import numpy as np
import polars as pl

from ..config import GalaxyConfig
from ..core.randomness import Streams
from ..galaxy import frames
from ..galaxy.legacy import GALPOT_ZERO_POINT
from ..galaxy.sampling import BLOCK
from ..galaxy.stage import chain_of, measured


def phase_draws(clusters: pl.DataFrame, *, settings: GalaxyConfig, rng: Streams) -> pl.DataFrame:
    """Draws of the present place and the integrals of motion of each cluster.

    Percentile columns lose that energy and angular momentum are drawn together: an error of the velocity moves a
    cluster along the ridge, not off it. These are the draws behind the percentiles of `melotte.galaxy.dynamics` (same
    streams), without the integration.

    Parameters
    ----------
    clusters : polars.DataFrame
        As for `melotte.galaxy.dynamics`.
    settings : GalaxyConfig
        ``draws``, ``sample_sun`` and the chain; the potential is that of the chain.
    rng : Streams

    Returns
    -------
    polars.DataFrame
        ``cluster``, ``draw``, ``l_z`` [kpc km/s], ``energy`` [km2/s2], ``r_gc``, ``z_gc`` [kpc], ``v_phi`` [km/s];
        clusters that lack a value are absent.

    Raises
    ------
    SchemaError
        If a column is missing.
    ConfigError
        If the Sun or the potential is not known.
    """
    chain, observed = chain_of(settings), measured(clusters, settings)
    streams = rng.child("dynamics")
    suns = chain.sun.draw(streams.generator("the Sun"), settings.draws) if settings.sample_sun else None
    zero = GALPOT_ZERO_POINT if chain.published else 0.0
    blocks = []
    for row, name in enumerate(observed.name):
        one = observed[row]
        known = (one.ra, one.dec, one.distance, one.pmra, one.pmdec, one.rv)
        if not np.isfinite(np.concatenate(known)).all():
            continue
        generator = streams.generator(f"row {name}")
        for first in range(0, settings.draws, BLOCK):
            size = min(BLOCK, settings.draws - first)
            sun = chain.sun if suns is None else suns[first : first + size]
            position, velocity = one.draw(generator, size).galactocentric(sun, chain.k)
            place = frames.cylindrical(position, velocity)
            energy = 0.5 * (velocity**2).sum(axis=1) + chain.potential.potential(position) + zero
            blocks.append(
                pl.DataFrame(
                    {
                        "cluster": [name] * size,
                        "draw": np.arange(first, first + size),
                        "l_z": -frames.angular_momentum(position, velocity)[:, 2],
                        "energy": energy,
                        "r_gc": place.R,
                        "z_gc": place.z,
                        "v_phi": -place.v_phi,
                    }
                )
            )
    if not blocks:
        names = ("l_z", "energy", "r_gc", "z_gc", "v_phi")
        return pl.DataFrame(schema={"cluster": pl.String, "draw": pl.Int64, **dict.fromkeys(names, pl.Float64)})
    return pl.concat(blocks)
