"""The fixer for JavaScript and TypeScript: localise, draft small edits, try them in one sandbox, hand over survivors.

Two ways to try. Where the check is `node --test` or `node SCRIPT`, candidates run in threads of one node process, which
load the tree's modules afresh each time (hundreds a second); what passes is confirmed by the check itself. Any other
check is run as it is, a process a candidate, in copies of the tree.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.kit.checks import named_files, parse_pytest
from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.kit.node_checks import NodeCheck, files_of, parse_node, scripts_of
from nightshift.daemon.model import Case, Patch
from nightshift.daemon.ports import WORKDIR, Budget, Note, Workbench
from nightshift.fixers.javascript.all_templates import edits_at
from nightshift.fixers.javascript.grammar import NoGrammar, Source
from nightshift.fixers.javascript.ranking import Candidate, Propose, Spectrum, crash_lines, rank, spectrum
from nightshift.fixers.javascript.repository import built_from, editable, expected_literals, is_test, read_scripts
from nightshift.fixers.javascript.session import Found, NodeLost, Session
from nightshift.fixers.javascript.site import Failing

_MOST_TESTS = 400
_ALTERNATIVES = 6
_SLOW_S, _SLOW_PATCHES = 6.0, 2
_GIVING = ("jest", "vitest", "mocha")
_THREADED = ("node-test", "node", *_GIVING)
_SPARE_S = 5.0


class Settings(BaseModel):
    """How the search for JavaScript spends its time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cores: int = Field(default=2, ge=1, le=64)
    """Candidates tried at the same time."""
    linger_s: float = Field(default=0.5, ge=0)
    """How long the search goes on after its first find, so that there are alternatives to rank."""
    baseline_s: float = Field(default=60.0, gt=0)
    """Most time for measuring what the unpatched tests do."""
    hang_s: float = Field(default=4.0, gt=0)
    """A test that takes longer than this on its own is taken for one that never ends."""
    candidates: int = Field(default=6000, ge=1)
    """Most candidates tried in threads."""
    commands: int = Field(default=300, ge=0)
    """Most candidates tried by running the whole check; 0: such checks are not searched."""


@dataclass
class Search:
    """What is known while one draft runs."""

    case: Case
    budget: Budget
    check: NodeCheck | None
    repo: BareRepo
    data: Mapping[str, bytes]
    tree: frozenset[str]
    mapped: Mapping[str, str]
    sources: dict[str, Source] = field(default_factory=dict)
    tests: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    tried: int = 0

    def left_s(self) -> float:
        """Seconds until the deadline."""
        return self.budget.deadline - time.monotonic()

    def failing(self) -> list[dict[str, Any]]:
        """Tests that failed on base and are the reproduction's; all that failed where it names none."""
        made = self.case.reproduction
        wanted = {re.sub(r" #\d+$", "", name) for name in made.failing} if made else set()
        return [test for test in self.tests if test["error"] and (not wanted or " > ".join(test["names"]) in wanted)]

    def doubtful(self) -> bool:
        """Whether threads may have failed where the check itself would not: its runner is another, files don't load."""
        other = self.check is not None and self.check.runner in _GIVING
        return other or any(test["names"] == ["(file)"] for test in self.failing())

    def spare(self) -> list[dict[str, Any]]:
        """Tests that fail without being the reproduction's: here only, or for reasons of their own."""
        mine = {_id(test) for test in self.failing()}
        return [test for test in self.tests if test["error"] and _id(test) not in mine]


class JavaScriptFixer:
    """Port `Fixer`."""

    name = "javascript"

    def __init__(self, settings: Settings | None = None, propose: Propose = edits_at) -> None:
        self._settings, self._propose = settings or Settings(), propose

    def draft(self, case: Case, bench: Workbench, budget: Budget, note: Note) -> Iterator[Patch]:
        """Patches that turn the reproduction green, best first. Raises EnvironmentBroke when the sandbox fails."""
        made = case.reproduction
        if made is None or made.kind == "none" or not made.command or parse_pytest(made.command):
            return
        try:
            search = self._opened(case, budget)
            if search is None:
                return
            with bench.open() as box:
                yield from self._draft(search, Session(box), note)
        except (NodeLost, NoGrammar, GitError) as error:
            note(f"javascript: {' '.join(str(error).split())}")

    def _opened(self, case: Case, budget: Budget) -> Search | None:
        made = case.reproduction
        assert made is not None
        repo = BareRepo(case.repo)
        data = read_scripts(repo, case.base)
        checking = {*made.files, *named_files(made.command, set(data))}
        if not any(editable(path) and path not in checking for path in data):
            return None
        entries = {e.path: e.blob for e in repo.entries(case.base)}
        configs = [
            path
            for path in entries
            if path.endswith(".json") and path.rpartition("/")[2].startswith(("tsconfig", "package."))
        ]
        blobs = repo.blobs(sorted({entries[path] for path in configs}))
        read = {path: blobs[entries[path]] for path in configs}
        check = parse_node(made.command, scripts_of(read.get("package.json")))
        mapped = built_from({p: d for p, d in read.items() if "tsconfig" in p}, data)
        search = Search(case, budget, check, repo, data, frozenset(entries) | set(made.files), mapped)
        search.sources = {p: Source(p, d) for p, d in data.items() if editable(p) and p not in checking}
        return search

    def _draft(self, search: Search, session: Session, note: Note) -> Iterator[Patch]:
        texts = _texts(search) if search.check and search.check.runner in _THREADED else None
        files = _test_files(search) if texts is not None else []
        orders: dict[str, Any] = {}
        if texts is not None and files:
            orders = {
                "files": texts,
                "tests": files,
                "mapped": dict(search.mapped),
                "hang_ms": int(self._settings.hang_s * 1000),
                "globals": search.check is not None and search.check.runner in _GIVING,
            }
            answer = session.survey(orders, max(2.0, min(self._settings.baseline_s, search.left_s() * 0.3)))
            search.tests, search.seconds = _tests(answer, texts), _number(answer.get("seconds"))
        threaded = bool(search.failing())
        candidates = self._candidates(search, self._settings.candidates if threaded else self._settings.commands)
        shown = (
            f"{len(search.failing())} failing of {len(search.tests)} tests" if threaded else "the whole check a time"
        )
        note(f"javascript: {shown}, {len(candidates)} candidates")
        if not candidates:
            return
        given = False
        if threaded:
            for patch in self._threaded(search, session, orders, candidates, note):
                given = True
                yield patch
        if not given and (not threaded or search.doubtful()) and search.left_s() > _SPARE_S:
            candidates = candidates[: self._settings.commands]
            found = self._commands(search, session, candidates, range(len(candidates)), confirming=False)
            yield from self._given(search, candidates, found.plausible, note, found.why)

    def _candidates(self, search: Search, most: int) -> list[Candidate]:
        case, failing = search.case, search.failing()
        made = case.reproduction
        assert made is not None
        stacks = [f"{t['error']['stack']}\n{t['error']['cause']}" for t in failing] or [made.evidence]
        errors = [(t["error"]["name"], t["error"]["message"]) for t in failing]
        if not errors:
            errors = [(case.diagnosis.exception, f"{case.diagnosis.message}\n{made.evidence}")]
        crashes = crash_lines(stacks, case.diagnosis.frames, WORKDIR, search.sources, search.mapped)
        names = [t["names"][-1] for t in failing]
        tests = [
            Source(p, search.data[p])
            for p in sorted({t["file"] for t in failing} or filter(is_test, search.data))
            if p in search.data
        ]
        said = Failing(tuple(errors), expected_literals(tests, names))
        seen = spectrum(search.tests) if any(t.get("covered") for t in search.tests) else Spectrum()
        most = min(most, search.budget.candidates)
        return rank(search.sources, seen, crashes, said, self._propose, most)

    def _threaded(self, search: Search, session: Session, orders: dict[str, Any], candidates: Sequence[Candidate],
                  note: Note) -> Iterator[Patch]:  # fmt: skip
        failing = search.failing()
        broken = {test["file"] for test in failing}
        whole = {
            **orders, "op": "search", "candidates": [_edits(search, c) for c in candidates],
            "order": sorted(orders["tests"], key=lambda f: f not in broken),
            "must": [_id(t) for t in failing if t["names"] not in (["(file)"], ["(script)"])],
            "spare": [_id(t) for t in search.spare()],
            "cores": self._settings.cores, "linger_ms": int(self._settings.linger_s * 1000),
            "limit_ms": int(1000 * (0.6 + 8 * search.seconds)),
            "patches": max(_ALTERNATIVES, search.budget.patches),
        }  # fmt: skip
        found = session.search(whole, max(0.5, search.left_s() - 2.0))
        search.tried = found.tried
        search.budget.tried(found.tried)
        best = sorted(found.plausible, key=lambda n: -candidates[n].score)
        confirmed = self._commands(search, session, candidates, best, confirming=True).plausible if best else ()
        yield from self._given(search, candidates, confirmed, note, f"{found.why}, {found.seconds:.1f} s")

    def _commands(
        self, search: Search, session: Session, candidates: Sequence[Candidate], numbers: Sequence[int],
        *, confirming: bool,
    ) -> Found:  # fmt: skip
        """Those of the numbered candidates that pass the check itself; `confirming`: threads have tried them before."""
        made = search.case.reproduction
        assert made is not None
        chosen = [candidates[n] for n in numbers]
        paths = sorted({c.edit.path for c in chosen})
        limit_s = max(10.0, 3 * made.duration_s)
        most = _SLOW_PATCHES if made.duration_s > _SLOW_S else search.budget.patches
        orders = {
            "op": "commands", "command": made.command, "narrow": "", "candidates": [_edits(search, c) for c in chosen],
            "originals": {p: search.data[p].decode() for p in paths}, "cores": min(self._settings.cores, len(chosen)),
            "linger_ms": 600_000 if confirming else int(self._settings.linger_s * 1000),
            "limit_ms": int(limit_s * 1000), "patches": min(search.budget.patches, most),
        }  # fmt: skip
        found = session.search(orders, max(0.5, search.left_s() - 1.0))
        if not confirming:
            search.tried += found.tried
            search.budget.tried(found.tried)
        return replace(found, plausible=tuple(numbers[n] for n in found.plausible))

    def _given(self, search: Search, candidates: Sequence[Candidate], numbers: Sequence[int], note: Note,
               why: str) -> Iterator[Patch]:  # fmt: skip
        given: set[str] = set()
        for number in sorted(numbers, key=lambda n: -candidates[n].score):
            patch = _patch(search, candidates[number])
            if patch is not None and patch.diff not in given and len(given) < search.budget.patches:
                given.add(patch.diff)
                yield patch
        note(f"javascript: {search.tried} candidates tried, {len(given)} patches ({why})")


def _texts(search: Search) -> dict[str, str] | None:
    """What every script runs as, types blanked out; None where a file can't run without being built."""
    from nightshift.fixers.javascript.erase import erased

    found = {}
    for path, data in search.data.items():
        source = search.sources.get(path) or Source(path, data)
        text = erased(source) if source.typed else data.decode()
        if text is None and path in search.sources:
            return None
        found[path] = text if text is not None else data.decode()
    return found


def _test_files(search: Search) -> list[str]:
    assert search.check is not None
    known = {*search.tree, *search.mapped}
    return [path for path in files_of(search.check, known) if path not in search.mapped.values()][:_MOST_TESTS]


def _tests(answer: Mapping[str, Any], texts: Mapping[str, str]) -> list[dict[str, Any]]:
    """The tests of a survey as far as they look like some: the sandbox is not believed."""
    rows = answer.get("tests")
    found = []
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict) or not isinstance(row.get("file"), str) or not isinstance(row.get("names"), list):
            continue
        error = row.get("error")
        told = (
            {k: str(error.get(k, "")) for k in ("name", "message", "stack", "cause")}
            if isinstance(error, dict)
            else None
        )
        covered = {
            str(p): [n for n in ends if isinstance(n, int)]
            for p, ends in row["covered"].items() if isinstance(ends, list)
        } if isinstance(row.get("covered"), dict) else None  # fmt: skip
        if row.get("hung"):  # what it ran can't be asked for: everything may be to blame
            covered = {path: [0, len(text)] for path, text in texts.items()}
        found.append(
            {"file": row["file"], "names": [str(n) for n in row["names"]] or ["?"], "error": told, "covered": covered}
        )
    return found


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) and value >= 0 else 1.0


def _id(test: Mapping[str, Any]) -> str:
    return "\0".join([test["file"], *test["names"]])


def _edits(search: Search, candidate: Candidate) -> list[list[object]]:
    edit = candidate.edit
    source = search.sources[edit.path]
    return [[edit.path, source.unit(edit.start), source.unit(edit.end), edit.text]]


def _patch(search: Search, candidate: Candidate) -> Patch | None:
    edit, case = candidate.edit, search.case
    try:
        changed = {edit.path: edit.applied(search.data[edit.path])}
        diff = search.repo.diff(case.base, search.repo.with_files(case.base, changed))
    except (GitError, UnicodeEncodeError):
        return None
    failing = len(search.failing())
    proof = (
        f"{failing} failing test(s) pass, {len(search.tests) - failing} others stay green"
        if failing
        else "the check passes"
    )
    return Patch(
        id=stable_id("patch", case.base, diff), base=case.base, diff=diff, files=(edit.path,), fixer="javascript",
        rationale=f"in `{edit.path}`, {edit.note} (line {edit.line}); {proof}; {search.tried:,} candidates tried",
        kind=edit.template, score=round(candidate.score, 6),
    )  # fmt: skip
