"""The local engine for catalogues on disk: Parquet in, Parquet out, bounded memory.

The spectra are indexed, the sources stream past in row groups, in any order. Row groups whose statistics put them
farther from every spectrum than the radius plus their largest motion are not read. Beyond ``chunk_spectra`` spectra
the survey is cut into declination bands, each with its own pass; finished bands are kept on disk, so that a run that
was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..errors import CrossmatchError
from .index import (
    OrderedPairs,
    Pairs,
    SkyIndex,
    Sources,
    check_positions,
    floats,
    in_order,
    release_epoch,
)
from .local import check_unique_spectra
from .parquet import WHOLE_SKY, Files, Writer, is_complete, to_arrow
from .stream import SourceStream

log = logging.getLogger(__name__)

#: Called with (what is being done, rows done, rows in all).
Progress = Callable[[str, int, int], None]

_SOURCE_COLUMNS = ("source_id", "ra", "dec", "ref_epoch", "pmra", "pmdec", "phot_g_mean_mag")
_SPECTRUM_COLUMNS = ("spectrum_id", "ra", "dec", "ref_epoch")
#: Rows of a row group written.
_BATCH = 500_000
#: Row groups of sources read before the index is ready.
_AHEAD = 12


@dataclass(frozen=True)
class MatchReport:
    """What a file match did.

    Attributes
    ----------
    output : Path
        The MATCHES file.
    n_spectra, n_sources : int
        Rows of the inputs.
    n_pairs : int
        Rows of the output.
    n_sources_read : int
        Sources that were read in this run (row groups far from every spectrum are not).
    n_chunks, n_chunks_resumed : int
        Declination bands, and how many of them an earlier run had finished.
    """

    output: Path
    n_spectra: int
    n_sources: int
    n_pairs: int
    n_sources_read: int
    n_chunks: int
    n_chunks_resumed: int


def match_files(
    spectra: str | Path | Sequence[str | Path],
    sources: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    radius_arcsec: float,
    gaia_release: str,
    chunk_spectra: int = 10_000_000,
    threads: int | None = None,
    progress: Progress | None = None,
) -> MatchReport:
    """Match Parquet files of spectra with Parquet files of Gaia sources.

    Parameters
    ----------
    spectra : path or sequence of paths
        Parquet file(s), or a directory of them, with ``spectrum_id``, ``ra``, ``dec`` (deg) and, if known,
        ``ref_epoch`` (Julian year; missing means J2000).
    sources : path or sequence of paths
        Parquet file(s), or a directory of them, with ``source_id`` (int64), ``ra``, ``dec`` (deg) and, where known,
        ``ref_epoch`` (missing means that of the release), ``pmra``, ``pmdec`` (mas/yr), ``phot_g_mean_mag``.
    output : path
        The MATCHES file to write, in the order of the spectra (inside a declination band, if there are several).
    radius_arcsec : float
        Search radius.
    gaia_release : str
        A release of the registry: ``"DR3"``.
    chunk_spectra : int
        Spectra held in memory together, about 100 bytes each.
    threads : int, optional
        Threads; the number of processors by default.
    progress : callable, optional
        Called with (text, rows done, rows in all) from this thread only.

    Returns
    -------
    MatchReport

    Raises
    ------
    CrossmatchError
        As `match_positions`.
    ReadError
        If a file is missing, is not Parquet or lacks a column.

    Notes
    -----
    The pairs and all their numbers are those of `match_positions`, bit for bit. The output appears under its name
    when it is complete. A run that was stopped resumes at the first unfinished band; a finished output of the same
    inputs and settings is left as it is.
    """
    release_epoch(gaia_release)
    if chunk_spectra < 1:
        raise CrossmatchError(f"chunk_spectra = {chunk_spectra}", expected="1 or more")
    survey = Files.open(spectra, _SPECTRUM_COLUMNS, required=3)
    gaia = Files.open(sources, _SOURCE_COLUMNS, required=3)
    output = Path(output)
    bands = _bands(survey, chunk_spectra)
    identity = _identity(survey, gaia, radius_arcsec, gaia_release, bands)
    if is_complete(output, identity):
        log.info("%s is complete already", output)
        n_pairs = Files.open(output, (), required=0).n_rows
        return MatchReport(output, survey.n_rows, gaia.n_rows, n_pairs, 0, len(bands), len(bands))

    parts = output.with_name(f"{output.name}.parts")
    with _alone(parts, output):
        return _match(survey, gaia, output, parts, bands, identity, radius_arcsec, gaia_release, threads, progress)


@contextmanager
def _alone(parts: Path, output: Path) -> Iterator[None]:
    """Keep other matches out of the folder of the finished bands."""
    from filelock import FileLock, Timeout

    try:
        parts.mkdir(parents=True, exist_ok=True)
        lock = FileLock(parts / "lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        raise CrossmatchError(
            "another match is writing this file", where=output, hint="wait for it to end, or choose another --out"
        ) from error
    except OSError as error:
        raise CrossmatchError(f"cannot be written: {error.strerror}", where=parts) from error
    try:
        yield
    finally:
        lock.release()


def _match(
    survey: Files,
    gaia: Files,
    output: Path,
    parts: Path,
    bands: list[tuple[float, float]],
    identity: str,
    radius_arcsec: float,
    gaia_release: str,
    threads: int | None,
    progress: Progress | None,
) -> MatchReport:
    files = [parts / f"band-{i:05d}.parquet" for i in range(len(bands))]
    done = [is_complete(path, identity) for path in files]
    n_read = 0
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        # The compiled kernels load while the spectra are read.
        pool.submit(importlib.import_module, f"{__package__}._kernels")
        for number, (band, path) in enumerate(zip(bands, files, strict=True)):
            if done[number]:
                continue
            text = "matching" if len(bands) == 1 else f"matching band {number + 1} of {len(bands)}"
            chunk = survey.spectra(band)
            pairs, n = _pairs(chunk, gaia, radius_arcsec, gaia_release, pool, text, progress)
            n_read += n
            _write(pairs, chunk["spectrum_id"], path, gaia_release=gaia_release, identity=identity, pool=pool)
            del chunk, pairs
    n_pairs = _assemble(files, output, identity)
    shutil.rmtree(parts)
    return MatchReport(output, survey.n_rows, gaia.n_rows, n_pairs, n_read, len(bands), sum(done))


def _bands(survey: Files, chunk: int) -> list[tuple[float, float]]:
    """Declination bands of at most about ``chunk`` spectra; rows of one declination stay together."""
    if survey.n_rows <= chunk:
        return [WHOLE_SKY]
    dec = survey.declinations()
    if not dec.dtype.is_numeric():
        raise CrossmatchError(f"dec of the spectra has type {dec.dtype}", expected="numbers, deg")
    check = dec.is_null() | ~dec.is_finite()
    if check.any():
        raise CrossmatchError(f"row {int(check.arg_true()[0]) + 1} of the spectra has no dec", expected="a value")
    ordered = dec.sort().to_numpy()
    edges = np.unique(ordered[chunk::chunk])
    return list(zip([-np.inf, *edges.tolist()], [*edges.tolist(), np.inf], strict=True))


# --- matching --------------------------------------------------------------------------------------------------


def _pairs(
    chunk: pl.DataFrame,
    gaia: Files,
    radius_arcsec: float,
    gaia_release: str,
    pool: ThreadPoolExecutor,
    text: str,
    progress: Progress | None,
) -> tuple[OrderedPairs, int]:
    check_positions(chunk, "spectrum_id", what="spectra")
    unique = pool.submit(check_unique_spectra, chunk["spectrum_id"])
    dec, epoch = floats(chunk, "dec"), floats(chunk, "ref_epoch")
    stream = SourceStream(gaia, gaia_release)
    wanted = stream.near(dec, epoch, radius_arcsec)
    rows = [gaia.metadata[i].row_group(j).num_rows for i, j in wanted]
    # The first sources are read while the index is made, which keeps one processor busy.
    early = [pool.submit(list, stream.read(g)) for g in wanted[:_AHEAD]]
    index = SkyIndex(floats(chunk, "ra"), dec, epoch, radius_arcsec=radius_arcsec)
    # In the order of submission: a thread never waits for a batch that is still in the queue.
    futures = [pool.submit(_search_read, index, batches) for batches in early]
    futures += [pool.submit(_search, index, stream.read(g)) for g in wanted[_AHEAD:]]
    del early
    found: list[Pairs] = []
    done, total = 0, sum(rows)
    try:
        unique.result()
        for future, n in zip(futures, rows, strict=True):
            found.extend(future.result())
            done += n
            if progress is not None:
                progress(text, done, total)
    finally:
        for future in futures:
            future.cancel()
    del index, futures
    return in_order(Pairs.join(found), chunk["spectrum_id"], pool=pool), total


def _search(index: SkyIndex, batches: Iterable[Sources]) -> list[Pairs]:
    return [pairs for pairs in map(index.find, batches) if len(pairs.spectrum)]


def _search_read(index: SkyIndex, batches: Future[list[Sources]]) -> list[Pairs]:
    return _search(index, batches.result())


# --- writing ---------------------------------------------------------------------------------------------------


def _write(
    pairs: OrderedPairs,
    spectrum_id: pl.Series,
    path: Path,
    *,
    gaia_release: str,
    identity: str,
    pool: ThreadPoolExecutor,
) -> None:
    """Write MATCHES in row groups, under a temporary name first."""
    starts = range(0, max(len(pairs), 1), _BATCH)

    def table(start: int) -> Any:
        rows = slice(start, start + _BATCH)
        return to_arrow(pairs.frame(spectrum_id, gaia_release=gaia_release, method="position", rows=rows), identity)

    with Writer(path, path.with_suffix(".tmp"), identity) as writer:
        ahead: list[Future[Any]] = []
        for start in starts:
            ahead.append(pool.submit(table, start))
            if len(ahead) > 2:
                writer.write(ahead.pop(0).result())
        for future in ahead:
            writer.write(future.result())


def _assemble(files: Sequence[Path], output: Path, identity: str) -> int:
    """Join the finished bands; a single one is only renamed."""
    import pyarrow.parquet as pq

    n_pairs = sum(int(pq.read_metadata(path).num_rows) for path in files)
    if len(files) == 1:
        files[0].replace(output)
        return n_pairs
    with Writer(output, files[0].with_name("all.tmp"), identity) as writer:
        for path in files:
            opened = pq.ParquetFile(path)
            for number in range(opened.num_row_groups):
                writer.write(opened.read_row_group(number))
    return n_pairs


def _identity(
    survey: Files, gaia: Files, radius_arcsec: float, gaia_release: str, bands: list[tuple[float, float]]
) -> str:
    """Fingerprint of inputs and settings: a part of another run is never taken for one of this."""
    from .. import __version__

    stats = [(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for f in (survey, gaia) for p in f.paths]
    text = json.dumps([__version__, stats, radius_arcsec, gaia_release, bands])
    return hashlib.sha256(text.encode()).hexdigest()
