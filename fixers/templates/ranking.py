"""From suspicious lines and crash frames to a ranked list of candidates: likeliest place times likeliest edit."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nightshift.fixers.templates.all_templates import TRUST, edits_at
from nightshift.fixers.templates.families.subexpression import ingredients
from nightshift.fixers.templates.kinds import Known, nonsense
from nightshift.fixers.templates.nature import Habits, habits, naturalness
from nightshift.fixers.templates.site import Clue, Site
from nightshift.fixers.templates.source import Edit, Function, Source, first_line, header_end

_CRASH_BONUS = (1.5, 1.25, 1.15, 1.1)
_INDIRECT = 0.45
_MOST_LINES = 300
_LONGEST_PLAIN = 4
_BLIND = 60
_NEVER_JOINED = ("insert-guard", "condition-replace", "return-value", "guard-catch")
_DECORATION = ("decorator_list", "annotation", "returns", "type_params")


@dataclass(frozen=True, kw_only=True)
class Crash:
    """An exception and the frames it passed: (path, line), outermost first, repository files only."""

    exception: str
    message: str
    frames: tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Suspicion in 0..1 per path and line, the crashes seen, literals (as text) that failing tests expect, and short
    strings that stand anywhere in them; types seen per path, first line of a function, and name."""

    suspicion: Mapping[str, Mapping[int, float]]
    crashes: tuple[Crash, ...] = ()
    expected: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    kinds: Mapping[str, Mapping[int, Known]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Edits tried together. `imports` says that they reach beyond function bodies, so modules must be imported anew."""

    edits: tuple[Edit, ...]
    score: float
    imports: bool = False


Propose = Callable[[Site], Iterator[Edit]]


def rank(sources: Mapping[str, Source], evidence: Evidence, limit: int, propose: Propose = edits_at) -> list[Candidate]:
    """The best `limit` single-edit candidates of those proposed at each place, best first; equal texts once."""
    best: dict[tuple[str, int, int, str], Candidate] = {}
    evidence = _narrowed(evidence)
    donors = {path: ingredients(source) for path, source in sources.items()} if len(sources) > 1 else {}
    for path, source in sources.items():
        cache: dict[object, object] = {
            "donors elsewhere": [d for p, found in donors.items() if p != path for d in found],
            "messages": tuple(dict.fromkeys(crash.message for crash in evidence.crashes)),
        }
        for candidate in _of_file(path, source, evidence, propose, cache):
            edit = candidate.edits[0]
            key = (path, edit.start, edit.end, edit.text)
            if key not in best or best[key].score < candidate.score:
                best[key] = candidate
    return sorted(best.values(), key=lambda c: (-c.score, c.edits[0].path, c.edits[0].start, c.edits[0].text))[:limit]


def _narrowed(evidence: Evidence) -> Evidence:
    """Only the most suspicious lines, where there are so many that drafting alone would take long."""
    every = sorted((s for lines in evidence.suspicion.values() for s in lines.values()), reverse=True)
    if len(every) <= _MOST_LINES:
        return evidence
    least = every[_MOST_LINES]
    kept = {
        path: {n: s for n, s in lines.items() if s > least or (s == least and n % (len(every) // _MOST_LINES + 1) == 0)}
        for path, lines in evidence.suspicion.items()
    }
    return replace(evidence, suspicion=kept)


def _of_file(
    path: str, source: Source, evidence: Evidence, propose: Propose, cache: dict[object, object]
) -> Iterator[Candidate]:
    lines = dict(evidence.suspicion.get(path, {}))
    clues = _clues(path, evidence.crashes)
    for line, found in clues.items():
        lines[line] = max(lines.get(line, 0.0), 1.0 if any(c.depth == 0 for c in found) else 0.7)
    if not lines:
        return
    indirect = _indirect(source, lines)
    for node in ast.walk(source.tree):
        if not isinstance(node, (ast.expr, ast.stmt, ast.comprehension)) or isinstance(node, ast.expr_context):
            continue
        statement = source.statement(node)
        if statement is None or _decorates(source, node):
            continue
        found = _clues_at(statement, clues)
        suspicion = _suspicion(statement, lines)
        suspicion = suspicion or indirect.get(statement, 0.0)
        if not suspicion:
            continue
        factor = suspicion**1.5 * (_CRASH_BONUS[min(min(c.depth for c in found), 3)] if found else 1.0)
        if isinstance(statement, Function) and node is not statement and not _is_default(source, node, statement):
            continue
        known = _known(source, node, evidence.kinds.get(path, {}))
        habit = _habits(source, node, cache)
        for edit in propose(Site(source, node, found, evidence.expected, cache, evidence.words, known)):
            if known and _senseless(source, node, edit, known):
                continue
            outside = source.function(statement) is None and not isinstance(statement, Function)
            score = edit.weight * TRUST.get(edit.template, 0.7) * factor
            if habit is not None:
                score *= naturalness(source, edit, habit)
            yield Candidate(edits=(edit,), score=score, imports=outside)


def _habits(source: Source, node: ast.AST, cache: dict[object, object]) -> Habits | None:
    """Of the function around a node."""
    function = source.function(node)
    if function is None:
        return None
    key = ("habits", function)
    if key not in cache:
        cache[key] = habits(function)
    found: Habits = cache[key]  # type: ignore[assignment]
    return found


def _known(source: Source, node: ast.AST, kinds: Mapping[int, Known]) -> Known:
    """Types of the names around a node, those of the functions around its own included."""
    found: dict[str, frozenset[str]] = {}
    function = source.function(node)
    while function is not None and kinds:
        for name, types in kinds.get(first_line(function), {}).items():
            found.setdefault(name, types)
        function = source.function(function)
    return found


def _senseless(source: Source, node: ast.AST, edit: Edit, known: Known) -> bool:
    """Whether the types seen say that an expression put in place can only fail."""
    if not isinstance(node, ast.expr) or "\n" in edit.text or edit.template in ("guard", "conversion", "name", "await"):
        return False
    if (edit.start, edit.end) == source.span(node):
        return nonsense(edit.text, known, node, source.parents.get(node))
    return edit.end > edit.start and nonsense(edit.text, known)


def _decorates(source: Source, node: ast.AST) -> bool:
    return source.fields.get(node) in _DECORATION


def _is_default(source: Source, node: ast.AST, function: ast.stmt) -> bool:
    current: ast.AST | None = node
    while current is not None and current is not function:
        if source.fields.get(current) in ("defaults", "kw_defaults"):
            return True
        current = source.parents.get(current)
    return False


def _clues(path: str, crashes: Sequence[Crash]) -> dict[int, tuple[Clue, ...]]:
    found: dict[int, dict[tuple[str, str], Clue]] = {}
    for crash in crashes:
        for depth, (file, line) in enumerate(reversed(crash.frames)):
            if file == path and depth < 6:
                clue = Clue(exception=crash.exception, message=crash.message, depth=depth)
                known = found.setdefault(line, {})
                key = (crash.exception, crash.message)
                if key not in known or known[key].depth > depth:
                    known[key] = clue
    return {line: tuple(sorted(c.values(), key=lambda c: c.depth))[:3] for line, c in found.items()}


def _clues_at(statement: ast.stmt, clues: Mapping[int, tuple[Clue, ...]]) -> tuple[Clue, ...]:
    last = header_end(statement)
    found = [c for line in range(statement.lineno, last + 1) for c in clues.get(line, ())]
    if isinstance(statement, Function):
        found = [c for line in range(statement.lineno, (statement.end_lineno or last) + 1) for c in clues.get(line, ())]
        return tuple(c for c in found if c.exception in ("NameError", "UnboundLocalError"))[:3]
    if isinstance(statement, ast.Try):
        found += [c for line in range(last, statement.body[-1].end_lineno or last) for c in clues.get(line + 1, ())]
    return tuple(sorted(found, key=lambda c: c.depth))[:3]


def _suspicion(statement: ast.stmt, lines: Mapping[int, float]) -> float:
    if isinstance(statement, (*Function, ast.ClassDef)):
        return 0.0
    return max((lines.get(n, 0.0) for n in range(statement.lineno, header_end(statement) + 1)), default=0.0)


def _indirect(source: Source, lines: Mapping[int, float]) -> dict[ast.stmt, float]:
    """Suspicion of what no test runs by itself: defaults of suspect functions, constants that suspect lines name."""
    found: dict[ast.stmt, float] = {}
    named: dict[str, float] = {}
    for node in ast.walk(source.tree):
        if isinstance(node, Function):
            inside = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            best = max((lines.get(n, 0.0) for n in inside), default=0.0)
            if best:
                found[node] = best * _INDIRECT
        elif isinstance(node, (ast.Name, ast.Attribute)):
            name = node.id if isinstance(node, ast.Name) else node.attr
            suspicion = max(lines.get(node.lineno, 0.0), _default_suspicion(source, node, lines))
            named[name] = max(named.get(name, 0.0), suspicion)
    for holder in ast.walk(source.tree):
        if isinstance(holder, (ast.Module, ast.ClassDef)):
            for statement in holder.body:
                if isinstance(statement, (ast.Assign, ast.AnnAssign)):
                    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                    best = max((named.get(getattr(t, "id", ""), 0.0) for t in targets), default=0.0)
                    found[statement] = best * _INDIRECT
    return found


def _default_suspicion(source: Source, node: ast.AST, lines: Mapping[int, float]) -> float:
    """Of a name in the defaults of a function: that of the function's lines."""
    function = source.statement(node)
    if not isinstance(function, Function) or not _is_default(source, node, function):
        return 0.0
    inside = range(function.lineno, (function.end_lineno or function.lineno) + 1)
    return max((lines.get(n, 0.0) for n in inside), default=0.0)


def pairs(
    partial: Sequence[tuple[Candidate, float]], pool: Sequence[Candidate], limit: int, expected: Sequence[str] = ()
) -> list[Candidate]:
    """Two-edit candidates: each partial fix (with its gain) joined with each edit that does not overlap it.

    Edits that write an answer `expected` by a test don't take part: two of them would just recite the tests.
    """
    partial = [*partial, *((c, 0.0) for c in pool[:_BLIND] if all(c is not p for p, _ in partial))]
    partial = [(c, gain) for c, gain in partial if c.edits[0].template not in _NEVER_JOINED]
    pool = [c for c in pool if c.edits[0].template not in _NEVER_JOINED]
    telling = [literal for literal in expected if len(literal) > _LONGEST_PLAIN]
    partial = [(c, gain) for c, gain in partial if not _recites(c, telling)]
    pool = [c for c in pool if not _recites(c, telling)]
    made: dict[tuple[Edit, ...], Candidate] = {}
    for first, gain in partial:
        for second in pool:
            a, b = first.edits[0], second.edits[0]
            if a.path == b.path and a.start <= b.end and b.start <= a.end:
                continue
            edits = tuple(sorted((a, b), key=lambda e: (e.path, e.start)))
            score = first.score * second.score * (1.0 + gain) * _nearness(a, b)
            if edits not in made or made[edits].score < score:
                made[edits] = Candidate(edits=edits, score=score, imports=first.imports or second.imports)
    ranked = sorted(made.values(), key=lambda c: -c.score)[:limit]
    return [replace(c, score=0.5 * c.score) for c in ranked]


def _nearness(a: Edit, b: Edit) -> float:
    """Two slips of one hand lie close together, and one template twice is likelier than two."""
    apart = abs(a.line - b.line) if a.path == b.path else 100
    return (1.6 if 0 < apart <= 3 else 1.2 if apart <= 8 else 1.0) * (1.2 if a.template == b.template else 1.0)


def _recites(candidate: Candidate, telling: Sequence[str]) -> bool:
    return any(literal in edit.text for edit in candidate.edits for literal in telling)
