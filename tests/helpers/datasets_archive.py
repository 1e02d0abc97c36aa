"""A small archive on 127.0.0.1 for the tests of ``melotte.datasets``: it can break in every way a real one does."""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from melotte import datasets
from melotte.datasets import Record

# The package exports functions; the module that looks records up is patched here.
archive_module = importlib.import_module("melotte.datasets.archive")
NAME = "surveys/stars.csv"


@dataclass
class Archive:
    """What the server sends, and what it was asked for.

    ``script`` is consumed one item a request: ``ok``, an HTTP status, ``("cut", n)`` (full length announced, the
    connection closed after n bytes), ``("stall", n)`` (nothing more after n bytes until ``go_on`` is set),
    ``ignore-range`` (200 and the whole body whatever was asked). Once it is empty everything is ``ok``.
    """

    body: bytes = b""
    etag: str | None = '"v1"'
    announce_length: bool = True
    script: list[Any] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    posted: list[str] = field(default_factory=list)
    url: str = ""
    go_on: threading.Event = field(default_factory=threading.Event)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        step = self.script.pop(0) if self.script else "ok"
        if isinstance(step, int):
            handler.send_error(step)
            return
        wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        condition = handler.headers.get("If-Range")
        begin = 0
        if wanted and step != "ignore-range" and (condition is None or condition == self.etag):
            begin = int(wanted[1])
            if begin >= len(self.body):
                handler.send_error(416)
                return
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {begin}-{len(self.body) - 1}/{len(self.body)}")
        else:
            handler.send_response(200)
        if self.announce_length:
            handler.send_header("Content-Length", str(len(self.body) - begin))
        if self.etag:
            handler.send_header("ETag", self.etag)
        handler.end_headers()
        part = self.body[begin:]
        handler.wfile.write(part[: step[1]] if isinstance(step, tuple) else part)
        if isinstance(step, tuple) and step[0] == "stall":
            handler.wfile.flush()
            self.go_on.wait(60)


@contextmanager
def serve(archive: Archive) -> Iterator[Archive]:
    """Run the archive in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            archive.asked.append(dict(self.headers.items()))
            archive.answer(self)

        def do_POST(self) -> None:
            archive.posted.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            archive.answer(self)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    archive.url = f"http://127.0.0.1:{server.server_port}/file"
    try:
        yield archive
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def make_record(**changes: Any) -> Record:
    """A record of a small CSV table behind a URL."""
    data: dict[str, Any] = {
        "name": "stars",
        "title": "A table of stars",
        "kind": "survey",
        "file": "surveys/stars.csv",
        "bibcode": "2022A&A...668A...4F",
        "doi": "10.1051/0004-6361/202243590",
        "citation": "Somebody, A. 2022, A&A, 668, A4",
        "licence": "CC0, cite the paper",
        "source": {"type": "url", "url": "http://127.0.0.1:9/file", "instructions": "Ask the archive by letter."},
        "content": {"rows": 400, "columns": ["id", "rv"], "optional": ["note"]},
    }
    data.update(changes)
    return Record.model_validate(data)


def stars_csv(rows: int = 400) -> bytes:
    """The table of `make_record`."""
    return ("id,rv\n" + "".join(f"{2**62 + i},{i / 7:.6f}\n" for i in range(rows))).encode()


BODY = stars_csv()


def get(cache: Path, **kwargs: Any) -> Path:
    """Fetch the table of `make_record`."""
    return datasets.fetch(["stars"], cache_dir=cache, progress=False, **kwargs)[0]


def left(cache: Path) -> set[str]:
    """Names of the files in the cache, without the lock and the checksum."""
    known = (".lock", ".sha256.json")
    return {path.name for path in cache.rglob("*") if path.is_file() and not path.name.endswith(known)}


@dataclass(frozen=True)
class Field:
    """A column of a VOTable: VizieR gives each a name and an XML-safe ID."""

    name: str
    datatype: str
    cells: list[str]
    unit: str = ""

    @property
    def id(self) -> str:
        return re.sub(r"[^A-Za-z0-9_.]", "_", self.name)

    @property
    def xml(self) -> str:
        size = ' arraysize="*"' if self.datatype == "char" else ""
        unit = f" unit={quoteattr(self.unit)}" if self.unit else ""
        return f'<FIELD name={quoteattr(self.name)} ID={quoteattr(self.id)} datatype="{self.datatype}"{size}{unit}/>'


def votable(tables: dict[str, list[Field]], info: str = "") -> bytes:
    """A VOTable document of the shape VizieR sends: a resource per catalogue, a table per table."""
    parts = []
    for name, fields in tables.items():
        rows = zip(*(f.cells for f in fields), strict=True)
        body = "".join("<TR>" + "".join(f"<TD>{escape(cell)}</TD>" for cell in row) + "</TR>\n" for row in rows)
        parts.append(
            f"<TABLE ID={quoteattr(re.sub('[^A-Za-z0-9]', '_', name))} name={quoteattr(name)}>"
            f"{''.join(f.xml for f in fields)}<DATA><TABLEDATA>\n{body}</TABLEDATA></DATA></TABLE>"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n'
        f'<INFO ID="VERSION1" name="votable-version" value="1.99+"/>{info}\n<RESOURCE ID="yCat_1" name="J/A+A/1/1">'
        f"{''.join(parts)}</RESOURCE></VOTABLE>\n"
    ).encode()
