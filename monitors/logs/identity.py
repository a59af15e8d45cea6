"""Which file is this? A path is not an answer: files are renamed, truncated and re-created, and inodes are reused.

A generation of a file is (device, inode, hash of its first 256 bytes) plus a counter; `Mark` is one with an offset,
as it is written to the store.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Container
from dataclasses import asdict, dataclass

HEAD_BYTES = 256
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".lz4")
_MAX_ENTRIES = 20_000


@dataclass(frozen=True, kw_only=True)
class Mark:
    """How far one generation of a file has been read. `id` names it in signal keys, `mtime_ns` is as last read."""

    id: str
    dev: int
    inode: int
    head: str
    generation: int
    offset: int
    mtime_ns: int = 0


def dump_marks(current: Mark | None, older: list[Mark], generation: int) -> str:
    """A checkpoint: the file now under the path, rotated ones not yet read to their end, and the last generation."""
    now = asdict(current) if current else {}
    return json.dumps({**now, "older": [asdict(m) for m in older], "last_generation": generation})


def load_marks(text: str) -> tuple[Mark | None, list[Mark], int]:
    """A checkpoint read back. Raises ValueError, TypeError or AttributeError for text that is none."""
    data = json.loads(text)
    older, generation = [Mark(**one) for one in data.pop("older", [])], int(data.pop("last_generation", 1))
    return (Mark(**data) if data else None), older, generation


def head_of(data: bytes) -> str:
    """Length and hash of a file's first bytes."""
    return f"{len(data)}:{hashlib.sha256(data).hexdigest()[:16]}"


def begins(data: bytes, head: str) -> bool:
    """Whether a file's first bytes (at least as many as `head` covers) are those `head` was taken of."""
    return head_of(data[: int(head.partition(":")[0])]) == head


def read_head(fd: int) -> str:
    """The head of an open file."""
    return head_of(os.pread(fd, HEAD_BYTES, 0))


def same_head(fd: int, head: str) -> bool:
    """Whether a file still begins as it did when `head` was taken, however much it has grown."""
    return begins(os.pread(fd, HEAD_BYTES, 0), head)


def open_regular(path: str) -> int | None:
    """A descriptor to read a regular file; None for anything else. Raises OSError (FileNotFoundError, …)."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def find_renamed(path: str, mark: Mark) -> int | None:
    """A descriptor of the generation `mark` under whatever name it has now in the path's folder."""
    for entry in _entries(path):
        if entry.inode() == mark.inode and (fd := _opened(entry.path)) is not None:
            now = os.fstat(fd)
            if (now.st_dev, now.st_ino) == (mark.dev, mark.inode) and same_head(fd, mark.head):
                return fd
            os.close(fd)
    return None


def find_copy(path: str, mark: Mark) -> int | None:
    """A descriptor of the copy that copytruncate made of `mark` before it emptied the file.

    A copy begins alike, is at least as long as what was read, and was written no earlier than the last read.
    """
    if mark.head.startswith("0:"):
        return None
    for entry in _rotated(path):
        if (fd := _opened(entry.path)) is not None:
            now = os.fstat(fd)
            fits = now.st_size > mark.offset and now.st_mtime_ns >= mark.mtime_ns and now.st_ino != mark.inode
            if fits and same_head(fd, mark.head):
                return fd
            os.close(fd)
    return None


def find_missed(
    path: str, since_ns: int, known_inodes: Container[int], known_heads: list[str], followed: Callable[[str], bool]
) -> list[int]:
    """Descriptors of generations that came and went unseen after `since_ns`, oldest first.

    Rotated names that are `followed` on their own account are left out: they are read under their own path.
    """
    found: list[tuple[int, int]] = []
    for entry in _rotated(path):
        if entry.inode() in known_inodes or followed(entry.path) or (fd := _opened(entry.path)) is None:
            continue
        now = os.fstat(fd)
        copied = any(same_head(fd, head) for head in known_heads if not head.startswith("0:"))
        if now.st_mtime_ns < since_ns or copied or not now.st_size:
            os.close(fd)
        else:
            found.append((now.st_mtime_ns, fd))
    return [fd for _, fd in sorted(found)]


def last_line_start(fd: int, size: int, limit: int) -> int:
    """Where the unfinished last line of a file begins (`size` when it ends with a newline)."""
    start = max(0, size - limit)
    newline = os.pread(fd, size - start, start).rfind(b"\n")
    return start + newline + 1 if newline >= 0 or start == 0 else size


def _opened(path: str) -> int | None:
    try:
        return open_regular(path)
    except OSError:
        return None


def _entries(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(os.path.dirname(path)) as entries:
            return [entry for entry, _ in zip(entries, range(_MAX_ENTRIES), strict=False)]
    except OSError:
        return []


def _rotated(path: str) -> list[os.DirEntry[str]]:
    """Files that bear a rotated name of `path`: app.log.1, app.log-20261120; packed ones can't be read."""
    base = os.path.basename(path)
    return [e for e in _entries(path) if e.name.startswith((f"{base}.", f"{base}-")) and not e.name.endswith(_PACKED)]
