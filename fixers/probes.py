"""Runs of the reproduction on other trees, a few at a time, each tree once, within a budget.

Every search through history here (bisection, delta debugging, un-bumping) asks the same question of many trees; what
it costs is counted in one place. A round is what runs side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.ports import EnvironmentBroke, Workbench

Ask = Callable[[Sequence[str]], Sequence[bool | None]]
"""Whether the reproduction fails on each of some commits or trees; None when that can't be told."""


class Spent(Exception):
    """No more probes may be made."""


@dataclass(kw_only=True)
class Probes:
    """Asks a bench. `known` begins with what needs no run; `slots` is how many runs go side by side.

    `forgiving`: a tree whose environment breaks (a project image that can't be built) can't tell, instead of ending
    the draft; when nothing but the environment ever answers, that is still raised.
    """

    bench: Workbench
    clock: Clock
    deadline: float
    left: int
    slots: int = 1
    known: dict[str, bool | None] = field(default_factory=dict)
    rounds: int = 0
    made: int = 0
    forgiving: bool = False
    answered: bool = False

    def red(self, tree: str) -> bool | None:
        """Whether the reproduction fails on a commit or tree. Raises Spent, EnvironmentBroke."""
        return self.ask([tree])[0]

    def ask(self, trees: Sequence[str]) -> list[bool | None]:
        """The same of several, side by side. Raises Spent when the budget does not reach for all of them."""
        fresh = [tree for tree in dict.fromkeys(trees) if tree not in self.known]
        for at in range(0, len(fresh), self.slots):
            self._round(fresh[at : at + self.slots])
        return [self.known[tree] for tree in trees]

    def first_green(self, trees: Sequence[str]) -> int | None:
        """The index of the first tree that is green, asked a round at a time; None when none is. Raises Spent."""
        for at in range(0, len(trees), self.slots):
            answers = self.ask(trees[at : at + self.slots])
            if False in answers:
                return at + answers.index(False)
        return None

    def spare(self, tree: str) -> bool | None:
        """Like `red`, but None instead of Spent."""
        try:
            return self.red(tree)
        except Spent:
            return None

    def _round(self, trees: Sequence[str]) -> None:
        if self.left < len(trees) or self.clock.monotonic() >= self.deadline:
            raise Spent
        self.left -= len(trees)
        self.rounds += 1
        self.made += len(trees)
        if len(trees) == 1:
            self.known[trees[0]] = self._one(trees[0])
            return
        with ThreadPoolExecutor(len(trees), thread_name_prefix="probe") as pool:
            answers = list(pool.map(self._one, trees))
        self.known.update(zip(trees, answers, strict=True))

    def _one(self, tree: str) -> bool | None:
        try:
            answer = self.bench.red(tree)
        except EnvironmentBroke:
            if not self.forgiving:
                raise
            return None
        self.answered = True
        return answer
