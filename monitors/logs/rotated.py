"""Where did a generation go? Renamed, copied, packed, or come and gone unseen: found in the path's folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from nightshift.monitors.logs import packed
from nightshift.monitors.logs.identity import (
    ELSEWHERE,
    HEAD_BYTES,
    Mark,
    Past,
    begins,
    head_of,
    is_empty,
    is_short,
    open_regular,
)

_MAX_ENTRIES = 20_000
_UNITS_NS = (1_000_000_000, 1_000_000, 1_000)
_SUFFIX = re.compile(r"[.-](?:\d[\w.:+-]*|old|bak|prev(?:ious)?)(?:\.(?:gz|bz2|xz|zst|lzma))?\Z")


@dataclass(frozen=True, slots=True)
class Found:
    """An open file that holds (what is left of) a generation."""

    fd: int
    packed: bool
    status: os.stat_result
    head: bytes

    def close(self) -> None:
        """Not the one."""
        os.close(self.fd)


def is_packed(path: str) -> bool:
    """Whether a name says that nothing in it can be read as it is."""
    return path.endswith(packed.SUFFIXES + packed.OTHERS)


def bases_of(path: str) -> Iterator[str]:
    """The paths a rotated name may come from: app.log-20261120.1 → app.log-20261120, app.log."""
    start = path.rfind("/") + 2
    for at in range(len(path) - 1, start - 1, -1):
        if path[at] in ".-" and _SUFFIX.match(path, at):
            yield path[:at]


def find_renamed(path: str, mark: Mark) -> Found | None:
    """The generation `mark` under whatever name it has now in the path's folder."""
    for entry in _entries(path):
        if entry.inode() == mark.inode and not is_packed(entry.name) and (found := _opened(entry.path)) is not None:
            if found.status.st_dev == mark.dev and begins(found.head, mark.head):
                return found
            found.close()
    return None


def find_copy(path: str, mark: Mark, another: Callable[[Found], bool]) -> Found | None:
    """What copytruncate, or a packer, made of `mark` before the file was emptied or removed.

    A copy begins alike, is no shorter than what was read, and was written no earlier than the last read. `another`
    says of a file that it holds another generation than `mark`: while little was read, many begin alike.
    """
    if is_empty(mark.head):
        return None
    origins = (path, *bases_of(path))
    fits = [found for origin in origins for found in _candidates(origin) if _continues(found, mark, another)]
    fits.sort(key=lambda found: (found.packed, found.status.st_mtime_ns))
    for other in fits[1:]:
        other.close()
    return fits[0] if fits else None


def _continues(found: Found, mark: Mark, another: Callable[[Found], bool]) -> bool:
    now = found.status
    fits = written_since(found, mark.mtime_ns)
    if not found.packed:
        fits = fits and now.st_size >= mark.offset and now.st_ino != mark.inode
    if fits and begins(found.head, mark.head) and not another(found):
        return True
    found.close()
    return False


def written_since(found: Found, since_ns: int) -> bool:
    """Whether it was last written then or later. Packers keep that time, some only in whole seconds or microseconds."""
    return found.status.st_mtime_ns + _unit_ns(found) > since_ns


def _kept(found: Found, at_ns: int) -> bool:
    return found.status.st_mtime_ns <= at_ns < found.status.st_mtime_ns + _unit_ns(found)


def _unit_ns(found: Found) -> int:
    at_ns = found.status.st_mtime_ns
    return next((unit for unit in _UNITS_NS if at_ns % unit == 0), 1) if found.packed else 1


def find_missed(
    path: str, since_ns: int, current: tuple[int, str], copied: Callable[[Found], bool], past: Collection[Past],
    followed: Callable[[str], bool],
) -> list[Found]:  # fmt: skip
    """Generations that came and went unseen after `since_ns`, oldest first.

    `current` is the inode and the head of what lies under the path: one that holds more than all of it is no copy.
    `copied` says of a file that it is what is still being read; what equals a generation that is `past` holds nothing
    new. Names that are `followed` on their own account are left out: they are read under their own path.
    """
    found: list[Found] = []
    inode, whole = current
    for one in _candidates(path, lambda entry: entry.inode() != inode and not followed(entry.path)):
        late = written_since(one, since_ns)
        known = head_of(one.head) == whole or copied(one)
        packing = one.packed and any(not two.packed and two.head.startswith(one.head) for two in found)
        if not late or not one.head or known or packing or any(equals(one, gone) for gone in past):
            one.close()
        else:
            found.append(one)
    return sorted(found, key=lambda one: one.status.st_mtime_ns)


def same_content(found: Found, fd: int) -> bool:
    """Whether a file holds what the open one holds, or the first part of it: so it seems from both its ends. What was
    packed has the time of the last write, or as many bytes.
    """
    now, size = os.fstat(fd), found.status.st_size
    if found.packed:
        same = os.pread(fd, HEAD_BYTES, 0) == found.head
        return same and (_kept(found, now.st_mtime_ns) or packed.has_size(found.fd, now.st_size))
    if size > now.st_size or os.pread(fd, len(found.head), 0) != found.head:
        return False
    end = max(0, size - HEAD_BYTES)
    return os.pread(fd, size - end, end) == os.pread(found.fd, size - end, end)


def equals(found: Found, known: Past) -> bool:
    """Whether a file holds what we read to its end, and no more."""
    if is_empty(known.head) or not begins(found.head, known.head):
        return False
    if known.size == ELSEWHERE:
        return not is_short(known.head) or head_of(found.head) == known.head
    if found.status.st_ino == known.inode and not found.packed:
        return True
    if found.packed:
        return packed.has_size(found.fd, known.size)
    size = found.status.st_size
    return size <= known.size if known.rewritten else size == known.size


def _candidates(path: str, wanted: Callable[[os.DirEntry[str]], bool] = lambda _: True) -> Iterator[Found]:
    """Open files that bear a rotated name of `path`: app.log.1, app.log-20261120.gz, app-2026-11-20.log."""
    base = os.path.basename(path)
    stem, dot, end = base.rpartition(".")
    inner = re.compile(rf"{re.escape(stem)}[.-]\d[\w:+-]*\.{re.escape(end)}") if dot and stem else None
    # Packed ones last: a plain file that is gone when its turn comes has been packed to the end by then.
    for entry in sorted(_entries(path), key=lambda entry: is_packed(entry.name)):
        name = entry.name
        named = name.startswith((f"{base}.", f"{base}-")) or (inner is not None and inner.match(name) is not None)
        if named and not name.endswith(packed.OTHERS) and wanted(entry):
            found = _opened(entry.path)
            if found is not None:
                yield found


def _opened(path: str) -> Found | None:
    try:
        fd = open_regular(path)
        if fd is None:
            return None
        squeezed = path.endswith(packed.SUFFIXES)
        head = packed.head_bytes(fd) if squeezed else os.pread(fd, HEAD_BYTES, 0)
        return Found(fd, squeezed, os.fstat(fd), head)
    except OSError:
        return None


def _entries(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(os.path.dirname(path)) as entries:
            return [entry for entry, _ in zip(entries, range(_MAX_ENTRIES), strict=False)]
    except OSError:
        return []
