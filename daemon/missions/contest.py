"""The foreground half of the tournament: the same moves as the durable one, made in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

from nightshift.daemon.missions import tournament
from nightshift.daemon.missions.ahead import Ahead, key_of
from nightshift.daemon.missions.lessons import taught, teach
from nightshift.daemon.missions.studio import Drafts, Grant, Studio
from nightshift.daemon.missions.tournament import Criticise, Draft, Judge, Learn, Move, Rules, Standing
from nightshift.daemon.model import Case, Critique, Patch
from nightshift.daemon.ports import Critic, Fixer, Note, Reproducer, Tester

Timed = Callable[[str], AbstractContextManager[None]]
_OWNER = "heal"
_REST_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Contest:
    """One tournament in this process. `deadline` is in `time.monotonic()` seconds: past it nobody drafts or compares,
    what is drafted is still judged. `timed` measures a stage by its name."""

    reproducer: Reproducer
    tester: Tester
    creators: Sequence[Fixer]
    critic: Critic | None
    rules: Rules
    cores: int
    deadline: float
    note: Note
    tried: Callable[[int], None] = lambda _: None
    timed: Timed = lambda _: nullcontext()
    candidates: int = 20_000
    patches: int = 8

    def hold(self, case: Case) -> Standing:
        """To the end. Raises EnvironmentBroke, GitError."""
        standing = tournament.opening(list(dict.fromkeys(creator.name for creator in self.creators)))
        studio, ahead = Studio(self.reproducer), Ahead()
        self.tester.expect(case)
        try:
            while not isinstance(move := tournament.next_move(standing, self.rules), tournament.Choose):
                if time.monotonic() >= self.deadline and not isinstance(move, Judge):
                    break
                standing, case = self._made(move, standing, case, studio, ahead)
            return standing
        finally:
            studio.stop(_OWNER, rest_s=_REST_S)
            ahead.drop(_OWNER, rest_s=_REST_S)

    def _made(self, move: Move, standing: Standing, case: Case, studio: Studio, ahead: Ahead) -> tuple[Standing, Case]:
        if isinstance(move, Draft):
            with self.timed("drafting"):
                drafts = self._drafts(move, standing, case, studio, ahead)
            return standing.drafted(move.creator, drafts.patches, drafts.searches), case
        if isinstance(move, Judge):
            field = tournament.foreseen(standing, move.entry, self.rules)
            if field and self.cores > 1:
                ahead.begin(_OWNER, key_of("critic", case, field), partial(self._compare, case, field))
            with self.timed("judging"):
                judge = partial(self.tester.judge, case, move.entry.patch, self.note)
                verdict = ahead.take(_OWNER, key_of("judge", case, [move.entry.patch]), judge)
            return standing.judged(move.entry.patch.id, verdict), case
        studio.stop(_OWNER)
        if isinstance(move, Criticise):
            with self.timed("criticising"):
                compare = partial(self._compare, case, move.patches)
                critique = ahead.take(_OWNER, key_of("critic", case, move.patches), compare)
            return standing.criticised(critique), case
        assert isinstance(move, Learn)
        with self.timed("criticising"):
            teaching = teach(case, move.refutations, self.reproducer, self.note)
            parents = [entry.proved for entry, _ in move.refutations]
            case = taught(case, teaching.lessons, teaching.criticism, parents)
        return standing.taught(teaching.lessons, teaching.criticism), case

    def _compare(self, case: Case, patches: Sequence[Patch]) -> Critique:
        assert self.critic is not None
        return self.critic.criticise(case, patches, self.note)

    def _drafts(self, move: Draft, standing: Standing, case: Case, studio: Studio, ahead: Ahead) -> Drafts:
        at_work = [next(c for c in self.creators if c.name == name) for name in move.creators]
        grant = Grant(seconds=self.deadline - time.monotonic(), cores=self.cores, candidates=self.candidates,
                      patches=self.patches, tried=self.tried)  # fmt: skip

        def early(first: Patch) -> None:
            if self.cores > 1 and all(first.diff != entry.patch.diff for entry in standing.entries):
                judge = partial(self.tester.judge, case, first, self.note)
                ahead.begin(_OWNER, key_of("judge", case, [first]), judge)
                if self.critic is not None:
                    self.critic.expect(case, [first])

        return studio.drafts(_OWNER, str(standing.number), case, at_work, grant, self.note, early)
