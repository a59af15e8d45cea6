"""A monitor blocks in a read that may last minutes; this ends the read the moment the daemon wants to stop."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator


class Interrupt:
    """Calls the guarded read's `end` from a thread of its own once `stop` is set; `end` may raise OSError."""

    def __init__(self, stop: threading.Event, name: str) -> None:
        self._stop, self._lock = stop, threading.Lock()
        self._end: Callable[[], None] | None = None
        threading.Thread(target=self._wait, name=f"{name}-interrupt", daemon=True).start()

    def _wait(self) -> None:
        self._stop.wait()
        with self._lock:
            self._call()

    def _call(self) -> None:
        if self._end is not None:
            with contextlib.suppress(OSError, ValueError, RuntimeError, AttributeError):
                self._end()
            self._end = None

    @contextlib.contextmanager
    def guarding(self, end: Callable[[], None]) -> Iterator[None]:
        """While the block runs, `stop` ends the read by calling `end`; at once if it is set already."""
        with self._lock:
            self._end = end
            if self._stop.is_set():
                self._call()
        try:
            yield
        finally:
            with self._lock:
                self._end = None
