"""The commits a forge makes: of a draft, of a merge, of an undoing. Pure functions of a repository's objects."""

from __future__ import annotations

from nightshift.daemon.forges.records import safe_name
from nightshift.daemon.forges.wording import commit_message
from nightshift.daemon.kit.git import MAIL, BareRepo, GitError
from nightshift.daemon.model import ChangeDraft, ChangeRequest
from nightshift.daemon.ports import Refused, StaleBase


def commit_of(repo: BareRepo, draft: ChangeDraft) -> str:
    """The commit of a draft: same draft, same id, because its time is the base's."""
    if not repo.resolve(draft.base):
        raise Refused(f"the base {draft.base[:12]} is not in {repo.path}: sync first")
    try:
        tree = repo.apply(draft.base, draft.diff)
    except GitError as error:
        raise Refused(f"the change does not apply to {draft.base[:12]}: {error}") from error
    if tree == repo.tree_of(draft.base):
        raise Refused("the change changes nothing")
    message = commit_message(draft, safe_name(draft.key))
    return repo.commit(tree, [draft.base], message, at_s=repo.committed_at_s(draft.base))


def merge_result(repo: BareRepo, request: ChangeRequest, base: str) -> str:
    """The head itself when it grew from `base`, else a merge commit of the two; StaleBase when they conflict."""
    if request.base == base:
        return request.head
    try:
        tree = repo.apply_3way(base, repo.diff(request.base, request.head))
    except GitError as error:
        raise StaleBase(f"{request.branch} conflicts with {base[:12]}: {error}") from error
    message = f"Merge {request.branch}: {request.title}\n"
    return repo.commit(tree, [base, request.head], message, at_s=repo.committed_at_s(base))


def landing(repo: BareRepo, tip: str, head: str) -> str:
    """The commit of the branch's own line that brought `head` in; '' when `head` is not in the branch."""
    if not tip or not repo.is_ancestor(head, tip):
        return ""
    line = repo.out("rev-list", "--first-parent", "--reverse", tip, f"^{head}").decode().split()
    if not line or parents_of(repo, line[0])[:1] == [head]:
        return head
    descendants = set(repo.out("rev-list", "--ancestry-path", f"{head}..{tip}").decode().split())
    return next(commit for commit in line if commit in descendants)


def undoing(repo: BareRepo, tip: str, merged: str) -> str:
    """The diff that undoes a merged commit on `tip` and keeps later work; Refused when it conflicts or is undone."""
    try:
        undone = repo.apply_3way(tip, repo.diff(merged, f"{merged}^1"))
    except GitError as error:
        raise Refused(f"undoing {merged[:12]} conflicts with later work: {error}") from error
    diff = repo.diff(tip, undone)
    if not diff:
        raise Refused(f"{merged[:12]} is undone already")
    return diff


def parents_of(repo: BareRepo, commit: str) -> list[str]:
    """The parents of a commit, in order."""
    return repo.out("rev-list", "--parents", "-n", "1", commit).decode().split()[1:]


def made_here(repo: BareRepo, commit: str, key: str) -> bool:
    """Whether a commit is one this program made for a key; one that people amended or added is not."""
    if not repo.resolve(commit):
        return False
    who, _, text = (
        repo.out("show", "--no-patch", "--format=%ce%x00%B", commit).decode("utf-8", "replace").partition("\0")
    )
    return who == MAIL and f"\nNightshift-Key: {safe_name(key)}\n" in text


def landed(repo: BareRepo, base: str, tip: str, head: str) -> str:
    """The commit of the branch's own line since `base` that has `head` in it or, squashed or rebased, its tree."""
    tree = repo.tree_of(head)
    for commit in repo.out("rev-list", "--first-parent", "--reverse", tip, f"^{base}").decode().split():
        if commit == head or head in parents_of(repo, commit) or repo.tree_of(commit) == tree:
            return commit
    return ""
