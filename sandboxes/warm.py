"""Sandboxes made ahead of time: each is taken once, none waits for long, only so many wait, and closing leaves none.

Whoever knows what is needed next fills the pool (a reproduction, a verdict); a taken sandbox is not replaced by itself,
since after the last one there would be some that nobody wants.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.ports import EnvironmentBroke, SandboxSpec
from nightshift.sandboxes.container import DockerSandbox

log = logging.getLogger(__name__)

WARM_S = 300.0
"""How long a warm sandbox may wait."""
_MOST = 8


class WarmPool:
    """Waiting sandboxes by their spec, the oldest first. `make` may raise EnvironmentBroke. Thread-safe."""

    def __init__(self, make: Callable[[SandboxSpec], DockerSandbox], clock: Clock, most: int = _MOST) -> None:
        self._make, self._clock, self._most = make, clock, most
        self._lock = threading.Lock()
        self._waiting: list[tuple[float, SandboxSpec, DockerSandbox]] = []
        self._coming: list[SandboxSpec] = []
        self._fillers: list[threading.Thread] = []
        self.closed = threading.Event()

    def take(self, spec: SandboxSpec) -> DockerSandbox | None:
        """One of that spec, which nobody else gets; None when none waits."""
        self._drop(self._aged())
        with self._lock:
            for at, (_, each, box) in enumerate(self._waiting):
                if each == spec:
                    del self._waiting[at]
                    return box
        return None

    def fill(self, spec: SandboxSpec, count: int) -> None:
        """See to it that `count` of that spec wait, or are being made, in the background."""
        with self._lock:
            there = sum(each == spec for _, each, _ in self._waiting) + self._coming.count(spec)
            missing = 0 if self.closed.is_set() else max(0, min(count, self._most) - there)
            self._fillers = [each for each in self._fillers if each.is_alive()]
            if missing:
                self._coming += [spec] * missing
                filler = threading.Thread(target=self._fill, args=(spec, missing), name="sandbox-warm", daemon=True)
                self._fillers.append(filler)
                filler.start()

    def close(self) -> None:
        """Throw everything away, what is still being made too; afterwards nothing is made any more."""
        self.closed.set()
        with self._lock:
            fillers = list(self._fillers)
        for filler in fillers:
            filler.join(timeout=60)
        with self._lock:
            left, self._waiting = self._waiting, []
        self._drop([box for _, _, box in left])

    def _fill(self, spec: SandboxSpec, count: int) -> None:
        for _ in range(count):
            box = None if self.closed.is_set() else self._made(spec)
            with self._lock:
                self._coming.remove(spec)
                if box and not self.closed.is_set():
                    self._waiting.append((self._clock.monotonic(), spec, box))
                    box = None
            self._drop([box] if box else [])
            self._drop(self._too_many())

    def _made(self, spec: SandboxSpec) -> DockerSandbox | None:
        try:
            return self._make(spec)
        except EnvironmentBroke as error:
            log.warning("no warm sandbox: %s", error)
            return None

    def _aged(self) -> list[DockerSandbox]:
        """Those that waited too long, taken out."""
        with self._lock:
            oldest = self._clock.monotonic() - WARM_S
            aged = [box for since, _, box in self._waiting if since <= oldest]
            self._waiting = [each for each in self._waiting if each[0] > oldest]
            return aged

    def _too_many(self) -> list[DockerSandbox]:
        """The oldest over the number that may wait, taken out."""
        with self._lock:
            over = max(0, len(self._waiting) - self._most)
            gone, self._waiting = self._waiting[:over], self._waiting[over:]
            return [box for _, _, box in gone]

    @staticmethod
    def _drop(boxes: list[DockerSandbox]) -> None:
        for box in boxes:
            box.close()
