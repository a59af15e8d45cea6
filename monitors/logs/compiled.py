"""The compiled common cases (`kernel/`): how its answers become events that are read or counted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol

from nightshift.monitors.logs.literals import LEVELS, TRACES
from nightshift.monitors.logs.segment import found
from nightshift.monitors.logs.text import Block, NeedMore, Text

HAND, MORE, NEWS, TOLD = 1, 2, 3, 4
"""How the kernel's scan ends before the end: a line is handed over; an event may go on; a kind is new; a line is handed
over whose events' keys are told."""


@cache
def kernel() -> Any:
    """The compiled common cases; None where they were not built."""
    if os.environ.get("NIGHTSHIFT_NO_KERNEL"):
        return None
    try:
        from nightshift.monitors.logs import _kernel
    except ImportError:
        return None
    _kernel.setup(TRACES, TRACES + LEVELS, int.from_bytes(os.urandom(8), "little"))
    return _kernel


HAND, MORE, NEWS, TOLD = 1, 2, 3, 4
"""How the kernel's scan ends before the end: a line is handed over; an event may go on; a kind is new; a line is handed
over whose events' keys are told."""


class Reader(Protocol):
    """Who understands events."""

    def read(self, block: Block, key: int = 0) -> None:
        """One event; `key` is what the kernel knows its kind by, if it does."""

    def count(self, counted: list[tuple[int, int, int]]) -> None:
        """Events of known kinds: (kind, how many, where the last one starts)."""


def events(kernel: Any, text: Text, reader: Reader, known: object) -> None:
    """Have all events of a text read; what the kernel is not sure of it hands over, line by line. Raises NeedMore."""
    at, status = text.floor, HAND
    while status in (HAND, NEWS, TOLD) and at < text.stop:
        told, status, at, ended, text.low, text.floor, counted = kernel.scan(
            text.buffer, at, text.low, text.floor, text.stop, text.final, text.errors, text.line_bytes, known
        )
        if counted:
            reader.count(counted)
        if status == TOLD:
            at = _handed(text, at, reader, [key for _, _, _, key in told])
            continue
        for kind, start, end, key in told:
            reader.read(Block(kind, start, end), key)
        if status == MORE:
            raise NeedMore(at, ended=bool(ended))
        if status == HAND:
            at = _handed(text, at, reader)


def _handed(text: Text, at: int, reader: Reader, keys: Sequence[int] = ()) -> int:
    """Read the line the kernel is not sure of, or whose events lie among each other; where to go on."""
    blocks = found(text, at)
    for block in blocks:
        text.took(block.start, block.end)
    for block, key in zip(blocks, keys if len(keys) == len(blocks) else [0] * len(blocks), strict=True):
        reader.read(block, key)
    return max(text.after(at), text.floor)
