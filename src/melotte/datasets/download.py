"""Files over HTTP into ``NAME.part``: with progress, retries, and resumption where the server can prove it is safe."""

from __future__ import annotations

import json
import logging
import re
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import DatasetError

if TYPE_CHECKING:
    import requests

log = logging.getLogger(__name__)

ATTEMPTS = 4
#: Seconds before the second attempt; doubled each time.
WAIT_S = 2.0
#: Seconds without a byte after which a connection counts as dead.
TIMEOUT_S = 60.0
_CHUNK = 1 << 18


class _ResumeError(Exception):
    """The server's answer does not continue what is on disk."""


class _Resumption:
    """What is known of the file behind a part, kept beside it: enough to tell whether a continuation belongs to it."""

    def __init__(self, url: str, part: Path) -> None:
        self.url = url
        self.part = part
        self.note = part.with_name(part.name + ".json")
        self.known: dict[str, Any] = _read(self.note)
        # Without a validator or a length nothing ties the bytes on disk to the bytes to come.
        safe = self.known.get("url") == url and (self.known.get("validator") or self.known.get("total"))
        if not (safe and part.is_file()):
            self.forget()
            part.unlink(missing_ok=True)

    @property
    def offset(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    @property
    def complete(self) -> bool:
        total = self.known.get("total")
        return total is not None and self.offset == total

    def headers(self) -> dict[str, str]:
        # A body compressed on the way could neither be resumed nor measured.
        headers = {"Accept-Encoding": "identity"}
        if self.offset:
            headers["Range"] = f"bytes={self.offset}-"
            if validator := self.known.get("validator"):
                headers["If-Range"] = validator
        return headers

    def accept(self, response: requests.Response, stream: IO[bytes]) -> None:
        """Place ``stream`` where the body belongs."""
        if response.status_code == 206:
            match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
            total = self.known.get("total")
            if match is None or int(match[1]) != self.offset or (total and match[2] not in ("*", str(total))):
                raise _ResumeError
            log.info("resuming %s at byte %d", self.part.name, self.offset)
            stream.seek(0, 2)
            return
        etag, length = response.headers.get("ETag"), response.headers.get("Content-Length")
        weak = etag is None or etag.startswith("W/")
        self.known = {
            "url": self.url,
            "validator": response.headers.get("Last-Modified") if weak else etag,
            "total": int(length) if length and length.isdigit() else None,
        }
        self.note.write_text(json.dumps(self.known), encoding="utf-8")
        stream.seek(0)
        stream.truncate()

    def forget(self) -> None:
        self.note.unlink(missing_ok=True)
        self.known = {}


def _read(note: Path) -> dict[str, Any]:
    """What was noted; nothing if it is not what `_Resumption.accept` writes."""
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        validator, total = known["validator"], known["total"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    plain = validator is None or (isinstance(validator, str) and validator.isascii() and validator.isprintable())
    return known if plain and (total is None or type(total) is int) else {}


def discard(part: Path) -> None:
    """Remove a part and what was noted about it."""
    part.unlink(missing_ok=True)
    part.with_name(part.name + ".json").unlink(missing_ok=True)


def status_of(error: requests.HTTPError) -> tuple[int, str]:
    """Status code and reason of the answer behind an error."""
    return (0, "no answer") if error.response is None else (error.response.status_code, error.response.reason)


def download(url: str, part: Path, *, name: str, remedy: str = "", progress: Any = None) -> None:
    """Bring the file behind ``url`` to ``part``, continuing what an earlier call left there.

    Parameters
    ----------
    url : str
        HTTP(S) address.
    part : pathlib.Path
        Where the bytes go. If the call fails, it keeps what arrived, for the next call.
    name : str
        Dataset, for messages.
    remedy : str
        What to do by hand, for messages.
    progress : object, optional
        Progress bar as `pooch.HTTPDownloader` takes it.

    Raises
    ------
    DatasetError
        If the archive cannot be reached, refuses, or keeps breaking off.
    """
    import requests
    from pooch import HTTPDownloader

    resumption = _Resumption(url, part)
    cause: Exception | str = ""
    for attempt in range(ATTEMPTS):
        if resumption.complete:
            resumption.forget()
            return
        if attempt:
            time.sleep(WAIT_S * 2 ** (attempt - 1))
            log.warning("%s: %s; attempt %d of %d", name, cause, attempt + 1, ATTEMPTS)
        try:
            with part.open("r+b" if part.is_file() else "w+b") as body:

                def place(response: requests.Response, *_: Any, out: IO[bytes] = body, **__: Any) -> None:
                    if response.status_code in (200, 206):
                        resumption.accept(response, out)

                HTTPDownloader(
                    progressbar=progress or False,
                    chunk_size=_CHUNK,
                    timeout=TIMEOUT_S,
                    headers=resumption.headers(),
                    hooks={"response": place},
                )(url, body, None)
            total = resumption.known.get("total")
            if total is None or resumption.offset == total:
                resumption.forget()
                return
            cause = f"the connection closed after {resumption.offset:,} of {total:,} bytes"
        except _ResumeError:
            cause = "the server does not continue the partial file; starting again"
            discard(part)
            resumption.known = {}
        except requests.HTTPError as error:
            status, reason = status_of(error)
            if status == 416:
                cause = "the partial file is longer than the file; starting again"
                discard(part)
                resumption.known = {}
            elif status == 429 or status >= 500:
                cause = f"the archive answers HTTP {status}"
            else:
                raise DatasetError(
                    f"the archive answers HTTP {status} ({reason})",
                    where=url,
                    hint=remedy or "the address has changed or asks for a login: get the file by hand",
                ) from error
        except requests.RequestException as error:
            cause = f"{type(error).__name__}: {error}"
    kept = f"; {resumption.offset:,} bytes are kept and the next call goes on from there" if resumption.known else ""
    raise DatasetError(
        f"the download failed {ATTEMPTS} times: {cause}{kept}",
        where=url,
        hint=f"check the connection and run `melotte fetch {name}` again" + (f"; or {remedy}" if remedy else ""),
    )
