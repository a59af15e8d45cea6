"""How soon is a crash known, and what does watching cost? Printed as a table beside the limits; nothing is asserted.

Run with ``python benchmarks/detection.py [--crashes N] [--megabytes N]`` in the project's environment.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.run import run
from nightshift.daemon.ports import Sink
from nightshift.monitors import logs
from nightshift.monitors.logs.testing import numbered

LIMIT_MS = 50.0
MANY_LIMIT_MS = 5.0
MANY, RATE = 10_000, 200.0


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
    from nightshift.daemon.intake.intake import Intake
    from nightshift.daemon.intake.settings import Settings
    from nightshift.daemon.store.store import Store

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


# ---------------------------------------------------------------- many files, in a process of their own


def _many(root: str, number: int) -> str:
    return f"{root}/service-{number % 100:02d}/instance-{number:05d}/app.log"


def write_many(root: str, files: int, seconds: float) -> None:
    """What `files` services log with Python's logging, one write a record; prints when each record was written."""
    import logging

    formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    rng, written, start, number = random.Random(1), {}, time.monotonic(), 0
    while time.monotonic() - start < seconds:
        number += 1
        time.sleep(max(0.0, start + number / RATE - time.monotonic()))
        try:
            {}[f"n{number}"]
        except KeyError:
            record = logging.LogRecord("shop.web", logging.ERROR, __file__, 1, "request failed", (), sys.exc_info())
        data = (formatter.format(record) + "\n").encode()
        fd = os.open(_many(root, rng.randrange(files)), os.O_WRONLY | os.O_APPEND)
        os.write(fd, data)
        written[f"'n{number}'"] = time.monotonic()
        os.close(fd)
    print(json.dumps(written))


def _rss_mb() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def watch_many(root: str, files: int, seconds: float) -> None:
    """A lean process with nothing but the log monitor and a file as its sink; prints figures as JSON."""
    from types import SimpleNamespace

    at, stop = {}, threading.Event()
    pattern = f"{root}/*/*/app.log" if files > 1 else _many(root, 0)
    settings = SimpleNamespace(
        files=[SimpleNamespace(path=pattern, service="shop", format="auto")], journals=[], commands=[], rules=[],
        from_start=False, errors=False, reconcile_s=5.0, poll_s=0.25, quiet_s=0.1, flush_s=0.5, abandon_s=5.0, grace_s=2.0,
        line_bytes=1 << 20, read_bytes=256 << 10, event_lines=600, open_files=512,
    )  # fmt: skip
    spool = os.open(f"{root}.spool", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def sink(signals, checkpoints=None):
        now = time.monotonic()
        os.write(spool, repr((signals, checkpoints)).encode())
        os.fdatasync(spool)
        at.update({s.message: (now, time.monotonic()) for s in signals})

    thread = threading.Thread(target=logs.create(settings, {}, SystemClock()).watch, args=(sink, {}, stop))
    thread.start()
    time.sleep(8.0 if files > 1 else 2.0)
    start = time.process_time()
    time.sleep(10.0)
    found = {"idle": (time.process_time() - start) * 10, "rss": _rss_mb()}
    if seconds:
        done = run([sys.executable, __file__, "--write", root, str(files), str(seconds)], timeout_s=seconds + 60)
        time.sleep(1.0)
        written = json.loads(done.text())
        found["lost"] = len(written.keys() - at.keys())
        for name, which in (("handed", 0), ("durable", 1)):
            ms = sorted((at[m][which] - t) * 1000 for m, t in written.items() if m in at)
            found |= {f"{name} p50": ms[len(ms) // 2], f"{name} p99": ms[int(len(ms) * 0.99)], f"{name} worst": ms[-1]}
        found["busy rss"] = _rss_mb()
    stop.set()
    thread.join()
    print(json.dumps(found))


def many_rows(files: int, seconds: float) -> list[tuple[str, str, str]]:
    """Detection, memory and idle cost with so many files, each in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(files):
            path = Path(_many(f"{folder}/logs", number))
            path.parent.mkdir(parents=True)
            path.touch()
        argv = [sys.executable, __file__, "--watch", f"{folder}/logs", str(files), str(seconds)]
        done = run(argv, timeout_s=seconds + 120)
        found = json.loads(done.text())
    name = f"{files:,} file{'s' * (files > 1)}"
    rows = [(f"idle, {name}", f"{found['idle']:.2f} % of a core", "0.5 %" if files == 1 else ""),
            (f"memory of the process, {name}", f"{found.get('busy rss', found['rss']):.1f} MB", "30 MB" if files == 1 else "45 MB")]  # fmt: skip
    for what, limit in (("handed over", ""), ("durable (fdatasync)", f"{MANY_LIMIT_MS:.0f} ms")):
        for level in ("p50", "p99", "worst") if seconds else ():
            value = found[f"{what.split()[0]} {level}"]
            rows.append(
                (
                    f"written → {what}, {name}, {RATE:.0f} records/s, {level}",
                    f"{value:.1f} ms",
                    limit if level == "p99" else "",
                )
            )
    if seconds:
        rows.append((f"records lost, {name}", str(found["lost"]), "0"))
    return rows


def main() -> None:
    if sys.argv[1:2] in (["--write"], ["--watch"]):
        {"--write": write_many, "--watch": watch_many}[sys.argv[1]](sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crashes", type=int, default=400)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    from rich.console import Console
    from rich.table import Table

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
    for row in (*many_rows(1, 0), *many_rows(MANY, given.seconds)):
        table.add_row(*row)
    table.add_row(
        "memory, all of the above but the last two",
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB",
        "110 MB",
    )
    Console().print(table)


if __name__ == "__main__":
    main()
