"""The kernel's file events, read by the thread that needs them: no queue, no helper thread, no delay in between.

Watchdog reads the same events with four threads and hands every one over twice, holds renames back for half a second
and drops the kernel's word that events were lost; with 10,000 folders that is most of the memory and of the delay.
See inotify(7).
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator

MODIFY, MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x2, 0x40, 0x80, 0x100, 0x200
DELETE_SELF, Q_OVERFLOW, IGNORED = 0x400, 0x4000, 0x8000
ONLYDIR, ISDIR = 0x01000000, 0x40000000
FOLDER = MODIFY | MOVED_FROM | MOVED_TO | CREATE | DELETE | DELETE_SELF | ONLYDIR
_READ_BYTES = 64 << 10
_HEADER = struct.Struct("iIII")


class Inotify:
    """One queue of events. Raises OSError where the kernel has none to give."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        try:
            self._add, self._remove = libc.inotify_add_watch, libc.inotify_rm_watch
            self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except AttributeError as missing:
            raise OSError("this system has no inotify") from missing
        if self.fd < 0:
            _refuse("inotify")

    def add(self, path: str, mask: int) -> int:
        """The watch's number; the same again for the same file or folder. Raises OSError."""
        number: int = self._add(self.fd, os.fsencode(path), ctypes.c_uint32(mask))
        if number < 0:
            _refuse(path)
        return number

    def remove(self, number: int) -> None:
        """End a watch; nothing happens when it ended by itself."""
        self._remove(self.fd, number)

    def read(self) -> Iterator[tuple[int, int, str]]:
        """Watch, mask and name of every event there is now; never waits."""
        while True:
            try:
                data = os.read(self.fd, _READ_BYTES)
            except BlockingIOError:
                return
            at = 0
            while at < len(data):
                number, mask, _, length = _HEADER.unpack_from(data, at)
                at += _HEADER.size + length
                yield number, mask, os.fsdecode(data[at - length : at].rstrip(b"\0"))
            if len(data) < _READ_BYTES // 2:
                return

    def close(self) -> None:
        """Give the queue and all watches back."""
        os.close(self.fd)


def _refuse(what: str) -> None:
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code), what)
