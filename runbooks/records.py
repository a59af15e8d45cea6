"""What a run has done so far, kept where a kill -9 can't take it, so that a run that resumes repeats nothing."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from nightshift.daemon.ports import Refused

Entries = dict[str, Any]
"""Plain JSON by entry name; the runner decides what is in it."""


class RunRecord(Protocol):
    """Where runs are written down, by their key."""

    def hold(self, key: str) -> AbstractContextManager[None]:
        """Keep others from running the same key meanwhile, in any process; raises Refused when one does."""
        ...

    def load(self, key: str) -> Entries:
        """Everything saved under the key; empty when nothing is. Raises EnvironmentBroke."""
        ...

    def save(self, key: str, name: str, entry: Mapping[str, Any]) -> None:
        """Keep an entry; durable when it returns. Raises EnvironmentBroke."""
        ...


class Holding:
    """Keeps others in this process from running the same key meanwhile."""

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """See RunRecord."""
        with self._lock:
            if key in self._held:
                raise Refused(f"the run {key} is going on already")
            self._held.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._held.discard(key)


class MemoryRecord(Holding):
    """Forgets everything with the process: for dry runs and for runs nobody will resume."""

    def __init__(self) -> None:
        super().__init__()
        self._runs: dict[str, Entries] = {}

    def load(self, key: str) -> Entries:
        """See RunRecord."""
        return dict(json.loads(json.dumps(self._runs.get(key, {}))))

    def save(self, key: str, name: str, entry: Mapping[str, Any]) -> None:
        """See RunRecord."""
        self._runs.setdefault(key, {})[name] = json.loads(json.dumps(dict(entry)))
