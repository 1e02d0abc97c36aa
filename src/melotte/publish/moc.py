"""The footprint as a multi-order coverage map (IVOA MOC 2.0): the HEALPix cells that hold a star."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ..core.files import replacing
from ..errors import PublishError


def write_moc(path: Path, frame: pl.DataFrame, *, order: int) -> float:
    """Write the footprint of a table.

    Parameters
    ----------
    path : pathlib.Path
        FITS file.
    frame : polars.DataFrame
        ``ra`` and ``dec`` (ICRS, deg); rows without them do not count.
    order : int
        HEALPix order of the cells.

    Returns
    -------
    float
        Fraction of the sky.

    Raises
    ------
    PublishError
        If the file does not cover every position when it is read back.
    """
    from astropy.coordinates import Latitude, Longitude
    from mocpy import MOC

    places = frame.select("ra", "dec").drop_nulls()
    lon, lat = Longitude(places["ra"].to_numpy(), "deg"), Latitude(places["dec"].to_numpy(), "deg")
    moc = MOC.from_lonlat(lon, lat, max_norder=order)
    with replacing(path) as temporary:
        moc.save(temporary, format="fits", overwrite=True)
        back = MOC.from_fits(temporary)
        if back != moc or not back.contains_lonlat(lon, lat).all():
            raise PublishError("the footprint does not read back equal", where=path, hint="please report this")
    return float(moc.sky_fraction)
