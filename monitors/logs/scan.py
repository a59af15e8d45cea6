"""From raw bytes to the events in them: a multi-literal search over whole buffers, no line loop.

The literals are searched with `ahocorasick_rs` (leftmost-first: the other match kinds are several times slower) on
bytes; lines without a hit are never decoded, copied or split.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ahocorasick_rs import BytesAhoCorasick, MatchKind

from nightshift.monitors.logs.framing import Frames, framed
from nightshift.monitors.logs.group import Grouper
from nightshift.monitors.logs.segment import MAX_BYTES, Block, NeedMore, Text, found, keep_from, segment

if TYPE_CHECKING:
    from nightshift.monitors.logs.rules import Rules

TRACES = (
    b"Traceback (most recent call last)", b'  File "', b"exc_type", b"\tat ", b"  at ", b"anic", b"fatal error: ",
    b"goroutine ", b"Uncaught ", b"\tfrom ", b"\\tat ", b":in `", b":in '", b"Fatal error: ",
    b"error:  syntax", b"Stack trace:", b"stacktrace]",
)  # fmt: skip
"""What every trace holds, at a place from which the trace is found; `anic` is in panics of every language."""
LEVELS = (
    b"error", b"ERROR", b"Error", b"[ERR]", b"crit", b"CRIT", b"Crit", b"fatal", b"FATAL", b"Fatal", b"SEVERE",
    b"Severe", b"severe",
    b"emerg", b"EMERG", b"alert", b"ALERT", b"\nE0", b"\nE1", b"\nF0", b"\nF1", b"\n<",
    b'":50', b'": 50', b'":60', b'": 60',
)  # fmt: skip
"""What a record holds whose level is error or worse, besides."""


MAX_LINES = 600
"""Lines kept of one event; the middle of longer ones is dropped."""


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


class Prefilter:
    """Compiled once, shared by all files of a monitor. `compiled=False` does without the kernel."""

    __slots__ = ("_automaton", "errors", "kernel", "rules")

    def __init__(self, *, errors: bool = False, compiled: bool = True, rules: Rules | None = None) -> None:
        self.errors, self.rules = errors, rules
        self.kernel = kernel() if compiled else None
        self._automaton = BytesAhoCorasick(TRACES + (LEVELS if errors else ()), matchkind=MatchKind.LeftmostFirst)

    def hits(self, buffer: bytearray, start: int, stop: int) -> list[int]:
        """Where lines of interest are hit in `buffer[start:stop]`, in order, as offsets into the buffer.

        The first line always counts: literals that begin with a newline can't show it.
        """
        with memoryview(buffer) as whole, whole[start:stop] as part:
            found = self._automaton.find_matches_as_indexes(part)
            return [start] + [start + end - 1 for _, _, end in found]


def carry_bytes(line_bytes: int) -> int:
    """How much of a file is carried over at most: room to be kept in front of what is read."""
    return line_bytes + MAX_BYTES


class Scanner:
    """Cuts a stream of buffers into events for one grouper; lines longer than `line_bytes` lose their tail.

    `position` is the offset in the file of the first byte of `carry`: what is not yet understood, and the few lines
    that what follows may belong to. The caller puts `carry` in front of the bytes it reads next and passes both.
    `seen`: up to where the file was read before; rules count each line once.
    """

    __slots__ = (
        "_done",
        "_fed",
        "_frames",
        "_line_bytes",
        "_open_at",
        "_prefilter",
        "_ruled",
        "_skipping",
        "carry",
        "grouper",
        "position",
    )

    def __init__(
        self, grouper: Grouper, prefilter: Prefilter, *, position: int, line_bytes: int, seen: int = 0
    ) -> None:
        self.grouper, self._prefilter, self._line_bytes = grouper, prefilter, line_bytes
        self.position = position
        self.carry = b""
        self._skipping = False
        self._frames: Frames | None = None
        self._fed = False
        self._open_at = self._done = position
        self._ruled = max(position, seen)

    def resume_at(self) -> int:
        """Where reading must restart after a crash."""
        return max(self.position, self._done if self.grouper.idle else self._open_at)

    def read_at(self) -> int:
        """The offset of the next byte to read."""
        return self.position + len(self.carry)

    @property
    def partial(self) -> bool:
        """Whether the last line has no newline yet."""
        return bool(self.carry) and not self.carry.endswith(b"\n")

    def scan(self, buffer: bytearray, end: int) -> None:
        """Process `buffer[:end]`: the carry and what was read behind it."""
        base, start = self.position, 0
        self.carry = b""
        if self._skipping:
            newline = buffer.find(b"\n", 0, end)
            if newline < 0:
                self.position = base + end
                return
            start, self._skipping = newline + 1, False
        last = buffer.rfind(b"\n", start, end) + 1
        if last > start:
            start = self._understand(buffer, start, last, base, final=False)
        if end - max(start, last) >= self._line_bytes:
            start = max(last, self._understand(buffer, start, last, base, final=True) if last > start else start)
            self._understand(buffer, start, end, base, final=True)
            start, self._skipping = end, True
        elif end - start > self._line_bytes + MAX_BYTES:
            start = max(last, self._understand(buffer, start, last, base, final=True))
        self.position, self.carry = base + start, bytes(buffer[start:end])

    def settle(self) -> None:
        """Silence: what is open is over. A line without its newline stays."""
        self._close(self.carry.rfind(b"\n") + 1)

    def finish_line(self) -> None:
        """Nothing more will come for a while: what is carried counts as whole lines."""
        if self.partial:
            self._close(len(self.carry))
            self._skipping = True
            self.position, self.carry = self.position + len(self.carry), b""

    def _close(self, stop: int) -> None:
        buffer = bytearray(self.carry)
        start = self._understand(buffer, 0, stop, self.position, final=True) if stop else 0
        self.position, self.carry = self.position + start, bytes(buffer[start:])

    def _understand(self, buffer: bytearray, start: int, stop: int, base: int, *, final: bool) -> int:
        """Find the events in whole lines; returns where the part begins that must be seen again."""
        if self._frames is None and not self._fed:
            self._fed, self._frames = True, framed(buffer, start, stop)
        self._judge(buffer, start, stop, base)
        if self._frames is not None:
            hits = self._prefilter.hits(buffer, start, stop)
            return self._frames.understand(self, hits, buffer, start, stop, base, final=final)
        grouper = self.grouper
        text = self.text(buffer, max(start, self._done - base), stop, final=final)
        text.low = start
        try:
            if self._prefilter.kernel is not None and grouper.form == "auto":
                self._compiled(text, base)
            else:
                for block in segment(text, self._prefilter.hits(buffer, start, stop)):
                    grouper.read(block, lines_of(block, text, base))
        except NeedMore as more:
            grouper.idle, grouper.ended = False, more.ended
            self._open_at, self._done = base + more.start, base + text.floor
            return keep_from(text, more.start)
        grouper.idle, grouper.ended = True, False
        self._done = base + text.floor
        return text.floor if final else keep_from(text)

    def _judge(self, buffer: bytearray, start: int, stop: int, base: int) -> None:
        """What the user looks for, in each line once."""
        rules = self._prefilter.rules
        if rules is None or base + stop <= self._ruled:
            return
        for at, line in rules.lines(buffer, max(start, self._ruled - base), stop):
            self.grouper.judge(rules, base + at, line if self._frames is None else self._frames.plain(line))
        self._ruled = base + stop

    def text(self, buffer: bytearray, start: int, stop: int, *, final: bool) -> Text:
        """Whole lines, read as this file is to be read."""
        form, errors = self.grouper.form, self._prefilter.errors
        return Text(buffer, start, stop, final=final, form=form, errors=errors, line_bytes=self._line_bytes)

    def _compiled(self, text: Text, base: int) -> None:
        """The same, with the common cases compiled: what the kernel is not sure of it hands over, line by line."""
        kernel, grouper, errors = self._prefilter.kernel, self.grouper, self._prefilter.errors
        assert kernel is not None
        at, status, known = text.floor, HAND, grouper.known
        while status in (HAND, NEWS, TOLD) and at < text.stop:
            events, status, at, ended, text.low, text.floor, counted = kernel.scan(
                text.buffer, at, text.low, text.floor, text.stop, text.final, errors, self._line_bytes, known
            )
            if counted:
                grouper.count(counted, base)
            if status == TOLD:
                at = self._handed(text, at, base, [key for _, _, _, key in events])
                continue
            self._read(text, base, [(Block(kind, start, end), key) for kind, start, end, key in events])
            if status == MORE:
                raise NeedMore(at, ended=bool(ended))
            if status == HAND:
                at = self._handed(text, at, base)

    def _handed(self, text: Text, at: int, base: int, keys: Sequence[int] = ()) -> int:
        """Read the line the kernel is not sure of, or whose events lie among each other; where to go on."""
        blocks = found(text, at)
        for block in blocks:
            text.took(block.start, block.end)
        self._read(text, base, list(zip(blocks, keys if len(keys) == len(blocks) else [0] * len(blocks), strict=True)))
        return max(text.after(at), text.floor)

    def _read(self, text: Text, base: int, events: Sequence[tuple[Block, int]]) -> None:
        for block, key in events:
            self.grouper.read(block, lines_of(block, text, base), key=key)

    def search(self, buffer: bytearray, start: int, stop: int) -> list[int]:
        """Where lines of interest are hit."""
        return self._prefilter.hits(buffer, start, stop)


def lines_of(block: Block, text: Text, base: int) -> list[tuple[int, bytes]]:
    """The lines of an event with their offsets in the file."""
    if block.parts:
        return [(base + at, line) for at, line in block.parts]
    at, found = block.start, []
    while at < block.end:
        found.append((base + at, text.line(at)))
        at = text.after(at)
        if len(found) > MAX_LINES:
            del found[MAX_LINES // 3]
    return found
