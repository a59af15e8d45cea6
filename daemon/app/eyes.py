"""The monitors a configuration turns on."""

from __future__ import annotations

from importlib import import_module

from nightshift.daemon.config import Config
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.ports import Monitor
from nightshift.monitors.all_monitors import MONITORS


def monitors(config: Config, clock: Clock) -> dict[str, Monitor]:
    """Name → monitor. `alertmanager` is a route of the HTTP API, not a loop of its own."""
    services = config.services_model()
    chosen = {
        "logs": config.logs_settings(),
        "prometheus": config.monitors.prometheus,
        "kubernetes": config.monitors.kubernetes,
        "docker": config.monitors.docker,
    }
    return {
        name: import_module(MONITORS[name]).create(settings, services, clock)
        for name, settings in chosen.items()
        if settings is not None
    }
