"""The channels a configuration names."""

from __future__ import annotations

from importlib import import_module

from nightshift.daemon.config import Config
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.ports import Notifier
from nightshift.daemon.reports.all_notifiers import NOTIFIERS


def notifiers(config: Config, clock: Clock) -> dict[str, Notifier]:
    """Name → notifier; `file` is always there, so that nothing is said to nobody."""
    chosen = {"file": config.file_settings(), "slack": config.reports.slack, "webhook": config.reports.webhook}
    return {
        name: import_module(NOTIFIERS[name]).create(settings, clock)
        for name, settings in chosen.items()
        if settings is not None
    }
