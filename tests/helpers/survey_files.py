"""Synthetic survey files in the shape the archives ship them, for the tests of the readers and adapters."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from astropy.io import fits
from astropy.table import MaskedColumn, Table

#: Column names of the LRS stellar parameter catalogue by data release, for (ra, dec, time, Gaia id).
LAMOST_NAMES = {
    "dr5": {"ra": "ra", "dec": "dec", "mjd": "lmjd", "gaia": None},
    "dr6": {"ra": "objra", "dec": "objdec", "mjd": "lmjd", "gaia": None},
    "dr7": {"ra": "ra", "dec": "dec", "mjd": "mjd", "gaia": "gaia_source_id"},
    "dr8": {"ra": "ra", "dec": "dec", "mjd": "mjd", "gaia": "gaia_source_id"},
    "dr9": {"ra": "ra", "dec": "dec", "mjd": "mjd", "gaia": "gaia_source_id"},
    "dr10": {"ra": "ra", "dec": "dec", "mjd": "mjd", "gaia": "gaia_source_id"},
    "dr11": {"ra": "ra_obs", "dec": "dec_obs", "mjd": "mjd", "gaia": "gaia_source_id"},
}


def lamost_rows(release: str = "dr8", n: int = 30, seed: int = 1) -> dict[str, list[Any]]:
    """Columns of a LAMOST-like catalogue; the last three rows carry sentinels."""
    rng = np.random.default_rng(seed)
    names = LAMOST_NAMES[release]
    data: dict[str, list[Any]] = {
        "obsid": [100_000 + i for i in range(n)],
        "designation": [f"J{i:06d}.00+000000.0" for i in range(n)],
        names["mjd"]: [56_000 + i for i in range(n)],
        names["ra"]: [round(float(x), 6) for x in rng.uniform(0, 360, n)],
        names["dec"]: [round(float(x), 6) for x in rng.uniform(-10, 60, n)],
        "snrg": [round(float(x), 2) for x in rng.uniform(5, 200, n)],
        "class": ["STAR"] * n,
        "subclass": ["G5"] * n,
        "fibertype": ["Obj"] * n,
    }
    limits = {"rv": (-80, 80, 2), "teff": (4000, 7500, 2), "logg": (1, 5, 3), "feh": (-0.8, 0.4, 3)}
    for name, (low, high, digits) in limits.items():
        data[name] = [round(float(x), digits) for x in rng.uniform(low, high, n)]
        data[f"{name}_err"] = [round(float(x), 3) for x in rng.uniform(0.01, 0.05, n) * (high - low)]
    data["feh"][-1] = data["feh_err"][-1] = -9999.0
    data["teff"][-2] = data["teff_err"][-2] = -9999.0
    data["snrg"][-3] = -9999.0
    if names["gaia"]:
        ids = [int(x) for x in rng.integers(2**61, 2**62, n)]
        ids[-1] = 0
        data[names["gaia"]] = [str(i) for i in ids]
    return data


def write_csv(path: Path, data: Mapping[str, list[Any]], separator: str = "|") -> Path:
    """Delimited text, gzip-compressed if the name ends in .gz."""
    text = pl.DataFrame(dict(data)).write_csv(separator=separator).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def write_fits(path: Path, data: Mapping[str, list[Any]], units: Mapping[str, str] | None = None) -> Path:
    """A FITS binary table, gzip-compressed if the name ends in .gz."""
    columns = []
    for name, values in data.items():
        array = np.array(values)
        form = {"i": "K", "f": "D", "b": "L"}.get(array.dtype.kind) or f"{array.dtype.itemsize // 4}A"
        columns.append(fits.Column(name, form, array=array, unit=(units or {}).get(name)))
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)])
    hdus.writeto(path, overwrite=True)
    return path


def write_votable(path: Path, data: Mapping[str, list[Any]], units: Mapping[str, str] | None = None) -> Path:
    """A VOTable."""
    table = Table({n: MaskedColumn(v) for n, v in data.items()})
    for name, unit in (units or {}).items():
        table[name].unit = unit
    table.write(path, format="votable", overwrite=True)
    return path


def write_parquet(path: Path, data: Mapping[str, list[Any]]) -> Path:
    """A Parquet file."""
    pl.DataFrame(dict(data)).write_parquet(path)
    return path
