"""Which file is this? A path is not an answer: files are renamed, truncated and re-created, and inodes are reused.

A generation of a file is (device, inode, hash of its first bytes) plus a counter; `Mark` is one with an offset,
as it is written to the store.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass

HEAD_BYTES = 1024
TICK_NS = 20_000_000
"""File systems keep times in ticks of some milliseconds: what is closer together has no order."""
ELSEWHERE = -1
"""The size of a past generation that is read on under another path: whatever begins like it is read there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """How far one generation of a file has been read. `id` names it in signal keys, `mtime_ns` is as last read.

    `real` is where it lay when the path was a link. A `copy` is one that copytruncate made: it is never read.
    """

    id: str
    dev: int
    inode: int
    head: str
    generation: int
    offset: int
    mtime_ns: int = 0
    real: str = ""
    copy: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """A generation that was read to its end: a copy of it that turns up later holds nothing new.

    One that was `rewritten` in place may have been read further than its copy reaches.
    """

    inode: int
    head: str
    size: int
    rewritten: bool = False

    def is_whole(self, status: os.stat_result) -> bool:
        """Whether a plain file has the size it had at its end."""
        return self.size == status.st_size and not self.rewritten


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A checkpoint: the file now under the path, rotated ones not yet read to their end, what is behind us. `last_ns`
    is when the last of those was written, where nothing lies under the path."""

    current: Mark | None
    older: tuple[Mark, ...] = ()
    past: tuple[Past, ...] = ()
    generation: int = 1
    last_ns: int = 0


def dump_marks(saved: Saved) -> str:
    """A checkpoint as text; what is empty is left out."""
    now: dict[str, object] = _brief(saved.current) if saved.current else {}
    last = {"last_ns": saved.last_ns} if saved.last_ns and not saved.current else {}
    past = {"past": [[p.inode, p.head, p.size, p.rewritten] for p in saved.past]} if saved.past else {}
    return json.dumps(
        {**now, "older": [_brief(m) for m in saved.older], **past, **last, "last_generation": saved.generation},
        separators=(", ", ": "),
    )


def _brief(mark: Mark) -> dict[str, object]:
    names = ("id", "dev", "inode", "head", "generation", "offset", "mtime_ns")
    told: dict[str, object] = {name: getattr(mark, name) for name in names}
    if mark.real:
        told["real"] = mark.real
    if mark.copy:
        told["copy"] = True
    return told


def load_marks(text: str) -> Saved:
    """A checkpoint read back. Raises ValueError, TypeError or AttributeError for text that is none."""
    data = json.loads(text)
    older = tuple(Mark(**one) for one in data.pop("older", []))
    past = tuple(Past(inode=i, head=h, size=s, rewritten=r) for i, h, s, r in data.pop("past", []))
    generation, last_ns = int(data.pop("last_generation", 1)), int(data.pop("last_ns", 0))
    current = Mark(**data) if data else None
    return Saved(current=current, older=older, past=past, generation=generation, last_ns=last_ns)


def file_key(status: os.stat_result) -> int:
    """Device and inode in one number."""
    return status.st_dev << 64 | status.st_ino


def head_of(data: bytes) -> str:
    """Length and hash of a file's first bytes."""
    return f"{len(data)}:{hashlib.sha256(data).hexdigest()[:16]}"


def begins(data: bytes, head: str) -> bool:
    """Whether a file's first bytes (at least as many as `head` covers) are those `head` was taken of."""
    return head_of(data[: int(head.partition(":")[0])]) == head


def is_empty(head: str) -> bool:
    """Whether the head was taken of nothing, and so says nothing."""
    return head.startswith("0:")


def is_short(head: str) -> bool:
    """Whether the head was taken of a file so small that another may begin with all of it."""
    return int(head.partition(":")[0]) < HEAD_BYTES


def read_head(fd: int) -> str:
    """The head of an open file."""
    return head_of(os.pread(fd, HEAD_BYTES, 0))


def same_head(fd: int, head: str) -> bool:
    """Whether a file still begins as it did when `head` was taken, however much it has grown."""
    return begins(os.pread(fd, HEAD_BYTES, 0), head)


def open_regular(path: str) -> int | None:
    """A descriptor to read a regular file; None for anything else, which is not opened: a pipe's writer would notice.

    Raises OSError (FileNotFoundError, …).
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        return None
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def last_line_start(fd: int, size: int, limit: int) -> int:
    """Where the unfinished last line of a file begins (`size` when it ends with a newline)."""
    start = max(0, size - limit)
    newline = os.pread(fd, size - start, start).rfind(b"\n")
    return start + newline + 1 if newline >= 0 or start == 0 else size
