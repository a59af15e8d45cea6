"""What the judged check does without the patch, in sandboxes of the tester's own: the negative control of every
verdict, and the comparison for tests that can't be relied on.

Made once for a case and shared by all its patches; a run is only begun when a gate asks for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future

from nightshift.daemon.model import Case, Reproduction, TestStatus
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.sandboxes.harness import Failure, TestRun
from nightshift.sandboxes.lab import Lab
from nightshift.sandboxes.proof import COLLECTION, is_red

_FRESH, _FRESH_SLOW, _SLOW_S = 4, 2, 20.0


def _way(failure: Failure) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    return failure.exception, failure.message, tuple((path, function) for path, _, function, _ in failure.frames)


class OnBase:
    """The runs of one case's check on its base commit."""

    def __init__(self, lab: Lab, case: Case, made: Reproduction) -> None:
        self._lab, self._case, self._made = lab, case, made
        self._lock = threading.Lock()
        self._runs: dict[tuple[str, int], Future[TestRun]] = {}

    def begin_control(self) -> Future[TestRun]:
        """Begin the run that has to be red, restricted to the failing tests."""
        alone = COLLECTION not in self._made.failing and bool(self._made.failing)
        return self._once("control", 0, lambda: self._start(**({"only": self._made.failing} if alone else {})))

    def is_red(self) -> bool:
        """Whether the check fails without the patch, in the tester's own sandbox too. Raises EnvironmentBroke."""
        red = is_red(self._made, self.begin_control().result())
        if red is not True and self._made.failing:  # it may need the tests before it
            red = is_red(self._made, self._once("forwards", 0, self._start).result())
        if red is None:
            raise EnvironmentBroke("the check without the patch ended neither red nor green in the tester's sandbox")
        return red

    def unreliable(self, tests: Iterable[str], *, backwards: bool) -> frozenset[str]:
        """Those of the tests that don't pass every time on base either, in fresh sandboxes and in that order."""
        direction = "backwards" if backwards else "forwards"
        first = self._once(direction, 0, lambda: self._start(backwards=backwards)).result()
        count = _FRESH if first.duration_s < _SLOW_S and not backwards else _FRESH_SLOW
        more = [self._once(direction, n, lambda: self._start(backwards=backwards)) for n in range(1, count)]
        runs = [run for run in (first, *(each.result() for each in more)) if run.finished and run.ended == "exited"]
        return frozenset(t for t in tests if any(run.statuses.get(t) is not TestStatus.PASSED for run in runs))

    def fails_as(self, run: TestRun, tests: Iterable[str]) -> list[str]:
        """Those of the tests that fail in a run just as they do on base in the usual order: same exception, same place.
        A test that only misses what its neighbours leave behind fails otherwise."""
        before = self._once("forwards", 0, self._start).result().failures
        return [t for t in tests if t in before and t in run.failures and _way(before[t]) == _way(run.failures[t])]

    def ends(self, *, backwards: bool) -> bool:
        """Whether the check, its tests in that order, comes to its end on base."""
        direction = "backwards" if backwards else "forwards"
        run = self._once(direction, 0, lambda: self._start(backwards=backwards)).result()
        return run.finished and run.ended == "exited"

    def _once(self, what: str, number: int, begin: Callable[[], Future[TestRun]]) -> Future[TestRun]:
        with self._lock:
            known = self._runs.get((what, number))
            if known is None or (known.done() and known.exception() is not None):
                known = self._runs[what, number] = begin()
            return known

    def _start(self, **how: object) -> Future[TestRun]:
        return self._lab.start(self._case, self._case.base, self._made.files, self._made.command, **how)
