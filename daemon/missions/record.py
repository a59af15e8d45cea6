"""What every step shares: where the mission stands, its journal, and the outbox."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from nightshift.daemon.kit.git import GitError
from nightshift.daemon.missions.durable import Json
from nightshift.daemon.missions.parts import Parts
from nightshift.daemon.model import Event, Incident, Mission, Service, Stage
from nightshift.daemon.ports import EnvironmentBroke, Note, Notice

log = logging.getLogger(__name__)
F = TypeVar("F", bound=Callable[..., Json])


def breakable(work: F) -> F:
    """Decorates a step: a broken environment becomes a value, durable, and the workflow decides about retries."""

    @functools.wraps(work)
    def guarded(self: Any, mission: str, *args: Any) -> Json:
        try:
            return work(self, mission, *args)
        except (EnvironmentBroke, GitError, OSError) as error:
            reason = f"{type(error).__name__}: {error}" if isinstance(error, OSError) else str(error)
            self.say(mission, f"environment broke: {reason}", actor=work.__name__)
            return {"broke": reason}

    return guarded  # type: ignore[return-value]


class Record:
    """The parts of a mission and its written record."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def enter(self, mission: str, stage: Stage, reason: str, **values: object) -> None:
        """Move to a stage and say why; entering it again means that the step was interrupted or repeated."""
        now = self.parts.clock.now_ms()
        with self.parts.store.transaction():
            self.parts.store.missions.move(mission, stage, reason, now)
            if values:
                self.parts.store.missions.set(mission, **values)
            self.journal(mission, stage, "mission", reason, {})

    def hand_off(self, mission: str, reason: str, data: Json) -> None:
        """The note a stage leaves for the next one, and for people."""
        self.journal(mission, self.mission_of(mission).stage, "hand-off", reason, data)

    def say(self, mission: str, reason: str, *, actor: str, data: Json | None = None) -> None:
        """One more line in the journal."""
        self.journal(mission, self.mission_of(mission).stage, actor, reason, data or {})

    def note(self, mission: str, actor: str) -> Note:
        """Progress lines of a part, kept in the log only: the journal is for decisions."""
        return lambda text: log.info("%s %s: %s", mission, actor, text)

    def journal(self, mission: str, stage: Stage, actor: str, reason: str, data: Json, *, key: str = "") -> None:
        """Append one event; a key makes it appear once."""
        event = Event(at_ms=self.parts.clock.now_ms(), mission=mission, stage=stage.value, actor=actor,
                      reason=reason, data=data)  # fmt: skip
        self.parts.store.journal.append(event, key=key)

    def tell(self, notice: Notice) -> None:
        """Put a notice into the outbox, once under its key."""
        self.parts.store.notices.enqueue(notice, self.parts.channels, self.parts.clock.now_ms())
        self.parts.wake()

    def mission_of(self, mission: str) -> Mission:
        """The mission; raises KeyError."""
        found = self.parts.store.missions.get(mission)
        if found is None:
            raise KeyError(mission)
        return found

    def incident_of(self, mission: str) -> Incident:
        """The mission's incident; raises KeyError."""
        found = self.parts.store.incidents.get(self.mission_of(mission).incident)
        if found is None:
            raise KeyError(mission)
        return found

    def service_of(self, mission: str) -> Service:
        """The service the mission heals."""
        return self.parts.services[self.mission_of(mission).service]

    def events_of(self, mission: str) -> list[Event]:
        """The mission's journal."""
        return self.parts.store.journal.of(mission)

    def remember(self, mission: str, fixer: str, kind: str, outcome: str) -> None:
        """Add to the track record."""
        incident = self.incident_of(mission)
        self.parts.store.memory.record(mission=mission, fixer=fixer, service=incident.service, kind=kind,
                                       exception=incident.signal.exception, outcome=outcome,
                                       at_ms=self.parts.clock.now_ms())  # fmt: skip


def as_object(data: Any) -> Json:
    """A dumped noun as the JSON object it is."""
    return dict(data)
