"""The LSDB engine: HATS catalogues of any size, on one machine or a cluster (``pip install "melotte[scale]"``).

LSDB (Caplan et al. 2025) cuts both catalogues into HEALPix partitions, each with a margin of sources from beyond its
edge. Inside a partition the pairs are found by the local engine, so that the result is the same to the last bit.
Partitions hold a source where the catalogue has it, not where it was at the epoch of a spectrum: the margin has to be
as wide as the radius plus the longest way a source can have moved.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ..core.constants import J2000
from ..errors import CrossmatchError
from ..schema.definitions import MATCHES
from .index import release_epoch

if TYPE_CHECKING:
    from ..config import DaskConfig

_LEFT = ("spectrum_id", "ra", "dec", "ref_epoch")
_RIGHT = ("source_id", "ra", "dec", "ref_epoch", "pmra", "pmdec", "phot_g_mean_mag")


@contextmanager
def dask_client(settings: DaskConfig) -> Iterator[Any]:
    """A Dask client for the time of a match: of the scheduler named, or of a cluster started here.

    Parameters
    ----------
    settings : DaskConfig
        ``[crossmatch.dask]``.

    Yields
    ------
    dask.distributed.Client

    Raises
    ------
    CrossmatchError
        If Dask is not installed or the scheduler does not answer.
    """
    try:
        from dask.distributed import Client, LocalCluster
    except ImportError as error:
        raise _not_installed() from error
    if settings.scheduler is not None:
        try:
            client = Client(settings.scheduler, timeout="30s")
        except (OSError, TimeoutError, ValueError) as error:
            raise CrossmatchError(
                f"no Dask scheduler answers: {error}",
                where=settings.scheduler,
                hint="start one with `dask scheduler`, or leave [crossmatch.dask] scheduler out",
            ) from error
        with client:
            yield client
        return
    more = {} if settings.memory_per_worker is None else {"memory_limit": settings.memory_per_worker}
    with (
        LocalCluster(n_workers=settings.workers, threads_per_worker=1, dashboard_address=None, **more) as cluster,
        Client(cluster) as client,
    ):
        yield client


def match_lsdb(
    spectra: Any,
    sources: Any,
    *,
    radius_arcsec: float,
    gaia_release: str,
    fastest_masyr: float | None = None,
) -> pl.DataFrame:
    """Match HATS catalogues with LSDB and collect the result.

    Parameters
    ----------
    spectra : path or lsdb.Catalog
        HATS catalogue with ``spectrum_id``, ``ra``, ``dec`` and, if known, ``ref_epoch``.
    sources : path or lsdb.Catalog
        HATS catalogue of Gaia sources with ``source_id``, ``ra``, ``dec`` and, where known, ``ref_epoch``, ``pmra``,
        ``pmdec``, ``phot_g_mean_mag``, and a margin cache at least as wide as `needed_margin`.
    radius_arcsec : float
        Search radius.
    gaia_release : str
        A release of the registry: ``"DR3"``.
    fastest_masyr : float, optional
        Largest proper motion to provide for; that of the catalogue by default. A source that is faster is found
        unless it crossed the edge of a partition by more than the margin.

    Returns
    -------
    polars.DataFrame
        MATCHES by (spectrum_id, separation, source_id): the rows of `match_positions`, bit for bit.

    Raises
    ------
    CrossmatchError
        If the margin is missing or too narrow, a column is missing, or LSDB is not installed.

    Notes
    -----
    It computes with the Dask client that is active (`dask_client`), or in this process without one.
    """
    catalog = match_catalogs(
        spectra, sources, radius_arcsec=radius_arcsec, gaia_release=gaia_release, fastest_masyr=fastest_masyr
    )
    computed = catalog.compute().reset_index(drop=True)
    frame = pl.from_pandas(computed)
    assert isinstance(frame, pl.DataFrame)
    frame = frame.with_columns(
        pl.col("spectrum_id").cast(pl.String), gaia_release=pl.lit(gaia_release), method=pl.lit("position")
    )
    return MATCHES.conform(frame, where="LSDB").sort("spectrum_id", "separation", "source_id")


def match_catalogs(
    spectra: Any,
    sources: Any,
    *,
    radius_arcsec: float,
    gaia_release: str,
    fastest_masyr: float | None = None,
) -> Any:
    """The match as a lazy `lsdb.Catalog`, to be written with ``write_catalog`` where it does not fit in memory.

    Parameters, errors: as `match_lsdb`. Columns: those of MATCHES that differ from row to row.
    """
    try:
        import lsdb

        from .lsdb_algorithm import EpochCrossmatch
    except ImportError as error:
        raise _not_installed() from error
    epoch = release_epoch(gaia_release)
    left = spectra if isinstance(spectra, lsdb.Catalog) else _open(lsdb, spectra)
    right = sources if isinstance(sources, lsdb.Catalog) else _open(lsdb, sources)
    left = _columns(left, _LEFT, 3, "spectra")
    right = _columns(right, _RIGHT, 3, "sources")
    _check_margin(left, right, radius_arcsec, epoch, fastest_masyr)
    algorithm = EpochCrossmatch(radius_arcsec=radius_arcsec, gaia_release=gaia_release)
    found = left.crossmatch(
        right, algorithm=algorithm, how="inner", suffixes=("_spectrum", "_source"), suffix_method="overlapping_columns",
        log_changes=False,
    )  # fmt: skip
    return found[["spectrum_id", "source_id", *algorithm.extra_columns.columns]]


def needed_margin(radius_arcsec: float, fastest_masyr: float, years: float) -> float:
    """Width of the margin (arcsec) that loses no source: the radius plus the longest motion."""
    return radius_arcsec + fastest_masyr * abs(years) / 1000.0


def _open(lsdb: Any, path: str | Path) -> Any:
    try:
        return lsdb.open_catalog(Path(path) if "://" not in str(path) else path)
    except (FileNotFoundError, ValueError) as error:
        raise CrossmatchError(f"not a HATS catalogue: {error}", where=str(path)) from error


def _columns(catalog: Any, names: tuple[str, ...], required: int, what: str) -> Any:
    for name in names[:required]:
        if name not in catalog.columns:
            raise CrossmatchError(f"the {what} have no column {name!r}", where=catalog.name, expected=", ".join(names))
    return catalog[[n for n in names if n in catalog.columns]]


def _check_margin(left: Any, right: Any, radius: float, epoch: float, fastest: float | None) -> None:
    """Refuse a margin that can lose a source."""
    if right.margin is None:
        raise CrossmatchError(
            "the source catalogue has no margin cache: pairs across the edges of its partitions would be lost",
            where=right.name,
            expected=f"a margin of at least {radius:g} arcsec plus the motion of the fastest source",
            hint="build one with hats-import, or open the catalogue with its margin_cache",
        )
    have = float(right.margin.hc_structure.catalog_info.margin_threshold)
    years, speed = 0.0, 0.0
    if "pmra" in right.columns and "pmdec" in right.columns:
        low, high = _limits(left, "ref_epoch", default=J2000)
        at_low, at_high = _limits(right, "ref_epoch", default=epoch)
        years = max(abs(low - at_low), abs(low - at_high), abs(high - at_low), abs(high - at_high))
        if fastest is not None:
            speed = fastest
        elif years:
            east, north = (max(map(abs, _limits(right, n, default=0.0))) for n in ("pmra", "pmdec"))
            speed = float(np.hypot(east, north))
    need = needed_margin(radius, speed, years)
    if have < need:
        raise CrossmatchError(
            f"the margin of {have:g} arcsec can lose sources: within {years:g} years one of {speed:.0f} mas/yr moves "
            f"{need - radius:.2f} arcsec",
            where=right.name,
            expected=f"at least {need:.2f} arcsec: radius plus motion",
            hint="rebuild the margin cache that wide, or give fastest_masyr, the largest motion to provide for",
        )


def _limits(catalog: Any, column: str, *, default: float) -> tuple[float, float]:
    """Lowest and highest value of a column; rows without a value have the default."""
    if column not in catalog.columns:
        return default, default
    values = catalog[[column]].map_partitions(_extremes, column, default).compute()
    if not len(values):
        return default, default
    return float(values["low"].min()), float(values["high"].max())


def _extremes(frame: Any, column: str, default: float) -> Any:
    """Extremes of one partition (runs on a worker)."""
    import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]

    values = frame[column].to_numpy(dtype=np.float64, na_value=np.nan)
    values = np.where(np.isnan(values), default, values)
    if not len(values):
        return pd.DataFrame({"low": [default], "high": [default]})
    return pd.DataFrame({"low": [values.min()], "high": [values.max()]})


def _not_installed() -> CrossmatchError:
    return CrossmatchError(
        "LSDB is not installed", hint='pip install "melotte[scale]"; the local engine (match_files) needs neither'
    )
