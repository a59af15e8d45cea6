"""Open files, at most so many: the one unused for longest is closed and opened again when its turn comes."""

from __future__ import annotations

import os
from collections import OrderedDict

from nightshift.monitors.logs.identity import open_regular
from nightshift.monitors.logs.tail import Tail


class Descriptors:
    """Owns every descriptor of the monitor. Pinned tails (rotated files) keep theirs: they have no path to reopen."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: OrderedDict[Tail, None] = OrderedDict()

    def of(self, tail: Tail) -> int | None:
        """The tail's descriptor, reopened by path if need be; None when another file lies there. Raises OSError."""
        if tail.fd is not None:
            self._open.move_to_end(tail)
            return tail.fd
        fd = None if tail.pinned else open_regular(tail.path)
        if fd is None:
            return None
        if not tail.is_file(os.fstat(fd)):
            os.close(fd)
            return None
        self.hold(tail, fd)
        return fd

    def hold(self, tail: Tail, fd: int) -> None:
        """Give a tail its descriptor."""
        self.drop(tail)
        tail.fd = fd
        self._open[tail] = None
        if len(self._open) > self._limit:
            spare = next((t for t in self._open if not t.pinned and t is not tail), None)
            if spare is not None:
                self.drop(spare)

    def drop(self, tail: Tail) -> None:
        """Close a tail's descriptor, if it has one."""
        self._open.pop(tail, None)
        if tail.fd is not None:
            os.close(tail.fd)
            tail.fd = None

    def close(self) -> None:
        """Close all."""
        for tail in list(self._open):
            self.drop(tail)
