"""The CDS X-Match engine: for users with neither a Gaia table nor the room for one.

The service (Boch, Pineau & Derriere, CDS X-Match documentation) finds the sources around uploaded positions; it knows
one epoch only. It is therefore asked for a wider radius, and what comes back is matched again by the local engine at
each spectrum's own epoch: separations, counts and flags are those of every other engine.

Limits of the service as documented by CDS: 100 MB per upload, 180 arcsec, 2,000,000 rows per answer. A longer answer is
cut without an HTTP error; here a full or incomplete answer is never accepted.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..core.words import plural
from ..errors import CrossmatchError
from ..schema.definitions import MATCHES
from ..schema.gaia import RELEASES
from ..schema.gaia import gaia_release as record
from .index import check_positions, release_epoch
from .local import check_unique_spectra, match_positions
from .parquet import Writer, is_complete, to_arrow

log = logging.getLogger(__name__)

#: Names under which the service may return what is needed.
_COLUMNS = {
    "source_id": ("source_id", "Source"),
    "ra": ("ra", "RAdeg", "RA_ICRS"),
    "dec": ("dec", "DEdeg", "DE_ICRS"),
    "pmra": ("pmra", "pmRA"),
    "pmdec": ("pmdec", "pmDE"),
    "phot_g_mean_mag": ("phot_g_mean_mag", "Gmag"),
}
_ROW, _RA, _DEC = "melotte_row", "melotte_ra", "melotte_dec"
_MAX_RADIUS_ARCSEC = 180.0
_LONGEST_WAIT_S = 300.0

Progress = Callable[[str, int, int], None]


class _Again(Exception):  # noqa: N818
    """The answer cannot be used, but the same question may be answered later."""


class _TooMany(Exception):  # noqa: N818
    """The answer was cut at the largest number of rows."""


def match_cds(
    spectra: pl.DataFrame,
    work_dir: str | Path,
    *,
    radius_arcsec: float,
    gaia_release: str,
    motion_arcsec: float = 2.0,
    chunk_rows: int = 20_000,
    max_rows: int = 2_000_000,
    retries: int = 6,
    wait_s: float = 10.0,
    url: str | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """All Gaia sources within a radius of each spectrum, from the CDS X-Match service.

    Parameters
    ----------
    spectra : polars.DataFrame
        As for `match_positions`.
    work_dir : path
        Directory for the answers received so far; a second call with the same spectra and settings goes on from
        them. Its own files in there are removed when the match is complete.
    radius_arcsec : float
        Search radius.
    gaia_release : str
        A release of the registry: ``"DR3"``.
    motion_arcsec : float
        How far a source may have moved between the service's epoch and that of a spectrum and still be found: the
        service is asked for ``radius_arcsec + motion_arcsec``. The default of 2 arcsec is 125 mas/yr for 16 years.
    chunk_rows : int
        Spectra per upload.
    max_rows : int
        Rows per answer; a chunk whose answer is that long is halved and asked again.
    retries : int
        How often a failed upload is repeated, after ``wait_s``, twice that, four times that, ... seconds.
    url : str, optional
        Address of the service; that of astroquery by default.
    progress : callable, optional
        Called with (text, spectra done, spectra in all).

    Returns
    -------
    polars.DataFrame
        MATCHES in the order of the spectra.

    Raises
    ------
    CrossmatchError
        If the service refuses, keeps failing, or answers with something else than what was asked.
    """
    release_epoch(gaia_release)
    check_positions(spectra, "spectrum_id", what="spectra")
    check_unique_spectra(spectra["spectrum_id"])
    reach = radius_arcsec + motion_arcsec
    if not 0 < reach <= _MAX_RADIUS_ARCSEC or motion_arcsec < 0 or radius_arcsec <= 0:
        raise CrossmatchError(
            f"radius {radius_arcsec:g} and motion {motion_arcsec:g} arcsec",
            expected=f"positive, together at most {_MAX_RADIUS_ARCSEC:g} arcsec, the limit of the service",
        )
    service = _Service(url, gaia_release, reach, max_rows, retries, wait_s)
    work_dir = Path(work_dir)
    work_dir.mkdir(parents=True, exist_ok=True)
    parts, paths, done = [], [], 0
    for number, chunk in enumerate(spectra.iter_slices(chunk_rows)):
        path = work_dir / f"chunk-{number:05d}.parquet"
        identity = _identity(chunk, radius_arcsec, motion_arcsec, gaia_release, service.address)
        if not is_complete(path, identity):
            matches = match_positions(
                chunk, service.around(chunk), radius_arcsec=radius_arcsec, gaia_release=gaia_release
            )
            with Writer(path, path.with_suffix(".tmp"), identity) as writer:
                writer.write(to_arrow(matches, identity))
        parts.append(pl.read_parquet(path))
        paths.append(path)
        done += chunk.height
        if progress is not None:
            progress("CDS X-Match", done, spectra.height)
    if done != spectra.height:
        raise CrossmatchError(f"{done:,} of {plural(spectra.height, 'spectrum', 'were')} matched", where=work_dir)
    for path in paths:
        path.unlink()
    if not any(work_dir.iterdir()):
        work_dir.rmdir()
    return pl.concat(parts) if parts else MATCHES.empty()


def _table(gaia_release: str) -> str:
    release = record(gaia_release, error=CrossmatchError)
    if release.xmatch_table is None:
        raise CrossmatchError(
            f"CDS X-Match has no table of Gaia {release.name} that Melotte knows of",
            expected=" or ".join(r.name for r in RELEASES if r.xmatch_table),
            hint="match a local copy: melotte match",
        )
    return release.xmatch_table


class _Service:
    """The X-Match service asked for one Gaia release and one radius."""

    def __init__(
        self, url: str | None, gaia_release: str, reach_arcsec: float, max_rows: int, retries: int, wait_s: float
    ) -> None:
        from astroquery.xmatch import XMatchClass

        self._client = XMatchClass()
        if url is not None:
            self._client.URL = url
        self._table = _table(gaia_release)
        self._reach = reach_arcsec
        self._max_rows = max_rows
        self._retries = retries
        self._wait_s = wait_s

    @property
    def address(self) -> str:
        return str(self._client.URL)

    def around(self, chunk: pl.DataFrame) -> pl.DataFrame:
        """The distinct Gaia sources around the spectra of a chunk."""
        try:
            return self._patiently(chunk)
        except _TooMany as error:
            if chunk.height < 2:
                raise CrossmatchError(
                    f"more than {self._max_rows:,} sources within {self._reach:g} arcsec of one spectrum",
                    where=self.address,
                    hint="use a smaller radius",
                ) from error
            half = chunk.height // 2
            log.info("the answer for %d spectra is too long: asking for them in two halves", chunk.height)
            halves = self.around(chunk[:half]), self.around(chunk[half:])
            return pl.concat(halves).unique("source_id", keep="first", maintain_order=True)

    def _patiently(self, chunk: pl.DataFrame) -> pl.DataFrame:
        failure: Exception | None = None
        for attempt in range(self._retries + 1):
            if attempt:
                wait = min(self._wait_s * 2 ** (attempt - 1), _LONGEST_WAIT_S)
                log.warning("CDS X-Match: %s; again in %.0f s (%d of %d)", failure, wait, attempt, self._retries)
                time.sleep(wait)
            try:
                return self._ask(chunk)
            except _Again as error:
                failure = error
        raise CrossmatchError(
            f"the CDS X-Match service failed {self._retries + 1} times; last: {failure}",
            where=self.address,
            hint="run the same call again later: finished chunks are kept and not asked for again; "
            "fewer chunk_rows make each job shorter",
        ) from failure

    def _ask(self, chunk: pl.DataFrame) -> pl.DataFrame:
        from astropy import units as u
        from astropy.table import Table

        upload = Table({_ROW: np.arange(chunk.height), _RA: chunk["ra"].to_numpy(), _DEC: chunk["dec"].to_numpy()})
        try:
            response = self._client.query_async(
                upload,
                self._table,
                self._reach * u.arcsec,
                colRA1=_RA,
                colDec1=_DEC,
                cache=False,
                selection="all",
                MAXREC=self._max_rows,
            )
        except Exception as error:
            raise self._verdict(error) from error
        answer = _parse(response.content, self._max_rows)
        return _checked(answer, chunk, self._reach, self.address)

    def _verdict(self, error: Exception) -> Exception:
        """What a failed request means: ask again, or give up."""
        import requests

        status: int | None = None
        cause: BaseException | None = error
        # The client parses the body of an error and can fail on it; the HTTP error is then the context.
        while cause is not None and status is None:
            if isinstance(cause, requests.HTTPError) and cause.response is not None:
                status = cause.response.status_code
            cause = cause.__cause__ or cause.__context__
        if status is not None and (status >= 500 or status in {408, 429}):
            return _Again(f"HTTP {status}")
        if "try later" in str(error).lower():
            return _Again(str(error).strip())
        if status is None and isinstance(error, requests.ConnectionError | requests.Timeout | TimeoutError):
            return _Again(f"{type(error).__name__}: {error}")
        if status is None and isinstance(error, requests.exceptions.ChunkedEncodingError):
            return _Again(f"the answer broke off: {error}")
        return CrossmatchError(
            f"the CDS X-Match service refused: {error}" + (f" (HTTP {status})" if status else ""), where=self.address
        )


def _parse(content: bytes, max_rows: int) -> Any:
    """The table of an answer that is complete."""
    from astropy.io import votable

    if not content.rstrip().endswith(b"</VOTABLE>"):
        raise _Again(f"the answer is cut off after {len(content):,} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            document = votable.parse(io.BytesIO(content))
    except Exception as error:
        raise _Again(f"the answer is not a VOTable: {error}") from error
    status = {info.value for resource in document.resources for info in resource.infos if info.name == "QUERY_STATUS"}
    status |= {info.value for info in document.infos if info.name == "QUERY_STATUS"}
    if "ERROR" in status:
        raise _Again("the service reports an error")
    tables = list(document.iter_tables())
    if not tables:
        raise _Again("the answer has no table")
    if "OVERFLOW" in status or len(tables[0].array) >= max_rows:
        raise _TooMany
    return tables[0].to_table(use_names_over_ids=True)


def _checked(answer: Any, chunk: pl.DataFrame, reach_arcsec: float, address: str) -> pl.DataFrame:
    """The distinct sources of an answer, after a look at whether it belongs to the question."""
    data: dict[str, pl.Series] = {}
    for name, choices in _COLUMNS.items():
        present = [c for c in choices if c in answer.colnames]
        if not present:
            raise CrossmatchError(
                f"the answer has no column for {name}",
                where=address,
                expected=" or ".join(choices),
                hint=f"it has: {', '.join(answer.colnames)}",
            )
        data[name] = _series(name, answer[present[0]])
    if data["source_id"].dtype != pl.Int64 or data["source_id"].null_count():
        raise CrossmatchError("the source ids of the answer are not whole numbers", where=address, expected="int64")
    try:
        row = np.asarray(answer[_ROW], dtype=np.int64)
        ra, dec, separation = (np.asarray(answer[c], dtype=np.float64) for c in (_RA, _DEC, "angDist"))
    except (KeyError, ValueError, TypeError) as error:
        raise _Again(f"the answer lacks what was asked for: {error}") from error
    if len(row) and (row.min() < 0 or row.max() >= chunk.height):
        raise _Again("the answer names rows that were not uploaded")
    for echoed, name in ((ra, "ra"), (dec, "dec")):
        if not np.allclose(echoed, chunk[name].to_numpy()[row], rtol=0, atol=1e-9):
            raise _Again(f"the answer returns other values of {name} than were uploaded")
    if len(answer) and not float(np.max(separation)) <= reach_arcsec * (1 + 1e-6) + 1e-3:
        raise _Again(f"the answer has pairs beyond the {reach_arcsec:g} arcsec asked for")
    return pl.DataFrame(data).unique("source_id", keep="first", maintain_order=True)


def _series(name: str, column: Any) -> pl.Series:
    mask = np.asarray(getattr(column, "mask", np.zeros(len(column), dtype=bool)))
    values = np.ascontiguousarray(getattr(column, "data", column))
    series = pl.Series(name, values.astype(values.dtype.newbyteorder("=")))
    if series.dtype.is_float():
        series = series.cast(pl.Float64).fill_nan(None)
    return series.set(pl.Series(mask), None) if mask.any() else series


def _identity(chunk: pl.DataFrame, radius: float, motion: float, release: str, address: str) -> str:
    from .. import __version__

    columns = [c for c in ("spectrum_id", "ra", "dec", "ref_epoch") if c in chunk.columns]
    digest = hashlib.sha256(chunk.select(columns).write_csv().encode())
    digest.update(json.dumps([__version__, radius, motion, release, address]).encode())
    return digest.hexdigest()
