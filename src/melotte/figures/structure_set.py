"""The figures of the structure of the disc, by file stem."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
from matplotlib.figure import Figure

from ..structure import Structure
from . import orbits, structure, structure_local

Drawing = tuple[Callable[[], Figure], str]


def structure_drawings(found: Structure, dynamics: pl.DataFrame, clusters: pl.DataFrame) -> dict[str, Drawing]:
    """What there is to draw.

    Parameters
    ----------
    found : Structure
        From `melotte.structure.analyse`.
    dynamics, clusters : polars.DataFrame
        What it was made from.

    Returns
    -------
    dict
        File stem -> (function that draws, caption).
    """
    settings = found.settings
    rv, feh = settings.minimum_rv_stars, settings.minimum_feh_stars
    out: dict[str, Drawing] = {
        "structure_eccentricity": (
            lambda: orbits.eccentricity(dynamics, clusters, minimum_rv_stars=rv, minimum_feh_stars=feh),
            "Eccentricity against apocentre, by age and by [Fe/H].",
        )
    }
    if (off := found.outliers) is not None:
        out["structure_integrals"] = (
            lambda: structure.integrals_of_motion(off, clusters, minimum_feh_stars=feh),
            "Energy against angular momentum with the ridge of the thin disc, and the energy above the circular orbit.",
        )
    if (flared := found.flare) is not None:
        out["structure_flare"] = (
            lambda: structure.flare(flared.clusters, flared.curve),
            "Height against Galactocentric radius by rotation velocity: all, younger and older clusters.",
        )
    if (near := found.clouds) is not None:
        out["structure_clouds"] = (
            lambda: structure_local.near_clouds(
                near.frame,
                near.sightlines,
                minimum_feh_stars=feh,
                reach=float(settings.reach.to_value("pc")),
            ),
            "Young clusters over molecular clouds, by [Fe/H] and by age.",
        )
    if (along := found.wave) is not None and along.curve is not None:
        curve = pl.DataFrame(along.curve.points, schema=["x", "y", "z"])
        lines = None if found.clouds is None else found.clouds.sightlines
        out["structure_wave"] = (
            lambda: structure_local.wave(along.frame, curve, lines, minimum_feh_stars=feh),
            "The Radcliffe wave and the young clusters along it.",
        )
        out["structure_wave_feh"] = (
            lambda: structure_local.feh_along_wave(along.frame, minimum_feh_stars=feh),
            "[Fe/H] along the Radcliffe wave.",
        )
    return out
