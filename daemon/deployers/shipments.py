"""What is known of each deploy, on disk before and after its effects, so that a killed daemon can tell what it did."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Service

Json = dict[str, Any]


class Shipments:
    """Records by key, as JSON files in a folder; one deploy at a time per service, also among processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def find(self, key: str) -> Json | None:
        """What is recorded under a key."""
        with suppress(FileNotFoundError):
            return self.read(self.file(key, "json"))
        return None

    def put(self, key: str, record: Mapping[str, Any]) -> None:
        """Durable when this returns; whole or not at all."""
        self.write(self.file(key, "json"), record)

    @staticmethod
    def read(path: Path) -> Json:
        """One record."""
        return dict(json.loads(path.read_text()))

    def write(self, path: Path, record: Mapping[str, Any]) -> None:
        """One record, as `put`."""
        with open(path.with_suffix(".new"), "w") as new:
            json.dump(dict(record), new)
            new.flush()
            os.fsync(new.fileno())
        os.replace(path.with_suffix(".new"), path)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def file(self, key: str, suffix: str) -> Path:
        """Where something of a key is kept."""
        return self.folder / f"{stable_id('deploy', key)}.{suffix}"

    @contextmanager
    def alone(self, service: Service) -> Iterator[None]:
        """Nobody else deploys this service meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / f"{stable_id('service', service.name)}.flock", "a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
