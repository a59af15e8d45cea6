"""Paths and what is durable about them: the generations being read under each, as checkpoints in the store."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from nightshift.monitors.logs.identity import ELSEWHERE, Mark, Past, Saved, dump_marks, is_short, load_marks
from nightshift.monitors.logs.tail import Tail

if TYPE_CHECKING:
    from nightshift.monitors.logs.settings import LogFile

_log = logging.getLogger(__name__)
_PREFIX = "logs:"
_PATTERN = "logs:?"
_PAST = 64
_PAST_SAVED = 32


class Place:
    """A path and the generations of it that are being read: the one there now and those rotated away.

    `saved` is what an earlier life saved, until it is taken up; `past` are generations behind us; `last_ns` is when
    the last one of them was last written. `real` is where the path leads when it is a link. `digest` tells whether
    the checkpoint in the store is still right.
    """

    __slots__ = ("digest", "generation", "last_ns", "older", "past", "path", "real", "rule", "saved", "tail")

    def __init__(self, path: str, rule: LogFile) -> None:
        self.path, self.rule = path, rule
        self.real = path
        self.tail: Tail | None = None
        self.older: tuple[Tail, ...] = ()
        self.past: tuple[Past, ...] = ()
        self.saved: Saved | None = None
        self.generation, self.last_ns, self.digest = 0, 0, 0

    def tails(self) -> tuple[Tail, ...]:
        """Older generations first, as they were written first."""
        return (*self.older, self.tail) if self.tail else self.older

    def drop_older(self, tail: Tail) -> None:
        """A rotated generation is read no longer."""
        self.older = tuple(one for one in self.older if one is not tail)

    def remember(self, past: Past) -> None:
        """A generation is behind us."""
        self.past = (*self.past[-_PAST + 1 :], past)

    def found_elsewhere(self, inode: int, head: str) -> None:
        """A generation is read on under another path; what was told of it while it was shorter is forgotten."""
        self.past = tuple(
            one for one in self.past if (one.inode, one.size) != (inode, ELSEWHERE) or not is_short(one.head)
        )
        self.remember(Past(inode=inode, head=head, size=ELSEWHERE))

    def dump(self) -> str:
        """Its checkpoint."""
        current = self.tail.mark if self.tail else None
        older = tuple(tail.mark for tail in self.older)
        return dump_marks(Saved(current=current, older=older, past=self.past[-_PAST_SAVED:],
                                generation=self.generation, last_ns=self.last_ns))  # fmt: skip

    def marks(self) -> list[Mark]:
        """What an earlier life saved, current one first."""
        return [] if self.saved is None else [*([self.saved.current] if self.saved.current else []), *self.saved.older]


class Checkpoints:
    """What the store holds of places, and what it should hold. Of ten thousand only the digests are kept."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._known: set[str] = set()
        self._offered: dict[str, tuple[Place | None, int]] = {}

    def load(self, checkpoints: Mapping[str, str], rule_of: Callable[[str], LogFile | None]) -> list[Place]:
        """Take up what an earlier life saved, for paths that are still wanted."""
        mine = [key for key in checkpoints if key.startswith(_PREFIX)]
        self._known = {key.removeprefix(_PATTERN) for key in mine if key.startswith(_PATTERN)}
        found = []
        for key in mine:
            path = key.removeprefix(_PREFIX)
            if not key.startswith(_PATTERN) and (rule := rule_of(path)) is not None:
                place = _loaded(path, rule, checkpoints[key])
                found += [place] if place else []
        return found

    def unsaved(self, places: Iterable[Place]) -> dict[str, str]:
        """Checkpoints of these places, and of patterns, that differ from what is saved."""
        wanted = {_PATTERN + pattern: "seen" for pattern in self._seen - self._known}
        self._offered = dict.fromkeys(wanted, (None, 0))
        for place in places:
            if place.saved is None and place.generation:
                text = place.dump()
                if (digest := _digest(text)) != place.digest:
                    key = _PREFIX + place.path
                    wanted[key], self._offered[key] = text, (place, digest)
        return wanted

    def saved(self) -> None:
        """The store has what was last offered."""
        for key, (place, digest) in self._offered.items():
            if place is not None:
                place.digest = digest
            else:
                self._known.add(key.removeprefix(_PATTERN))
        self._offered = {}

    def saw_pattern(self, pattern: str) -> None:
        """From now on files that appear under the pattern are new, also across restarts."""
        self._seen.add(pattern)

    def is_new(self, pattern: str) -> bool:
        """Whether no earlier life watched this pattern."""
        return pattern not in self._known


def _loaded(path: str, rule: LogFile, text: str) -> Place | None:
    place = Place(path, rule)
    try:
        place.saved = load_marks(text)
    except (ValueError, TypeError, AttributeError):
        _log.warning("the saved offset of %s can't be read; the file is taken as new", path)
        return None
    place.generation, place.past, place.digest = place.saved.generation, place.saved.past, _digest(text)
    if place.saved.current is not None and place.saved.current.real:
        place.real = place.saved.current.real
    return place


def _digest(text: str) -> int:
    """Eight bytes that stand for a text; Python's own hash may collide on purpose, and logs are hostile."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
