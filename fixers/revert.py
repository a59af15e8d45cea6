"""The revert fixer: most breakage is news, so undo the news. Finds the commit that broke it, and proves that it did.

A suspect counts as culprit when the reproduction is red on it and green on its parent; only then is it undone
with confidence. Without a proved suspect the history is bisected with the reproduction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.kit.clock import Clock, SystemClock
from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Case, Patch, Suspect
from nightshift.daemon.ports import Budget, Note, Workbench
from nightshift.fixers.culprit import find_culprits
from nightshift.fixers.ddmin import smallest
from nightshift.fixers.history import Revision, first_parents, opened, revision, suspects
from nightshift.fixers.merging import taken_back
from nightshift.fixers.pieces import Piece, pieces_of, without
from nightshift.fixers.probes import Probes, Spent
from nightshift.fixers.together import undone_together
from nightshift.fixers.undo import Undoing, on_base, undoings

if TYPE_CHECKING:
    from git import Repo


_MOST_APART = 60
"""Pieces that are tried for conflicts one by one; each costs a merge."""


class Settings(BaseModel):
    """How far the revert fixer looks back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_suspects: int = Field(default=6, ge=0)
    """Suspects of blame and log that are put to the proof before the history is bisected."""
    max_probes: int = Field(default=60, ge=0)
    """Runs of the reproduction on old commits and on trees with something undone."""
    probes_at_once: int = Field(default=2, ge=1, le=32)
    """How many of them run side by side, each in a sandbox of its own; a bisection then takes fewer rounds."""
    max_history: int = Field(default=2000, ge=1)
    """Commits of the branch a bisection may go back."""
    max_unproved: int = Field(default=2, ge=0)
    """Suspects undone without proof, when commits can't tell whether they are red."""
    max_files: int = Field(default=40, ge=1)
    """Files one undoing may touch."""
    max_pieces: int = Field(default=200, ge=1)
    """Changes of a larger commit than this many pieces are not told apart."""
    max_together: int = Field(default=3, ge=1)
    """Commits that are undone together when undoing one of them does not help."""


def _convicted(probes: Probes, commit: str, parent: str) -> bool | None:
    """True: it broke it. False: it did not. None: can't be told. Raises Spent."""
    before, after = probes.ask([parent, commit]) if probes.slots > 1 else (probes.red(parent), None)
    if before:
        return False
    if probes.slots == 1:
        after = probes.red(commit)
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
        settings = self.settings
        probes = Probes(bench=bench, clock=self.clock, deadline=budget.deadline, left=settings.max_probes,
                        slots=settings.probes_at_once, known={case.base: True})  # fmt: skip
        given: set[str] = set()
        with opened(case.repo) as repo:
            for guilt in self._guilty(repo, case, probes, note):
                for patch in self._patches(repo, case, guilt, probes, note):
                    if len(given) >= budget.patches or self.clock.monotonic() >= budget.deadline:
                        return
                    if patch.id not in given:
                        given.add(patch.id)
                        budget.tried(1)
                        yield patch

    def _guilty(self, repo: Repo, case: Case, probes: Probes, note: Note) -> Iterator[_Guilt]:
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
        except Spent:
            note("revert: the budget for runs on old commits is spent")
        if not proved:
            yield from unproved[: self.settings.max_unproved]

    def _tried(
        self, repo: Repo, case: Case, probes: Probes, note: Note
    ) -> Iterator[tuple[_Guilt, bool | None]]:  # fmt: skip
        for suspect in self._suspects(repo, case):
            found = revision(repo, suspect.commit)
            if not found.parents:
                continue
            convicted = _convicted(probes, found.id, found.parents[0])
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

    def _bisected(self, repo: Repo, case: Case, probes: Probes, note: Note) -> Iterator[_Guilt]:
        line = first_parents(repo, case.base, self.settings.max_history)
        note(f"revert: bisecting {len(line)} commits")
        culprits = find_culprits(line, probes.ask, probes.slots)
        note(f"revert: {probes.made} runs in {probes.rounds} rounds")
        sure = len(culprits) == 1
        for commit in culprits[: 1 + self.settings.max_unproved]:
            found = revision(repo, commit)
            for inner in self._inside_merge(repo, found, probes):
                yield _Guilt(commit=inner, score=0.9, why=f"bisection, within the merge {found.id[:10]}")
            if found.parents:
                why = "bisection: the reproduction is green just before it" if sure else "bisection: one of a few"
                yield _Guilt(commit=found, score=0.9 if sure else 0.4, why=why, proved=sure)

    def _inside_merge(self, repo: Repo, merge: Revision, probes: Probes) -> Iterator[Revision]:
        """The commit of the merged branch that broke it, when that branch was red on its own."""
        if len(merge.parents) != 2 or not probes.red(merge.parents[1]):
            return
        ours, theirs = merge.parents
        line = first_parents(repo, theirs, self.settings.max_history, ours)
        fork = [commit.hexsha for commit in repo.merge_base(ours, theirs)]
        culprits = find_culprits([*line, *fork[:1]], probes.ask, probes.slots)
        if len(culprits) == 1:
            yield revision(repo, culprits[0])

    def _patches(self, repo: Repo, case: Case, guilt: _Guilt, probes: Probes, note: Note) -> Iterator[Patch]:
        bare, commit = BareRepo(case.repo), guilt.commit
        try:
            found = undoings(bare, case.base, commit.id, commit.parents[0], case.diagnosis.frames)
        except GitError as error:
            note(f"revert: {commit.id[:10]} can't be undone: {error}")
            return
        fitting = [undoing for undoing in found if len(undoing.files) <= self.settings.max_files]
        if not fitting:
            note(f"revert: {commit.id[:10]} can't be undone on top of later work")
        useful = [undoing for undoing in fitting if not self._in_vain(undoing, guilt, probes, note)]
        plain = [undoing for undoing in useful if not (undoing.lost or undoing.still_used)]
        yield from self._ranked(case, guilt, plain, 0)
        if guilt.proved:
            exact = self._guilty_pieces(bare, case, guilt, probes, note)
            yield from self._ranked(case, guilt, exact, len(plain))
        yield from self._ranked(case, guilt, [u for u in useful if u not in plain], len(plain) + 1)
        if guilt.proved and not useful:
            yield from self._several(repo, case, guilt, probes, note)

    def _ranked(self, case: Case, guilt: _Guilt, undone: Sequence[Undoing], rank: int) -> Iterator[Patch]:
        for place, undoing in enumerate(undone, rank):
            yield self._patch(case, guilt, undoing, place)

    def _in_vain(self, undoing: Undoing, guilt: _Guilt, probes: Probes, note: Note) -> bool:
        """Whether the reproduction stays red: asked here, it costs a run; at the tester's, several."""
        vain = probes.spare(undoing.tree) is True
        if vain:
            note(f"revert: undoing {guilt.commit.id[:10]} ({undoing.scope}) leaves it red")
        return vain

    def _guilty_pieces(
        self, bare: BareRepo, case: Case, guilt: _Guilt, probes: Probes, note: Note
    ) -> list[Undoing]:  # fmt: skip
        """Only those changes of the commit whose undoing is needed, finer than functions and in any language."""
        commit, parent = guilt.commit.id, guilt.commit.parents[0]
        pieces = pieces_of(bare, commit, parent)
        if not 1 < len(pieces) <= self.settings.max_pieces:
            return []

        def undone(some: Sequence[Piece]) -> Undoing | None:
            before = without(bare, commit, parent, some)
            scope = f"{len(some)} of its {len(pieces)} changes, each of them needed"
            return on_base(bare, case.base, commit, before, scope, "partial-revert")

        def first_green(subsets: Sequence[Sequence[Piece]]) -> int | None:
            made = [(at, tree.tree) for at, some in enumerate(subsets) if (tree := undone(some))]
            found = probes.first_green([tree for _, tree in made])
            return None if found is None else made[found][0]

        free = pieces if undone(pieces) else self._free(bare, case, guilt, pieces)
        try:
            if not free or first_green([free]) is None:
                return []
        except Spent:
            return []
        least = undone(smallest(free, first_green))
        note(f"revert: {least.scope if least else 'no part of it alone'} ({guilt.commit.id[:10]})")
        return [least] if least and len(least.files) <= self.settings.max_files else []

    def _free(self, bare: BareRepo, case: Case, guilt: _Guilt, pieces: Sequence[Piece]) -> list[Piece]:
        """The pieces that no later work is in the way of."""
        commit, parent = guilt.commit.id, guilt.commit.parents[0]
        return [piece for piece in pieces[:_MOST_APART]
                if taken_back(bare, case.base, commit, without(bare, commit, parent, [piece]))]  # fmt: skip

    def _several(self, repo: Repo, case: Case, guilt: _Guilt, probes: Probes, note: Note) -> Iterator[Patch]:
        later = first_parents(repo, case.base, self.settings.max_history, guilt.commit.id)
        try:
            found = undone_together(BareRepo(case.repo), case.base, [*later, guilt.commit.id], probes,
                                    most=self.settings.max_together)  # fmt: skip
        except Spent:
            return
        if found is None or len(found.undoing.files) > self.settings.max_files:
            return
        others = ", ".join(f"{c[:10]} “{revision(repo, c).summary}”" for c in found.commits[1:])
        note(f"revert: {guilt.commit.id[:10]} only together with {others}")
        why = f"{guilt.why}; it takes undoing {others} as well, which broke it again"
        both = _Guilt(commit=guilt.commit, score=guilt.score * 0.8, why=why)
        yield self._patch(case, both, found.undoing, 0, found.commits)

    def _patch(
        self, case: Case, guilt: _Guilt, undoing: Undoing, rank: int, commits: Sequence[str] = ()
    ) -> Patch:  # fmt: skip
        commit = guilt.commit
        later = f" Still used elsewhere: {', '.join(undoing.still_used[:5])}." if undoing.still_used else ""
        lost = f" Later work on the same lines goes, too: {', '.join(undoing.lost[:5])}." if undoing.lost else ""
        rationale = f"Undo {commit.id[:10]} “{commit.summary}” of {commit.date} ({undoing.scope}): {guilt.why}.{later}"
        doubt = 0.5 if undoing.still_used or undoing.lost else 1.0
        return Patch(
            id=stable_id("patch", case.id, self.name, undoing.diff), base=case.base, diff=undoing.diff,
            files=undoing.files, fixer=self.name, rationale=rationale + lost, kind=undoing.kind,
            parents=tuple(commits) or (commit.id,), score=guilt.score * 0.9**rank * doubt,
        )  # fmt: skip
