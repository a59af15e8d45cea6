"""The template fixer: localise, draft thousands of small edits, try them inside one sandbox, hand over the survivors.

The search is told to stop soon after its first find, so that alternatives exist and can be ranked; asked for more
patches than that, it goes on where it stopped.
"""

from __future__ import annotations

import ast
import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.kit.checks import PytestCall, named_files, parse_pytest
from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Case, Patch
from nightshift.daemon.ports import WORKDIR, Budget, Note, Workbench
from nightshift.fixers.templates.all_templates import edits_at
from nightshift.fixers.templates.conversation import Conversation, WorkerLost
from nightshift.fixers.templates.import_time import at_import
from nightshift.fixers.templates.portions import Portions
from nightshift.fixers.templates.ranking import Candidate, Crash, Evidence, Propose, pairs
from nightshift.fixers.templates.repository import File, diff_of, expected_literals, parse, read_files, words_of
from nightshift.fixers.templates.unittest_call import as_pytest

_ALTERNATIVES = 6
_GRADED = 600
_JOINED = 260
_WHOLE_TEST = 0.5
_ACCOUNTED = 20
_DONE = ("exhausted", "spare", "unlikely")


class Settings(BaseModel):
    """How the template search spends its time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cores: int = Field(default=2, ge=1, le=64)
    """Candidates tried at the same time."""
    linger_s: float = Field(default=0.15, ge=0)
    """How long the search goes on after its first find, so that there are alternatives to rank."""
    baseline_s: float = Field(default=60.0, gt=0)
    """Most time for measuring what the unpatched tests do."""
    others_s: float = Field(default=6.0, ge=0)
    """Time for measuring tests that pass, once the failing ones are measured; of a long suite only those nearest to
    the failing ones are measured, the rest is left to the tester."""
    alternatives_s: float = Field(default=2.0, ge=0)
    """How long, after the first find, the search may go on for all alternatives together."""
    unlikely: float = Field(default=0.25, ge=0, le=1)
    """Once one is found, candidates less likely than this share of it are not tried; 0 tries all there is time for."""
    partial: int = Field(default=24, ge=0)
    """How many partial fixes the two-edit search starts from; 0 turns it off."""


@dataclass
class Search:
    """What is known while one draft runs."""

    case: Case
    budget: Budget
    files: Mapping[str, File]
    talk: Conversation
    baseline: dict[str, Any]
    candidates: list[Candidate] = field(default_factory=list)
    tried: int = 0
    seconds: float = 0.0
    why: str = ""
    grades: dict[int, float] = field(default_factory=dict)
    plausible: list[int] = field(default_factory=list)
    paired: bool = False
    lost: int = 0
    enough_at: float = math.inf
    expected: tuple[str, ...] = ()

    def left_s(self) -> float:
        """Seconds until the deadline, or until alternatives have had their time."""
        return min(self.budget.deadline, self.enough_at) - time.monotonic()


class TemplateFixer:
    """Port `Fixer`."""

    name = "templates"

    def __init__(self, settings: Settings | None = None, propose: Propose = edits_at) -> None:
        self._settings, self._propose = settings or Settings(), propose

    def draft(self, case: Case, bench: Workbench, budget: Budget, note: Note) -> Iterator[Patch]:
        """Patches that turn the reproduction green, best first. Raises EnvironmentBroke when the sandbox fails."""
        made = case.reproduction
        if made is None or made.kind == "none" or not made.command:
            note("templates: nothing to search without a reproduction")
            return
        repo = BareRepo(case.repo)
        tree = {entry.path for entry in repo.entries(case.base)}
        files = read_files(repo, case.base, {*made.files, *named_files(made.command, tree)})
        if not files:
            note("templates: no Python files to edit")
            return
        call = parse_pytest(made.command) or as_pytest(made.command, tree)
        modes: list[PytestCall | None] = [call, None] if call else [None]
        for mode in modes:
            given = False
            try:
                for patch in self._draft(case, bench, budget, note, repo, files, mode):
                    given = True
                    yield patch
                return
            except WorkerLost as lost:
                note(f"templates: {_last_line(str(lost))}")
                if given:
                    return

    def _draft(
        self, case: Case, bench: Workbench, budget: Budget, note: Note, repo: BareRepo, files: Mapping[str, File],
        call: PytestCall | None,
    ) -> Iterator[Patch]:  # fmt: skip
        talk = Conversation(bench.open(), call.interpreter if call else ("python",), dict(call.env) if call else {},
                            max(1.0, budget.deadline - time.monotonic()) + 900.0)  # fmt: skip
        with talk:
            talk.start(self._setup(case, files, call, budget))
            baseline = _wait_for_baseline(talk, budget.deadline)
            search = Search(case, budget, files, talk, baseline)
            drafts = _drafts(search, self._propose)
            try:
                search.candidates = drafts.next()
                note(
                    f"templates: {len(baseline['failing']) or 'the check'} failing, {baseline['passing']} passing, "
                    f"{len(search.candidates)} candidates to begin with"
                )
                yield from self._search(search, repo, note, drafts)
            finally:
                drafts.close()
                budget.searched(_account(search))

    def _setup(self, case: Case, files: Mapping[str, File], call: PytestCall | None, budget: Budget) -> dict[str, Any]:
        made = case.reproduction
        assert made is not None
        left = budget.deadline - time.monotonic()
        return {
            "mode": "pytest" if call else "command", "command": made.command, "args": list(call.args) if call else [],
            "module_mode": bool(call and call.module), "failing": list(made.failing), "files": sorted(files),
            "root": WORKDIR,
            "encodings": {p: _python_encoding(f.encoding) for p, f in files.items() if f.encoding != "utf-8"},
            "cores": self._settings.cores, "baseline_s": max(1.0, min(self._settings.baseline_s, left * 0.4)),
            "others_s": self._settings.others_s,
            "answers": -1, "requests": -1,
        }  # fmt: skip

    def _search(self, search: Search, repo: BareRepo, note: Note, drafts: Portions) -> Iterator[Patch]:
        given: set[str] = set()
        order = _try(search.candidates, 0) | {"spare": True}
        while search.left_s() > 0.2 and len(given) < search.budget.patches:
            found = self._round(search, order, max(_ALTERNATIVES, search.budget.patches - len(given)))
            for candidate in sorted(found, key=lambda c: (-c.score, c.edits[0].path, c.edits[0].start)):
                patch = _patch(search, repo, candidate)
                if patch is not None and patch.diff not in given and len(given) < search.budget.patches:
                    given.add(patch.diff)
                    search.enough_at = min(search.enough_at, time.monotonic() + self._settings.alternatives_s)
                    yield patch
            if given and search.why in _DONE:
                break
            if search.why in ("exhausted", "spare"):
                if (more := self._next(search, drafts, note)) is None:
                    break
                order = more
            else:
                order = {"op": "more"} | ({"unlikely": 0.0} if search.why == "unlikely" else {})
        why = search.why or "time is up"
        note(f"templates: {search.tried} candidates tried in {search.seconds:.1f} s, {len(given)} patches ({why})")

    def _next(self, search: Search, drafts: Portions, note: Note) -> dict[str, Any] | None:
        """What to try when nothing that was tried is good: the next portion of single edits, then pairs of edits."""
        first, more = len(search.candidates), drafts.next()
        if more:
            search.candidates.extend(more)
            return _try(more, first) | {"spare": True}
        if search.why == "spare":
            return _try([], first)
        return self._pairs(search, note) if self._settings.partial and search.left_s() >= 1.0 else None

    def _round(self, search: Search, order: dict[str, Any], patches: int) -> list[Candidate]:
        limits = {
            "patches": patches,
            "linger_s": self._settings.linger_s,
            "deadline_s": max(0.1, search.left_s() - 0.3),
        }
        search.talk.order({"unlikely": self._settings.unlikely, **order, **limits})
        return self._listen(search)

    def _listen(self, search: Search) -> list[Candidate]:
        """Everything the worker says until its round is over."""
        found = []
        for message in search.talk.hear(search.budget.deadline + 5.0):
            if message["t"] == "plausible":
                search.plausible.append(_index(message["n"], search))
                found.append(search.candidates[search.plausible[-1]])
            elif message["t"] == "grade":
                search.grades[_index(message["n"], search)] = float(message["grade"])
            elif message["t"] == "idle":
                search.budget.tried(max(0, int(message["tried"]) - search.tried))
                search.why, search.tried = str(message["why"]), int(message["tried"])
                search.seconds += float(message["seconds"])
                search.lost = int(message.get("lost", 0))
                return found
        search.why = "deadline"
        return found

    def _pairs(self, search: Search, note: Note) -> dict[str, Any] | None:
        """Grade the best single edits by how far the failing tests get with them, then join the ones that help."""
        if search.paired:
            return None
        search.paired = True
        ranked = sorted(search.candidates, key=lambda c: -c.score)
        singles = [c for c in ranked if not c.imports][:_GRADED]
        search.talk.order({**_try(singles, 0, "grade"), "patches": 1_000_000, "linger_s": 1e9, "unlikely": 0.0,
                           "deadline_s": max(0.1, search.left_s() * 0.4)})  # fmt: skip
        self._listen(search)
        helpful = _helpful(singles, search.grades, self._settings.partial)
        joined = pairs(helpful, ranked[:_JOINED], search.budget.candidates, search.expected)
        note(f"templates: no single edit is enough; {len(helpful)} help, {len(joined)} pairs of edits")
        first = len(search.candidates)
        search.candidates.extend(joined)
        return _try(joined, first) if joined else None


def _account(search: Search) -> dict[str, Any]:
    """How it was searched, for the record: nothing is drawn by lot, so the ranking alone repeats it."""
    shown = dict.fromkeys([*search.plausible[:_ACCOUNTED], *range(min(_ACCOUNTED, len(search.candidates)))])
    best = [
        {
            "n": n, "score": round(search.candidates[n].score, 6), "plausible": n in search.plausible,
            "edits": [f"{e.path}:{e.line} {e.template}: {e.note}"[:160] for e in search.candidates[n].edits],
        }
        for n in list(shown)[:_ACCOUNTED]
    ]  # fmt: skip
    return {"candidates": len(search.candidates), "tried": search.tried, "seconds": round(search.seconds, 3),
            "why": search.why or "time is up", "plausible": len(search.plausible), "best": best}  # fmt: skip


def _index(n: Any, search: Search) -> int:
    if not isinstance(n, int) or not 0 <= n < len(search.candidates):
        raise WorkerLost("the worker named a candidate that does not exist")
    return n


def _helpful(singles: list[Candidate], grades: Mapping[int, float], most: int) -> list[tuple[Candidate, float]]:
    """Candidates whose grade beats the usual one, with their gain; most candidates change nothing for the better."""
    usual = sorted(grades.values())[len(grades) // 2] if grades else 0.0
    better = [
        (singles[n], min(grade - usual, 3.0)) for n, grade in grades.items() if n < len(singles) and grade > usual
    ]
    ranked = sorted(better, key=lambda pair: (-round(pair[1], 3), -pair[0].score))
    slight = [pair for pair in ranked if pair[1] < _WHOLE_TEST][: most // 2]  # got further, yet no test turned green
    return [*[pair for pair in ranked if pair[1] >= _WHOLE_TEST][: most - len(slight)], *slight]


def _wait_for_baseline(talk: Conversation, deadline: float) -> dict[str, Any]:
    for message in talk.hear(deadline):
        if message["t"] == "unusable":
            raise WorkerLost(f"{message['why']} in the search")
        if message["t"] == "baseline":
            return message
    raise WorkerLost("time was up before the tests had run once")


def _try(candidates: list[Candidate], first: int, mode: str = "quick") -> dict[str, Any]:
    rows = [
        {"n": first + i, "s": round(c.score, 6), "e": [[e.path, e.start, e.end, e.text] for e in c.edits],
         **({"r": 1} if c.imports else {})}
        for i, c in enumerate(candidates)
    ]  # fmt: skip
    return {"op": "try", "mode": mode, "candidates": rows}


def _drafts(search: Search, propose: Propose) -> Portions:
    tests = list(_failing_tests(search))
    known = evidence_of(search.case, search.baseline, search.files)
    evidence = replace(known, expected=expected_literals(tests), words=words_of(tests))
    search.expected = evidence.expected
    paths = dict.fromkeys([*evidence.suspicion, *(f[0] for c in evidence.crashes for f in c.frames)])
    sources = parse(search.files, paths)
    early = {path: at_import(source, evidence.suspicion.get(path, {})) for path, source in sources.items()}
    evidence = replace(evidence, suspicion={p: {**early.get(p, {}), **n} for p, n in evidence.suspicion.items()})
    sworn = {(path, line) for path, source in sources.items() for line in _asserted(source.tree)}
    keep = partial(_unsworn, sworn)
    return Portions(sources, evidence, search.budget.candidates, propose, keep, early)


def _unsworn(sworn: set[tuple[str, int]], candidate: Candidate) -> bool:
    return not any((edit.path, edit.line) in sworn for edit in candidate.edits)


def _asserted(tree: ast.AST) -> Iterator[int]:
    """Lines of assert statements: they say what is right, so they are never what is wrong."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _failing_tests(search: Search) -> Iterator[tuple[str, str]]:
    """Source and function name of each failing test, as far as they can be read."""
    made = search.case.reproduction
    repo = BareRepo(search.case.repo)
    texts: dict[str, str] = dict(made.files) if made else {}
    for test in list(search.baseline["failing"])[:12]:
        path, _, rest = str(test).partition("::")
        if path not in texts:
            texts[path] = (repo.read(search.case.base, path) or b"").decode("utf-8", "replace")
        yield texts[path], rest.rpartition("::")[2].partition("[")[0]


def evidence_of(case: Case, baseline: Mapping[str, Any], files: Mapping[str, File]) -> Evidence:
    """Suspicion and crashes from the worker's baseline and the diagnosis; if nothing was traced, from frames."""
    crashes = [
        Crash(
            exception=str(c["exception"]),
            message=str(c["message"]),
            frames=tuple((str(f[0]), int(f[1])) for f in c["frames"]),
        )
        for c in baseline["crashes"]
    ]
    diagnosis = case.diagnosis
    frames = tuple((f.path, f.line) for f in diagnosis.frames if f.path in files)
    if frames:
        crashes.append(Crash(exception=diagnosis.exception, message=diagnosis.message, frames=frames))
    suspicion = {
        str(p): {int(n): float(s) for n, s in lines.items()} for p, lines in baseline["suspicion"].items() if p in files
    }
    if not suspicion:
        suspicion = _untraced(crashes, files)
    kinds = {
        str(path): {
            int(n): {str(k): frozenset(map(str, v)) for k, v in names.items()} for n, names in functions.items()
        }
        for path, functions in baseline.get("kinds", {}).items()
    }
    return Evidence(suspicion=suspicion, crashes=tuple(crashes), kinds=kinds)


def _untraced(crashes: list[Crash], files: Mapping[str, File]) -> dict[str, dict[int, float]]:
    crashed = {path for crash in crashes for path, _ in crash.frames}
    weight = dict.fromkeys(crashed, 0.4) or dict.fromkeys(files, 0.3)
    return {p: dict.fromkeys(range(1, files[p].text.count("\n") + 2), w) for p, w in weight.items() if p in files}


def _patch(search: Search, repo: BareRepo, candidate: Candidate) -> Patch | None:
    case = search.case
    try:
        diff = diff_of(repo, case.base, search.files, candidate)
    except (GitError, UnicodeEncodeError):
        return None
    return Patch(
        id=stable_id("patch", case.base, diff), base=case.base, diff=diff,
        files=tuple(dict.fromkeys(e.path for e in candidate.edits)), fixer=TemplateFixer.name,
        rationale=_rationale(search, candidate), kind="+".join(dict.fromkeys(e.template for e in candidate.edits)),
        score=round(candidate.score, 6),
    )  # fmt: skip


def _rationale(search: Search, candidate: Candidate) -> str:
    sources = parse(search.files, {e.path for e in candidate.edits})
    parts = []
    for edit in candidate.edits:
        place = _place(sources[edit.path], edit.line) if edit.path in sources else edit.path
        parts.append(f"in `{place}`, {edit.note} (line {edit.line})")
    base = search.baseline
    failing = len(base["failing"])
    green = f"{failing} of {failing} failing tests pass, {base['passing']} others stay green"
    proof = green if failing else "the check passes"
    return f"{'; and '.join(parts)}; {proof}; {search.tried:,} candidates tried"


def _place(source: Any, line: int) -> str:
    module = os.path.splitext(source.path)[0].removeprefix("src/").replace("/", ".")
    best = ""
    for node in ast.walk(source.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.lineno <= line <= (
            node.end_lineno or 0
        ):
            name = source.qualname(node)
            best = name if len(name) >= len(best) else best
    return f"{module}.{best}" if best else module


def _python_encoding(name: str) -> str:
    return "utf-8" if name == "utf-8-sig" else name


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else "the worker ended"
