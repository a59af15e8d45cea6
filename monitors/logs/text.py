"""A stretch of a log that is being read: whole lines in a buffer, what is found in it, and what is not there yet."""

from __future__ import annotations

from typing import NamedTuple

PYTHON, STACK, GO, RUST, RUBY, PHP, JSON, LINE, TANGLED = range(9)
HEADER = b"Traceback (most recent call last)"
MAX_BYTES = 256 << 10
"""Bytes of one event; what is longer is cut there."""
BEHIND = 16
"""Lines above a frame that may name the exception."""


def keep_from(text: Text, at: int = -1) -> int:
    """Where the lines start that what follows `at` (or the end) may belong to: at the floor, or a few lines before."""
    at = text.stop if at < 0 else at
    for _ in range(BEHIND + 1):
        above = text.above(at)
        if above < 0:
            break
        at = above
    return at


MAX_LINES = 600
"""Lines kept of one event; the middle of longer ones is dropped."""


class Patience:
    """How many more lines may be looked at to tell writers apart in vain. Hostile logs could make that cost a thousand
    times what reading costs; so it is earned by what is read, and a store of it lasts for what honest logs need."""

    __slots__ = ("left",)
    _STORE, _BYTES_A_LINE = 20_000, 64

    def __init__(self) -> None:
        self.left = self._STORE

    def earn(self, read_bytes: int) -> None:
        """So much more of the log was read."""
        self.left = min(self._STORE, self.left + read_bytes // self._BYTES_A_LINE)

    def spend(self, lines: int) -> None:
        """So many lines were looked at; some that led to nothing may be a few too many."""
        self.left = min(self._STORE, self.left - lines)


class Block(NamedTuple):
    """One event: `kind`, from `start` to before `end`; `parts` are its lines when others' lie in between."""

    kind: int
    start: int
    end: int
    parts: tuple[tuple[int, bytes], ...] = ()


class NeedMore(Exception):
    """What began at `start` may go on behind the last line; `ended` when it is complete as it is."""

    def __init__(self, start: int, *, ended: bool) -> None:
        super().__init__(start)
        self.start, self.ended = start, ended


class Text:
    """Complete lines in `buffer[floor:stop]`; `final` says that nothing will follow. `form` is auto, plain or json;
    `errors` says whether records without a trace count, `nested` that it is one writer's part of a text; `patience` is
    that of the log it is a stretch of.

    Lines below `floor` are spoken for; between `low` and there only by events of one line."""

    __slots__ = ("buffer", "errors", "final", "floor", "form", "line_bytes", "low", "nested", "patience", "stop")

    def __init__(
        self, buffer: bytes | bytearray, floor: int, stop: int, *, final: bool, form: str = "auto",
        errors: bool = True, line_bytes: int = 1 << 20, nested: bool = False, low: int | None = None,
        patience: Patience | None = None,
    ) -> None:  # fmt: skip
        self.buffer, self.floor, self.stop, self.final = buffer, floor, stop, final
        self.low = floor if low is None else low
        self.form, self.errors, self.line_bytes, self.nested = form, errors, line_bytes, nested
        self.patience = patience or Patience()

    def line(self, at: int) -> bytes:
        """The line that starts at `at`, without its newline."""
        return bytes(self.buffer[at : min(self.end(at), at + self.line_bytes)]).rstrip(b"\r")

    def end(self, at: int) -> int:
        """Where the line's newline is."""
        found = self.buffer.find(b"\n", at, self.stop)
        return self.stop if found < 0 else found

    def endless(self, at: int) -> bool:
        """Whether a line is so long that it was cut: it ends every event."""
        return self.end(at) - at >= self.line_bytes

    def after(self, at: int) -> int:
        """The start of the next line; `stop` when there is none."""
        return min(self.end(at) + 1, self.stop)

    def start_of(self, position: int) -> int:
        """The start of the line a position lies in."""
        return max(self.buffer.rfind(b"\n", self.floor, position) + 1, self.floor)

    def before(self, at: int) -> int:
        """The start of the line before; -1 when that one is spoken for."""
        return self.start_of(at - 1) if at > self.floor else -1

    def above(self, at: int) -> int:
        """The start of the line before, also of one that is spoken for; -1 when there is none."""
        return max(self.buffer.rfind(b"\n", self.low, at - 1) + 1, self.low) if at > self.low else -1

    def took(self, start: int, end: int) -> None:
        """An event was found there."""
        self.floor = max(self.floor, end)
        if end > self.after(start):
            self.low = self.floor


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
