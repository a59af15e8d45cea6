"""A container engine as a source: containers that die, die again and again, run out of memory or turn unhealthy."""

from __future__ import annotations

from collections.abc import Mapping

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Service
from nightshift.daemon.ports import Monitor
from nightshift.monitors.docker.monitor import DockerMonitor, reachable
from nightshift.monitors.docker.settings import Settings


def create(settings: Settings, services: Mapping[str, Service], clock: Clock) -> Monitor:
    """The monitor; `services` tells which compose services and container names are known."""
    return DockerMonitor(settings, services, clock)


__all__ = ["Settings", "create", "reachable"]
