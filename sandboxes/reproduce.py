"""Red before green: makes an incident fail on its base commit, or says why it can't.

In order: the given check; an existing test that fails in the incident's frames; a test synthesised from recorded
locals. Whatever is red must be red twice, side by side in two sandboxes: what differs is flaky and proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from nightshift.daemon.kit.checks import parse_pytest
from nightshift.daemon.kit.clock import Clock, SystemClock
from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import Case, Reproduction, TestStatus
from nightshift.daemon.ports import EnvironmentBroke, Note, Sandboxes, Workbench
from nightshift.sandboxes.adapting import adapted
from nightshift.sandboxes.bench import Bench
from nightshift.sandboxes.commands import SUITE, is_test_file, lean, wants_plugins, with_file
from nightshift.sandboxes.fitness import Lacks, unfit
from nightshift.sandboxes.harness import TestRun
from nightshift.sandboxes.lab import Lab, spec_of
from nightshift.sandboxes.matching import alike, related
from nightshift.sandboxes.project import advice
from nightshift.sandboxes.proof import COLLECTION, FLAKY
from nightshift.sandboxes.synthesise import Syntheses, Synthesis, synthesise

_EVIDENCE = 4000
_WARM = 3
_ADAPTED = 2


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """One command seen twice on base. `reason` says why it proves nothing ('' = it can be read)."""

    command: str
    run: TestRun
    bad: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    reason: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    def baseline(self) -> dict[str, str]:
        """Every id with its status on base."""
        return {test: FLAKY if test in self.flaky else str(status) for test, status in self.run.statuses.items()}


class SandboxReproducer:
    """Port `Reproducer` over an engine of sandboxes."""

    def __init__(self, sandboxes: Sandboxes, *, timeout_s: float = 300.0, clock: Clock | None = None) -> None:
        self._sandboxes, self._clock = sandboxes, clock or SystemClock()
        self._lab = Lab(sandboxes, timeout_s=timeout_s, name="reproduce")

    def bench(self, case: Case) -> Workbench:
        """A workbench for fixers; it opens sandboxes of its own."""
        return Bench(self._lab, case)

    def reproduce(self, case: Case, note: Note) -> Reproduction:
        """See the port. Raises EnvironmentBroke when the engine or the check's environment is at fault."""
        began = self._clock.monotonic()
        try:
            made = self._reproduce(case, note)
        except Lacks as error:
            raise EnvironmentBroke(f"{error}{advice(case, error.module)}") from error
        if made.kind != "none":
            self._sandboxes.prewarm(spec_of(case), _WARM)
        evidence = redact(made.evidence)[:_EVIDENCE]
        return replace(made, evidence=evidence, reason=redact(made.reason), duration_s=self._clock.monotonic() - began)

    def _reproduce(self, case: Case, note: Note) -> Reproduction:
        tree = _paths(case)
        made = synthesise(case, BareRepo(case.repo), tree) if case.diagnosis.frames else Syntheses()
        if made.drafts and parse_pytest(case.check):
            note(f"running the check on {case.base[:10]}, with a test made from the traceback")
            found = self._try(case, made.drafts[0], case.check, tree)
            if found.kind != "none":
                return found
        reason, checked = "no check was given", None
        if case.check:
            note(f"running the check on {case.base[:10]}")
            checked = self._see(case, case.check, {}, tree)
            if not checked.reason and _explains(checked, case):
                return _from_check(case, checked)
            reason = checked.reason or "the check is red for another reason than the incident"
        if not case.diagnosis.frames:
            return Reproduction(kind="none", reason=reason if case.check else "there is no check and no traceback")
        return self._from_frames(case, made, checked, reason, tree, note)

    def _see(self, case: Case, command: str, files: Mapping[str, str], tree: frozenset[str]) -> _Seen:
        quick = lean(case, command)
        runs = self._lab.pair(case, case.base, files, quick)
        if quick != command and any(wants_plugins(run) for run in runs):
            quick, runs = command, self._lab.pair(case, case.base, files, command)
        for _ in range(_ADAPTED):
            other = adapted(quick, runs[0], tree, partial(BareRepo(case.repo).read, case.base))
            if not other:
                break
            quick, runs = other, self._lab.pair(case, case.base, files, other)
        return _seen(quick, runs, _modules(tree), files)

    def _from_frames(
        self, case: Case, made: Syntheses, checked: _Seen | None, reason: str, tree: frozenset[str], note: Note
    ) -> Reproduction:
        note("looking for a test that fails in the same frames")
        base = case.check if parse_pytest(case.check) and checked and checked.run.statuses else SUITE
        tests = any(is_test_file(path) for path in tree)
        for draft in made.drafts or (None,):
            if draft is None and (not tests or (checked and checked.run.pytest and base == case.check)):
                break
            found = self._try(case, draft, base if tests else SUITE, tree)
            if found.kind != "none":
                return found
            reason = found.reason or reason
        return Reproduction(kind="none", reason=made.reason or reason)

    def _try(self, case: Case, draft: Synthesis | None, command: str, tree: frozenset[str]) -> Reproduction:
        files = {draft.path: draft.text} if draft else {}
        whole = with_file(command, draft.path, tree) if draft else command
        seen = self._see(case, whole, files, tree)
        if seen.reason and not seen.bad:
            return Reproduction(kind="none", reason=seen.reason)
        mine = f"{draft.path}::" if draft else "\0"
        own = [test for test in alike(seen.run, case.diagnosis) if test in seen.bad and test.startswith(mine)]
        existing = _the_incidents(seen, case, but=mine)
        if existing and whole != command:
            return self._try(case, None, command, tree)
        if existing:
            return _red("existing", seen, existing, without=draft.path if draft else "")
        if own and draft:
            return _red("synthesised", seen, own)
        return Reproduction(kind="none", reason="no test fails like the incident" if not draft else draft.doubt)


def _paths(case: Case) -> frozenset[str]:
    try:
        return frozenset(entry.path for entry in BareRepo(case.repo).entries(case.base))
    except (GitError, OSError) as error:
        raise EnvironmentBroke(f"the repository can't be read at {case.base[:12]}: {error}") from error


def _modules(tree: Iterable[str]) -> frozenset[str]:
    """Every folder and module name of the tree: what an import could mean."""
    parts = {part for path in tree for part in path.removesuffix(".py").split("/")}
    return frozenset(parts)


def _seen(command: str, runs: tuple[TestRun, TestRun], modules: frozenset[str], files: Mapping[str, str]) -> _Seen:
    for run in runs:
        if reason := unfit(run, modules):
            return _Seen(command=command, run=run, reason=reason, files=files)
    first, second = (_with_collection(run) for run in runs)
    if not first.pytest:
        return _seen_plain(command, first, second)
    bad = tuple(test for test in first.bad if test in second.bad)
    flaky = tuple(t for t, s in {**second.statuses, **first.statuses}.items() if _differs(t, s, first, second))
    reason = ""
    if not bad:
        reason = f"flaky: red once, green on repeat ({', '.join(flaky[:3])})" if flaky else "the check passes already"
    return _Seen(command=command, run=first, bad=bad, flaky=flaky, reason=reason, files=files)


def _seen_plain(command: str, first: TestRun, second: TestRun) -> _Seen:
    red = [run.code != 0 for run in (first, second)]
    reason = "" if all(red) else "flaky: red once, green on repeat" if any(red) else "the check passes already"
    return _Seen(command=command, run=first, reason=reason)


def _differs(test: str, status: TestStatus, first: TestRun, second: TestRun) -> bool:
    return first.statuses.get(test) != status or second.statuses.get(test) != status


def _with_collection(run: TestRun) -> TestRun:
    return run if not run.pytest or run.count is not None else replace(run, statuses={COLLECTION: TestStatus.ERROR})


def _explains(seen: _Seen, case: Case) -> bool:
    """Whether a red check shows the incident: a suite that is red elsewhere would prove nothing about it."""
    if not case.diagnosis.frames:
        return True
    if seen.run.pytest:
        return bool(_the_incidents(seen, case))
    wanted = case.diagnosis.exception.rpartition(".")[2]
    return bool(wanted) and wanted in seen.run.tail and case.diagnosis.frames[-1].function in seen.run.tail


def _from_check(case: Case, seen: _Seen) -> Reproduction:
    if not seen.run.pytest:
        return Reproduction(kind="check", command=seen.command, evidence=seen.run.tail[-_EVIDENCE:])
    return _red("check", seen, _the_incidents(seen, case) or seen.bad)


def _the_incidents(seen: _Seen, case: Case, but: str = "\0") -> list[str]:
    """Those failures of a check that are the incident's: in its frames, else telling of it in what they logged.

    Tests whose ids begin with `but` don't count.
    """
    for told in (alike(seen.run, case.diagnosis), related(seen.run, case.diagnosis)):
        if found := [test for test in told if test in seen.bad and not test.startswith(but)]:
            return found
    return []


def _red(kind: str, seen: _Seen, failing: Iterable[str], without: str = "") -> Reproduction:
    """A reproduction; the tests of the file `without` are left out again."""
    chosen = tuple(test for test in failing if test in seen.bad)
    baseline = {t: s for t, s in seen.baseline().items() if not without or t.partition("::")[0] != without}
    files = {path: text for path, text in seen.files.items() if path != without}
    return Reproduction(kind=kind, command=seen.command, failing=chosen, baseline=baseline, files=files,
                        evidence=_evidence(seen.run, chosen))  # fmt: skip


def _evidence(run: TestRun, failing: Iterable[str]) -> str:
    told = [f"{test}\n{run.failures[test].text}" for test in failing if test in run.failures]
    return "\n\n".join(told)[:_EVIDENCE] or run.tail[-_EVIDENCE:]
