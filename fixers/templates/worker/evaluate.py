"""One candidate at a time: put it in place, run the failing tests, then those it could break, take it out again.

Lives in forked children only: whatever a candidate ruins dies with the child. A candidate that spends too much CPU
is interrupted by an interval timer of process time; one that sleeps or hangs in C is killed by the parent.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, Set

from .items import Items, frames_of
from .state import State
from .swap import NeedsReload, Swapper, print_of

_EXTRA_MEMORY = 320 << 20
_LEAST_CPU_S = 0.016
_UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)


class OverBudget(BaseException):
    """The candidate's time is up; a BaseException so that `except Exception` in the patient can't eat it."""


class Candidate(NamedTuple):
    """Edits as (path, start, end, text) on the base's characters; `cpu` multiplies limits, `score` is likelihood."""

    n: int
    edits: tuple[tuple[str, int, int, str], ...]
    cpu: float = 1.0
    mode: str = "quick"
    score: float = 0.0


class Verdict(NamedTuple):
    """`word`: good, dead, same, syntax, reload, budget. `grade` grows with the failing tests' progress."""

    word: str
    mark: int = 0
    grade: float = 0.0


class Plan(NamedTuple):
    """What the baseline taught: indexes of items, their cost in CPU seconds, which lines they run."""

    failing: list[int]
    passing: list[int]
    cpu: dict[int, float]
    lines: dict[int, Any]
    full: bool
    failing_cpu: float
    full_cpu: float
    hangs: bool = False


def least_cpu_s(plan: Plan) -> float:
    """CPU seconds a candidate has for the failing tests at its first try."""
    return max(_LEAST_CPU_S, 6 * plan.failing_cpu)


class Watch:
    """CPU limit for a stretch of code."""

    def __init__(self) -> None:
        self.fired = self.armed = False
        signal.signal(signal.SIGPROF, self._ring)

    def arm(self, cpu_s: float, again_s: float = 0.02) -> None:
        """Ring after `cpu_s` of this process's CPU time, and again and again: patients catch things."""
        self.fired, self.armed = False, True
        signal.setitimer(signal.ITIMER_PROF, cpu_s, again_s)

    def arm_wall(self, wall_s: float) -> None:
        """Ring also after `wall_s` seconds of real time."""
        signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, wall_s, 1.0)

    def disarm(self) -> None:
        """No more ringing, not even by a signal that is under way."""
        self.armed = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _ring(self, number: int, frame: Any) -> None:
        if self.armed:
            self.fired = True
            raise OverBudget


def limit_memory() -> None:
    """Bound writable memory to what is in use now plus a fixed extra, address space to far more: threads reserve it
    freely. Unlimited where that can't be told."""
    try:
        with open("/proc/self/statm") as stream:
            pages = [int(word) for word in stream.read().split()]
        size = resource.getpagesize()
        _limit(resource.RLIMIT_DATA, pages[5] * size + _EXTRA_MEMORY)
        _limit(resource.RLIMIT_AS, pages[0] * size + 12 * _EXTRA_MEMORY)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError):
        return


def _limit(kind: int, wanted: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (wanted if hard < 0 else min(wanted, hard), hard))


class Evaluator:
    """Tries candidates by swapping code objects."""

    def __init__(self, items: Items, swapper: Swapper, plan: Plan, state: State) -> None:
        self.items, self.swapper, self.plan, self.state = items, swapper, plan, state
        self.seen: Set[int] = set()
        self.watch = Watch()
        self.known_lines: Any = frozenset().union(*plan.lines.values())
        self.tests = {os.path.realpath(str(i.fspath)): str(i.fspath) for i in items.items if hasattr(i, "fspath")}

    def judge(self, candidate: Candidate) -> Verdict:
        """Apply, run, restore."""
        try:
            swaps = self.swapper.plan(candidate.edits)
        except NeedsReload:
            return Verdict("reload")
        except _UNPARSABLE:
            return Verdict("syntax")
        mark = print_of(swaps)
        if not swaps or (mark in self.seen and candidate.mode == "quick" and candidate.cpu == 1.0):
            return Verdict("same", mark)
        before = [(function, name, getattr(function, name)) for function, name, _ in swaps]
        self.swapper.clear_caches()
        try:
            for function, name, value in swaps:
                setattr(function, name, value)
            word, grade = self._run(candidate)
        finally:
            for function, name, value in before:
                setattr(function, name, value)
            self.state.restore()
        return Verdict(word, mark, grade)

    def _run(self, candidate: Candidate) -> tuple[str, float]:
        try:
            return self._tests(candidate)
        except OverBudget:
            return "budget", 0.0
        finally:
            self.watch.disarm()

    def _tests(self, candidate: Candidate) -> tuple[str, float]:
        try:
            self.watch.arm(least_cpu_s(self.plan) * candidate.cpu)
            passed, grade = self._failing(candidate.mode == "grade")
            if passed < len(self.plan.failing):
                return ("budget" if self.watch.fired else "dead"), grade
            affected = self._affected(candidate)
            self.watch.arm(max(0.2, 4 * sum(self.plan.cpu[i] for i in affected)) * candidate.cpu)
            good = self._all_pass(affected, full=candidate.mode == "confirm" or self.plan.full)
            return ("good" if good else "budget" if self.watch.fired else "dead"), grade
        finally:
            self.watch.disarm()

    def _failing(self, grade: bool) -> tuple[int, float]:
        """How many failing tests pass (stopping at the first that does not, unless grading), and the grade."""
        passed, progress = 0, 0.0
        for index in self.plan.failing:
            if self.items.run(self.items.items[index], full=self.plan.full) == "passed":
                passed += 1
            elif grade and not self.watch.fired:
                progress += self._progress() / 1e6
            else:
                break
        return passed, passed + progress

    def _progress(self) -> int:
        """The deepest line the failing test itself reached."""
        for error in self.items.plugin.errors[:1]:
            _, _, frames = frames_of(error, self.tests)
            return frames[0][1] if frames else 0
        return 0

    def _affected(self, candidate: Candidate) -> list[int]:
        if candidate.mode == "confirm" and self.plan.full_cpu < 2.0:
            return self.plan.passing
        lines = self._touched(candidate)
        if lines is None:
            return self.plan.passing
        known = self.plan.lines
        if not self.known_lines & lines:
            return self.plan.passing
        return [i for i in self.plan.passing if i not in known or known[i] & lines]

    def _touched(self, candidate: Candidate) -> Any:
        touched: Set[Any] = set()
        for path, start, end, _ in candidate.edits:
            module = self.swapper.modules[path]
            try:
                part = module.part_of(start, end)
            except NeedsReload:
                return None
            last = part.line + module.text.count("\n", part.start, part.end)
            touched.update((path, line) for line in range(part.line, last + 1))
        return touched

    def _all_pass(self, indexes: Sequence[int], full: bool) -> bool:
        for index in indexes:
            if self.items.run(self.items.items[index], full=full) != "passed" or self.watch.fired:
                return False
        return True

    def unspoiled(self) -> bool:
        """Whether the untouched code still behaves as at the baseline in this used process."""
        self.swapper.clear_caches()
        passing = sorted(self.plan.passing, key=lambda i: self.plan.cpu[i])[:1]
        try:
            self.watch.arm(max(0.3, 8 * self.plan.failing_cpu))
            if not self._all_pass(passing, full=False):
                return False
            first = self.items.items[self.plan.failing[0]]
            return (
                self.plan.hangs
                or self.plan.failing_cpu > 0.05
                or self.items.run(first, full=self.plan.full) != "passed"
            )
        except OverBudget:
            return True
        finally:
            self.watch.disarm()


def run_batch(evaluator: Evaluator, candidates: Sequence[Candidate], fd: int) -> None:
    """The life of a forked child: one line per candidate started (S) and judged (R), then whether it stayed clean."""
    limit_memory()
    sys.setrecursionlimit(min(sys.getrecursionlimit(), 3000))
    for candidate in candidates:
        os.write(fd, b"S %d\n" % candidate.n)
        verdict = evaluator.judge(candidate)
        os.write(fd, ("R %d %s %d %f\n" % (candidate.n, verdict.word, verdict.mark, verdict.grade)).encode())
        if verdict.word == "budget":
            evaluator.items.cleanup()
            return
        if verdict.word in ("dead", "good"):
            evaluator.seen.add(verdict.mark)
    if len(candidates) > 1:
        os.write(fd, b"Z %d\n" % evaluator.unspoiled())
    evaluator.items.cleanup()
