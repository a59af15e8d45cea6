"""A commit in pieces, each of which can be taken back on its own: runs of changed lines, whole files, moves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nightshift.daemon.kit.git import BareRepo
from nightshift.fixers.merging import grafted

_HUNK = re.compile(rb"(?m)^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_FLAGS = ("--unified=0", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames")

Hunk = tuple[int, int, int, int]
"""First line and number of lines on the old side, then on the new; with no lines, the line they come after."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What a commit did at one place. `path` is the file in the commit, `before` where its content was just before
    ('' = the file is new; another path: it was moved). Without a `hunk` it is the file as a whole."""

    path: str
    before: str
    hunk: Hunk | None = None


def pieces_of(repo: BareRepo, commit: str, parent: str) -> list[Piece]:
    """The pieces, in the order of files and lines, renames with their edits found. Raises GitError."""
    found: list[Piece] = []
    for path, before, edited in _files(repo, commit, parent):
        hunks = hunks_between(repo, f"{commit}:{path}", f"{parent}:{before}") if edited else []
        found += [Piece(path=path, before=before, hunk=hunk) for hunk in hunks]
        if not hunks:
            found.append(Piece(path=path, before=before))
    return found


def without(repo: BareRepo, commit: str, parent: str, pieces: Sequence[Piece]) -> str:
    """The tree of `commit` with these pieces taken back. Raises GitError."""
    edited = sorted({(p.path, p.before) for p in pieces if p.hunk})
    whole = {name for p in pieces if not p.hunk for name in (p.path, p.before) if name}
    files = {path: _taken_back(repo.read(commit, path) or b"", repo.read(parent, before) or b"",
                               [p.hunk for p in pieces if p.path == path and p.hunk])
             for path, before in edited}  # fmt: skip
    tree = repo.with_files(commit, files) if files else repo.tree_of(commit)
    return grafted(repo, tree, parent, whole) if whole else tree


def hunks_between(repo: BareRepo, old: str, new: str) -> list[Hunk]:
    """Where two blobs differ, without context, so that neighbours stay apart; none for binary ones."""
    diff = repo.out("diff", *_FLAGS, old, new)
    return [(int(a), int(b or 1), int(c), int(d or 1)) for a, b, c, d in _HUNK.findall(diff)]


def _files(repo: BareRepo, commit: str, parent: str) -> list[tuple[str, str, bool]]:
    """(path in the commit, path before, whether both have lines that can differ). A removed file's path in the commit
    is where it was."""
    told = repo.out("diff-tree", "-r", "-z", "--raw", "--no-abbrev", "-M", parent, commit, "--")
    fields = iter(told.decode("utf-8", "surrogateescape").split("\0"))
    found = []
    for meta in fields:
        if not meta:
            continue
        old_mode, new_mode, _, _, status = meta.lstrip(":").split()
        first = next(fields)
        if status[0] in "RC":
            found.append((next(fields), first if status[0] == "R" else "", status[0] == "R" and status != "R100"))
        elif status == "A":
            found.append((first, "", False))
        else:
            found.append((first, first, status == "M" and old_mode == new_mode))
    return found


def _taken_back(now: bytes, before: bytes, hunks: Sequence[Hunk]) -> bytes:
    lines, old = now.split(b"\n"), before.split(b"\n")
    for at, count, then, then_count in sorted(hunks, reverse=True):
        start, then_start = (at - 1 if count else at), (then - 1 if then_count else then)
        lines[start : start + count] = old[then_start : then_start + then_count]
    return b"\n".join(lines)
