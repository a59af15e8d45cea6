"""Undoing one commit on today's tree: wholly, or only the part that crashes, so that later work stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.model import Frame
from nightshift.fixers.dependencies.files import readers_of
from nightshift.fixers.history import functions, top_level_names
from nightshift.fixers.merging import grafted, taken_back
from nightshift.fixers.pieces import Hunk, Piece, pieces_of, without

_NAMES_ASKED = 20


@dataclass(frozen=True, kw_only=True)
class Undoing:
    """One way to undo a commit: the resulting tree, the diff to it from base, and what still uses what it removes.

    `lost` are files where later work on the very same lines goes, too.
    """

    scope: str
    kind: str
    tree: str
    diff: str
    files: tuple[str, ...]
    still_used: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def undoings(repo: BareRepo, base: str, commit: str, parent: str, frames: Sequence[Frame]) -> list[Undoing]:
    """The ways that apply on `base` and change something, best first, each resulting tree once.

    The whole commit but its tests, the whole commit, then only the functions, only the files that the frames
    name; at last the whole commit at the cost of later work on the same lines, the rest of which stays. Those that
    remove something the rest of the tree still uses come last. Raises GitError.
    """
    found: dict[str, Undoing] = {}
    for scope, kind, before in _scopes(repo, commit, parent, frames):
        made = on_base(repo, base, commit, before, scope, kind)
        if made and made.tree not in found:
            found[made.tree] = made
    if not any(made.kind == "revert" for made in found.values()):
        scope = "all of it, and later work on the same lines"
        made = on_base(repo, base, commit, repo.tree_of(parent), scope, "revert", favour=True)
        if made and made.tree not in found:
            found[made.tree] = made
    return sorted(found.values(), key=lambda undoing: (bool(undoing.lost), bool(undoing.still_used)))


def on_base(
    repo: BareRepo, base: str, commit: str, before: str, scope: str, kind: str, *, favour: bool = False
) -> Undoing | None:  # fmt: skip
    """What leads from tree `before` to `commit`, undone on base; None where it conflicts or changes nothing."""
    merged = taken_back(repo, base, commit, before, favour=favour)
    if merged is None or merged.tree == repo.tree_of(base):
        return None
    files = changed_paths(repo, base, merged.tree)
    return Undoing(scope=scope, kind=kind, tree=merged.tree, diff=repo.diff(base, merged.tree), files=files,
                   still_used=_still_used(repo, base, merged.tree, files), lost=merged.lost)  # fmt: skip


def is_test(path: str) -> bool:
    """Whether a path looks like a test or a fixture of one."""
    name = PurePosixPath(path).name
    folders = {"test", "tests", "testing", "__tests__", "spec"} & set(PurePosixPath(path).parts[:-1])
    marked = PurePosixPath(path).stem.endswith(("_test", ".test", ".spec"))
    return bool(folders) or name.startswith(("test_", "conftest.")) or marked


def _scopes(repo: BareRepo, commit: str, parent: str, frames: Sequence[Frame]) -> Iterator[tuple[str, str, str]]:
    """(scope, kind, tree of `commit` taken back to `parent` within that scope), best first."""
    changed = changed_paths(repo, commit, parent)
    paths = {frame.path for frame in frames}
    code = {PurePosixPath(path).suffix for path in paths}
    source = [p for p in changed if not (is_test(p) or readers_of(p) or (code and PurePosixPath(p).suffix not in code))]
    if source:
        yield "its source, not its tests", "revert", grafted(repo, commit, parent, source)
    yield "all of it", "revert", repo.tree_of(parent)
    if crashing := _in_functions(repo, commit, parent, frames):
        yield "the functions that crash", "partial-revert", without(repo, commit, parent, crashing)
    if mine := [path for path in changed if path in paths]:
        yield "the files that crash", "partial-revert", grafted(repo, commit, parent, mine)


def _in_functions(repo: BareRepo, commit: str, parent: str, frames: Sequence[Frame]) -> list[Piece]:
    """The commit's pieces within the functions that the frames name."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for path in {frame.path for frame in frames}:
        names = {frame.function.rpartition(".")[2] for frame in frames if frame.path == path}
        spans[path] = [(a, b) for name, a, b in functions(repo.read(commit, path) or b"") if name in names]
    return [piece for piece in pieces_of(repo, commit, parent)
            if piece.hunk and any(_touches(piece.hunk, *span) for span in spans.get(piece.path, ()))]  # fmt: skip


def _touches(hunk: Hunk, first: int, last: int) -> bool:
    """Whether a hunk, on its old side, changes or borders on a range of lines."""
    at, count, _, _ = hunk
    return (first - 1 <= at <= last) if not count else (at <= last and at + count > first)


def changed_paths(repo: BareRepo, old: str, new: str) -> tuple[str, ...]:
    """Paths that differ between two trees, renames taken apart."""
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
