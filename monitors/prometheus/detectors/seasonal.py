"""Traffic that is not what it is at this time of the week.

The value now is compared with the same hour of earlier weeks, or of earlier days as long as there are no weeks, by
median and median absolute deviation: a seasonal-median baseline, as robust as it is simple; one week with an outage
does not move it. Days differ more than weeks do (Sundays), so a value that one of the days had too is not unusual.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from nightshift.monitors.prometheus.client import Prometheus, Series
from nightshift.monitors.prometheus.detectors.base import Base
from nightshift.monitors.prometheus.detectors.families import counted
from nightshift.monitors.prometheus.episodes import Finding
from nightshift.monitors.prometheus.robust import median, spread
from nightshift.monitors.rules import series_id

TITLE = "traffic is unusual for this hour"
_DAY_S, _WEEK_S = 86_400.0, 7 * 86_400.0


class Settings(Base):
    """Seasonal anomalies."""

    for_s: float = Field(default=600.0, ge=0)
    series: str = counted("rate", "5m")
    """PromQL: what is compared."""
    weeks: int = Field(default=4, ge=2, le=12)
    """How many weeks back."""
    days: int = Field(default=6, ge=3, le=14)
    """How many days back, as long as fewer than two weeks hold data."""
    around_s: float = Field(default=1800.0, ge=300)
    """How much before and after the same time counts."""
    sigmas: float = Field(default=6.0, gt=0)
    """By how many robust standard deviations it must differ."""
    min_ratio: float = Field(default=0.5, gt=0, lt=1)
    """And at least by so much of the larger of both: 0.5 is half as much, or twice as much."""
    min_value: float = Field(default=0.1, ge=0)
    """Less than this, then and now, says nothing."""
    direction: Literal["both", "drop", "rise"] = "both"
    """Which way counts."""


def look(settings: Settings, server: Prometheus, now_s: float) -> Iterator[Finding]:
    """A finding for every series. `weeks` + 1 queries, `days` more as long as there are no weeks."""
    present = server.over(settings.series, now_s - 300, now_s, 60)
    if not present:
        return
    seasons = _seasons(settings, server, [now_s - n * _WEEK_S for n in range(1, settings.weeks + 1)])
    daily: dict[str, list[list[float]]] | None = None
    for series in present:
        past, weekly = seasons.get(series_id(series.labels), []), True
        if len(past) < 2:
            if daily is None:
                daily = _seasons(settings, server, [now_s - n * _DAY_S for n in range(1, settings.days + 1)])
            past = daily.get(series_id(series.labels), [])
            past, weekly = past if len(past) >= 3 else [], False
        yield _judged(settings, series, past, weekly)


def _seasons(settings: Settings, server: Prometheus, moments: list[float]) -> dict[str, list[list[float]]]:
    """Series → the values around each moment at which it had enough of them."""
    found: dict[str, list[list[float]]] = {}
    for at_s in moments:
        for series in server.over(settings.series, at_s - settings.around_s, at_s + settings.around_s, 300):
            if len(series.points) * 300 >= settings.around_s:
                found.setdefault(series_id(series.labels), []).append([value for _, value in series.points])
    return found


def _judged(settings: Settings, series: Series, past: list[list[float]], weekly: bool) -> Finding:
    values = [value for season in past for value in season]
    if not values or not series.points:
        return Finding(labels=series.labels, bad=False)
    now, usual = median([value for _, value in series.points]), median(values)
    levels = [median(season) for season in past]
    noise = max(spread(values), spread(levels))
    away = now - usual
    wanted = {"both": True, "drop": away < 0, "rise": away > 0}[settings.direction]
    different = abs(away) > max(settings.sigmas * noise, settings.min_ratio * max(now, usual))
    bad = wanted and different and max(now, usual) >= settings.min_value
    bad = bad and (weekly or not min(levels) <= now <= max(levels))
    earlier = f"{len(past)} earlier {'weeks' if weekly else 'days'}"
    why = f"{now:.3g} requests a second now; {usual:.3g} ± {noise:.2g} at this time of {earlier}"
    return Finding(labels=series.labels, bad=bad, why=why)
