"""One daemon per state folder: two on one database would run every mission twice."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nightshift.daemon.ports import Refused


@contextmanager
def sole_owner(state_dir: Path) -> Iterator[None]:
    """Hold the folder's lock; raises Refused naming the owner. The kernel frees it when the process dies."""
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "another process"
            raise Refused(f"{state_dir} is in use by {owner}: stop it, or set another state_dir") from None
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield
