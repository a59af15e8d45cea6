"""What leaves the house: change requests, what a forge says of them, and what production did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ChangeState(StrEnum):
    """Where a change request stands."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class ChangeDraft:
    """What a forge is asked to propose. `key` is the idempotency key: one change request per key, ever.

    `round` counts how often the work was done again: a higher one than the forge has moves the same request to this
    draft and tells so in a comment. `draft`: people have to decide, so it is not shown as ready. `urgent` is never held
    back by a cap. `supersedes` are keys of requests that this one makes needless.
    """

    key: str
    base: str
    diff: str
    title: str
    body: str
    target: str = "main"
    labels: tuple[str, ...] = ()
    round: int = 0
    draft: bool = False
    urgent: bool = False
    supersedes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ChangeRequest:
    """A pull request as the forge has it. `head` is the commit that was judged; `merged` the merge result or ''.

    `landed_on` is the commit the merge was put on; another one than the judged base means that somebody else's merge
    came in between, at the same moment ('' = not merged, or not known).
    """

    key: str
    number: int
    branch: str
    target: str
    base: str
    head: str
    title: str
    body: str
    state: ChangeState
    url: str = ""
    merged: str = ""
    round: int = 0
    landed_on: str = ""


class CheckState(StrEnum):
    """What a check of the forge says of a commit."""

    GREEN = "green"
    PENDING = "pending"
    RED = "red"


@dataclass(frozen=True, kw_only=True)
class ForgeCheck:
    """One check that ran, or has to run, on a change request's head."""

    name: str
    state: CheckState
    required: bool = False
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """Whether a forge's own rules let a change request be merged: checks, and people's reviews.

    `refused` says what forbids it until somebody changes something, `waiting` what it still waits for; both '': ready.
    """

    checks: tuple[ForgeCheck, ...] = ()
    approvals: int = 0
    approvals_needed: int = 0
    objections: tuple[str, ...] = ()
    refused: str = ""
    waiting: str = ""

    @property
    def ready(self) -> bool:
        """Nothing stands in the way."""
        return not (self.refused or self.waiting)


class ForgeEventKind(StrEnum):
    """What people do to a change request, on the forge."""

    SAID = "said"
    PUSHED = "pushed"
    MERGED = "merged"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class ForgeEvent:
    """Something a forge told about a branch of ours. `key` identifies it, so that hearing it twice counts once.

    `repository` is ``owner/name`` as the forge spells it, `text` what was said after ``nightshift:``, `head` the commit
    the branch stands at afterwards ('' = not told). Some forges name only the request's `number`.
    """

    key: str
    forge: str
    repository: str
    kind: ForgeEventKind
    branch: str
    actor: str
    number: int = 0
    text: str = ""
    head: str = ""
    at_ms: int = 0


class Recovery(StrEnum):
    """What production did after a deploy."""

    RECOVERED = "recovered"
    STILL_FAILING = "still_failing"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of watching a deploy, with the reads it rests on, and figures from before and after it (see
    `missions.comparison.Figure`)."""

    recovery: Recovery
    reason: str
    reads: tuple[Mapping[str, Any], ...] = ()
    figures: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Health:
    """Whether a part of the world answers; `fix` says what to do when it does not."""

    ok: bool
    what: str
    detail: str
    fix: str = ""
