"""A worker of the Dask cluster killed in the middle of a match: the result is that of the local engine."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from melotte.config import DaskConfig
from melotte.crossmatch import match_positions
from melotte.crossmatch.scale import dask_client, match_lsdb

N = 20_000


@pytest.fixture(scope="module")
def sky() -> tuple[pl.DataFrame, pl.DataFrame]:
    """A survey of half of the sources, at their places of the year 2000."""
    rng = np.random.default_rng(7)
    ra, dec = rng.uniform(0, 360, N), np.degrees(np.arcsin(rng.uniform(-1, 1, N)))
    pm = rng.normal(0, 20, (2, N))
    sources = pl.DataFrame(
        {"source_id": np.arange(N) + 2**60, "ra": ra, "dec": dec, "pmra": pm[0], "pmdec": pm[1]}
    ).with_columns(pl.lit(15.0).alias("phot_g_mean_mag"))
    seen = rng.choice(N, N // 2, replace=False)
    spectra = pl.DataFrame(
        {
            "spectrum_id": [f"s{i:05d}" for i in range(len(seen))],
            "ra": np.mod(ra[seen] + rng.normal(0, 0.2 / 3600, len(seen)), 360),
            "dec": np.clip(dec[seen] + rng.normal(0, 0.2 / 3600, len(seen)), -90, 90),
            "ref_epoch": np.full(len(seen), 2000.0),
        }
    )
    return spectra, sources


def _kill_when_busy(client: Any, killed: list[int]) -> None:
    """Kill the first worker that is at work on a task once some results are in memory."""
    for _ in range(600):
        busy = {a: w for a, w in client.run_on_scheduler(_at_work).items() if w}
        if busy:
            pid = next(iter(client.run(os.getpid, workers=[next(iter(busy))]).values()))
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
            return
        time.sleep(0.02)


def _at_work(dask_scheduler: Any) -> dict[str, int]:
    """Tasks in hand of each worker."""
    return {address: len(worker.processing) for address, worker in dask_scheduler.workers.items()}


def test_a_worker_killed_midway(sky: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    lsdb = pytest.importorskip("lsdb")
    pytest.importorskip("dask.distributed")
    spectra, sources = (frame.to_pandas(use_pyarrow_extension_array=True) for frame in sky)
    left = lsdb.from_dataframe(spectra, partition_rows=250, margin_threshold=None)
    right = lsdb.from_dataframe(sources, partition_rows=500, margin_threshold=30.0)
    left.write_catalog(tmp_path / "spectra", catalog_name="spectra")
    right.write_catalog(tmp_path / "gaia", catalog_name="gaia")
    right.margin.write_catalog(tmp_path / "margin", catalog_name="margin")
    gaia = lsdb.open_catalog(tmp_path / "gaia", margin_cache=tmp_path / "margin")
    expected = match_positions(*sky, radius_arcsec=3.5, gaia_release="DR3").sort(
        "spectrum_id", "separation", "source_id"
    )
    assert expected.height >= N // 2
    killed: list[int] = []
    with dask_client(DaskConfig(workers=2)) as client:
        before = set(client.scheduler_info()["workers"])
        assert len(before) == 2
        thread = threading.Thread(target=_kill_when_busy, args=(client, killed))
        thread.start()
        found = match_lsdb(tmp_path / "spectra", gaia, radius_arcsec=3.5, gaia_release="DR3")
        thread.join()
        after = set(client.scheduler_info()["workers"])
    assert killed, "no worker was at work: nothing was tested"
    assert after != before, "the worker that was killed is still there"
    assert found.equals(expected)
