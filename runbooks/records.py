"""What a run has done so far, kept where a kill -9 can't take it, so that a run that resumes repeats nothing."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.ports import EnvironmentBroke, Refused

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


class MemoryRecord:
    """Forgets everything with the process: for dry runs and for runs nobody will resume."""

    def __init__(self) -> None:
        self._runs: dict[str, Entries] = {}
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

    def load(self, key: str) -> Entries:
        """See RunRecord."""
        return dict(json.loads(json.dumps(self._runs.get(key, {}))))

    def save(self, key: str, name: str, entry: Mapping[str, Any]) -> None:
        """See RunRecord."""
        self._runs.setdefault(key, {})[name] = json.loads(json.dumps(dict(entry)))


class FileRecord:
    """A JSON file for each run in one folder, replaced as a whole (write, fsync, rename, fsync of the folder)."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)

    def _path(self, key: str, suffix: str) -> Path:
        return self._folder / f"{stable_id('run', key)}{suffix}"

    @contextlib.contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """See RunRecord. The lock dies with its holder."""
        with _disk_faults():
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._path(key, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not _locked(lock):
                raise Refused(f"the run {key} is going on already")
            yield
        finally:
            os.close(lock)

    def load(self, key: str) -> Entries:
        """See RunRecord."""
        path = self._path(key, ".json")
        with _disk_faults():
            if not path.exists():
                return {}
            kept = json.loads(path.read_bytes())
            if kept["key"] != key:
                raise ValueError(f"{path} belongs to another run")
            return dict(kept["entries"])

    def save(self, key: str, name: str, entry: Mapping[str, Any]) -> None:
        """See RunRecord."""
        kept = {"key": key, "entries": self.load(key) | {name: dict(entry)}}
        path, fresh = self._path(key, ".json"), self._path(key, ".new")
        with _disk_faults():
            self._folder.mkdir(parents=True, exist_ok=True)
            with fresh.open("wb") as file:
                file.write(json.dumps(kept, indent=1).encode())
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
            _sync_folder(self._folder)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _disk_faults() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EnvironmentBroke(f"the record of runbook runs can't be kept: {error}") from error
