"""Which generation each path stands for, through rotation by any method.

- Renamed away: the open descriptor is read to its end (and a grace period longer), the new file from 0.
- Truncated or rewritten in place: what copytruncate saved is read from the copy, the file again from 0.
- Rotated more than once between two looks, or while the daemon was down: found by inode, head and time, packed or not.
- A file continues where its mark says, whatever its name is now.
- A copy that copytruncate made is never read as a file of its own, even if a pattern matches its name.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace

from nightshift.daemon.kit.ids import stable_id
from nightshift.monitors.logs.followed import Followed
from nightshift.monitors.logs.identity import (
    ELSEWHERE,
    HEAD_BYTES,
    TICK_NS,
    Mark,
    begins,
    file_key,
    head_of,
    is_empty,
    last_line_start,
    read_head,
    same_head,
)
from nightshift.monitors.logs.places import Place
from nightshift.monitors.logs.rotated import (
    Found,
    bases_of,
    equals,
    find_copy,
    find_missed,
    find_renamed,
    same_content,
    written_since,
)
from nightshift.monitors.logs.tail import Tail
from nightshift.monitors.logs.unpacking import PackedTail

_log = logging.getLogger(__name__)


class Generations:
    """The rules; what they work on is `Followed`."""

    def __init__(self, all_: Followed) -> None:
        self._all = all_

    # ------------------------------------------------------------ a file lies under a path

    def arrive(self, place: Place, fd: int, *, skip: bool) -> None:
        """Another file than before lies under the path; `skip` what a path nobody knew holds already."""
        fresh = place.generation == 0 and place.saved is None
        if place.saved is not None:
            self._leave_saved(place, fd)
        elif not fresh:
            self.retire(place)
        if self._continued(place, fd):
            return
        if not self._alias(place, fd):
            self._all.finished.pop(file_key(os.fstat(fd)), None)
            seen = None if fresh else self._missed(place, fd)
            copy = self.is_copy(place.path, fd)
            offset = os.fstat(fd).st_size if copy else self._end(fd) if skip and fresh else 0
            self._begin(place, fd, offset=offset, seen=seen, copy=copy)
            self.tell_bases(place, fd)
        else:
            os.close(fd)

    def gone(self, place: Place) -> None:
        """Nothing lies under the path: whoever still writes the old file is heard for a while."""
        if place.saved is not None:
            self._leave_saved(place, None)
        self.retire(place)
        self._all.stir(place)

    def _end(self, fd: int) -> int:
        return last_line_start(fd, os.fstat(fd).st_size, self._all.settings.line_bytes)

    def _alias(self, place: Place, fd: int) -> bool:
        """Whether the same file is already read under another path it still has (links)."""
        other = self._all.by_file.get(file_key(os.fstat(fd)))
        return other is not None and other is other.place.tail and other.place is not place

    def _continued(self, place: Place, fd: int) -> bool:
        """Take the file up where it was left: under another name by us, or under any name by an earlier life."""
        status = os.fstat(fd)
        key = file_key(status)
        claim = self._all.claims.get(key)
        if claim is not None and _fits(fd, status, claim[1]):
            del self._all.claims[key]
            self._all.claimed.add(claim[1].id)
            self._follow(place, claim[1], fd)
            return True
        other = self._all.by_file.get(key) or self._finished(key)
        if other is None or isinstance(other, PackedTail) or not same_head(fd, other.head):
            return False
        if status.st_size < other.offset or (other is other.place.tail and _still_there(other.place.real, status)):
            return False
        self._adopt(place, other, fd)
        return True

    def _finished(self, key: int) -> Tail | None:
        """A generation we let go of. One that was empty can't be told from another file on its inode."""
        tail = self._all.finished.get(key)
        return None if tail is None or is_empty(tail.head) else tail

    def _adopt(self, place: Place, tail: Tail, fd: int) -> None:
        """A file is known under another name from now on."""
        old = tail.place
        if tail is old.tail:
            old.tail, old.last_ns = None, tail.mtime_ns
        old.drop_older(tail)
        old.found_elsewhere(tail.inode, read_head(fd))
        self._all.stir(old)
        self._all.entwine(old, place)
        tail.place, tail.path, tail.pinned, tail.ended = place, place.real, False, False
        place.tail, place.generation = tail, max(place.generation, tail.generation, 1)
        self._all.uncount(tail)
        self._all.attach(tail, fd)
        self._all.count(tail)

    def tell_bases(self, place: Place, fd: int) -> None:
        """What is followed under a rotated name is not missed under the name it was rotated from."""
        for base in bases_of(place.path):
            if (other := self._all.places.get(base)) is not None:
                other.found_elsewhere(os.fstat(fd).st_ino, read_head(fd))
                self._all.entwine(other, place)

    def is_copy(self, path: str, fd: int) -> bool:
        """Whether it is a copy of a log we follow under the name it was rotated from."""
        found = Found(fd=fd, packed=False, status=os.fstat(fd), head=os.pread(fd, HEAD_BYTES, 0))
        others = [self._all.places.get(base) for base in bases_of(path)]
        return bool(found.head) and any(other is not None and self._copied(other, found) for other in others)

    def _copied(self, place: Place, found: Found) -> bool:
        inode = found.status.st_ino
        if any(tail.inode != inode and self._is_of(tail, found) for tail in place.tails()):
            return True
        past = [one for one in place.past if one.inode != inode and one.size != ELSEWHERE]
        return any(equals(found, one) for one in past)

    def _is_of(self, tail: Tail, found: Found) -> bool:
        """Whether a file is what a generation is read from, or holds the same."""
        try:
            fd = self._all.descriptors.of(tail)
        except OSError:
            fd = None
        if fd is None:
            return _is(tail.head, found)
        now = os.fstat(fd)
        if file_key(now) == file_key(found.status):
            return True
        if isinstance(tail, PackedTail):
            return head_of(found.head) == tail.head
        return same_content(found, fd) or (_is_rewritten(tail) and _is(tail.head, found))

    # ------------------------------------------------------------ generations begin and end

    def _begin(self, place: Place, fd: int, *, offset: int = 0, seen: tuple[os.stat_result, str] | None = None,
               copy: bool = False) -> Tail:  # fmt: skip
        """A new generation; `seen` is what the file was when copies of it were told from files never read."""
        status, head = seen or (os.fstat(fd), read_head(fd))
        place.generation = max(place.generation, self._all.floor) + 1
        id_ = stable_id("log", place.path, f"{status.st_dev}", f"{status.st_ino}", f"{place.generation}", head)
        mark = Mark(id=id_, dev=status.st_dev, inode=status.st_ino, head=head, generation=place.generation,
                    offset=offset, mtime_ns=status.st_mtime_ns, copy=copy)  # fmt: skip
        return self._follow(place, mark, fd)

    def _follow(self, place: Place, mark: Mark, fd: int, *, packed: bool = False) -> Tail:
        """Read a generation on from its mark."""
        kind = PackedTail if packed else Tail
        tail = place.tail = kind(place, place.real, mark, self._all.clock.monotonic())
        place.generation = max(place.generation, mark.generation)
        self._all.attach(tail, fd)
        if not packed:
            self._all.count(tail)
        return tail

    def retire(self, place: Place, *, rewritten: bool = False) -> None:
        """The current generation becomes an older one, read from its descriptor until it stays silent."""
        tail, place.tail = place.tail, None
        if tail is None:
            return
        self._all.stir(place)
        self._all.uncount(tail)
        tail.pinned, tail.grown_s = True, self._all.clock.monotonic()
        place.last_ns = tail.mtime_ns
        if tail.copy:
            self._all.let_go(tail)
            return
        if tail.fd is None and not rewritten:
            tail = self._found_again(tail)
        place.older = (*place.older, tail)
        self._all.busy[tail] = 0
        if not rewritten and _is_rewritten(tail):
            self.replaced(tail)

    def _found_again(self, tail: Tail) -> Tail:
        """A generation whose descriptor we had given up: under its new name, or packed."""
        found = find_renamed(tail.path, tail.mark) or self._copy(tail.place, tail.path, tail.mark)
        if found is None:
            return tail
        return self._reads(tail, found)

    def _copy(self, place: Place, path: str, mark: Mark) -> Found | None:
        """A copy of a generation, packed or not."""
        return find_copy(path, mark, lambda found: self._another(place, mark, found))

    def _another(self, place: Place, mark: Mark, found: Found) -> bool:
        """Whether a file is, or holds, another generation than `mark`: one that we follow or followed."""
        key = file_key(found.status)
        claim = self._all.claims.get(key)
        known: list[Mark | Tail] = [claim[1]] if claim is not None else []
        known += [one for one in (self._all.by_file.get(key), self._all.finished.get(key)) if one is not None]
        if any(one.id != mark.id and not one.copy and _is(one.head, found) for one in known):
            return True
        fds = [tail.fd for tail in place.tails() if tail.fd is not None and tail.id != mark.id]
        if any(file_key(os.fstat(fd)) == key for fd in fds):
            return True
        early = not written_since(found, mark.mtime_ns + TICK_NS)
        past = [past for past in place.past if past.size != ELSEWHERE and (early or past.is_whole(found.status))]
        return any(equals(found, one) for one in past)

    def _reads(self, tail: Tail, found: Found) -> Tail:
        """Read a generation on from what was found of it: if that is packed, another tail does."""
        if not found.packed:
            self._all.descriptors.hold(tail, found.fd)
            return tail
        if tail.scanner is not None:
            self._all.alarms += tail.scanner.grouper.out
        packed = PackedTail(tail.place, tail.path, _known_by(tail.mark, found), self._all.clock.monotonic())
        packed.pinned = True
        self._all.busy.pop(tail, None)
        if self._all.by_file.get(tail.file) is tail:
            del self._all.by_file[tail.file]
        self._all.descriptors.hold(packed, found.fd)
        self._all.busy[packed] = 0
        return packed

    def _missed(self, place: Place, fd: int) -> tuple[os.stat_result, str]:
        """Read generations that came and went unseen; what `fd` was when they were looked for."""
        status, head = os.fstat(fd), read_head(fd)
        if not place.last_ns:
            return status, head
        copied = lambda found: any(self._is_of(tail, found) for tail in place.older)  # noqa: E731  one line says it
        for found in find_missed(place.real, place.last_ns, (status.st_ino, head), copied, place.past,
                                 self._all.concerns):  # fmt: skip
            mark = self._mark_of(place, found)
            self._follow(place, mark, found.fd, packed=found.packed)
            self.retire(place)
        return status, head

    def _mark_of(self, place: Place, found: Found) -> Mark:
        status, head = found.status, head_of(found.head)
        place.generation = max(place.generation, self._all.floor) + 1
        id_ = stable_id("log", place.path, f"{status.st_dev}", f"{status.st_ino}", f"{place.generation}", head)
        return Mark(id=id_, dev=status.st_dev, inode=status.st_ino, head=head, generation=place.generation, offset=0,
                    mtime_ns=status.st_mtime_ns)  # fmt: skip

    def first_bytes(self, tail: Tail, fd: int) -> None:
        """A file we knew empty begins. If a rotated name turned up beside it, it may have been filled, copied and
        emptied meanwhile: nothing in the file itself tells.
        """
        place = tail.place
        self.tell_bases(place, fd)
        if self._has_siblings(tail):
            place.tail, place.last_ns = None, tail.mtime_ns
            self._missed(place, fd)
            place.tail = tail
            self._all.stir(place)
        self._all.siblings.discard(place)

    def copied_away(self, tail: Tail, fd: int) -> bool:
        """Whether a file of which little was read was copied, emptied and filled anew, and begins as before: a copy
        that goes on differently tells.
        """
        if not self._has_siblings(tail):
            return False
        place, mark = tail.place, tail.mark
        found = find_copy(tail.path, mark, lambda one: self._another(place, mark, one) or same_content(one, fd))
        if found is not None:
            found.close()
        return found is not None

    def _has_siblings(self, tail: Tail) -> bool:
        return tail is tail.place.tail and (tail.place in self._all.siblings or not self._all.watches.live)

    def replaced(self, tail: Tail) -> None:
        """The file was emptied or rewritten in place: the rest of what it held may be in a copy."""
        place, older = tail.place, tail is not tail.place.tail
        if tail.fd is None:
            return
        again = os.dup(tail.fd)
        found = self._copy(place, tail.path, tail.mark)
        self._all.descriptors.drop(tail)
        if older:
            self._rewritten_before(place, tail, again)
            self._reads_on(tail, found)
        else:
            self.retire(place, rewritten=True)
            self._reads_on(tail, found)
            self._begin(place, again, seen=self._missed(place, again))
        self._all.stir(place)

    def _reads_on(self, tail: Tail, found: Found | None) -> None:
        if found is not None:
            place, reader = tail.place, self._reads(tail, found)
            place.older = tuple(reader if one is tail else one for one in place.older)

    def _rewritten_before(self, place: Place, tail: Tail, fd: int) -> None:
        """A file was emptied and filled anew, then renamed: one more generation, unless its new name is followed."""
        if self._all.by_file.get(tail.file) is not tail or not os.fstat(fd).st_size:
            os.close(fd)
            return
        current, last_ns, place.tail = place.tail, place.last_ns, None
        self._begin(place, fd)
        self.retire(place)
        place.tail, place.last_ns = current, last_ns

    # ------------------------------------------------------------ after a restart

    def _leave_saved(self, place: Place, fd: int | None) -> None:
        """Take up a path where an earlier life left it; what was rotated away meanwhile is read first."""
        saved, place.saved = place.saved, None
        if saved is None:
            return
        for mark in saved.older:
            self._take_up(place, mark)
        current = saved.current
        place.last_ns = saved.last_ns
        if current is None:
            return
        place.last_ns = current.mtime_ns
        if fd is not None:
            status = os.fstat(fd)
            if file_key(status) == current.dev << 64 | current.inode and _fits(fd, status, current):
                return  # `_continued` goes on from its claim
        self._take_up(place, current)

    def _take_up(self, place: Place, mark: Mark) -> None:
        """Find a generation that left its path, and drain it."""
        if mark.id in self._all.claimed or mark.copy:
            return
        self._all.claimed.add(mark.id)
        if (claim := self._all.claims.get(mark.dev << 64 | mark.inode)) is not None and claim[1] is mark:
            del self._all.claims[mark.dev << 64 | mark.inode]
        real = mark.real or place.path
        found = find_renamed(real, mark)
        if found is not None and found.status.st_size < mark.offset:
            found.close()
            found = None
        found = found or self._copy(place, real, mark)
        if found is None:
            self._all.lost(place.path, mark.offset)
            return
        self._follow(place, _known_by(mark, found), found.fd, packed=found.packed)
        self.retire(place)


def _known_by(mark: Mark, found: Found) -> Mark:
    """While little of it was read, a file tells better how a generation begins."""
    return replace(mark, head=head_of(found.head)) if found.packed else mark


def _is_rewritten(tail: Tail) -> bool:
    """Whether the file behind a tail was emptied, and perhaps filled anew, since it was read."""
    if tail.fd is None or isinstance(tail, PackedTail):
        return False
    now = os.fstat(tail.fd)
    return tail.is_file(now) and (now.st_size < tail.seen or not same_head(tail.fd, tail.head))


def _is(head: str, found: Found) -> bool:
    return not is_empty(head) and begins(found.head, head)


def _fits(fd: int, status: os.stat_result, mark: Mark) -> bool:
    return (status.st_size >= mark.offset or mark.copy) and same_head(fd, mark.head)


def _still_there(path: str, status: os.stat_result) -> bool:
    try:
        return file_key(os.stat(path)) == file_key(status)
    except OSError:
        return False
