"""The endpoint SDKs speak to: who may, how much, and what of an envelope is a failure.

Keys of browser and mobile applications are public, so whoever shows one may still be hostile: what one call can cost in
memory and time is bounded before it is read.
"""

from __future__ import annotations

import re
import threading
from base64 import b64decode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from nightshift.daemon.kit import doors
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.redact import register_secret
from nightshift.daemon.model import Signal
from nightshift.daemon.ports import Call, Receipt, Refused
from nightshift.monitors.sentry import PATHS, envelope
from nightshift.monitors.sentry.event import signal_of
from nightshift.monitors.unpack import unpack

if TYPE_CHECKING:
    from nightshift.monitors.sentry import Project, Settings

BODY_LIMIT, UNPACKED_LIMIT = 4 << 20, 16 << 20
_PATH = re.compile(r"/api/([0-9A-Za-z_-]{1,64})/(envelope|store)/?\Z")
_KEY = re.compile(r"(?:^|[\s,])sentry_key\s*=\s*([0-9A-Za-z_-]{1,200})")
_ID = re.compile(r"[0-9a-f]{32}\Z")
_MINUTE_MS = 60_000


class Endpoint:
    """Port `Receiver`. Sessions, transactions, replays and whatever else there is are taken politely and forgotten."""

    name = "sentry"
    paths: tuple[str, ...] = PATHS
    methods: tuple[str, ...] = ("POST", "OPTIONS")
    body_limit = BODY_LIMIT

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._projects: Mapping[str, Project] = {project.id: project for project in settings.projects}
        self._taken: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()
        for project in settings.projects:
            register_secret(project.key.get_secret_value())

    def read(self, call: Call) -> Receipt:
        """One envelope or event. Raises Refused (unknown project, wrong key), ValueError (not understood)."""
        allowed = self._cors(call)
        if call.method == "OPTIONS":
            return Receipt(headers=allowed)
        found = _PATH.match(call.path)
        project = self._projects.get(found[1]) if found else None
        if found is None or project is None:
            raise Refused("sentry: no such project; it is the last part of the DSN")
        header, items = _opened(project, call, enveloped=found[2] == "envelope")
        if wait_s := self._over(project, sum(kind == "event" for kind, _ in items)):
            return _later(wait_s, allowed)
        signals = list(self._signals(project, header, items))
        name = signals[0].key.rpartition(":")[2] if signals else event_id(header)
        return Receipt(signals=signals, body={"id": name} if name else {}, headers=allowed)

    def _signals(self, project: Project, header: Mapping[str, Any], items: list[envelope.Item]) -> Iterator[Signal]:
        for kind, payload in items:
            if kind != "event":
                continue
            event = envelope.read_object(payload, "event")
            id_ = event_id(event) or event_id(header) or sha256(payload).hexdigest()[:32]
            signal = signal_of(event, project=project.id, service=project.service, event_id=id_,
                               now_ms=self._clock.now_ms())  # fmt: skip
            if signal is not None:
                yield signal

    def _over(self, project: Project, events: int) -> int:
        """Seconds to wait when a project's events of this minute are used up; 0: take it."""
        now_ms = self._clock.now_ms()
        with self._lock:
            minute, count = self._taken.get(project.id, (0, 0))
            minute, count = (now_ms // _MINUTE_MS, 0) if minute != now_ms // _MINUTE_MS else (minute, count)
            if events and count + events > self._settings.events_per_minute:
                return max(1, 60 - now_ms % _MINUTE_MS // 1000)
            self._taken[project.id] = (minute, count + events)
        return 0

    def _cors(self, call: Call) -> dict[str, str]:
        origin, allowed = call.headers.get("origin", ""), self._settings.browser_origins
        if not origin or not ({"*", origin} & set(allowed)):
            return {}
        return {
            "access-control-allow-origin": "*" if "*" in allowed else origin, "vary": "origin",
            "access-control-allow-methods": "POST", "cross-origin-resource-policy": "cross-origin",
            "access-control-allow-headers": "x-sentry-auth, x-requested-with, content-type, content-encoding",
            "access-control-expose-headers": "x-sentry-error, x-sentry-rate-limits, retry-after",
        }  # fmt: skip


def event_id(named: Mapping[str, Any]) -> str:
    """The id an event or an envelope's header carries: 32 hex digits, '' without a valid one."""
    id_ = named.get("event_id")
    id_ = id_.replace("-", "").lower() if isinstance(id_, str) else ""
    return id_ if _ID.match(id_) else ""


def _opened(project: Project, call: Call, *, enveloped: bool) -> tuple[Mapping[str, Any], list[envelope.Item]]:
    """The envelope's header and items. A shown key is looked at before anything is unpacked."""
    shown = _shown(call)
    if shown or not enveloped:
        _admit(project, shown)
    body = unpack(call.body, call.headers.get("content-encoding", ""), UNPACKED_LIMIT)
    if not enveloped:
        return {}, [("event", _plain(body))]
    header, start = envelope.read_header(body)
    if not shown:
        _admit(project, _dsn_key(header.get("dsn")))
    return header, list(envelope.items(body, start))


def _plain(body: bytes) -> bytes:
    """A stored event as JSON: clients older than the SDKs send base64 of deflate, and no content-encoding."""
    if body.lstrip()[:1] == b"{" or len(body) > BODY_LIMIT:
        return body
    try:
        packed = b64decode(body.strip(), validate=True)
    except ValueError:
        return body
    return unpack(packed, "deflate", UNPACKED_LIMIT)


def _shown(call: Call) -> str:
    """The key in a call's headers or query."""
    found = _KEY.search(call.headers.get("x-sentry-auth", "")) or _KEY.search(call.headers.get("authorization", ""))
    return found[1] if found else call.query.get("sentry_key", "")


def _admit(project: Project, key: str) -> None:
    """Raises Refused unless it is the project's key."""
    if not doors.same(key, project.key):
        raise Refused("sentry: the key is wrong or missing; it is the user part of the DSN")


def _dsn_key(dsn: object) -> str:
    try:
        return urlsplit(dsn).username or "" if isinstance(dsn, str) else ""
    except ValueError:
        return ""


def _later(wait_s: int, headers: Mapping[str, str]) -> Receipt:
    limits = {"retry-after": str(wait_s), "x-sentry-rate-limits": f"{wait_s}:error:key"}
    body = {"error": "too many events of this project in this minute", "fix": "raise monitors.sentry.events_per_minute"}
    return Receipt(status=429, body=body, headers={**headers, **limits})
