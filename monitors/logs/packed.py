"""Rotated files that were packed meanwhile, read as if they were not: gzip, bzip2, xz and zstd, told by their bytes.

They are unpacked piece by piece, never whole: a log that unpacks to terabytes costs time, shared fairly, not memory.
"""

from __future__ import annotations

import os
from typing import IO, Any

from nightshift.monitors.logs.identity import HEAD_BYTES

SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".lzma")
OTHERS = (".zip", ".lz4", ".br", ".7z", ".Z")
"""Packed too, but nothing here reads them."""
_WINDOW_BYTES = 32 << 20


class Unreadable(Exception):
    """The bytes are broken, or packed in a way nothing here understands."""


class Unfinished(Exception):
    """The bytes end too early: somebody may still be packing."""


class Packed:
    """A stream of unpacked bytes over a descriptor, which it does not own."""

    def __init__(self, fd: int) -> None:
        self._file: IO[bytes] = os.fdopen(os.dup(fd), "rb", buffering=0)
        self._file.seek(0)
        try:
            self._stream = _unpacker(self._file)
        except BaseException:
            self._file.close()
            raise

    def read(self, size: int) -> bytes:
        """At most so many bytes; nothing at the end. Raises Unfinished, Unreadable."""
        try:
            data: bytes = self._stream.read(size)
        except EOFError as early:
            raise Unfinished(str(early)) from early
        except _broken() as broken:
            raise Unreadable(str(broken)) from broken
        return data

    def close(self) -> None:
        """Free what unpacking holds."""
        self._stream.close()
        self._file.close()


def _unpacker(file: IO[bytes]) -> Any:
    magic = file.read(6)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        import gzip

        return gzip.GzipFile(fileobj=file, mode="rb")
    if magic.startswith(b"BZh"):
        import bz2

        return bz2.BZ2File(file, "rb")
    if magic.startswith((b"\xfd7zXZ", b"\x5d\x00\x00")):
        import lzma

        return lzma.LZMAFile(file, "rb")
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        return _zstd(file)
    raise Unfinished("no packed bytes yet") if not magic else Unreadable("packed in an unknown way")


def _zstd(file: IO[bytes]) -> Any:
    try:
        import zstandard
    except ImportError as missing:
        raise Unreadable("zstandard is not installed") from missing
    return zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).stream_reader(file, read_across_frames=True)


def _broken() -> tuple[type[Exception], ...]:
    """What unpackers raise, of those that are loaded."""
    import sys

    found: list[type[Exception]] = [OSError, ValueError]
    for module, name in (("zlib", "error"), ("lzma", "LZMAError"), ("zstandard", "ZstdError")):
        if module in sys.modules:
            found.append(getattr(sys.modules[module], name))
    return tuple(found)


def head_bytes(fd: int) -> bytes:
    """The first unpacked bytes; nothing when there are none to be had."""
    try:
        stream = Packed(fd)
    except (Unreadable, Unfinished, OSError):
        return b""
    found = b""
    try:
        while len(found) < HEAD_BYTES and (data := stream.read(HEAD_BYTES - len(found))):
            found += data
    except (Unreadable, Unfinished):
        pass
    finally:
        stream.close()
    return found


def has_size(fd: int, size: int) -> bool:
    """Whether it unpacks to exactly so many bytes."""
    stream, left = Packed(fd), size + 1
    try:
        while left and (data := stream.read(min(left, 1 << 18))):
            left -= len(data)
    except (Unreadable, Unfinished):
        return False
    finally:
        stream.close()
    return left == 1
