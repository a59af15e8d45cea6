"""From evidence to an accepted patch: the same functions serve the daemon's missions and `nightshift heal`."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.missions.gather import diagnose
from nightshift.daemon.model import Case, Judgement, Patch, Reproduction, Service, Signal, Verdict
from nightshift.daemon.ports import Budget, Fixer, Note, Tester, Workbench


def open_case(name: str, service: Service, repo: str, base: str, signal: Signal | None) -> Case:
    """The case of one mission at one base commit."""
    tree = [e.path for e in BareRepo(repo).entries(base)]
    case = Case(id=name, repo=repo, base=base, check=service.check, image=service.image, python=service.python)
    read = partial(BareRepo(repo).read, base)
    return replace(case, diagnosis=diagnose(signal, tree, read)) if signal else case


def draft(fixer: Fixer, case: Case, bench: Workbench, budget: Budget, note: Note) -> Iterator[Patch]:
    """A fixer's patches, best first, at most `budget.patches`, duplicates dropped. Closing it ends the fixer's work."""
    seen: set[str] = set()
    drafts = fixer.draft(case, bench, budget, note)
    try:
        for patch in itertools.islice(drafts, budget.patches):
            if patch.diff and patch.diff not in seen:
                seen.add(patch.diff)
                yield patch
    finally:
        if isinstance(drafts, Generator):
            drafts.close()


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What drafting and judging gave. `unjudged` counts verdicts the environment prevented."""

    accepted: tuple[Verdict, ...] = ()
    rejected: tuple[Verdict, ...] = ()
    unjudged: tuple[Verdict, ...] = ()
    waiting: tuple[Patch, ...] = ()

    @property
    def plausible(self) -> int:
        """Patches that were not refuted."""
        return len(self.accepted) + len(self.waiting)

    def judged(self, verdict: Verdict) -> Attempt:
        """This attempt with one more verdict."""
        if verdict.judgement == Judgement.ACCEPTED:
            return replace(self, accepted=(*self.accepted, verdict))
        if verdict.judgement == Judgement.REJECTED:
            return replace(self, rejected=(*self.rejected, verdict))
        return replace(self, unjudged=(*self.unjudged, verdict))


def judge_until_accepted(case: Case, patches: Sequence[Patch], tester: Tester, note: Note) -> Attempt:
    """Judge in order and stop at the first accepted patch; the rest stays `waiting` as alternatives."""
    attempt = Attempt()
    for at, patch in enumerate(patches):
        attempt = attempt.judged(tester.judge(case, patch, note))
        if attempt.accepted:
            return replace(attempt, waiting=tuple(patches[at + 1 :]))
    return attempt


def is_red(reproduction: Reproduction) -> bool:
    """Whether something could be made to fail."""
    return reproduction.kind != "none"
