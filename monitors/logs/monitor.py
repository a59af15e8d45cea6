"""The log monitor: which files there are, whose turn it is, and what is durable.

At-least-once: a checkpoint never lies behind the start of an event that is still open, and travels in the same
transaction as the signals found before it. Signal keys (generation and offset) make reading twice count once.
"""

from __future__ import annotations

import glob
import logging
import math
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Signal
from nightshift.daemon.ports import Sink
from nightshift.monitors.interrupt import Interrupt
from nightshift.monitors.logs.files import Files
from nightshift.monitors.logs.observe import Watches
from nightshift.monitors.logs.settings import Settings

_log = logging.getLogger(__name__)
_RETRY_S = 1.0


class LogMonitor:
    """Follows files and patterns until told to stop; nothing a log holds makes it fail."""

    name = "logs"

    def __init__(self, settings: Settings, clock: Clock, observer: Callable[[], Any] | None = None) -> None:
        self._settings, self._clock, self._observer = settings, clock, observer

    def watch(self, sink: Sink, checkpoints: Mapping[str, str], stop: threading.Event) -> None:
        """Blocks until `stop`; then saves offsets and leaves."""
        run = _Run(self._settings, self._clock, sink, stop, self._observer)
        run.files.load(checkpoints)
        try:
            run.loop()
        finally:
            run.close()


class _Run:
    """One life of the monitor."""

    def __init__(
        self, settings: Settings, clock: Clock, sink: Sink, stop: threading.Event, observer: Callable[[], Any] | None
    ) -> None:
        self._settings, self._clock, self._sink, self._stop = settings, clock, sink, stop
        self.files = Files(settings, clock)
        self._patterns = [os.path.abspath(f.path) for f in settings.files]
        self._wake, self._lock = threading.Event(), threading.Lock()
        self._changed: dict[str, None] = {}
        self._watches = Watches(self._patterns, self._note, observer)
        self._reconciled_s = -math.inf
        self._undelivered: list[Signal] = []

    def _note(self, path: str) -> None:
        """From the observer's thread: something happened to a path."""
        if self.files.concerns(path):
            with self._lock:
                self._changed[path] = None
            self._wake.set()

    def loop(self) -> None:
        with Interrupt(self._stop, "logs").guarding(self._wake.set):
            while not self._stop.is_set():
                now_s = self._clock.monotonic()
                if now_s >= self._reconciled_s + self._settings.reconcile_s:
                    self._reconcile(now_s)
                elif not self._watches.live:
                    self._look_at_all()
                self._turn()
                if not self.files.busy:
                    self._wake.wait(self._idle_s())
                self._wake.clear()

    def _reconcile(self, now_s: float) -> None:
        """Look at everything, events or not, and save every offset that moved."""
        self._watches.refresh()
        first, self._reconciled_s = self._reconciled_s == -math.inf, now_s
        self._look_at_all(at_start=first)
        for pattern in self._patterns:
            found = sorted(glob.iglob(pattern, recursive=True)) if glob.has_magic(pattern) else [pattern]
            for path in found:
                self.files.visit(path, at_start=first)
            self.files.saw_pattern(pattern)
        while self.files.busy and not self._stop.is_set():
            self._turn()
        self._deliver(everything=True)

    def _look_at_all(self, *, at_start: bool = False) -> None:
        """Every path known; first of all those saved, so that a file renamed meanwhile is recognised."""
        for path in (*self.files.paths(), *(p for p in self._patterns if not glob.has_magic(p))):
            self.files.visit(path, at_start=at_start)

    def _turn(self) -> None:
        """Every changed and every busy file is read once; what silence ended is closed; signals are delivered."""
        with self._lock:
            changed, self._changed = self._changed, {}
        for path in changed:
            self.files.visit(path)
        self.files.queue_older()
        self.files.read_busy()
        self.files.settle()
        self._deliver()

    def _deliver(self, *, everything: bool = False) -> None:
        """Hand over until it is durable; while the store is down reading stops, and the files are the buffer."""
        self._undelivered += self.files.take_signals()
        checkpoints = self.files.checkpoints() if everything or self._undelivered else {}
        if not self._undelivered and not checkpoints:
            return
        while not self._handed_over(self._undelivered, checkpoints):
            if self._stop.wait(_RETRY_S):
                return
        self._undelivered = []
        self.files.saved(checkpoints)

    def _handed_over(self, signals: list[Signal], checkpoints: Mapping[str, str]) -> bool:
        try:
            self._sink(signals, checkpoints)
        except Exception:  # noqa: BLE001 - whatever ails the store, nothing may be lost: said, then tried again
            _log.exception("signals could not be stored, trying again in %.0f s", _RETRY_S)
            return False
        return True

    def _idle_s(self) -> float:
        now_s = self._clock.monotonic()
        due_s = min(self._reconciled_s + self._settings.reconcile_s, self.files.due_s())
        return max(0.0, min(due_s - now_s, math.inf if self._watches.live else self._settings.poll_s))

    def close(self) -> None:
        self._watches.close()
        try:
            self._deliver(everything=True)
        finally:
            self.files.close()
