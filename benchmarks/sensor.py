"""What does a sensor cost? Memory, idle processor time and how fast it forwards, beside the limits.

A real `nightshift sensor` with its spool on disk; the daemon is a plain HTTP server that acknowledges, in this process.
Both sensors, and a third that speaks TLS, run beside each other. Run with ``python benchmarks/sensor.py [--files N]``;
it takes a little less than a minute.
"""

from __future__ import annotations

import argparse
import gzip
import http.server
import json
import shutil
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from nightshift.daemon.kit.run import run, spawn
from nightshift.monitors.logs.testing import numbered

IDLE_S = 10.0
SETTLE_S = 25.0
"""By then what a start leaves to do is done."""


class Acknowledging(http.server.ThreadingHTTPServer):
    """Counts the signals it takes."""

    taken = 0

    def __init__(self, certificate: Path | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    """One call."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take it."""
        signals = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"]))).count(b"\n")
        answer = json.dumps({"signals": signals}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        assert isinstance(self.server, Acknowledging)
        self.server.taken += signals

    def log_message(self, *_: object) -> None:
        """Nothing."""


def rss_mb(pid: int) -> float:
    """Resident memory."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0]) / 1024


def cpu_s(pid: int) -> float:
    """Processor seconds so far, of all threads, to the nanosecond."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def certified(folder: Path) -> Path:
    """A certificate of our own, with its key."""
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "key.pem"),
            "-out", str(folder / "ca.pem")]  # fmt: skip
    assert run(argv, timeout_s=60).ok
    both = folder / "server.pem"
    both.write_text((folder / "key.pem").read_text() + (folder / "ca.pem").read_text())
    return both


def measured(files: int, events: int, turn: threading.Lock, *, tls: bool = False) -> dict[str, float]:
    """One sensor over so many files, each in a folder of its own. Only one at a time works, while it has the turn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Acknowledging(certified(folder) if tls else None)
        for number in range(files):
            (folder / "logs" / f"s{number}").mkdir(parents=True)
            (folder / "logs" / f"s{number}" / "app.log").write_text("up\n")
        logs = {"files": [{"path": f"{folder}/logs/*/app.log", "service": "shop"}]}
        sensor = {"name": "bench", "url": f"http{'s' * tls}://127.0.0.1:{server.server_address[1]}",
                  "token": "env:BENCH_TOKEN"}  # fmt: skip
        if tls:
            sensor["ca_file"] = str(folder / "ca.pem")
        (folder / "s.yaml").write_text(json.dumps({"monitors": {"logs": logs}, "sensor": sensor}))
        argv = [sys.executable, "-m", "nightshift.daemon.cli", "sensor", "-c", str(folder / "s.yaml")]
        process = spawn(argv, env={"BENCH_TOKEN": "t"})
        try:
            return _observed(process.pid, folder, server, files, events, turn)
        finally:
            process.kill()
            process.wait()
            server.shutdown()
            server.server_close()


def _observed(
    pid: int, folder: Path, server: Acknowledging, files: int, events: int, turn: threading.Lock
) -> dict[str, float]:
    time.sleep(5.0 + files / 5000)
    _append(folder, 0, files)
    _until(lambda: server.taken >= 1)
    time.sleep(SETTLE_S)
    quiet, idle_from, begun_s = rss_mb(pid), cpu_s(pid), time.monotonic()
    time.sleep(IDLE_S)
    idle = (cpu_s(pid) - idle_from) / (time.monotonic() - begun_s) * 100
    with turn:
        begun_s, before, spent = time.monotonic(), server.taken, cpu_s(pid)
        with (folder / "logs" / "s0" / "app.log").open("a") as log:
            log.write("".join(numbered(number) for number in range(1, events + 1)))
        _until(lambda: server.taken >= before + events)
        took_s = time.monotonic() - begun_s
    return {"quiet": quiet, "rss": rss_mb(pid), "idle": idle, "rate": events / took_s,
            "cpu_us": (cpu_s(pid) - spent) / events * 1e6}  # fmt: skip


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
    """Measure one file, one file over TLS, and many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000, help="how many files the larger sensor follows")
    parser.add_argument("--events", type=int, default=5_000, help="crashes written at once at the end")
    given = parser.parse_args()
    table = Table(title="nightshift sensor")
    columns = (
        "files",
        "MB quiet",
        f"MB after {given.events:,}",
        "limit",
        "idle CPU %",
        "limit ",
        "crashes/s",
        "CPU µs each",
    )
    for column in columns:
        table.add_column(column, justify="right")
    kinds = [(1, "30", False), (given.files, "45", False)] + [(1, "30", True)] * bool(shutil.which("openssl"))
    turn = threading.Lock()
    with ThreadPoolExecutor(len(kinds)) as pool:
        runs = [pool.submit(measured, files, given.events, turn, tls=tls) for files, _, tls in kinds]
        for (files, limit, tls), result in zip(kinds, runs, strict=True):
            got = result.result()
            table.add_row(f"{files:,}{' TLS' * tls}", f"{got['quiet']:.1f}", f"{got['rss']:.1f}", limit,
                          f"{got['idle']:.2f}", "0.5", f"{got['rate']:,.0f}", f"{got['cpu_us']:,.0f}")  # fmt: skip
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
