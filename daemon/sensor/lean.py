"""The sensor's life: monitors, spool, forwarder.

Started anew with settings that were checked before, so that what checked them is not in this process.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nightshift.daemon.kit.clock import Clock, SystemClock
from nightshift.daemon.kit.ending import until_told
from nightshift.daemon.kit.redact import redact, register_secret
from nightshift.daemon.ports import EnvironmentBroke, Monitor
from nightshift.daemon.sensor.forward import Forwarder
from nightshift.daemon.sensor.spool import Spool
from nightshift.monitors.rewatch import watch_on

_log = logging.getLogger(__name__)
_STOP_S = 5.0
_STATUS_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where signals go, and how much at once."""

    url: str
    name: str
    token: str
    ca_file: str = ""
    timeout_s: float = 30.0
    batch_bytes: int = 256 << 10
    heartbeat_s: float = 30.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything a sensor needs to know. `monitors` makes them, by name."""

    target: Target
    spool: Path
    limit_bytes: int
    drop_oldest: bool
    monitors: Callable[[], Mapping[str, Monitor]]


def main() -> int:
    """Read the settings from the descriptor named on the command line, then run."""
    _without_openssl()
    with os.fdopen(int(sys.argv[1]), "rb") as file:
        given = json.load(file)
    configure()
    return run(plan_of(given))


def _without_openssl() -> None:
    """Checksums by Python's own code, as `hashlib` does where it was built so: OpenSSL takes four megabytes. TLS brings
    it along where the daemon is called by https."""
    if any(find_spec(name) for name in ("_sha256", "_sha2")):
        sys.modules["_hashlib"] = None  # type: ignore[assignment]


def plan_of(given: dict[str, Any]) -> Plan:
    """From plain values, as `launch` wrote them."""
    logs = _object(given["logs"])

    def monitors() -> Mapping[str, Monitor]:
        from nightshift.monitors.logs.monitor import LogMonitor

        return {"logs": LogMonitor(logs, SystemClock())}

    spool = given["spool"]
    return Plan(target=Target(**given["target"]), spool=Path(spool["path"]), limit_bytes=spool["limit_bytes"],
                drop_oldest=spool["drop_oldest"], monitors=monitors)  # fmt: skip


def _object(value: Any) -> Any:
    """Plain values with attributes, as monitors read their settings."""
    if isinstance(value, dict):
        return SimpleNamespace(**{name: _object(one) for name, one in value.items()})
    return [_object(one) for one in value] if isinstance(value, list) else value


def configure() -> None:
    """Log to standard error, secrets masked."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Masked("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


class _Masked(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def run(plan: Plan, stop: threading.Event | None = None) -> int:
    """Until SIGTERM or SIGINT; 0 after an orderly end, 3 when the spool can't be used. What is spooled stays."""
    stop = stop or until_told()
    register_secret(plan.target.token)
    clock = SystemClock()
    try:
        spool = Spool(plan.spool, clock, limit_bytes=plan.limit_bytes, drop_oldest=plan.drop_oldest)
    except EnvironmentBroke as broke:
        print(f"nightshift sensor: {redact(str(broke))}", file=sys.stderr)
        return 3
    watching = plan.monitors()
    jobs: list[Callable[[], None]] = [lambda: Forwarder(spool, plan.target, clock).run(stop)]
    jobs += [partial(watch_on, monitor, spool, spool.checkpoints, stop) for monitor in watching.values()]
    threads = [threading.Thread(target=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    _log.info("sensor %s watches with %s and forwards to %s", plan.target.name, ", ".join(watching) or "no monitor",
              redact(plan.target.url))  # fmt: skip
    while not stop.wait(_STATUS_S):
        _tell(spool, clock)
    spool.added.set()
    deadline = clock.monotonic() + _STOP_S
    for thread in threads:
        thread.join(max(0.0, deadline - clock.monotonic()))
    _tell(spool, clock)
    return 0


def _tell(spool: Spool, clock: Clock) -> None:
    try:
        status = spool.status()
    except EnvironmentBroke as broke:
        _log.warning("%s", broke)
        return
    level = logging.WARNING if status["dropped"] or status["refused"] else logging.INFO
    _log.log(level, "spool: %s", ", ".join(f"{name} {value}" for name, value in readable(status, clock).items()))


def readable(status: Mapping[str, int], clock: Clock) -> dict[str, str]:
    """A spool's status for people: moments as how long ago they were."""
    told = {}
    for name, value in status.items():
        if name.endswith("_ms"):
            told[name.removesuffix("_ms")] = f"{(clock.now_ms() - value) / 1000:,.0f} s ago" if value else "-"
        else:
            told[name] = f"{value:,}"
    return told


if __name__ == "__main__":
    sys.exit(main())
