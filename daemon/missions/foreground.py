"""One mission in the foreground: `nightshift heal`. No database, no daemon; the repository is only read."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.missions import arbiter, mending
from nightshift.daemon.model import Case, Diagnosis, Patch, Reproduction, Service, Signal, Verdict, dump
from nightshift.daemon.ports import Budget, EnvironmentBroke, Fixer, Note, Reproducer, Tester

EXIT_CODES = {"healed": 0, "abstained": 1, "no_patch": 1, "unjudged": 3}


class BadRequest(Exception):
    """The request can't be carried out as it stands; the message says what to change."""


@dataclass(frozen=True, kw_only=True)
class HealRequest:
    """What `nightshift heal` was asked. `log` is the raw log, `fixers` names in the order wanted."""

    repo: str
    check: str = ""
    log: bytes | None = None
    fixers: tuple[str, ...] = ("revert", "templates")
    budget_s: float = 300.0
    python: str = ""
    image: str = "host"


@dataclass(frozen=True, kw_only=True)
class HealResult:
    """What came of it. `verdict` belongs to `patch`, or to the last patch refused."""

    outcome: str
    reason: str
    reproduction: Reproduction | None = None
    verdict: Verdict | None = None
    alternatives: tuple[str, ...] = ()
    candidates: int = 0
    durations_s: dict[str, float] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 healed, 1 no patch or abstained, 3 the environment broke."""
        return EXIT_CODES[self.outcome]

    def to_json(self) -> dict[str, Any]:
        """The result as documented in the README."""
        healed = self.outcome == "healed" and self.verdict
        return {
            "outcome": self.outcome,
            "reason": self.reason,
            "patch": _patch_json(self.verdict.patch) if healed and self.verdict else None,
            "verdict": _verdict_json(self.verdict) if self.verdict else None,
            "alternatives": list(self.alternatives),
            "candidates": self.candidates,
            "reproduction": _reproduction_json(self.reproduction) if self.reproduction else None,
            "durations_s": {k: round(v, 3) for k, v in self.durations_s.items()},
        }


def _patch_json(patch: Patch) -> dict[str, Any]:
    return {"diff": patch.diff, "files": list(patch.files), "fixer": patch.fixer, "kind": patch.kind,
            "rationale": patch.rationale}  # fmt: skip


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    data = dump(verdict)
    return {k: data[k] for k in ("judgement", "failed", "reason", "gates", "quarantined")}


def _reproduction_json(reproduction: Reproduction) -> dict[str, Any]:
    data = dump(reproduction)
    return {k: data[k] for k in ("kind", "command", "failing", "files", "reason")}


@contextmanager
def adopted(repo: str) -> Iterator[tuple[BareRepo, str]]:
    """The repository's HEAD fetched into a bare repository of our own; raises BadRequest with what to do."""
    with tempfile.TemporaryDirectory(prefix="nightshift-heal-", ignore_cleanup_errors=True) as folder:
        own = BareRepo.ensure(f"{folder}/repo.git")
        try:
            own.fetch(repo, ["+HEAD:refs/heads/base"])
        except GitError as error:
            raise BadRequest(_why_no_head(repo, str(error))) from error
        yield own, own.resolve("refs/heads/base")


def _why_no_head(repo: str, error: str) -> str:
    if "couldn't find remote ref HEAD" in error or "find remote ref" in error:
        return f"{repo} has no commit yet: commit something, HEAD is what is healed"
    if "not appear to be a git repository" in error or "not a git repository" in error:
        return f"{repo} is not a git repository: run git init and commit, or point --repo at one"
    return f"{repo} can't be read by git: {error}"


@dataclass
class _Stopwatch:
    """Seconds per stage; stages that come again add up."""

    durations: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self.durations[name] = self.durations.get(name, 0.0) + time.monotonic() - start


class Healer:
    """Runs a request through reproduction, fixers and tester."""

    def __init__(self, reproducer: Reproducer, tester: Tester, fixers: Sequence[Fixer], note: Note) -> None:
        self._reproducer, self._tester, self._fixers, self._note = reproducer, tester, fixers, note
        self._tried: list[int] = []

    def heal(self, request: HealRequest, signals: Sequence[Signal]) -> HealResult:
        """One mission; raises BadRequest. A broken environment is the outcome `unjudged`."""
        watch = _Stopwatch()
        start = time.monotonic()
        with adopted(request.repo) as (repo, base):
            try:
                result = self._mission(request, signals, repo, base, watch)
            except EnvironmentBroke as error:
                result = HealResult(outcome="unjudged", reason=str(error))
        durations = {**watch.durations, "total": time.monotonic() - start}
        return replace(result, durations_s=durations, candidates=sum(self._tried))

    def _mission(self, request: HealRequest, signals: Sequence[Signal], repo: BareRepo, base: str,
                 watch: _Stopwatch) -> HealResult:  # fmt: skip
        service = Service(name="heal", repo=request.repo, check=request.check, image=request.image,
                          python=request.python)  # fmt: skip
        deadline = time.monotonic() + request.budget_s
        with watch.stage("gathering"):
            case = self._case(service, repo, base, signals)
        with watch.stage("reproducing"):
            red = self._reproduce(case)
        if not mending.is_red(red):
            return HealResult(outcome="no_patch", reason=f"not reproduced: {red.reason}", reproduction=red)
        case = replace(case, reproduction=red)
        attempt = self._attempt(case, deadline, watch)
        return _conclude(attempt, red, time.monotonic() >= deadline)

    def _reproduce(self, case: Case) -> Reproduction:
        red = self._reproducer.reproduce(case, self._note)
        if mending.is_red(red) or not (case.check and case.diagnosis.frames):
            return red
        # The log can't be made red, but the check was named as a failure in its own right.
        alone = self._reproducer.reproduce(replace(case, diagnosis=Diagnosis()), self._note)
        return alone if mending.is_red(alone) else red

    def _case(self, service: Service, repo: BareRepo, base: str, signals: Sequence[Signal]) -> Case:
        cases = [mending.open_case("heal", service, repo.path, base, s) for s in reversed(signals)]
        pointing = [c for c in cases if c.diagnosis.frames]
        if pointing:
            return pointing[0]
        if not service.check:
            found = f"{len(signals)} traceback(s), none of whose frames" if signals else "no traceback that"
            raise BadRequest(f"the log holds {found} points into the repository at HEAD; give --check as well")
        return mending.open_case("heal", service, repo.path, base, None)

    def _attempt(self, case: Case, deadline: float, watch: _Stopwatch) -> mending.Attempt:
        attempt = mending.Attempt()
        for at, fixer in enumerate(self._fixers):
            share = (deadline - time.monotonic()) / (len(self._fixers) - at)
            if share <= 0:
                break
            budget = Budget(deadline=time.monotonic() + share, tried=self._tried.append)
            with watch.stage("drafting"):
                patches = list(mending.draft(fixer, case, self._reproducer, budget, self._note))
            with watch.stage("judging"):
                latest = mending.judge_until_accepted(case, patches, self._tester, self._note)
            attempt = mending.Attempt(
                accepted=attempt.accepted + latest.accepted, rejected=attempt.rejected + latest.rejected,
                unjudged=attempt.unjudged + latest.unjudged, waiting=attempt.waiting + latest.waiting,
            )  # fmt: skip
            if attempt.accepted:
                break
        return attempt


def _conclude(attempt: mending.Attempt, red: Reproduction, out_of_time: bool) -> HealResult:
    choice = arbiter.choose(attempt.accepted, attempt.plausible, red)
    others = [v.patch.diff for v in attempt.accepted if v is not choice.verdict]
    alternatives = tuple(others + [p.diff for p in attempt.waiting])
    if choice.verdict:
        return HealResult(outcome="healed", reason=choice.reason, reproduction=red, verdict=choice.verdict,
                          alternatives=alternatives)  # fmt: skip
    if attempt.accepted:
        return HealResult(outcome="abstained", reason=choice.reason, reproduction=red,
                          verdict=attempt.accepted[0], alternatives=alternatives)  # fmt: skip
    if attempt.unjudged and not attempt.rejected:
        last = attempt.unjudged[-1]
        return HealResult(outcome="unjudged", reason=last.reason, reproduction=red, verdict=last)
    last_refused = attempt.rejected[-1] if attempt.rejected else None
    reason = (
        f"the last of {len(attempt.rejected)} drafts failed at {last_refused.failed}"
        if last_refused
        else ("the budget ran out before any patch passed" if out_of_time else "no fixer found a patch that passes")
    )
    return HealResult(outcome="no_patch", reason=reason, reproduction=red, verdict=last_refused)


__all__ = ["BadRequest", "HealRequest", "HealResult", "Healer"]
