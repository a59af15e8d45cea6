"""What does a sensor cost? Memory, idle processor time and how fast it forwards, beside the limits.

A real `nightshift sensor` with its spool on disk; the daemon is a plain HTTP server that acknowledges, in this process.
Run with ``python benchmarks/sensor.py [--files N]``.
"""

from __future__ import annotations

import argparse
import gzip
import http.server
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from nightshift.daemon.kit.run import spawn
from nightshift.monitors.logs.testing import numbered

TICKS = os.sysconf("SC_CLK_TCK")
IDLE_S = 10.0


class Acknowledging(http.server.ThreadingHTTPServer):
    """Counts the signals it takes."""

    taken = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    """One call."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take it."""
        body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
        assert isinstance(self.server, Acknowledging)
        self.server.taken += body.count(b"\n")
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nothing."""


def rss_mb(pid: int) -> float:
    """Resident memory."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0]) / 1024


def cpu_s(pid: int) -> float:
    """Processor seconds so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measured(files: int, events: int) -> dict[str, float]:
    """One sensor over so many files, each in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder, server = Path(name), Acknowledging()
        for number in range(files):
            (folder / "logs" / f"s{number}").mkdir(parents=True)
            (folder / "logs" / f"s{number}" / "app.log").write_text("up\n")
        logs = {"files": [{"path": f"{folder}/logs/*/app.log", "service": "shop"}]}
        sensor = {"name": "bench", "url": f"http://127.0.0.1:{server.server_address[1]}", "token": "env:BENCH_TOKEN"}
        (folder / "s.yaml").write_text(json.dumps({"monitors": {"logs": logs}, "sensor": sensor}))
        argv = [sys.executable, "-m", "nightshift.daemon.cli", "sensor", "-c", str(folder / "s.yaml")]
        process = spawn(argv, env={"BENCH_TOKEN": "t"})
        try:
            return _observed(process.pid, folder, server, files, events)
        finally:
            process.kill()
            process.wait()
            server.shutdown()
            server.server_close()


def _observed(pid: int, folder: Path, server: Acknowledging, files: int, events: int) -> dict[str, float]:
    time.sleep(5.0 + files / 1000)
    _append(folder, 0, files)
    _until(lambda: server.taken >= 1)
    time.sleep(3.0)
    idle_from = cpu_s(pid)
    time.sleep(IDLE_S)
    idle = (cpu_s(pid) - idle_from) / IDLE_S * 100
    begun_s, before, spent = time.monotonic(), server.taken, cpu_s(pid)
    with (folder / "logs" / "s0" / "app.log").open("a") as log:
        log.write("".join(numbered(number) for number in range(1, events + 1)))
    _until(lambda: server.taken >= before + events)
    took_s = time.monotonic() - begun_s
    return {"rss": rss_mb(pid), "idle": idle, "rate": events / took_s, "cpu_us": (cpu_s(pid) - spent) / events * 1e6}


def _append(folder: Path, number: int, files: int) -> None:
    with (folder / "logs" / f"s{files - 1}" / "app.log").open("a") as log:
        log.write(numbered(number))


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit("the sensor did not forward")
        time.sleep(0.02)


def main() -> None:
    """Measure one file and many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000, help="how many files the larger sensor follows")
    parser.add_argument("--events", type=int, default=5_000, help="crashes written at once at the end")
    given = parser.parse_args()
    table = Table(title="nightshift sensor")
    for column in ("files", "memory MB", "limit", "idle CPU %", "limit ", "crashes/s forwarded", "CPU µs each"):
        table.add_column(column, justify="right")
    for files, limit in ((1, "30"), (given.files, "45")):
        got = measured(files, given.events)
        table.add_row(f"{files:,}", f"{got['rss']:.1f}", limit, f"{got['idle']:.2f}", "0.5", f"{got['rate']:,.0f}",
                      f"{got['cpu_us']:,.0f}")  # fmt: skip
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
