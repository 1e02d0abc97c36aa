"""Readers of what archives, services and papers give, with a small valid file, for ``fuzz_readers.py``."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets_archive import make_record, stars_csv
from fuzz_files import Reader, package
from survey_files import write_fits


def readers(directory: Path) -> list[Reader]:
    """The readers."""
    return [*_inputs(directory), *_archives(directory)]


def _inputs(directory: Path) -> list[Reader]:
    """What the structure of the disc, the names and the reproduction read."""
    import polars as pl

    from melotte.literature import Resolver
    from melotte.literature.aliases import read_aliases
    from melotte.reproduce.members import member_map, open_members
    from melotte.structure import read_sightlines, read_wave
    from melotte.structure.curve import Curve

    points = pl.DataFrame({"x": [0.0, 1.0, 2.0, 4.0], "y": [1.0, 2.0, 4.0, 8.0], "z": [0.0, 0.5, 0.0, -0.5]})
    lines = [
        ["Name", "GLON", "GLAT", "d16", "d50", "d84"],
        ["Cloud A", "10.5", "-3.25", "130", "140.5", "151"],
        ["Cloud B", "170", "12", "401", "410", "422"],
        ["Cloud B", "171", "12.5", "402", "412", "425"],
    ]
    ruler = [[" ", "deg", "deg", "pc", "pc", "pc"], ["-------", "----", "-----", "---", "-----", "---"]]

    def joined(rows: list[list[str]], separator: str) -> bytes:
        return "".join(separator.join(row) + "\n" for row in rows).encode()

    def wave(path: Path) -> Any:
        return Curve.through(read_wave(str(path)).fill_null(float("nan")).to_numpy())

    def names(path: Path) -> Any:
        return Resolver([read_aliases(path)])

    columns = {"Cluster": ["A", "A", "B"], "GaiaDR2": [2**60, 2**60 + 1, 2**60 + 2], "Flag": [0, 1, 12]}
    numbers = {key: [1.0, 2.0, 3.0] for key in ("RAdeg", "DEdeg", "RV", "e_RV", "Teff", "logg", "[Fe/H]", "e_[Fe/H]")}
    small = directory / "small.toml"
    small.write_bytes(package("melotte.reproduce", "data", "members.toml").replace(b"7570", b"3").replace(b"386", b"2"))
    stars = pl.DataFrame(columns | numbers).write_csv().encode()
    aliases = b"Names\nNGC 2682;M 67;Messier 67\nMelotte 22;Pleiades;M 45\nBlanco 1\n"
    return [
        Reader("sightlines.csv", ".csv", lambda p: read_sightlines(str(p)), joined(lines, ",")),
        Reader(
            "sightlines.tsv", ".tsv", lambda p: read_sightlines(str(p)), joined([lines[0], *ruler, *lines[1:]], "\t")
        ),
        Reader("wave.csv", ".csv", wave, points.write_csv().encode()),
        Reader("aliases.csv", ".csv", names, aliases),
        Reader("member table.csv", ".csv", lambda p: open_members(p, columns=small), stars),
        Reader("map of the member table.toml", ".toml", member_map, small.read_bytes()),
    ]


def _archives(directory: Path) -> list[Reader]:
    """Files and answers of archives: as fetched, on the way, and from services."""
    import astropy.units as u
    import polars as pl
    from astropy.table import Table

    from melotte import datasets
    from melotte.crossmatch import match_positions
    from melotte.crossmatch.cds import _Service
    from melotte.datasets import vizier

    found = []
    for suffix in (".csv", ".csv.gz", ".fits", ".fits.gz", ".tsv"):
        rows = {"id": [2**62 + i for i in range(6)], "rv": [i / 7 for i in range(6)]}
        path = directory / f"catalogue{suffix}"
        if suffix == ".csv.gz":
            path.write_bytes(gzip.compress(stars_csv(6), mtime=0))
        elif ".fits" in suffix:
            write_fits(path, rows)
            if suffix.endswith(".gz"):
                path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), mtime=0))
        else:
            path.write_bytes(stars_csv(6).replace(b",", b"\t") if suffix == ".tsv" else stars_csv(6))
        content = {"rows": 6, "columns": ["id", "rv"], "delimiter": "\t" if suffix == ".tsv" else ","}
        record = make_record(file=f"surveys/case{suffix}", content=content)
        found.append(
            Reader(f"verify{suffix}", suffix, lambda p, r=record: datasets.verify(p, r), path.read_bytes())  # type: ignore[misc]
        )

    source = {"type": "vizier", "catalogue": "J/A+A/1/1"}
    asked = make_record(source=source, content={"rows": 4, "columns": ["Name", "RV"]})
    answer = directory / "vizier.vot"
    Table({"Name": ["a", "b", "c", "d"], "RV": [1.5, 2.5, -3.5, 4.0]}).write(answer, format="votable")
    out = directory / "vizier.csv"

    def from_vizier(path: Path) -> None:
        frame, units = vizier.table_of(path.read_bytes(), asked, asked.source)  # type: ignore[arg-type]
        vizier.write(frame, units, out, name=out.name)

    chunk = pl.DataFrame({"spectrum_id": ["1", "2", "3"], "ra": [10.0, 20.0, 30.0], "dec": [1.0, 2.0, -3.0]})
    near = {"source_id": [2**60 + i for i in range(3)], "angDist": [0.5, 0.1, 1.2] * u.arcsec}
    near |= {"melotte_row": [0, 1, 2], "melotte_ra": chunk["ra"].to_numpy(), "melotte_dec": chunk["dec"].to_numpy()}
    near |= {"ra": chunk["ra"].to_numpy() + 1e-5, "dec": chunk["dec"].to_numpy()}
    near |= {key: [1.5, -2.5, 12.0] for key in ("pmra", "pmdec", "phot_g_mean_mag")}
    sources = directory / "xmatch.vot"
    Table(near).write(sources, format="votable")
    service = _Service(None, "DR3", 5.5, 1000, 0, 0.0)

    def from_service(path: Path) -> None:
        service._client = _Answering(path.read_bytes())  # type: ignore[assignment]
        match_positions(chunk, service.around(chunk), radius_arcsec=3.5, gaia_release="DR3")

    return [
        *found,
        Reader("answer of VizieR.vot", ".vot", from_vizier, answer.read_bytes()),
        Reader("answer of X-Match.vot", ".vot", from_service, sources.read_bytes()),
    ]


@dataclass(frozen=True)
class _Answering:
    """The client of a service that answers one thing."""

    content: bytes
    URL = "http://127.0.0.1:9/"

    def query_async(self, *_: Any, **__: Any) -> _Answering:
        return self
