"""The LSDB engine: the rows of the local engine to the last bit, and no margin that loses a star."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from melotte.config import DaskConfig
from melotte.crossmatch import match_positions, propagate
from melotte.crossmatch.scale import dask_client, match_lsdb, needed_margin
from melotte.errors import CrossmatchError
from melotte.schema.definitions import MATCHES

N = 12_000


@pytest.fixture(scope="module")
def sky() -> tuple[pl.DataFrame, pl.DataFrame]:
    """All sky with the poles and the seam, blends, motions up to 3 arcsec/yr, missing ones, several epochs."""
    rng = np.random.default_rng(31)
    ra, dec = rng.uniform(0, 360, N), np.degrees(np.arcsin(rng.uniform(-1, 1, N)))
    ra[:200], dec[:200] = rng.uniform(0, 360, 200), rng.choice([-1, 1], 200) * (90 - rng.uniform(0, 0.01, 200))
    ra[200:400] = np.mod(rng.normal(0, 0.001, 200), 360)
    ra[1::3], dec[1::3] = ra[::3], np.clip(dec[::3] + rng.normal(0, 1.5 / 3600, len(dec[1::3])), -90, 90)
    pm = rng.normal(0, 30, (2, N))
    pm[:, ::50] = rng.uniform(-2100, 2100, (2, N // 50))
    star = rng.choice(N, 6000, replace=False)
    epoch = rng.choice([1990.0, 2000.0, 2016.0], 6000)
    ra_s, dec_s = propagate(ra[star], dec[star], *pm[:, star], from_epoch=2016.0, to_epoch=epoch)
    pm[1, ::40] = np.nan
    spectra = pl.DataFrame(
        {"spectrum_id": [f"s{i:05d}" for i in range(6000)], "ra": ra_s, "dec": dec_s, "ref_epoch": epoch}
    )
    sources = pl.DataFrame(
        {
            "source_id": np.arange(N) + 2**60,
            "ra": ra,
            "dec": dec,
            "pmra": pm[0],
            "pmdec": pm[1],
            "phot_g_mean_mag": np.where(np.arange(N) % 77 == 0, np.nan, rng.uniform(9, 18, N)),
        }
    ).with_columns(pl.col("pmdec", "phot_g_mean_mag").fill_nan(None))
    return spectra, sources


def catalogs(sky: tuple[pl.DataFrame, pl.DataFrame], margin_arcsec: float | None = 120.0, rows: int = 400):
    """Both tables as LSDB catalogues of many partitions."""
    lsdb = pytest.importorskip("lsdb")
    spectra, sources = (frame.to_pandas(use_pyarrow_extension_array=True) for frame in sky)
    left = lsdb.from_dataframe(spectra, partition_rows=rows, margin_threshold=None)
    right = lsdb.from_dataframe(sources, partition_rows=rows // 2, margin_threshold=margin_arcsec)
    return left, right


def test_bit_for_bit_the_local_engine(sky: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    left, right = catalogs(sky)
    assert left.npartitions > 20
    assert right.npartitions > 20
    found = match_lsdb(left, right, radius_arcsec=3.5, gaia_release="DR3")
    expected = match_positions(*sky, radius_arcsec=3.5, gaia_release="DR3")
    assert expected.height > 7000
    assert (~expected["propagated"]).sum() > 50
    assert expected["flux_fraction"].null_count() > 50
    assert found.equals(expected.sort("spectrum_id", "separation", "source_id"))
    MATCHES.validate(found)


def test_on_disk_and_on_a_cluster(sky: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    """HATS catalogues written and opened, two worker processes, the result written by LSDB."""
    lsdb = pytest.importorskip("lsdb")
    from melotte.crossmatch.scale import match_catalogs

    left, right = catalogs(sky, rows=1500)
    left.write_catalog(tmp_path / "spectra", catalog_name="spectra")
    right.write_catalog(tmp_path / "gaia", catalog_name="gaia")
    right.margin.write_catalog(tmp_path / "gaia_margin", catalog_name="gaia_margin")
    gaia = lsdb.open_catalog(tmp_path / "gaia", margin_cache=tmp_path / "gaia_margin")
    expected = match_positions(*sky, radius_arcsec=3.5, gaia_release="DR3").sort(
        "spectrum_id", "separation", "source_id"
    )
    with dask_client(DaskConfig(workers=2)) as client:
        assert len(client.scheduler_info()["workers"]) == 2
        found = match_lsdb(tmp_path / "spectra", gaia, radius_arcsec=3.5, gaia_release="DR3")
        with dask_client(DaskConfig(scheduler=client.scheduler.address)):
            match_catalogs(tmp_path / "spectra", gaia, radius_arcsec=3.5, gaia_release="DR3").write_catalog(
                tmp_path / "matches", catalog_name="matches"
            )
    assert found.equals(expected)
    assert len(lsdb.open_catalog(tmp_path / "matches")) == expected.height


def test_a_margin_that_loses_stars_is_refused(sky: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    """The fastest star of this sky moves about 77 arcsec in 26 years."""
    left, right = catalogs(sky, margin_arcsec=30.0)
    with pytest.raises(CrossmatchError, match=r"margin of 30 arcsec can lose sources: within 26 years") as error:
        match_lsdb(left, right, radius_arcsec=3.5, gaia_release="DR3")
    assert "fastest_masyr" in str(error.value.hint)
    with pytest.raises(CrossmatchError, match="margin of 30 arcsec"):
        match_lsdb(left, right, radius_arcsec=3.5, gaia_release="DR3", fastest_masyr=1100.0)
    assert match_lsdb(left, right, radius_arcsec=3.5, gaia_release="DR3", fastest_masyr=1000.0).height > 7000
    with pytest.raises(CrossmatchError, match="no margin cache"):
        match_lsdb(*catalogs(sky, margin_arcsec=None), radius_arcsec=3.5, gaia_release="DR3")


def test_missing_columns(sky: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    left, right = catalogs(sky)
    with pytest.raises(CrossmatchError, match="the sources have no column 'source_id'"):
        match_lsdb(left, right[["ra", "dec"]], radius_arcsec=3.5, gaia_release="DR3")
    with pytest.raises(CrossmatchError, match="no Gaia release 'EDR4'"):
        match_lsdb(left, right, radius_arcsec=3.5, gaia_release="EDR4")


def test_needed_margin() -> None:
    assert needed_margin(3.5, 10_400.0, -16.0) == pytest.approx(3.5 + 166.4)


def test_without_lsdb_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lsdb", "dask.distributed"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(CrossmatchError, match="LSDB is not installed") as error:
        match_lsdb("spectra", "gaia", radius_arcsec=3.5, gaia_release="DR3")
    assert "melotte[scale]" in str(error.value.hint)
    with pytest.raises(CrossmatchError, match="LSDB is not installed"), dask_client(DaskConfig()):
        pass


def test_configuration_of_dask() -> None:
    with pytest.raises(ValidationError, match="a cluster started here"):
        DaskConfig(scheduler="tcp://127.0.0.1:8786", workers=2)


def test_a_scheduler_that_does_not_answer() -> None:
    pytest.importorskip("dask.distributed")
    nowhere = DaskConfig(scheduler="nonsense://127.0.0.1:1")
    with pytest.raises(CrossmatchError, match="no Dask scheduler answers"), dask_client(nowhere):
        pass
