"""APOGEE DR16 stars in the fields of open clusters: the OCCAM value-added catalogue (Donor et al. 2020, AJ 159, 199).

There is no Gaia id: positions come from the 2MASS designation in ``APOGEE_ID`` (``2MHHMMSSss+DDMMSSs``, truncated,
not rounded: Cutri et al. 2003, II/246), to which half a unit of the last digit is added; they refer to
the epoch of the 2MASS observation (1997 to 2001), here taken as J2000.
``VSCATTER`` is the scatter over the visits, not an error, and is not used as one.
"""

from __future__ import annotations

import polars as pl

from .layout import Floor, Layout, column

#: Nidever et al. 2015, AJ 150, 173: radial velocities of DR12 and later are good to about 0.1 km/s.
RV_ERROR = Floor(0.1, "typical precision of APOGEE (Nidever et al. 2015, AJ 150, 173); the catalogue gives no error")
_NAME = r"^2M(\d{2})(\d{2})(\d{2})(\d{2})([+-])(\d{2})(\d{2})(\d{2})(\d)$"


def layout() -> Layout:
    """The layout of the APOGEE-OCCAM catalogue."""
    return Layout(
        title="APOGEE",
        sources={
            "spectrum_id": column("APOGEE_ID", required=True),
            "pmra": column("PMRA"),
            "pmdec": column("PMDEC"),
            "rv": column("VHELIO_AVG", required=True),
            "feh": column("FE_H", required=True),
            "feh_error": column("FE_H_ERR", required=True),
        },
        floors={"rv_error": RV_ERROR},
        prepare=_positions,
        notes=("APOGEE: positions come from the 2MASS names; there are no effective temperatures in this catalogue",),
    )


def _positions(frame: pl.DataFrame) -> pl.DataFrame:
    parts = pl.col("spectrum_id").str.extract_groups(_NAME)
    number = [parts.struct.field(str(i)).cast(pl.Float64) for i in (1, 2, 3, 4, 6, 7, 8, 9)]
    hours, minutes, seconds, hundredths, degrees, arcmin, arcsec, tenths = number
    ra = 15.0 * (hours + minutes / 60.0 + (seconds + (hundredths + 0.5) / 100.0) / 3600.0)
    dec = degrees + arcmin / 60.0 + (arcsec + (tenths + 0.5) / 10.0) / 3600.0
    sign = pl.when(parts.struct.field("5") == "-").then(-1.0).otherwise(1.0)
    return frame.with_columns(ra.alias("ra"), (sign * dec).alias("dec"))
