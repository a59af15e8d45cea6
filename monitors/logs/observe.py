"""Learning from the kernel that files changed: one watch per distinct folder, events only for what matters.

Watchdog's default event mask also reports every open and close, which overflows the kernel's queue on big trees;
an explicit filter is a must. Where the kernel refuses (watch limits), the monitor polls; one line says so.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from nightshift.monitors.logs.patterns import roots

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import ObservedWatch

_log = logging.getLogger(__name__)


class Watches:
    """Runs the observer; `changed` is called with a path from its thread. `live` is False when only polling helps."""

    def __init__(
        self, patterns: Iterable[str], changed: Callable[[str], None], observer: Callable[[], Any] | None = None
    ) -> None:
        self._roots, self._changed, self._make = roots(patterns), changed, observer or _observer
        self._observer: Any = None
        self._watched: dict[str, tuple[ObservedWatch, tuple[int, int]]] = {}
        self._lock = threading.Lock()
        self.live = True

    def refresh(self) -> None:
        """Watch folders that have appeared, or were made anew, since the last call."""
        for folder, recursive in self._roots.items():
            if not self.live:
                return
            try:
                status = os.stat(folder)
            except OSError:
                self._forget(folder)
                continue
            seen = self._watched.get(folder)
            if seen is None or seen[1] != (status.st_dev, status.st_ino):
                self._forget(folder)
                self._watch(folder, recursive, (status.st_dev, status.st_ino))

    def _watch(self, folder: str, recursive: bool, identity: tuple[int, int]) -> None:
        from watchdog.events import FileCreatedEvent, FileDeletedEvent, FileModifiedEvent, FileMovedEvent

        wanted: Any = [FileModifiedEvent, FileCreatedEvent, FileMovedEvent, FileDeletedEvent]
        try:
            watch = self._started().schedule(self._handler(), folder, recursive=recursive, event_filter=wanted)
        except OSError as refused:
            self.live = False
            _log.warning("no file events to be had (%s): polling instead", refused)
        else:
            self._watched[folder] = (watch, identity)

    def _started(self) -> Any:
        if self._observer is None:
            observer = self._make()
            observer.start()
            self._observer = observer
        return self._observer

    def _handler(self) -> Any:
        from watchdog.events import FileSystemEventHandler

        changed = self._changed

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: FileSystemEvent) -> None:
                for path in (event.src_path, event.dest_path):
                    if path:
                        changed(os.fsdecode(path))

        return Handler()

    def _forget(self, folder: str) -> None:
        watch = self._watched.pop(folder, None)
        if watch is not None:
            try:
                self._observer.unschedule(watch[0])
            except (KeyError, OSError):  # its emitter ended with the folder
                _log.debug("watch of %s was gone already", folder)

    def close(self) -> None:
        """End the observer's threads."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(5.0)


def _observer() -> Any:
    from watchdog.observers import Observer

    return Observer()
