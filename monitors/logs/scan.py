"""From raw bytes to the few lines worth a look: a multi-literal search over whole buffers, no line loop.

The literals are searched with `ahocorasick_rs` (leftmost-first: the other match kinds are several times slower) on
bytes; lines without a hit are never decoded, copied or split.
"""

from __future__ import annotations

from ahocorasick_rs import BytesAhoCorasick, MatchKind

from nightshift.monitors.logs.group import JSON_MARKS, Grouper

_PREVIOUS_BYTES = 1000
_LITERALS = (*(m.encode() for m in JSON_MARKS), b'  File "')
_LEVELS = tuple(w.encode() for word in ("error", "critical", "fatal") for w in (word, word.upper(), word.title()))


class Prefilter:
    """Compiled once, shared by all files of a monitor."""

    def __init__(self, *, errors: bool = False) -> None:
        self._automaton = BytesAhoCorasick(_LITERALS + (_LEVELS if errors else ()), matchkind=MatchKind.LeftmostFirst)

    def hits(self, buffer: bytearray, start: int, stop: int) -> list[int]:
        """Where literals begin in `buffer[start:stop]`, in order, as offsets into the buffer."""
        with memoryview(buffer) as whole, whole[start:stop] as part:
            return [start + begin for _, begin, _ in self._automaton.find_matches_as_indexes(part)]


class Scanner:
    """Cuts a stream of buffers into lines for one grouper; lines longer than `line_bytes` lose their tail.

    `position` is the offset in the file of the first byte not yet part of a finished line. The caller puts
    `carry` in front of the bytes it reads next and passes both.
    """

    def __init__(self, grouper: Grouper, prefilter: Prefilter, *, position: int, line_bytes: int) -> None:
        self.grouper, self._prefilter, self._line_bytes = grouper, prefilter, line_bytes
        self.position = position
        self.carry = b""
        self._skipping_from: int | None = None

    def resume_at(self) -> int:
        """Where reading must restart after a crash."""
        here = self.position if self._skipping_from is None else self._skipping_from
        return self.grouper.resume_at(here)

    def read_at(self) -> int:
        """The offset of the next byte to read."""
        return self.position + len(self.carry)

    def scan(self, buffer: bytearray, end: int) -> None:
        """Process `buffer[:end]`: the carry and what was read behind it."""
        base, start = self.position, 0
        self.carry = b""
        if self._skipping_from is not None:
            newline = buffer.find(b"\n", 0, end)
            if newline < 0:
                self.position = base + end
                return
            start, self._skipping_from = newline + 1, None
        last = buffer.rfind(b"\n", start, end) + 1
        if last > start:
            self._lines(buffer, start, last, base)
            start = last
        self.position = base + start
        if end - start > self._line_bytes:
            self._cut(buffer, start, end)
        else:
            self.carry = bytes(buffer[start:end])

    def _cut(self, buffer: bytearray, start: int, end: int) -> None:
        """A line that is too long already: take its head now, skip to its newline whenever that comes."""
        head = bytes(buffer[start : start + self._line_bytes])
        self._skipping_from = self.position
        self._head(self.position, head)
        self.position += end - start

    def _head(self, offset: int, line: bytes) -> None:
        probe = bytearray(line)
        if not self.grouper.idle or self._prefilter.hits(probe, 0, len(probe)):
            self.grouper.line(offset, line)
        else:
            self.grouper.skipped(offset, line[:_PREVIOUS_BYTES])

    def finish_line(self) -> None:
        """Nothing more will come for a while: what is carried counts as a whole line."""
        if self.carry and self._skipping_from is None:
            line, self.carry = self.carry, b""
            self._head(self.position, line)
            self._skipping_from, self.position = self.position + len(line), self.position + len(line)

    def _lines(self, buffer: bytearray, start: int, stop: int, base: int) -> None:
        grouper, at = self.grouper, start
        hits = self._prefilter.hits(buffer, start, stop)
        index = 0
        while at < stop:
            if grouper.idle:
                while index < len(hits) and hits[index] < at:
                    index += 1
                line = self._line_of(buffer, hits[index], at) if index < len(hits) else stop
                if line > at:
                    self._remember(buffer, at, line, base)
                at = line
                if at >= stop:
                    return
            newline = buffer.find(b"\n", at, stop)
            grouper.line(base + at, bytes(buffer[at : min(newline, at + self._line_bytes)]))
            at = newline + 1

    @staticmethod
    def _line_of(buffer: bytearray, hit: int, at: int) -> int:
        return max(buffer.rfind(b"\n", at, hit) + 1, at)

    def _remember(self, buffer: bytearray, start: int, line: int, base: int) -> None:
        """The line that ends where the next line of interest starts."""
        previous = max(buffer.rfind(b"\n", start, line - 1) + 1, start)
        self.grouper.skipped(base + previous, bytes(buffer[previous : min(line, previous + _PREVIOUS_BYTES)]))
