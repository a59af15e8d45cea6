"""The set of files followed, as the monitor uses it: look at a path, read what is new, say what is durable."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from nightshift.daemon.model import Signal
from nightshift.monitors.logs.followed import Followed
from nightshift.monitors.logs.generations import Generations
from nightshift.monitors.logs.identity import is_short, open_regular
from nightshift.monitors.logs.observe import Watches
from nightshift.monitors.logs.places import Place
from nightshift.monitors.logs.reading import Reading
from nightshift.monitors.logs.rotated import bases_of
from nightshift.monitors.logs.tail import Tail

if TYPE_CHECKING:
    from nightshift.daemon.kit.clock import Clock
    from nightshift.monitors.logs.settings import Settings

_log = logging.getLogger(__name__)
_FORGET_S = 600.0
_SAVE_AT_ONCE = 64
_RECENT_MS = 24 * 3_600_000


class Files:
    """Used by one thread."""

    def __init__(self, settings: Settings, clock: Clock, watches: Watches) -> None:
        self._settings, self._clock = settings, clock
        self._all = Followed(settings, clock, watches)
        self._generations = Generations(self._all)
        self._reading = Reading(self._all, self._generations)
        self._unreadable: set[str] = set()
        self._gone_s: dict[Place, float] = {}

    # ------------------------------------------------------------ what is durable

    def load(self, checkpoints: Mapping[str, str]) -> None:
        """Take up what an earlier life saved. Paths that were gone for long leave only their number behind."""
        for place in self._all.checkpoints.load(checkpoints, self._all.rule_of):
            marks = place.marks()
            if not marks and not self._was_there(place):
                self._all.floor = max(self._all.floor, place.generation)
                continue
            self._all.places[place.path] = place
            if marks and is_short(marks[0].head):
                self._all.siblings.add(place)
            for mark in reversed(marks):
                self._all.claims[mark.dev << 64 | mark.inode] = (place, mark)

    def _was_there(self, place: Place) -> bool:
        """Whether something lay under the path not long ago: what came after may have been rotated away already."""
        last_ms = place.saved.last_ns // 1_000_000 if place.saved else 0
        return last_ms > 0 and self._clock.now_ms() - last_ms < _RECENT_MS

    def loaded(self) -> None:
        """Everything was looked at once: what nobody claimed is gone."""
        self._all.claims.clear()
        self._all.claimed.clear()

    def checkpoints(self, places: Iterable[Place]) -> dict[str, str]:
        """Checkpoints of these places that differ from what is saved, and of patterns."""
        return self._all.checkpoints.unsaved(places)

    def moved(self) -> list[Place]:
        """Some of the places whose offset may have moved; call again until there are none."""
        return list(islice(self._all.unsaved, _SAVE_AT_ONCE))

    def saved(self, places: Iterable[Place]) -> None:
        """The store has what `checkpoints` gave last, for these places."""
        self._all.checkpoints.saved()
        for place in places:
            self._all.unsaved.pop(place, None)
            if place.saved is None:
                self._all.entwined.pop(place, None)

    def saw_pattern(self, pattern: str) -> None:
        """From now on files that appear under the pattern are new, also across restarts."""
        self._all.checkpoints.saw_pattern(pattern)

    def take_signals(self) -> tuple[list[Signal], list[Place]]:
        """What was found since the last call, and the places to be saved with it."""
        found, self._all.alarms = self._all.alarms, []
        places = list(self._all.entwined)
        for place in self._all.restless:
            before = len(found)
            for tail in place.tails():
                if tail.scanner is not None and tail.scanner.grouper.out:
                    found += tail.scanner.grouper.out
                    tail.scanner.grouper.out = []
            if len(found) > before:
                places.append(place)
        return found, places

    # ------------------------------------------------------------ looking

    def concerns(self, path: str) -> bool:
        """Whether a path is one of ours."""
        return self._all.concerns(path)

    def paths(self) -> list[str]:
        """All paths known."""
        return list(self._all.places)

    @property
    def busy(self) -> bool:
        """Whether a file has more to read."""
        return bool(self._all.busy)

    def visit(self, path: str, *, at_start: bool = False, writes: int = 0) -> None:
        """See what lies under a path now, and queue it for reading when there is more."""
        place = self._all.places.get(path)
        if place is None:
            rule = self._all.rule_of(path)
            if rule is None:
                self._sibling(path)
                return
            place = Place(path, rule)
        try:
            self._look(place, at_start, writes)
        except (FileNotFoundError, NotADirectoryError):
            self._gone(place)
        except OSError as trouble:
            self._say_once(path, trouble)
        if place.tail or place.older or place.saved:
            self._all.places[path] = place

    def _sibling(self, path: str) -> None:
        """A name nobody asked for may be what a log of ours was rotated to."""
        for base in bases_of(path):
            if (place := self._all.places.get(base)) is not None:
                self._all.siblings.add(place)

    def _look(self, place: Place, at_start: bool, writes: int) -> None:
        status = os.stat(place.path)
        if place.tail is None or not place.tail.is_file(status):
            if not stat.S_ISREG(status.st_mode):
                self._gone(place)
                return
            self._arrive(place, at_start)
        self._gone_s.pop(place, None)
        tail = place.tail
        if tail is None:
            return
        if tail.has_more(status):
            self._all.busy[tail] = writes or self._all.watches.take_one(place.path)
        elif tail.watch and not self._all.watches.counts(tail.watch) and not writes:
            self._count_again(tail)

    def _arrive(self, place: Place, at_start: bool) -> None:
        for base in bases_of(place.path):
            if base not in self._all.places and self._all.rule_of(base) is not None:
                self.visit(base, at_start=at_start)
        place.real = self._all.watches.link(place.path)
        fd = open_regular(place.real)
        if fd is None:
            return
        new = self._all.checkpoints.is_new(os.path.abspath(place.rule.path))
        self._generations.arrive(place, fd, skip=at_start and new and not self._settings.from_start)
        self._all.stir(place)
        self._unreadable.discard(place.path)

    def _count_again(self, tail: Tail) -> None:
        """It was too busy to have its writes counted; it is quiet now."""
        self._all.uncount(tail)
        self._all.count(tail)

    def _gone(self, place: Place) -> None:
        """Nothing to read lies under the path. After a while only the number of its generations is kept."""
        if place.tail is not None or place.saved is not None:
            self._generations.gone(place)
        elif not place.older and place.path in self._all.places and place not in self._all.unsaved:
            now_s = self._clock.monotonic()
            if now_s > self._gone_s.setdefault(place, now_s) + _FORGET_S:
                self._all.floor = max(self._all.floor, place.generation)
                del self._gone_s[place], self._all.places[place.path]

    def _say_once(self, path: str, trouble: OSError) -> None:
        if path not in self._unreadable:
            self._unreadable.add(path)
            _log.warning("%s can't be read: %s", path, trouble.strerror)

    # ------------------------------------------------------------ reading

    def read_busy(self) -> None:
        """One buffer from every file that has more, in turn."""
        self._reading.read_busy()

    def settle(self) -> None:
        """Close what silence has ended; let go of older generations that stay silent."""
        self._reading.settle()

    def queue_older(self) -> None:
        """Rotated files send no events under a name we know: have them read."""
        self._reading.queue_older()

    def due_s(self) -> float:
        """When silence next closes something, in monotonic seconds."""
        return self._reading.due_s()

    def close(self) -> None:
        """Give all descriptors back."""
        self._reading.close()
