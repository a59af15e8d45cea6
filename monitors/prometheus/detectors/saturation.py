"""What is nearly used up: disks, descriptors, memory, processor quotas. Now, or soon at the pace of the last hours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import Field

from nightshift.monitors.prometheus.client import Prometheus, Series
from nightshift.monitors.prometheus.detectors.base import BY_CONTAINER, Base
from nightshift.monitors.prometheus.episodes import Finding
from nightshift.monitors.prometheus.robust import median, theil_sen

TITLE = "nearly used up"
_POINTS = 48
_REAL = 'fstype!~"tmpfs|overlay|squashfs|ramfs|iso9660"'
SHARES: Mapping[str, str] = {
    "disk": f"1 - node_filesystem_avail_bytes{{{_REAL}}} / node_filesystem_size_bytes{{{_REAL}}}",
    "file descriptors": "process_open_fds / process_max_fds",
    "memory": 'container_memory_working_set_bytes{container!="", container!="POD"} / '
    '(container_spec_memory_limit_bytes{container!="", container!="POD"} > 0)',
    "connections": "hikaricp_connections_active / (hikaricp_connections_max > 0)"
    " or go_sql_in_use_connections / (go_sql_max_open_connections > 0)"
    " or sum by (instance, job) (pg_stat_activity_count)"
    " / sum by (instance, job) (pg_settings_max_connections)",
    "processor quota": "rate(container_cpu_cfs_throttled_periods_total[5m])"
    " / rate(container_cpu_cfs_periods_total[5m])",
}


class Settings(Base):
    """Resources that run out."""

    service_labels: tuple[str, ...] = BY_CONTAINER
    shares: dict[str, str] = Field(default_factory=lambda: dict(SHARES), max_length=20)
    """Name → PromQL of the share in use, 0 to 1."""
    limit: float = Field(default=0.95, gt=0, le=1)
    """From this share on it is said."""
    peaks: dict[str, float] = Field(default_factory=lambda: {"processor quota": 0.5})
    """Those of `shares` that come and go rather than fill up, with a limit of their own; their pace says nothing."""
    watched: float = Field(default=0.7, gt=0, le=1)
    """From this share on the pace counts too."""
    horizon_s: float = Field(default=4 * 3600.0, gt=0)
    """At that pace it must be used up within this time."""
    baseline_s: float = Field(default=3 * 3600.0, ge=1800)
    """Over how long the pace is looked at."""


def look(settings: Settings, server: Prometheus, now_s: float) -> Iterator[Finding]:
    """A finding for every series. One query for each of `shares`."""
    for name, share in settings.shares.items():
        for series in server.over(share, now_s - settings.baseline_s, now_s, settings.baseline_s / _POINTS):
            yield _judged(settings, name, series, now_s)


def _judged(settings: Settings, name: str, series: Series, now_s: float) -> Finding:
    labels = {**series.labels, "resource": name}
    recent = series.between(now_s - settings.baseline_s / 12, now_s)
    if not recent:
        return Finding(labels=labels, bad=False)
    share = median(recent)
    limit = settings.peaks.get(name, settings.limit)
    said = f"{name}: {share:.0%} used, median of {settings.baseline_s / 720:.0f} min; {limit:.0%} is the limit"
    if share >= limit:
        return Finding(labels=labels, bad=True, why=said)
    trend = theil_sen(series.points) if share >= settings.watched and name not in settings.peaks else None
    if trend is None or trend.low <= 0 or trend.slope * settings.horizon_s < 1 - share:
        return Finding(labels=labels, bad=False, why=said)
    left_h = (1 - share) / trend.slope / 3600
    return Finding(labels=labels, bad=True, why=f"{name}: {share:.0%} used, full in {left_h:.1f} h at this pace")
