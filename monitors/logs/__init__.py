"""Log files and streams as a source: crashes told by tracebacks, plain or in JSON, one signal each, none twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import BinaryIO

    from nightshift.daemon.kit.clock import Clock
    from nightshift.daemon.model import Service, Signal
    from nightshift.daemon.ports import Monitor
    from nightshift.monitors.logs.settings import Command, Journal, LogFile, Settings

_SETTINGS = ("Command", "Journal", "LogFile", "Settings")


def __getattr__(name: str) -> Any:
    """Settings bring pydantic, which a sensor does without: they are imported when asked for."""
    if name in _SETTINGS:
        from nightshift.monitors.logs import settings

        return getattr(settings, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def create(settings: Settings, services: Mapping[str, Service], clock: Clock) -> Monitor:  # noqa: ARG001
    """The monitor; sources name their service themselves, so none needs to be known here."""
    from nightshift.monitors.logs.monitor import LogMonitor

    return LogMonitor(settings, clock)


def read_signals(stream: BinaryIO, *, service: str, clock: Clock, name: str = "stream") -> list[Signal]:
    """Every crash told in a finished log, in order; `name` says where it comes from. Raises OSError as reading does."""
    from nightshift.monitors.logs import stream as streams

    return streams.read_signals(stream, service=service, clock=clock, name=name)


__all__ = ["Command", "Journal", "LogFile", "Settings", "create", "read_signals"]
