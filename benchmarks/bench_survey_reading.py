"""Time and peak memory of reading a LAMOST-sized survey: 6.5 million rows as FITS, FITS.gz and CSV.gz.

The files are synthetic, with the columns of the DR8 v2.0 LRS stellar catalogue. Each is read in a process of its own,
whose peak resident memory is printed.

    python benchmarks/bench_survey_reading.py DIRECTORY [--rows 6500000]
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from lamost_file import header
from results import peak_mib, record

ROWS = 6_500_000
CHUNK = 250_000


def chunks(rows: int, dtype: np.dtype) -> Iterator[np.ndarray]:
    """Random rows, the same for every format."""
    rng = np.random.default_rng(8)
    for first in range(0, rows, CHUNK):
        n = min(CHUNK, rows - first)
        data = np.zeros(n, dtype=dtype)
        data["obsid"] = np.arange(first, first + n) + 100_000
        ids = rng.integers(10**17, 2**62, n)
        data["gaia_source_id"] = ids.astype("S19")
        data["uid"] = (ids // 1000).astype("S16")
        data["designation"] = b"J000000.00+000000.0"
        data["obsdate"], data["planid"] = b"2015-01-01", b"HD000000N000000M01"
        data["class"], data["subclass"], data["fibertype"], data["tsource"] = b"STAR", b"G5", b"Obj", b"LEGUE_LCH"
        data["lmjd"] = data["mjd"] = rng.integers(55_860, 59_000, n)
        data["ra"] = data["ra_obs"] = rng.uniform(0, 360, n)
        data["dec"] = data["dec_obs"] = rng.uniform(-10, 60, n)
        for name, low, high in (("teff", 3900, 8000), ("logg", 0.5, 5), ("feh", -2, 0.5), ("rv", -300, 300)):
            data[name] = np.round(rng.uniform(low, high, n), 3)
            data[f"{name}_err"] = np.round(rng.uniform(0.01, 0.02, n) * (high - low), 3)
        for name in ("snru", "snrg", "snrr", "snri", "snrz"):
            data[name] = np.round(rng.gamma(2, 30, n), 2)
        data["gaia_g_mean_mag"] = rng.uniform(9, 18, n)
        data["alpha_m"] = data["alpha_m_err"] = -9999
        yield data


def generate(directory: Path, rows: int) -> dict[str, Path]:
    """Write the files that are not there yet."""
    import polars as pl

    names = {k: directory / f"dr8_v2.0_LRS_stellar_{rows}.{k}" for k in ("fits", "fits.gz", "csv.gz")}
    text, dtype = header(rows)
    if all(path.exists() for path in names.values()):
        return names
    with (
        names["fits"].open("wb") as plain,
        gzip.open(names["fits.gz"], "wb", compresslevel=1) as packed,
        gzip.open(names["csv.gz"], "wb", compresslevel=1) as table,
    ):
        plain.write(text)
        packed.write(text)
        for number, data in enumerate(chunks(rows, dtype)):
            plain.write(data.tobytes())
            packed.write(data.tobytes())
            native = {n: data[n].astype(data[n].dtype.newbyteorder("=")) for n in data.dtype.names}
            frame = pl.DataFrame({n: v.astype(str) if v.dtype.kind == "S" else v for n, v in native.items()})
            table.write(frame.write_csv(separator="|", include_header=number == 0).encode())
        padding = b"\0" * (-rows * dtype.itemsize % 2880)
        plain.write(padding)
        packed.write(padding)
    return names


def measure(path: Path) -> dict[str, float]:
    """Read one file in this process."""
    from melotte.config import SurveyConfig
    from melotte.inputs.surveys import open_survey

    before = peak_mib()
    start = time.perf_counter()
    survey = open_survey(SurveyConfig(adapter="lamost", file=str(path)))
    rows = sum(batch.height for batch in survey.batches())
    seconds = time.perf_counter() - start
    return {"rows": rows, "seconds": round(seconds, 1), "start_MiB": before, "peak_MiB": peak_mib()}


def main() -> None:
    """Generate, read each file in a process of its own, print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--measure", action="store_true", help="read the file DIRECTORY in this process")
    parser.add_argument("--json", type=Path, help="append the numbers to this file")
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.directory)))
        return
    arguments.directory.mkdir(parents=True, exist_ok=True)
    for kind, path in generate(arguments.directory, arguments.rows).items():
        command = [sys.executable, __file__, str(path.resolve()), "--measure"]
        result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ).stdout)
        record(
            arguments.json,
            f"reading {result['rows']:,} rows of LAMOST, {kind}",
            seconds=result["seconds"],
            mib=result["peak_MiB"],
        )
        print(
            f"{kind:8s} {path.stat().st_size / 2**20:6.0f} MiB file: {result['rows']:,} rows in {result['seconds']} s, "
            f"peak {result['peak_MiB']:.0f} MiB (after imports {result['start_MiB']:.0f})"
        )


if __name__ == "__main__":
    main()
