"""The door: which Host may be addressed, how large and how slow a body may be, and what every answer carries.

The Host check stops DNS rebinding: a web page can make a browser resolve its own name to 127.0.0.1 and then talk to
servers that trust the loopback address.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from nightshift.daemon.web.answers import problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 1 << 20
MAX_HELD_BYTES = 64 << 20
"""Of all large bodies together: many callers that are slow on purpose must not fill the memory."""
SMALL_BYTES = 64 << 10
"""Bodies up to this are always read."""
BODY_TIMEOUT_S = 20.0
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}


class Guard:
    """Outermost ASGI middleware."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str,
        hosts: Iterable[str] = (),
        limit: Callable[[str], int] = lambda _: MAX_BODY_BYTES,
        most: int = MAX_HELD_BYTES,
    ) -> None:  # fmt: skip
        self._limit, self._most, self._held = limit, most, 0
        named = {h.lower().strip("[]") for h in hosts}
        self._app = app
        self._hosts = named | {"localhost", "127.0.0.1", "::1", host.lower()} if is_loopback(host) or named else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        hold = _Hold(self)
        try:
            answer, receive = await self._admitted(scope, receive, hold)
            await answer(scope, receive, send)
        finally:
            hold.keep(0)

    async def _admitted(self, scope: Scope, receive: Receive, hold: _Hold) -> tuple[ASGIApp, Receive]:
        """Who answers, and the body it reads."""
        headers = Headers(scope=scope)
        if self._hosts is not None and _host(headers) not in self._hosts:
            fix = "call it by 127.0.0.1, or add http.hosts"
            return problem(421, "this server is not known under that name", fix), receive
        body = await _body(headers, receive, self._limit(scope["path"]), hold)
        return (self._app, _replay(body, receive)) if isinstance(body, bytes) else (body, receive)

    def hold(self, size: int) -> bool:
        """Count bytes that are kept in memory (or, below 0, no longer are); False when they are too many."""
        self._held += size
        return self._held <= self._most


class _Crowded(Exception):
    """All callers together hold too much."""


class _Hold:
    """What one request keeps in memory."""

    def __init__(self, guard: Guard) -> None:
        self._guard, self._bytes = guard, 0

    def keep(self, size: int) -> None:
        """From now on so much. Raises _Crowded when it is more than before and all together are too many."""
        grown, self._bytes = size - self._bytes, size
        if not self._guard.hold(grown) and grown > 0:
            raise _Crowded


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _host(headers: Headers) -> str:
    given = headers.get("host", "").lower()
    return given[1:].partition("]")[0] if given.startswith("[") else given.partition(":")[0]


async def _body(headers: Headers, receive: Receive, limit: int, hold: _Hold) -> bytes | ASGIApp:
    """The whole body, or the answer to give instead."""
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        return _too_large(limit)
    if not length and "transfer-encoding" not in headers:
        return b""
    try:
        return await asyncio.wait_for(_read(receive, limit, hold), BODY_TIMEOUT_S)
    except TimeoutError:
        return problem(408, f"the body took longer than {BODY_TIMEOUT_S:.0f} s", "send it faster")
    except OverflowError:
        return _too_large(limit)
    except _Crowded:
        return problem(503, "too many large bodies at once; nothing was taken", "send it again later")
    except ConnectionError:
        return problem(400, "the body ended early", "send it again")


def _too_large(limit: int) -> ASGIApp:
    return problem(413, f"the body is larger than {limit} bytes", "send less at once")


async def _read(receive: Receive, limit: int, hold: _Hold) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        body += message.get("body", b"")
        if len(body) > limit:
            raise OverflowError
        if len(body) > SMALL_BYTES:
            hold.keep(len(body))
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sent
