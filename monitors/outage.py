"""A source that can't be reached is a state, not a crash: said once it lasts, and again when it is over."""

from __future__ import annotations

import logging

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import Severity, Signal

_log = logging.getLogger(__name__)


class Outage:
    """Counts failures of one source in turn. After `after_s` without an answer a `blind` signal is due."""

    def __init__(self, source: str, what: str, clock: Clock, *, after_s: float = 120.0) -> None:
        self._source, self._what, self._clock, self._after_ms = source, what, clock, after_s * 1000
        self._since_ms = self._said_ms = 0

    def missed(self, why: str) -> list[Signal]:
        """It failed once more; the signal to raise now, if any."""
        now_ms = self._clock.now_ms()
        if not self._since_ms:
            self._since_ms = now_ms
            _log.warning("%s can't be reached, will keep trying: %s", self._what, redact(why))
        if self._said_ms or now_ms - self._since_ms < self._after_ms:
            return []
        self._said_ms = now_ms
        return [self._signal(f"{self._what} has not answered for {(now_ms - self._since_ms) / 1000:.0f} s: {why}")]

    def answered(self) -> list[Signal]:
        """It answered; the signal that ends the outage, if one was raised."""
        if self._since_ms:
            _log.info("%s answers again after %.0f s", self._what, (self._clock.now_ms() - self._since_ms) / 1000)
        self._since_ms = 0
        if not self._said_ms:
            return []
        ended = self._signal(f"{self._what} answers again", resolved=True)
        self._said_ms = 0
        return [ended]

    def _signal(self, message: str, *, resolved: bool = False) -> Signal:
        state = "over" if resolved else "blind"
        return Signal(
            key=f"{self._source}:{state}:{self._said_ms}", source=self._source, service="nightshift",
            title=f"{self._what} can't be reached", at_ms=self._clock.now_ms(), kind="blind",
            severity=Severity.WARNING, message=redact(message)[:1000], resolved=resolved,
        )  # fmt: skip
