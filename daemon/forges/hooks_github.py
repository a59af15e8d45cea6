"""GitHub's words. https://docs.github.com/webhooks/webhook-events-and-payloads"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nightshift.daemon.forges.heard import Heard, moment
from nightshift.daemon.kit.fields import part, text
from nightshift.daemon.model import ForgeEventKind

_BODY = 10_000
_GONE = "0" * 40


def read(headers: Mapping[str, str], body: dict[str, Any]) -> Heard | None:
    """What a delivery says of a request or a branch; None: nothing."""
    event, action = headers.get("x-github-event", ""), text(body, "action")
    if event == "push":
        return pushed(body)
    if event == "pull_request" and action == "closed":
        return _settled(body)
    if event == "pull_request_review" and action == "submitted":
        return _said(body, part(body, "review"), "submitted_at")
    if event == "pull_request_review_comment" and action == "created":
        return _said(body, part(body, "comment"), "created_at")
    if event == "issue_comment" and action == "created" and part(body, "issue", "pull_request"):
        return commented(body)
    return None


def pushed(body: dict[str, Any]) -> Heard | None:
    """A branch that moved; one that was deleted says nothing."""
    repository, after = text(part(body, "repository"), "full_name"), text(body, "after")
    branch = text(body, "ref").removeprefix("refs/heads/")
    if after in ("", _GONE):
        return None
    return Heard(
        kind=ForgeEventKind.PUSHED, repository=repository, source=repository, branch=branch, head=after,
        actor=_who(body), at_s=_pushed_s(body),
    )  # fmt: skip


def _pushed_s(body: dict[str, Any]) -> float:
    """GitHub tells Unix seconds, Gitea nothing: then the commit's time would say when it was made, not pushed."""
    at = part(body, "repository").get("pushed_at")
    return float(at) if isinstance(at, int) and not isinstance(at, bool) else 0.0


def _settled(body: dict[str, Any]) -> Heard:
    pull = part(body, "pull_request")
    kind = ForgeEventKind.MERGED if pull.get("merged") is True else ForgeEventKind.CLOSED
    return Heard(kind=kind, actor=_who(body), at_s=moment(text(pull, "closed_at")), **where(body, pull))


def _said(body: dict[str, Any], comment: dict[str, Any], at: str) -> Heard:
    actor, said = text(part(comment, "user"), "login"), text(comment, "body", _BODY)
    return Heard(kind=ForgeEventKind.SAID, actor=actor, text=said,
                 at_s=moment(text(comment, at)), **where(body, part(body, "pull_request")))  # fmt: skip


def commented(body: dict[str, Any]) -> Heard:
    """A comment on the request as a whole; it names no branch."""
    comment, repository = part(body, "comment"), text(part(body, "repository"), "full_name")
    return Heard(
        kind=ForgeEventKind.SAID, repository=repository, source=repository, branch="",
        number=number(part(body, "issue")),
        actor=text(part(comment, "user"), "login"), text=text(comment, "body", _BODY),
        at_s=moment(text(comment, "created_at")),
    )  # fmt: skip


def where(body: dict[str, Any], pull: dict[str, Any]) -> dict[str, Any]:
    """The fields that say which request it is about."""
    return {
        "repository": text(part(body, "repository"), "full_name"),
        "source": text(part(pull, "head", "repo"), "full_name"),
        "branch": text(part(pull, "head"), "ref"), "head": text(part(pull, "head"), "sha"), "number": number(pull),
    }  # fmt: skip


def number(row: dict[str, Any]) -> int:
    """A request's number; 0 when there is none."""
    found = row.get("number")
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def _who(body: dict[str, Any]) -> str:
    return text(part(body, "sender"), "login") or text(part(body, "pusher"), "name")
