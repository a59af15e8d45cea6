"""Delivers what the outbox holds. A notice is marked only after its channel took it; a crash in between sends it
again under the same key, which receivers that know keys drop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from nightshift.daemon.ports import EnvironmentBroke, Notifier
from nightshift.daemon.store.store import Store

log = logging.getLogger(__name__)
ATTEMPTS = 50
PAUSE_S = 15.0


class Outbox:
    """One thread that sends waiting notices."""

    def __init__(self, store: Store, channels: Mapping[str, Notifier]) -> None:
        self._store, self._channels = store, channels
        self._wake = threading.Event()

    def wake(self) -> None:
        """There is something to send."""
        self._wake.set()

    def deliver(self) -> int:
        """Send everything that waits, once; returns how many went out."""
        sent = 0
        for channel, notice, attempts in self._store.notices.waiting():
            notifier = self._channels.get(channel)
            state = "failed" if notifier is None or attempts >= ATTEMPTS else "sent"
            try:
                if notifier is not None and state == "sent":
                    notifier.send(notice)
                    sent += 1
            except EnvironmentBroke as error:
                log.warning("notice %s waits for %s: %s", notice.key, channel, error)
                state = "waiting"
            except Exception:  # one poisonous notice must not stop the others
                log.exception("notice %s can't be sent by %s", notice.key, channel)
                state = "failed"
            self._store.notices.mark(notice.key, channel, state)
        return sent

    def run(self, stop: threading.Event) -> None:
        """Deliver until told to stop; then once more."""
        while not stop.is_set():
            self.deliver()
            self._wake.wait(PAUSE_S)
            self._wake.clear()
        self.deliver()
