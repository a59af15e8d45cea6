"""A step in latency: the last minutes' p95 against the hours before, in robust standard deviations of its own past."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from nightshift.monitors.prometheus.client import Prometheus, Series
from nightshift.monitors.prometheus.detectors.base import Base
from nightshift.monitors.prometheus.detectors.families import quantile
from nightshift.monitors.prometheus.episodes import Finding
from nightshift.monitors.prometheus.robust import median, spread

TITLE = "latency rose"
_STEP_S = 60.0


class Settings(Base):
    """Steps in latency."""

    latency: str = quantile(0.95, "$window", 20)
    """PromQL: seconds; by default p95 wherever `$window` had at least 20 requests."""
    window_s: float = Field(default=300.0, ge=60)
    """What counts as now."""
    baseline_s: float = Field(default=7200.0, ge=600)
    """What it is compared with."""
    sigmas: float = Field(default=8.0, gt=0)
    """By how many robust standard deviations it must have risen."""
    min_ratio: float = Field(default=1.5, gt=1)
    """And by what factor at least."""
    min_s: float = Field(default=0.05, ge=0)
    """And to how much at least."""
    min_points: int = Field(default=20, ge=4)
    """Fewer minutes with data in the baseline say nothing."""


def look(settings: Settings, server: Prometheus, now_s: float) -> Iterator[Finding]:
    """A finding for every series. One query."""
    begin_s = now_s - settings.baseline_s - settings.window_s
    expr = settings.latency.replace("$window", f"{settings.window_s:.0f}s")
    for series in server.over(expr, begin_s, now_s, _STEP_S):
        yield _judged(settings, series, now_s)


def _judged(settings: Settings, series: Series, now_s: float) -> Finding:
    edge_s = now_s - settings.window_s
    # The minutes in which a moving rate already holds some of what is new belong to neither side.
    past, present = series.between(0, edge_s - settings.window_s / 2), series.between(edge_s, now_s)
    if len(past) < settings.min_points or len(present) < 3:
        return Finding(labels=series.labels, bad=False)
    usual, now = median(past), median(present)
    limit = max(usual + settings.sigmas * spread(past), usual * settings.min_ratio, settings.min_s)
    why = (
        f"{now:.3g} s in the last {settings.window_s / 60:.0f} min; {usual:.3g} s is usual, up to {limit:.3g} s is fine"
    )
    return Finding(labels=series.labels, bad=now > limit, why=why)
