"""Readers of what Melotte left behind itself, each with one file damaged, for ``fuzz_readers.py``.

These know what the undamaged file says: where the reader has a checksum, anything else that it returns is a fault.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from fuzz_files import Reader

#: A whole run of few stars. Its gradients are made up: sampling takes long.
_CONFIG: dict[str, Any] = {
    "velocity": {"draws": 20},
    "metallicity": {"giant_rule": "logg", "draws": 20},
    "galaxy": {"draws": 2, "lookback": "20 Myr", "step": "10 Myr"},
    "figures": {"largest": 0},
}


def readers(directory: Path) -> list[Reader]:
    """The readers."""
    return [*_run(directory / "run"), *_matches(directory / "match"), *_download(directory / "download")]


def _in_place(target: Path, read: Callable[[], Any]) -> Callable[[Path], Any]:
    """A reader that looks at ``target``."""

    def put_and_read(path: Path) -> Any:
        shutil.copyfile(path, target)
        return read()

    return put_and_read


def _run(out: Path) -> list[Reader]:
    from melotte import publish
    from melotte.catalogue.store import Store
    from melotte.config import parse
    from melotte.core.randomness import Streams
    from melotte.report.explore.page import RECORD, read_page_record
    from melotte.report.explore.reviews import read_reviews
    from melotte.schema import CATALOGUE, DYNAMICS, MEMBER_STARS, SNAPSHOTS
    from melotte.schema.gradients import COMPARISON, GRADIENTS
    from melotte.validation.demonstration import CONFIG as DEMO
    from melotte.validation.simulate import SimulationSettings, simulate
    from melotte.workflow.delivery import read_back, read_product, read_record
    from melotte.workflow.pipeline import _Job, compute, silent
    from melotte.workflow.standalone.publish import _read

    inputs = out.parent / "inputs"
    simulate(SimulationSettings(n_clusters=5, n_field_spectra=10, max_members=12), Streams(5)).write(inputs)
    config = {**DEMO, **_CONFIG}
    made = compute(config, data_dir=inputs, out=out, jobs=1)
    assert made.orbits is not None
    assert made.snapshots is not None
    files = publish.write_table(made.frame, CATALOGUE, out / "clusters", ("parquet",))
    files += publish.write_table(made.members, MEMBER_STARS, out / "members", ("parquet",))
    files += publish.write_table(made.orbits, DYNAMICS, out / "orbits", ("parquet",))
    files += publish.write_table(made.snapshots, SNAPSHOTS, out / "snapshots", ("parquet",))
    for name, schema in (("gradients", GRADIENTS), ("model_comparison", COMPARISON)):
        files += publish.write_table(schema.empty(), schema, out / "tables" / name, ("parquet",))
    publish.write_provenance(
        out / "provenance.json",
        inputs=[publish.InputFile(role, path) for role, (path, _) in made.inputs.items()],
        config=parse({**config, "gradients": {"predictors": ["r_gc"]}}).resolved(),
        steps=made.steps,
        notes=made.notes,
        outputs=files,
        started=made.started,
        finished=datetime.now(UTC),
        citations=made.citations,
    )
    page = '{"facts": {"clusters": "5"}, "pictures": [{"file": "figures/sky.png", "caption": "Sky", "alt": "Sky"}]}'
    (out / RECORD).write_text(page)
    known = made.frame.select(
        "cluster", "n_rv", "rv_med", "rv_med_error", rv_x=pl.col("rv_med"), rv_x_error=pl.lit(0.1), n_rv_x=pl.lit(3)
    )
    first = made.frame.select("cluster", "rv_med", status=pl.lit("first"), searched=pl.lit("x; y"))
    for name, table in (("known_rv", known), ("first_rv", first)):
        table.write_parquet(out / "tables" / f"{name}.parquet")

    def whole() -> None:
        again = read_back(out, data_dir=inputs)
        assert again.frame.equals(made.frame)
        assert again.members.equals(made.members)

    said, _ = read_record(out)

    def record() -> None:
        found, _ = read_record(out)
        assert read_product(out, found, "clusters").equals(made.frame)
        _read(out, found)
        whole()

    def orbits() -> None:
        assert read_product(out, said, "orbits").equals(made.orbits)

    job = _Job.open(config, data_dir=inputs, out=out, jobs=1, progress=silent)
    products = {stage: job.store.load(stage, key=job.key(stage)) for stage in ("match", "metallicity")}

    def stage(name: str) -> Callable[[], None]:
        def load() -> None:
            found = Store(out / "stages").load(name, key=job.key(name))
            assert found.frames.keys() == products[name].frames.keys()
            assert all(f.equals(products[name].frames[n]) for n, f in found.frames.items())
            assert (found.steps, found.notes) == (products[name].steps, products[name].notes)

        return load

    targets: dict[str, Callable[[], Any]] = {
        "provenance.json": record,
        "clusters.parquet": whole,
        "orbits.parquet": orbits,
        str(RECORD): lambda: read_page_record(out),
        "tables/known_rv.parquet": lambda: read_reviews(out / "tables", made.frame),
        "tables/first_rv.parquet": lambda: read_reviews(out / "tables", made.frame),
        "stages/match.json": stage("match"),
        "stages/metallicity.json": stage("metallicity"),
        "stages/metallicity.members.parquet": stage("metallicity"),
    }
    return [
        Reader(f"run {name}", (out / name).suffix, _restoring(out / name, read), (out / name).read_bytes())
        for name, read in targets.items()
    ]


def _restoring(target: Path, read: Callable[[], Any]) -> Callable[[Path], Any]:
    """Like `_in_place`; the file is whole again for the readers of the others."""
    valid = target.read_bytes()

    def put_and_read(path: Path) -> Any:
        shutil.copyfile(path, target)
        try:
            return read()
        finally:
            target.write_bytes(valid)

    return put_and_read


def _matches(folder: Path) -> list[Reader]:
    import pyarrow.parquet as pq

    from melotte.crossmatch import match_files
    from melotte.crossmatch.parquet import Writer, identity_of, to_arrow

    folder.mkdir()
    n = range(6)
    spectra, sources, out = folder / "spectra.parquet", folder / "sources.parquet", folder / "matches.parquet"
    pl.DataFrame(
        {"spectrum_id": [f"s{i}" for i in n], "ra": [10.0 * i for i in n], "dec": [5.0 * i for i in n],
         "ref_epoch": [2000.0 + i for i in n]}
    ).write_parquet(spectra)  # fmt: skip
    pl.DataFrame(
        {"source_id": [2**60 + i for i in n], "ra": [10.0 * i + 1e-4 for i in n], "dec": [5.0 * i for i in n],
         "ref_epoch": [2016.0] * 6, "pmra": [1.0 * i for i in n], "pmdec": [-2.0] * 6, "phot_g_mean_mag": [12.0] * 6}
    ).write_parquet(sources)  # fmt: skip
    parts = out.with_name(f"{out.name}.parts")

    def match(a: Path = spectra, b: Path = sources, *, keep: bool = False) -> pl.DataFrame:
        if not keep:
            out.unlink(missing_ok=True)
            shutil.rmtree(parts, ignore_errors=True)
        match_files(a, b, out, radius_arcsec=3.5, gaia_release="DR3", threads=1, chunk_spectra=3)
        # Pages have checksums; the footer, which other readers than pyarrow may look at more closely, has none.
        return pl.DataFrame(pl.from_arrow(pq.read_table(out)))

    expected = match()
    assert expected.height == 6
    valid = out.read_bytes()
    # Finished bands: the whole, cut at the declination between them.
    identity = identity_of(out)
    assert identity is not None
    parts.mkdir()
    for number in range(2):
        path = parts / f"band-{number:05d}.parquet"
        with Writer(path, path.with_suffix(".tmp"), identity) as writer:
            writer.write(to_arrow(expected[3 * number : 3 * number + 3], identity))
    bands = [p.read_bytes() for p in sorted(parts.iterdir())]

    def band(path: Path) -> None:
        out.unlink(missing_ok=True)
        parts.mkdir(exist_ok=True)
        (parts / "band-00000.parquet").write_bytes(path.read_bytes())
        (parts / "band-00001.parquet").write_bytes(bands[1])
        assert match(keep=True).equals(expected)

    def output(path: Path) -> None:
        shutil.rmtree(parts, ignore_errors=True)
        shutil.copyfile(path, out)
        assert match(keep=True).equals(expected)

    return [
        Reader("match spectra.parquet", ".parquet", lambda p: match(a=p), spectra.read_bytes()),
        Reader("match sources.parquet", ".parquet", lambda p: match(b=p), sources.read_bytes()),
        Reader("match, finished band.parquet", ".parquet", band, bands[0]),
        Reader("match, finished output.parquet", ".parquet", output, valid),
    ]


def _download(folder: Path) -> list[Reader]:
    """What is noted of a download that was stopped."""
    from requests import Request

    from melotte.datasets.download import _Resumption

    folder.mkdir()
    part, url = folder / "stars.csv.part", "http://127.0.0.1:9/file"
    note = part.with_name(f"{part.name}.json")

    def resume() -> None:
        part.write_bytes(b"0123456789")
        resumption = _Resumption(url, part)
        assert resumption.complete in (True, False)
        Request("GET", url, headers=resumption.headers()).prepare()

    valid = b'{"url": "http://127.0.0.1:9/file", "validator": "\\"v1\\"", "total": 4711}'
    return [Reader("note of a download.json", ".json", _in_place(note, resume), valid)]
