"""Handing over until it is durable: while the store is down reading stops, and the logs are the buffer."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nightshift.daemon.model import Signal
from nightshift.daemon.ports import Sink

if TYPE_CHECKING:
    from nightshift.daemon.kit.clock import Clock

_log = logging.getLogger(__name__)
_RETRY_S = 1.0
_REMIND_S = 60.0


class Delivery:
    """Used by one thread. `pending`: signals not stored yet; `failed`: the last attempt was given up at a stop."""

    def __init__(self, sink: Sink, stop: threading.Event, clock: Clock) -> None:
        self._sink, self._stop, self._clock = sink, stop, clock
        self.pending: list[Signal] = []
        self.failed = False

    def add(self, signals: Sequence[Signal]) -> None:
        """Found, to be handed over with the next checkpoints."""
        self.pending += signals

    def hand_over(self, checkpoints: Mapping[str, str]) -> bool:
        """Everything pending and the checkpoints, in one transaction; tries until it works or the monitor must stop.

        False when it had to stop: then nothing counts as stored.
        """
        if not self.pending and not checkpoints:
            return True
        since_s, said_s = self._clock.monotonic(), -math.inf
        while True:
            try:
                self._sink(self.pending, checkpoints)
            except Exception as trouble:  # noqa: BLE001 - whatever ails the store, nothing may be lost: said, and again
                now_s = self._clock.monotonic()
                if now_s >= said_s + _REMIND_S:
                    said_s = now_s
                    _log.warning("signals can't be stored (%s: %s); reading has stopped for %.0f s",
                                 type(trouble).__name__, trouble, now_s - since_s)  # fmt: skip
                if self._stop.wait(_RETRY_S):
                    self.failed = True
                    return False
            else:
                self.pending, self.failed = [], False
                return True
