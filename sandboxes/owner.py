"""Who owns a sandbox, written so that another process can tell later whether that owner still lives.

A pid alone is reused and means nothing in another PID namespace or after a reboot, so an owner is
``boot id : PID namespace : pid : start time in clock ticks``. An owner that can't be judged from here (another
machine, another PID namespace) counts as alive: then only the deadline decides.
"""

from __future__ import annotations

import os
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def this_owner() -> str:
    """The owner string of this process."""
    return f"{_world()}:{os.getpid()}:{_started(os.getpid())}"


def is_gone(owner: str) -> bool:
    """Whether the owner is known to be dead; malformed strings and unknown worlds are not known to be."""
    world, rest = owner.rsplit(":", 2)[0], owner.split(":")[-2:]
    if world != _world() or len(rest) != 2 or not rest[0].isdigit():
        return False
    return _started(int(rest[0])) != rest[1]


def _world() -> str:
    """Boot and PID namespace: pids are comparable only within both."""
    try:
        return f"{_BOOT.read_text().strip()}:{os.readlink('/proc/self/ns/pid').strip('pid:[]')}"
    except OSError:
        return "unknown:0"


def _started(pid: int) -> str:
    """When a process started, in ticks since boot; '' when there is none (field 22 of /proc/PID/stat)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in ("Z", "X") else fields[19]
