"""What /metrics shows. Everything is read from the store when it is asked for: counters that survive a restart and
can't disagree with what the pages say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from nightshift.daemon.model import Event, Stage

if TYPE_CHECKING:
    from nightshift.daemon.store.store import Store

_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600)
_BATCH = 1000


def registry_for(store: Store) -> CollectorRegistry:
    """A registry with the daemon's metrics and those of its process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    registry.register(StoreCollector(store))
    return registry


class StoreCollector(Collector):
    """Incidents and missions by query, the rest from the journal, which is read on from where it was left."""

    def __init__(self, store: Store) -> None:
        self._store, self._lock, self._read = store, threading.Lock(), 0
        self._since: dict[str, tuple[str, int]] = {}
        own = CollectorRegistry()
        self._journal = own
        self._candidates = Counter("nightshift_candidates", "Patches drafted", ["fixer"], registry=own)
        self._verdicts = Counter("nightshift_verdicts", "Patches judged", ["judgement"], registry=own)
        self._ended = Counter("nightshift_missions_ended", "Missions that ended", ["stage"], registry=own)
        self._stages = Histogram(
            "nightshift_stage_duration_seconds", "Time in a stage", ["stage"], buckets=_BUCKETS, registry=own
        )
        self._last = Gauge("nightshift_journal_last_timestamp_seconds", "When the journal grew last", registry=own)

    def describe(self) -> list[Metric]:
        """Nothing, so that registering does not read the store."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics as they are now."""
        seen = CounterMetricFamily("nightshift_incidents", "Incidents opened", labels=["service"])
        states = GaugeMetricFamily("nightshift_incidents_by_state", "Incidents by state", labels=["state"])
        yield from _incidents(self._store.incidents.totals(), seen, states)
        missions = GaugeMetricFamily("nightshift_missions", "Missions by stage", labels=["stage"])
        totals = self._store.missions.totals()
        for stage in Stage:
            missions.add_metric([stage.value], totals.get(stage.value, 0))
        yield missions
        with self._lock:
            self._catch_up()
            yield from list(self._journal.collect())

    def _catch_up(self) -> None:
        while events := self._store.journal.of("", after=self._read, limit=_BATCH):
            for event in events:
                if event.mission:
                    self._count(event)
            self._read = events[-1].id

    def _count(self, event: Event) -> None:
        stage, since = self._since.get(event.mission, ("", event.at_ms))
        if stage != event.stage:
            if stage:
                self._stages.labels(stage).observe(max(0, event.at_ms - since) / 1000)
            self._since[event.mission] = (event.stage, event.at_ms)
            if event.stage in ("healed", "rolled_back", "escalated", "dismissed"):
                self._ended.labels(event.stage).inc()
        if patches := event.data.get("patches"):
            self._candidates.labels(str(event.data.get("fixer", ""))).inc(len(patches))
        if isinstance(verdict := event.data.get("verdict"), dict) and event.stage == "judging":
            self._verdicts.labels(str(verdict.get("judgement", ""))).inc()
        self._last.set(event.at_ms / 1000)


def _incidents(
    totals: dict[tuple[str, str], int], seen: CounterMetricFamily, states: GaugeMetricFamily
) -> Iterator[Metric]:
    by_service: dict[str, int] = {}
    by_state: dict[str, int] = {}
    for (service, state), count in totals.items():
        by_service[service] = by_service.get(service, 0) + count
        by_state[state] = by_state.get(state, 0) + count
    for service, count in sorted(by_service.items()):
        seen.add_metric([service], count)
    for state, count in sorted(by_state.items()):
        states.add_metric([state], count)
    yield seen
    yield states
