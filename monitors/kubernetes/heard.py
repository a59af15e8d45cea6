"""When was the source last heard from? What happened since is news after a restart, however long that took."""

from __future__ import annotations

from collections.abc import Mapping

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.ports import Sink

_WRITE_EVERY_MS = 60_000


class Heard:
    """`not_before_ms`: what happened earlier is history, or was seen by the monitor before it was restarted."""

    def __init__(self, name: str, clock: Clock, checkpoints: Mapping[str, str], lookback_s: float) -> None:
        self._name, self._clock = name, clock
        saved, now_ms = checkpoints.get(name, ""), clock.now_ms()
        self._written_ms = int(saved) if saved.isascii() and saved.isdigit() and len(saved) < 18 else 0
        self.not_before_ms = min(now_ms - round(lookback_s * 1000), self._written_ms or now_ms)

    def just_now(self, sink: Sink, *, write: bool = False) -> None:
        """It was heard from at this moment; written down once a minute, or at once. Raises as the sink does."""
        now_ms = self._clock.now_ms()
        if write or now_ms - self._written_ms >= _WRITE_EVERY_MS:
            sink((), {self._name: str(now_ms)})
            self._written_ms = now_ms
