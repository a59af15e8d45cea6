"""How a process of ours ends: SIGTERM and SIGINT are heeded from the first moment, and no step can delay the end.

Imports nothing heavy, so that a signal during start-up finds its handler.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from typing import NoReturn


def until_told() -> threading.Event:
    """Set by SIGTERM or SIGINT; the second one ends the process at once."""
    over = threading.Event()

    def told(*_: object) -> None:
        if over.is_set():
            leave(0)
        over.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
    return over


def busy() -> bool:
    """Whether threads are left: the interpreter would wait for a pool's, daemonic or not, until their step ends."""
    return threading.active_count() > 1


def leave(status: int) -> NoReturn:
    """End the process now, whatever still runs in it."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)
