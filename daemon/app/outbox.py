"""Delivers what the outbox holds. A notice is marked only after its channel took it; a crash in between sends it
again under the same key, which receivers that know keys drop.

A channel that is down rests, longer each time, and loses nothing for days. New notices are tried at once even then,
and one that its channel chokes on does not hold up the others.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.ports import EnvironmentBroke, Notice, Notifier
from nightshift.daemon.store.store import Store

log = logging.getLogger(__name__)
REST_S = (15.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""How long a channel rests after so many rounds in which it took nothing."""
KEEP_MS = 3 * 24 * 3600 * 1000
"""How old a notice may get before it is given up."""


class Outbox:
    """One thread that sends waiting notices."""

    def __init__(self, store: Store, channels: Mapping[str, Notifier], clock: Clock) -> None:
        self._store, self._channels, self._clock = store, channels, clock
        self._wake = threading.Event()
        self._failures: dict[str, int] = {}
        self._rests_until: dict[str, float] = {}

    def wake(self) -> None:
        """There is something to send."""
        self._wake.set()

    def deliver(self) -> int:
        """Send what waits and may be tried now; returns how many went out."""
        return sum(self._deliver(channel) for channel in self._store.notices.channels())

    def run(self, stop: threading.Event) -> None:
        """Deliver until told to stop; then once more."""
        while not stop.is_set():
            self._round()
            self._wake.wait(REST_S[0])
            self._wake.clear()
        self._round()

    def _round(self) -> None:
        try:
            self.deliver()
        except Exception:  # the loop's edge: a store that fails now is asked again
            log.exception("the outbox could not be read; it is tried again")

    def _deliver(self, channel: str) -> int:
        """One round over one channel, the least tried first; it ends with the first notice that has to wait."""
        resting = self._clock.monotonic() < self._rests_until.get(channel, 0.0)
        sent = 0
        for _, notice, attempts in self._store.notices.waiting(channel, untried=resting):
            state = self._send(channel, notice, attempts)
            self._store.notices.mark(notice.key, channel, state)
            sent += state == "sent"
            if state == "waiting":
                self._rest(channel, sent)
                break
        else:
            if sent and not resting:
                self._failures.pop(channel, None)
        return sent

    def _rest(self, channel: str, sent: int) -> None:
        failures = 1 if sent else self._failures.get(channel, 0) + 1
        self._failures[channel] = failures
        rest_s = REST_S[min(failures, len(REST_S)) - 1]
        self._rests_until[channel] = self._clock.monotonic() + rest_s

    def _send(self, channel: str, notice: Notice, attempts: int) -> str:
        """The notice's new state: sent | waiting | failed."""
        notifier = self._channels.get(channel)
        if notifier is None:
            log.warning("notice %s is dropped: there is no channel %s any more", notice.key, channel)
            return "failed"
        try:
            notifier.send(notice)
        except EnvironmentBroke as error:
            log.warning("notice %s waits for %s (tried %d times): %s", notice.key, channel, attempts + 1, error)
            return self._patience(channel, notice)
        except Exception:  # one poisonous notice must not stop the others
            log.exception("notice %s can't be sent by %s", notice.key, channel)
            return "failed"
        return "sent"

    def _patience(self, channel: str, notice: Notice) -> str:
        since_ms = self._store.notices.written_ms(notice.key, channel)
        if self._clock.now_ms() - since_ms < KEEP_MS:
            return "waiting"
        log.error("notice %s is given up: %s took nothing for days", notice.key, channel)
        return "failed"
