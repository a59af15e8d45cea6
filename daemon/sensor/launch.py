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
from nightshift.daemon.config.settings import SensorSettings
from nightshift.daemon.eyes import monitors
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.model import Health
from nightshift.daemon.ports import EnvironmentBroke, Monitor, Refused
from nightshift.daemon.sensor.forward import ask, hint
from nightshift.daemon.sensor.lean import Plan, Target, configure, run
from nightshift.daemon.sensor.spool import status_of
from nightshift.monitors.all_monitors import MONITORS

_THRIFTY = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""glibc keeps a heap for every thread otherwise."""
_HERE = tuple(name for name in MONITORS if name != "sensors")
"""Who forwards to whom is the daemon's business, also where both read one file."""


def launch(config: Config) -> int:
    """Run as a sensor until told to stop. Raises Refused when the configuration names no daemon."""
    if _only_logs(config):
        _replace(config)
    configure()
    return run(_plan(config))


def spool_path(config: Config) -> Path:
    """The spool's file."""
    return config.state_dir / "spool.db"


def settings(config: Config) -> SensorSettings:
    """Its section. Raises Refused."""
    if config.sensor is None:
        raise Refused("the configuration has no section 'sensor': give it a name, the daemon's url and a token")
    return config.sensor


def target(config: Config) -> Target:
    """Where signals go. Raises Refused."""
    wanted = settings(config)
    return Target(
        url=wanted.url, name=wanted.name, token=wanted.token.get_secret_value(),
        ca_file=str(wanted.ca_file) if wanted.ca_file else "", timeout_s=wanted.timeout_s,
        batch_bytes=wanted.batch_bytes, heartbeat_s=wanted.heartbeat_s,
    )  # fmt: skip


def _only_logs(config: Config) -> bool:
    return all(config.monitor_settings(name) is None for name in _HERE if name != "logs")


def _plan(config: Config) -> Plan:
    wanted = target(config)
    return Plan(target=wanted, spool=spool_path(config), limit_bytes=limit_bytes(config), drop_oldest=_drops(config),
                monitors=lambda: _monitors(config))  # fmt: skip


def _monitors(config: Config) -> dict[str, Monitor]:
    return {name: one for name, one in monitors(config, SystemClock()).items() if name in _HERE}


def limit_bytes(config: Config) -> int:
    """How much may wait. Raises Refused."""
    return settings(config).spool_mb << 20


def _drops(config: Config) -> bool:
    return settings(config).when_full == "drop_oldest"


def _replace(config: Config) -> None:
    """Hand the checked settings to a fresh interpreter through a descriptor: a command line would show the token."""
    import json
    import tempfile

    wanted = target(config)
    plain: dict[str, Any] = {
        "target": {name: getattr(wanted, name) for name in wanted.__dataclass_fields__},
        "spool": {"path": str(spool_path(config).absolute()), "limit_bytes": limit_bytes(config),
                  "drop_oldest": _drops(config)},
        "logs": config.logs_settings().model_dump(mode="json"),
    }  # fmt: skip
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it must outlive this program
    file.write(json.dumps(plain).encode())
    file.seek(0)
    os.set_inheritable(file.fileno(), True)
    argv = [sys.executable, "-m", "nightshift.daemon.sensor.lean", str(file.fileno())]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, argv, {**_THRIFTY, **os.environ})  # noqa: S606 - ourselves, arguments of our own


# ---------------------------------------------------------------- checks


def watches(config: Config) -> Health:
    """Whether there is anything to look at."""
    logs = config.logs_settings()
    some = bool(logs.files or logs.journals or logs.commands)
    names = ", ".join(n for n in _HERE if (some if n == "logs" else config.monitor_settings(n) is not None))
    return Health(ok=bool(names), what="monitors", detail=names or "none",
                  fix="" if names else "name logs under monitors.logs.files")  # fmt: skip


def spools(config: Config) -> Health:
    """Whether what is seen can be kept."""
    path = spool_path(config)
    folder = next((one for one in (path.parent, *path.absolute().parents) if one.exists()), path.parent)
    if not os.access(folder, os.W_OK | os.X_OK):
        return Health(ok=False, what="spool", detail=f"{folder} can't be written", fix="see state_dir")
    if not path.exists():
        return Health(ok=True, what="spool", detail=f"{path} will be made")
    try:
        found = status_of(path, limit_bytes(config))
    except EnvironmentBroke as broke:
        return Health(ok=False, what="spool", detail=str(broke), fix="move the file away, or see state_dir")
    return Health(ok=True, what="spool", detail=f"{path}: {found['waiting']} signals wait, {found['bytes']} bytes")


def answers(config: Config) -> Health:
    """Whether the daemon takes what this sensor sends: an empty batch."""
    url = settings(config).url
    said = ask(target(config))
    if said.taken == 0:
        return Health(ok=True, what="daemon", detail=f"{url} takes signals of {settings(config).name}")
    return Health(ok=False, what="daemon", detail=f"{url}: {said.text}"[:300],
                  fix=hint(said).removeprefix("; ") or "see sensor.url, sensor.ca_file and the network")  # fmt: skip
