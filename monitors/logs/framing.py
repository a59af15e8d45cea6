"""Container engines wrap each line: CRI (`time stream P|F text`) and Docker's json-file. Each stream is a log.

Lines are unwrapped only where the prefilter found something, or an event is open: splitting every line costs several
times what searching costs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson

from nightshift.monitors.logs.record import stamp_ms

if TYPE_CHECKING:
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


class _Stream:
    """Unwrapped text, and for each of its lines where it starts: (offset in the text, in the file, timestamp)."""

    __slots__ = ("lines", "open_at", "text")

    def __init__(self) -> None:
        self.text = bytearray()
        self.lines: list[tuple[int, int, bytes]] = []
        self.open_at = -1


class Frames:
    """Unwraps a file. `floors` say up to where each stream was understood, as the file is seen again from the
    slowest of them."""

    __slots__ = ("_floors", "_open", "_unwrap")

    def __init__(self, unwrap: object) -> None:
        self._unwrap = unwrap
        self._floors: dict[str, int] = {}
        self._open = False

    def plain(self, line: bytes) -> bytes:
        """What a wrapped line says."""
        found = self._unwrap(line)  # type: ignore[operator]
        return found[1] if found else line

    def understand(
        self, scanner: Scanner, hits: list[int], buffer: bytearray, start: int, stop: int, base: int, *, final: bool
    ) -> int:
        """The events of whole wrapped lines; returns where the part begins that must be seen again."""
        if len(hits) <= 1 and not self._open and not final:
            return max(buffer.rfind(b"\n", start, stop - 1) + 1, start)
        streams = self._streams(buffer, start, stop, base)
        again, ended = stop, True
        self._open = False
        for name, stream in streams.items():
            rest, open_, done = self._one(scanner, name, stream, stop, base, final)
            again = min(again, rest)
            self._open, ended = self._open or open_, ended and done
        scanner.grouper.idle, scanner.grouper.ended = not self._open, self._open and ended
        return again

    def _streams(self, buffer: bytearray, start: int, stop: int, base: int) -> dict[str, _Stream]:
        streams: dict[str, _Stream] = {}
        at = start
        while at < stop:
            end = buffer.find(b"\n", at, stop)
            end = stop if end < 0 else end
            found = self._unwrap(bytes(buffer[at : min(end, at + _LINE_BYTES)]).rstrip(b"\r"))  # type: ignore[operator]
            name, text, whole, stamp = found or ("", bytes(buffer[at : min(end, at + _LINE_BYTES)]), True, b"")
            if base + at >= self._floors.get(name, 0):
                stream = streams.setdefault(name, _Stream())
                if stream.open_at < 0:
                    stream.lines.append((len(stream.text), at, stamp))
                    stream.open_at = at
                if len(stream.text) < 4 * _MAX_TEXT:
                    stream.text += text.replace(b"\n", b" ")
                if whole:
                    stream.text += b"\n"
                    stream.open_at = -1
            at = end + 1
        return streams

    def _one(
        self, scanner: Scanner, name: str, stream: _Stream, stop: int, base: int, final: bool
    ) -> tuple[int, bool, bool]:
        """(where the stream must be seen again, whether something is open, whether that is complete)."""
        from nightshift.monitors.logs.segment import Block, NeedMore, keep_from, segment

        grouper = scanner.grouper
        last = len(stream.text) if stream.open_at < 0 or final else stream.lines[-1][0]
        if stream.open_at >= 0 and final:
            stream.text += b"\n"
        text = scanner.text(stream.text, 0, last, final=final)
        positions = [at for at, _, _ in stream.lines]
        open_, done = False, True

        def place(at: int) -> tuple[int, bytes]:
            from bisect import bisect_right

            _, real, stamp = stream.lines[max(0, bisect_right(positions, at) - 1)]
            return real, stamp

        try:
            for block in segment(text, scanner.search(stream.text, 0, last)):
                lines = self._lines(block, text, place, base)
                at_ms = stamp_ms(place(block.start)[1].decode("ascii", "replace"), 0)
                grouper.read(Block(block.kind, 0, 0, block.parts), lines, at_ms)
            rest = keep_from(text) if not final else text.stop
        except NeedMore as more:
            rest, open_, done = keep_from(text, more.start), True, more.ended
        rest = min(rest, last)
        real = place(rest)[0] if rest < len(stream.text) else stop
        self._floors[name] = base + (place(max(text.floor, 0))[0] if text.floor < len(stream.text) else stop)
        return real, open_, done

    @staticmethod
    def _lines(block: object, text: object, place: object, base: int) -> list[tuple[int, bytes]]:
        from nightshift.monitors.logs.scan import lines_of

        return [(base + place(at)[0], line) for at, line in lines_of(block, text, 0)]  # type: ignore[operator,arg-type]
