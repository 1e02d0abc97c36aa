"""Single steps from the command line: ``melotte orbits`` and ``melotte match``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from astropy import units as u
from astropy.table import QTable

from melotte.cli import main
from melotte.config import GalaxyConfig
from melotte.core.randomness import Streams
from melotte.crossmatch import match_positions
from melotte.galaxy import dynamics
from melotte.publish import read_table
from melotte.schema import DYNAMICS, MATCHES, SNAPSHOTS


def status(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return int(end.value.code or 0)


@pytest.fixture
def clusters() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "cluster": ["a", "b", "c"],
            "ra": [132.8, 92.3, 280.0],
            "dec": [11.8, 24.3, 5.0],
            "distance": [860.0, 900.0, None],
            "pmra": [-10.97, 2.3, 1.0],
            "pmdec": [-2.9, -2.9, 1.0],
            "rv": [34.0, -8.0, 10.0],
            "rv_error": [0.5, 1.0, 1.0],
        }
    )


@pytest.mark.parametrize("form", ["fits", "ecsv", "vot", "parquet"])
def test_orbits_of_any_table(clusters: pl.DataFrame, form: str, tmp_path: Path):
    """Units are converted; a row without a distance is there, empty, with the reason."""
    path = tmp_path / f"mine.{form}"
    if form == "parquet":
        clusters.write_parquet(path)
    else:
        filled = clusters.with_columns(pl.col("distance").fill_null(np.nan))
        table = QTable({c: filled[c].to_numpy() if c != "cluster" else filled[c].to_list() for c in filled.columns})
        for name, unit in (("ra", u.deg), ("dec", u.deg), ("pmra", u.mas / u.yr), ("pmdec", u.mas / u.yr)):
            table[name] = table[name] * unit
        table["rv"] = (table["rv"] * u.km / u.s).to(u.m / u.s)
        table["distance"] = (table["distance"] * u.pc).to(u.kpc)
        table.write(path, format="votable" if form == "vot" else None)
    (tmp_path / "my.toml").write_text('[galaxy]\ndraws = 20\nlookback = "100 Myr"\nstep = "50 Myr"\n')
    out = tmp_path / "out"
    assert status("orbits", path, "--out", out, "--config", tmp_path / "my.toml", "--jobs", "1") == 0
    found = read_table(out / "orbits.fits", DYNAMICS)
    settings = GalaxyConfig(draws=20, lookback="100 Myr", step="50 Myr")
    expected = dynamics(clusters, settings=settings, rng=Streams(20221101)).frame
    for name in ("r_gc", "l_z", "r_apo", "l_z_p84"):
        np.testing.assert_allclose(found[name][:2].to_numpy(), expected[name][:2].to_numpy(), rtol=1e-12)
    assert found["l_z"][2] is None
    assert "distance" in found["reason"][2]
    assert read_table(out / "snapshots.parquet", SNAPSHOTS)["lookback"].unique().sort().to_list() == [0.0, 50.0, 100.0]


@pytest.mark.parametrize("form", ["fits", "parquet"])
@pytest.mark.parametrize(
    ("column", "value"),
    [("distance", -5.0), ("dec", 95.0), ("ra", np.inf), ("rv_error", -1.0), ("pmra", -np.inf)],
)
def test_an_impossible_row_is_masked_and_the_others_are_followed(
    clusters: pl.DataFrame, column: str, value: float, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One wrong value costs its row, with the reason; ``--strict`` refuses the table."""
    wrong = clusters.with_columns(pl.Series(column, [clusters[column][0], value, clusters[column][2]]))
    path = tmp_path / f"mine.{form}"
    if form == "parquet":
        wrong.write_parquet(path)
    else:
        filled = wrong.with_columns(pl.col("distance").fill_null(np.nan))
        QTable({c: filled[c].to_numpy() if c != "cluster" else filled[c].to_list() for c in filled.columns}).write(path)
    out = tmp_path / "out"
    (tmp_path / "my.toml").write_text('[galaxy]\ndraws = 0\nlookback = "10 Myr"\nstep = "5 Myr"\n')
    common = ("orbits", path, "--config", tmp_path / "my.toml", "--jobs", "1", "--out")
    assert status(*common, out) == 0
    found = read_table(out / "orbits.parquet", DYNAMICS)
    assert found["reason"][0] is None
    assert found["l_z"][0] is not None
    assert found["reason"][1].startswith(f"impossible value: {column} is")
    assert found["l_z"][1] is None
    assert found["reason"][2] == "no distance"
    capsys.readouterr()
    assert status(*common, tmp_path / "strict", "--strict") == 2
    assert f"row 2: impossible value: {column}" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"cluster": ["a"], "ra": [1.0]}, "lacks"),
        ({"ra": [1.0], "dec": [1.0]}, "'cluster' is missing"),
        (None, "no such file"),
    ],
)
def test_orbits_of_a_wrong_table(
    content: dict[str, list[object]] | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "t.parquet"
    if content is not None:
        pl.DataFrame(content).write_parquet(path)
    assert status("orbits", path, "--out", tmp_path / "out") == 2
    assert message in capsys.readouterr().err


def test_orbits_of_a_file_that_is_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "t.fits"
    path.write_bytes(b"not a table")
    assert status("orbits", path, "--out", tmp_path / "out") == 2
    assert "cannot be read" in capsys.readouterr().err


def test_match_of_two_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rng = np.random.default_rng(1)
    spectra = pl.DataFrame(
        {"spectrum_id": [f"s{i}" for i in range(500)], "ra": rng.uniform(0, 1, 500), "dec": rng.uniform(0, 1, 500)}
    )
    sources = pl.DataFrame(
        {
            "source_id": np.arange(5000) + 2**60,
            "ra": rng.uniform(0, 1, 5000),
            "dec": rng.uniform(0, 1, 5000),
            "pmra": rng.normal(0, 100, 5000),
            "pmdec": rng.normal(0, 100, 5000),
        }
    )
    spectra.write_parquet(tmp_path / "s.parquet")
    sources.write_parquet(tmp_path / "g.parquet")
    out = tmp_path / "m.parquet"
    arguments = ["match", tmp_path / "s.parquet", tmp_path / "g.parquet", "--out", out, "--gaia-release", "DR3"]
    assert status(*arguments, "--radius", "30 arcsec") == 0
    expected = match_positions(spectra, sources, radius_arcsec=30.0, gaia_release="DR3")
    assert expected.height > 100
    assert (
        pl.read_parquet(out)
        .select(MATCHES.names)
        .sort("spectrum_id", "source_id")
        .equals(expected.sort("spectrum_id", "source_id"))
    )
    for bad in (["--radius", "30"], ["--radius", "30 km"]):
        assert status(*arguments, *bad) == 2
        assert "--radius" in capsys.readouterr().err
    assert status(*arguments[:-1], "DR1") == 2
