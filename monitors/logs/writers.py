"""Several writers of one file, each with a prefix before its lines: process, thread, request, container.

The lines of each writer are a log of their own: taken together without their prefix they are read like any other.
Traces that overlap in the file are found together, so that what is left unread never starts inside one of them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from nightshift.monitors.logs.lines import is_bad, starts_record
from nightshift.monitors.logs.text import lines_of

if TYPE_CHECKING:
    from nightshift.monitors.logs.segment import Block, Text

LOOK_AHEAD = 12
"""Lines behind an error record in which a trace of the same writer makes it that trace's record."""
_LOOK_BACK = 16
_SILENCE, _LONG_SILENCE = 24, 200
_WORTH = 8
"""Lines that may be looked at for each line of an event."""
_FIRST_LINES, _MAX_WRITERS, _MATCHED = 64, 32, 1000
_MARKS = (b"at ", b"Traceback (", b'  File "', b"panic: ", b" [", b"panicked at", b"from ", b":in ", b"trace")
_MARK = re.compile(b"|".join(map(re.escape, _MARKS)))
_ELEMENT = re.compile(
    rb"(\S(?:.{0,198}?\S)??)(?:\s*?\tat \S.*[:(]|\s {2,}at \S.*[:(]| ?  File \"[^\"]+\", line \d"
    rb"| ?\+? ?(?:Exception Group )?Traceback \(most recent call last\):?\s*$"
    rb"| ?panic: | ?goroutine \d+ \[[^\]]+\]:$| ?thread '[^']*' (?:\(\d+\) )?panicked at |\s*?\t(?:\d+: )?from \S.*:\d+"
    rb"| ?Stack trace:$| ?\[stacktrace\]$| ?[^\s:]+:\d+:in [`'])"
)
_ALONE = re.compile(rb"\s+(?:File \"|at \S|(?:\d+: )?from \S)|goroutine \d|Stack trace:|#\d+ ")
_CLOCK = re.compile(
    rb"\d{4}[-/]\d\d[-/]\d\d|\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?|(?<!\w)\d{10,19}(?:"
    rb"\.\d+)?(?!\w)|[A-Z][a-z]{2} [ \d]\d(?= \d\d:)"
)
_DIGIT = re.compile(rb"\d+")
Line = tuple[int, bytes]


class _Writer:
    """The lines of one writer, without its prefix. `starts` are their places in `body`."""

    __slots__ = ("body", "lines", "prefix", "starts")

    def __init__(self, core: bytes) -> None:
        self.prefix = _pattern(core)
        self.body = bytearray()
        self.starts: list[int] = []
        self.lines: list[Line] = []

    def strip(self, line: bytes) -> bytes | None:
        """The line without the prefix; None when it has another one."""
        found = self.prefix.match(line)
        if found is None:
            return None
        rest = line[found.end() :]
        return rest[1:] if rest[:1] == b" " else rest

    def add(self, at: int, line: bytes, body: bytes) -> None:
        self.starts.append(len(self.body))
        self.lines.append((at, line))
        self.body += body + b"\n"

    def index(self, position: int) -> int:
        """Which line a position in `body` lies in."""
        return max(0, bisect_right(self.starts, position) - 1)


class _Event:
    """A trace (or JSON record) of one writer: its kind, lines, and which of its writer's lines these are."""

    __slots__ = ("ended", "kind", "numbers", "parts", "writer")

    def __init__(
        self, writer: _Writer, kind: int, numbers: Sequence[int], parts: Sequence[Line], *, ended: bool = True
    ) -> None:
        self.writer, self.kind, self.numbers, self.parts, self.ended = writer, kind, numbers, parts, ended

    @property
    def start(self) -> int:
        return self.writer.lines[self.numbers[0]][0]

    @property
    def last(self) -> int:
        return self.writer.lines[self.numbers[-1]][0]


def prefixed(line: bytes) -> bytes | None:
    """What stands before a line of a trace, if a writer's prefix does."""
    if _MARK.search(line) is None:
        return None
    found = _ELEMENT.match(line[:_MATCHED])
    return found[1] if found else None


def alone(line: bytes) -> bool:
    """Whether a line of a trace stands without prefix: then what stands before the line above it is no writer's."""
    return _ALONE.match(line) is not None


def shares(core: bytes, line: bytes) -> bool:
    """Whether a line was written behind the same prefix, apart from the time in it."""
    return _pattern(core).match(line) is not None


def writers(text: Text, at: int) -> list[Block] | None:
    """The event the line at `at` belongs to, and all that overlap with it; None when it is none, or the log's patience
    is at an end. Raises NeedMore."""
    from nightshift.monitors.logs import segment

    begin = at
    for _ in range(_LOOK_BACK):
        above = text.above(begin)
        if above < 0 or text.endless(above):
            break
        begin = above
    wanted = _FIRST_LINES
    while True:
        lines, stop = _lines(text, begin, at, wanted)
        long = stop - at >= segment.MAX_BYTES
        everything = stop >= text.stop or long or (lines and text.endless(lines[-1][0]))
        events, open_ = _events(lines, text, final=bool(everything and (text.final or long)))
        chosen = _overlapping(events, at)
        end = max((e.last for e in chosen), default=at)
        waiting = [e for e in open_ if e.start <= end]
        text.patience.spend(len(lines) - _WORTH * sum(len(e.numbers) for e in chosen))
        if not waiting:
            return _blocks(text, chosen, lines) if chosen else None
        if text.patience.left <= 0:
            return None
        if everything:
            raise segment.NeedMore(begin, ended=all(e.ended for e in waiting))
        wanted *= 4


def _lines(text: Text, begin: int, at: int, wanted: int) -> tuple[list[Line], int]:
    from nightshift.monitors.logs import segment

    lines, here, after = [], begin, 0
    while here < text.stop and after < wanted and here - at < segment.MAX_BYTES:
        line = text.line(here)
        if here >= text.floor or not _alone(line, text):
            lines.append((here, line))
        after += here >= at
        if here > at and text.endless(here):
            break
        here = text.after(here)
    return lines, here


def _alone(line: bytes, text: Text) -> Sequence[Block]:
    """What a line is taken by itself."""
    from nightshift.monitors.logs import segment

    return segment.found(segment.Text(line + b"\n", 0, len(line) + 1, final=True, errors=text.errors, nested=True), 0)


def _split(lines: Sequence[Line]) -> list[_Writer]:
    """Whose line is which. Lines nobody's prefix fits belong to no one."""
    cores = dict.fromkeys(core for _, line in lines if (core := prefixed(line)) is not None)
    found = sorted((_Writer(core) for core in list(cores)[:_MAX_WRITERS]), key=lambda w: -len(w.prefix.pattern))
    unique = list({writer.prefix.pattern: writer for writer in found}.values())
    for at, line in lines:
        for writer in unique:
            body = writer.strip(line)
            if body is not None:
                writer.add(at, line, body)
                break
    return unique


def _events(lines: Sequence[Line], text: Text, *, final: bool) -> tuple[list[_Event], list[_Event]]:
    """All writers' events, and those that may go on."""
    from nightshift.monitors.logs import segment

    events: list[_Event] = []
    open_: list[_Event] = []
    for writer in _split(lines):
        body = segment.Text(
            writer.body, 0, len(writer.body), final=final, errors=text.errors, line_bytes=text.line_bytes, nested=True
        )
        number = 0
        while number < len(writer.starts):
            at = writer.starts[number]
            number += 1
            if at < body.floor:
                continue
            try:
                blocks = segment.found(body, at)
            except segment.NeedMore as more:
                if not body.final and _silent(writer, lines, _SILENCE if more.ended else _LONG_SILENCE):
                    body.final, number = True, number - 1
                    continue
                rest = range(writer.index(more.start), len(writer.starts))
                open_.append(_Event(writer, segment.LINE, _with_record(writer, rest, events), (), ended=more.ended))
                break
            for block in blocks:
                body.floor = max(body.floor, block.end)
                if block.kind != segment.LINE and (block.kind > segment.GO or body.after(block.start) < block.end):
                    events.append(_event(writer, block, body, events))
    return events, open_


def _silent(writer: _Writer, lines: Sequence[Line], silence: int) -> bool:
    """Whether a writer has said nothing for so many lines of others: what it said last is over."""
    return len(lines) > silence and writer.lines[-1][0] < lines[-silence][0]


def _event(writer: _Writer, block: Block, body: Text, events: Sequence[_Event]) -> _Event:
    parts = lines_of(block, body, 0)
    numbers = _with_record(writer, [writer.index(at) for at, _ in parts], events)
    real = [(writer.lines[writer.index(at)][0], line) for at, line in parts]
    first = writer.lines[numbers[0]]
    before = first[1]
    if numbers[0] == writer.index(parts[0][0]):
        found = writer.prefix.match(before)
        before = before[: found.end()] if found else b""
    context = [(first[0], before)] if starts_record(before) else []
    return _Event(writer, block.kind, numbers, [*context, *real])


def _with_record(writer: _Writer, numbers: Sequence[int], events: Sequence[_Event]) -> Sequence[int]:
    """An error record of the same writer right before its trace belongs to it."""
    before = numbers[0] - 1
    taken = any(e.writer is writer and before in e.numbers for e in events)
    return [before, *numbers] if before >= 0 and not taken and is_bad(writer.lines[before][1]) else numbers


def _overlapping(events: Sequence[_Event], at: int) -> list[_Event]:
    """The event with the line at `at`, and all that begin before the last of them ends."""
    chosen = [e for e in events if any(e.writer.lines[n][0] == at for n in e.numbers)]
    end = max((e.last for e in chosen), default=-1)
    for event in sorted(events, key=lambda e: e.start):
        if chosen and event not in chosen and event.start <= end:
            chosen.append(event)
            end = max(end, event.last)
    return chosen


def _blocks(text: Text, events: Sequence[_Event], lines: Sequence[Line]) -> list[Block]:
    """The events, and the error records of others between their lines."""
    from nightshift.monitors.logs import segment

    taken = {e.writer.lines[n][0] for e in events for n in e.numbers}
    start, last = min(e.start for e in events), max(e.last for e in events)
    end = text.after(last)
    found = [segment.Block(e.kind, e.start, end, tuple(e.parts)) for e in events]
    for at, line in lines:
        if start < at < last and at not in taken:
            found += [segment.Block(block.kind, at, end, ((at, line),)) for block in _alone(line, text)]
    return sorted(found, key=lambda block: block.start)


@lru_cache(256)
def _pattern(core: bytes) -> re.Pattern[bytes]:
    """What the prefix looks like at another time."""
    parts, last = [], 0
    for clock in _CLOCK.finditer(core):
        parts += [re.escape(core[last : clock.start()]), b"\\d+".join(re.escape(p) for p in _DIGIT.split(clock[0]))]
        last = clock.end()
    parts.append(re.escape(core[last:]))
    return re.compile(b"".join(parts) + (rb"(?![\w-])" if core[-1:].isalnum() else b""))
