"""Memory that only grows: when will it reach its limit?

Garbage collectors draw saws, so the line is laid through what memory never falls below again: the lows (the minimum of
each of `pieces` parts of the time), each no higher than any later one. Theil and Sen lay it, and it counts when the
lower end of the slope's confidence is positive. Lows that fall by half are a restart: what was before says nothing.
Growth that slows down is a start warming up; three times as far as was looked back is as far as is looked ahead. Memory
that stood as high around this time yesterday and did not reach its limit then breathes with the day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field

from nightshift.daemon.model import Severity
from nightshift.monitors.prometheus.client import Prometheus, Series
from nightshift.monitors.prometheus.detectors.base import BY_CONTAINER, Base
from nightshift.monitors.prometheus.episodes import Finding
from nightshift.monitors.prometheus.robust import theil_sen
from nightshift.monitors.rules import series_id

TITLE = "memory leaks"
_POINTS = 144
_DAY_S = 86_400.0


class Settings(Base):
    """Memory leaks."""

    severity: Severity = Severity.ERROR
    service_labels: tuple[str, ...] = BY_CONTAINER
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
    """A finding for every series that has a limit. Two queries, one more when something seems to leak."""
    limits = {series_id(sample.labels): sample.value for sample in server.now(settings.limit, now_s)}
    if not limits:
        return
    step_s = settings.baseline_s / _POINTS
    yesterday: dict[str, Series] | None = None
    for series in server.over(settings.memory, now_s - settings.baseline_s, now_s, step_s):
        limit = limits.get(series_id(series.labels), 0.0)
        if limit <= 0 or not series.points:
            continue
        found = judged(settings, series, limit, now_s)
        if found.bad and yesterday is None:
            yesterday = _day_before(settings, server, now_s)
        if found.bad and yesterday and _breathes(series, yesterday.get(series_id(series.labels)), limit, now_s):
            found = Finding(labels=series.labels, bad=False, why="as high at this time yesterday, and fell again")
        yield found


def judged(settings: Settings, series: Series, limit: float, now_s: float) -> Finding:
    """One series."""
    lows = _floor(_since_restart(_lows(series.points, now_s, settings.baseline_s / settings.pieces)))
    trend = theil_sen(lows) if len(lows) >= settings.pieces // 2 else None
    if trend is None:
        return Finding(labels=series.labels, bad=False)
    now, over_s = series.points[-1][1], lows[-1][0] - lows[0][0]
    why = f"{_mb(now)} of {_mb(limit)}, growing by {_mb(trend.slope * 3600)} an hour for {_hours(over_s)}"
    if trend.low <= 0:
        return Finding(labels=series.labels, bad=False, why=why)
    left_s = (limit - trend.last) / trend.slope - (now_s - lows[-1][0])
    far_s = min(settings.horizon_s, 3 * over_s)
    bad = trend.slope * over_s >= settings.min_growth * limit and left_s <= far_s and not _slows(lows, trend.slope)
    return Finding(labels=series.labels, bad=bad, why=f"out of memory in {_hours(left_s)}: {why}")


def _slows(lows: list[tuple[float, float]], slope: float) -> bool:
    later = theil_sen(lows[len(lows) // 2 - 1 :])
    return later is not None and later.slope < slope / 2


def _day_before(settings: Settings, server: Prometheus, now_s: float) -> dict[str, Series]:
    begin_s = now_s - _DAY_S
    found = server.over(settings.memory, begin_s - 7200, begin_s + min(settings.horizon_s, _DAY_S - 3600), 300)
    return {series_id(series.labels): series for series in found}


def _breathes(series: Series, before: Series | None, limit: float, now_s: float) -> bool:
    """Whether around this time yesterday it stood (nearly) as high, and came down by itself. Highs are compared with
    highs: a saw may stand anywhere."""
    then = before.between(now_s - _DAY_S - 7200, now_s - _DAY_S + 7200) if before else []
    later = before.between(now_s - _DAY_S, now_s) if before else []
    high = series.between(now_s - 3600, now_s)
    return bool(then and later and high) and max(then) >= 0.9 * max(high) and max(later) < 0.9 * limit


def _since_restart(lows: list[tuple[float, float]]) -> list[tuple[float, float]]:
    for at in range(len(lows) - 1, 0, -1):
        if lows[at][1] < lows[at - 1][1] / 2:
            return lows[at:]
    return lows


def _lows(points: Sequence[tuple[float, float]], now_s: float, piece_s: float) -> list[tuple[float, float]]:
    """The minimum of each piece, counted back from now: the last piece is a whole one."""
    lows: dict[int, tuple[float, float]] = {}
    for at_s, value in points:
        piece = -int((now_s - at_s) // piece_s)
        if piece not in lows or value < lows[piece][1]:
            lows[piece] = (at_s, value)
    return [lows[piece] for piece in sorted(lows)]


def _floor(lows: list[tuple[float, float]]) -> list[tuple[float, float]]:
    level, floor = float("inf"), []
    for at_s, value in reversed(lows):
        level = min(level, value)
        floor.append((at_s, level))
    return floor[::-1]


def _hours(seconds: float) -> str:
    return f"{max(0.0, seconds) / 3600:.1f} h" if seconds >= 5400 else f"{max(0.0, seconds) / 60:.0f} min"


def _mb(value: float) -> str:
    return f"{value / 2**20:,.0f} MiB"
