"""One patch on trial: what every gate may look at, worked out once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cached_property

from nightshift.daemon.kit.checks import parse_pytest
from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.model import Case, Judgement, Patch, Reproduction
from nightshift.daemon.ports import Note
from nightshift.sandboxes.harness import TestRun
from nightshift.sandboxes.lab import Lab
from nightshift.sandboxes.tester.changes import Change, changes
from nightshift.sandboxes.tester.on_base import OnBase
from nightshift.sandboxes.tester.patch_policy import PatchPolicy

_REPEATS = 1


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What a gate says, with the reason shown to people."""

    judgement: Judgement
    reason: str


def accept(reason: str) -> Ruling:
    """The gate is passed."""
    return Ruling(judgement=Judgement.ACCEPTED, reason=reason)


def reject(reason: str) -> Ruling:
    """The patch is wrong, or not allowed."""
    return Ruling(judgement=Judgement.REJECTED, reason=reason)


def unjudged(reason: str) -> Ruling:
    """Nothing can be said of the patch."""
    return Ruling(judgement=Judgement.UNJUDGED, reason=reason)


class Trial:
    """The patch under judgement. Gates read it; only `become` and `quarantine` change it."""

    def __init__(
        self, case: Case, patch: Patch, policy: PatchPolicy, lab: Lab, note: Note, on_base: OnBase
    ) -> None:  # fmt: skip
        self.case, self.patch, self.policy, self.lab, self.note = case, patch, policy, lab, note
        self.repo = BareRepo(case.repo)
        self.on_base = on_base
        self.reverted_tests: frozenset[str] = frozenset()
        self.quarantined: frozenset[str] = frozenset()
        self._runs: dict[str, Future[TestRun]] = {}
        self._beside: dict[tuple[str, str], Future[Ruling]] = {}

    @property
    def made(self) -> Reproduction:
        """The reproduction; the judge refuses a case without one before any gate is asked."""
        assert self.case.reproduction is not None
        return self.case.reproduction

    @property
    def is_pytest(self) -> bool:
        """Whether the check reports single tests."""
        return parse_pytest(self.made.command) is not None

    @cached_property
    def tree(self) -> str:
        """The tree that results from the patch; raises GitError when it does not apply."""
        return self.repo.apply(self.case.base, self.patch.diff)

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What the patch really does."""
        return changes(self.repo, self.case.base, self.tree)

    @cached_property
    def sources(self) -> dict[str, tuple[bytes | None, bytes | None]]:
        """Contents before and after, by path, of every changed file (None where there is none)."""
        ids = {b for c in self.changes for b in (c.old_blob, c.new_blob) if int(b, 16)}
        blobs = self.repo.blobs(sorted(ids))
        return {c.path: (blobs.get(c.old_blob), blobs.get(c.new_blob)) for c in self.changes}

    def start(self, label: str, *, backwards: bool = False) -> Future[TestRun]:
        """Begin a run of the check on the resulting tree in a sandbox of its own; the same label, the same run."""
        if label not in self._runs:
            self._runs[label] = self.run_on(self.tree, backwards=backwards)
        return self._runs[label]

    def run_on(self, tree: str, *, backwards: bool = False) -> Future[TestRun]:
        """Begin a run of the whole check on any tree, its tests last one first when it goes `backwards`."""
        compiled = [c.path for c in self.changes if c.path.endswith(".py") and c.status != "D"]
        how = (
            {
                "repeat": self.made.failing,
                "rounds": _REPEATS,
                "compiled": compiled,
                "probe": True,
                "backwards": backwards,
            }
            if self.is_pytest
            else {}
        )
        return self.lab.start(self.case, tree, self.made.files, self.made.command, **how)

    def only(self, tests: Sequence[str]) -> Future[TestRun]:
        """Begin a run of just these tests on the resulting tree."""
        return self.lab.start(self.case, self.tree, self.made.files, self.made.command, only=tests)

    def beside(self, work: Callable[[Trial], Ruling]) -> Future[Ruling]:
        """Begin a gate's work in the background while others wait for their runs; once for each patch."""
        key = (work.__module__, self.patch.diff)
        if key not in self._beside:
            self._beside[key] = future = Future[Ruling]()
            threading.Thread(target=_work, args=(future, work, self), name="beside", daemon=True).start()
        return self._beside[key]

    def quarantine(self, tests: frozenset[str]) -> None:
        """Hold these tests against no patch of this trial; people are told of them."""
        self.quarantined |= tests

    def drop_runs(self) -> None:
        """Forget (and where possible stop) runs that are not needed any more."""
        for run in self._runs.values():
            run.cancel()
        self._runs.clear()

    def shrunk(self, tree: str) -> Trial:
        """The same trial for the smaller patch that leads to `tree`."""
        diff = self.repo.diff(self.case.base, tree)
        files = tuple(c.path for c in changes(self.repo, self.case.base, tree))
        patch = replace(self.patch, diff=diff, files=files)
        smaller = Trial(self.case, patch, self.policy, self.lab, self.note, self.on_base)
        smaller.reverted_tests, smaller.quarantined = self.reverted_tests, self.quarantined
        return smaller

    def become(self, smaller: Trial) -> None:
        """Go on with a smaller patch."""
        self.drop_runs()
        self.patch = smaller.patch
        for name in ("tree", "changes", "sources"):
            self.__dict__.pop(name, None)


def _work(future: Future[Ruling], work: Callable[[Trial], Ruling], trial: Trial) -> None:
    try:
        future.set_result(work(trial))
    except BaseException as error:  # noqa: BLE001 - a thread's edge: whatever it is, the waiting side gets it
        future.set_exception(error)


__all__ = ["GitError", "Ruling", "Trial", "accept", "reject", "unjudged"]
