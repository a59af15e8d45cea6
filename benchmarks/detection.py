"""How soon is a crash known, and what does watching cost? Printed as a table beside the limits; nothing is asserted.

Run with ``python benchmarks/detection.py [--crashes N] [--megabytes N]`` in the project's environment.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import resource
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from nightshift.daemon.intake.intake import Intake
from nightshift.daemon.intake.settings import Settings
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.ports import Sink
from nightshift.daemon.store.store import Store
from nightshift.monitors import logs
from nightshift.monitors.logs.testing import numbered

LIMIT_MS = 50.0


class Arrivals:
    """When each crash was durable, by its message."""

    def __init__(self, inner: Sink) -> None:
        self._inner, self.at = inner, dict[str, float]()
        self.changed = threading.Condition()

    def __call__(self, signals, checkpoints=None):
        self._inner(signals, checkpoints or {})
        now = time.perf_counter()
        with self.changed:
            self.at.update({s.message: now for s in signals})
            self.changed.notify_all()


def _nothing(*_: object) -> None:
    """Nobody is told."""


@contextlib.contextmanager
def watched(settings: logs.Settings, sink: Sink) -> Iterator[None]:
    stop = threading.Event()
    monitor = logs.create(settings, {}, SystemClock())
    thread = threading.Thread(target=monitor.watch, args=(sink, {}, stop))
    thread.start()
    time.sleep(1.0)
    try:
        yield
    finally:
        stop.set()
        thread.join()


def latencies_ms(folder: Path, crashes: int, files: int) -> list[float]:
    """From the moment the last line of a traceback is written to the moment its incident is durable."""
    store = Store.open(folder / "nightshift.db")
    sink = Arrivals(Intake(store, SystemClock(), Settings(), _nothing))
    paths = [folder / f"app{n}.log" for n in range(files)]
    for path in paths:
        path.touch()
    written = {}
    rng = random.Random(1)
    with watched(logs.Settings(files=[logs.LogFile(path=str(folder / "*.log"), service="shop")]), sink):
        for number in range(crashes):
            with open(rng.choice(paths), "a") as file:
                file.write(numbered(number))
            written[f"'n{number}'"] = time.perf_counter()
            time.sleep(rng.uniform(0.02, 0.08))
        with sink.changed:
            sink.changed.wait_for(lambda: len(sink.at) == crashes, 30)
    store.close()
    return sorted((sink.at[message] - at) * 1000 for message, at in written.items())


def throughput(folder: Path, megabytes: int) -> tuple[float, int]:
    """MB per second of processor time over a log with 0.5 % crashes, and how many were found."""
    path, size, number = folder / "big.log", 0, 0
    line = "2026-01-01T00:00:00Z INFO shop.web request %d GET /cart/17 200 12ms user=ab12 agent=Mozilla/5.0\n"
    with open(path, "w") as file:
        while size < megabytes << 20:
            number += 1
            size += file.write("".join(line % n for n in range(200)) + numbered(number))
    with open(path, "rb") as stream:
        start = time.process_time()
        found = logs.read_signals(stream, service="shop", clock=SystemClock())
        spent = time.process_time() - start
    if len(found) != number:
        raise SystemExit(f"{len(found)} of {number} crashes found")
    return size / 1e6 / spent, number


def idle_share(folder: Path, seconds: float = 10.0) -> float:
    """Percent of a core spent watching a file nobody writes."""
    path = folder / "idle.log"
    path.touch()
    with watched(logs.Settings(files=[logs.LogFile(path=str(path), service="shop")]), Arrivals(_nothing)):
        start = time.process_time()
        time.sleep(seconds)
        return (time.process_time() - start) / seconds * 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crashes", type=int, default=400)
    parser.add_argument("--megabytes", type=int, default=100)
    given = parser.parse_args()
    table = Table("measure", "value", "limit", title=f"Log monitor, {os.cpu_count()} cores")
    for files in (1, 50):
        with tempfile.TemporaryDirectory() as folder:
            ms = latencies_ms(Path(folder), given.crashes, files)
        for name, value, limit in (("p50", ms[len(ms) // 2], ""), ("p99", ms[int(len(ms) * 0.99)], f"{LIMIT_MS:.0f} ms"),
                                   ("worst", ms[-1], "")):  # fmt: skip
            table.add_row(f"written → durable incident, {files} files, {name}", f"{value:.1f} ms", limit)
    with tempfile.TemporaryDirectory() as folder:
        rate, crashes = throughput(Path(folder), given.megabytes)
        table.add_row(f"throughput, {crashes} crashes in {given.megabytes} MB", f"{rate:.0f} MB/s/core", "")
        table.add_row("idle", f"{idle_share(Path(folder)):.2f} % of a core", "2 %")
    table.add_row(
        "memory, all of the above", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB", "110 MB"
    )
    Console().print(table)


if __name__ == "__main__":
    main()
