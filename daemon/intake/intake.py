"""Where monitors' signals become incidents: once each, in one transaction with the monitors' offsets.

A signal counted, its incident and the offset behind it are durable together or not at all; announcing a new
incident comes after that, and `pending` announces again what a crash in between left unannounced.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from nightshift.daemon.intake.batch import Batch, Verdict
from nightshift.daemon.intake.correlation import Correlation
from nightshift.daemon.intake.deploys import Deploys
from nightshift.daemon.intake.heard import Heard, heard
from nightshift.daemon.intake.matching import Rules
from nightshift.daemon.intake.memory import Memory
from nightshift.daemon.intake.settings import Settings
from nightshift.daemon.intake.storms import Gust, Meter, Storms, Turnstile
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Event, Incident, IncidentState, Signal, load
from nightshift.daemon.ports import Notice
from nightshift.daemon.store.store import Store

_log = logging.getLogger(__name__)
_MAX_PENDING = 10_000
_MAX_SIGNALS = 256
_LAST_SAMPLE_MS = 10_000
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What was done with one signal and why; `incident` is as it stands after the batch, or as it was announced.

    `action`: opened | joined | counted | duplicate | silenced | known | below_threshold | cooling_down | flapping |
    storm | still_firing | resolved | ignored.
    """

    action: str
    reason: str
    incident: Incident | None = None


class Intake:
    """A `Sink`. `on_incident` is called, after the commit, with each incident that needs a mission.

    `topology` is service → the services it depends on, besides the settings' own; storms are told on `channels`.
    """

    def __init__(
        self, store: Store, clock: Clock, settings: Settings, on_incident: Callable[[Incident], None], *,
        topology: Mapping[str, Sequence[str]] | None = None, channels: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self._store, self._clock, self._settings, self._on_incident = store, clock, settings, on_incident
        self._rules, self._channels = Rules(settings), tuple(channels)
        self._topology = _both(topology or {}, settings.topology)
        self._lock = threading.Lock()
        self._meter = Meter(settings.storm_rate)
        self._turnstile = Turnstile(settings.max_missions, round(settings.storm_window_s * 1000))
        self._signals: OrderedDict[tuple[str, str], Signal] = OrderedDict()
        self._sampled: OrderedDict[str, int] = OrderedDict()
        self._releases: set[tuple[str, str]] = set()

    def __call__(self, signals: Sequence[Signal], checkpoints: Mapping[str, str] | None = None) -> None:
        """Take signals and checkpoints; both are durable on return. Raises as the store does, having done nothing."""
        self.take(signals, checkpoints)

    def take(self, signals: Sequence[Signal], checkpoints: Mapping[str, str] | None = None) -> list[Decision]:
        """The same, telling what was decided for each signal in turn."""
        now_ms = self._clock.now_ms()
        given = [heard(signal, self._rules, now_ms) for signal in signals]
        with self._lock:
            decisions = self._take(given, checkpoints or {}, now_ms)
        return [self._announced(decision) for decision in decisions]

    def _take(self, given: Sequence[Heard], checkpoints: Mapping[str, str], now_ms: int) -> list[Decision]:
        with self._store.transaction():
            verdicts, memory = self._decided(given, now_ms) if given else ([], None)
            if checkpoints:
                self._store.offsets.put(checkpoints)
        while len(self._signals) > _MAX_SIGNALS:
            self._signals.popitem(last=False)
        return [_decision(verdict, memory) for verdict in verdicts if memory is not None]

    def _decided(self, given: Sequence[Heard], now_ms: int) -> tuple[list[Verdict], Memory]:
        ingest, settings = self._store.ingest, self._settings
        window_ms = round(settings.correlate_s * 1000)
        memory = Memory(self._store, self._signals)
        storms = Storms(memory, ingest, settings.max_new_incidents, round(settings.storm_window_s * 1000))
        deploys = Deploys(ingest, window_ms, self._releases)
        correlation = Correlation(memory, window_ms, self._topology)
        batch = Batch(memory, ingest, settings, self._rules, correlation, storms, deploys, now_ms,
                      lambda incident: self._samples(incident, now_ms))  # fmt: skip
        deploys.note(given)
        verdicts = batch.decide(given)
        self._listen(given, now_ms)
        memory.write()
        for live in storms.raised_now:
            self._tell(f"storm:{live.id}", live.title, live.incident().signal.message, now_ms)
        return verdicts, memory

    def _samples(self, incident: str, now_ms: int) -> bool:
        """Whether the last sample of an incident is so old that it is worth a new one."""
        if now_ms - self._sampled.get(incident, 0) < _LAST_SAMPLE_MS:
            return False
        self._sampled[incident] = now_ms
        self._sampled.move_to_end(incident)
        if len(self._sampled) > 4 * _MAX_SIGNALS:
            self._sampled.popitem(last=False)
        return True

    # ------------------------------------------------------------ storms

    def _listen(self, given: Sequence[Heard], now_ms: int) -> None:
        counts = Counter([(h.signal.source.partition(":")[0], h.signal.service) for h in given])
        for gust in self._meter.hear(now_ms, counts):
            self._gust(gust, now_ms)

    def _gust(self, gust: Gust, now_ms: int) -> None:
        """Said once an hour at most, however often it swells."""
        title = f"storm: {gust.per_s:.0f} signals/s from {gust.source} of {gust.service}"
        text = f"{title}. They are counted by kind; samples of them are kept, not each."
        key = f"storm:{gust.source}:{gust.service}"[:160] + f":{now_ms // _HOUR_MS}"
        event = Event(at_ms=now_ms, mission="", stage="storm", actor="intake", reason=text,
                      data={"service": gust.service, "source": gust.source})  # fmt: skip
        if self._store.journal.append(event, key=key):
            self._tell(key, title, text, now_ms)

    def _tell(self, key: str, title: str, text: str, now_ms: int) -> None:
        if self._channels:
            notice = Notice(key=key[:200], title=title, text=text, severity="warning")
            self._store.notices.enqueue(notice, self._channels, now_ms)

    # ------------------------------------------------------------ announcing

    def pending(self) -> list[Incident]:
        """Open incidents that have reached their threshold and have no mission; each is announced again."""
        due = [i for i in self._store.ingest.due(_MAX_PENDING) if i.count >= self._needed(i.service)]
        return [incident for incident in due if self._announce(incident)]

    def tidy(self) -> int:
        """End storms and flapping incidents that have become quiet, and begin again what fires on although its incident
        healed; returns how many."""
        now_ms = self._clock.now_ms()
        over = {"storm": self._settings.storm_window_s, "flapping": self._settings.flap_window_s}
        quiet = [
            i for i in self._store.ingest.quiet(now_ms - round(min(over.values()) * 1000))
            if now_ms - i.last_at_ms >= over[i.held] * 1000
        ]  # fmt: skip
        for incident in quiet:
            self._end(incident, f"quiet for {over[incident.held]:.0f} s", now_ms)
        return len(quiet) + len(self.take(self._held_on(now_ms)))

    def _end(self, incident: Incident, reason: str, now_ms: int) -> None:
        data = {"incident": incident.id, "service": incident.service, "title": incident.title}
        event = Event(at_ms=now_ms, mission="", stage="healed", actor="intake", reason=reason, data=data)
        with self._lock, self._store.transaction():
            self._store.incidents.set_state(incident.id, IncidentState.HEALED)
            self._store.journal.append(event, key=f"{incident.id}:quiet")

    def _held_on(self, now_ms: int) -> list[Signal]:
        """What fires on although its incident healed longer ago than the cool-down; not what fired days ago, whose
        source may never tell that it is over."""
        before_ms = now_ms - round(self._settings.cool_down_s * 1000)
        return [
            replace(load(Signal, row["signal"]), at_ms=now_ms, key=f"{row['instance']}:{row['at_ms']}:still")
            for row in self._store.ingest.still_firing(before_ms, now_ms - _DAY_MS)
        ]

    def _needed(self, service: str) -> int:
        return self._settings.min_counts.get(service, self._settings.min_count)

    def _announced(self, decision: Decision) -> Decision:
        if decision.action != "opened" or decision.incident is None or self._announce(decision.incident):
            return decision
        settings = self._settings
        wait = f"{settings.max_missions} missions of {decision.incident.service} began within"
        return replace(decision, reason=f"{decision.reason}; waits: {wait} {settings.storm_window_s:.0f} s")

    def _announce(self, incident: Incident) -> bool:
        """False when it has to wait, because too many missions of its service began lately."""
        now_ms = self._clock.now_ms()
        if not self._turnstile.may(incident.service, now_ms):
            window_ms = round(self._settings.storm_window_s * 1000)
            reason = f"missions of {incident.service} wait: {self._settings.max_missions} began lately"
            event = Event(at_ms=now_ms, mission="", stage="storm", actor="intake", reason=reason)
            self._store.journal.append(event, key=f"wait:{incident.service}"[:160] + f":{now_ms // window_ms}")
            return False
        try:
            self._on_incident(incident)
        except Exception:  # noqa: BLE001 - the incident is durable; a monitor must not stop because a mission can't start
            _log.exception("incident %s could not be announced; it will be at the next start", incident.id)
        return True


def _decision(verdict: Verdict, memory: Memory) -> Decision:
    if verdict.live is None or not verdict.live.id:
        return Decision(action=verdict.action, reason=verdict.reason)
    live = memory.owner(verdict.live)
    if verdict.snapshot is not None and live is verdict.live and live.fingerprint == verdict.snapshot.fingerprint:
        return Decision(action=verdict.action, reason=verdict.reason, incident=verdict.snapshot)
    return Decision(action=verdict.action, reason=verdict.reason, incident=live.incident())


def _both(*topologies: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    names = sorted({name for topology in topologies for name in topology})
    return {name: tuple(dict.fromkeys(n for t in topologies for n in t.get(name, ()))) for name in names}


__all__ = ["Decision", "Intake"]
