"""From incidents to missions: one each, started once, and again after a crash between the two."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.missions.engine import Engine
from nightshift.daemon.missions.steps import mission_id
from nightshift.daemon.model import Event, Incident, Mission, Stage
from nightshift.daemon.store.runs import BookRun
from nightshift.daemon.store.store import Store

log = logging.getLogger(__name__)


class Dispatcher:
    """Starts missions; every call is get-or-create. `book` says which runbook an incident gets."""

    def __init__(
        self, store: Store, engine: Engine, clock: Clock, book: Callable[[Incident], BookRun | None] = lambda _: None
    ) -> None:
        self._store, self._engine, self._clock, self._book = store, engine, clock, book

    def incident(self, incident: Incident) -> None:
        """An incident that needs a mission."""
        now, run = self._clock.now_ms(), self._book(incident)
        name = run.id if run else mission_id(incident.id)
        fresh = Mission(id=name, incident=incident.id, service=incident.service, stage=Stage.QUEUED,
                        started_at_ms=now, updated_at_ms=now)  # fmt: skip
        event = Event(at_ms=now, mission=name, stage=Stage.QUEUED.value, actor="intake", reason=incident.title)
        with self._store.transaction():
            if (mission := self._store.missions.ensure(fresh)).id == name:
                self._store.journal.append(event, key=f"{name}:queued")
                if run:
                    self._store.runs.ensure(run)
        self._engine.start(mission.id)
        log.info("mission %s for %s in %s", mission.id, incident.title, incident.service)

    def resume(self) -> int:
        """After a start: enqueue every open mission the engine doesn't know; returns how many are open."""
        return self._start(self._store.missions.list(open_only=True, limit=None))

    def start_waiting(self) -> int:
        """Enqueue what was recorded but could not be given to the engine; returns how many wait to begin."""
        return self._start(self._store.missions.list(stage=Stage.QUEUED, limit=None))

    def _start(self, missions: Sequence[Mission]) -> int:
        for mission in missions:
            self._engine.start(mission.id)
        return len(missions)
