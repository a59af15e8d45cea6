"""One generation of one file while it is read: where it stands, what is open in it, and what silence means."""

from __future__ import annotations

import math
import os
from dataclasses import replace

from nightshift.monitors.logs.identity import HEAD_BYTES, Mark, begins, head_of
from nightshift.monitors.logs.scan import Scanner
from nightshift.monitors.logs.settings import Settings


class Replaced(Exception):
    """The file under the descriptor was truncated or rewritten; it is another generation now."""


class Tail:
    """Reads what was appended to one generation. `path` is where it lay when it was first or last found."""

    def __init__(self, path: str, mark: Mark, scanner: Scanner, settings: Settings, now_s: float) -> None:
        self.path, self._mark, self.scanner, self._settings = path, mark, scanner, settings
        self.fd: int | None = None
        self.grown_s = now_s
        self.pinned = False

    @property
    def calm(self) -> bool:
        """Nothing open, nothing found that was not taken yet."""
        return self.scanner.grouper.idle and not self.scanner.grouper.out

    @property
    def mark(self) -> Mark:
        """The generation and the offset to restart from."""
        return replace(self._mark, offset=self.scanner.resume_at())

    def is_file(self, dev: int, inode: int) -> bool:
        """Whether the tail reads this file (it may still have been rewritten)."""
        return (self._mark.dev, self._mark.inode) == (dev, inode)

    def read(self, fd: int, buffer: bytearray, now_s: float) -> int:
        """Process one buffer of what is new; the number of bytes read, 0 at the end. Raises Replaced, OSError."""
        scanner, status = self.scanner, os.fstat(fd)
        at, kept = scanner.read_at(), len(scanner.carry)
        if status.st_size < at:
            raise Replaced(self.path)
        if status.st_size == at and status.st_mtime_ns == self._mark.mtime_ns:
            return 0
        if status.st_size == 0 and status.st_mtime_ns != self._mark.mtime_ns:
            raise Replaced(self.path)  # written and emptied again, unseen
        with memoryview(buffer) as whole, whole[kept : kept + self._settings.read_bytes] as room:
            got = os.preadv(fd, [room], at)
            first = bytes(room[: min(got, max(0, HEAD_BYTES - at))])
        # After the read, not before it: the bytes belong to this generation only if its head still stands now.
        head = os.pread(fd, HEAD_BYTES, 0)
        if not begins(head, self._mark.head) or not head.startswith(first, min(at, HEAD_BYTES)):
            raise Replaced(self.path)
        self._mark = replace(self._mark, mtime_ns=status.st_mtime_ns, head=head_of(head))
        if got:
            buffer[:kept] = scanner.carry
            scanner.scan(buffer, kept + got)
            self.grown_s = now_s
        return got

    def due_s(self) -> float:
        """The monotonic time at which silence closes something; infinite when nothing is open."""
        grouper = self.scanner.grouper
        if grouper.idle:
            return math.inf
        if grouper.ended:
            wait_s = self._settings.flush_s if self.scanner.carry else self._settings.quiet_s
        else:
            wait_s = self._settings.flush_s if self.scanner.carry else self._settings.abandon_s
        return self.grown_s + wait_s

    def settle(self, now_s: float) -> bool:
        """Close what silence has ended; False when there was nothing to close."""
        if now_s < self.due_s():
            return False
        if self.scanner.carry and not self.scanner.grouper.ended:
            self.scanner.finish_line()
        else:
            self.scanner.grouper.flush()
        return True

    def finish(self) -> None:
        """The file will never grow again."""
        self.scanner.finish_line()
        self.scanner.grouper.flush()
