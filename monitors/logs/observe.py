"""Learning from the kernel that files changed, in folders and behind links, and by how many writes.

Where the kernel refuses (no inotify, watch limit), the monitor polls; one line says so.

**Counting writes.** The kernel merges an event into the one before it when both are equal, so a folder's watch alone
can't tell one write from fifty. A second watch, on the file itself, makes the events alternate: then none are equal
and every write is seen. A record that came in one write is whole; nobody has to wait for more of it.
"""

from __future__ import annotations

import errno
import logging
import os
import select
from collections.abc import Callable
from contextlib import suppress

from nightshift.monitors.logs.inotify import (
    CREATE,
    FOLDER,
    IGNORED,
    ISDIR,
    MODIFY,
    MOVED_FROM,
    MOVED_TO,
    Q_OVERFLOW,
    Inotify,
)
from nightshift.monitors.logs.walk import Walk
from nightshift.monitors.logs.watched import Watchdog, native

_log = logging.getLogger(__name__)
_NOISY = 16
_HOPS = 16


class Watches:
    """Which paths changed since they were last taken. `live` is False when only polling helps; `lost` is True when
    the kernel dropped events, until the owner has looked at everything and says otherwise."""

    def __init__(self, walk: Walk, kernel: Callable[[], Inotify | Watchdog] = native) -> None:
        self._walk = walk
        self._folders: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._same: dict[int, list[str]] = {}
        self._counted: dict[int, str] = {}
        self._routes: dict[str, dict[str, None]] = {}
        self._changed: dict[str, int] = {}
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._poll = select.poll()
        self._poll.register(self._wake_read, select.POLLIN)
        self._kernel: Inotify | Watchdog | None = None
        self.live, self.lost = True, False
        try:
            self._kernel = kernel()
            self._poll.register(self._kernel.fd, select.POLLIN)
        except OSError as refused:
            self._refused(refused)

    # ------------------------------------------------------------ what is watched

    def folder(self, folder: str) -> bool:
        """Watch a folder, if it is there; whether it was not watched before. Called before its files are listed, so
        that none slips through."""
        if self._kernel is None or not self.live or folder in self._numbers:
            return False
        try:
            number = self._kernel.add(folder, FOLDER)
        except OSError as refused:
            if refused.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP):
                self._refused(refused)
            return False
        self._numbers[folder] = number
        if self._folders.setdefault(number, folder) != folder:
            self._same.setdefault(number, []).append(folder)
        return True

    def link(self, path: str) -> str:
        """Watch every place a path leads over, when it is a link: events there count as events of the path.

        Returns where the path leads in the end.
        """
        here = path
        for _ in range(_HOPS):
            try:
                there = os.readlink(here)
            except OSError:
                break
            here = os.path.normpath(os.path.join(os.path.dirname(here), there))
            self._routes.setdefault(here, {})[path] = None
            self.folder(os.path.dirname(here))
        if here == path:
            return path
        real = os.path.realpath(path)
        self._routes.setdefault(real, {})[path] = None
        self.folder(os.path.dirname(real))
        return real

    def count(self, fd: int, path: str) -> int:
        """Count the writes to an open file from now on; the number to give back to `forget`, 0 when it can't be."""
        if self._kernel is None or not self.live:
            return 0
        try:
            number = self._kernel.add(f"/proc/self/fd/{fd}", MODIFY)
        except OSError:
            return 0
        if number in self._folders:
            return 0
        self._counted[number] = path
        return number

    def counts(self, number: int) -> bool:
        """Whether writes are still counted."""
        return number in self._counted

    def forget(self, number: int) -> None:
        """Count no longer."""
        if self._kernel is not None and self._counted.pop(number, None) is not None:
            self._kernel.remove(number)

    # ------------------------------------------------------------ what happened

    def wait(self, timeout_s: float) -> None:
        """Until something happens, `wake` is called or the time is up (infinite allowed)."""
        forever = timeout_s == float("inf")
        for fd, _ in self._poll.poll(None if forever else max(0.0, timeout_s * 1000)):
            if fd == self._wake_read:
                with suppress(BlockingIOError):
                    os.read(fd, 4096)

    def wake(self) -> None:
        """End `wait`; from any thread."""
        with suppress(OSError):
            os.write(self._wake_write, b"!")

    def take(self) -> dict[str, int]:
        """Paths that changed → how many writes that were; 0 where they are not counted."""
        self.look()
        changed, self._changed = self._changed, {}
        return changed

    def take_one(self, path: str) -> int:
        """The writes to one path, taken ahead of its turn."""
        return self.look().pop(path, 0)

    def look(self) -> dict[str, int]:
        """The same without taking them: they are still there for `take`."""
        if self._kernel is not None:
            for number, mask, name in self._kernel.read():
                self._event(number, mask, name)
        return self._changed

    def _event(self, number: int, mask: int, name: str) -> None:
        if mask & Q_OVERFLOW:
            self.lost = True
        elif mask & IGNORED:
            self._gone(number)
        elif (path := self._counted.get(number)) is not None:
            writes = self._changed[path] = self._changed.get(path, 0) + 1
            if writes > _NOISY:
                self.forget(number)
        elif (folder := self._folders.get(number)) is not None and name:
            for one in (folder, *self._same.get(number, ())):
                self._in_folder(f"{one.rstrip('/')}/{name}", mask)

    def _in_folder(self, path: str, mask: int) -> None:
        for wanted in self._routes.get(path, ()):
            self._changed.setdefault(wanted, 0)
        if not mask & ISDIR:
            self._changed.setdefault(path, 0)
        elif mask & (CREATE | MOVED_TO):
            for folder in self._walk.below(path):
                self.folder(folder)
                for file in self._walk.files(folder):
                    self._changed.setdefault(file, 0)
        elif mask & MOVED_FROM:
            self._moved_away(path)
            self.lost = True

    def _moved_away(self, folder: str) -> None:
        """A watch stays with its folder wherever that goes, so what was below the path is watched no more."""
        for path in [p for p in self._numbers if p == folder or p.startswith(folder + "/")]:
            if self._kernel is not None:
                self._kernel.remove(self._numbers[path])
            self._gone(self._numbers[path])

    def _gone(self, number: int) -> None:
        self._counted.pop(number, None)
        for path in (self._folders.pop(number, ""), *self._same.pop(number, ())):
            self._numbers.pop(path, None)

    def _refused(self, refused: OSError) -> None:
        self.live = False
        _log.warning("no file events to be had (%s): polling instead", refused)

    def close(self) -> None:
        """Give everything back."""
        if self._kernel is not None:
            self._kernel.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
