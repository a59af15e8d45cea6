"""What has to happen now and then: start what could not be started, reap sandboxes, forget old signals."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Signal
from nightshift.daemon.ports import Sink
from nightshift.daemon.store.store import Store

log = logging.getLogger(__name__)
EVERY_S = 60.0
RUNS_MS = 30 * 24 * 3600 * 1000


def upkeep(chores: Mapping[str, Callable[[], object]], stop: threading.Event, every_s: float = EVERY_S) -> None:
    """Loop until told to stop; each chore answers how much it did, and one that fails does not keep the others."""
    while not stop.wait(every_s):
        for name, chore in chores.items():
            try:
                done = chore()
            except Exception:  # upkeep must not end because of one bad minute
                log.exception("upkeep: could not %s; it is tried again", name)
                continue
            if done:
                log.info("upkeep: %s: %s", name, done)


def forget(store: Store, clock: Clock) -> int:
    """Drop the memory of signals too old to come again, fine counts, and what the steps of old runs left; returns how
    many signals."""
    store.runs.forget(clock.now_ms() - RUNS_MS)
    return store.retention.forget(clock.now_ms())


def heard(sink: Sink, signals: Sequence[Signal]) -> int:
    """Give signals to the intake; returns how many there were."""
    if signals:
        sink(signals)
    return len(signals)
