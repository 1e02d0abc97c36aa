"""The columns of a LAMOST catalogue, and the headers of a FITS file of them."""

from __future__ import annotations

import numpy as np

COLUMNS = {
    "obsid": "J",
    "uid": "16A",
    "gp_id": "K",
    "designation": "19A",
    "obsdate": "10A",
    "lmjd": "J",
    "mjd": "J",
    "planid": "20A",
    "spid": "J",
    "fiberid": "J",
    "ra_obs": "D",
    "dec_obs": "D",
    "snru": "E",
    "snrg": "E",
    "snrr": "E",
    "snri": "E",
    "snrz": "E",
    "class": "6A",
    "subclass": "8A",
    "z": "D",
    "z_err": "D",
    "ps_id": "K",
    "gaia_source_id": "19A",
    "gaia_g_mean_mag": "E",
    "tsource": "16A",
    "fibertype": "6A",
    "ra": "D",
    "dec": "D",
    "teff": "E",
    "teff_err": "E",
    "logg": "E",
    "logg_err": "E",
    "feh": "E",
    "feh_err": "E",
    "rv": "E",
    "rv_err": "E",
    "alpha_m": "E",
    "alpha_m_err": "E",
}


def header(rows: int, columns: dict[str, str] = COLUMNS) -> tuple[bytes, np.dtype]:
    """Primary and table header of the FITS file, and the type of a row."""
    from astropy.io import fits

    table = fits.BinTableHDU.from_columns([fits.Column(n, f) for n, f in columns.items()], nrows=0)
    table.header["NAXIS2"] = rows
    text = fits.PrimaryHDU().header.tostring() + table.header.tostring()
    return text.encode(), np.dtype(table.columns.dtype).newbyteorder(">")
