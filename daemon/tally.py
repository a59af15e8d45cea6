"""Counting instead of telling: a finished log's events by what they have in common, each kind understood only once.

The first event of a kind is read in full; further ones are recognised by the kernel's key and only counted, so that
a log full of errors costs little more than one without.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import BinaryIO

from nightshift.daemon.intake.fingerprint import fingerprint
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Severity, Signal
from nightshift.monitors.logs.compiled import kernel
from nightshift.monitors.logs.group import Grouper
from nightshift.monitors.logs.scan import Prefilter, Scanner, carry_bytes
from nightshift.monitors.logs.segment import Block

READ_BYTES = 1 << 20
_LINE_BYTES = 1 << 20
_OFFSETS = 5
_STAMP = re.compile(
    rb"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(?: ?(Z|[+-]\d\d:?\d\d))?"
    rb'|"(?:time|ts|timestamp)"\s*:\s*(\d{9,19}(?:\.\d+)?)'
)


@dataclass(slots=True, kw_only=True)
class Group:
    """Events with one fingerprint. `offsets` are those of the first few, per file."""

    fingerprint: str
    signal: Signal
    count: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    offsets: list[tuple[str, int]] = field(default_factory=list)
    last: tuple[str, int] = ("", 0)
    around: tuple[bytes, bytes] = (b"", b"")

    def as_json(self) -> dict[str, object]:
        """The group as `nightshift scan --json` prints it."""
        signal = self.signal
        return {
            "fingerprint": self.fingerprint, "title": signal.title, "kind": signal.kind, "exception": signal.exception,
            "message": signal.message, "severity": signal.severity.value, "count": self.count,
            "first_at": iso(self.first_ms), "last_at": iso(self.last_ms),
            "frames": [{"path": f.path, "line": f.line, "function": f.function} for f in signal.frames],
            "sample": signal.sample, "offsets": [{"file": name, "offset": at} for name, at in self.offsets],
            "last": {"file": self.last[0], "offset": self.last[1]},
        }  # fmt: skip


class Tally(Grouper):
    """Counts the events of several files, one after the other; use `scan`."""

    __slots__ = ("_buffer", "_kernel", "_kinds", "_name", "_position", "_touched", "events", "groups")

    def __init__(self, *, service: str, clock: Clock, errors: bool = True) -> None:
        super().__init__(service=service, source="scan", identity="", clock=clock, labels={}, errors=errors)
        self.groups: dict[str, Group] = {}
        self.events = 0
        self._kinds: list[Group] = []
        self._kernel = kernel()
        if self._kernel is not None:
            self.known = self._kernel.known()
        self._touched: dict[int, tuple[Group, int]] = {}
        self._name, self._position, self._buffer = "", 0, bytearray()

    def scan(
        self, stream: BinaryIO, name: str, prefilter: Prefilter, progress: Callable[[int], None] | None = None
    ) -> int:
        """Count one finished log; the number of its bytes. `progress` hears of each piece read. Raises OSError."""
        self._name, total = name, 0
        scanner = Scanner(self, prefilter, position=0, line_bytes=_LINE_BYTES)
        self._buffer = buffer = bytearray(carry_bytes(_LINE_BYTES) + READ_BYTES)
        room = memoryview(buffer)
        while True:
            kept, self._position = len(scanner.carry), scanner.position
            buffer[:kept] = scanner.carry
            got = stream.readinto(room[kept : kept + READ_BYTES])  # type: ignore[attr-defined]
            if not got:
                break
            scanner.scan(buffer, kept + got)
            self._note_touched(kept + got)
            total += got
            if progress is not None:
                progress(got)
        left = len(scanner.carry)
        buffer[:left] = scanner.carry
        self._position = scanner.position
        scanner.finish_line()
        scanner.settle()
        self._note_touched(left)
        for group in self.groups.values():
            self._time(group)
        return total

    def count(self, counted: list[tuple[int, int, int]], base: int) -> None:
        """Events of kinds that are known, counted by the kernel."""
        for ident, times, last in counted:
            group = self._kinds[ident]
            group.count += times
            self.events += times
            self._touched[ident] = (group, base + last)

    def read(self, block: Block, lines: list[tuple[int, bytes]], at_ms: int | None = None, key: int = 0) -> None:
        """Understand an event and count it."""
        super().read(block, lines, at_ms, key)
        for signal in self.out:
            mark = fingerprint(signal)
            group = self.groups.get(mark)
            offset = lines[0][0]
            if group is None:
                group = self.groups[mark] = Group(fingerprint=mark, signal=signal)
            elif _worse(signal.severity, group.signal.severity):
                group.signal = signal
            group.count += 1
            self.events += 1
            if len(group.offsets) < _OFFSETS:
                group.offsets.append((self._name, offset))
            self._touched[-id(group)] = (group, offset)
            if group.first_ms is None:
                group.first_ms = _told_ms(*self._around(offset, len(self._buffer)))
            if key and self._kernel is not None:
                self._kernel.learn(self.known, key, len(self._kinds))
                self._kinds.append(group)
        self.out.clear()

    def _note_touched(self, end: int) -> None:
        """Keep the bytes that tell the time of each kind's last event in this piece; they are read once, at the end."""
        for group, offset in self._touched.values():
            if group.last < (self._name, offset) or group.last[0] != self._name:
                group.last = (self._name, offset)
                group.around = self._around(offset, end)
        self._touched.clear()

    def _around(self, offset: int, end: int) -> tuple[bytes, bytes]:
        """An event's first line, and what stands above it."""
        at = offset - self._position
        if not 0 <= at < end:
            return b"", b""
        return bytes(self._buffer[at : min(end, at + 200)]), bytes(self._buffer[max(0, at - 400) : at])

    def _time(self, group: Group) -> None:
        at_ms = _told_ms(*group.around)
        if at_ms is not None:
            group.last_ms = at_ms if group.last_ms is None else max(group.last_ms, at_ms)
            group.first_ms = at_ms if group.first_ms is None else min(group.first_ms, at_ms)


def _told_ms(line: bytes, above: bytes) -> int | None:
    """The time in an event's first line, else the nearest one above it."""
    found = _STAMP.search(line.partition(b"\n")[0])
    if found is None:
        for found in _STAMP.finditer(above):  # noqa: B007 - the last one
            pass
    return _stamp_ms(found) if found is not None else None


def _worse(one: Severity, other: Severity) -> bool:
    order = list(Severity)
    return order.index(one) > order.index(other)


def _stamp_ms(found: re.Match[bytes]) -> int | None:
    """Unix milliseconds; a time without a zone is taken as UTC."""
    year, month, day, time, fraction, zone, number = (part.decode() if part else "" for part in found.groups())
    try:
        if number:
            value = float(number)
            while value > 1e11:
                value /= 1000
            return int(value * 1000)
        text = f"{year}-{month}-{day}T{time}.{(fraction or '0')[:6]:0<6}{zone or '+00:00'}"
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None


def iso(at_ms: int | None) -> str | None:
    """Unix milliseconds as ISO 8601 in UTC."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def open_log(path: str) -> BinaryIO:
    """A log as bytes, unpacked by its name (gz, bz2, xz); '-' is stdin. Raises OSError."""
    if path == "-":
        import sys

        return sys.stdin.buffer
    if os.path.isdir(path):
        raise IsADirectoryError(21, "Is a directory", path)
    if path.endswith(".gz"):
        import gzip

        return gzip.open(path, "rb")  # type: ignore[return-value]
    if path.endswith(".bz2"):
        import bz2

        return bz2.open(path, "rb")  # type: ignore[return-value]
    if path.endswith((".xz", ".lzma")):
        import lzma

        return lzma.open(path, "rb")  # type: ignore[return-value]
    return open(path, "rb", buffering=0)
