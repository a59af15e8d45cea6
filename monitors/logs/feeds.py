"""Logs that are not files: what a program prints, what comes in on standard input. Read as fast as it is stored, never
faster, so that the writer is held back and nothing piles up here."""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from nightshift.daemon.kit.backoff import Backoff
from nightshift.daemon.kit.run import spawn
from nightshift.daemon.model import Signal
from nightshift.daemon.ports import Sink
from nightshift.monitors.interrupt import Interrupt
from nightshift.monitors.logs.delivery import Delivery

if TYPE_CHECKING:
    from nightshift.daemon.kit.clock import Clock

_log = logging.getLogger(__name__)
_READ_BYTES = 64 << 10
_LIVED_S = 60.0


class Reader(Protocol):
    """What becomes of the bytes."""

    def argv(self) -> Sequence[str]:
        """The program to start; nothing: standard input."""
        ...

    def feed(self, data: bytes) -> None:
        """Bytes that came."""
        ...

    def due_s(self) -> float:
        """When silence next closes something, in monotonic seconds; infinite when nothing is open."""
        ...

    def settle(self, *, over: bool = False) -> None:
        """Close what silence has ended, or everything when the source is `over`."""
        ...

    def take(self) -> list[Signal]:
        """What was found since the last call."""
        ...

    def checkpoints(self) -> dict[str, str]:
        """Where to go on from."""
        ...


class Feed:
    """One source, in a thread of its own until `stop`; a program that ends is started again, later and later."""

    def __init__(self, name: str, reader: Reader, sink: Sink, stop: threading.Event, clock: Clock, reconcile_s: float):
        self._name, self._reader, self._stop, self._clock, self._save_s = name, reader, stop, clock, reconcile_s
        self._delivery = Delivery(sink, stop, clock)
        self._saved: dict[str, str] = {}
        self._saved_s = clock.monotonic()
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name=f"logs-{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """After `stop` was set: wait until what was found is handed over."""
        self._thread.join(10.0)

    def _run(self) -> None:
        try:
            with Interrupt(self._stop, self._name).guarding(self._wake):
                self._lives()
        except Exception:  # noqa: BLE001 - the edge of a thread: else nobody would know that a source went blind
            _log.exception("%s is read no longer", self._name)

    def _wake(self) -> None:
        os.write(self._wake_write, b"!")

    def _lives(self) -> None:
        backoff = Backoff(first_s=0.5, most_s=30.0)
        while not self._stop.is_set():
            argv, start_s = self._reader.argv(), self._clock.monotonic()
            self._life(argv)
            if not argv or self._stop.is_set():
                return
            if self._clock.monotonic() - start_s > _LIVED_S:
                backoff.reset()
            wait_s = backoff.next_s()
            _log.warning("%s ended; it is started again in %.1f s", self._name, wait_s)
            self._stop.wait(wait_s)

    def _life(self, argv: Sequence[str]) -> None:
        child: Any = None
        fd, write = os.pipe() if argv else (os.dup(0), -1)
        try:
            if argv:
                child = spawn(argv, stdout=write)
                os.close(write)
                write = -1
            self._pump(fd)
            self._reader.settle(over=not self._stop.is_set())
            self._deliver(save=True)
        except OSError as trouble:
            _log.warning("%s can't be read: %s", self._name, trouble)
        finally:
            _end(child)
            for one in (fd, write):
                if one >= 0:
                    os.close(one)

    def _pump(self, fd: int) -> None:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        while not self._stop.is_set():
            ready = {one for one, _ in poll.poll(self._wait_ms())}
            if fd in ready:
                data = os.read(fd, _READ_BYTES)
                if not data:
                    return
                self._reader.feed(data)
            self._reader.settle()
            self._deliver()

    def _wait_ms(self) -> float | None:
        due_s = self._reader.due_s()
        if self._saved != self._reader.checkpoints():
            due_s = min(due_s, self._saved_s + self._save_s)
        if due_s == float("inf"):
            return None
        return max(0.0, (due_s - self._clock.monotonic()) * 1000)

    def _deliver(self, *, save: bool = False) -> None:
        found = self._reader.take()
        self._delivery.add(found)
        now_s = self._clock.monotonic()
        if not self._delivery.pending and not save and now_s < self._saved_s + self._save_s:
            return
        wanted = self._reader.checkpoints()
        if self._delivery.hand_over({k: v for k, v in wanted.items() if self._saved.get(k) != v}):
            self._saved, self._saved_s = wanted, now_s


def _end(child: Any) -> None:
    if child is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
