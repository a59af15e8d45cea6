"""Container engines wrap each line: CRI (`time stream P|F text`) and Docker's json-file. Each stream is a log.

Lines are unwrapped only where the prefilter found something, or an event is open: splitting every line costs several
times what searching costs.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING

import orjson

from nightshift.monitors.logs.record import stamp_ms
from nightshift.monitors.logs.text import Block, NeedMore, Text, keep_from, lines_of

if TYPE_CHECKING:
    from nightshift.monitors.logs.group import Grouper
    from nightshift.monitors.logs.scan import Scanner

_CRI = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([FP])(?::[^ ]*)? "
)
_DOCKER = re.compile(rb'\{"log": ?".*"(?:stream|time)": ?"')
_LINE_BYTES = 64 << 10
_MAX_TEXT = 1 << 20


def framed(buffer: bytearray, start: int, stop: int) -> Frames | None:
    """The unwrapping a file needs, told from its first line; None for a plain one."""
    end = buffer.find(b"\n", start, stop)
    line = bytes(buffer[start : min(end if end >= 0 else stop, start + 4096)])
    if _CRI.match(line):
        return Frames(_cri)
    if _DOCKER.match(line):
        return Frames(_docker)
    return None


Unwrapped = tuple[str, bytes, bool, bytes]
"""Stream, text, whether the line ends here, timestamp."""


def _cri(line: bytes) -> Unwrapped | None:
    found = _CRI.match(line)
    if found is None:
        return None
    return found[2].decode(), line[found.end() :], found[3] == b"F", found[1]


def _docker(line: bytes) -> Unwrapped | None:
    try:
        entry = orjson.loads(line)
        text = entry["log"]
        body = text.encode("utf-8", "surrogatepass")
        return (
            str(entry.get("stream", "")),
            body.removesuffix(b"\n"),
            body.endswith(b"\n"),
            str(entry.get("time", "")).encode(),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, UnicodeError):
        return None


class Stream:
    """What one stream of a wrapped log says; of each of its lines, where it starts there (`places`) and in the buffer
    (`offsets`). `open_at` is where a line starts in the buffer that does not end, -1 without one."""

    __slots__ = ("offsets", "open_at", "places", "text")

    def __init__(self, text: bytes = b"", table: bytes = b"", open_at: int = -1) -> None:
        pairs = array("q", table)
        self.text = bytearray(text)
        self.places, self.offsets, self.open_at = pairs[::2], pairs[1::2], open_at

    def add(self, at: int, text: bytes, *, whole: bool) -> None:
        """One wrapped line, a whole one or a part."""
        if self.open_at < 0:
            self.places.append(len(self.text))
            self.offsets.append(at)
            self.open_at = at
        if len(self.text) < 4 * _MAX_TEXT:
            self.text += text.replace(b"\n", b" ")
        if whole:
            self.text += b"\n"
            self.open_at = -1

    def offset(self, place: int) -> int:
        """Where in the buffer the line starts that lies there in the text."""
        return self.offsets[max(0, bisect_right(self.places, place) - 1)]


class Frames:
    """Unwraps a file. `floors` say up to where each stream was understood, as the file is seen again from the
    slowest of them."""

    __slots__ = ("_floors", "_open", "_unwrap")

    def __init__(self, unwrap: Callable[[bytes], Unwrapped | None]) -> None:
        self._unwrap = unwrap
        self._floors: dict[str, int] = {}
        self._open = False

    def plain(self, line: bytes) -> bytes:
        """What a wrapped line says."""
        found = self._unwrap(line)
        return found[1] if found else line

    def stamp_ms(self, line: bytes) -> int | None:
        """When the engine got a wrapped line, in Unix milliseconds."""
        found = self._unwrap(line)
        return stamp_ms(found[3].decode("ascii", "replace") if found else "", 0)

    def understand(
        self, scanner: Scanner, buffer: bytearray, start: int, stop: int, base: int, *, final: bool
    ) -> int:  # fmt: skip
        """The events of whole wrapped lines; returns where the part begins that must be seen again."""
        if not self._open and not final and scanner.kernel is None and len(scanner.hits(buffer, start, stop)) <= 1:
            return max(buffer.rfind(b"\n", start, stop - 1) + 1, start)
        again, ended = stop, True
        self._open = False
        for name, stream in self.streams(scanner.kernel, buffer, start, stop, base).items():
            rest, open_, done = self._one(scanner, name, stream, buffer, stop, base, final)
            again = min(again, rest)
            self._open, ended = self._open or open_, ended and done
        scanner.grouper.idle, scanner.grouper.ended = not self._open, self._open and ended
        return again

    def streams(self, kernel: object, buffer: bytearray, start: int, stop: int, base: int) -> dict[str, Stream]:
        """The streams in `buffer[start:stop]`, of which `base` is the offset in the file, from their floors on."""
        if kernel is not None:
            try:
                told = kernel.unwrap(  # type: ignore[attr-defined]
                    buffer, start, stop, base, self._floors, self._unwrap is _docker, self._unwrap
                )
            except OverflowError:  # more streams than anybody has
                pass
            else:
                return {name: Stream(text, table, open_at) for name, text, table, open_at in told}
        streams: dict[str, Stream] = {}
        at = start
        while at < stop:
            end = buffer.find(b"\n", at, stop)
            end = stop if end < 0 else end
            line = bytes(buffer[at : min(end, at + _LINE_BYTES)])
            name, text, whole, _ = self._unwrap(line.rstrip(b"\r")) or ("", line, True, b"")
            if base + at >= self._floors.get(name, 0):
                streams.setdefault(name, Stream()).add(at, text, whole=whole)
            at = end + 1
        return streams

    def _one(
        self, scanner: Scanner, name: str, stream: Stream, buffer: bytearray, stop: int, base: int, final: bool
    ) -> tuple[int, bool, bool]:
        """(where the stream must be seen again, whether something is open, whether that is complete)."""
        last = len(stream.text) if stream.open_at < 0 or final else stream.places[-1]
        if stream.open_at >= 0 and final:
            stream.text += b"\n"
        text = scanner.text(stream.text, 0, last, final=final)
        open_, done = False, True
        try:
            scanner.events(text, _Reader(scanner.grouper, self, stream, text, buffer, base))
            rest = keep_from(text) if not final else text.stop
        except NeedMore as more:
            rest, open_, done = keep_from(text, more.start), True, more.ended
        rest = min(rest, last)
        real = stream.offset(rest) if rest < len(stream.text) else stop
        self._floors[name] = base + (stream.offset(max(text.floor, 0)) if text.floor < len(stream.text) else stop)
        return real, open_, done


class _Reader:
    """Reads a stream's events, with their places in the file."""

    __slots__ = ("_base", "_buffer", "_frames", "_grouper", "_stream", "_text")

    def __init__(
        self, grouper: Grouper, frames: Frames, stream: Stream, text: Text, buffer: bytearray, base: int
    ) -> None:  # fmt: skip
        self._grouper, self._frames, self._stream, self._text = grouper, frames, stream, text
        self._buffer, self._base = buffer, base

    def read(self, block: Block, key: int = 0) -> None:
        """One event."""
        at = self._stream.offset(block.start)
        end = self._buffer.find(b"\n", at, at + _LINE_BYTES)
        wrapped = bytes(self._buffer[at : end if end >= 0 else at + _LINE_BYTES]).rstrip(b"\r")
        lines = [(self._base + self._stream.offset(at), line) for at, line in lines_of(block, self._text, 0)]
        self._grouper.read(Block(block.kind, 0, 0, block.parts), lines, self._frames.stamp_ms(wrapped), key)

    def count(self, counted: list[tuple[int, int, int]]) -> None:
        """Events of known kinds."""
        self._grouper.count([(kind, times, self._stream.offset(at)) for kind, times, at in counted], self._base)
