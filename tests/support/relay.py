"""A door to the real engine that can be locked, slammed or made to lie: the engine itself is never harmed.

One thread per connection serves both directions (so it may be TLS, whose objects two threads must not share). What a
`Relay` does with each request is said by `fault`, which sees the request's first line.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable

Fault = Callable[[str], str]
"""From a request's first line to: '' (let it pass) | before (cut, unsent) | after (sent, then cut) | 5xx status."""


def passing(line: str) -> str:
    """No fault."""
    return ""


class Relay:
    """Listens on a loopback port; `requests` are the first lines of what was asked."""

    def __init__(self, target: str, *, fault: Fault = passing, tls: ssl.SSLContext | None = None) -> None:
        self._target, self.fault, self._tls = target, fault, tls
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.url = f"tcp://127.0.0.1:{self.port}"
        self.requests: list[str] = []
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                thread = threading.Thread(target=self._serve, args=(near,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, near: socket.socket) -> None:
        far = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(OSError), far:
            if self._tls:
                near = self._tls.wrap_socket(near, server_side=True)
            with near:
                far.connect(self._target)
                self._open |= {near, far}
                self._pump(near, far)
        near.close()
        self._open -= {near, far}

    def _pump(self, near: socket.socket, far: socket.socket) -> None:
        sources, cut = [near, far], ""
        while far in sources:
            ready = [near] if near in sources and isinstance(near, ssl.SSLSocket) and near.pending() else []
            ready = ready or select.select(sources, [], [], 60)[0]
            for source in ready:
                data = source.recv(65536)
                if source is near and data:
                    cut = self._seen(data, near) or cut
                    if cut == "answered":
                        return
                if cut == "before" or (cut == "after" and source is far):
                    return
                if not data:
                    sources.remove(source)
                    if source is near:
                        far.shutdown(socket.SHUT_WR)
                    continue
                (far if source is near else near).sendall(data)

    def _seen(self, data: bytes, near: socket.socket) -> str:
        line = data.split(b"\r\n", 1)[0].decode("latin-1")
        if not line.endswith("HTTP/1.1"):
            return ""
        self.requests.append(line)
        verdict = self.fault(line)
        if verdict.isdigit():
            near.sendall(f"HTTP/1.1 {verdict} no\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())
            return "answered"
        return verdict

    def slam(self) -> None:
        """Cut every connection; new ones are taken."""
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Cut every connection and take no more."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.slam()
        for thread in [self._thread, *self._threads]:
            thread.join(10)
