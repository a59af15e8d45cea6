"""Sources that call us: webhooks, SDKs, sensors. Every receiver has its paths; what it reads is stored, then answered.

It stands before the application because a framework's routing would cost more than reading an event does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.datastructures import Headers, QueryParams
from starlette.responses import JSONResponse, Response
from starlette.routing import compile_path

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.ports import Call, EnvironmentBroke, Receipt, Receiver, Refused
from nightshift.daemon.store.database import STORE_ERRORS
from nightshift.daemon.web.answers import problem
from nightshift.daemon.web.inbox import Inbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from re import Pattern

    from starlette.types import ASGIApp, Receive, Scope, Send

    from nightshift.daemon.web.api import Api

log = logging.getLogger(__name__)
_INLINE_BYTES, _INLINE_PACKED_BYTES = 32 << 10, 4 << 10
"""Bodies up to this are read on the event loop; larger ones in a thread, so that they hold nobody up. What is packed
may be a thousand times as large."""
_PACKED_INLINE = frozenset({"gzip", "deflate"})
_READERS = 2
_HEARERS = 2
"""Threads for what people did on a forge: hearing may have to wait for a push of ours that is under way."""


class Paths:
    """Which receiver a path belongs to; a slash at the end makes no difference."""

    def __init__(self, named: Iterable[tuple[str, str]]) -> None:
        self._known = [(_pattern(path), name) for path, name in named]

    def find(self, path: str) -> str:
        """Its name; '' when it is nobody's."""
        path = path.rstrip("/")
        return next((name for pattern, name in self._known if pattern.match(path)), "")


class Traffic(Collector):
    """What /metrics shows of calls."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox, own = inbox, CollectorRegistry()
        self._own = own
        self.calls = Counter("nightshift_calls", "Calls of sources, by answer", ["receiver", "status"], registry=own)
        self.signals = Counter("nightshift_received_signals", "Signals stored for callers", ["receiver"], registry=own)

    def describe(self) -> list[Metric]:
        """Nothing: names are free in every registry."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics as they are now."""
        yield GaugeMetricFamily("nightshift_inbox_signals", "Signals that wait to be stored", self._inbox.waiting)
        yield from self._own.collect()


class Receiving:
    """ASGI middleware: calls of sources are answered here, everything else goes on to the application."""

    def __init__(self, app: ASGIApp, api: Api) -> None:
        self._app, self._receivers = app, api.receivers
        self._paths = Paths((path, name) for name, one in api.receivers.items() for path in one.paths)
        self._closed = Paths(api.closed.items())
        self._inbox = Inbox(api.take)
        self._hear, self._hearers = api.hear, ThreadPoolExecutor(_HEARERS, thread_name_prefix="hearers")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="receivers")
        self._traffic = Traffic(self._inbox)
        api.registry.register(self._traffic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        name = self._paths.find(scope["path"]) if scope["type"] == "http" else ""
        if name:
            answer: ASGIApp = await self._answer(self._receivers[name], scope, receive)
        elif scope["type"] == "http" and (name := self._closed.find(scope["path"])):
            answer = problem(
                404, f"the {name} monitor is off", f"turn it on: `monitors: {{{name}: ...}}`, then restart"
            )
        else:
            answer = self._app
        await answer(scope, receive, send)

    async def _answer(self, receiver: Receiver, scope: Scope, receive: Receive) -> Response:
        answer = await self._answered(receiver, scope, receive)
        self._traffic.calls.labels(receiver.name, str(answer.status_code)).inc()
        return answer

    async def _answered(self, receiver: Receiver, scope: Scope, receive: Receive) -> Response:
        if scope["method"] not in receiver.methods:
            answer = problem(405, f"{scope['method']} is not understood here", f"use {', '.join(receiver.methods)}")
            answer.headers["allow"] = ", ".join(receiver.methods)
            return answer
        try:
            receipt = await self._read(receiver, await _call(scope, receive))
            if receipt.signals:
                await self._inbox.store(receipt.signals)
            if receipt.events:
                await asyncio.get_running_loop().run_in_executor(self._hearers, self._hear, receipt.events)
        except Refused as error:
            section = receiver.name if "." in receiver.name else f"monitors.{receiver.name}"
            return problem(401, str(error), f"see {section} in the configuration")
        except EnvironmentBroke as error:
            return problem(503, str(error), "nothing was taken; send it again")
        except STORE_ERRORS as error:
            log.error("the store failed for %s: %s", receiver.name, redact(str(error)))
            return problem(503, "the store can't be used now; nothing was taken", "send it again later")
        except ValueError as error:
            return problem(400, str(error), f"{receiver.name} does not understand this body")
        except Exception as error:  # the edge of a request: told as a status, its text stays in the log
            log.exception("%s failed", receiver.name)
            return problem(500, f"unexpected: {type(error).__name__}", "the daemon's log has the details")
        self._traffic.signals.labels(receiver.name).inc(len(receipt.signals))
        return JSONResponse(dict(receipt.body), receipt.status, headers=dict(receipt.headers))

    async def _read(self, receiver: Receiver, call: Call) -> Receipt:
        if _quick(call):
            return receiver.read(call)
        return await asyncio.get_running_loop().run_in_executor(self._readers, receiver.read, call)


class BodyLimits:
    """Called with a path."""

    def __init__(self, receivers: Mapping[str, Receiver], default: int) -> None:
        self._receivers, self._default = receivers, default
        self._paths = Paths((path, name) for name, one in receivers.items() for path in one.paths)

    def __call__(self, path: str) -> int:
        """Bytes."""
        name = self._paths.find(path)
        return self._receivers[name].body_limit if name else self._default


async def _call(scope: Scope, receive: Receive) -> Call:
    """A request as receivers see it; the guard has read its body already."""
    message = await receive()
    return Call(
        method=scope["method"], path=scope["path"], headers=dict(Headers(scope=scope).items()),
        query=dict(QueryParams(scope.get("query_string", b"")).items()), body=message.get("body", b""),
    )  # fmt: skip


def _quick(call: Call) -> bool:
    """Whether reading a call takes so little that a thread would cost more."""
    packing = call.headers.get("content-encoding", "identity").strip().lower()
    if packing in ("", "identity"):
        return len(call.body) <= _INLINE_BYTES
    return packing in _PACKED_INLINE and len(call.body) <= _INLINE_PACKED_BYTES


def _pattern(path: str) -> Pattern[str]:
    return compile_path(path.rstrip("/"))[0]
