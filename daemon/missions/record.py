"""What every step shares: where the mission stands, its journal, and the outbox."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from nightshift.daemon.kit.git import GitError
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.missions import proposals
from nightshift.daemon.missions.ahead import Ahead
from nightshift.daemon.missions.durable import STEP, Json
from nightshift.daemon.missions.parts import Parts
from nightshift.daemon.missions.studio import Studio
from nightshift.daemon.model import Event, Incident, Mission, Service, Stage
from nightshift.daemon.ports import EnvironmentBroke, Note, Notice, NotYet, Refused, Settled
from nightshift.daemon.store.database import STORE_ERRORS

log = logging.getLogger(__name__)
F = TypeVar("F", bound=Callable[..., Json])

INTERRUPTIONS = 25
"""How often the daemon may die during one step before the mission is taken for the cause of it."""


def breakable(work: F) -> F:
    """Decorates a step: a broken environment and a refusal become values, durable, and the workflow decides."""

    @functools.wraps(work)
    def guarded(self: Record, mission: str, *args: Any) -> Json:
        try:
            return work(self, mission, *args)
        except Settled as settled:
            return self.answer(mission, "settled", str(settled), actor=work.__name__)
        except NotYet as later:
            return self.answer(mission, "waiting", str(later), actor=work.__name__)
        except Refused as refused:
            return self.answer(mission, "refused", str(refused), actor=work.__name__)
        except STORE_ERRORS as error:
            log.warning("%s %s: the store can't be used: %s", mission, work.__name__, error)
            reason = f"the store can't be used: {(str(error).splitlines() or [''])[0]}"
            return self.answer(mission, "broke", reason, actor=work.__name__)
        except (EnvironmentBroke, GitError, OSError) as error:
            reason = f"{type(error).__name__}: {error}" if isinstance(error, OSError) else str(error)
            return self.answer(mission, "broke", reason, actor=work.__name__)

    return guarded  # type: ignore[return-value]


class Record:
    """The parts of a mission and its written record."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.studio, self.ahead = Studio(parts.reproducer), Ahead()

    def enter(self, mission: str, stage: Stage, reason: str, **values: object) -> None:
        """Move to a stage and say why. A step that enters again was interrupted: told, and refused in the end, so
        that a mission that kills the daemon does not do so for ever.
        """
        now = self.parts.clock.now_ms()
        with self.parts.store.transaction():
            self.parts.store.missions.move(mission, stage, reason, now)
            if values:
                self.parts.store.missions.set(mission, **values)
            if self.journal(mission, stage, "mission", reason, {}):
                return
            interrupted = self.interruption(mission, stage, reason)
        if interrupted > INTERRUPTIONS:
            raise Refused(f"the daemon died {interrupted} times during this step: it may be the step that kills it")

    def at_rest(self, mission: str) -> None:
        """Stop what is drafted for a mission, and forget what was begun ahead of time."""
        self.studio.stop(mission)
        self.ahead.drop(mission)

    def interruption(self, mission: str, stage: Stage, reason: str) -> int:
        """Note that the step under way was interrupted; returns how often it has been."""
        for number in range(1, INTERRUPTIONS + 2):
            again = f"{reason} (again, the daemon stopped during this step: {number})"
            if self.journal(mission, stage, "mission", again, {}):
                break
        return number

    def answer(self, mission: str, kind: str, reason: str, *, actor: str) -> Json:
        """The step's answer when it did not do its work: `broke`, `refused`, `waiting` (for checks, for people) or
        `settled` (people did it themselves). Said in the journal if that works; what is waited for only once."""
        words = {"broke": "environment broke", "settled": "settled by people"}.get(kind, kind)
        once = f"{mission}:waiting:{stable_id('why', reason)}" if kind == "waiting" else ""
        with suppress(*STORE_ERRORS):
            self.journal(mission, self.mission_of(mission).stage, actor, f"{words}: {reason}", {}, key=once)
        return {kind: reason}

    def hand_off(self, mission: str, reason: str, data: Json) -> None:
        """The note a stage leaves for the next one, and for people."""
        self.journal(mission, self.mission_of(mission).stage, "hand-off", reason, data)

    def say(self, mission: str, reason: str, *, actor: str, data: Json | None = None) -> None:
        """One more line in the journal."""
        self.journal(mission, self.mission_of(mission).stage, actor, reason, data or {})

    def note(self, mission: str, actor: str) -> Note:
        """Progress lines of a part, kept in the log only: the journal is for decisions, and for advice to people."""

        def note(text: str) -> None:
            log.info("%s %s: %s", mission, actor, text)
            if told := proposals.advice(text):
                key = stable_id("proposal", mission, told)
                with suppress(*STORE_ERRORS):
                    self.journal(mission, self.mission_of(mission).stage, actor, text, {"proposal": told}, key=key)

        return note

    def journal(self, mission: str, stage: Stage, actor: str, reason: str, data: Json, *, key: str = "") -> bool:
        """Append one event; False when its key is there. Without one, the same words of the same step appear once."""
        event = Event(at_ms=self.parts.clock.now_ms(), mission=mission, stage=stage.value, actor=actor,
                      reason=reason, data=data)  # fmt: skip
        step = STEP.get()
        said = stable_id("said", step, actor, reason, json.dumps(data, sort_keys=True)) if step else ""
        return self.parts.store.journal.append(event, key=key or said)

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
        """The service the mission heals; raises Refused when the configuration no longer has it."""
        name = self.mission_of(mission).service
        if name not in self.parts.services:
            raise Refused(f"the service {name} is no longer in the configuration")
        return self.parts.services[name]

    def events_of(self, mission: str) -> list[Event]:
        """The mission's journal."""
        return self.parts.store.journal.of(mission)

    @contextmanager
    def spending(self, mission: str) -> Iterator[float]:
        """Counts the block's seconds as the mission's; gives what was left of its budget. Raises Refused: nothing."""
        limit_s, clock = self.parts.budget.mission_s, self.parts.clock
        left_s = limit_s - self.mission_of(mission).spent_s
        if left_s <= 0:
            raise Refused(f"the mission's budget of {limit_s:g} s is spent")
        start = clock.monotonic()
        try:
            yield left_s
        finally:
            self.parts.store.missions.spend(mission, clock.monotonic() - start)

    def remember(self, mission: str, fixer: str, kind: str, outcome: str) -> None:
        """Add to the track record."""
        incident = self.incident_of(mission)
        self.parts.store.memory.record(mission=mission, fixer=fixer, service=incident.service, kind=kind,
                                       exception=incident.signal.exception, outcome=outcome,
                                       at_ms=self.parts.clock.now_ms())  # fmt: skip


def as_object(data: Any) -> Json:
    """A dumped noun as the JSON object it is."""
    return dict(data)
