"""What a log record says besides its message: when, how bad, which logger, which request.

Timestamps without a zone are believed only when they are close to now, read as local time or as UTC: a service
that logs UTC on a host in another zone must not look hours late.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from nightshift.daemon.model import Severity

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(?: ?(Z|[+-]\d\d:?\d\d))?")
_LEVEL = re.compile(r"\b(DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)\b", re.IGNORECASE)
_FLASK = re.compile(r"Exception on (\S{1,300}) \[([A-Z]{3,7})\]")
_DJANGO = re.compile(r"Internal Server Error: (/\S{0,300})")
_ACCESS = re.compile(r"\b(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (/[^\s\"?]{0,300})")
_PAIR = re.compile(r'(?:^|\s)([A-Za-z_][\w.-]{0,60})=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_NAIVE_SKEW_MS = 300_000
LEVELS = {"debug": Severity.INFO, "info": Severity.INFO, "notice": Severity.INFO, "warn": Severity.WARNING,
          "warning": Severity.WARNING, "error": Severity.ERROR, "critical": Severity.CRITICAL,
          "fatal": Severity.CRITICAL, "trace": Severity.INFO, "severe": Severity.ERROR, "err": Severity.ERROR,
          "crit": Severity.CRITICAL, "emerg": Severity.CRITICAL, "emergency": Severity.CRITICAL,
          "alert": Severity.CRITICAL, "panic": Severity.CRITICAL, "dpanic": Severity.CRITICAL}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Record:
    """The circumstances of an event; `at_ms` is None when the record doesn't say."""

    at_ms: int | None = None
    level: str = ""
    labels: dict[str, str] = field(default_factory=dict)

    def severity(self) -> Severity:
        """What the level means; no level on a crash is an error."""
        return LEVELS.get(self.level.lower(), Severity.ERROR)


def level_of(text: str) -> str:
    """The first level token of a line in lower case, '' without one: `0 ERROR` in an INFO line is no error."""
    found = _LEVEL.search(text[:300])
    return found[1].lower() if found else ""


def read_record(text: str, now_ms: int) -> Record:
    """The circumstances told by one plain line (the one before a traceback, or the one it starts in)."""
    level = level_of(text)
    labels = {"level": level} if level else {}
    if found := _FLASK.search(text):
        labels |= {"request_path": found[1], "request_method": found[2]}
    elif found := _DJANGO.search(text):
        labels |= {"request_path": found[1]}
    elif found := _ACCESS.search(text):
        labels |= {"request_method": found[1], "request_path": found[2]}
    return Record(at_ms=stamp_ms(text[:120], now_ms), level=level, labels=labels)


def logfmt(text: str) -> dict[str, str]:
    """The ``key=value`` pairs of a line, values without quotes and escapes; empty when it isn't logfmt."""
    found = {key: _unquoted(value) for key, value in _PAIR.findall(text[:65536])}
    return found if found.keys() & {"level", "lvl", "severity", "msg", "message"} else {}


def _unquoted(value: str) -> str:
    if value[:1] != '"':
        return value
    return _ESCAPE.sub(lambda m: {"n": "\n", "t": "\t", "r": "\r"}.get(m[1], m[1]), value[1:-1])


def stamp_ms(text: str, now_ms: int) -> int | None:
    """The first ISO 8601 timestamp in a text as Unix milliseconds, None without a trustworthy one."""
    found = _STAMP.search(text)
    if found is None:
        return None
    day, time, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{time}.{(fraction or '0')[:6]:0<6}{zone or ''}")
        if moment.tzinfo is not None:
            return int(moment.timestamp() * 1000)
        guesses = [int(moment.timestamp() * 1000), int(moment.replace(tzinfo=UTC).timestamp() * 1000)]
    except (ValueError, OverflowError, OSError):
        return None
    return next((g for g in guesses if -1000 <= now_ms - g <= _NAIVE_SKEW_MS), None)


def epoch_ms(value: float) -> int | None:
    """Seconds, milli-, micro- or nanoseconds since 1970, told apart by size, as milliseconds."""
    for limit, factor in ((1e8, 0.0), (1e11, 1e3), (1e14, 1.0), (1e17, 1e-3), (1e20, 1e-6)):
        if abs(value) < limit:
            return int(value * factor) if factor else None
    return None
