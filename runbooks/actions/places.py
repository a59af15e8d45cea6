"""Files a runbook may touch: inside the configured roots, reached folder by folder without following a single symbolic
link. A path is data from outside; what it says is not believed, what it leads to is looked at and then held open."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nightshift.daemon.ports import EnvironmentBroke, Refused

from ..action import Evidence
from ..context import Context
from ..errors import ActionFailed

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, kw_only=True)
class Place:
    """A name in a folder that is held open; `path` is for people."""

    folder: int
    name: str
    path: str

    def look(self, name: str = "") -> os.stat_result | None:
        """What lies there, itself and not what it points to; None when nothing does."""
        try:
            return os.stat(name or self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def regular(self) -> os.stat_result:
        """Raises ActionFailed unless a plain file with one name lies there."""
        found = self.look()
        if found is None:
            raise ActionFailed(f"there is no file {self.path}")
        if not stat.S_ISREG(found.st_mode):
            raise ActionFailed(f"{self.path} is no plain file")
        if found.st_nlink != 1:
            raise ActionFailed(f"{self.path} has {found.st_nlink} names; what it is elsewhere can't be known")
        return found

    def open(self, flags: int, mode: int = 0o600) -> int:
        """Open it, and no link that took its place."""
        return os.open(self.name, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, mode, dir_fd=self.folder)


@contextlib.contextmanager
def place(context: Context, path: str) -> Iterator[Place]:
    """The folder a path names something in, held open. Raises Refused for a path outside the roots or through a
    link, ActionFailed when the way is not there, EnvironmentBroke when the disk fails."""
    *folders, name = _inside(context, path)[1]
    with _faults(path), folder_at(context, path, folders) as handle:
        yield Place(folder=handle, name=name, path=path)


@contextlib.contextmanager
def folder(context: Context, path: str) -> Iterator[int]:
    """A folder, held open; raises as `place`."""
    with _faults(path), folder_at(context, path, _inside(context, path, itself=True)[1]) as handle:
        yield handle


@contextlib.contextmanager
def folder_at(context: Context, path: str, parts: list[str]) -> Iterator[int]:
    """Walk from the root of `path` through `parts`."""
    handle = os.open(_inside(context, path, itself=True)[0], _FOLDER)
    try:
        for part in parts:
            inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def _inside(context: Context, path: str, *, itself: bool = False) -> tuple[Path, list[str]]:
    """The root a path lies in and its parts below it."""
    pure = PurePosixPath(path)
    if not pure.is_absolute() or "\0" in path or ".." in pure.parts:
        raise Refused(f"{path[:200]!r} must be an absolute path without `..`")
    for root in context.limits.roots:
        if pure.is_relative_to(root) and (itself or pure != PurePosixPath(root)):
            return root, list(pure.relative_to(root).parts)
    raise Refused(f"{path[:200]} is not inside runbooks.limits.roots")


@contextlib.contextmanager
def _faults(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ActionFailed(f"there is no {error.filename or path}") from None
    except NotADirectoryError:
        raise Refused(f"{path} leads through something that is no folder, or through a symbolic link") from None
    except PermissionError:
        raise ActionFailed(f"{path} may not be touched by the user Nightshift runs as") from None
    except OSError as error:
        if error.errno == 40:  # ELOOP: O_NOFOLLOW met a symbolic link
            raise Refused(f"{path} leads through a symbolic link") from None
        raise EnvironmentBroke(f"{path}: {error.strerror}") from error


def amount(size: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def noted(context: Context, path: str) -> Evidence:
    """The inode and size of a regular file, by which a repeated run knows it again. Raises what `place` raises."""
    with place(context, path) as file:
        found = file.regular()
        return {"inode": found.st_ino, "bytes": found.st_size}
