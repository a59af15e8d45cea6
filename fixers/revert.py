"""The revert fixer: most breakage is news, so undo the news. Finds the commit that broke it, and proves that it did.

A suspect counts as culprit when the reproduction is red on it and green on its parent; only then is it undone
with confidence. Without a proved suspect the history is bisected with the reproduction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.kit.clock import Clock, SystemClock
from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Case, Patch, Suspect
from nightshift.daemon.ports import Budget, Note, Workbench
from nightshift.fixers.culprit import find_culprits
from nightshift.fixers.history import Revision, first_parents, opened, revision, suspects
from nightshift.fixers.undo import Undoing, undoings

if TYPE_CHECKING:
    from git import Repo


class Settings(BaseModel):
    """How far the revert fixer looks back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_suspects: int = Field(default=6, ge=0)
    """Suspects of blame and log that are put to the proof before the history is bisected."""
    max_probes: int = Field(default=40, ge=0)
    """Runs of the reproduction on old commits."""
    max_history: int = Field(default=2000, ge=1)
    """Commits of the branch a bisection may go back."""
    max_unproved: int = Field(default=2, ge=0)
    """Suspects undone without proof, when commits can't tell whether they are red."""
    max_files: int = Field(default=40, ge=1)
    """Files one undoing may touch."""


class _Spent(Exception):
    """No more probes may be made."""


@dataclass(kw_only=True)
class _Probes:
    """Runs of the reproduction on old commits: each commit once, within the budget. Base is red by definition."""

    bench: Workbench
    clock: Clock
    deadline: float
    left: int
    known: dict[str, bool | None] = field(default_factory=dict)

    def red(self, commit: str) -> bool | None:
        if commit not in self.known:
            if self.left <= 0 or self.clock.monotonic() >= self.deadline:
                raise _Spent
            self.left -= 1
            self.known[commit] = self.bench.red(commit)
        return self.known[commit]

    def in_vain(self, tree: str) -> bool:
        """Whether the reproduction stays red on a tree: asked here, it costs a run; at the tester's, several."""
        try:
            return self.red(tree) is True
        except _Spent:
            return False

    def convicts(self, commit: str, parent: str) -> bool | None:
        """True: it broke it. False: it did not. None: can't be told."""
        before = self.red(parent)
        if before:
            return False
        after = self.red(commit)
        return None if after is None else False if not after else True if before is False else None


@dataclass(frozen=True, kw_only=True)
class _Guilt:
    """A commit to undo, how sure that is, and why. `proved`: the reproduction is green just before it."""

    commit: Revision
    score: float
    why: str
    proved: bool = True


class RevertFixer:
    """Port `Fixer`: drafts patches of kind ``revert`` and ``partial-revert``, `parents` being the undone commit."""

    name = "revert"

    def __init__(self, settings: Settings | None = None, clock: Clock | None = None) -> None:
        self.settings, self.clock = settings or Settings(), clock or SystemClock()

    def draft(self, case: Case, bench: Workbench, budget: Budget, note: Note) -> Iterator[Patch]:
        """Undoings of the culprit, best first; root commits are never undone."""
        probes = _Probes(bench=bench, clock=self.clock, deadline=budget.deadline, left=self.settings.max_probes,
                         known={case.base: True})  # fmt: skip
        given = 0
        with opened(case.repo) as repo:
            for guilt in self._guilty(repo, case, probes, note):
                for patch in self._patches(case, guilt, probes, note):
                    if given >= budget.patches or self.clock.monotonic() >= budget.deadline:
                        return
                    given += 1
                    budget.tried(1)
                    yield patch

    def _guilty(self, repo: Repo, case: Case, probes: _Probes, note: Note) -> Iterator[_Guilt]:
        """Proved suspects; else the bisection's culprit; else the likeliest of those nothing could be proved of."""
        unproved: list[_Guilt] = []
        proved = False
        try:
            for guilt, convicted in self._tried(repo, case, probes, note):
                if convicted:
                    proved = True
                    yield guilt
                    break
                if convicted is None:
                    unproved.append(guilt)
            if not proved:
                for guilt in self._bisected(repo, case, probes, note):
                    proved = True
                    yield guilt
        except _Spent:
            note("revert: the budget for runs on old commits is spent")
        if not proved:
            yield from unproved[: self.settings.max_unproved]

    def _tried(
        self, repo: Repo, case: Case, probes: _Probes, note: Note
    ) -> Iterator[tuple[_Guilt, bool | None]]:  # fmt: skip
        for suspect in self._suspects(repo, case):
            found = revision(repo, suspect.commit)
            if not found.parents:
                continue
            convicted = probes.convicts(found.id, found.parents[0])
            word = {True: "it broke it", False: "innocent", None: "can't be told"}[convicted]
            note(f"revert: {found.id[:10]} {found.summary}: {word}")
            score = 0.95 if convicted else 0.3 * min(1.0, suspect.weight)
            proof = ", and the reproduction is green just before it" if convicted else ", unproved"
            why = (suspect.why or "suspected") + proof
            yield _Guilt(commit=found, score=score, why=why, proved=bool(convicted)), convicted

    def _suspects(self, repo: Repo, case: Case) -> Sequence[Suspect]:
        bare = BareRepo(case.repo)
        known = [s for s in suspects(repo, case.base, case.diagnosis) if bare.resolve(s.commit)]
        return known[: self.settings.max_suspects]

    def _bisected(self, repo: Repo, case: Case, probes: _Probes, note: Note) -> Iterator[_Guilt]:
        line = first_parents(repo, case.base, self.settings.max_history)
        note(f"revert: bisecting {len(line)} commits")
        culprits = find_culprits(line, probes.red)
        sure = len(culprits) == 1
        for commit in culprits[: 1 + self.settings.max_unproved]:
            found = revision(repo, commit)
            for inner in self._inside_merge(repo, found, probes):
                yield _Guilt(commit=inner, score=0.9, why=f"bisection, within the merge {found.id[:10]}")
            if found.parents:
                why = "bisection: the reproduction is green just before it" if sure else "bisection: one of a few"
                yield _Guilt(commit=found, score=0.9 if sure else 0.4, why=why, proved=sure)

    def _inside_merge(self, repo: Repo, merge: Revision, probes: _Probes) -> Iterator[Revision]:
        """The commit of the merged branch that broke it, when that branch was red on its own."""
        if len(merge.parents) != 2 or not probes.red(merge.parents[1]):
            return
        ours, theirs = merge.parents
        line = first_parents(repo, theirs, self.settings.max_history, ours)
        fork = [commit.hexsha for commit in repo.merge_base(ours, theirs)]
        culprits = find_culprits([*line, *fork[:1]], probes.red)
        if len(culprits) == 1:
            yield revision(repo, culprits[0])

    def _patches(self, case: Case, guilt: _Guilt, probes: _Probes, note: Note) -> Iterator[Patch]:
        commit = guilt.commit
        found = undoings(BareRepo(case.repo), case.base, commit.id, commit.parents[0], case.diagnosis.frames)
        fitting = [undoing for undoing in found if len(undoing.files) <= self.settings.max_files]
        if not fitting:
            note(f"revert: {commit.id[:10]} can't be undone on top of later work")
        for rank, undoing in enumerate(fitting):
            if not guilt.proved and probes.in_vain(undoing.tree):
                note(f"revert: undoing {commit.id[:10]} ({undoing.scope}) leaves it red")
                continue
            yield self._patch(case, guilt, undoing, rank)

    def _patch(self, case: Case, guilt: _Guilt, undoing: Undoing, rank: int) -> Patch:
        commit = guilt.commit
        later = f" Still used elsewhere: {', '.join(undoing.still_used[:5])}." if undoing.still_used else ""
        rationale = f"Undo {commit.id[:10]} “{commit.summary}” of {commit.date} ({undoing.scope}): {guilt.why}.{later}"
        return Patch(
            id=stable_id("patch", case.id, self.name, undoing.diff), base=case.base, diff=undoing.diff,
            files=undoing.files, fixer=self.name, rationale=rationale, kind=undoing.kind, parents=(commit.id,),
            score=guilt.score * 0.9**rank * (0.5 if undoing.still_used else 1.0),
        )  # fmt: skip
