"""What has to happen now and then: reap sandboxes, forget old signals."""

from __future__ import annotations

import logging
import threading

from nightshift.daemon.app.late import LateSandboxes
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.daemon.store.store import Store

log = logging.getLogger(__name__)
EVERY_S = 60.0
REMEMBER_MS = 14 * 24 * 3600 * 1000


def upkeep(store: Store, engine: LateSandboxes, clock: Clock, stop: threading.Event) -> None:
    """Loop until told to stop."""
    while not stop.wait(EVERY_S):
        try:
            reaped = engine.reap()
            if reaped:
                log.info("removed %d sandboxes whose owners are gone", reaped)
            store.incidents.forget_signals(clock.now_ms() - REMEMBER_MS)
        except EnvironmentBroke as error:
            log.warning("upkeep: %s", error)
        except Exception:  # upkeep must not end because of one bad minute
            log.exception("upkeep failed")
