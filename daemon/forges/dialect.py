"""What a forge's own API has to offer so that `RemoteForge` can do the rest: one small verb per thing, no policy.

Every verb makes as few calls as the API allows and raises what `patience` knows: Unsure or Declined.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from nightshift.daemon.kit.access import Access
from nightshift.daemon.model import ChangeState, CheckState, ForgeCheck, Health, Readiness


@dataclass(frozen=True, kw_only=True)
class Pull:
    """A pull or merge request as an API shows it. `head` is where its branch stands there, `merged` the merge's commit
    ('' = not told), `node` a name some APIs want besides the number."""

    number: int
    state: ChangeState
    branch: str
    target: str
    head: str
    url: str
    title: str = ""
    body: str = ""
    draft: bool = False
    merged: str = ""
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    node: str = ""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A request to be opened. `reviewers` are names of people, ``org/team`` for teams."""

    branch: str
    target: str
    title: str
    body: str
    draft: bool = False
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the configuration asks for besides the forge's own rules."""

    checks: tuple[str, ...] = ()
    approvals: int = 0


class Dialect(Protocol):
    """One forge's API. `repo` is ``owner/name``; numbers are the forge's."""

    name: str
    origin: str

    def access(self, repo: str, address: str) -> Access:
        """How git gets in to a repository at this address."""
        ...

    def owners_files(self) -> tuple[str, ...]:
        """Where code owners are named, the first that exists counts."""
        ...

    def owners(self, text: str, paths: Sequence[str]) -> tuple[str, ...]:
        """Who owns these paths by such a file."""
        ...

    def pulls_of(self, repo: str, branch: str, target: str) -> Sequence[Pull]:
        """Every request from a branch to a target, whatever its state; open ones first, then the newest."""
        ...

    def open_count(self, repo: str, prefix: str) -> int:
        """How many requests are open from branches that begin so."""
        ...

    def create(self, repo: str, wanted: Wanted) -> Pull: ...

    def dress(self, repo: str, pull: Pull, wanted: Wanted) -> None:
        """Add the labels and reviewers that are not there yet; reviewers the forge does not take are left out."""
        ...

    def pull(self, repo: str, number: int) -> Pull: ...

    def rewrite(self, repo: str, pull: Pull, title: str, body: str) -> None:
        """New words; whether it is a draft stays as it is."""
        ...

    def make_ready(self, repo: str, pull: Pull) -> None:
        """No draft any more."""
        ...

    def comments(self, repo: str, number: int) -> Sequence[str]: ...

    def comment(self, repo: str, number: int, text: str) -> None: ...

    def close(self, repo: str, number: int) -> None: ...

    def readiness(self, repo: str, pull: Pull, rules: Rules) -> Readiness: ...

    def merge(self, repo: str, pull: Pull, method: str, title: str, body: str) -> str:
        """Merge `pull.head` and nothing else; the merge's commit, '' when the answer doesn't tell."""
        ...

    def may_write(self, repo: str, person: str) -> bool: ...

    def examine(self, repo: str, branch: str) -> Sequence[Health]:
        """Whether the credential works, may do what is needed, and the branch's rules can be read."""
        ...


def weighed(
    checks: Sequence[ForgeCheck], required: Collection[str], *, approvals: int, needed: int, objections: Sequence[str]
) -> Readiness:
    """What checks and reviews amount to. Where nothing is required, everything that ran has to be green: a forge would
    let a red pipeline through that nobody declared as required, and this program does not."""
    named = {check.name for check in checks}
    missing = [ForgeCheck(name=name, state=CheckState.PENDING) for name in required if name not in named]
    counted = [replace(c, required=c.name in required or not required) for c in (*checks, *missing)]
    ruling = [check for check in counted if check.required]
    red = [check.name for check in ruling if check.state is CheckState.RED]
    pending = [check.name for check in ruling if check.state is CheckState.PENDING]
    waiting = ""
    if pending:
        waiting = f"checks are not finished: {', '.join(pending[:5])}"
    elif objections:
        waiting = f"changes were requested by {', '.join(objections)}"
    elif approvals < needed:
        waiting = f"{approvals} of {needed} approvals"
    refused = f"required checks failed: {', '.join(red[:5])}" if red else ""
    return Readiness(checks=tuple(counted), approvals=approvals, approvals_needed=needed,
                     objections=tuple(objections), refused=refused, waiting=waiting)  # fmt: skip


def latest_reviews(reviews: Sequence[tuple[str, str]]) -> tuple[int, tuple[str, ...]]:
    """Approvals, and who asks for changes: the last word of each reviewer, in order, that is not a mere comment."""
    last: dict[str, str] = {}
    for person, verdict in reviews:
        if verdict in ("approved", "changes", "dismissed"):
            last[person] = verdict
    return sum(v == "approved" for v in last.values()), tuple(p for p, v in last.items() if v == "changes")
