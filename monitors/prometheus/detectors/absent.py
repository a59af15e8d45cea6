"""Targets that can't be scraped, and jobs none of whose targets is left."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from nightshift.daemon.model import Severity
from nightshift.monitors.prometheus.client import Prometheus
from nightshift.monitors.prometheus.detectors.base import Base
from nightshift.monitors.prometheus.episodes import Finding

TITLE = "target is absent"
UNSEEN = "scraped again, or not expected any more"


class Settings(Base):
    """Absent targets."""

    severity: Severity = Severity.ERROR
    selector: str = ""
    """Label matchers of the targets that count, for example `job!~"node|cadvisor"`."""
    remembered: str = Field(default="1h", pattern=r"^\d+[smhdw]$")
    """For how long a job that is gone is missed."""


def look(settings: Settings, server: Prometheus, now_s: float) -> Iterator[Finding]:
    """A finding for every target that is down and every job that is gone. Two queries."""
    up = f"up{{{settings.selector}}}"
    for sample in server.now(f"{up} == 0", now_s):
        instance = sample.labels.get("instance", "?")
        yield Finding(
            labels=sample.labels, bad=True, why=f"{instance} of job {sample.labels.get('job', '?')} can't be scraped"
        )
    gone = f"count by (job) (present_over_time({up}[{settings.remembered}])) unless count by (job) ({up})"
    for sample in server.now(gone, now_s):
        job = sample.labels.get("job", "?")
        yield Finding(labels=sample.labels, bad=True, why=f"job {job} had {sample.value:.0f} target(s) and has none")
