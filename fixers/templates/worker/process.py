"""Forking: a child runs one function with the write end of a pipe and leaves without touching its parent's things."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable

_open: list[int] = []


def fork_into(function: Callable[[int], None]) -> tuple[int, int]:
    """Start `function(fd)` in a child; returns its pid and the read end of the pipe."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    try:
        os.close(reader)
        function(writer)
    except BaseException:  # noqa: BLE001 - the child's last line: whatever happened, it must not return into its parent
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(0)
