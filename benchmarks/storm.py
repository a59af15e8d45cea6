"""What does a storm cost, and what becomes of it? Printed as tables beside the limits; nothing is asserted.

Each measurement runs in a process of its own, so that memory is its own too: the signals are made as they are taken.
Run with ``python benchmarks/storm.py [--events N]`` in the project's environment.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from nightshift.daemon.intake.intake import Intake
from nightshift.daemon.intake.settings import Settings
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.run import run
from nightshift.daemon.model import Frame, Signal
from nightshift.daemon.store.store import Store

SAMPLE = (
    "Traceback (most recent call last):\n" + '  File "/srv/shop/cart.py", line 7, in price\n    return table[key]\n' * 6
)
NOUNS = ("disk", "socket", "basket", "order", "ledger", "queue", "invoice", "session", "cache", "coupon", "parcel")


def crash(number: int, causes: int, now_ms: int) -> Signal:
    """One of so many causes: six frames, a sample, a message that always differs."""
    cause = number % causes
    frames = tuple(
        Frame(path=f"/srv/shop/m{depth}.py", line=depth, function=f"f{cause}_{depth}", code="return table[key]")
        for depth in range(6)
    )
    return Signal(key=f"logs:app.log:{number}", source="logs:app", service="shop", title=f"KeyError: 'n{number}'",
                  at_ms=now_ms, exception="KeyError", message=f"'n{number}'", frames=frames, sample=SAMPLE)  # fmt: skip


def babble(number: int, _causes: int, now_ms: int) -> Signal:
    """An error line whose template is its own: letters only, so that masking tokens with digits does not help."""
    word = "".join(chr(97 + (number // 26**place) % 26) for place in range(5))
    title = f"cannot {word} the {NOUNS[number % len(NOUNS)]}"
    return Signal(key=f"logs:app.log:{number}", source="logs:app", service="shop", title=title, at_ms=now_ms,
                  kind="error", message=title, sample=title)  # fmt: skip


def mixed(number: int, causes: int, now_ms: int) -> Signal:
    """Crashes of one service with alerts of it and of a service that needs it."""
    if number % 3 == 0:
        return crash(number // 3, causes, now_ms)
    service = ("shop", "web")[number % 2]
    labels = {"alertname": "Slow", "instance": f"h{number % 40}"}
    return Signal(key=f"prometheus:{number}", source="prometheus", service=service, title="Slow", at_ms=now_ms,
                  kind="alert", labels=labels)  # fmt: skip


KINDS: dict[str, Callable[[int, int, int], Signal]] = {"crashes": crash, "distinct": babble, "mixed": mixed}


def _batches(kind: str, events: int, size: int, clock: SystemClock) -> Iterator[list[Signal]]:
    for start in range(0, events, size):
        now_ms = clock.now_ms()
        yield [KINDS[kind](number, 50, now_ms) for number in range(start, min(events, start + size))]


def measure(kind: str, events: int, size: int) -> dict[str, float]:
    """Take a storm in batches; time is that of the intake alone, after one batch that warms up."""
    with tempfile.TemporaryDirectory() as folder:
        store, clock, missions = Store.open(Path(folder) / "n.db"), SystemClock(), [0]

        def mission(_: object) -> None:
            missions[0] += 1

        intake = Intake(store, clock, Settings(topology={"web": ("shop",)}), mission)
        intake.take([replace(babble(n, 3, clock.now_ms()), service="warm", key=f"w{n}") for n in range(9)])
        missions[0] = 0
        begun, busy, spent = len(store.incidents.list(limit=5000)), 0.0, 0.0
        slowest = 0.0
        for batch in _batches(kind, events, size, clock):
            wall, cpu = time.perf_counter(), time.process_time()
            intake.take(batch)
            took = time.perf_counter() - wall
            busy, spent, slowest = busy + took, spent + time.process_time() - cpu, max(slowest, took)
        found = store.incidents.list(limit=5000)
        return {
            "events": events, "batch": size, "wall_s": busy, "us": spent / events * 1e6, "rate": events / busy,
            "slowest_ms": slowest * 1000, "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "incidents": len(found) - begun, "missions": missions[0],
            "counted": sum(i.count for i in found) - 9, "disk_mb": _size_mb(Path(folder)),
        }  # fmt: skip


def _size_mb(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir()) / 1e6


def apart(kind: str, events: int, size: int) -> dict[str, float]:
    """The same in a process of its own."""
    argv = [sys.executable, __file__, "--one", kind, "--events", str(events), "--batch", str(size)]
    done = run(argv, timeout_s=600, env={**os.environ})
    found: dict[str, float] = json.loads(done.text().strip().splitlines()[-1])
    return found


def _storms(events: int) -> Table:
    table = Table("storm", "seconds", "RSS MB (≤ 300)", "incidents", "missions", "counted", "store MB",
                  title=f"{events} events in batches of 500")  # fmt: skip
    causes = {"crashes": "50 causes", "mixed": "50 causes, 2 alerts of 40 instances", "distinct": "each its own text"}
    expected = {"crashes": "50", "mixed": "50", "distinct": "≤ 101"}
    for kind, words in causes.items():
        found = apart(kind, events, 500)
        table.add_row(words, f"{found['wall_s']:.1f}", f"{found['rss_mb']:.0f}", f"{found['incidents']:.0f} ({expected[kind]})",
                      f"{found['missions']:.0f}", f"{found['counted']:.0f} of {events}", f"{found['disk_mb']:.0f}")  # fmt: skip
    return table


def _sizes() -> Table:
    table = Table("batch", "µs CPU a signal", "signals/s", "slowest batch, ms", title="50 causes, by batch size")
    for size, events in ((1, 3_000), (5, 5_000), (20, 20_000), (100, 30_000), (500, 50_000), (2000, 50_000)):
        found = apart("crashes", events, size)
        limit = " (≤ 60)" if size == 500 else ""
        table.add_row(str(size), f"{found['us']:.0f}{limit}", f"{found['rate']:.0f} (≥ 2000)",
                      f"{found['slowest_ms']:.0f}")  # fmt: skip
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--one", choices=sorted(KINDS), help="measure one storm here and print it as JSON")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one, given.events, given.batch)))
        return
    console = Console()
    console.print(_storms(given.events))
    console.print(_sizes())


if __name__ == "__main__":
    main()
