"""An end for a whole HTTP exchange: a client's time-out starts anew with every byte, so drips keep it waiting."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl


class Deadline:
    """Hangs up when the time is over, in whatever state the exchange is: connected, shaking hands, reading. Its `trace`
    is given to httpx, which tells it of the connection."""

    def __init__(self, timeout_s: float) -> None:
        self.passed = False
        self._timer = threading.Timer(timeout_s, self._pass)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._wire: socket.socket | None = None

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """What httpx does, step by step."""
        if event == "connection.connect_tcp.complete":
            connected = info["return_value"].get_extra_info("socket")
            with self._lock:
                # A duplicate: the handshake replaces the object, not the connection.
                self._wire = socket.socket(fileno=os.dup(connected.fileno()))
                self._hang_up_if_over()

    def _pass(self) -> None:
        with self._lock:
            self.passed = True
            self._hang_up_if_over()

    def _hang_up_if_over(self) -> None:
        if self.passed and self._wire is not None:
            with contextlib.suppress(OSError):
                self._wire.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            if self._wire is not None:
                self._wire.close()
                self._wire = None


def trusted(ca_file: Path | None) -> ssl.SSLContext:
    """What to verify servers with; made once, since reading all authorities takes 15 ms, and anew when the file is."""
    return _context(str(ca_file) if ca_file else "", ca_file.stat().st_mtime_ns if ca_file else 0)


@lru_cache(maxsize=32)
def _context(ca_file: str, _changed_ns: int) -> ssl.SSLContext:
    import ssl

    import httpx

    return ssl.create_default_context(cafile=ca_file) if ca_file else httpx.create_ssl_context(trust_env=False)
