"""Silences: what people decided not to hear of, with the reason they gave."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nightshift.daemon.intake.settings import Silence
from nightshift.daemon.model import Severity, Signal


class Silences:
    """Compiled once."""

    def __init__(self, rules: Sequence[Silence], min_severity: Severity) -> None:
        self._too_mild = list(Severity)[: list(Severity).index(min_severity)]
        self._rules = [(rule, re.compile(rule.regex) if rule.regex else None) for rule in rules]

    def of(self, signal: Signal, fingerprint: str, now_ms: int) -> str:
        """The reason a signal is silenced, '' when it is not."""
        if signal.severity in self._too_mild and not signal.resolved:
            return f"{signal.severity.value} is below what incidents are made of"
        for rule, pattern in self._rules:
            over = rule.until is not None and now_ms >= rule.until.timestamp() * 1000
            named = rule.service in ("", signal.service) and rule.fingerprint in ("", fingerprint)
            if named and not over and (pattern is None or _found(pattern, signal)):
                until = f" until {rule.until.isoformat(timespec='minutes')}" if rule.until else ""
                return f"silenced{until}" + (f": {rule.reason}" if rule.reason else "")
        return ""


def _found(pattern: re.Pattern[str], signal: Signal) -> bool:
    return pattern.search(signal.title[:1000]) is not None or pattern.search(signal.message[:4000]) is not None
