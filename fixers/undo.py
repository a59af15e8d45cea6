"""Undoing one commit on today's tree: wholly, or only the part that crashes, so that later work stays."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.model import Frame
from nightshift.fixers.history import functions, top_level_names

_HUNK = re.compile(rb"(?m)^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_NAMES_ASKED = 20


@dataclass(frozen=True, kw_only=True)
class Section:
    """What a diff does to one file, as text; `path` is '' when the diff could not be told apart by file."""

    path: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Undoing:
    """One way to undo a commit: the resulting tree, the diff to it from base, and what still uses what it removes."""

    scope: str
    kind: str
    tree: str
    diff: str
    files: tuple[str, ...]
    still_used: tuple[str, ...] = ()


def undoings(repo: BareRepo, base: str, commit: str, parent: str, frames: Sequence[Frame]) -> list[Undoing]:
    """The ways that apply on `base` and change something, best first, each resulting tree once.

    The whole commit but its tests, the whole commit, then only the functions, only the files that the frames
    name. Those that remove something the rest of the tree still uses come last.
    """
    found: dict[str, Undoing] = {}
    for scope, kind, diff in _scopes(repo, commit, parent, frames):
        undone = _apply(repo, base, diff) if diff else None
        if undone and undone[1] and undone[0] not in found:
            tree, result = undone
            files = _names(repo, base, tree)
            found[tree] = Undoing(scope=scope, kind=kind, tree=tree, diff=result, files=files,
                                  still_used=_still_used(repo, base, tree, files))  # fmt: skip
    return sorted(found.values(), key=lambda undoing: bool(undoing.still_used))


def sections_of(repo: BareRepo, old: str, new: str) -> list[Section]:
    """The diff between two commits, file by file; one nameless section when it can't be told apart."""
    diff, names = repo.diff(old, new), _names(repo, old, new)
    parts = re.split(r"(?m)^(?=diff --git )", diff)[1:]
    if len(parts) != len(names):
        return [Section(path="", text=diff)]
    return [Section(path=name, text=text) for name, text in zip(names, parts, strict=True)]


def is_test(path: str) -> bool:
    """Whether a path looks like a test or a fixture of one."""
    name = PurePosixPath(path).name
    folders = {"test", "tests", "testing"} & set(PurePosixPath(path).parts[:-1])
    return bool(folders) or name.startswith(("test_", "conftest.")) or PurePosixPath(path).stem.endswith("_test")


def _scopes(repo: BareRepo, commit: str, parent: str, frames: Sequence[Frame]) -> list[tuple[str, str, str]]:
    """(scope, kind, diff that takes `commit` back to `parent` within that scope), best first."""
    sections = sections_of(repo, commit, parent)
    paths = {frame.path for frame in frames}
    code = {PurePosixPath(path).suffix for path in paths} or {".py"}
    source = [s for s in sections if PurePosixPath(s.path).suffix in code and not is_test(s.path)]
    return [
        ("its source, not its tests", "revert", _joined(source)),
        ("all of it", "revert", _joined(sections)),
        ("the functions that crash", "partial-revert", _functions_back(repo, commit, parent, frames)),
        ("the files that crash", "partial-revert", _joined(s for s in sections if s.path in paths)),
    ]


def _joined(sections: Iterable[Section]) -> str:
    return "".join(section.text for section in sections)


def _functions_back(repo: BareRepo, commit: str, parent: str, frames: Sequence[Frame]) -> str:
    """The diff that takes only the frames' functions back to `parent`."""
    files: dict[str, bytes] = {}
    for path in {frame.path for frame in frames}:
        names = {frame.function.rpartition(".")[2] for frame in frames if frame.path == path}
        now, before = repo.read(commit, path), repo.read(parent, path)
        if now is not None and before is not None:
            spans = [(first, last) for name, first, last in functions(now) if name in names]
            hunks = [hunk for hunk in _hunks(repo, commit, parent, path) if any(_touches(hunk, *s) for s in spans)]
            files[path] = _taken_back(now, before, hunks)
    return repo.diff(commit, repo.with_files(commit, files)) if files else ""


Hunk = tuple[int, int, int, int]
"""First line and number of lines on the old side, then on the new; with no lines, the line they come after."""


def _hunks(repo: BareRepo, old: str, new: str, path: str) -> list[Hunk]:
    """Where two versions of a file differ, without context, so that neighbours stay apart."""
    flags = ("--unified=0", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames")
    diff = repo.out("diff", *flags, old, new, "--", path, env={"GIT_LITERAL_PATHSPECS": "1"})
    return [(int(a), int(b or 1), int(c), int(d or 1)) for a, b, c, d in _HUNK.findall(diff)]


def _touches(hunk: Hunk, first: int, last: int) -> bool:
    """Whether a hunk, on its old side, changes or borders on a range of lines."""
    at, count, _, _ = hunk
    return (first - 1 <= at <= last) if not count else (at <= last and at + count > first)


def _taken_back(now: bytes, before: bytes, hunks: Sequence[Hunk]) -> bytes:
    lines, old = now.split(b"\n"), before.split(b"\n")
    for at, count, then, then_count in reversed(hunks):
        start, then_start = (at - 1 if count else at), (then - 1 if then_count else then)
        lines[start : start + count] = old[then_start : then_start + then_count]
    return b"\n".join(lines)


def _apply(repo: BareRepo, base: str, diff: str) -> tuple[str, str] | None:
    try:
        tree = repo.apply_3way(base, diff)
    except GitError:
        return None
    return tree, repo.diff(base, tree)


def _names(repo: BareRepo, old: str, new: str) -> tuple[str, ...]:
    listing = repo.out("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", old, new, "--")
    return tuple(name.decode("utf-8", "surrogateescape") for name in listing.split(b"\0") if name)


def _still_used(repo: BareRepo, base: str, tree: str, files: Sequence[str]) -> tuple[str, ...]:
    """Names that the undoing takes away and the resulting tree still mentions."""
    gone: set[str] = set()
    for path in files:
        if path.endswith(".py") and not is_test(path):
            after = repo.read(tree, path)
            gone |= top_level_names(repo.read(base, path) or b"") - top_level_names(after or b"")
            gone |= {PurePosixPath(path).stem} if after is None else set()
    return tuple(name for name in sorted(gone)[:_NAMES_ASKED] if _mentioned(repo, tree, name))


def _mentioned(repo: BareRepo, tree: str, name: str) -> bool:
    return repo.run("grep", "--quiet", "--word-regexp", "--fixed-strings", "-e", name, tree, "--", "*.py").ok
