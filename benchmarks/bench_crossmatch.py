"""Cross-match of a fibre survey with Gaia-like sources, side by side with other tools.

    python benchmarks/bench_crossmatch.py make --spectra 6500000 --sources 20000000 --dir bench
    python benchmarks/bench_crossmatch.py scaling --dir bench
    python benchmarks/bench_crossmatch.py run --dir bench melotte ckdtree astropy stilts
    venv/bin/python benchmarks/bench_crossmatch.py hats --dir bench          # where lsdb and hats-import are installed
    python benchmarks/bench_crossmatch.py run --dir bench --lsdb-python venv/bin/python lsdb

Every tool runs in a process of its own and does the same job: read the two Parquet files, find all pairs within
3.5 arcsec at J2000, write them to Parquet. Peak memory is that of the process and its children. The tools that have no
proper motions of their own get positions that were moved beforehand (not timed) in ``sources_j2000``; Melotte gets the
catalogue as it is and moves the sources itself.

Survey: circular plates of 2.5 deg radius north of dec = -10, fibres on catalogued stars with 0.2 arcsec scatter, 5 % on
empty sky, plates overlapping so that stars repeat. Sources: 60 % in a disc of exponential latitude (scale 12 deg), 40 %
uniform; proper motions normal with 6 mas/yr plus a tail up to 10 arcsec/yr; 5 % without; file in 5-degree tiles.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import results

RADIUS = 3.5
EPOCH = 2016.0
#: LSDB finds the nearest so many: enough here that none is lost (compare the numbers of pairs).
NEIGHBOURS = 8
#: The other tools by the names of their functions here.
NAMES = {
    "astropy": "astropy `search_around_sky`",
    "ckdtree": "scipy `cKDTree`",
    "stilts": "STILTS `tskymatch2`",
    "lsdb": "LSDB, 2 workers",
}


def make(directory: Path, n_spectra: int, n_sources: int, seed: int) -> None:
    """Write spectra, sources and sources_j2000 as Parquet, and as FITS for the tools that need it."""
    import polars as pl
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    from melotte.crossmatch import propagate

    rng = np.random.default_rng(seed)
    directory.mkdir(parents=True, exist_ok=True)
    n_disc = int(0.6 * n_sources)
    lon = rng.uniform(0, 360, n_disc)
    lat = rng.laplace(0, 12, n_disc)
    # Folded at the poles: clipping would pile stars up there.
    lat = np.where(np.abs(lat) > 90, np.sign(lat) * (180 - np.abs(lat)), lat)
    disc = SkyCoord(l=lon * u.deg, b=lat * u.deg, frame="galactic").icrs
    ra = np.concatenate([disc.ra.deg, rng.uniform(0, 360, n_sources - n_disc)])
    dec = np.concatenate([disc.dec.deg, np.degrees(np.arcsin(rng.uniform(-1, 1, n_sources - n_disc)))])
    del disc, lon, lat
    tile = np.floor((dec + 90) / 5).astype(np.int64) * 100 + np.floor(ra / 5).astype(np.int64)
    order = np.argsort(tile, kind="stable")
    ra, dec, tile = ra[order], dec[order], tile[order]
    pm = rng.normal(0, 6, (2, n_sources))
    fast = rng.random(n_sources) < 1e-4
    pm[:, fast] *= 10 ** rng.uniform(0, 2.5, fast.sum())
    pm = np.clip(pm, -1e4, 1e4)
    pm[:, rng.random(n_sources) < 0.05] = np.nan
    sources = pl.DataFrame(
        {
            "source_id": (tile << 45) + np.arange(n_sources),
            "ra": ra,
            "dec": dec,
            "pmra": pm[0],
            "pmdec": pm[1],
            "phot_g_mean_mag": rng.uniform(9, 18, n_sources).astype(np.float32),
        }
    ).with_columns(pl.col("pmra", "pmdec").fill_nan(None))
    sources.write_parquet(directory / "sources.parquet", row_group_size=500_000)
    ra0, dec0 = propagate(ra, dec, pm[0], pm[1], from_epoch=EPOCH, to_epoch=2000.0)
    sources.select("source_id").with_columns(ra=ra0, dec=dec0).write_parquet(
        directory / "sources_j2000.parquet", row_group_size=500_000
    )
    del sources, ra, dec, pm, tile

    per_plate = 3600
    by_dec = np.argsort(dec0)
    sorted_dec = dec0[by_dec]
    rows = []
    while sum(map(len, rows)) < n_spectra:
        centre = rng.integers(n_sources)
        if dec0[centre] < -7.5 or dec0[centre] > 85:
            continue
        band = by_dec[np.searchsorted(sorted_dec, dec0[centre] - 2.5) : np.searchsorted(sorted_dec, dec0[centre] + 2.5)]
        near = np.abs(np.mod(ra0[band] - ra0[centre] + 180, 360) - 180) * np.cos(np.radians(dec0[centre])) < 2.5
        band = band[near]
        rows.append(rng.choice(band, min(per_plate, len(band)), replace=False))
    star = np.concatenate(rows)[:n_spectra]
    scatter = rng.normal(0, 0.2 / 3600, (2, n_spectra))
    scatter[:, rng.random(n_spectra) < 0.05] *= 600
    dec_s = np.clip(dec0[star] + scatter[1], -90, 90)
    ra_s = np.mod(ra0[star] + scatter[0] / np.cos(np.radians(dec_s)), 360)
    pl.DataFrame({"spectrum_id": np.arange(n_spectra) + 100_000_000, "ra": ra_s, "dec": dec_s}).with_columns(
        pl.col("spectrum_id").cast(pl.String)
    ).write_parquet(directory / "spectra.parquet", row_group_size=500_000)
    for name in ("spectra", "sources_j2000"):
        _write_fits(directory / f"{name}.parquet", directory / f"{name}.fits")


def _write_fits(parquet: Path, fits: Path) -> None:
    import polars as pl
    from astropy.io import fits as io

    frame = pl.read_parquet(parquet)
    columns = [
        io.Column(n, "9A", array=frame[n].to_numpy().astype("S9"))
        if frame.schema[n] == pl.String
        else io.Column(n, "K" if frame.schema[n] == pl.Int64 else "D", array=frame[n].to_numpy())
        for n in frame.columns
    ]
    io.BinTableHDU.from_columns(columns).writeto(fits, overwrite=True)


def make_hats(directory: Path) -> None:
    """Import both catalogues into HATS for LSDB (hats-import), with a margin of 5 arcsec for the sources."""
    from dask.distributed import Client
    from hats_import.catalog.arguments import ImportArguments
    from hats_import.margin_cache.margin_cache_arguments import MarginCacheArguments
    from hats_import.pipeline import pipeline_with_client

    with Client(n_workers=os.cpu_count(), threads_per_worker=1, memory_limit=None, dashboard_address=None) as client:
        for name in ("spectra", "sources_j2000"):
            arguments = ImportArguments(
                input_file_list=[directory / f"{name}.parquet"],
                file_reader="parquet",
                ra_column="ra",
                dec_column="dec",
                output_path=directory,
                output_artifact_name=f"hats_{name}",
                pixel_threshold=1_000_000,
                simple_progress_bar=True,
            )
            pipeline_with_client(arguments, client)
        margin = MarginCacheArguments(
            input_catalog_path=directory / "hats_sources_j2000",
            output_path=directory,
            output_artifact_name="hats_sources_j2000_margin",
            margin_threshold=5.0,
            simple_progress_bar=True,
        )
        pipeline_with_client(margin, client)


# --- the tools -------------------------------------------------------------------------------------------------


def tool_melotte(directory: Path) -> int:
    """This package."""
    from melotte.crossmatch import match_files

    report = match_files(
        directory / "spectra.parquet",
        directory / "sources.parquet",
        directory / "out_melotte.parquet",
        radius_arcsec=RADIUS,
        gaia_release="DR3",
    )
    return report.n_pairs


def tool_astropy(directory: Path) -> int:
    """astropy.coordinates.search_around_sky."""
    import polars as pl
    from astropy import units as u
    from astropy.coordinates import SkyCoord, search_around_sky

    left, right = _positions(directory)
    a = SkyCoord(left["ra"].to_numpy(), left["dec"].to_numpy(), unit="deg")
    b = SkyCoord(right["ra"].to_numpy(), right["dec"].to_numpy(), unit="deg")
    i, j, separation, _ = search_around_sky(a, b, RADIUS * u.arcsec)
    out = pl.DataFrame({"spectrum_id": left["spectrum_id"].gather(i), "source_id": right["source_id"].gather(j)})
    out = out.with_columns(separation=separation.to_value(u.arcsec))
    out.write_parquet(directory / "out_astropy.parquet")
    return out.height


def tool_ckdtree(directory: Path) -> int:
    """scipy.spatial.cKDTree on unit vectors, in bands of declination to bound memory."""
    import polars as pl
    from scipy.spatial import cKDTree

    left, right = _positions(directory)
    chord = 2 * np.sin(np.radians(RADIUS / 3600) / 2)
    margin = RADIUS / 3600 * 1.01
    parts = []
    right = right.sort("dec")
    left = left.sort("dec")
    ld, rd = left["dec"].to_numpy(), right["dec"].to_numpy()
    edges = np.quantile(ld, np.linspace(0, 1, 9))
    edges[0], edges[-1] = -91, 91
    for low, high in itertools.pairwise(edges):
        a = left[int(np.searchsorted(ld, low)) : int(np.searchsorted(ld, high))]
        b = right[int(np.searchsorted(rd, low - margin)) : int(np.searchsorted(rd, high + margin, side="right"))]
        b = b.filter(pl.col("dec") >= ld.min() - margin)
        va, vb = _vectors(a), _vectors(b)
        tree = cKDTree(va, balanced_tree=False, compact_nodes=False)
        pairs = tree.sparse_distance_matrix(
            cKDTree(vb, balanced_tree=False, compact_nodes=False), chord, output_type="ndarray"
        )
        separation = np.degrees(2 * np.arcsin(pairs["v"] / 2)) * 3600
        parts.append(
            pl.DataFrame(
                {
                    "spectrum_id": a["spectrum_id"].gather(pairs["i"]),
                    "source_id": b["source_id"].gather(pairs["j"]),
                    "separation": separation,
                }
            )
        )
    out = pl.concat(parts)
    out.write_parquet(directory / "out_ckdtree.parquet")
    return out.height


def tool_stilts(directory: Path) -> int:
    """STILTS tskymatch2 (a Java program; FITS in and out, as Debian's package has no Parquet)."""
    out = directory / "out_stilts.fits"
    words = ["stilts", "-Xmx12g", "tskymatch2", f"error={RADIUS}", "find=all", "join=1and2", "runner=parallel"]
    words += [f"in1={directory / 'spectra.fits'}", "ifmt1=fits", "ra1=ra", "dec1=dec"]
    words += [f"in2={directory / 'sources_j2000.fits'}", "ifmt2=fits", "ra2=ra", "dec2=dec"]
    words += [f"out={out}", "ofmt=fits-basic"]
    text = subprocess.run(words, check=False, capture_output=True, text=True)
    if text.returncode:
        raise SystemExit(text.stderr)
    from astropy.io import fits

    return int(fits.getheader(out, 1)["NAXIS2"])


def tool_lsdb(directory: Path) -> int:
    """LSDB with its own KD-tree algorithm on HATS catalogues (imported before, not timed)."""
    import lsdb
    from dask.distributed import Client

    with Client(n_workers=os.cpu_count(), threads_per_worker=1, memory_limit=None, dashboard_address=None):
        left = lsdb.open_catalog(directory / "hats_spectra")
        right = lsdb.open_catalog(
            directory / "hats_sources_j2000", margin_cache=directory / "hats_sources_j2000_margin"
        )
        out = left.crossmatch(
            right, radius_arcsec=RADIUS, n_neighbors=NEIGHBOURS, suffixes=("_s", ""), suffix_method="all_columns"
        )
        path = directory / "out_lsdb"
        out.write_catalog(path, overwrite=True)
    return len(lsdb.open_catalog(path))


def _positions(directory: Path):  # type: ignore[no-untyped-def]
    import polars as pl

    return (
        pl.read_parquet(directory / "spectra.parquet", columns=["spectrum_id", "ra", "dec"]),
        pl.read_parquet(directory / "sources_j2000.parquet", columns=["source_id", "ra", "dec"]),
    )


def _vectors(frame):  # type: ignore[no-untyped-def]
    ra, dec = np.radians(frame["ra"].to_numpy()), np.radians(frame["dec"].to_numpy())
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


# --- the run ---------------------------------------------------------------------------------------------------


def run(directory: Path, tools: list[str], repeats: int, lsdb_python: str | None, json_file: Path | None) -> None:
    """Time each tool in a process of its own and print a table."""
    bests: dict[str, dict[str, float]] = {}
    for tool in tools:
        python = lsdb_python if tool.startswith("lsdb") and lsdb_python else sys.executable
        best = None
        for _ in range(repeats):
            for old in directory.glob(f"out_{tool}.*"):
                old.unlink()
            begin = time.perf_counter()
            done = subprocess.run(
                [python, __file__, "one", "--dir", str(directory), tool], capture_output=True, text=True, check=False
            )
            seconds = time.perf_counter() - begin
            if done.returncode:
                print(f"{tool}: failed\n{textwrap.indent(done.stderr[-2000:], '  ')}", file=sys.stderr)
                break
            record = json.loads(done.stdout.strip().splitlines()[-1]) | {"seconds": seconds}
            best = record if best is None or seconds < best["seconds"] else best
        if best:
            bests[tool] = best
            seconds, cpu, gib, pairs = (best[k] for k in ("seconds", "cpu", "gib", "pairs"))
            print(f"{tool:10s} {seconds:8.1f} s {cpu:8.1f} s CPU {gib:6.2f} GiB {pairs:,} pairs", flush=True)
    load = os.getloadavg()
    print(f"processors {os.cpu_count()}, load {load[0]:.1f} {load[1]:.1f} {load[2]:.1f}; best of {repeats}")
    if json_file is None or "melotte" not in bests:
        return
    import pyarrow.parquet as pq

    rows = {name: pq.read_metadata(directory / f"{name}.parquet").num_rows for name in ("spectra", "sources")}
    ours = bests.pop("melotte")
    for tool, found in bests.items():
        results.record(
            json_file,
            f"cross-match, {rows['spectra']:,} spectra with {rows['sources']:,} sources, Parquet to Parquet",
            seconds=ours["seconds"],
            cpu_seconds=ours["cpu"],
            mib=ours["gib"] * 1024,
            peer=f"{NAMES[tool]} ({found['pairs']:,} of {ours['pairs']:,} pairs)",
            peer_seconds=found["seconds"],
            ratio=found["seconds"] / ours["seconds"],
        )


def scaling(directory: Path, counts: list[int]) -> None:
    """Time Melotte alone on ever more of the sources, all spectra: the cost per source should not grow."""
    import polars as pl

    sources = pl.read_parquet(directory / "sources.parquet")
    for count in counts:
        part = directory / "scaling"
        part.mkdir(exist_ok=True)
        # Every n-th row: the same sky and the same order, thinner.
        rows = np.linspace(0, sources.height - 1, min(count, sources.height)).astype(np.int64)
        sources[rows].write_parquet(part / "sources.parquet", row_group_size=500_000)
        link = part / "spectra.parquet"
        link.unlink(missing_ok=True)
        link.symlink_to((directory / "spectra.parquet").resolve())
        print(f"{len(rows):,} sources: ", end="", flush=True)
        run(part, ["melotte"], 1, None, None)


def one(directory: Path, tool: str) -> None:
    """Run one tool here and print pairs and peak memory as JSON."""
    from threading import Event, Thread

    peak, stop = [0.0], Event()

    def watch() -> None:
        while not stop.wait(0.05):
            peak[0] = max(peak[0], _tree_memory(os.getpid()))

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    pairs = globals()[f"tool_{tool}"](directory)
    stop.set()
    watcher.join()
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    print(json.dumps({"pairs": pairs, "gib": max(own.ru_maxrss / 2**20, peak[0]), "cpu": cpu}))


def _tree_memory(pid: int) -> float:
    """Resident memory of a process and its children, GiB."""
    total, pending = 0.0, [pid]
    while pending:
        process = pending.pop()
        try:
            total += int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize()
            for task in Path(f"/proc/{process}/task").iterdir():
                pending += [int(child) for child in (task / "children").read_text().split()]
        except (OSError, ValueError):
            continue
    return total / 2**30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["make", "hats", "run", "scaling", "one"])
    parser.add_argument("tools", nargs="*", default=[])
    parser.add_argument("--dir", type=Path, default=Path("bench"))
    parser.add_argument("--spectra", type=int, default=650_000)
    parser.add_argument("--sources", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--lsdb-python", help="interpreter with lsdb installed")
    parser.add_argument("--json", type=Path, help="append the numbers to this file")
    arguments = parser.parse_intermixed_args()
    if arguments.action == "make":
        make(arguments.dir, arguments.spectra, arguments.sources, arguments.seed)
    elif arguments.action == "hats":
        make_hats(arguments.dir)
    elif arguments.action == "scaling":
        scaling(arguments.dir, [1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000])
    elif arguments.action == "run":
        run(arguments.dir, arguments.tools or ["melotte", "ckdtree", "astropy", "stilts"], arguments.repeats,
            arguments.lsdb_python, arguments.json)  # fmt: skip
    else:
        one(arguments.dir, arguments.tools[0])


if __name__ == "__main__":
    main()
