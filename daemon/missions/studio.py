"""Creators at work: those of one round start together, each in a thread of its own, the strongest first, as many at a
time as there are cores. Whoever asks for one creator's drafts waits only for that one; the others go on meanwhile, and
are stopped when nobody wants their drafts any more.

Nothing here is remembered across a kill: what was not handed over is drafted again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Any

from nightshift.daemon.missions import mending
from nightshift.daemon.model import Case, Patch
from nightshift.daemon.ports import Budget, EnvironmentBroke, Fixer, Note, Reproducer, Sandbox, Workbench

log = logging.getLogger(__name__)
KEPT_FOR_JUDGING = 0.1
"""The share of what is left of a budget that no creator gets."""
_BEST = 20


class Stopped(BaseException):
    """Nobody wants this creator's drafts any more. No Exception, so that no creator takes it for a fault of its own."""


@dataclass(frozen=True, kw_only=True)
class Drafts:
    """What one creator drafted, best first, and how it searched."""

    patches: tuple[Patch, ...] = ()
    searches: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What the creators of a round may spend together: seconds from now, cores, and candidates and patches each."""

    seconds: float
    cores: int = 1
    candidates: int = 20_000
    patches: int = 8
    tried: Callable[[int], None] = lambda _: None


class Leash:
    """A workbench that can be taken away: what it opened is closed, and nothing more is opened."""

    def __init__(self, bench: Workbench) -> None:
        self.case, self._bench = bench.case, bench
        self._lock, self._cut, self._open = threading.Lock(), False, set[Sandbox]()

    def open(self, commit: str = "") -> Sandbox:
        """See the port. Raises Stopped."""
        self.check()
        box = self._bench.open(commit)
        with self._lock:
            self._open.add(box)
        if self._cut:
            self._close(box)
        self.check()
        return box

    def red(self, commit: str) -> bool | None:
        """See the port. Raises Stopped."""
        self.check()
        return self._bench.red(commit)

    def check(self) -> None:
        """Raises Stopped when the workbench was taken away."""
        if self._cut:
            raise Stopped

    def cut(self) -> None:
        """Take it away: commands under way in its sandboxes end."""
        self._cut = True
        with self._lock:
            boxes = list(self._open)
        for box in boxes:
            self._close(box)

    def _close(self, box: Sandbox) -> None:
        with self._lock:
            self._open.discard(box)
        with contextlib.suppress(EnvironmentBroke):
            box.close()


@dataclass
class Session:
    """The creators of one round, at work."""

    case: Case
    creators: Sequence[Fixer]
    reproducer: Reproducer
    grant: Grant
    note: Note
    results: dict[str, Future[Drafts]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.results = {creator.name: Future() for creator in self.creators}
        self._left, self._stopped = deque(self.creators), False
        self._lock, self._ends = threading.Lock(), time.monotonic() + self.grant.seconds * (1 - KEPT_FOR_JUDGING)
        self._leashes: list[Leash] = []
        self._budgets: list[Budget] = []
        self._first: dict[str, Future[Patch | None]] = {creator.name: Future() for creator in self.creators}
        self._threads = [
            threading.Thread(target=self._work, name="creator", daemon=True)
            for _ in range(min(max(1, self.grant.cores), len(self.creators)))
        ]
        for thread in self._threads:
            thread.start()

    def first(self, creator: str) -> Patch | None:
        """A creator's first draft, as soon as it is there; None when it ended without any."""
        return self._first[creator].result()

    def stop(self) -> None:
        """Nobody wants what is not drafted yet."""
        with self._lock:
            self._stopped = True
            self._left.clear()
            leashes = list(self._leashes)
        for creator, future in self.results.items():
            if future.cancel():
                self._first[creator].set_result(None)
        for leash in leashes:
            leash.cut()

    def rest(self, timeout_s: float) -> None:
        """Wait until the stopped creators have put their sandboxes away."""
        ends = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))

    def _work(self) -> None:
        while (turn := self._next()) is not None:
            creator, budget = turn
            future = self.results[creator.name]
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._draft(creator, budget))
            except BaseException as error:  # noqa: BLE001 - a thread's edge: whoever waits gets it
                stopped = self._stopped or isinstance(error, Stopped)
                future.set_exception(CancelledError() if stopped else error)
            finally:
                with self._lock:
                    self._budgets.remove(budget)
                if not self._first[creator.name].done():
                    self._first[creator.name].set_result(None)

    def _next(self) -> tuple[Fixer, Budget] | None:
        """The strongest creator left, with a budget; those at work get what others left over."""
        with self._lock:
            if not self._left:
                return None
            creator = self._left.popleft()
            turns = -(-(len(self._left) + 1) // max(1, self.grant.cores))
            now = time.monotonic()
            until = now + max(0.0, self._ends - now) / turns
            for budget in self._budgets:
                budget.deadline = max(budget.deadline, until)
            self._budgets.append(Budget(deadline=until, candidates=self.grant.candidates, patches=self.grant.patches,
                                        tried=self.grant.tried))  # fmt: skip
            return creator, self._budgets[-1]

    def _draft(self, creator: Fixer, budget: Budget) -> Drafts:
        leash = Leash(self.reproducer.bench(self.case))
        with self._lock:
            self._leashes.append(leash)
            stopped = self._stopped
        if stopped:
            raise Stopped
        searches: list[Mapping[str, Any]] = []
        patches = []
        budget.searched = searches.append
        for patch in mending.draft(creator, self.case, leash, budget, self._noting(leash)):
            leash.check()
            patches.append(patch)
            if len(patches) == 1:
                self._first[creator.name].set_result(patch)
        return Drafts(patches=tuple(patches), searches=tuple(_plain(creator.name, s) for s in searches))

    def _noting(self, leash: Leash) -> Note:
        def note(text: str) -> None:
            leash.check()
            self.note(text)

        return note


def _plain(creator: str, search: Mapping[str, Any]) -> dict[str, Any]:
    """A creator's account of its search as plain JSON, the best candidates only."""
    told = json.loads(json.dumps(dict(search), default=str))
    if isinstance(told.get("best"), list):
        told["best"] = told["best"][:_BEST]
    return {"creator": creator, **told}


class Studio:
    """The sessions of a process, one for each owner (a mission) at most."""

    def __init__(self, reproducer: Reproducer) -> None:
        self._reproducer = reproducer
        self._sessions: dict[str, tuple[str, Session]] = {}
        self._lock = threading.Lock()

    def drafts(
        self, owner: str, turn: str, case: Case, creators: Sequence[Fixer], grant: Grant, note: Note,
        early: Callable[[Patch], None] = lambda _: None,
    ) -> Drafts:  # fmt: skip
        """The drafts of the first of `creators`; the others begin as well. `turn` tells an owner's sessions apart,
        `early` is told the first draft while that creator still looks for more.

        Raises what the creator raised; the next call then begins anew.
        """
        session = self._session(owner, turn, case, creators, grant, note)
        result = session.results[creators[0].name]
        try:
            first = session.first(creators[0].name)
            if first is not None and not result.done():
                early(first)
            return result.result()
        except CancelledError as stopped:
            self.stop(owner)
            raise EnvironmentBroke("drafting was stopped") from stopped
        except BaseException:
            self.stop(owner)
            raise

    def stop(self, owner: str, rest_s: float = 0.0) -> None:
        """Stop what an owner's creators still do; wait up to `rest_s` for their sandboxes to be put away."""
        with self._lock:
            found = self._sessions.pop(owner, None)
        if found:
            found[1].stop()
            found[1].rest(rest_s)

    def _session(
        self, owner: str, turn: str, case: Case, creators: Sequence[Fixer], grant: Grant, note: Note
    ) -> Session:
        with self._lock:
            found = self._sessions.get(owner)
            if found and found[0] == turn and creators[0].name in found[1].results:
                return found[1]
            session = Session(case, creators, self._reproducer, grant, note)
            self._sessions[owner] = (turn, session)
        if found:
            found[1].stop()
        return session
