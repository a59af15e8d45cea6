"""Small fixes in a repository's history, as edit patterns: commits that change few expressions or add a guard.

Only blobs are read; nothing of the history is run. Commits that change much are left out: they are no fixes.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Sequence

from nightshift.daemon.kit.git import BareRepo
from nightshift.fixers.donors.patterns import Pattern, abstracted, dump, generalised, proper

_MOST_EDITS = 6
_MOST_FILES = 5
_MOST_BYTES = 200_000
_MOST_NODES = 40
_MOST_PATTERNS = 400
_SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr, ast.Return, ast.Raise, ast.Delete)


def mined(repo: BareRepo, tip: str, most_commits: int) -> list[Pattern]:
    """Patterns of the newest commits reachable from `tip`, those seen most often first. Raises GitError."""
    found: list[Pattern] = []
    for commit, files in _changes(repo, tip, most_commits):
        edits = list(_of_commit(repo, commit, files))
        if 0 < len(edits) <= _MOST_EDITS:
            found += edits
        if len(found) >= _MOST_PATTERNS:
            break
    return [pattern for pattern in generalised(found) if proper(pattern)]


def _changes(repo: BareRepo, tip: str, most: int) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Each commit with (path, old blob, new blob) of the Python files it changes."""
    told = repo.out(
        "log", "--no-merges", f"--max-count={most}", "--format=commit %H", "--raw", "--no-abbrev", "--no-renames",
        "--diff-filter=M", tip, "--", "*.py",
    ).decode("utf-8", "replace")  # fmt: skip
    commit = ""
    files: list[tuple[str, str, str]] = []
    for line in told.splitlines():
        if line.startswith("commit "):
            if commit and files:
                yield commit, files
            commit, files = line.removeprefix("commit "), []
        elif line.startswith(":"):
            facts, _, path = line.partition("\t")
            files.append((path, facts.split()[2], facts.split()[3]))
    if commit and files:
        yield commit, files


def _of_commit(repo: BareRepo, commit: str, files: Sequence[tuple[str, str, str]]) -> Iterator[Pattern]:
    if len(files) > _MOST_FILES:
        return
    blobs = repo.blobs(sorted({blob for _, old, new in files for blob in (old, new)}))
    for path, old, new in files:
        if max(len(blobs[old]), len(blobs[new])) > _MOST_BYTES:
            continue
        try:
            before, after = ast.parse(blobs[old]), ast.parse(blobs[new])
        except (SyntaxError, ValueError, RecursionError):
            continue
        for one, other, insert in changed(before, after):
            if sum(1 for t in (one, other) for _ in ast.walk(t)) <= 2 * _MOST_NODES:
                made = abstracted(one, other)
                yield Pattern(before=made[0], after=made[1], insert=insert, commits=frozenset({commit}),
                              paths=frozenset({path}))  # fmt: skip


def changed(before: ast.AST, after: ast.AST) -> Iterator[tuple[ast.AST, ast.AST, bool]]:
    """The smallest parts of two trees that differ, as (old, new, inserted); expressions also with their parent."""
    if dump(before) == dump(after):
        return
    fields = _differing(before, after)
    if fields is None or len(fields) > 1:
        if _usable(before, after):
            yield before, after, False
        return
    old, new = fields[0]
    inner: list[tuple[ast.AST, ast.AST, bool]] = []
    if isinstance(old, list) and isinstance(new, list):
        inner = list(_lists(old, new))
    elif isinstance(old, ast.AST) and isinstance(new, ast.AST) and not isinstance(old, _LEAVES):
        inner = list(changed(old, new))
    yield from inner
    children = [id(child) for child in (old if isinstance(old, list) else [old])]
    direct = len(inner) == 1 and id(inner[0][0]) in children and not inner[0][2]
    if (not inner or direct) and _usable(before, after):
        yield before, after, False


_LEAVES = (ast.operator, ast.cmpop, ast.boolop, ast.unaryop, ast.expr_context)


def _differing(before: ast.AST, after: ast.AST) -> list[tuple[object, object]] | None:
    """Fields of two nodes of one type that differ; None where the types do."""
    if type(before) is not type(after):
        return None
    pairs = [(getattr(before, n, None), getattr(after, n, None)) for n in before._fields if n != "ctx"]
    return [(a, b) for a, b in pairs if _text(a) != _text(b)]


def _text(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return dump(value) if isinstance(value, ast.AST) else repr(value)


def _usable(before: ast.AST, after: ast.AST) -> bool:
    return (isinstance(before, ast.expr) and isinstance(after, ast.expr)) or (
        isinstance(before, _SIMPLE) and isinstance(after, _SIMPLE)
    )


def _lists(old: list[object], new: list[object]) -> Iterator[tuple[ast.AST, ast.AST, bool]]:
    """Children of a list: exchanged one for one, or a statement put above another."""
    one, other = [_text(v) for v in old], [_text(v) for v in new]
    for tag, a, b, c, d in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if tag == "replace" and b - a == d - c:
            for left, right in zip(old[a:b], new[c:d], strict=True):
                if isinstance(left, ast.AST) and isinstance(right, ast.AST) and not isinstance(left, _LEAVES):
                    yield from changed(left, right)
        elif tag == "insert" and d - c == 1 and a < len(old):
            following, added = old[a], new[c]
            if isinstance(following, _SIMPLE) and isinstance(added, (*_SIMPLE, ast.If)):
                yield following, ast.Module(body=[added], type_ignores=[]), True
