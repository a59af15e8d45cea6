"""Where runs of runbooks are asked for: by people, by alerts, by PromQL. A run is a mission from then on; asked for
again under the same key, it is the same run."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.ids import random_id, stable_id
from nightshift.daemon.missions.operations import Operations
from nightshift.daemon.model import ENDS, Event, Incident, IncidentState, Mission, Severity, Signal, Stage, dump
from nightshift.daemon.ports import Refused
from nightshift.daemon.store.runs import BookRun
from nightshift.daemon.store.store import Store

if TYPE_CHECKING:
    from nightshift.runbooks.book import Runbook

NOBODY = "operations"
"""The service of runs that are about none."""
_DRY_KEPT = 200


class RunDesk:
    """Makes runs and tells how far they are. `start` gives a mission to the engine."""

    def __init__(self, store: Store, operations: Operations, clock: Clock, services: Sequence[str],
                 start: Callable[[str], None]) -> None:  # fmt: skip
        self._store, self._operations, self._clock = store, operations, clock
        self._services, self._start = frozenset(services), start
        self._dry: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def ask(
        self, name: str, params: Mapping[str, Any], *, dry_run: bool, actor: str, key: str = "", force: bool = False
    ) -> str:
        """Ask for a run; its id. Raises KeyError (no such book), BookError (parameters), Refused (its cool-down or
        policy is against it)."""
        from nightshift.runbooks.parameters import bind

        book = self._operations.books()[name]
        bound = bind(book, params)
        run = BookRun(
            id=stable_id("run", actor, key) if key else random_id("run"), book=name, params=bound, by_hand=True,
            definition=book.model_dump(mode="json", by_alias=True), target=book.target(bound), person=actor,
            forced=force, made_ms=self._clock.now_ms(),
        )  # fmt: skip
        if dry_run:
            return self._rehearsed(run)
        if self._store.runs.get(run.id) is None:
            if reason := self._operations.cooling(run, run.made_ms):
                raise Refused(f"{reason}, or insist (force)")
            self._written(run, book)
        self._start(run.id)
        return run.id

    def for_incident(self, incident: Incident) -> BookRun | None:
        """The run an incident gets, None when no book fits."""
        choice = self._operations.choose(incident)
        if choice is None:
            return None
        book = choice.book
        return BookRun(
            id=stable_id("run", incident.id), book=book.name, params=dict(choice.params),
            definition=book.model_dump(mode="json", by_alias=True), target=book.target(dict(choice.params)),
            made_ms=self._clock.now_ms(),
        )  # fmt: skip

    def state(self, run: str) -> Mapping[str, Any] | None:
        """How far a run is, as JSON; None when there is no such run."""
        if run in self._dry:
            return self._dry[run]
        found = self._store.runs.get(run)
        mission = self._store.missions.get(run) if found else None
        if found is None or mission is None:
            return None
        told = {"id": run, "mission": mission.id, "incident": mission.incident, "book": found.book,
                "params": dict(found.params), "actor": found.person, "dry_run": False, "stage": mission.stage.value,
                "steps": self._steps(found)}  # fmt: skip
        return told | {"status": _status(found, mission), "reason": mission.reason}

    def newest(self, book: str = "", limit: int = 50) -> list[Mapping[str, Any]]:
        """The newest runs, without their steps."""
        rows = [asdict(run) for run in self._store.runs.list(book=book, limit=limit)]
        return [{k: v for k, v in row.items() if k not in ("definition", "result")} for row in rows]

    def signals(self) -> list[Signal]:
        """One for each book whose own PromQL holds now."""
        now = self._clock.now_ms()
        books = self._operations.books()
        return [
            Signal(key=f"runbook:{name}:{now}", source="runbook", service=books[name].match.service or NOBODY,
                   title=f"{name}: its PromQL holds", message=books[name].match.promql, at_ms=now, kind="alert",
                   severity=Severity.WARNING, labels={"runbook": name})
            for name in self._operations.holding()
        ]  # fmt: skip

    def _rehearsed(self, run: BookRun) -> str:
        result = self._operations.plan(run)
        told = {"id": run.id, "book": run.book, "actor": run.person, "dry_run": True, **dump(result)}
        with self._lock:
            self._dry[run.id] = told
            while len(self._dry) > _DRY_KEPT:
                self._dry.popitem(last=False)
        return run.id

    def _written(self, run: BookRun, book: Runbook) -> None:
        """Incident, mission and run in one transaction."""
        now, given = run.made_ms, str(run.params.get("service", ""))
        service = given if given in self._services else NOBODY
        title = f"runbook {run.book}, started by {run.person}"
        signal = Signal(key=run.id, source="runbook", service=service, title=title, at_ms=now, kind="runbook",
                        severity=Severity.INFO, message=book.description, labels={"runbook": run.book})  # fmt: skip
        incident = Incident(
            id=stable_id("inc", run.id), fingerprint=stable_id("run", "fingerprint", run.id), service=service,
            title=title, severity=Severity.INFO, state=IncidentState.OPEN, first_at_ms=now, last_at_ms=now, count=1,
            signal=signal,
        )  # fmt: skip
        mission = Mission(id=run.id, incident=incident.id, service=service, stage=Stage.QUEUED, started_at_ms=now,
                          updated_at_ms=now)  # fmt: skip
        event = Event(at_ms=now, mission=run.id, stage=Stage.QUEUED.value, actor=run.person, reason=title)
        with self._store.transaction():
            if self._store.runs.ensure(run) is run:
                self._store.incidents.add(incident)
                self._store.missions.ensure(mission)
                self._store.journal.append(event, key=f"{run.id}:queued")

    def _steps(self, run: BookRun) -> list[Mapping[str, Any]]:
        """What each step came to, in the book's order, the way back last."""
        entries = self._store.runs.entries(run.id)
        names = [f"{phase}/{step.name}" for phase, step in self._operations.book_of(run).all_steps()]
        undone = [name for name in entries if name.startswith("rollback/undo-")]
        return [entries[name]["result"] for name in (*names, *undone) if "result" in entries.get(name, {})]


def _status(run: BookRun, mission: Mission) -> str:
    """running | waiting | done | failed | rolled_back | rollback_failed | not_begun | dismissed."""
    if mission.stage in ENDS:
        return run.status if run.status not in ("waiting", "running") else mission.stage.value
    return "waiting" if mission.stage is Stage.AWAITING_APPROVAL or mission.paused else "running"
