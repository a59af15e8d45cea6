"""The set of files followed: which generation each path stands for, through rotation by any method.

- Renamed away: the open descriptor is read to its end (and a grace period longer), the new file from 0.
- Truncated or rewritten in place: what copytruncate saved is read from the copy, the file again from 0.
- Rotated more than once between two looks, or while the daemon was down: found by inode, head and time.
"""

from __future__ import annotations

import logging
import math
import os
from collections import OrderedDict
from collections.abc import Mapping

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Signal
from nightshift.monitors.logs.descriptors import Descriptors
from nightshift.monitors.logs.group import Grouper
from nightshift.monitors.logs.identity import (
    Mark,
    find_copy,
    find_missed,
    find_renamed,
    last_line_start,
    open_regular,
    read_head,
    same_head,
)
from nightshift.monitors.logs.patterns import Matcher
from nightshift.monitors.logs.places import Checkpoints, Place
from nightshift.monitors.logs.scan import Prefilter, Scanner
from nightshift.monitors.logs.settings import LogFile, Settings
from nightshift.monitors.logs.tail import Replaced, Tail

_log = logging.getLogger(__name__)
_DRAIN_S = 0.1


class Files:
    """Used by one thread, apart from `concerns`."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._prefilter = Prefilter(errors=settings.errors)
        self._buffer = bytearray(settings.line_bytes + settings.read_bytes)
        self._rules = [(Matcher(os.path.abspath(f.path)), f) for f in settings.files]
        self._places: dict[str, Place] = {}
        self._files = Descriptors(settings.open_files)
        self._checkpoints = Checkpoints()
        self._unreadable: set[str] = set()
        self._restless: dict[str, Place] = {}
        self._unsaved: dict[str, Place] = {}
        self.busy: OrderedDict[Tail, Place] = OrderedDict()

    # ------------------------------------------------------------ what is durable

    def load(self, checkpoints: Mapping[str, str]) -> None:
        """Take up what an earlier life saved."""
        self._places = {place.path: place for place in self._checkpoints.load(checkpoints, self._file_of)}

    def checkpoints(self) -> dict[str, str]:
        """Checkpoints that differ from what is saved."""
        return self._checkpoints.unsaved(self._unsaved.values())

    def saved(self, checkpoints: Mapping[str, str]) -> None:
        """The store has them."""
        self._checkpoints.saved(checkpoints)
        self._unsaved.clear()

    def saw_pattern(self, pattern: str) -> None:
        """From now on files that appear under the pattern are new, also across restarts."""
        self._checkpoints.saw_pattern(pattern)

    def take_signals(self) -> list[Signal]:
        """What was found since the last call."""
        found: list[Signal] = []
        for place in self._restless.values():
            for tail in place.tails():
                found += tail.scanner.grouper.out
                tail.scanner.grouper.out = []
        return found

    def _stir(self, place: Place) -> None:
        """Something about a place may have changed."""
        self._restless[place.path] = self._unsaved[place.path] = place

    # ------------------------------------------------------------ looking

    def concerns(self, path: str) -> bool:
        """Whether a path is one of ours."""
        return path in self._places or self._file_of(path) is not None

    def paths(self) -> list[str]:
        """All paths known."""
        return list(self._places)

    def _file_of(self, path: str) -> LogFile | None:
        return next((file for matches, file in self._rules if matches(path)), None)

    def visit(self, path: str, *, at_start: bool = False) -> None:
        """See what lies under a path now, and queue it for reading when there is more."""
        place = self._places.get(path)
        if place is None:
            file = self._file_of(path)
            if file is None:
                return
            place = Place(path=path, file=file)
        try:
            self._look(place, at_start)
        except FileNotFoundError:
            self._gone(place)
        except OSError as trouble:
            if path not in self._unreadable:
                self._unreadable.add(path)
                _log.warning("%s can't be read: %s", path, trouble.strerror)
        if place.tail or place.older or place.marks:
            self._places[path] = place

    def _look(self, place: Place, at_start: bool) -> None:
        status = os.stat(place.path)
        if place.tail is None or not place.tail.is_file(status.st_dev, status.st_ino):
            fd = open_regular(place.path)
            if fd is None:
                return
            self._arrive(place, fd, at_start)
            self._stir(place)
            self._unreadable.discard(place.path)
        if place.tail is not None:
            self.busy[place.tail] = place

    def _arrive(self, place: Place, fd: int, at_start: bool) -> None:
        """Another file than before lies under the path."""
        if place.marks is not None:
            self._resume(place, fd)
        elif place.generation:
            self._rotated(place, fd)
        elif (moved := self._moved_here(fd)) is not None:
            place.tail, place.generation = moved, max(1, moved.mark.generation)
            moved.path = place.path
            os.close(fd)
        elif not self._alias(place.path, fd):
            new = self._checkpoints.is_new(os.path.abspath(place.file.path))
            skip = at_start and new and not self._settings.from_start
            self._begin(place, fd, offset=self._end(fd) if skip else 0)
        else:
            os.close(fd)

    def _end(self, fd: int) -> int:
        return last_line_start(fd, os.fstat(fd).st_size, self._settings.line_bytes)

    def _gone(self, place: Place) -> None:
        """Nothing lies under the path: whoever still writes the old file is heard for a while."""
        if place.marks is not None:
            self._resume(place, None)
        self._retire(place)
        self._stir(place)

    def _alias(self, path: str, fd: int) -> bool:
        """Whether the same file is already read under another path it still has (links)."""
        now = os.fstat(fd)
        return any(p.tail and p.path != path and p.tail.is_file(now.st_dev, now.st_ino) for p in self._places.values())

    def _moved_here(self, fd: int) -> Tail | None:
        """The tail that reads this file already, under a name the file no longer has."""
        now = os.fstat(fd)
        for place in self._places.values():
            for tail in place.tails():
                if not tail.is_file(now.st_dev, now.st_ino) or not same_head(fd, tail.mark.head):
                    continue
                if tail is place.tail and _still_there(place.path, now):
                    continue
                self._detach(place, tail)
                return tail
        return None

    def _detach(self, place: Place, tail: Tail) -> None:
        self._stir(place)
        tail.pinned = False
        if tail is place.tail:
            place.tail = None
        else:
            place.older.remove(tail)

    # ------------------------------------------------------------ generations

    def _begin(self, place: Place, fd: int, *, offset: int = 0, seen: tuple[os.stat_result, str] | None = None) -> Tail:
        """A new generation; `seen` is what the file was when copies of it were told from files never read."""
        status, head = seen or (os.fstat(fd), read_head(fd))
        place.generation += 1
        id_ = stable_id("log", place.path, f"{status.st_dev}", f"{status.st_ino}", f"{place.generation}", head)
        mark = Mark(id=id_, dev=status.st_dev, inode=status.st_ino, head=head, generation=place.generation,
                    offset=offset, mtime_ns=status.st_mtime_ns)  # fmt: skip
        place.tail = self._follow(place, mark, fd)
        return place.tail

    def _follow(self, place: Place, mark: Mark, fd: int) -> Tail:
        """Read a generation on from its mark."""
        grouper = Grouper(
            service=place.file.service, source=f"logs:{place.path}", identity=mark.id, clock=self._clock,
            labels={"log": place.path}, form=place.file.format, errors=self._settings.errors,
            max_lines=self._settings.event_lines,
        )  # fmt: skip
        scanner = Scanner(grouper, self._prefilter, position=mark.offset, line_bytes=self._settings.line_bytes)
        tail = Tail(place.path, mark, scanner, self._settings, self._clock.monotonic())
        place.known.append((mark.inode, mark.head))
        self._files.hold(tail, fd)
        self.busy[tail] = place
        return tail

    def _rotated(self, place: Place, fd: int) -> None:
        """The path means another file now; generations in between may have come and gone."""
        self._retire(place)
        moved = self._moved_here(fd)
        seen = self._missed(place, fd, place.last_ns)
        if moved is not None:
            place.tail = moved
            os.close(fd)
        else:
            self._begin(place, fd, seen=seen)

    def _retire(self, place: Place, *, rewritten: bool = False) -> None:
        """The current generation becomes an older one, read from its descriptor until it stays silent."""
        tail, place.tail = place.tail, None
        if tail is not None:
            tail.pinned, tail.grown_s = True, self._clock.monotonic()
            place.last_ns = tail.mark.mtime_ns
            place.known.append((tail.mark.inode, tail.mark.head))
            if tail.fd is None and not rewritten and (fd := find_renamed(place.path, tail.mark)) is not None:
                self._files.hold(tail, fd)
            place.older.append(tail)
            self.busy[tail] = place

    def _missed(self, place: Place, fd: int, since_ns: int) -> tuple[os.stat_result, str]:
        """Read generations that came and went unseen; what `fd` was when they were looked for."""
        status, head = os.fstat(fd), read_head(fd)
        inodes = {inode for inode, _ in place.known} | {status.st_ino}
        heads = [head, *(t.mark.head for t in place.older), *(known for _, known in place.known)]
        for other in find_missed(place.path, since_ns, inodes, heads, self.concerns):
            self._begin(place, other)
            self._retire(place)
        return status, head

    def _replaced(self, place: Place, tail: Tail) -> None:
        """The file was emptied or rewritten in place: the rest of what it held may be in a copy."""
        if tail.fd is None:
            return
        again = os.dup(tail.fd)
        copy = find_copy(place.path, tail.mark)
        self._files.drop(tail)
        if tail is not place.tail:
            os.close(again)
            tail.finish()
            return
        if copy is not None:
            self._files.hold(tail, copy)
        self._retire(place, rewritten=True)
        self._begin(place, again, seen=self._missed(place, again, tail.mark.mtime_ns))

    def _resume(self, place: Place, fd: int | None) -> None:
        """Take up a path where an earlier life left it; what was rotated away meanwhile is read first."""
        current, older = place.marks or (None, [])
        place.marks = None
        for mark in older:
            self._take_up(place, mark)
        if current is None:
            if fd is not None:
                self._begin(place, fd)
            return
        now = os.fstat(fd) if fd is not None else None
        same = now is not None and (now.st_dev, now.st_ino) == (current.dev, current.inode)
        if fd is not None and same and now and now.st_size >= current.offset and same_head(fd, current.head):
            place.tail = self._follow(place, current, fd)
            return
        found = self._take_up(place, current)
        if fd is not None:
            self._begin(place, fd, seen=self._missed(place, fd, current.mtime_ns) if found else None)

    def _take_up(self, place: Place, mark: Mark) -> bool:
        """Find a generation that left its path, and drain it."""
        fd = find_renamed(place.path, mark)
        if fd is not None and os.fstat(fd).st_size < mark.offset:
            os.close(fd)
            fd = None
        fd = fd if fd is not None else find_copy(place.path, mark)
        if fd is None:
            _log.info("an older generation of %s is gone; lines it held behind offset %d are lost", place.path,
                      mark.offset)  # fmt: skip
            return False
        place.tail = self._follow(place, mark, fd)
        self._retire(place)
        return True

    # ------------------------------------------------------------ reading

    def read_busy(self) -> None:
        """One buffer from every file that has more, in turn."""
        for tail, place in list(self.busy.items()):
            if tail is not place.tail and tail not in place.older:
                self.busy.pop(tail, None)
                continue
            try:
                more = self._read(place, tail)
            except Replaced:
                more = False
                self._replaced(place, tail)
            except FileNotFoundError:
                more = False  # given up by `Descriptors`, then renamed: the next look finds it
            except OSError as trouble:
                more = False
                _log.warning("%s can't be read: %s", tail.path, trouble.strerror)
            if not more:
                self.busy.pop(tail, None)

    def _read(self, place: Place, tail: Tail) -> bool:
        fd = self._files.of(tail)
        if fd is None or not tail.read(fd, self._buffer, self._clock.monotonic()):
            return False
        self._stir(place)
        return True

    def settle(self) -> None:
        """Close what silence has ended; let go of older generations that stay silent."""
        now_s = self._clock.monotonic()
        for place in list(self._restless.values()):
            for tail in list(place.older):
                self._settle_older(place, tail, now_s)
            if place.tail is not None and place.tail.settle(now_s):
                self._stir(place)
            if not place.older and (place.tail is None or place.tail.calm):
                del self._restless[place.path]

    def _settle_older(self, place: Place, tail: Tail, now_s: float) -> None:
        if tail.settle(now_s):
            self._stir(place)
        if tail in self.busy or (tail.fd is not None and now_s < tail.grown_s + self._settings.grace_s):
            return
        tail.finish()
        if tail.calm:
            self._files.drop(tail)
            place.older.remove(tail)
            self._stir(place)

    def queue_older(self) -> None:
        """Rotated files send no events under a name we know: have them read."""
        for place in self._restless.values():
            for tail in place.older:
                self.busy[tail] = place

    def due_s(self) -> float:
        """When silence next closes something, in monotonic seconds."""
        now_s, due = self._clock.monotonic(), math.inf
        for place in self._restless.values():
            due = min(due, now_s + _DRAIN_S if place.older else math.inf, place.tail.due_s() if place.tail else due)
        return due

    def close(self) -> None:
        """Give all descriptors back."""
        self._files.close()


def _still_there(path: str, status: os.stat_result) -> bool:
    try:
        now = os.stat(path)
    except OSError:
        return False
    return (now.st_dev, now.st_ino) == (status.st_dev, status.st_ino)
