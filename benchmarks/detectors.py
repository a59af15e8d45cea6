"""Do the metric detectors find what is planted, and nothing else? What does a round cost? Printed as a table.

A real Prometheus holds backfilled metrics: faults, and healthy twins that look like them. False alarms are counted over
every fifth minute of the two hours before the faults begin. Run with ``python benchmarks/detectors.py``.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.kit.run import run, spawn
from nightshift.monitors import prometheus
from nightshift.monitors.prometheus.client import Prometheus, Series
from nightshift.monitors.prometheus.detectors import DETECTORS
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


if __name__ == "__main__":
    main()
