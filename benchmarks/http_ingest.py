"""How many events a second does a daemon take over HTTP, each stored before it is answered? Printed beside the limits.

A real daemon with its store on disk, callers with kept-alive connections in a process of their own. At the end what was
acknowledged is compared with what is stored. Run with ``python benchmarks/http_ingest.py [--seconds N]``.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from nightshift.daemon.kit.run import run, spawn
from nightshift.daemon.store.store import Store

LIMIT_RATE, LIMIT_P99_MS = 2000, 200
CONFIG = """
state_dir: state
http: {port: 0}
monitors:
  alertmanager: {anonymous: true}
  sentry: {projects: [{id: "1", service: shop, key: env:BENCH_SENTRY_KEY}], events_per_minute: 10000000}
"""
KEY = "0123456789abcdef"


def alerts(caller: int, number: int, each: int) -> tuple[str, dict[str, str], bytes]:
    """One webhook call of so many alerts that fire and have not fired before."""
    found = [
        {"status": "firing", "labels": {"alertname": "HighErrors", "service": "shop", "severity": "critical",
         "instance": f"host-{caller}-{number}-{n}"}, "annotations": {"summary": "too many errors"},
         "startsAt": "2026-01-02T03:04:05Z", "fingerprint": f"{caller:x}-{number:x}-{n:x}"} for n in range(each)
    ]  # fmt: skip
    return "/webhooks/alertmanager", {}, json.dumps({"version": "4", "groupKey": "g", "alerts": found}).encode()


def envelope(caller: int, number: int, _each: int) -> tuple[str, dict[str, str], bytes]:
    """One event of an SDK: twenty frames, half of them with variables."""
    frames = [
        {"abs_path": f"/srv/shop/m{n}.py", "lineno": n + 1, "function": f"f{n}", "context_line": "    return table[key]",
         "vars": {"key": f"'k{number}'", "table": {"a": "1", "b": "2"}} if n % 2 else {}} for n in range(20)
    ]  # fmt: skip
    id_ = f"{caller:016x}{number:016x}"
    values = [{"type": "KeyError", "value": f"'k{number}'", "stacktrace": {"frames": frames}}]
    event = json.dumps({"event_id": id_, "platform": "python", "level": "error", "exception": {"values": values}})
    body = f'{{"event_id":"{id_}"}}\n{{"type":"event","length":{len(event)}}}\n{event}\n'
    headers = {"X-Sentry-Auth": f"Sentry sentry_key={KEY}, sentry_version=7", "Content-Encoding": "gzip"}
    return "/api/1/envelope/", headers, gzip.compress(body.encode(), 1)


SCENES: dict[str, tuple[Callable[[int, int, int], tuple[str, dict[str, str], bytes]], int, int]] = {
    "alerts, 1 a call": (alerts, 1, 64),
    "alerts, 50 a call": (alerts, 50, 8),
    "Sentry envelopes, gzip": (envelope, 1, 64),
}


async def caller(number: int, port: int, scene: str, until_s: float, waits: list[float]) -> int:
    """One connection; the number of events acknowledged."""
    make, each, _ = SCENES[scene]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    done = turn = 0
    while time.monotonic() < until_s:
        path, headers, body = make(number, turn, each)
        head = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        sent_s = time.monotonic()
        writer.write(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode())
        writer.write(body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        waits.append(time.monotonic() - sent_s)
        done, turn = done + (each if answer.startswith(b"HTTP/1.1 200") else 0), turn + 1
    writer.close()
    return done


async def calling(port: int, scene: str, seconds: float) -> dict[str, float]:
    """All callers of a scene at once."""
    waits: list[float] = []
    begun_s = time.monotonic()
    tasks = [caller(number, port, scene, begun_s + seconds, waits) for number in range(SCENES[scene][2])]
    done = sum(await asyncio.gather(*tasks))
    spent_s = time.monotonic() - begun_s
    waits.sort()
    at = lambda share: waits[min(len(waits) - 1, int(share * len(waits)))] * 1000  # noqa: E731
    return {"events": done, "rate": done / spent_s, "p50": at(0.5), "p99": at(0.99)}


def measured(scene: str, seconds: float) -> dict[str, float]:
    """One scene with a daemon of its own."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "nightshift.yaml"
        config.write_text(CONFIG)
        daemon = spawn([sys.executable, "-m", "nightshift.daemon.cli", "run", "-c", str(config)], cwd=folder,
                       env={"BENCH_SENTRY_KEY": KEY})  # fmt: skip
        try:
            port = _port(Path(folder) / "state" / "http.port")
            argv = [sys.executable, __file__, "--call", f"{port}", scene, f"{seconds}"]
            result: dict[str, float] = json.loads(run(argv, timeout_s=seconds + 60).stdout)
        finally:
            daemon.kill()
            daemon.wait()
        store = Store.open(Path(folder) / "state" / "nightshift.db")
        result["stored"] = sum(incident.count for incident in store.incidents.list())
        store.close()
    return result


def _port(path: Path) -> int:
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text().strip()):
        if time.monotonic() > deadline:
            raise SystemExit("the daemon did not start")
        time.sleep(0.05)
    return int(path.read_text())


def main() -> None:
    """Measure every scene."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="for how long callers call, per scene")
    parser.add_argument("--call", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.call:
        port, scene, seconds = given.call
        print(json.dumps(asyncio.run(calling(int(port), scene, float(seconds)))))
        return
    table = Table(title=f"HTTP ingest, each event stored before its answer ({os.cpu_count()} cores for both sides)")
    for column in ("scene", "events/s", "limit", "p50 ms", "p99 ms", "limit ms", "acknowledged", "stored"):
        table.add_column(column, justify="left" if column == "scene" else "right")
    for scene in SCENES:
        got = measured(scene, given.seconds)
        row = (f"{got['rate']:,.0f}", f"≥ {LIMIT_RATE:,}", f"{got['p50']:.1f}", f"{got['p99']:.1f}",
               f"< {LIMIT_P99_MS}", f"{got['events']:,.0f}", f"{got['stored']:,.0f}")  # fmt: skip
        table.add_row(scene, *row)
    Console(width=120).print(table)


if __name__ == "__main__":
    sys.exit(main())
