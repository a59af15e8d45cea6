"""One writer at a time per repository, and what a killed writer leaves behind.

The kernel drops an flock with its process, so a killed daemon never blocks the next one. Git's own `*.lock`
files are different: they stay, and block every later write of that ref until somebody removes them.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nightshift.daemon.kit.clock import Clock

STALE_AFTER_S = 2.0
_POLL_S = 0.05
_log = logging.getLogger(__name__)


@contextmanager
def alone(repo: Path) -> Iterator[None]:
    """Hold the repository against every other thread and process of this machine that asks the same way."""
    with open(repo.with_suffix(".flock"), "a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def clear_stale_locks(repo: Path, clock: Clock, stale_after_s: float = STALE_AFTER_S) -> list[str]:
    """Remove git's lock files that no process owns any more; returns their names, each logged.

    A lock is stale once it has stood unchanged for `stale_after_s` while no git process worked on this
    repository. The age is observed here rather than read from its time stamp: wall clocks jump.
    """
    seen = _locks(repo)
    start = clock.monotonic()
    while seen and (clock.monotonic() - start < stale_after_s or _git_at_work(repo)):
        if clock.monotonic() - start > 3 * stale_after_s:
            return []
        clock.sleep(_POLL_S)
        now = _locks(repo)
        seen = {path: inode for path, inode in seen.items() if now.get(path) == inode}
    for path in seen:
        _log.warning("removed a stale lock that a killed git left behind: %s", path)
        with suppress(FileNotFoundError):
            os.unlink(path)
    return sorted(seen)


def _locks(repo: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    folders = [str(repo), *(folder for folder, _, _ in os.walk(repo / "refs"))]
    for folder in folders:
        with suppress(FileNotFoundError), os.scandir(folder) as rows:
            found |= {row.path: row.inode() for row in rows if row.name.endswith(".lock")}
    return found


def _git_at_work(repo: Path) -> bool:
    """Whether a process of this machine names the repository in its arguments or stands inside it (Linux only)."""
    wanted, here = os.fsencode(repo), str(repo.resolve())
    return any(_works_on(pid, wanted, here) for pid in os.listdir("/proc") if pid.isdigit())


def _works_on(pid: str, wanted: bytes, here: str) -> bool:
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        is_git = os.path.basename(argv[0]).startswith(b"git")
        return is_git and (any(wanted in word for word in argv) or os.readlink(f"/proc/{pid}/cwd").startswith(here))
    except OSError:
        return False
