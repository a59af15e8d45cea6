"""A generation that was packed while it still held lines nobody had read: read on from its unpacked offset."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from nightshift.monitors.logs.packed import Packed, Unfinished, Unreadable
from nightshift.monitors.logs.tail import Tail

if TYPE_CHECKING:
    from nightshift.monitors.logs.identity import Mark
    from nightshift.monitors.logs.places import Place
    from nightshift.monitors.logs.settings import Settings

_log = logging.getLogger(__name__)
_SKIP_BYTES = 4 << 20


class PackedTail(Tail):
    """Reads forwards only; offsets are those of the unpacked text. Its head was compared when it was found."""

    __slots__ = ("_left", "_stream")

    def __init__(self, place: Place, path: str, mark: Mark, now_s: float) -> None:
        super().__init__(place, path, mark, now_s)
        self._stream: Packed | None = None
        self._left = 0

    def read(self, fd: int, buffer: bytearray, settings: Settings, now_s: float) -> int:
        """Process one buffer, or skip some of what was read before; 0 when there is no more for now."""
        scanner = self.scanner
        assert scanner is not None
        try:
            if self._stream is None:
                self._stream, self._left = Packed(fd), scanner.read_at()
            if self._left:
                return self._skip(self._stream)
            data = self._stream.read(settings.read_bytes)
        except Unfinished:
            self._again()
            return 0
        except Unreadable as broken:
            _log.warning("what %s held is lost behind offset %d: %s", self.path, scanner.read_at(), broken)
            data = b""
        if not data:
            self.ended = True
            return 0
        kept = len(scanner.carry)
        buffer[:kept] = scanner.carry
        buffer[kept : kept + len(data)] = data
        scanner.scan(buffer, kept + len(data))
        self._seen = scanner.read_at()
        self.grown_s = now_s
        return len(data)

    def _skip(self, stream: Packed) -> int:
        """Unpack what was read before it was packed, some of it at a time."""
        skipped = 0
        while skipped < _SKIP_BYTES and self._left:
            data = stream.read(min(self._left, 1 << 18))
            if not data:
                self.ended = True
                return 0
            skipped, self._left = skipped + len(data), self._left - len(data)
        return skipped

    def _again(self) -> None:
        """Somebody may still be packing: from the start when its turn comes again."""
        self.close()

    def close(self) -> None:
        """Free what unpacking holds."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def finish(self) -> None:
        """It gives nothing more."""
        super().finish()
        self.close()
