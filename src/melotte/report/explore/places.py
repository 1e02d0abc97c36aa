"""Where the clusters are: what the linked views draw beside the columns of the tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ...catalogue.catalogue import Catalogue
from ...config import GalaxyConfig
from ...figures._common import values
from ...galaxy.frames import heliocentric, to_galactocentric
from ...galaxy.stage import chain_of
from ...galaxy.sun import Sun, solar

Floats = NDArray[np.float64]


def sun_of(settings: GalaxyConfig | None) -> Sun:
    """The Sun of the run; without a ``[galaxy]`` section that of its default."""
    if settings is not None:
        return chain_of(settings).sun
    default = GalaxyConfig().sun
    assert isinstance(default, str)
    return solar(default)


def places(frame: pl.DataFrame, sun: Sun) -> dict[str, Floats]:
    """Galactic coordinates (degree) and Galactocentric place (kpc), from position and distance alone.

    Parameters
    ----------
    frame : polars.DataFrame
        CATALOGUE.
    sun : Sun
        Where the Sun is.

    Returns
    -------
    dict of ndarray
        ``glon`` (centred on 180 if most clusters lie towards the anticentre, else on 0), ``glat``, ``x``, ``y``,
        ``z``, ``r_gc``; right-handed axes, the Sun at negative x. NaN where position or distance is missing.
    """
    ra, dec, distance = (values(frame, name) for name in ("ra", "dec", "distance"))
    nothing = np.zeros_like(ra)
    towards, _ = heliocentric(ra, dec, np.ones_like(ra), nothing, nothing, nothing)
    glon = np.rad2deg(np.arctan2(towards[:, 1], towards[:, 0]))
    glat = np.rad2deg(np.arcsin(np.clip(towards[:, 2], -1.0, 1.0)))
    if np.mean(np.abs(glon[np.isfinite(glon)]) > 90.0) > 0.5 if np.isfinite(glon).any() else False:
        glon = glon % 360.0
    positive = np.where(distance > 0, distance / 1e3, np.nan)
    position, _ = to_galactocentric(*heliocentric(ra, dec, positive, nothing, nothing, nothing), sun)
    x, y, z = np.moveaxis(position, -1, 0)
    return {"glon": glon, "glat": glat, "x": x, "y": y, "z": z, "r_gc": np.hypot(x, y)}


def view_columns(catalogue: Catalogue) -> dict[str, Any]:
    """The columns of the shared source of the linked views, in the order of the catalogue."""
    frame = catalogue.frame
    found: dict[str, Any] = dict(places(frame, sun_of(catalogue.config.galaxy)))
    for name in ("log_age", "feh_med", "rv_med", "n_all"):
        found[name] = values(frame, name)
    error = np.nan_to_num(values(frame, "feh_med_error"))
    found["feh_low"], found["feh_high"] = found["feh_med"] - error, found["feh_med"] + error
    orbits = catalogue.orbits
    for name in ("l_z", "energy"):
        found[name] = np.full(frame.height, np.nan)
        if orbits is not None:
            joined = frame.select("cluster").join(
                orbits.select("cluster", name), on="cluster", how="left", maintain_order="left"
            )
            found[name] = values(joined, name)
    return found
