"""A finished log as signals: the same pipeline the monitor runs, over any stream of bytes."""

from __future__ import annotations

from typing import BinaryIO

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Signal
from nightshift.monitors.logs.group import Grouper
from nightshift.monitors.logs.scan import Prefilter, Scanner, carry_bytes

_READ_BYTES = 256 << 10
_LINE_BYTES = 1 << 20


def read_signals(
    stream: BinaryIO, *, service: str, clock: Clock, name: str = "stream", errors: bool = False,
    read_bytes: int = _READ_BYTES, line_bytes: int = _LINE_BYTES,
) -> list[Signal]:  # fmt: skip
    """Every crash told in a stream, in order. Memory is bounded by the longest line kept (1 MB), not by the stream.

    `name` says where the text comes from (it becomes the label `log`). Raises OSError as reading does.
    """
    grouper = Grouper(service=service, source=f"logs:{name}", identity=f"log-{name}", clock=clock,
                      labels={"log": name}, errors=errors)  # fmt: skip
    scanner = Scanner(grouper, Prefilter(errors=errors), position=0, line_bytes=line_bytes)
    buffer = bytearray(carry_bytes(line_bytes) + read_bytes)
    while True:
        kept = len(scanner.carry)
        buffer[:kept] = scanner.carry
        data = stream.read(read_bytes)
        if not data:
            break
        buffer[kept : kept + len(data)] = data
        scanner.scan(buffer, kept + len(data))
    scanner.finish_line()
    scanner.settle()
    return grouper.out
