"""Paths and what is durable about them: the generations being read under each, as checkpoints in the store."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from nightshift.monitors.logs.identity import Mark, dump_marks, load_marks
from nightshift.monitors.logs.settings import LogFile
from nightshift.monitors.logs.tail import Tail

_log = logging.getLogger(__name__)
_PREFIX = "logs:"
_PATTERN = "logs:?"


@dataclass
class Place:
    """A path and the generations of it that are being read: the one there now and those rotated away.

    `marks` are what an earlier life saved, until they are taken up; `known` the (inode, head) of past generations.
    """

    path: str
    file: LogFile
    tail: Tail | None = None
    older: list[Tail] = field(default_factory=list)
    marks: tuple[Mark | None, list[Mark]] | None = None
    generation: int = 0
    last_ns: int = 0
    known: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=64))

    def tails(self) -> list[Tail]:
        """Older generations first, as they were written first."""
        return [*self.older, *([self.tail] if self.tail else [])]


class Checkpoints:
    """What the store holds of places, and what it should hold."""

    def __init__(self) -> None:
        self._saved: dict[str, str] = {}
        self._patterns: set[str] = set()

    def load(self, checkpoints: Mapping[str, str], file_of: Callable[[str], LogFile | None]) -> list[Place]:
        """Take up what an earlier life saved, for paths that are still wanted."""
        self._saved = {k: v for k, v in checkpoints.items() if k.startswith(_PREFIX)}
        paths = [key.removeprefix(_PREFIX) for key in self._saved if not key.startswith(_PATTERN)]
        return [place for path in paths if (file := file_of(path)) and (place := self._place(path, file))]

    def _place(self, path: str, file: LogFile) -> Place | None:
        try:
            current, older, generation = load_marks(self._saved[_PREFIX + path])
        except (ValueError, TypeError, AttributeError):
            _log.warning("the saved offset of %s can't be read; the file is taken as new", path)
            return None
        return Place(path=path, file=file, marks=(current, older), generation=generation)

    def unsaved(self, places: Iterable[Place]) -> dict[str, str]:
        """Checkpoints of these places, and of patterns, that differ from what is saved."""
        wanted = {_PATTERN + pattern: "seen" for pattern in self._patterns}
        for place in places:
            if place.marks is None and place.generation:
                current = place.tail.mark if place.tail else None
                wanted[_PREFIX + place.path] = dump_marks(current, [t.mark for t in place.older], place.generation)
        return {k: v for k, v in wanted.items() if self._saved.get(k) != v}

    def saved(self, checkpoints: Mapping[str, str]) -> None:
        """The store has them."""
        self._saved.update(checkpoints)

    def saw_pattern(self, pattern: str) -> None:
        """From now on files that appear under the pattern are new, also across restarts."""
        self._patterns.add(pattern)

    def is_new(self, pattern: str) -> bool:
        """Whether no earlier life watched this pattern."""
        return _PATTERN + pattern not in self._saved
