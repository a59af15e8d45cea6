"""A recorded tournament held again: the same patches on the same base, through tester, critic and arbiter once more.
Nobody drafts. What differs from the record is told, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from nightshift.daemon.missions import scoresheet
from nightshift.daemon.missions.decision import decide
from nightshift.daemon.missions.scoresheet import Scoresheet
from nightshift.daemon.missions.tournament import Entry, Round, Standing
from nightshift.daemon.model import Case, Critique, Judgement, Patch, Verdict
from nightshift.daemon.ports import Critic, EnvironmentBroke, Note, Reproducer, Tester


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What came of it. `differences` are lines for people; none means that everything came out as recorded."""

    judged: int
    compared: int
    chosen: str
    differences: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


class Replay:
    """Holds tournaments again with the parts it was given."""

    def __init__(self, reproducer: Reproducer, tester: Tester, critic: Critic | None, note: Note) -> None:
        self._reproducer, self._tester, self._critic, self._note = reproducer, tester, critic, note

    def hold(self, sheet: Scoresheet, repo: str) -> Replayed:
        """The tournament once more on a repository that has its base. Raises EnvironmentBroke, GitError."""
        sheet = self._whole(sheet, repo)
        rounds = [self._again(r, c) for r, c in zip(sheet.standing.rounds, scoresheet.cases(sheet, repo), strict=True)]
        now = Standing(rounds=tuple(rounds))
        assert sheet.case.reproduction is not None
        choice = decide(now, sheet.case.reproduction)
        chosen = choice.verdict.patch.id if choice.verdict else ""
        told = [line for pair in zip(sheet.standing.rounds, rounds, strict=True) for line in _differences(*pair)]
        if chosen != sheet.chosen:
            told.append(f"choice: {_or_none(sheet.chosen)} then, {_or_none(chosen)} now: {choice.reason}")
        return Replayed(
            judged=sum(e.verdict is not None for e in now.entries), compared=sum(len(r.critiques) for r in rounds),
            chosen=chosen, differences=tuple(told),
        )  # fmt: skip

    def _whole(self, sheet: Scoresheet, repo: str) -> Scoresheet:
        """With what every test does on base: of a large suite the record does not hold it."""
        red = sheet.case.reproduction
        if red is None:
            raise EnvironmentBroke("the record holds no reproduction")
        if red.baseline or not red.failing:
            return sheet
        found = self._reproducer.reproduce(replace(sheet.case, repo=repo, reproduction=None), self._note)
        if found.kind == "none":
            raise EnvironmentBroke(f"it can't be made red here: {found.reason}")
        return replace(sheet, case=replace(sheet.case, reproduction=replace(red, baseline=found.baseline)))

    def _again(self, recorded: Round, case: Case) -> Round:
        entries = tuple(self._judged(entry, case) if entry.verdict else entry for entry in recorded.entries)
        known = {name: e.proved for e in recorded.entries for name in (e.patch.id, e.proved.id)}
        critiques = tuple(self._compared(critique, known, case) for critique in recorded.critiques)
        return replace(recorded, entries=entries, critiques=critiques)

    def _judged(self, entry: Entry, case: Case) -> Entry:
        verdict = self._tester.judge(case, entry.patch, self._note)
        if verdict.judgement is Judgement.UNJUDGED:
            raise EnvironmentBroke(f"{entry.patch.id} can't be judged here: {verdict.reason}")
        return replace(entry, verdict=verdict)

    def _compared(self, critique: Critique, known: dict[str, Patch], case: Case) -> Critique:
        if self._critic is None:
            raise EnvironmentBroke("there is no critic here")
        field = [known[said.patch] for said in critique.criticisms if said.patch in known]
        return self._critic.criticise(case, field, self._note)


def _differences(then: Round, now: Round) -> Iterator[str]:
    for before, after in zip(then.entries, now.entries, strict=True):
        if _ruling(before.verdict) != _ruling(after.verdict):
            yield f"{before.patch.id}: {_ruling(before.verdict)} then, {_ruling(after.verdict)} now"
    for was, became in zip(then.critiques, now.critiques, strict=True):
        if _groups(was) != _groups(became):
            yield f"the critic saw {was.clusters} behaviour(s) then, {became.clusters} now, or groups them otherwise"
        for patch in sorted(_refuted(was) ^ _refuted(became)):
            yield f"{patch}: {_word(patch in _refuted(was))} then, {_word(patch in _refuted(became))} now"
        if bool(was.abstain) != bool(became.abstain):
            yield f"the critic: {was.abstain or 'could tell'} then, {became.abstain or 'can tell'} now"


def _ruling(verdict: Verdict | None) -> str:
    if verdict is None:
        return "not judged"
    return f"{verdict.judgement} at {verdict.failed}" if verdict.failed else str(verdict.judgement)


def _groups(critique: Critique) -> set[frozenset[str]]:
    """Which patches behave alike: the clusters' numbers are only names."""
    clusters: dict[int, set[str]] = {}
    for said in critique.criticisms:
        clusters.setdefault(said.cluster, set()).add(said.patch)
    return {frozenset(patches) for patches in clusters.values()}


def _refuted(critique: Critique) -> set[str]:
    return {said.patch for said in critique.criticisms if said.refuted}


def _word(refuted: bool) -> str:
    return "refuted" if refuted else "not refuted"


def _or_none(patch: str) -> str:
    return patch or "nothing"


def lines(replayed: Replayed) -> Sequence[str]:
    """For people."""
    chosen = _or_none(replayed.chosen)
    head = f"{replayed.judged} patch(es) judged, {replayed.compared} field(s) compared, chosen: {chosen}"
    return (
        head,
        *replayed.differences,
        "as recorded" if replayed.same else f"{len(replayed.differences)} difference(s)",
    )
