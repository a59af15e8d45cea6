"""From a configuration to a running sensor.

With log files only, the process replaces itself by a lean one: what read and checked the configuration is gone from
then on. Other monitors need their clients anyway.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from nightshift.daemon.config import Config
from nightshift.daemon.eyes import monitors
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.ports import Refused
from nightshift.daemon.sensor.lean import Plan, Target, configure, run
from nightshift.monitors.all_monitors import MONITORS

_THRIFTY = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""glibc keeps a heap for every thread otherwise."""


def launch(config: Config) -> int:
    """Run as a sensor until told to stop. Raises Refused when the configuration names no daemon."""
    if _only_logs(config):
        _replace(config)
    configure()
    return run(_plan(config))


def spool_path(config: Config) -> Path:
    """The spool's file."""
    return config.state_dir / "spool.db"


def target(config: Config) -> Target:
    """Where signals go. Raises Refused."""
    wanted = config.sensor
    if wanted is None:
        raise Refused("the configuration has no section 'sensor': give it a name, the daemon's url and a token")
    return Target(
        url=wanted.url, name=wanted.name, token=wanted.token.get_secret_value(),
        ca_file=str(wanted.ca_file) if wanted.ca_file else "", timeout_s=wanted.timeout_s,
        batch_bytes=wanted.batch_bytes, heartbeat_s=wanted.heartbeat_s,
    )  # fmt: skip


def _only_logs(config: Config) -> bool:
    return all(config.monitor_settings(name) is None for name in MONITORS if name != "logs")


def _plan(config: Config) -> Plan:
    wanted = target(config)
    limit, drop = _limits(config)
    return Plan(target=wanted, spool=spool_path(config), limit_bytes=limit, drop_oldest=drop,
                monitors=lambda: monitors(config, SystemClock()))  # fmt: skip


def _limits(config: Config) -> tuple[int, bool]:
    assert config.sensor is not None
    return config.sensor.spool_mb << 20, config.sensor.when_full == "drop_oldest"


def _replace(config: Config) -> None:
    """Hand the checked settings to a fresh interpreter through a descriptor: a command line would show the token."""
    import json
    import tempfile

    wanted = target(config)
    limit, drop = _limits(config)
    plain: dict[str, Any] = {
        "target": {name: getattr(wanted, name) for name in wanted.__dataclass_fields__},
        "spool": {"path": str(spool_path(config).absolute()), "limit_bytes": limit, "drop_oldest": drop},
        "logs": config.logs_settings().model_dump(mode="json"),
    }
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it must outlive this program
    file.write(json.dumps(plain).encode())
    file.seek(0)
    os.set_inheritable(file.fileno(), True)
    argv = [sys.executable, "-m", "nightshift.daemon.sensor.lean", str(file.fileno())]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, argv, {**_THRIFTY, **os.environ})  # noqa: S606 - ourselves, arguments of our own
