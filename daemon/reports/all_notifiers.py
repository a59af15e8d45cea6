"""Every notifier there is, by the name used in the config file; nothing is found by scanning folders."""

from __future__ import annotations

from collections.abc import Mapping

NOTIFIERS: Mapping[str, str] = {
    "file": "nightshift.daemon.reports.file",
    "slack": "nightshift.daemon.reports.slack",
    "webhook": "nightshift.daemon.reports.webhook",
}
"""Name to module. A module holds `Settings` and `create(settings, clock) -> Notifier`."""
