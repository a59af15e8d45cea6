"""Small fixes in a repository's history, as edit patterns: commits that change few expressions or add a guard.

Only blobs are read; nothing of the history is run. Commits that change much are left out: they are no fixes.
"""

from __future__ import annotations

import ast
import difflib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.model import Precedent
from nightshift.fixers.donors.patterns import Pattern, abstracted, dump, generalised, proper

_MOST_EDITS = 6
_MOST_FILES = 5
_MOST_BYTES = 200_000
_MOST_NODES = 40
_MOST_PATTERNS = 400
_AT_ONCE = 40
_SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr, ast.Return, ast.Raise, ast.Delete)
Change = tuple[str, Sequence[tuple[str, str, str]]]
"""A commit, or a mission, with (path, old blob, new blob) of the Python files it changes."""


def mined(
    repo: BareRepo, tip: str, most_commits: int, precedents: Sequence[Precedent] = (),
    stop: Callable[[], bool] = lambda: False,
) -> list[Pattern]:  # fmt: skip
    """Patterns of what healed before and of the newest commits reachable from `tip`, those seen most often first.

    `stop` is asked every forty commits: what was found by then is what there is. Raises GitError.
    """
    found: list[Pattern] = []
    for told in _told(repo, precedents):
        found += [replace(pattern, healed=True) for pattern in _of_change(repo.blobs(_ids(told)), told)]
    changes = (change for change in _changes(repo, tip, most_commits) if len(change[1]) <= _MOST_FILES)
    while not stop() and len(found) < _MOST_PATTERNS and (some := list(itertools.islice(changes, _AT_ONCE))):
        blobs = repo.blobs(sorted({blob for change in some for blob in _ids(change)}))
        for change in some:
            found += _of_change(blobs, change)
    return [pattern for pattern in generalised(found[:_MOST_PATTERNS]) if proper(pattern)]


def _ids(change: Change) -> list[str]:
    return sorted({blob for _, old, new in change[1] for blob in (old, new)})


def _told(repo: BareRepo, precedents: Sequence[Precedent]) -> Iterator[Change]:
    """Precedents as changes; one whose base is not in the repository says nothing."""
    flags = ("--raw", "--no-abbrev", "--no-renames", "--diff-filter=M")
    for precedent in precedents:
        try:
            raw = repo.out("diff", *flags, precedent.base, repo.apply(precedent.base, precedent.diff), "--", "*.py")
        except GitError:
            continue
        rows = [row.partition("\t") for row in raw.decode("utf-8", "replace").splitlines()]
        yield precedent.mission, [(path, facts.split()[2], facts.split()[3]) for facts, _, path in rows]


def _changes(repo: BareRepo, tip: str, most: int) -> Iterator[Change]:
    """Each commit with the Python files it changes."""
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


def _of_change(blobs: Mapping[str, bytes], change: Change) -> list[Pattern]:
    """The edits of one change as patterns; none of one that changes much."""
    found: list[Pattern] = []
    for path, old, new in change[1]:
        if max(len(blobs[old]), len(blobs[new])) > _MOST_BYTES:
            continue
        edits = _edits(blobs[old], blobs[new])
        if len(edits) > _MOST_EDITS:
            return []
        for one, other, insert in [*edits, *_guards(edits)]:
            if sum(1 for t in (one, other) for _ in ast.walk(t)) <= 2 * _MOST_NODES:
                made = abstracted(one, other)
                found.append(Pattern(before=made[0], after=made[1], insert=insert, commits=frozenset({change[0]}),
                                     paths=frozenset({path})))  # fmt: skip
    return found if len(found) <= 2 * _MOST_EDITS else []


def _edits(old: bytes, new: bytes) -> list[tuple[ast.AST, ast.AST, bool]]:
    for before, after in (_around(old, new), (old, new)):
        try:
            return list(changed(ast.parse(before), ast.parse(after)))
        except (SyntaxError, ValueError, RecursionError):
            continue
    return []


def _guards(edits: Sequence[tuple[ast.AST, ast.AST, bool]]) -> Iterator[tuple[ast.AST, ast.AST, bool]]:
    """What was put above a statement, tied only to how that statement uses what the new one is about: `x.name`, not
    `label = x.name.upper()`."""
    for before, after, insert in edits:
        about = {dump(node) for node in ast.walk(after) if isinstance(node, ast.Name | ast.Attribute)} if insert else ()
        for node in ast.walk(before):
            value = getattr(node, "value", None)
            if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(value, ast.expr) and dump(value) in about:
                yield node, after, True


def _around(old: bytes, new: bytes) -> tuple[bytes, bytes]:
    """The top-level statements around what differs: parsing whole files is most of the work otherwise."""
    one, other = old.split(b"\n"), new.split(b"\n")
    first = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    most = min(len(one), len(other)) - first
    last = next((n for n in range(most) if one[-1 - n] != other[-1 - n]), most)
    while first > 0 and not _begins(one[first] if first < len(one) else b""):
        first -= 1
    while last > 0 and not _begins(one[len(one) - last]):
        last -= 1
    return b"\n".join(one[first : len(one) - last]), b"\n".join(other[first : len(other) - last])


def _begins(line: bytes) -> bool:
    """Whether a top-level definition or import begins here; anything else is taken along."""
    return line.startswith((b"def ", b"class ", b"@", b"async def ", b"import ", b"from "))


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
