"""One mission in the foreground: `nightshift heal`. No database, no daemon; the repository is only read."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.missions import mending, proposals, tournament
from nightshift.daemon.missions.budget import Tournament
from nightshift.daemon.missions.contest import Contest
from nightshift.daemon.missions.decision import decide
from nightshift.daemon.missions.scoresheet import Scoresheet
from nightshift.daemon.missions.tournament import Rules, Standing
from nightshift.daemon.model import (
    Case,
    Critique,
    Diagnosis,
    Judgement,
    Patch,
    Reproduction,
    Service,
    Signal,
    Verdict,
    dump,
)
from nightshift.daemon.ports import Critic, EnvironmentBroke, Fixer, Note, Reproducer, Tester

_LIMITS = Tournament()
EXIT_CODES = {"healed": 0, "abstained": 1, "no_patch": 1, "unjudged": 3}


class BadRequest(Exception):
    """The request can't be carried out as it stands; the message says what to change."""


@dataclass(frozen=True, kw_only=True)
class HealRequest:
    """What `nightshift heal` was asked. `log` is the raw log, `fixers` names in the order wanted."""

    repo: str
    check: str = ""
    log: bytes | None = None
    fixers: tuple[str, ...] = ("revert", "dependencies", "environment", "templates", "javascript", "donors")
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
    sheet: Scoresheet | None = None

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
            "rounds": list(tournament.rows(self.sheet.standing)) if self.sheet else [],
            "critique": _critique_json(self.sheet.standing.critique) if self.sheet else None,
            "reproduction": _reproduction_json(self.reproduction) if self.reproduction else None,
            "durations_s": {k: round(v, 3) for k, v in self.durations_s.items()},
        }


def _patch_json(patch: Patch) -> dict[str, Any]:
    return {"diff": patch.diff, "files": list(patch.files), "fixer": patch.fixer, "kind": patch.kind,
            "rationale": patch.rationale}  # fmt: skip


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    data = dump(verdict)
    return {k: data[k] for k in ("judgement", "failed", "reason", "gates", "quarantined")}


def _critique_json(critique: Critique | None) -> dict[str, Any] | None:
    if critique is None:
        return None
    data = dump(critique)
    refuted = [{"patch": c.patch, "why": c.refuted} for c in critique.criticisms if c.refuted]
    return {k: data[k] for k in ("clusters", "inputs", "recorded", "witnesses", "abstain")} | {"refuted": refuted}


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

    def __init__(
        self, reproducer: Reproducer, tester: Tester, fixers: Sequence[Fixer], note: Note,
        critic: Critic | None = None, limits: Tournament = _LIMITS,
    ) -> None:  # fmt: skip
        self._advice: list[str] = []
        self._reproducer, self._tester, self._fixers = reproducer, tester, fixers
        self._note = proposals.heard(note, self._advice)
        self._critic, self._limits = critic, limits
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
        if result.outcome in ("no_patch", "abstained"):
            result = replace(result, reason=proposals.with_advice(result.reason, self._advice))
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
        contest = self._contest(deadline, watch)
        standing = contest.hold(case)
        return _conclude(standing, case, contest.rules, time.monotonic() >= deadline)

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

    def _contest(self, deadline: float, watch: _Stopwatch) -> Contest:
        return Contest(
            reproducer=self._reproducer, tester=self._tester, creators=self._fixers, critic=self._critic,
            rules=Rules(rounds=self._limits.rounds, field=self._limits.field, critic=self._critic is not None),
            note=self._note, deadline=deadline,
            cores=self._limits.creators_at_once(), tried=self._tried.append, timed=watch.stage,
        )  # fmt: skip


def _conclude(standing: Standing, case: Case, rules: Rules, out_of_time: bool) -> HealResult:
    red = case.reproduction
    assert red is not None
    choice = decide(standing, red)
    chosen = choice.verdict
    sheet = Scoresheet(case=case, rules=rules, standing=standing, reason=choice.reason,
                       chosen=chosen.patch.id if chosen else "")  # fmt: skip
    known = HealResult(outcome="no_patch", reason=choice.reason, reproduction=red, sheet=sheet)
    survivors = [e.verdict for e in standing.now.survivors if e.verdict]
    if survivors:
        others = [v.patch.diff for v in survivors if v is not chosen]
        alternatives = tuple(others + [e.patch.diff for e in standing.now.waiting])
        outcome = "healed" if chosen else "abstained"
        return replace(known, outcome=outcome, verdict=chosen or survivors[0], alternatives=alternatives)
    return _nothing(known, standing, out_of_time)


def _nothing(known: HealResult, standing: Standing, out_of_time: bool) -> HealResult:
    """No patch: why, and the last verdict there is."""
    verdicts = [e.verdict for e in standing.entries if e.verdict]
    unjudged = [v for v in verdicts if v.judgement is Judgement.UNJUDGED]
    rejected = [v for v in verdicts if v.judgement is Judgement.REJECTED]
    refuted = [e.verdict for each in standing.rounds for e, _ in each.refutations if e.verdict]
    if refuted:
        return replace(known, verdict=refuted[-1])
    if unjudged and not rejected:
        return replace(known, outcome="unjudged", reason=unjudged[-1].reason, verdict=unjudged[-1])
    if rejected:
        reason = f"the last of {len(rejected)} drafts failed at {rejected[-1].failed}"
        return replace(known, reason=reason, verdict=rejected[-1])
    late = "the budget ran out before any patch passed"
    return replace(known, reason=late if out_of_time else "no fixer found a patch that passes")


__all__ = ["BadRequest", "HealRequest", "HealResult", "Healer"]
