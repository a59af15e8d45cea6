"""What a forge knows: repositories with real commits, pull requests, checks, reviews, people."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from nightshift.daemon.kit.git import ZERO, BareRepo, GitError

BOT = "nightshift-bot"


class Conflict(Exception):
    """The head is another one, or the base moved."""


class Blocked(Exception):
    """The forge's rules do not allow the merge."""


class Exists(Exception):
    """There is an open request from that branch already."""


class Nothing(Exception):
    """The branch is not there, or has nothing that the target lacks."""


@dataclass
class HubPull:
    """One request."""

    number: int
    branch: str
    target: str
    title: str
    body: str
    draft: bool = False
    state: str = "open"
    merged: str = ""
    last_head: str = ""
    labels: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    teams: list[str] = field(default_factory=list)
    comments: list[tuple[str, str]] = field(default_factory=list)
    reviews: list[tuple[str, str, str]] = field(default_factory=list)
    """(user, APPROVED | CHANGES_REQUESTED | COMMENTED, commit)"""


@dataclass
class HubRepo:
    """One repository."""

    full_name: str
    bare: BareRepo
    pulls: list[HubPull] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=lambda: {BOT: "write", "ada": "write", "eve": "read"})
    required_checks: list[str] = field(default_factory=list)
    required_approvals: int = 0
    checks: dict[str, dict[str, str]] = field(default_factory=dict)
    """commit → name → success | failure | pending"""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def tip(self, branch: str) -> str:
        return self.bare.resolve(f"refs/heads/{branch}")

    def head(self, pull: HubPull) -> str:
        return pull.last_head if pull.state == "closed" else self.tip(pull.branch) or pull.last_head

    def pull(self, number: int) -> HubPull | None:
        return next((pull for pull in self.pulls if pull.number == number), None)

    def open(self, branch: str, target: str, title: str, body: str, *, draft: bool = False) -> HubPull:
        """A new request. Raises Exists, Nothing."""
        with self.lock:
            if any(p.branch == branch and p.target == target and p.state == "open" for p in self.pulls):
                raise Exists
            head, base = self.tip(branch), self.tip(target)
            if not head or not base or self.bare.is_ancestor(head, base):
                raise Nothing
            made = HubPull(
                number=len(self.pulls) + 1, branch=branch, target=target, title=title, body=body, draft=draft
            )
            self.pulls.append(made)
            return made

    def close(self, pull: HubPull) -> None:
        with self.lock:
            if pull.state == "open":
                pull.last_head, pull.state = self.tip(pull.branch), "closed"

    def why_blocked(self, pull: HubPull) -> str:
        """Why the rules forbid a merge now; '' when they don't."""
        told = self.checks.get(self.head(pull), {})
        missing = [name for name in self.required_checks if told.get(name) != "success"]
        if missing:
            return f"Required status check {missing[0]!r} is {told.get(missing[0], 'expected')}."
        if self.approvals(pull) < self.required_approvals:
            return f"At least {self.required_approvals} approving review is required by reviewers with write access."
        return "Draft" if pull.draft else ""

    def approvals(self, pull: HubPull) -> int:
        last = {user: verdict for user, verdict, _ in pull.reviews if verdict != "COMMENTED"}
        return sum(v == "APPROVED" and self.people.get(u) in ("write", "admin") for u, v in last.items())

    def merge(self, pull: HubPull, method: str, sha: str, message: str) -> str:
        """Really merge. Raises Conflict, Blocked."""
        with self.lock:
            if pull.state != "open":
                raise Blocked("Pull Request is not mergeable")
            head, base = self.head(pull), self.tip(pull.target)
            if sha and sha != head:
                raise Conflict("Head branch was modified. Review and try the merge again.")
            if why := self.why_blocked(pull):
                raise Blocked(why)
            made = self._result(head, base, method, message)
            if not self.bare.swap(f"refs/heads/{pull.target}", made, base):
                raise Conflict("Base branch was modified. Review and try the merge again.")
            pull.last_head, pull.state, pull.merged = head, "closed", made
            return made

    def _result(self, head: str, base: str, method: str, message: str) -> str:
        at_s = self.bare.committed_at_s(base) + 1
        fork = self.bare.out("merge-base", base, head).decode().strip()
        try:
            tree = self.bare.tree_of(head) if fork == base else self.bare.apply_3way(base, self.bare.diff(fork, head))
        except GitError as error:
            raise Blocked(f"Merge conflict: {error}") from error
        if method == "ff":
            if fork != base:
                raise Blocked("Fast-forward merge is not possible")
            return head
        parents = [base, head] if method == "merge" else [base]
        return self.bare.commit(tree, parents, message, at_s=at_s, who="Web Flow")


def new_repo(root: Path, full_name: str) -> HubRepo:
    return HubRepo(full_name=full_name, bare=BareRepo.ensure(root / f"{full_name}.git"))


def push_as_person(repo: HubRepo, branch: str, files: dict[str, bytes], message: str) -> str:
    """A commit on a branch by somebody with another name."""
    tip = repo.tip(branch)
    env = {"GIT_COMMITTER_EMAIL": "ada@example.org", "GIT_AUTHOR_EMAIL": "ada@example.org"}
    made = (
        repo.bare.out("commit-tree", repo.bare.with_files(tip, files), "-p", tip, "-m", message, env=env)
        .decode()
        .strip()
    )
    assert repo.bare.swap(f"refs/heads/{branch}", made, tip or ZERO)
    return made
