"""Whose turn it is: every file with more gets one buffer, so that a busy one can't keep the others waiting."""

from __future__ import annotations

import logging
import math
import os
from collections import OrderedDict

from nightshift.monitors.logs.followed import Followed
from nightshift.monitors.logs.generations import Generations
from nightshift.monitors.logs.group import Grouper
from nightshift.monitors.logs.identity import is_empty, is_short
from nightshift.monitors.logs.origin import origin
from nightshift.monitors.logs.places import Place
from nightshift.monitors.logs.rotated import bases_of
from nightshift.monitors.logs.rules import compiled
from nightshift.monitors.logs.scan import Prefilter, Scanner
from nightshift.monitors.logs.tail import Replaced, Tail

_log = logging.getLogger(__name__)
_DRAIN_S = 0.1
_AWAKE = 128
_OUTRUN_S = 10.0


class Reading:
    """Reads and settles what `Followed` says is busy or restless. `awake`: those that have a scanner, oldest first."""

    def __init__(self, all_: Followed, generations: Generations) -> None:
        self._all, self._generations, self._settings = all_, generations, all_.settings
        self._prefilter = Prefilter(errors=all_.settings.errors, rules=compiled(all_.settings.rules, all_.clock))
        self._buffer = bytearray()
        self._awake: OrderedDict[Tail, None] = OrderedDict()
        self._behind: dict[Place, float] = {}

    # ------------------------------------------------------------ turns

    def read_busy(self) -> None:
        """One buffer from every file that has more. What came in one write, and is still all there is, is whole."""
        whole = [tail for tail, writes in list(self._all.busy.items()) if self._turn(tail, writes) and tail.whole]
        if whole:
            later = self._all.watches.look()
            for tail in whole:
                tail.whole = later.get(tail.place.path, 0) == 0
        while len(self._awake) > _AWAKE:
            tail = next(iter(self._awake))
            if not tail.sleep():
                self._awake.move_to_end(tail)
                break
            del self._awake[tail]

    def _turn(self, tail: Tail, writes: int) -> bool:
        """Whether anything was read."""
        got, replaced = 0, False
        if tail is tail.place.tail or tail in tail.place.older:
            try:
                got = self._read(tail)
            except Replaced:
                replaced = True
                self._generations.replaced(tail)
            except FileNotFoundError:
                pass  # given up by `Descriptors`, then renamed: the next look finds it
            except OSError as trouble:
                _log.warning("%s can't be read: %s", tail.path, trouble.strerror)
        tail.whole = tail.whole and writes == 1 and got > 0
        if got:
            self._all.busy[tail] = 0
        elif not replaced:
            self._all.busy.pop(tail, None)
        return got > 0

    def _read(self, tail: Tail) -> int:
        if tail.copy:
            return 0
        fd = self._all.descriptors.of(tail)
        if fd is None:
            return 0
        if is_short(tail.head) and os.fstat(fd).st_mtime_ns != tail.mtime_ns:
            if is_empty(tail.head):
                if self._is_copy(tail, fd):
                    return 0
                self._generations.first_bytes(tail, fd)
            elif self._generations.copied_away(tail, fd):
                raise Replaced(tail.path)
        if tail.scanner is None:
            tail.scanner = self._scanner(tail)
        self._awake[tail] = None
        self._awake.move_to_end(tail)
        if not self._buffer:
            self._buffer = bytearray(self._settings.line_bytes + self._settings.read_bytes)
        before, head = tail.mtime_ns, tail.head
        got = tail.read(fd, self._buffer, self._settings, self._all.clock.monotonic())
        if got or tail.mtime_ns != before:
            self._all.stir(tail.place)
        if tail.head != head and not is_empty(head):
            self._generations.tell_bases(tail.place, fd)
        return got

    def _is_copy(self, tail: Tail, fd: int) -> bool:
        """A copy that was still empty when its name appeared."""
        if next(bases_of(tail.place.path), None) is None or not self._generations.is_copy(tail.place.path, fd):
            return False
        tail.copy = True
        self._generations.tell_bases(tail.place, fd)
        self._all.uncount(tail)
        self._all.stir(tail.place)
        return True

    def _scanner(self, tail: Tail) -> Scanner:
        place = tail.place
        grouper = Grouper(
            service=place.rule.service, source=f"logs:{place.path}", identity=tail.id, clock=self._all.clock,
            labels={"log": place.path, **origin(place.path, tail.path)}, form=place.rule.format,
            errors=self._settings.errors, max_lines=self._settings.event_lines,
        )  # fmt: skip
        return Scanner(grouper, self._prefilter, position=tail.offset, line_bytes=self._settings.line_bytes,
                       seen=tail.seen)  # fmt: skip

    # ------------------------------------------------------------ silence

    def settle(self) -> None:
        """Close what silence has ended; let go of older generations that stay silent."""
        now_s = self._all.clock.monotonic()
        for place in list(self._all.restless):
            for tail in place.older:
                self._settle_older(place, tail, now_s)
            if place.tail is not None and place.tail.settle(self._settings, now_s):
                self._all.stir(place)
            self._watch_rotation(place, now_s)
            if not place.older and (place.tail is None or place.tail.calm):
                del self._all.restless[place]

    def _settle_older(self, place: Place, tail: Tail, now_s: float) -> None:
        if tail.settle(self._settings, now_s):
            self._all.stir(place)
        silent = tail.ended or tail.fd is None or now_s >= tail.grown_s + self._settings.grace_s
        if tail in self._all.busy or not silent:
            return
        tail.finish()
        if tail.calm:
            self._all.let_go(tail, rewritten=_shared(place, tail))
            self._awake.pop(tail, None)
            place.drop_older(tail)
            self._all.stir(place)

    def _watch_rotation(self, place: Place, now_s: float) -> None:
        """Alarm when several rotated files stay unread for long: one more rotation may remove them."""
        if sum(tail in self._all.busy for tail in place.older) < 2:
            self._behind.pop(place, None)
        elif now_s > self._behind.setdefault(place, now_s) + _OUTRUN_S:
            self._all.outrun(place)

    def queue_older(self) -> None:
        """Rotated files send no events under a name we know: have them read."""
        for place in self._all.restless:
            for tail in place.older:
                self._all.busy.setdefault(tail, 0)

    def due_s(self) -> float:
        """When silence next closes something, in monotonic seconds."""
        now_s, due = self._all.clock.monotonic(), math.inf
        for place in self._all.restless:
            if place.older:
                due = min(due, now_s + _DRAIN_S)
            if place.tail is not None:
                due = min(due, place.tail.due_s(self._settings))
        return due

    def close(self) -> None:
        """Give all descriptors back."""
        for place in self._all.restless:
            for tail in place.older:
                tail.close()
        self._all.descriptors.close()


def _shared(place: Place, tail: Tail) -> bool:
    """Whether the path still means the same file: then it was rewritten in place."""
    return place.tail is not None and place.tail.file == tail.file
