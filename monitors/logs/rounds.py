"""Looking at everything although no event said so, a little at a time: ten thousand files are looked at in passing.

The kernel's events are quick but no promise: network file systems send none, and a full queue drops them.
"""

from __future__ import annotations

import glob
import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nightshift.monitors.logs.files import Files
from nightshift.monitors.logs.followed import STDIN
from nightshift.monitors.logs.observe import Watches
from nightshift.monitors.logs.walk import Walk

if TYPE_CHECKING:
    from nightshift.daemon.kit.clock import Clock
    from nightshift.monitors.logs.settings import Settings

_SLICE = 16
_PER_SECOND = 200
_WALK_EVERY = 12
_POLL_SHARE = 10


class Rounds:
    """One round looks at every path known, first of all those saved, so that a renamed file is recognised; then, now
    and then or when events were lost, at every folder. `begin` does the first round at once."""

    def __init__(self, settings: Settings, clock: Clock, files: Files, watches: Watches, walk: Walk) -> None:
        self._settings, self._clock, self._files, self._watches, self._walk = settings, clock, files, watches, walk
        self._patterns = [os.path.abspath(f.path) for f in settings.files if f.path != STDIN]
        self._fixed = [pattern for pattern in self._patterns if not glob.has_magic(pattern)]
        self._round: Iterator[None] = iter(())
        self._number, self._size, self._folders = 0, 0, 1
        self._due_s = self._polled_s = -math.inf

    def due_s(self) -> float:
        """When the next slice is due, in monotonic seconds."""
        return self._due_s if self._watches.live else min(self._due_s, self._polled_s)

    def first(self) -> Iterator[None]:
        """The first round, as slices: the caller reads and delivers in between."""
        self._number = 0
        pending = self._looks(whole=True, first=True)
        while next(pending, self) is None:
            for _ in range(_SLICE):
                next(pending, None)
            yield None
        for pattern in self._patterns:
            self._files.saw_pattern(pattern)
        self._files.loaded()
        self._due_s = self._clock.monotonic() + self._settings.reconcile_s

    def slice(self) -> bool:
        """Look at what is due; whether a slice was done."""
        now_s = self._clock.monotonic()
        if not self._watches.live and now_s >= self._polled_s:
            self._look_at_known(now_s)
        if self._watches.lost:
            self._watches.lost = False
            self._round, self._due_s = self._looks(whole=True), now_s
        if now_s < self._due_s:
            return False
        for _ in range(_SLICE):
            if next(self._round, self) is self:
                self._next_round()
                break
        share = min(1.0, _SLICE / max(1, self._size))
        self._due_s = now_s + share * max(self._settings.reconcile_s, self._size / _PER_SECOND)
        return True

    def _next_round(self) -> None:
        self._number += 1
        whole = not self._watches.live or self._number % _WALK_EVERY == 0
        self._size = len(self._files.paths()) + (self._folders if whole else 0)
        self._round = self._looks(whole=whole)

    def _look_at_known(self, now_s: float) -> None:
        for path in (*self._files.paths(), *self._fixed):
            self._files.visit(path)
        spent_s = self._clock.monotonic() - now_s
        self._polled_s = now_s + max(self._settings.poll_s, _POLL_SHARE * spent_s)

    def _looks(self, *, whole: bool, first: bool = False) -> Iterator[None]:
        """One path or folder with every step."""
        for path in self._files.paths():
            self._files.visit(path, at_start=first)
            yield None
        if whole:
            yield from self._walked(self._walk.folders(), first)
        else:
            for root in self._walk.roots:
                if self._watches.folder(root):
                    yield from self._walked(self._walk.below(root), first)
        for path in self._fixed:
            self._files.visit(path, at_start=first)
            yield None

    def _walked(self, folders: Iterator[str], first: bool) -> Iterator[None]:
        count = 0
        for folder in folders:
            count += 1
            self._watches.folder(folder)
            for path in self._walk.files(folder):
                self._files.visit(path, at_start=first)
                yield None
            yield None
        self._folders = max(1, count)
