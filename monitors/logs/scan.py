"""From raw bytes to the events in them: a multi-literal search over whole buffers, no line loop.

The literals are searched with `ahocorasick_rs` (leftmost-first: the other match kinds are several times slower) on
bytes; lines without a hit are never decoded, copied or split.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nightshift.monitors.logs.compiled import Reader, events, kernel
from nightshift.monitors.logs.framing import Frames, framed
from nightshift.monitors.logs.group import Grouper
from nightshift.monitors.logs.literals import LEVELS, TRACES
from nightshift.monitors.logs.segment import segment
from nightshift.monitors.logs.text import MAX_BYTES, Block, NeedMore, Patience, Text, keep_from, lines_of

if TYPE_CHECKING:
    from nightshift.monitors.logs.rules import Rules


class Prefilter:
    """Compiled once, shared by all files of a monitor. `compiled=False` does without the kernel."""

    __slots__ = ("_automaton", "errors", "kernel", "rules")

    def __init__(self, *, errors: bool = False, compiled: bool = True, rules: Rules | None = None) -> None:
        self.errors, self.rules = errors, rules
        self.kernel = kernel() if compiled else None
        self._automaton: Any = None

    def hits(self, buffer: bytes | bytearray, start: int, stop: int) -> list[int]:
        """Where lines of interest are hit in `buffer[start:stop]`, in order, as offsets into the buffer.

        The first line always counts: literals that begin with a newline can't show it.
        """
        if self._automaton is None:
            from ahocorasick_rs import BytesAhoCorasick, MatchKind

            literals = TRACES + (LEVELS if self.errors else ())
            self._automaton = BytesAhoCorasick(literals, matchkind=MatchKind.LeftmostFirst)
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
        "_patience",
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
        self._patience = Patience()

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
        self._patience.earn(end - len(self.carry))
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
            return self._frames.understand(self, buffer, start, stop, base, final=final)
        grouper = self.grouper
        text = self.text(buffer, max(start, self._done - base), stop, final=final)
        text.low = start
        try:
            self.events(text, Plain(grouper, text, base))
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
        return Text(buffer, start, stop, final=final, form=form, errors=errors, line_bytes=self._line_bytes,
                    patience=self._patience)  # fmt: skip

    def events(self, text: Text, reader: Reader) -> None:
        """Find the events of a text, and have them read. Raises NeedMore."""
        compiled = self.kernel
        if compiled is not None:
            events(compiled, text, reader, self.grouper.known)
            return
        for block in segment(text, self.hits(text.buffer, text.floor, text.stop)):
            reader.read(block)

    @property
    def kernel(self) -> Any:
        """The compiled common cases, where they apply."""
        return self._prefilter.kernel if self.grouper.form == "auto" else None

    def hits(self, buffer: bytes | bytearray, start: int, stop: int) -> list[int]:
        """Where lines of interest are hit."""
        return self._prefilter.hits(buffer, start, stop)


class Plain:
    """Reads events whose lines are those of the file."""

    __slots__ = ("_base", "_grouper", "_text")

    def __init__(self, grouper: Grouper, text: Text, base: int) -> None:
        self._grouper, self._text, self._base = grouper, text, base

    def read(self, block: Block, key: int = 0) -> None:
        """One event."""
        self._grouper.read(block, lines_of(block, self._text, self._base), key=key)

    def count(self, counted: list[tuple[int, int, int]]) -> None:
        """Events of known kinds."""
        self._grouper.count(counted, self._base)
