"""The CDS engine against a local server that plays the service, with its failures."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from astropy.io.votable import from_table
from astropy.table import MaskedColumn, Table

from melotte.crossmatch import match_cds, match_positions, propagate
from melotte.errors import CrossmatchError

N = 250


@pytest.fixture(scope="module")
def sky() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Spectra at their own epochs, and a Gaia with blends, missing motions and neighbours out of the radius."""
    rng = np.random.default_rng(21)
    ra, dec = rng.uniform(0, 360, N), rng.uniform(-30, 89, N)
    ra, dec = np.tile(ra, 3), np.tile(dec, 3) + rng.normal(0, 1.5 / 3600, 3 * N)
    pm = np.clip(rng.normal(0, 30, (2, 3 * N)), -80, 80)
    pm[0, ::7] = np.nan
    gaia = pl.DataFrame(
        {
            "source_id": np.arange(3 * N) + 2**61,
            "ra": ra,
            "dec": np.clip(dec, -90, 90),
            "pmra": pm[0],
            "pmdec": pm[1],
            "phot_g_mean_mag": rng.uniform(9, 18, 3 * N),
        }
    ).with_columns(pl.col("pmra").fill_nan(None))
    spectra = pl.DataFrame(
        {
            "spectrum_id": [f"s{i}" for i in range(N)],
            "ra": ra[:N],
            "dec": np.clip(dec[:N], -90, 90),
            "ref_epoch": rng.choice([2000.0, 2012.5], N),
        }
    )
    return spectra, gaia


class Cds(ThreadingHTTPServer):
    """A service with a script of faults, one per upload, that answers correctly when the script is over."""

    daemon_threads = True

    def __init__(self, gaia: pl.DataFrame) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.gaia = gaia
        self.faults: list[str] = []
        self.uploads: list[int] = []
        self.names = ("source_id", "ra", "dec", "pmra", "pmdec", "phot_g_mean_mag")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/xmatch/api/v1/sync"


class Handler(BaseHTTPRequestHandler):
    server: Cds
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def reply(self, status: int, body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def do_GET(self) -> None:
        self.reply(200, b"I/345/gaia2\nI/355/gaiadr3\n")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        fields = dict(re.findall(r'name="(\w+)"\r\n\r\n(.*?)\r\n', body))
        assert fields["cat2"] == "vizier:I/355/gaiadr3"
        assert fields["selection"] == "all"
        upload = pl.read_csv(io.StringIO(re.search(r'filename="cat1.csv"\r\n\r\n(.*?)\r\n--', body, re.S)[1]))
        assert upload.columns == ["melotte_row", fields["colRA1"], fields["colDec1"]]
        self.server.uploads.append(upload.height)
        fault = self.server.faults.pop(0) if self.server.faults else ""
        if fault == "504":
            return self.reply(504, b"<html><body>Gateway Time-out</body></html>")
        if fault == "403":
            return self.reply(403, b"banned")
        if fault == "busy":
            message = '<INFO ID="QUERY_STATUS" name="QUERY_STATUS" value="ERROR">Too many jobs, try later!</INFO>'
            return self.reply(400, f'<VOTABLE version="1.2"><RESOURCE>{message}</RESOURCE></VOTABLE>'.encode())
        if fault == "bad":
            message = '<INFO ID="QUERY_STATUS" name="QUERY_STATUS" value="ERROR">no such table</INFO>'
            return self.reply(400, f'<VOTABLE version="1.2"><RESOURCE>{message}</RESOURCE></VOTABLE>'.encode())
        if fault == "hang up":
            self.close_connection = True
            return None
        content = self.answer(upload, float(fields["distMaxArcsec"]), int(fields["MAXREC"]), fault)
        if fault == "cut":
            return self.reply(200, content[: len(content) // 2])
        if fault == "broken off":
            return self.reply(200, content[: len(content) // 2], length=len(content))
        return self.reply(200, content)

    def answer(self, upload: pl.DataFrame, radius: float, limit: int, fault: str) -> bytes:
        """J2000 positions of the sources against the upload, brute force."""
        gaia = self.server.gaia
        pm = [gaia[c].fill_null(float("nan")).to_numpy() for c in ("pmra", "pmdec")]
        at2000 = np.radians(propagate(gaia["ra"], gaia["dec"], *pm, from_epoch=2016.0, to_epoch=2000.0))
        here = np.radians(upload["melotte_ra"].to_numpy()), np.radians(upload["melotte_dec"].to_numpy())
        hav = (
            np.sin((at2000[1] - here[1][:, None]) / 2) ** 2
            + np.cos(at2000[1]) * np.cos(here[1][:, None]) * np.sin((at2000[0] - here[0][:, None]) / 2) ** 2
        )
        distance = np.degrees(2 * np.arcsin(np.sqrt(hav))) * 3600
        i, j = np.nonzero(distance <= radius)
        i, j = i[:limit], j[:limit]
        table = Table({"angDist": distance[i, j]})
        for name in upload.columns:
            table[name] = upload[name].to_numpy()[i]
        if fault == "other rows":
            table["melotte_row"] += upload.height
        if fault == "other positions":
            table["melotte_dec"] = np.roll(table["melotte_dec"], 1)
        for name, known in zip(self.server.names, gaia.columns, strict=True):
            values = gaia[known].gather(j)
            fill = values.fill_null(0).to_numpy()
            table[name] = MaskedColumn(fill, mask=values.is_null().to_numpy())
        out = io.BytesIO()
        from_table(table).to_xml(out)
        return out.getvalue()


@pytest.fixture
def cds(sky: tuple[pl.DataFrame, pl.DataFrame]) -> Iterator[Cds]:
    server = Cds(sky[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def ask(cds: Cds, sky: tuple[pl.DataFrame, pl.DataFrame], work: Path, **more):
    options = {"chunk_rows": 100, "retries": 3, "wait_s": 0.001} | more
    return match_cds(sky[0], work, radius_arcsec=3.5, gaia_release="DR3", url=cds.url, **options)


@pytest.fixture(scope="module")
def expected(sky: tuple[pl.DataFrame, pl.DataFrame]) -> pl.DataFrame:
    found = match_positions(*sky, radius_arcsec=3.5, gaia_release="DR3")
    assert found["n_in_radius"].max() >= 3
    assert not found["propagated"].all()
    return found


def test_same_matches_as_the_local_engine(cds, sky, expected, tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    found = ask(cds, sky, tmp_path / "w", progress=lambda *a: calls.append(a))
    assert found.equals(expected)
    assert cds.uploads == [100, 100, 50]
    assert [c[1:] for c in calls] == [(100, N), (200, N), (250, N)]
    assert not (tmp_path / "w").exists()


def test_other_files_of_the_work_directory_stay(cds, sky, expected, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert ask(cds, sky, tmp_path).equals(expected)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_vizier_names_of_columns(cds, sky, expected, tmp_path: Path) -> None:
    cds.names = ("Source", "RA_ICRS", "DE_ICRS", "pmRA", "pmDE", "Gmag")
    assert ask(cds, sky, tmp_path / "w").equals(expected)
    cds.names = ("Source", "RA_ICRS", "DE_ICRS", "pmRA", "pmDE", "V")
    with pytest.raises(CrossmatchError, match="no column for phot_g_mean_mag"):
        ask(cds, sky, tmp_path / "w2")


@pytest.mark.parametrize("fault", ["504", "busy", "hang up", "cut", "broken off", "other rows", "other positions"])
def test_a_failure_is_repeated(cds, sky, expected, tmp_path: Path, fault: str) -> None:
    """Nothing of a bad answer gets into the result."""
    cds.faults = ["", fault, fault]
    assert ask(cds, sky, tmp_path / "w").equals(expected)
    assert cds.uploads == [100, 100, 100, 100, 50]


def test_a_lasting_failure_resumes_later(cds, sky, expected, tmp_path: Path) -> None:
    cds.faults = [""] + ["504"] * 4
    with pytest.raises(CrossmatchError, match=r"failed 4 times; last: HTTP 504") as error:
        ask(cds, sky, tmp_path / "w")
    assert "run the same call again" in str(error.value.hint)
    assert cds.uploads == [100] * 5
    cds.uploads.clear()
    assert ask(cds, sky, tmp_path / "w").equals(expected)
    assert cds.uploads == [100, 50]  # the first chunk is not asked for again


def test_other_settings_do_not_resume(cds, sky, expected, tmp_path: Path) -> None:
    cds.faults = [""] + ["504"] * 4
    with pytest.raises(CrossmatchError):
        ask(cds, sky, tmp_path / "w", motion_arcsec=3.0)
    cds.uploads.clear()
    assert ask(cds, sky, tmp_path / "w").equals(expected)
    assert cds.uploads == [100, 100, 50]


def test_waits_twice_as_long_each_time(cds, sky, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("melotte.crossmatch.cds.time.sleep", waits.append)
    cds.faults = ["504"] * 7
    with pytest.raises(CrossmatchError, match="failed 7 times"):
        ask(cds, sky, tmp_path / "w", retries=6, wait_s=10.0)
    assert waits == [10, 20, 40, 80, 160, 300]


@pytest.mark.parametrize(("fault", "message"), [("403", "banned"), ("bad", "no such table")])
def test_a_refusal_is_not_repeated(cds, sky, tmp_path: Path, fault: str, message: str) -> None:
    cds.faults = [fault]
    with pytest.raises(CrossmatchError, match=f"refused: .*{message}"):
        ask(cds, sky, tmp_path / "w")
    assert cds.uploads == [100]


def test_an_answer_cut_at_the_row_limit_is_asked_in_halves(cds, sky, expected, tmp_path: Path) -> None:
    assert ask(cds, sky, tmp_path / "w", max_rows=200).equals(expected)
    assert len(cds.uploads) > 3
    assert max(cds.uploads) == 100
    with pytest.raises(CrossmatchError, match="of one spectrum"):
        ask(cds, sky, tmp_path / "w2", max_rows=2)


def test_limits_of_the_service(cds, sky, tmp_path: Path) -> None:
    with pytest.raises(CrossmatchError, match=r"the limit of the service"):
        ask(cds, sky, tmp_path / "w", motion_arcsec=178.0)
    with pytest.raises(CrossmatchError, match=r"radius 3\.5 and motion -1"):
        ask(cds, sky, tmp_path / "w", motion_arcsec=-1.0)
    assert ask(cds, (sky[0].clear(), sky[1]), tmp_path / "w").is_empty()
