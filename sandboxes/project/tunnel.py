"""Carries the connections of a build to the mirror over the one pair of pipes a sealed command has.

A build has no network: a loopback port inside (see `sandboxes.inside.project_build`) takes pip's connections and sends
their bytes as frames over the command's own standard streams. That works the same for an engine next door and for one
on another machine, and nothing of this machine is bound into the build. A frame is the connection (4 bytes, 0 is the
build's result), the length (4 bytes) and that many bytes; an empty one ends the connection.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

from nightshift.sandboxes.project.mirror import Mirror, Unreachable

log = logging.getLogger(__name__)

HEADER = struct.Struct(">II")
_CHUNK, _MOST, _RESULT = 1 << 15, 64, 0
_FRAME_BYTES = 1 << 24


class Tunnel:
    """The host's end. Feed it what the build writes; it writes what the build shall read."""

    def __init__(self, mirror: Mirror, write: Callable[[bytes], None]) -> None:
        self.result: bytes | None = None
        self._mirror, self._write = mirror, write
        self._raw, self._lock = bytearray(), threading.Lock()
        self._ends: dict[int, socket.socket] = {}
        self._threads: list[threading.Thread] = []

    def feed(self, data: bytes) -> None:
        """Take bytes as they come. Raises ValueError when they are no frames (something else wrote there)."""
        self._raw += data
        while len(self._raw) >= HEADER.size:
            number, size = HEADER.unpack_from(self._raw)
            if size > _FRAME_BYTES or number > 1 << 20:
                raise ValueError("the build wrote something that is no frame")
            if len(self._raw) < HEADER.size + size:
                return
            body = bytes(self._raw[HEADER.size : HEADER.size + size])
            del self._raw[: HEADER.size + size]
            self._frame(number, body)

    def close(self) -> None:
        """End every connection and wait for its threads."""
        for end in list(self._ends.values()):
            _shut(end)
        for thread in self._threads:
            thread.join(timeout=90)
        for end in self._ends.values():
            end.close()
        self._ends.clear()

    def _frame(self, number: int, body: bytes) -> None:
        if number == _RESULT:
            self.result = body
            return
        if number not in self._ends and body:
            if len(self._threads) >= 2 * _MOST * 16:
                raise ValueError("the build opened too many connections")
            self._open(number)
        end = self._ends.get(number)
        if end is None:
            return
        with contextlib.suppress(OSError):
            if body:
                end.sendall(body)
            else:
                end.shutdown(socket.SHUT_WR)

    def _open(self, number: int) -> None:
        mine, theirs = socket.socketpair()
        self._ends[number] = mine
        for target, args in ((self._serve, (theirs,)), (self._carry, (number, mine))):
            thread = threading.Thread(target=target, args=args, name="project-mirror", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        mirror = self._mirror

        class Handler(_Handler):
            answers = mirror

        with sock, contextlib.suppress(OSError, Unreachable):
            Handler(sock, ("build", 0), None)  # type: ignore[arg-type]

    def _carry(self, number: int, end: socket.socket) -> None:
        """From the mirror's answer into frames, until it ends."""
        data = b"."
        while data:
            try:
                data = end.recv(_CHUNK)
            except OSError:
                data = b""
            try:
                with self._lock:
                    self._write(HEADER.pack(number, len(data)) + data)
            except OSError:
                return


class _Handler(BaseHTTPRequestHandler):
    """GET and nothing else; the mirror decides what there is."""

    answers: Mirror
    protocol_version = "HTTP/1.1"
    timeout = 600

    def do_GET(self) -> None:
        """One page or file."""
        status, body = self.answers.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if "/simple/" in self.path else "application/octet-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for chunk in body:
                if chunk:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        except Unreachable:
            self.close_connection = True  # without the last chunk: cut off, and seen as that
            return
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:
        """The mirror logs what was fetched; requests as such are not news."""


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
