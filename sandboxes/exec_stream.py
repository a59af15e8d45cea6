"""One command's life inside a container: its bytes, its deadline, its caps.

The engine multiplexes stdout and stderr over one hijacked connection; the socket is shut down before anything is
killed, because an undrained stream makes kill, wait and remove hang.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

_HEADER = 8
_CHUNK = 1 << 16
_STDERR = 2


class Stream:
    """Pumps stdin in and frames out until the stream ends, the deadline passes or a cap is hit."""

    def __init__(self, sock: socket.socket, early: bytes, cap: int, on_line: Callable[[bytes], None] | None) -> None:
        self._sock, self._cap, self._on_line = sock, cap, on_line
        self._raw = bytearray(early)
        self.stdout, self.stderr, self._tail = bytearray(), bytearray(), bytearray()
        self._sock.setblocking(False)

    def pump(self, stdin: bytes, deadline: float, ended: Callable[[], bool]) -> str:
        """Returns exited | timeout | output. `ended` is asked, rarely, whether a silent command is over:
        a daemonised child that kept the pipe would otherwise hold the stream open."""
        left, idle_s = memoryview(stdin), 0.2
        ask_at = time.monotonic() + 1.0
        self._frames()
        while (now := time.monotonic()) < deadline:
            if len(self.stdout) > self._cap or len(self.stderr) > self._cap:
                return "output"
            readable, writable = self._wait(bool(left), min(idle_s, deadline - now))
            if writable:
                left = self._send(left)
            if readable and not self._receive():
                self._last_line()
                return "exited"
            if not readable and not writable and now > ask_at:
                if ended():
                    self._last_line()
                    return "exited"
                ask_at = now + 1.0
        return "timeout"

    def close(self) -> None:
        """Shut both directions, so that the engine stops copying before anything is killed."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def output(self) -> tuple[bytes, bytes]:
        """Both streams, cut at the cap."""
        return bytes(self.stdout[: self._cap]), bytes(self.stderr[: self._cap])

    def _wait(self, writing: bool, timeout_s: float) -> tuple[bool, bool]:
        poller = select.poll()
        poller.register(self._sock, select.POLLIN | (select.POLLOUT if writing else 0))
        flags = dict(poller.poll(max(1, int(timeout_s * 1000)))).get(self._sock.fileno(), 0)
        return bool(flags & ~select.POLLOUT), bool(flags & select.POLLOUT)

    def _send(self, left: memoryview) -> memoryview:
        try:
            left = left[self._sock.send(left[:_CHUNK]) :]
        except BlockingIOError:
            return left
        except (BrokenPipeError, ConnectionResetError):
            return left[:0]
        if not left:
            self._sock.shutdown(socket.SHUT_WR)
        return left

    def _receive(self) -> bool:
        try:
            data = self._sock.recv(_CHUNK)
        except BlockingIOError:
            return True
        self._raw += data
        self._frames()
        return bool(data)

    def _frames(self) -> None:
        at = 0
        while len(self._raw) - at >= _HEADER:
            size = int.from_bytes(self._raw[at + 4 : at + _HEADER], "big")
            if len(self._raw) - at - _HEADER < size:
                break
            self._take(self._raw[at], bytes(self._raw[at + _HEADER : at + _HEADER + size]))
            at += _HEADER + size
        del self._raw[:at]

    def _take(self, kind: int, data: bytes) -> None:
        (self.stderr if kind == _STDERR else self.stdout).extend(data)
        if kind == _STDERR or not self._on_line:
            return
        first, *more = data.split(b"\n")
        self._tail += first
        for rest in more:
            line, self._tail = bytes(self._tail), bytearray(rest)
            self._on_line(line)

    def _last_line(self) -> None:
        if self._tail and self._on_line:
            self._on_line(bytes(self._tail))
        self._tail.clear()


def hijack(api: Any, exec_id: str) -> tuple[socket.socket, bytes, Callable[[], None]]:
    """Start an exec and take over its connection: the socket, bytes that came with the headers, and what releases the
    connection when the socket is done with.

    The SDK's own reader can lose what arrived together with the HTTP headers (it stays in the buffered reader);
    here it is read out first. The response must be kept alive as long as the socket is used, and closed then: a socket
    that files were made of stays open until the last of them is.
    """
    reader = api.exec_start(exec_id, socket=True)
    sock: socket.socket = getattr(reader, "_sock", reader)
    response = getattr(reader, "_response", None)
    buffered = getattr(getattr(getattr(response, "raw", None), "_fp", None), "fp", None)
    sock.setblocking(False)
    early = b""
    if buffered is not None and hasattr(buffered, "peek"):
        early = bytes(buffered.peek() or b"")

    def release() -> None:
        for close in (getattr(each, "close", None) for each in (reader, response)):
            with contextlib.suppress(OSError, ValueError):
                if close:
                    close()

    return sock, early, release


class Duplex:
    """A command that is talked with while it runs: `send` from any thread, `pump` what it writes."""

    def __init__(self, api: Any, exec_id: str) -> None:
        self._sock, early, self._release = hijack(api, exec_id)
        self._raw, self._words, self._lock = bytearray(early), bytearray(), threading.Lock()

    def send(self, data: bytes) -> None:
        """Write to the command's standard input. Raises OSError when it is gone."""
        with self._lock:
            left = memoryview(data)
            while left:
                try:
                    left = left[self._sock.send(left[:_CHUNK]) :]
                except BlockingIOError:
                    poller = select.poll()
                    poller.register(self._sock, select.POLLOUT)
                    poller.poll(1000)

    def pump(self, feed: Callable[[bytes], None], deadline: float, stop: Callable[[], str]) -> str:
        """Give its standard output to `feed` until it ends; returns exited | timeout | the word of `stop`."""
        poller = select.poll()
        poller.register(self._sock, select.POLLIN)
        self._take(feed)
        while time.monotonic() < deadline:
            if word := stop():
                return word
            if not poller.poll(500):
                continue
            try:
                data = self._sock.recv(_CHUNK)
            except BlockingIOError:
                continue
            if not data:
                return "exited"
            self._raw += data
            self._take(feed)
        return "timeout"

    def words(self) -> bytes:
        """The end of its standard error."""
        return bytes(self._words)

    def close(self) -> None:
        """Shut both directions."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        self._release()

    def _take(self, feed: Callable[[bytes], None]) -> None:
        while len(self._raw) >= _HEADER:
            size = int.from_bytes(self._raw[4:_HEADER], "big")
            if len(self._raw) < _HEADER + size:
                return
            kind, data = self._raw[0], bytes(self._raw[_HEADER : _HEADER + size])
            del self._raw[: _HEADER + size]
            if kind == _STDERR:
                self._words = (self._words + data)[-_CHUNK:]
            else:
                feed(data)
