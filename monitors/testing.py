"""Fakes of a monitor's world: a sink that collects as the store does, a monitor that follows a script."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from nightshift.daemon.model import Signal
from nightshift.daemon.ports import Monitor


class ListSink:
    """Takes signals as the store does: a key counts once, checkpoints are replaced. Thread-safe."""

    def __init__(self) -> None:
        self.received: list[Signal] = []
        self.checkpoints: dict[str, str] = {}
        self._changed = threading.Condition()

    def __call__(self, signals: Sequence[Signal], checkpoints: Mapping[str, str] | None = None) -> None:
        with self._changed:
            self.received.extend(signals)
            self.checkpoints.update(checkpoints or {})
            self._changed.notify_all()

    @property
    def signals(self) -> list[Signal]:
        """Each observation once, in order of arrival."""
        first: dict[str, Signal] = {}
        for signal in self.received:
            first.setdefault(signal.key, signal)
        return list(first.values())

    def wait(self, until: Callable[[ListSink], bool], *, timeout_s: float = 30.0) -> None:
        """Block until a condition holds; AssertionError with what did arrive when it never does."""
        with self._changed:
            if not self._changed.wait_for(lambda: until(self), timeout_s):
                raise AssertionError(f"not seen within {timeout_s} s; arrived: {self.received}")


class ScriptedMonitor:
    """Delivers given batches one after the other, resuming behind the last one delivered, then waits for `stop`."""

    def __init__(self, name: str, batches: Sequence[Sequence[Signal]]) -> None:
        self.name, self._batches = name, batches

    def watch(
        self,
        sink: Callable[[Sequence[Signal], Mapping[str, str]], None],
        checkpoints: Mapping[str, str],
        stop: threading.Event,
    ) -> None:
        """Deliver; the checkpoint is the number of batches done."""
        key = f"{self.name}:batches"
        for number in range(int(checkpoints.get(key, "0")), len(self._batches)):
            if stop.is_set():
                return
            sink(self._batches[number], {key: str(number + 1)})
        stop.wait()


@contextlib.contextmanager
def watching(monitor: Monitor, sink: ListSink, *, stop_within_s: float = 15.0) -> Iterator[None]:
    """The monitor running in a thread, resumed from the sink's checkpoints; it must end when told to."""
    stop, failed = threading.Event(), list[BaseException]()

    def body() -> None:
        try:
            monitor.watch(sink, dict(sink.checkpoints), stop)
        except BaseException as error:  # noqa: BLE001 - handed to the test below
            failed.append(error)

    thread = threading.Thread(target=body, name=f"watch-{monitor.name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        start = time.monotonic()
        thread.join(stop_within_s)
    if failed:
        raise failed[0]
    if thread.is_alive():
        raise AssertionError(f"{monitor.name} still runs {time.monotonic() - start:.0f} s after it was told to stop")
