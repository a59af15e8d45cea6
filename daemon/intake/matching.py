"""Rules people wrote, compiled once: is this signal meant, silenced, known, and how bad is it?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from nightshift.daemon.intake.settings import Known, Maintenance, Match, Settings, SeverityRule, Silence
from nightshift.daemon.model import Severity, Signal

_ORDER = {severity: at for at, severity in enumerate(Severity)}


def worst(a: Severity, b: Severity) -> Severity:
    """The worse of two."""
    return a if _ORDER[a] >= _ORDER[b] else b


class Matcher:
    """One compiled `Match`."""

    def __init__(self, rule: Match) -> None:
        self._rule = rule
        self._regex = re.compile(rule.regex) if rule.regex else None
        self._labels = {name: re.compile(pattern) for name, pattern in rule.labels.items()}

    def fits(self, signal: Signal, fingerprint: str) -> bool:
        """Whether a signal is meant. A source is named with or without what follows its first colon."""
        rule = self._rule
        return (
            rule.service in ("", signal.service)
            and rule.fingerprint in ("", fingerprint)
            and rule.source in ("", signal.source, signal.source.partition(":")[0])
            and (not rule.severity or signal.severity in rule.severity)
            and (self._regex is None or self._found(self._regex, signal))
            and all(p.fullmatch(signal.labels.get(n, "")[:1000]) is not None for n, p in self._labels.items())
        )

    @staticmethod
    def _found(pattern: re.Pattern[str], signal: Signal) -> bool:
        return pattern.search(signal.title[:1000]) is not None or pattern.search(signal.message[:4000]) is not None


class Window:
    """When a recurring maintenance is on."""

    def __init__(self, rule: Maintenance) -> None:
        from zoneinfo import ZoneInfo

        from apscheduler.triggers.cron import CronTrigger

        self._trigger: Any = CronTrigger.from_crontab(rule.cron, timezone=ZoneInfo(rule.timezone))
        self._lasts = timedelta(seconds=rule.duration_s)
        self._cached = (0, 0, 0.0)

    def until(self, at_ms: int) -> float:
        """When the window that is on at a time ends, in Unix seconds; 0 when none is."""
        start, end, answer = self._cached
        if not start <= at_ms < end:
            answer = self._look(at_ms)
            self._cached = (at_ms // 60_000 * 60_000, at_ms // 60_000 * 60_000 + 60_000, answer)
        return answer if at_ms < answer * 1000 else 0.0

    def _look(self, at_ms: int) -> float:
        # Windows begin on whole minutes, so one that is on at any second of a minute began by its first.
        now = datetime.fromtimestamp(at_ms // 60_000 * 60, UTC)
        began = self._trigger.get_next_fire_time(None, now - self._lasts + timedelta(microseconds=1))
        return (began + self._lasts).timestamp() if began is not None and began <= now else 0.0


class Rules:
    """All rules of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._too_mild = set(list(Severity)[: _ORDER[settings.min_severity]])
        self._min = settings.min_severity
        self._severities: Sequence[tuple[SeverityRule, Matcher]] = [(r, Matcher(r)) for r in settings.severities]
        self._silences: Sequence[tuple[Silence, Matcher]] = [(r, Matcher(r)) for r in settings.silences]
        self._windows = [(r, Matcher(r), Window(r)) for r in settings.maintenance]
        self._known: Sequence[tuple[Known, Matcher]] = [(r, Matcher(r)) for r in settings.known]

    def rated(self, signal: Signal, fingerprint: str) -> Signal:
        """The signal with its severity corrected."""
        for rule, matcher in self._severities:
            if matcher.fits(signal, fingerprint):
                severity = worst(rule.override or signal.severity, rule.floor)
                signal = replace(signal, severity=severity) if severity != signal.severity else signal
        return signal

    def silence(self, signal: Signal, fingerprint: str, at_ms: int) -> str:
        """The reason a signal is silenced, '' when it is not."""
        if signal.severity in self._too_mild and not signal.resolved:
            return f"{signal.severity.value} is below what incidents are made of"
        for rule, matcher in self._silences:
            begun = rule.since is None or at_ms >= rule.since.timestamp() * 1000
            over = rule.until is not None and at_ms >= rule.until.timestamp() * 1000
            if begun and not over and matcher.fits(signal, fingerprint):
                until = f" until {rule.until.isoformat(timespec='minutes')}" if rule.until else ""
                return f"silenced{until}" + (f": {rule.reason}" if rule.reason else "")
        return self._maintained(signal, fingerprint, at_ms) if self._windows else ""

    def _maintained(self, signal: Signal, fingerprint: str, at_ms: int) -> str:
        for rule, matcher, window in self._windows:
            if (until := window.until(at_ms)) and matcher.fits(signal, fingerprint):
                end = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d %H:%M UTC")
                return f"maintenance until {end}" + (f": {rule.reason}" if rule.reason else "")
        return ""

    def known(self, signal: Signal, fingerprint: str) -> str:
        """The reason a signal's error is left alone, '' when it is not."""
        for rule, matcher in self._known:
            if matcher.fits(signal, fingerprint):
                return f"known error: {rule.reason}" + (f" ({rule.ticket})" if rule.ticket else "")
        return ""
