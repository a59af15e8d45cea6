"""File events where there is no inotify (macOS, the BSDs): watchdog's observer, in the shape the monitor reads.

It counts no writes and may be late; what it misses, the rounds find.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nightshift.monitors.logs.inotify import (
    CREATE,
    DELETE,
    ISDIR,
    MODIFY,
    MOVED_FROM,
    MOVED_TO,
    ONLYDIR,
    Q_OVERFLOW,
    Inotify,
)

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

_MASKS = {"modified": MODIFY, "closed": MODIFY, "created": CREATE, "deleted": DELETE}
_MOST = 100_000


def native() -> Inotify | Watchdog:
    """What this system has. Raises OSError where it has neither."""
    return Inotify() if sys.platform == "linux" else Watchdog()


class Watchdog:
    """The verbs of `Inotify`, for folders only. Raises OSError."""

    def __init__(self) -> None:
        from watchdog.observers import Observer

        self.fd, self._write = os.pipe()
        for end in (self.fd, self._write):
            os.set_blocking(end, False)
        self._events: deque[tuple[int, int, str]] = deque()
        self._lock, self._next = threading.Lock(), 0
        self._watches: dict[int, Any] = {}
        self._numbers: dict[str, int] = {}
        self._observer = Observer()
        self._observer.start()

    def add(self, path: str, mask: int) -> int:
        """The watch's number. Raises OSError for what is no folder."""
        from watchdog.events import FileSystemEventHandler

        if not mask & ONLYDIR or not os.path.isdir(path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        if path in self._numbers:
            return self._numbers[path]
        self._next += 1
        number, outer = self._next, self

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: FileSystemEvent) -> None:
                outer._heard(number, path, event)

        self._watches[number] = self._observer.schedule(Handler(), path, recursive=False)
        self._numbers[path] = number
        return number

    def _heard(self, number: int, folder: str, event: FileSystemEvent) -> None:
        """Called by watchdog's thread."""
        kind = ISDIR if event.is_directory else 0
        source, target = os.fsdecode(event.src_path), os.fsdecode(event.dest_path or "")
        told = [(number, mask | kind, os.path.basename(path)) for path, mask in (
            (source, _MASKS.get(event.event_type, MOVED_FROM if event.event_type == "moved" else 0)),
            (target, MOVED_TO if event.event_type == "moved" else 0),
        ) if mask and os.path.dirname(path) == folder]  # fmt: skip
        with self._lock:
            if len(self._events) >= _MOST:
                self._events.clear()
                told = [(-1, Q_OVERFLOW, "")]
            self._events.extend(told)
        with suppress(OSError):  # full: whoever reads is awake; closed: nobody reads
            os.write(self._write, b"x")

    def remove(self, number: int) -> None:
        """End a watch; nothing happens when it ended by itself."""
        watch = self._watches.pop(number, None)
        self._numbers = {path: n for path, n in self._numbers.items() if n != number}
        if watch is not None:
            with suppress(KeyError, OSError):
                self._observer.unschedule(watch)

    def read(self) -> Iterator[tuple[int, int, str]]:
        """Watch, mask and name of every event there is now; never waits."""
        with suppress(BlockingIOError):
            while len(os.read(self.fd, 4096)) == 4096:
                pass
        with self._lock:
            found = list(self._events)
            self._events.clear()
        yield from found

    def close(self) -> None:
        """Give all watches back."""
        self._observer.stop()
        self._observer.join(5)
        os.close(self.fd)
        os.close(self._write)
