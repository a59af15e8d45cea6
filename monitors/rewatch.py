"""A monitor that dies is started again: eyes must not close because of one odd line."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from nightshift.daemon.ports import Monitor, Sink

_log = logging.getLogger(__name__)
_PAUSE_S = 5.0


def watch_on(monitor: Monitor, sink: Sink, saved: Callable[[str], Mapping[str, str]], stop: threading.Event) -> None:
    """Watch until `stop`, from where `saved` (of the monitor's prefix) says after every failure."""
    while not stop.is_set():
        try:
            monitor.watch(sink, saved(f"{monitor.name}:"), stop)
        except Exception:  # noqa: BLE001 - the loop's edge: logged, then tried again
            _log.exception("monitor %s failed; it starts again in %.0f s", monitor.name, _PAUSE_S)
        stop.wait(_PAUSE_S)
