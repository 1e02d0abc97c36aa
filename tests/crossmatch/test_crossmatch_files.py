"""Parquet in, Parquet out: the rows of the engine in memory, whole files or none, resumed where stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from melotte.crossmatch import match_files, match_positions, propagate
from melotte.errors import CrossmatchError, ReadError
from melotte.schema.definitions import MATCHES


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4,000 spectra with their own epochs, 30,000 sources in several files and row groups, some fast, some blended."""
    rng = np.random.default_rng(11)
    n, m = 30_000, 4000
    ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-0.4, 1, n)))
    order = np.argsort(dec)
    ra, dec = ra[order], dec[order]
    ra[::10], dec[::10] = ra[1::10], np.clip(dec[1::10] + 2 / 3600, -90, 90)
    pm = rng.normal(0, 20, (2, n))
    pm[:, :100] *= 300
    pm[0, 500:900] = np.nan
    sources = pl.DataFrame(
        {
            "source_id": np.arange(n) + 2**60,
            "ra": ra,
            "dec": dec,
            "ref_epoch": np.full(n, 2016.0),
            "pmra": pm[0],
            "pmdec": pm[1],
            "phot_g_mean_mag": rng.uniform(8, 18, n).astype(np.float32),
        }
    ).with_columns(pl.col("pmra").fill_nan(None))
    star = rng.choice(n, m)
    epoch = rng.choice([1951.3, 2000.0, 2012.9], m)
    ra_s, dec_s = propagate(ra[star], dec[star], pm[0, star], pm[1, star], from_epoch=2016.0, to_epoch=epoch)
    dec_s = np.clip(dec_s + rng.normal(0, 1.5 / 3600, m), -90, 90)
    spectra = pl.DataFrame({"spectrum_id": np.arange(m) + 10**8, "ra": ra_s, "dec": dec_s, "ref_epoch": epoch})
    directory = tmp_path_factory.mktemp("catalogue")
    spectra.write_parquet(directory / "spectra.parquet", row_group_size=900)
    (directory / "gaia").mkdir()
    sources[:20_000].write_parquet(directory / "gaia" / "a.parquet", row_group_size=3000)
    sources[20_000:].write_parquet(directory / "gaia" / "b.parquet", row_group_size=1234, statistics=False)
    return directory


@pytest.fixture(scope="module")
def expected(catalogue: Path) -> pl.DataFrame:
    found = match_positions(
        pl.read_parquet(catalogue / "spectra.parquet").with_columns(pl.col("spectrum_id").cast(pl.String)),
        pl.read_parquet(catalogue / "gaia"),
        radius_arcsec=3.5,
        gaia_release="DR3",
    )
    assert found.height > 3000
    assert found["n_in_radius"].max() > 1
    return found


def match(catalogue: Path, output: Path, **more):
    return match_files(
        catalogue / "spectra.parquet", catalogue / "gaia", output, radius_arcsec=3.5, gaia_release="DR3", **more
    )


@pytest.mark.parametrize("chunk", [10_000, 1500, 333])
@pytest.mark.parametrize("threads", [1, 3])
def test_bit_for_bit_the_engine_in_memory(
    catalogue: Path, expected: pl.DataFrame, tmp_path: Path, chunk: int, threads: int
) -> None:
    output = tmp_path / "matches.parquet"
    calls: list[tuple[str, int, int]] = []
    report = match(catalogue, output, chunk_spectra=chunk, threads=threads, progress=lambda *a: calls.append(a))
    found = pl.read_parquet(output)
    MATCHES.validate(found)
    if report.n_chunks == 1:
        assert found.equals(expected)
    key = ["spectrum_id", "separation", "source_id"]
    assert found.sort(key).equals(expected.sort(key))
    assert (report.n_spectra, report.n_sources, report.n_pairs) == (4000, 30_000, expected.height)
    assert report.n_chunks == -(-4000 // chunk)
    assert calls
    assert all(0 < done <= total for _, done, total in calls)
    assert calls[-1][1] == calls[-1][2]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["matches.parquet"]


def test_far_row_groups_are_not_read(catalogue: Path, tmp_path: Path) -> None:
    """Statistics of dec and of the motions decide; a group without statistics is always read."""
    spectra = pl.read_parquet(catalogue / "spectra.parquet").filter(pl.col("dec") < 0)
    spectra.write_parquet(tmp_path / "south.parquet")
    report = match_files(
        tmp_path / "south.parquet",
        [catalogue / "gaia" / "a.parquet"],
        tmp_path / "out.parquet",
        radius_arcsec=3.5,
        gaia_release="DR3",
    )
    assert 0 < report.n_sources_read < 20_000
    everything = match_positions(
        spectra.with_columns(pl.col("spectrum_id").cast(pl.String)),
        pl.read_parquet(catalogue / "gaia" / "a.parquet"),
        radius_arcsec=3.5,
        gaia_release="DR3",
    )
    assert pl.read_parquet(tmp_path / "out.parquet").equals(everything)


KILLED = """
    import os, signal, sys
    import melotte.crossmatch.files as files
    import melotte.crossmatch.parquet as parquet

    spectra, gaia, output, where = sys.argv[1:]

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    files._BATCH = 200
    real = parquet.Writer.write
    deadly = {"band": "band-00002.parquet", "end": "m.parquet"}.get(where)

    def write(self, table):
        real(self, table)
        if self._path.name == deadly:
            die()

    parquet.Writer.write = write
    progress = (lambda text, done, total: die() if "band 3" in text else None) if where == "match" else None
    files.match_files(spectra, gaia, output, radius_arcsec=3.5, gaia_release="DR3", chunk_spectra=1000,
                      progress=progress)
"""


@pytest.mark.parametrize("where", ["match", "band", "end"])
def test_killed_leaves_no_half_file_and_resumes(
    catalogue: Path, expected: pl.DataFrame, tmp_path: Path, where: str
) -> None:
    """SIGKILL while matching, while writing a band, while joining the bands."""
    output = tmp_path / "m.parquet"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED)]
        + [str(p) for p in (catalogue / "spectra.parquet", catalogue / "gaia", output, where)],
        check=False,
        env={**os.environ},
    )
    assert done.returncode == -signal.SIGKILL
    assert not output.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.parquet.parts"]
    report = match(catalogue, output, chunk_spectra=1000)
    assert report.n_chunks_resumed == {"match": 2, "band": 2, "end": 4}[where]
    key = ["spectrum_id", "separation", "source_id"]
    assert pl.read_parquet(output).sort(key).equals(expected.sort(key))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.parquet"]


def test_parts_of_another_run_are_not_used(catalogue: Path, tmp_path: Path) -> None:
    """Other radius, same output: nothing is resumed, nothing is mistaken for finished."""
    output = tmp_path / "m.parquet"
    first = match_files(
        catalogue / "spectra.parquet", catalogue / "gaia", output, radius_arcsec=1.0, gaia_release="DR3"
    )
    again = match_files(
        catalogue / "spectra.parquet", catalogue / "gaia", output, radius_arcsec=1.0, gaia_release="DR3"
    )
    assert (again.n_sources_read, again.n_chunks_resumed, again.n_pairs) == (0, 1, first.n_pairs)
    wider = match(catalogue, output)
    assert wider.n_chunks_resumed == 0
    assert wider.n_pairs > first.n_pairs


def test_failure_leaves_the_old_file(catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from melotte.crossmatch import parquet

    output = tmp_path / "m.parquet"
    output.write_bytes(b"of an earlier day")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet.Writer, "write", full)
    with pytest.raises(OSError, match="No space left"):
        match(catalogue, output)
    assert output.read_bytes() == b"of an earlier day"
    assert not list(tmp_path.rglob("*.tmp"))


def test_no_pairs_and_no_spectra(catalogue: Path, tmp_path: Path) -> None:
    spectra = pl.read_parquet(catalogue / "spectra.parquet")
    for name, frame in (("none", spectra.clear()), ("south", spectra.with_columns(dec=pl.lit(-89.0)))):
        frame.write_parquet(tmp_path / f"{name}.parquet")
        report = match_files(
            tmp_path / f"{name}.parquet",
            catalogue / "gaia",
            tmp_path / f"{name}-out.parquet",
            radius_arcsec=3.5,
            gaia_release="DR3",
        )
        assert report.n_pairs == 0
        MATCHES.validate(pl.read_parquet(tmp_path / f"{name}-out.parquet"))


def test_bad_files_are_named(catalogue: Path, tmp_path: Path) -> None:
    gaia = pl.read_parquet(catalogue / "gaia" / "a.parquet")
    text = tmp_path / "text.parquet"
    text.write_text("spectrum_id,ra,dec\n")
    gaia.drop("dec").write_parquet(tmp_path / "nodec.parquet")
    gaia.with_columns(pl.col("source_id").cast(pl.Float64)).write_parquet(tmp_path / "float.parquet")
    gaia.with_columns(ra=pl.when(pl.int_range(pl.len()) != 4000).then("ra")).write_parquet(
        tmp_path / "hole.parquet", row_group_size=3000
    )
    (tmp_path / "empty").mkdir()

    def refused(kind: type[Exception], message: str, spectra: Path, sources: Path) -> None:
        with pytest.raises(kind, match=message):
            match_files(spectra, sources, tmp_path / "o.parquet", radius_arcsec=3.5, gaia_release="DR3")
        assert not (tmp_path / "o.parquet").exists()

    spectra, good = catalogue / "spectra.parquet", catalogue / "gaia"
    refused(ReadError, "no such file", tmp_path / "absent.parquet", good)
    refused(ReadError, "not a readable Parquet file", text, good)
    refused(ReadError, "no Parquet file here", spectra, tmp_path / "empty")
    refused(ReadError, "no column 'dec'", spectra, tmp_path / "nodec.parquet")
    refused(CrossmatchError, r"float.parquet.*has type Float64", spectra, tmp_path / "float.parquet")
    refused(CrossmatchError, r"hole.parquet \(row group 2\): row 1001 of the sources has no ra", spectra,
            tmp_path / "hole.parquet")  # fmt: skip
    twice = tmp_path / "twice.parquet"
    pl.concat([pl.read_parquet(spectra)[:10]] * 2).write_parquet(twice)
    refused(CrossmatchError, "occurs more than once", twice, good)
