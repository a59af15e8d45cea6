"""Where monitors' signals become incidents: once each, in one transaction with the monitors' offsets.

A signal counted, its incident and the offset behind it are durable together or not at all; announcing a new
incident comes after that, and `pending` announces again what a crash in between left unannounced.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nightshift.daemon.intake.cleaning import clean
from nightshift.daemon.intake.fingerprint import fingerprint
from nightshift.daemon.intake.settings import Settings
from nightshift.daemon.intake.silences import Silences
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Event, Incident, IncidentState, Signal
from nightshift.daemon.store.store import Store

_log = logging.getLogger(__name__)
_OLDEST_MS = 366 * 86_400_000
_MAX_PENDING = 10_000


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What was done with one signal and why. `action`: opened | counted | duplicate | silenced | below_threshold |
    cooling_down | resolved | ignored."""

    action: str
    reason: str
    incident: Incident | None = None


class Intake:
    """A `Sink`. `on_incident` is called, after the commit, with each incident that needs a mission."""

    def __init__(self, store: Store, clock: Clock, settings: Settings, on_incident: Callable[[Incident], None]) -> None:
        self._store, self._clock, self._settings, self._on_incident = store, clock, settings, on_incident
        self._silences = Silences(settings.silences, settings.min_severity)
        self._lock = threading.Lock()

    def __call__(self, signals: Sequence[Signal], checkpoints: Mapping[str, str] | None = None) -> None:
        """Take signals and checkpoints; both are durable on return. Raises as the store does, having done nothing."""
        self.take(signals, checkpoints)

    def take(self, signals: Sequence[Signal], checkpoints: Mapping[str, str] | None = None) -> list[Decision]:
        """The same, telling what was decided for each signal in turn."""
        with self._lock, self._store.transaction():
            decisions = [self._decide(signal) for signal in signals]
            if checkpoints:
                self._store.offsets.put(checkpoints)
        for decision in decisions:
            if decision.incident is not None and decision.action == "opened":
                self._announce(decision.incident)
        return decisions

    def pending(self) -> list[Incident]:
        """Open incidents that have reached their threshold and have no mission; each is announced again."""
        waiting = [
            incident
            for incident in self._store.incidents.list(state=IncidentState.OPEN.value, limit=_MAX_PENDING)
            if incident.count >= self._needed(incident.service) and self._store.missions.get(incident.id) is None
        ]
        for incident in waiting:
            self._announce(incident)
        return waiting

    def _announce(self, incident: Incident) -> None:
        try:
            self._on_incident(incident)
        except Exception:  # noqa: BLE001 - the incident is durable; a monitor must not stop because a mission can't start
            _log.exception("incident %s could not be announced; it will be at the next start", incident.id)

    # ------------------------------------------------------------ deciding

    def _decide(self, signal: Signal) -> Decision:
        mark = fingerprint(signal)
        if self._store.incidents.known(signal.key):
            return Decision(action="duplicate", reason="this observation was counted before")
        at_ms = self._at_ms(signal)
        if silence := self._silences.of(signal, mark, self._clock.now_ms()):
            self._store.incidents.see(signal.key, at_ms, "")
            return Decision(action="silenced", reason=silence)
        latest = self._store.incidents.latest(signal.service, mark)
        if signal.resolved:
            return self._resolve(signal, latest, at_ms)
        if latest is None:
            return self._open(signal, mark, at_ms, "")
        if latest.state in (IncidentState.OPEN, IncidentState.ESCALATED):
            return self._count(signal, latest, at_ms)
        ended_ms = self._ended_ms(latest)
        if at_ms - ended_ms <= self._settings.cool_down_s * 1000:
            return self._cool(signal, latest, at_ms, ended_ms)
        return self._open(signal, mark, at_ms, latest.id)

    def _at_ms(self, signal: Signal) -> int:
        """The signal's own time, unless it is absurd: a source's clock is not to be trusted."""
        now_ms = self._clock.now_ms()
        return signal.at_ms if now_ms - _OLDEST_MS < signal.at_ms <= now_ms else now_ms

    def _needed(self, service: str) -> int:
        return self._settings.min_counts.get(service, self._settings.min_count)

    def _ended_ms(self, incident: Incident) -> int:
        """When an incident ended: its last signal, or its mission's end if that came later."""
        mission = self._store.missions.get(incident.id)
        return max(incident.last_at_ms, mission.updated_at_ms if mission else 0)

    def _open(self, signal: Signal, mark: str, at_ms: int, previous: str) -> Decision:
        kept = clean(signal)
        incident = Incident(
            id=stable_id("inc", signal.service, mark, signal.key), fingerprint=mark, service=signal.service,
            title=kept.title, severity=signal.severity, state=IncidentState.OPEN, first_at_ms=at_ms, last_at_ms=at_ms,
            count=1, signal=kept, previous=previous,
        )  # fmt: skip
        if (known := self._store.incidents.get(incident.id)) is not None and known.id == incident.id:
            return Decision(action="duplicate", reason="the memory of this observation had expired", incident=known)
        self._store.incidents.add(incident)
        self._store.incidents.see(signal.key, at_ms, incident.id)
        needed = self._needed(signal.service)
        action = "opened" if needed <= 1 else "below_threshold"
        reason = f"seen again {'after ' + previous if previous else ''}" if previous else "seen for the first time"
        if needed > 1:
            reason += f"; 1 of {needed} before a mission starts"
        self._journal(incident, "open", reason)
        return Decision(action=action, reason=reason, incident=incident)

    def _count(self, signal: Signal, incident: Incident, at_ms: int) -> Decision:
        self._store.incidents.see(signal.key, at_ms, incident.id)
        newer = self._store.incidents.count_again(incident, at_ms)
        needed = self._needed(signal.service)
        if newer.count < needed:
            reason = f"{newer.count} of {needed} before a mission starts"
            return Decision(action="below_threshold", reason=reason, incident=newer)
        if newer.count == needed and newer.state is IncidentState.OPEN:
            return Decision(action="opened", reason=f"reached {needed} of {needed}", incident=newer)
        reason = f"known and {newer.state.value}; number {newer.count}"
        return Decision(action="counted", reason=reason, incident=newer)

    def _cool(self, signal: Signal, incident: Incident, at_ms: int, ended_ms: int) -> Decision:
        """Counted without moving the incident's last time: the cool-down must end even if stragglers never do.

        What a person dismissed stays dismissed for as long as it keeps happening.
        """
        self._store.incidents.see(signal.key, at_ms, incident.id)
        moved_ms = at_ms if incident.state is IncidentState.DISMISSED else incident.last_at_ms
        newer = self._store.incidents.count_again(incident, moved_ms)
        late_s = max(0, at_ms - ended_ms) / 1000
        reason = f"{incident.state.value} {late_s:.0f} s ago, within {self._settings.cool_down_s:.0f} s of cool-down"
        return Decision(action="cooling_down", reason=reason, incident=newer)

    def _resolve(self, signal: Signal, incident: Incident | None, at_ms: int) -> Decision:
        if incident is None or incident.state not in (IncidentState.OPEN, IncidentState.ESCALATED):
            self._store.incidents.see(signal.key, at_ms, incident.id if incident else "")
            return Decision(action="ignored", reason="nothing open that this could resolve", incident=incident)
        self._store.incidents.see(signal.key, at_ms, "")
        ended = self._store.incidents.count_again(incident, at_ms, times=0)
        self._store.incidents.set_state(incident.id, IncidentState.HEALED)
        reason = f"{signal.source} says it is over"
        self._journal(ended, "healed", reason)
        return Decision(action="resolved", reason=reason, incident=self._store.incidents.get(incident.id))

    def _journal(self, incident: Incident, stage: str, reason: str) -> None:
        data = {"incident": incident.id, "service": incident.service, "title": incident.title}
        event = Event(at_ms=self._clock.now_ms(), mission="", stage=stage, actor="intake", reason=reason, data=data)
        self._store.journal.append(event)
