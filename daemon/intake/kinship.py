"""What a signal has in common with others, and whether that is enough to make them one incident.

Merging too much is the worse error: it hides a fault. So a *symptom* (an alert, a death by memory, a failing probe)
joins what it is near to, while a *cause* (an exception, an error line) joins another cause only on hard evidence: one
request, one trace, one fresh deploy, the same line of shared code. Only the first observation of each kind counts, so
that it does not matter which source is heard first.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache

from nightshift.daemon.intake.cleaning import storable
from nightshift.daemon.kit.frames import in_app
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Signal

GRACE_MS = 60_000
"""Clocks and evaluation intervals differ: a dependant's alert may seem so much older than what caused it."""
_ALONE = frozenset({"ci", "blind", "unknown", ""})
"""Kinds, sources and services that say nothing about what runs: a failing pipeline is no symptom of production."""
_HAPPENS = frozenset({"oom", "die", "crash", "crash_loop", "exit", "evicted", "pod_failed", "restart", "event"})
"""Kinds that happen and are over; the others hold until their source says that they are resolved."""
_FLEETING = re.compile(r"(?i)(?:^|_)(?:value|link|links|time|timestamp|at|log|count|exit_code|level)$|url$")
_HARD = frozenset({"trace_id", "request_id", "deploy", "exception"})
_NO_GROUP = re.compile(r":\{\}$")
WORDS = {
    "trace_id": "the same trace {}", "request_id": "the same request {}", "deploy": "the same fresh deploy {}",
    "exception": "the same exception at the same place ({})", "container": "the same container {}",
    "pod": "the same pod {}", "alert_group": "the same Alertmanager group {}", "service": "the same service {}",
}  # fmt: skip


def rank(signal: Signal) -> int:
    """How well a signal can be mended from: 3 crash in the service's own code, 2 other exception, 1 error line, 0
    symptom."""
    if signal.frames:
        return 3 if any(_own(frame.path) for frame in signal.frames) else 2
    return 2 if signal.exception else 1 if signal.kind == "error" else 0


_own = lru_cache(maxsize=4096)(in_app)


def sociable(signal: Signal) -> bool:
    """Whether a signal may be correlated at all."""
    return signal.kind not in _ALONE and signal.source.partition(":")[0] not in _ALONE


def holds(signal: Signal, rank: int) -> bool:
    """Whether a signal of this rank is a state that lasts until it is resolved."""
    return not rank and signal.kind not in _HAPPENS


def instance(signal: Signal, fingerprint: str) -> str:
    """One of several that may fire under one fingerprint: the same for its beginning and its end."""
    given = signal.labels.get("fingerprint") if signal.source.startswith("alertmanager") else ""
    labels = [given] if given else sorted(f"{k}={v}" for k, v in signal.labels.items() if not _FLEETING.search(k))
    return stable_id("fire", signal.source, signal.service, fingerprint, *labels)


def release(signal: Signal) -> str:
    """The commit or release a signal says it comes from, '' when it says nothing."""
    return storable((signal.labels.get("commit") or signal.labels.get("release") or "")[:100])


def tokens(signal: Signal, deploys: Collection[str] = ()) -> list[str]:
    """What a signal has in common with others of its cause, as `kind:value`, hard evidence first."""
    return list(_tokens(signal, deploys)) if sociable(signal) else []


def _tokens(signal: Signal, deploys: Collection[str]) -> Iterator[str]:
    labels = signal.labels
    for name in ("trace_id", "request_id"):
        if labels.get(name):
            yield _token(name, labels[name])
    yield from (_token("deploy", deploy) for deploy in deploys)
    if place := _place(signal):
        yield _token("exception", place)
    for name in ("container", "pod", "alert_group"):
        value = labels.get(name)
        if value and not (name == "alert_group" and _NO_GROUP.search(value)):
            yield _token(name, f"{labels.get('namespace', '')}/{value}" if name == "pod" else value)
    if signal.service not in _ALONE:
        yield _token("service", signal.service)


def _token(kind: str, value: str) -> str:
    token = f"{kind}:{value}".replace("\0", "").encode("utf-8", "replace").decode()
    return token if len(token) <= 240 else f"{kind}:{stable_id('long', value)}"


def _place(signal: Signal) -> str:
    """Where the service's own code crashed, to the line: equal in two services only when they share that code."""
    if not signal.frames or not in_app(signal.frames[-1].path):
        return ""
    crash = signal.frames[-1]
    return f"{signal.exception} {crash.path}:{crash.line} {crash.code.strip()[:80]}".rstrip()


def is_hard(token: str) -> bool:
    """Whether a tie is enough to make two causes one incident."""
    return token.partition(":")[0] in _HARD


def kind_of(token: str) -> str:
    """The kind of a tie."""
    return token.partition(":")[0]


def said(token: str, apart_ms: int) -> str:
    """A tie as people read it."""
    kind, _, value = token.partition(":")
    return f"joined because of {WORDS[kind].format(value[:120])}, {apart_ms / 1000:.0f} s apart"


def dependants(topology: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """service → those that depend on it."""
    found: dict[str, set[str]] = {}
    for service, needs in topology.items():
        for need in needs:
            found.setdefault(need, set()).add(service)
    return found
