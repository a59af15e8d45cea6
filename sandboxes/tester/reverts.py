"""When a revert may touch tests: only where the result is, byte for byte, what one commit of history found there.

A revert undoes a commit together with the tests that commit brought. That is the one honest reason to change or
remove a test, so the claim is checked against history instead of being believed: a commit C must exist that touched
every file of the patch, and whose parent holds exactly the resulting version of every test file touched. The other
files hold no line that they don't have now and did not have before that commit: later work may stay, nothing is new.
"""

from __future__ import annotations

from collections.abc import Sequence

from nightshift.daemon.kit.git import BareRepo
from nightshift.sandboxes.tester.changes import Change

_LOOK_BACK = 100


def reverted_commit(repo: BareRepo, base: str, all_changes: Sequence[Change], tests: Sequence[Change]) -> str:
    """The commit whose tests the patch takes back, or ''. Raises GitError."""
    if not tests:
        return ""
    wanted, others = {change.path for change in all_changes}, [c for c in all_changes if c not in tests]
    for commit in _touching(repo, base, tests[0].path):
        back = wanted <= _touched_by(repo, commit) and all(_blob(repo, commit, t.path) == t.new_blob for t in tests)
        if back and all(_old(repo, commit, change) for change in others):
            return commit
    return ""


def _old(repo: BareRepo, commit: str, change: Change) -> bool:
    """Whether a change brings no line that neither base nor the commit's parent has."""
    if change.status == "D":
        return True
    then = _blob(repo, commit, change.path)
    found = repo.blobs(sorted({b for b in (change.old_blob, change.new_blob, then) if int(b, 16)}))
    known = {line for blob in (change.old_blob, then) for line in found.get(blob, b"").splitlines()}
    return set(found[change.new_blob].splitlines()) <= known


def _touching(repo: BareRepo, base: str, path: str) -> list[str]:
    flags = ("--no-merges", f"--max-count={_LOOK_BACK}", "--format=%H")
    return repo.out("log", *flags, base, "--", f":(literal){path}").decode().split()


def _touched_by(repo: BareRepo, commit: str) -> set[str]:
    names = repo.out("diff-tree", "-r", "-z", "--name-only", "--no-commit-id", "--no-renames", "--root", commit)
    return {name.decode("utf-8", "surrogateescape") for name in names.split(b"\0") if name}


def _blob(repo: BareRepo, commit: str, path: str) -> str:
    """The blob a path had before the commit; zeros when it was not there."""
    done = repo.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^:{path}")
    return done.text().strip() if done.ok else "0" * 40
