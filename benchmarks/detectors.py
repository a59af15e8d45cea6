"""Do the metric detectors find what is planted, and nothing else? What does a round cost? Printed as a table.

First table: a real Prometheus holds backfilled metrics, faults and healthy twins that look like them, written beside the
detectors; early alarms are counted over every fifth minute of the two hours before the faults begin. Second table:
generated weeks (`metric_weeks.py`), a round every second minute. Run with ``python benchmarks/detectors.py [SEED WEEKS
FAULTS]``; a seed that was looked at while a detector was changed says nothing any more.
"""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import numpy as np
from metric_weeks import MINUTES, WEEKS, Week, weeks
from rich.console import Console
from rich.table import Table

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.kit.run import run, spawn
from nightshift.daemon.model import Severity
from nightshift.monitors import prometheus
from nightshift.monitors.prometheus import Detectors
from nightshift.monitors.prometheus.client import Prometheus, Series
from nightshift.monitors.prometheus.detectors import DETECTORS
from nightshift.monitors.prometheus.episodes import Manner, advance
from nightshift.monitors.prometheus.monitor import PrometheusMonitor
from nightshift.monitors.prometheus.testing import openmetrics, scenes
from nightshift.monitors.rules import Sample
from nightshift.monitors.testing import ListSink

END_S = 1_790_000_040


class Counting(Prometheus):
    """Counts queries."""

    queries = 0

    def now(self, expr: str, at_s: float | None = None) -> list[Sample]:
        """One query."""
        self.queries += 1
        return super().now(expr, at_s)

    def over(self, expr: str, from_s: float, to_s: float, step_s: float) -> list[Series]:
        """One query."""
        self.queries += 1
        return super().over(expr, from_s, to_s, step_s)


@contextmanager
def served() -> Iterator[str]:
    """A Prometheus over the scenes."""
    with tempfile.TemporaryDirectory() as name, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        folder = Path(name)
        with (folder / "metrics.txt").open("w") as file:
            file.writelines(openmetrics(scenes(), END_S))
        tool = ["promtool", "tsdb", "create-blocks-from", "openmetrics", f"{folder}/metrics.txt", f"{folder}/data"]
        run(tool, timeout_s=300)
        (folder / "prometheus.yml").write_text("scrape_configs: []\n")
        with (folder / "log").open("wb") as log:
            server = spawn([str(shutil.which("prometheus")), f"--config.file={folder}/prometheus.yml",
                            f"--storage.tsdb.path={folder}/data", "--storage.tsdb.retention.time=100y",
                            f"--web.listen-address=127.0.0.1:{port}"], stdout=log)  # fmt: skip
        try:
            _ready(f"http://127.0.0.1:{port}/-/ready")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()
            server.wait()


def _ready(url: str) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("prometheus did not start")


def seen(url: str, name: str, moments: list[float]) -> tuple[set[str], Counting, float]:
    """Jobs a detector speaks of at these moments, the queries and the seconds it took."""
    given = prometheus.Settings.model_validate({"url": url})
    monitor, server, sink = PrometheusMonitor(given, ManualClock()), Counting(given), ListSink()
    begun_s = time.monotonic()
    for at_s in moments:
        monitor.detect(name, getattr(given.detectors, name), server, sink, round(at_s * 1000))
    return {signal.labels["job"] for signal in sink.signals}, server, time.monotonic() - begun_s


class Replayed:
    """Answers a detector's questions from one week, as a server would; made for a moment at a time."""

    def __init__(self, week: Week) -> None:
        self._week = week
        self._cumulated = np.concatenate([[0.0], np.cumsum(week.values)])
        self._totals = None if week.totals is None else np.concatenate([[0.0], np.cumsum(week.totals)])

    def now(self, _expr: str, _at_s: float | None = None) -> list[Sample]:
        """The limit of memory."""
        return [Sample(labels={}, value=1.0)]

    def over(self, expr: str, from_s: float, to_s: float, step_s: float) -> list[Series]:
        """The values; of requests the sums of the step's window."""
        values = self._week.values
        times = [from_s + n * step_s for n in range(int((to_s - from_s) // step_s) + 1)]
        minutes = [(at_s, int(at_s // 60)) for at_s in times if 0 <= at_s < 60 * len(values)]
        if self._totals is None:
            return [Series(labels={}, points=[(at_s, float(values[minute])) for at_s, minute in minutes])]
        sums, back = self._cumulated if "5.." in expr else self._totals, int(step_s // 60)
        found = [(at_s, float(sums[m + 1] - sums[max(0, m + 1 - back)])) for at_s, m in minutes]
        return [Series(labels={}, points=found)]


def episodes_of(name: str, week: Week, minutes: range) -> list[int]:
    """The minutes at which a detector, asked at each of these minutes, begins to speak."""
    given = getattr(Detectors(), name)
    if name == "saturation":
        given = given.model_copy(update={"shares": {"disk": "disk"}})
    module, server, held, begun = import_module(DETECTORS[name]), Replayed(week), {}, []
    manner = Manner(name=name, title=name, severity=Severity.ERROR, for_s=given.for_s, clear_s=given.clear_s,
                    service_labels=("job",))  # fmt: skip
    for minute in minutes:
        held, signals = advance(manner, held, module.look(given, server, minute * 60), minute * 60_000)
        begun += [minute for signal in signals if not signal.resolved]
    return begun


def chances(seed: int, healthy: int, faulty: int) -> Table:
    """False alarms of generated healthy weeks, and generated faults found."""
    table = Table(title=f"Generated series, seed {seed}: {healthy} healthy weeks, {faulty} faults for each detector")
    for column in ("detector", "false alarms a series-week", "faults found in time", "median minutes until said"):
        table.add_column(column, justify="left" if column == "detector" else "right")
    for name in WEEKS:
        alarms = 0
        for week in weeks(name, healthy, seed, fault=False):
            end = len(week.values)
            alarms += len(episodes_of(name, week, range(end - MINUTES + 720, end, 2)))
        waits = []
        for week in weeks(name, faulty, seed, fault=True):
            step = 10 if week.late_at - week.fault_at > 120 else 1
            said = [at for at in episodes_of(name, week, range(week.fault_at - 10, week.late_at, step))
                    if at > week.fault_at]  # fmt: skip
            waits += [said[0] - week.fault_at] if said else []
        table.add_row(name, f"{alarms / healthy:.2f}", f"{len(waits)} of {faulty}",
                      f"{sorted(waits)[len(waits) // 2]}" if waits else "")  # fmt: skip
    return table


def main() -> None:
    """Every detector."""
    table = Table(title=f"Detectors, {len(scenes())} planted jobs")
    for column in (
        "detector",
        "faults found",
        "healthy jobs spoken of",
        "before the faults",
        "queries a round",
        "ms a round",
    ):
        table.add_column(column, justify="left" if column == "detector" else "right")
    with served() as url:
        for name in DETECTORS:
            mine = [scene for scene in scenes() if scene.detector == name]
            faults, healthy = ({s.job for s in mine if s.fault is wanted} for wanted in (True, False))
            rounds = [END_S - 60.0 * n for n in range(25, -1, -1)]
            found, server, spent_s = seen(url, name, rounds)
            early, _, _ = seen(url, name, [END_S - 3600 - 300.0 * n for n in range(24, -1, -1)])
            steps = {s.job for s in mine if s.fault} if name in ("leak", "saturation") else set()
            table.add_row(name, f"{len(found & faults)} of {len(faults)}", f"{len(found & healthy)} of {len(healthy)}",
                          f"{len(early & (faults - steps | healthy))} of {len(faults - steps | healthy)}",
                          f"{server.queries / len(rounds):.0f}", f"{spent_s / len(rounds) * 1000:.0f}")  # fmt: skip
    Console(width=120).print(table)
    seed, healthy, faulty = map(int, sys.argv[1:4] or (1, 4, 10))
    Console(width=120).print(chances(seed, healthy, faulty))


if __name__ == "__main__":
    main()
