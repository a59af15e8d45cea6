"""A cluster as a source: pods, workloads, nodes and warning events, seen by list and watch, never changed."""

from __future__ import annotations

from collections.abc import Mapping

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Service
from nightshift.daemon.ports import Monitor
from nightshift.monitors.kubernetes.monitor import KubernetesMonitor, reachable
from nightshift.monitors.kubernetes.settings import Settings


def create(settings: Settings, services: Mapping[str, Service], clock: Clock) -> Monitor:
    """The monitor; of the names a pod's labels and owners suggest, one of `services` is preferred."""
    return KubernetesMonitor(settings, services, clock)


__all__ = ["Settings", "create", "reachable"]
