"""From what happened to a container to the signal people see, with the end of the log of the run that died."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Severity, Signal
from nightshift.monitors.docker.engine import inspected, log_of
from nightshift.monitors.docker.whom import Whom
from nightshift.monitors.lastwords import LastWords, last_words, with_last_words
from nightshift.monitors.shapes import number, rows, table, text

if TYPE_CHECKING:
    from docker import APIClient

    from nightshift.monitors.docker.settings import Settings

_NO_DEFECT = frozenset({130, 137, 143})


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the engine told: which container, its labels with `name`, `image` and perhaps `exitCode`, and when."""

    engine: APIClient
    container: str
    attributes: Mapping[str, str]
    at_ns: int

    def at(self, at_ns: int, **attributes: str) -> Told:
        """The same, at another time and with more attributes."""
        return replace(self, at_ns=at_ns, attributes={**self.attributes, **attributes})


def telling(
    told: Told, *, kind: str, key: str, whom: Whom, settings: Settings, clock: Clock, since_ms: int, count: int = 1
) -> Signal:
    """`kind`: oom, exit, unhealthy, or restarts (deaths that only a counter tells of). Never raises for a log."""
    attributes, name = told.attributes, told.attributes.get("name", "")
    service, code = whom.service(attributes), attributes.get("exitCode", "")
    said = {
        "oom": "ran out of memory", "exit": f"died with exit code {code}", "restarts": "died and was restarted",
        "unhealthy": "is unhealthy",
    }[kind]  # fmt: skip
    labels = whom.labels(attributes) | ({"exit_code": code} if code else {})
    at_ms = told.at_ns // 10**6
    signal = Signal(
        key=key, source="docker", service=service, title=f"container of {service} {said}", at_ms=at_ms,
        kind="exit" if kind == "restarts" else kind, count=count,
        severity=Severity.CRITICAL if kind == "oom" else Severity.ERROR,
        message=f"{name} ({attributes.get('image', '?')}, {told.container[:12]}) {said}", labels=labels,
    )  # fmt: skip
    if kind == "unhealthy":
        return _with_check(signal, told, settings, since_ms)
    words = _words(told, service, settings, clock, since_ms, at_ms)
    return with_last_words(signal, words, blame=kind != "oom" and number(code) not in _NO_DEFECT)


def _words(told: Told, service: str, settings: Settings, clock: Clock, since_ms: int, until_ms: int) -> LastWords:
    """The end of both streams as they came; a trace that the other stream tore apart is looked for in its own."""
    until_ms += 1  # times are cut to milliseconds
    read = log_of(told.engine, told.container, settings, since_ms, until_ms)
    name = told.attributes.get("name", "")
    words = last_words(read, service=service, clock=clock, name=name, most=settings.log_bytes)
    if words.crash is not None or not read:
        return words
    errors = log_of(told.engine, told.container, settings, since_ms, until_ms, only_errors=True)
    apart = last_words(errors, service=service, clock=clock, name=name, most=settings.log_bytes)
    return replace(words, crash=apart.crash)


def _with_check(signal: Signal, told: Told, settings: Settings, since_ms: int) -> Signal:
    """What the health check printed, and the last lines of the container."""
    checks = rows(table(inspected(told.engine, told.container), "State", "Health").get("Log"))
    output = text(checks[-1].get("Output")).strip() if checks else ""
    raw = log_of(told.engine, told.container, settings, since_ms, told.at_ns // 10**6 + 1)
    said = f"{signal.message}: {output[:500]}" if output else signal.message
    return replace(signal, message=said, sample=raw.replace(b"\r\n", b"\n").decode("utf-8", "replace"))


def resolved(ill: Mapping[str, Any], at_ms: int) -> Signal:
    """The end of what made a container unhealthy: it is healthy again, or gone."""
    labels = ill.get("labels")
    return Signal(
        key=f"{ill.get('key')}:resolved", source="docker", service=str(ill.get("service")), title=str(ill.get("title")),
        at_ms=at_ms, kind="unhealthy", labels=dict(labels) if isinstance(labels, dict) else {}, resolved=True,
        message="it is healthy again, or gone",
    )  # fmt: skip
