"""Every monitor there is, by the name used in the config file; nothing is found by scanning folders."""

from __future__ import annotations

from collections.abc import Mapping

MONITORS: Mapping[str, str] = {
    "alertmanager": "nightshift.monitors.alertmanager",
    "docker": "nightshift.monitors.docker",
    "kubernetes": "nightshift.monitors.kubernetes",
    "logs": "nightshift.monitors.logs",
    "probes": "nightshift.monitors.probes",
    "prometheus": "nightshift.monitors.prometheus",
    "sensors": "nightshift.monitors.sensors",
}
"""Those that look by themselves. A module holds `Settings` and `create(settings, services, clock) -> Monitor`
(None: nothing to look at)."""

RECEIVERS: Mapping[str, str] = {
    "alertmanager": "nightshift.monitors.alertmanager",
    "ci": "nightshift.monitors.ci",
    "sensors": "nightshift.monitors.sensors",
    "sentry": "nightshift.monitors.sentry",
}
"""Those that are called. A module holds `Settings`, `PATHS` and `receiver(settings, services, clock) -> Receiver`; it
may stand in both tables."""
