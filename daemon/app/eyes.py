"""The monitors a configuration turns on."""

from __future__ import annotations

from importlib import import_module

from nightshift.daemon.config import Config
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.ports import Monitor, Receiver
from nightshift.monitors.all_monitors import MONITORS, RECEIVERS


def monitors(config: Config, clock: Clock) -> dict[str, Monitor]:
    """Name → monitor, of those that look by themselves."""
    services = config.services_model()
    return {
        name: import_module(module).create(settings, services, clock)
        for name, module in MONITORS.items()
        if (settings := config.monitor_settings(name)) is not None
    }


def receivers(config: Config, clock: Clock) -> dict[str, Receiver]:
    """Name → receiver, of those that are called."""
    services = config.services_model()
    return {
        name: import_module(module).receiver(settings, services, clock)
        for name, module in RECEIVERS.items()
        if (settings := config.monitor_settings(name)) is not None
    }
