"""One generation of one file while it is read: where it stands, what is open in it, and what silence means.

Ten thousand of them may lie idle, so they are small: the scanner, which holds what is open, is made when there is
something to read and let go when nothing is open.
"""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING

from nightshift.monitors.logs.identity import HEAD_BYTES, TICK_NS, Mark, begins, file_key, head_of, is_empty

if TYPE_CHECKING:
    from nightshift.monitors.logs.places import Place
    from nightshift.monitors.logs.scan import Scanner
    from nightshift.monitors.logs.settings import Settings

_HEADER = b"Traceback"


class Replaced(Exception):
    """The file under the descriptor was truncated or rewritten; it is another generation now."""


class Tail:
    """Reads what was appended to one generation. `path` is where it lay when it was first or last found.

    `pinned`: it has left its path, so its descriptor can't be had again. `watch` counts its writes from the offset
    `counted_from` on (-1: not counted). `whole`: what is open came in one write, nobody will add to it. `ended`: its
    file can't grow any more.
    """

    __slots__ = (
        "_head", "_mtime_ns", "_offset", "_seen", "copy", "counted_from", "ended", "fd", "file", "generation",
        "grown_s", "id",
        "path", "pinned", "place", "scanner", "watch", "whole",
    )  # fmt: skip

    def __init__(self, place: Place, path: str, mark: Mark, now_s: float) -> None:
        self.place, self.path, self.id, self.generation = place, path, mark.id, mark.generation
        self.file, self._head, self._mtime_ns = mark.dev << 64 | mark.inode, mark.head, mark.mtime_ns
        self._offset, self._seen, self.copy = mark.offset, mark.offset, mark.copy
        self.fd: int | None = None
        self.scanner: Scanner | None = None
        self.grown_s = now_s
        self.pinned = self.whole = self.ended = False
        self.watch, self.counted_from = 0, -1

    # ------------------------------------------------------------ what it is

    @property
    def head(self) -> str:
        """Hash of its first bytes, as last read."""
        return self._head

    @property
    def inode(self) -> int:
        """Of the file it is, or was."""
        return self.file & (1 << 64) - 1

    @property
    def offset(self) -> int:
        """Where reading must restart."""
        return self.scanner.resume_at() if self.scanner else self._offset

    @property
    def mtime_ns(self) -> int:
        """When the file was last written, as of the last read."""
        return self._mtime_ns

    @property
    def mark(self) -> Mark:
        """The generation and the offset to restart from."""
        real = self.path if self.path != self.place.path else ""
        return Mark(id=self.id, dev=self.file >> 64, inode=self.inode, head=self._head, generation=self.generation,
                    offset=self.offset, mtime_ns=self._mtime_ns, real=real, copy=self.copy)  # fmt: skip

    def is_file(self, status: os.stat_result) -> bool:
        """Whether the tail reads this file (it may still have been rewritten)."""
        return self.file == file_key(status)

    # ------------------------------------------------------------ reading

    def has_more(self, status: os.stat_result) -> bool:
        """Whether a look at the file says there may be something to read, or that it was rewritten."""
        return not self.copy and (status.st_size != self._seen or status.st_mtime_ns != self._mtime_ns)

    @property
    def seen(self) -> int:
        """How far the file was read."""
        return self._seen

    def read(self, fd: int, buffer: bytearray, settings: Settings, now_s: float) -> int:
        """Process one buffer of what is new; the number of bytes read, 0 at the end. Raises Replaced, OSError."""
        scanner, status = self.scanner, os.fstat(fd)
        assert scanner is not None
        at, kept = scanner.read_at(), len(scanner.carry)
        if status.st_size < self._seen:
            raise Replaced(self.path)
        if status.st_size == self._seen and status.st_mtime_ns == self._mtime_ns:
            return 0
        if status.st_size == 0:
            if is_empty(self._head):
                self._mtime_ns = _settled_ns(status)
                return 0
            raise Replaced(self.path)  # written and emptied again, unseen
        with memoryview(buffer) as view, view[kept : kept + settings.read_bytes] as room:
            got = os.preadv(fd, [room], at)
            first = bytes(room[: min(got, max(0, HEAD_BYTES - at))])
            news = bytes(room[max(0, self._seen - at) : max(0, self._seen - at) + len(_HEADER)])
        # After the read, not before it: the bytes belong to this generation only if its head still stands now.
        self._keep_head(fd, first, at)
        self._mtime_ns = _settled_ns(status)
        if got:
            buffer[:kept] = scanner.carry
            scanner.scan(buffer, kept + got)
            self.grown_s = now_s
            start = max(at, self._seen)
            self.whole = news != _HEADER and start >= self.counted_from >= 0 and self._came_whole(start, fd)
            self._seen = max(self._seen, scanner.read_at())
        return got

    def _keep_head(self, fd: int, first: bytes, at: int) -> None:
        head = os.pread(fd, HEAD_BYTES, 0)
        if not begins(head, self._head) or not head.startswith(first, min(at, HEAD_BYTES)):
            raise Replaced(self.path)
        if int(self._head.partition(":")[0]) != len(head):
            self._head = head_of(head)

    def _came_whole(self, start: int, fd: int) -> bool:
        """Whether an event that is complete began, with its record line, in the bytes that are new from `start` on, and
        there are no more. Only if they came in one write is it whole.
        """
        scanner = self.scanner
        if scanner is None or scanner.grouper.idle or not scanner.grouper.ended or scanner.partial:
            return False
        return scanner.resume_at() == start and os.fstat(fd).st_size == scanner.read_at()

    def sleep(self) -> bool:
        """Let go of the scanner, unless something is open in it; whether that was so."""
        if self.scanner is not None:
            if not self.calm:
                return False
            self._offset, self._seen, self.scanner = self.scanner.resume_at(), self.scanner.read_at(), None
        return True

    # ------------------------------------------------------------ silence

    @property
    def calm(self) -> bool:
        """Nothing open, nothing found that was not taken yet."""
        return self.scanner is None or (self.scanner.grouper.idle and not self.scanner.grouper.out)

    def due_s(self, settings: Settings) -> float:
        """The monotonic time at which silence closes something; infinite when nothing is open."""
        scanner = self.scanner
        if scanner is None or scanner.grouper.idle:
            return math.inf
        if self.whole:
            return self.grown_s
        if scanner.partial:
            return self.grown_s + settings.flush_s
        return self.grown_s + (settings.quiet_s if scanner.grouper.ended else settings.abandon_s)

    def settle(self, settings: Settings, now_s: float) -> bool:
        """Close what silence has ended; False when there was nothing to close."""
        scanner = self.scanner
        if scanner is None or now_s < self.due_s(settings):
            return False
        if scanner.partial:
            scanner.finish_line()
        else:
            scanner.settle()
        self.whole = False
        return True

    def finish(self) -> None:
        """The file will never grow again."""
        if self.scanner is not None:
            self.scanner.finish_line()
            self.scanner.settle()

    def close(self) -> None:
        """Free what reading holds besides the descriptor."""


def _settled_ns(status: os.stat_result) -> int:
    """When a file was last written, made unlike any real time while it is so fresh that the file system's clock could
    give the same to the next write: emptied and refilled to the same size within one tick, it must be looked at again.
    """
    fresh = time.time_ns() - status.st_mtime_ns < TICK_NS
    return status.st_mtime_ns - 1 if fresh else status.st_mtime_ns
