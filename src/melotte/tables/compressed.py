"""Compressed files, recognised by their first bytes: gzip, bzip2, xz, zstd, and a zip file of one member."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Final, cast

from ..errors import ReadError

_MAGIC: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
_SUFFIXES: Final = (".gz", ".bz2", ".xz", ".zst", ".zip")
#: What the readers raise on damaged files; bzip2 raises OSError, which callers handle for all files.
DAMAGED: Final = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile)


def compression(path: Path) -> str:
    """How a file is compressed; empty if it is not."""
    with path.open("rb") as file:
        head = file.read(6)
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


def without_suffix(path: Path) -> Path:
    """The name of the file inside: ``stars.csv.gz`` -> ``stars.csv``."""
    return path.with_suffix("") if path.suffix.lower() in _SUFFIXES else path


def open_bytes(path: Path) -> IO[bytes]:
    """The uncompressed bytes of a file that may be compressed.

    Raises
    ------
    ReadError
        If a zip file holds more than one file, or none.
    """
    match compression(path):
        case "gzip":
            return cast(IO[bytes], gzip.open(path, "rb"))
        case "bzip2":
            return bz2.open(path, "rb")
        case "xz":
            return lzma.open(path, "rb")
        case "zstd":
            return cast(IO[bytes], io.BufferedReader(_Zstd(path)))
        case "zip":
            return _only_member(path)
        case _:
            return path.open("rb")


def damaged(path: Path, error: Exception) -> ReadError:
    """The error for a compressed file that ends early or fails its check."""
    kind = compression(path) or "compressed"
    early = isinstance(error, EOFError) or "ended before" in str(error)
    return ReadError(
        f"the {kind} file {'ends early' if early else 'is damaged'} ({error})",
        where=path,
        expected=f"a complete {kind} file",
        hint="the download was probably cut off: get the file again and compare its size with the archive's",
    )


class _Zstd(io.RawIOBase):
    """A zstd file as a stream that can be read on and skipped forward (pyarrow's own cannot)."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self._stream: Any = pa.input_stream(str(path), compression="zstd")
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        target = offset + (self._position if whence == io.SEEK_CUR else 0)
        if whence == io.SEEK_END or target < self._position:
            raise io.UnsupportedOperation("a zstd stream is read forwards only")
        while self._position < target and self.readinto(bytearray(min(1 << 20, target - self._position))):
            pass
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def _only_member(path: Path) -> IO[bytes]:
    archive = zipfile.ZipFile(path)
    members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
    if len(members) != 1:
        archive.close()
        names = ", ".join(m.filename for m in members[:10]) or "nothing"
        raise ReadError(
            f"the zip file holds {len(members)} files ({names})", where=path, expected="one", hint="unpack it first"
        )
    return archive.open(members[0])
