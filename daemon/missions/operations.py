"""Runbooks as missions need them: which book an incident gets, what it may do, and one step at a time of carrying it
out, over a record in the store."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nightshift.daemon.missions import policy
from nightshift.daemon.missions.durable import Json
from nightshift.daemon.model import Incident, Service, Signal
from nightshift.daemon.ports import EnvironmentBroke, Refused
from nightshift.daemon.store.database import STORE_ERRORS
from nightshift.daemon.store.runs import BookRun
from nightshift.daemon.store.store import Store
from nightshift.runbooks.records import Holding

if TYPE_CHECKING:
    from nightshift.runbooks.book import Runbook
    from nightshift.runbooks.context import Context
    from nightshift.runbooks.results import OnStep, RunResult
    from nightshift.runbooks.runner import Runner

log = logging.getLogger(__name__)
_ASK_S = 3.0
"""Incidents wait for the answer, so Prometheus gets little time."""
Books = Callable[[], Mapping[str, "Runbook"]]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The book an incident gets, with the parameters its signal gives. `named`: by a label, not by its match."""

    book: Runbook
    params: Mapping[str, Any]
    named: bool


class Operations:
    """Over a store, the books, and a context that says what may be touched. `cap` is the autonomy over everything."""

    def __init__(
        self, store: Store, books: Books, context: Context, services: Mapping[str, Service], settings: policy.Settings,
        *, cap: str = "merge", automatic: str = "matching",
    ) -> None:  # fmt: skip
        self.store, self.books, self._context = store, books, context
        self._services, self._settings, self._cap, self._automatic = services, settings, cap, automatic
        self._record = StoreRecord(store)

    def choose(self, incident: Incident) -> Choice | None:
        """The book for an incident: the first one that fits and gets all its parameters from the signal."""
        from nightshift.runbooks.errors import BookError
        from nightshift.runbooks.matching import match, told
        from nightshift.runbooks.parameters import bind

        if self._automatic == "off" or incident.signal.resolved:
            return None
        signal = replace(incident.signal, service=incident.service)
        try:
            found = match(self.books(), signal, self._holds)
        except (BookError, OSError) as error:  # the incident gets its mission all the same
            log.error("no runbook can be chosen, they don't load: %s", str(error).partition("\n")[0])
            return None
        for book in found:
            named = book.name in _labels(signal)
            try:
                params = bind(book, told(book, signal))
            except BookError as error:
                log.info("runbook %s fits %s but not its parameters: %s", book.name, incident.id, error.problems[0])
                continue
            if named or self._automatic == "matching":
                return Choice(book=book, params=params, named=named)
        return None

    def level(self, run: BookRun, service: str) -> tuple[str, str]:
        """What may be done with a run now (observe | propose | act) and why."""
        from nightshift.runbooks.book import lowest

        if reason := self.forbidden(run, service):
            return "observe", reason
        if run.by_hand:
            return "act", f"started by {run.person}"
        own = str(run.definition["autonomy"])
        of_service = self._services[service].autonomy if service in self._services else "merge"
        found = lowest(own, of_service, self._cap)
        return found, f"autonomy: runbook {own}, service {of_service}, cap {self._cap}"

    def forbidden(self, run: BookRun, service: str) -> str:
        """Why a run may have no effect at all now; '' when it may. People's runs stop at the caps over everything,
        not at a service's own."""
        if reason := policy.stopped(self.store, self._settings):
            return reason
        known = self._services.get(service)
        autonomy = self._cap if run.person or known is None else known.autonomy
        return policy.forbidden(Service(name=service, repo="", autonomy=autonomy), self._settings)

    def cooling(self, run: BookRun, now_ms: int) -> str:
        """Why its book should be left alone now; '' when nothing speaks against it."""
        from nightshift.runbooks.book import cooling_down

        last = self.store.runs.began(run.book, run.target, but=run.id)
        return "" if run.forced else cooling_down(self.book_of(run), last, now_ms)

    def begin(self, run: BookRun, person: str, now_ms: int) -> str:
        """Let it begin; why not, '' when it may."""
        from nightshift.runbooks.book import cooling_down

        book = self.book_of(run)
        last = self.store.runs.begin(run.id, now_ms, person=person, cool_down_ms=round(book.cool_down_s * 1000))
        return "" if last is None else cooling_down(book, last, now_ms)

    def plan(self, run: BookRun) -> RunResult:
        """A dry run: what would be done."""
        return self._runner(run, "").run(self.book_of(run), run.params, key=run.id, dry_run=True)

    def advance(self, run: BookRun, service: str, *, most: int | None = 1, on_step: OnStep | None = None) -> RunResult:
        """The next step, or as many as are left with `most` None. Raises as Runner.run."""
        return self._runner(run, service).run(self.book_of(run), run.params, key=run.id, most=most, on_step=on_step)

    def answer(self, run: BookRun, asks: str, answer: Mapping[str, str]) -> None:
        """What a person said to the step that asks."""
        self._runner(run, "").answer(run.id, asks, answer)

    def stop(self, run: BookRun, reason: str) -> None:
        """No further step; the next `advance` takes back what was done."""
        self._runner(run, "").stop(run.id, reason)

    def run_of(self, mission: str) -> BookRun:
        """The run of a mission; raises Refused when there is none."""
        found = self.store.runs.get(mission)
        if found is None:
            raise Refused(f"there is no run {mission}")
        return found

    @staticmethod
    def book_of(run: BookRun) -> Runbook:
        """The book as it was when the run was asked for."""
        from nightshift.runbooks.book import Runbook

        return Runbook.model_validate(run.definition)

    def holding(self) -> list[str]:
        """The books whose match is PromQL alone and holds now."""
        from nightshift.runbooks.matching import by_promql_alone

        asked = [book for book in self.books().values() if by_promql_alone(book)]
        return [book.name for book in asked if self._holds(book.match.promql)]

    def _holds(self, promql: str) -> bool:
        from nightshift.runbooks.actions.asking import asked, holds
        from nightshift.runbooks.errors import ActionFailed

        try:
            return holds(asked(self._context.limits.prometheus, promql, _ASK_S))
        except (ActionFailed, Refused, EnvironmentBroke) as error:
            log.warning("a runbook's PromQL can't be asked: %s", error)
            return False

    def _runner(self, run: BookRun, service: str) -> Runner:
        from nightshift.runbooks.runner import Runner

        forbidden = lambda: self.forbidden(self.run_of(run.id), service) if service else ""  # noqa: E731
        context = replace(self._context, person=run.person, books=self.books, forbidden=forbidden)
        return Runner(context, self._record)


def _labels(signal: Signal) -> list[str]:
    from nightshift.runbooks.matching import named

    return named(signal)


class StoreRecord(Holding):
    """`RunRecord` in the store: another node goes on where this one stopped. That one mission runs on one node is the
    engine's care, so a run is held in this process only."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store

    def load(self, key: str) -> Json:
        """See RunRecord."""
        with _store_faults():
            return self._store.runs.entries(key)

    def save(self, key: str, name: str, entry: Mapping[str, Any]) -> None:
        """See RunRecord."""
        with _store_faults():
            self._store.runs.put(key, name, entry)


@contextlib.contextmanager
def _store_faults() -> Iterator[None]:
    try:
        yield
    except STORE_ERRORS as error:
        raise EnvironmentBroke(f"the record of runbook runs can't be kept: {error}") from error
