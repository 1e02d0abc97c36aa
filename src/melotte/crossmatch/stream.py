"""The sources of the local engine as they stream past: which row groups are needed, and their batches."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..core.constants import J2000
from ..errors import CrossmatchError, ReadError
from .index import FloatArray, Sources, release_epoch
from .parquet import Files

#: Rows of a batch.
_BATCH = 500_000


class SourceStream:
    """Row groups of Gaia-like sources.

    Parameters
    ----------
    files : Files
    gaia_release : str
        Gives the epoch of rows without ``ref_epoch``.
    """

    def __init__(self, files: Files, gaia_release: str) -> None:
        self._files = files
        self._release = gaia_release
        # One open file per thread: readers share no state.
        self._local = threading.local()

    def near(self, dec: FloatArray, epoch: FloatArray, radius_arcsec: float) -> list[tuple[int, int]]:
        """Row groups that can hold a source within the radius of a spectrum, judged by their statistics.

        Parameters
        ----------
        dec, epoch : ndarray, shape (N,)
            Declination (deg) and epoch (Julian year, NaN means J2000) of the spectra.
        radius_arcsec : float

        Returns
        -------
        list of (file, row group)
        """
        if not len(dec):
            return []
        times = np.where(np.isnan(epoch), J2000, epoch)
        sky, span = (float(dec.min()), float(dec.max())), (float(times.min()), float(times.max()))
        return [g for g in self._files.groups() if self._is_near(g, sky, span, radius_arcsec)]

    def _is_near(
        self, group: tuple[int, int], sky: tuple[float, float], span: tuple[float, float], radius_arcsec: float
    ) -> bool:
        files = self._files
        limits = files.limits(group, "dec")
        if limits is None:
            return True
        reach = radius_arcsec / 3600.0
        if "pmra" in files.columns and "pmdec" in files.columns:
            default = release_epoch(self._release)
            pmra, pmdec = files.limits(group, "pmra"), files.limits(group, "pmdec")
            at = files.limits(group, "ref_epoch") if "ref_epoch" in files.columns else (default, default)
            if pmra is None or pmdec is None or at is None:
                return True
            # A row without ref_epoch has that of the release, which the statistics do not show.
            years = max(abs(a - b) for a in span for b in (*at, default))
            fastest = np.hypot(max(map(abs, pmra)), max(map(abs, pmdec)))
            reach += fastest * years / 3.6e6
        slack = 1e-9
        return bool(limits[0] - reach - slack <= sky[1] and limits[1] + reach + slack >= sky[0])

    def read(self, group: tuple[int, int]) -> Iterator[Sources]:
        """Batches of a row group; different groups may be read in different threads."""
        import pyarrow as pa

        path = self._files.paths[group[0]]
        try:
            yield from self._batches(group)
        except (
            pa.ArrowException,
            pl.exceptions.PolarsError,
            pl.exceptions.PanicException,
            OSError,
            ValueError,
        ) as error:
            raise ReadError(
                f"row group {group[1] + 1} cannot be read: {error}",
                where=path,
                hint="the file is damaged: get it again",
            ) from error
        except CrossmatchError as error:
            raise CrossmatchError(
                error.found, where=f"{path} (row group {group[1] + 1})", expected=error.expected, hint=error.hint
            ) from error

    def _batches(self, group: tuple[int, int]) -> Iterator[Sources]:
        import pyarrow.parquet as pq

        file, number = group
        path = self._files.paths[file]
        opened: dict[Path, Any] = self._local.__dict__.setdefault("opened", {})
        if path not in opened:
            opened.clear()
            opened[path] = pq.ParquetFile(path, metadata=self._files.metadata[file])
        columns = list(self._files.columns)
        for batch in opened[path].iter_batches(_BATCH, row_groups=[number], columns=columns, use_threads=False):
            # polars trusts Arrow data.
            batch.validate()
            frame = pl.from_arrow(batch)
            assert isinstance(frame, pl.DataFrame)
            yield Sources.from_frame(frame, gaia_release=self._release)
