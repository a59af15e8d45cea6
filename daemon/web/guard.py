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
    ) -> None:  # fmt: skip
        self._limit = limit
        named = {h.lower().strip("[]") for h in hosts}
        self._app = app
        self._hosts = named | {"localhost", "127.0.0.1", "::1", host.lower()} if is_loopback(host) or named else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        headers = Headers(scope=scope)
        if self._hosts is not None and _host(headers) not in self._hosts:
            answer: ASGIApp | None = problem(
                421, "this server is not known under that name", "call it by 127.0.0.1, or add http.hosts"
            )
        else:
            body = await _body(headers, receive, self._limit(scope["path"]))
            answer = body if not isinstance(body, bytes) else None
            receive = _replay(body, receive) if isinstance(body, bytes) else receive
        await (answer or self._app)(scope, receive, send)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _host(headers: Headers) -> str:
    given = headers.get("host", "").lower()
    return given[1:].partition("]")[0] if given.startswith("[") else given.partition(":")[0]


async def _body(headers: Headers, receive: Receive, limit: int) -> bytes | ASGIApp:
    """The whole body, or the answer to give instead."""
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        return _too_large(limit)
    if not length and "transfer-encoding" not in headers:
        return b""
    try:
        return await asyncio.wait_for(_read(receive, limit), BODY_TIMEOUT_S)
    except TimeoutError:
        return problem(408, f"the body took longer than {BODY_TIMEOUT_S:.0f} s", "send it faster")
    except OverflowError:
        return _too_large(limit)
    except ConnectionError:
        return problem(400, "the body ended early", "send it again")


def _too_large(limit: int) -> ASGIApp:
    return problem(413, f"the body is larger than {limit} bytes", "send less at once")


async def _read(receive: Receive, limit: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        body += message.get("body", b"")
        if len(body) > limit:
            raise OverflowError
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
