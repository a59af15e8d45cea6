"""The monitors a configuration turns on."""

from __future__ import annotations

from importlib import import_module

from nightshift.daemon.config import Config
from nightshift.daemon.forges.hooks import ForgeHook
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.ports import Monitor, Receiver
from nightshift.monitors.all_monitors import MONITORS, RECEIVERS


def monitors(config: Config, clock: Clock) -> dict[str, Monitor]:
    """Name → monitor, of those that look by themselves and have something to look at."""
    services = config.services_model()
    made = {
        name: import_module(module).create(settings, services, clock)
        for name, module in MONITORS.items()
        if (settings := config.monitor_settings(name)) is not None
    }
    return {name: monitor for name, monitor in made.items() if monitor is not None}


def receivers(config: Config, clock: Clock) -> dict[str, Receiver]:
    """Name → receiver, of those that are called."""
    services = config.services_model()
    made = {
        name: import_module(module).receiver(settings, services, clock)
        for name, module in RECEIVERS.items()
        if (settings := config.monitor_settings(name)) is not None
    }
    return made | forge_hooks(config, clock)


def forge_hooks(config: Config, clock: Clock) -> dict[str, Receiver]:
    """Name → receiver, of forges that tell what people do there."""
    hooks = [ForgeHook(name, settings.kind, settings.webhook_secret, clock)
             for name, settings in config.forges.items() if settings.webhook_secret]  # fmt: skip
    return {hook.name: hook for hook in hooks}


def closed(config: Config) -> dict[str, str]:
    """Path → name, of receivers that are off: a caller is told how to turn them on."""
    off = (name for name in RECEIVERS if config.monitor_settings(name) is None)
    return {path: name for name in off for path in import_module(RECEIVERS[name]).PATHS}
