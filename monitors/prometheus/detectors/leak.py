"""Memory that only grows: when will it reach its limit?

Garbage collectors draw saws, so the line is laid through the lows (the minimum of each of `pieces` parts of the time),
by Theil and Sen; it counts when the lower end of the slope's confidence is positive. A fall by half is a restart: what
was before it says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from nightshift.daemon.model import Severity
from nightshift.monitors.prometheus.client import Prometheus, Series
from nightshift.monitors.prometheus.detectors.base import Base
from nightshift.monitors.prometheus.episodes import Finding
from nightshift.monitors.prometheus.robust import theil_sen
from nightshift.monitors.rules import series_id

TITLE = "memory leaks"
_POINTS = 144


class Settings(Base):
    """Memory leaks."""

    severity: Severity = Severity.ERROR
    memory: str = 'container_memory_working_set_bytes{container!="", container!="POD"}'
    """PromQL: bytes in use."""
    limit: str = 'container_spec_memory_limit_bytes{container!="", container!="POD"} > 0'
    """PromQL: bytes at most, with the same labels."""
    baseline_s: float = Field(default=6 * 3600.0, ge=1800)
    """Over how long growth is looked at."""
    horizon_s: float = Field(default=12 * 3600.0, gt=0)
    """The limit must be nearer than this."""
    min_growth: float = Field(default=0.05, gt=0, le=1)
    """How much of the limit must have been eaten in that time."""
    pieces: int = Field(default=12, ge=6, le=100)
    """Into how many parts the time is cut; each gives its lowest value."""


def look(settings: Settings, server: Prometheus, now_s: float) -> Iterator[Finding]:
    """A finding for every series that has a limit. Two queries."""
    limits = {series_id(sample.labels): sample.value for sample in server.now(settings.limit, now_s)}
    if not limits:
        return
    step_s = settings.baseline_s / _POINTS
    for series in server.over(settings.memory, now_s - settings.baseline_s, now_s, step_s):
        if limit := limits.get(series_id(series.labels), 0.0):
            yield judged(settings, series, limit, now_s)


def judged(settings: Settings, series: Series, limit: float, now_s: float) -> Finding:
    """One series."""
    points = _since_restart(series)
    lows = _lows(points, settings.baseline_s / settings.pieces)
    trend = theil_sen(lows) if len(lows) >= settings.pieces // 2 else None
    if trend is None or trend.low <= 0:
        return Finding(labels=series.labels, bad=False)
    grown = trend.slope * (points[-1][0] - points[0][0])
    left_s = (limit - trend.last) / trend.slope - (now_s - lows[-1][0])
    bad = grown >= settings.min_growth * limit and left_s <= settings.horizon_s
    why = (f"out of memory in {_hours(left_s)}: {_mb(points[-1][1])} of {_mb(limit)}, growing by "
           f"{_mb(trend.slope * 3600)} an hour for {_hours(points[-1][0] - points[0][0])}")  # fmt: skip
    return Finding(labels=series.labels, bad=bad, why=why)


def _since_restart(series: Series) -> list[tuple[float, float]]:
    points = list(series.points)
    for at in range(len(points) - 1, 0, -1):
        if points[at][1] < points[at - 1][1] / 2:
            return points[at:]
    return points


def _lows(points: list[tuple[float, float]], piece_s: float) -> list[tuple[float, float]]:
    lows: dict[int, tuple[float, float]] = {}
    for at_s, value in points:
        piece = int(at_s // piece_s)
        if piece not in lows or value < lows[piece][1]:
            lows[piece] = (at_s, value)
    return [lows[piece] for piece in sorted(lows)]


def _hours(seconds: float) -> str:
    return f"{max(0.0, seconds) / 3600:.1f} h" if seconds >= 5400 else f"{max(0.0, seconds) / 60:.0f} min"


def _mb(value: float) -> str:
    return f"{value / 2**20:,.0f} MiB"
