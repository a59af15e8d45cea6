"""An answer turned into a diff: every edit must land in exactly one place of an existing source file.

Search-replace beats unified diffs as a model's output format: models miscount lines, but copy text well.
"""

from __future__ import annotations

import ast
import difflib
from dataclasses import dataclass

from nightshift.daemon.kit.git import BareRepo, Entry

from .answer import Answer, Edit, Unusable
from .cleaning import hidden
from .editable import why_not
from .sources import text_of


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How large a change may be."""

    files: int = 5
    lines: int = 200


@dataclass(frozen=True, kw_only=True)
class Change:
    """A resulting tree and the unified diff that leads to it."""

    tree: str
    diff: str
    files: tuple[str, ...]


def change_of(repo: BareRepo, base: str, tree: dict[str, Entry], answer: Answer, limits: Limits) -> Change:
    """The change an answer makes to `base`, whose regular files are `tree`. Raises `Unusable` with the reason."""
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    for edit in answer.edits:
        if edit.path not in before:
            before[edit.path] = after[edit.path] = _original(repo, tree, edit.path)
        after[edit.path] = _applied(after[edit.path], edit)
    changed = {p: text for p, text in after.items() if text != before[p]}
    _check_size(before, changed, limits)
    for path, text in changed.items():
        _check_syntax(path, text)
    new = repo.with_files(base, {p: text.encode() for p, text in changed.items()})
    return Change(tree=new, diff=repo.diff(base, new), files=tuple(sorted(changed)))


def _original(repo: BareRepo, tree: dict[str, Entry], path: str) -> str:
    if reason := why_not(path):
        raise Unusable(f"{path!r} can't be edited: {reason}")
    if path not in tree:
        raise Unusable(f"{path!r} is no regular file of the repository")
    text = text_of(repo, tree[path])
    if text is None:
        raise Unusable(f"{path!r} can't be edited: it is too large or not text")
    return text


def _applied(text: str, edit: Edit) -> str:
    if sneaked := hidden(edit.replace) - hidden(text):
        names = ", ".join(sorted(f"U+{ord(c):04X}" for c in sneaked))
        raise Unusable(f"the replacement for {edit.path!r} carries invisible characters: {names}")
    start, end = _span(text, edit)
    replace = edit.replace
    if "\r\n" in text and "\r\n" not in replace:
        replace = replace.replace("\n", "\r\n")
    return text[:start] + replace + text[end:]


def _span(text: str, edit: Edit) -> tuple[int, int]:
    """Where the search text stands: exactly, else line by line without regard to trailing whitespace."""
    if (start := text.find(edit.search)) >= 0:
        if text.find(edit.search, start + 1) >= 0:
            raise Unusable(f"the search text occurs more than once in {edit.path!r}; copy more lines around it")
        return start, start + len(edit.search)
    spans = _loose_spans(text, edit.search)
    if not spans:
        raise Unusable(f"the search text does not occur in {edit.path!r}; copy it character for character")
    if len(spans) > 1:
        raise Unusable(f"the search text occurs more than once in {edit.path!r}; copy more lines around it")
    return spans[0]


def _loose_spans(text: str, search: str) -> list[tuple[int, int]]:
    wanted = [row.rstrip() for row in search.strip("\r\n").splitlines()]
    rows = text.splitlines(keepends=True)
    if not any(wanted):
        return []
    bare, starts, at = [row.rstrip() for row in rows], [], 0
    for row in rows:
        starts.append(at)
        at += len(row)
    found = (n for n in range(len(rows) - len(wanted) + 1) if bare[n : n + len(wanted)] == wanted)
    return [(starts[n], _end(rows, starts, n + len(wanted) - 1, search)) for n in found]


def _end(rows: list[str], starts: list[int], last: int, search: str) -> int:
    """A search that ends with a newline takes the last line's own along; any other stops before it."""
    row = rows[last]
    return starts[last] + (len(row) if search.endswith("\n") else len(row.rstrip("\r\n")))


def _check_size(before: dict[str, str], changed: dict[str, str], limits: Limits) -> None:
    if not changed:
        raise Unusable("the edits change nothing")
    if len(changed) > limits.files:
        raise Unusable(f"the edits touch {len(changed)} files, {limits.files} are allowed")
    count = sum(_changed_lines(before[p], text) for p, text in changed.items())
    if count > limits.lines:
        raise Unusable(f"the edits change {count} lines, {limits.lines} are allowed")


def _changed_lines(old: str, new: str) -> int:
    """Added plus removed lines, counted on what is left after the common head and tail (linear in the file)."""
    a, b = old.splitlines(), new.splitlines()
    while a and b and a[-1] == b[-1]:
        a.pop(), b.pop()
    head = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    a, b = a[head:], b[head:]
    if len(a) + len(b) > 2000:
        return len(a) + len(b)
    blocks = difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    return sum((i2 - i1) + (j2 - j1) for tag, i1, i2, j1, j2 in blocks if tag != "equal")


def _check_syntax(path: str, text: str) -> None:
    if not path.endswith((".py", ".pyi")):
        return
    try:
        ast.parse(text)
    except SyntaxError as error:
        raise Unusable(f"{path!r} would no longer be valid Python: line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unusable(f"{path!r} would no longer be valid Python: {type(error).__name__}") from None
