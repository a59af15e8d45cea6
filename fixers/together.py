"""When two commits broke the same thing, undoing one leaves it red: the others are looked for with that one undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nightshift.daemon.kit.git import BareRepo
from nightshift.fixers.culprit import find_culprits
from nightshift.fixers.merging import taken_back
from nightshift.fixers.probes import Probes
from nightshift.fixers.undo import Undoing, changed_paths


@dataclass(frozen=True, kw_only=True)
class Together:
    """Commits that have to be undone together, the first culprit first, and what that gives on base."""

    commits: tuple[str, ...]
    undoing: Undoing


def undone_together(repo: BareRepo, base: str, line: Sequence[str], probes: Probes, *, most: int) -> Together | None:
    """`line` is base's line of commits, newest first, down to and with the first culprit, whose undoing alone leaves
    base red. None when no further commits can be found. Raises Spent, GitError."""
    culprits, later = [line[-1]], list(line)
    probes.known.setdefault(repo.tree_of(f"{line[-1]}^1"), False)
    while len(culprits) < most:
        found = _next(repo, culprits, later, probes)
        if not found:
            return None
        culprits.append(found)
        tree = _undone(repo, base, culprits)
        if not tree:
            return None
        if probes.red(tree) is not True:
            undoing = Undoing(scope=f"{len(culprits)} commits together", kind="revert", tree=tree,
                              diff=repo.diff(base, tree), files=changed_paths(repo, base, tree))  # fmt: skip
            return Together(commits=tuple(culprits), undoing=undoing)
        later = later[: later.index(found) + 1]
    return None


def _next(repo: BareRepo, culprits: Sequence[str], later: Sequence[str], probes: Probes) -> str:
    """The commit after which it is red even with the known culprits undone; '' when there is no single one."""
    trees: dict[str, str] = {}

    def ask(commits: Sequence[str]) -> list[bool | None]:
        trees.update({c: _undone(repo, c, culprits) for c in commits if c not in trees})
        probes.ask([trees[c] for c in commits if trees[c]])
        return [probes.known[trees[c]] if trees[c] else None for c in commits]

    found = find_culprits(later, ask, probes.slots)
    return found[0] if len(found) == 1 else ""


def _undone(repo: BareRepo, tip: str, culprits: Sequence[str]) -> str:
    """The tree of `tip` without the culprits, the newest undone first; '' where later work is in the way."""
    tree = repo.tree_of(tip)
    for commit in reversed(culprits):
        merged = taken_back(repo, tree, commit, f"{commit}^1")
        if merged is None:
            return ""
        tree = merged.tree
    return tree
