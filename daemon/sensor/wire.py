"""One kept-alive HTTP/1.1 connection. `httptools` parses; the standard library's client would bring the mail parser and
TLS along, six megabytes that most sensors never use."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_READ_BYTES = 16 << 10
_ANSWER_BYTES = 64 << 10


class Broken(OSError):
    """The connection ended early, or what came was no HTTP."""


@dataclass
class Answer:
    """What came back; filled by the parser."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    done: bool = False
    keep: bool = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, data: bytes) -> None:
        """Some of the body."""
        self.body += data
        if len(self.body) > _ANSWER_BYTES:
            raise Broken("the answer is too long")

    def on_message_complete(self) -> None:
        """All is there."""
        self.done = True


class Connection:
    """To one server, made when it is needed. TLS certificates are always verified."""

    def __init__(self, url: str, *, timeout_s: float, ca_file: str = "") -> None:
        self._url, self._timeout_s, self._ca_file = urlsplit(url), timeout_s, ca_file
        self._socket: socket.socket | None = None

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send and wait for the answer. Raises OSError, after which the connection is closed.

        A kept connection may have been closed by the server in the meantime (RFC 9112, 9.3.1): then a new one is tried
        at once, so a body may arrive twice.
        """
        kept = self._socket is not None
        try:
            answer = self._exchange(path, headers, body)
        except TimeoutError:
            self.close()
            raise
        except OSError:
            self.close()
            if not kept:
                raise
            return self.post(path, headers, body)
        if not answer.keep:
            self.close()
        return answer

    def _exchange(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        import httptools

        wire = self._socket = self._socket or self._connected()
        told = {"host": self._url.netloc, "content-length": str(len(body)), **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        wire.sendall(f"POST {self._url.path.rstrip('/')}{path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        answer = Answer()
        parser = httptools.HttpResponseParser(answer)
        try:
            while not answer.done:
                if not (data := wire.recv(_READ_BYTES)):
                    raise Broken("the connection ended before the answer")
                parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise Broken(f"no HTTP answer: {error}") from None
        answer.status, answer.keep = parser.get_status_code(), parser.should_keep_alive()
        return answer

    def _connected(self) -> socket.socket:
        host, secure = self._url.hostname or "", self._url.scheme == "https"
        wire = socket.create_connection((host, self._url.port or (443 if secure else 80)), self._timeout_s)
        if not secure:
            return wire
        import ssl

        context = ssl.create_default_context(cafile=self._ca_file or None)
        return context.wrap_socket(wire, server_hostname=host)

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
