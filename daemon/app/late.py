"""The sandbox engine, taken when it is first needed: the daemon starts, and stays up, while Docker is down."""

from __future__ import annotations

import threading
from collections.abc import Callable

from nightshift.daemon.model import Health
from nightshift.daemon.ports import EnvironmentBroke, Sandbox, Sandboxes, SandboxSpec


class LateSandboxes:
    """`Sandboxes` that makes its engine on first use and again after it could not be made.

    `limit` puts the configured limits on every spec that is asked for.
    """

    name = "late"

    def __init__(self, make: Callable[[], Sandboxes], limit: Callable[[SandboxSpec], SandboxSpec]) -> None:
        self._make, self._limit = make, limit
        self._engine: Sandboxes | None = None
        self._lock = threading.Lock()

    def _get(self) -> Sandboxes:
        with self._lock:
            if self._engine is None:
                self._engine = self._make()
                self._engine.reap()
            return self._engine

    def open(self, spec: SandboxSpec) -> Sandbox:
        """A sandbox; raises EnvironmentBroke when there is no engine."""
        return self._get().open(self._limit(spec))

    def prewarm(self, spec: SandboxSpec, count: int) -> None:
        """Make sandboxes ahead of time."""
        self._get().prewarm(self._limit(spec), count)

    def probe(self) -> Health:
        """The engine's health, or why there is none."""
        try:
            return self._get().probe()
        except EnvironmentBroke as error:
            return Health(ok=False, what="engine", detail=str(error), fix="start Docker or install bubblewrap")

    def reap(self) -> int:
        """Remove leftovers, if an engine was ever taken."""
        return self._engine.reap() if self._engine else 0

    def close(self) -> None:
        """Give the engine back."""
        if self._engine:
            self._engine.close()
