"""A record of runs that outlives a killed process and needs no store."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.ports import EnvironmentBroke, Refused
from nightshift.runbooks.records import Entries


class FileRecord:
    """`RunRecord`: a JSON file for each run in one folder, replaced as a whole (write, fsync, rename, fsync again)."""

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
