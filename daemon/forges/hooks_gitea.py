"""Gitea's and Forgejo's words: GitHub's, but for reviews, whose text lies elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nightshift.daemon.forges.heard import Heard, moment
from nightshift.daemon.forges.hooks_github import commented, pushed, where
from nightshift.daemon.kit.fields import part, text
from nightshift.daemon.model import ForgeEventKind

_EVENTS = ("x-gitea-event", "x-forgejo-event", "x-github-event")
_REVIEWS = frozenset({"pull_request_approved", "pull_request_rejected", "pull_request_comment"})
_BODY = 10_000


def read(headers: Mapping[str, str], body: dict[str, Any]) -> Heard | None:
    """What a delivery says of a request or a branch; None: nothing."""
    event, action = next((headers[name] for name in _EVENTS if headers.get(name)), ""), text(body, "action")
    pull, who = part(body, "pull_request"), text(part(body, "sender"), "login")
    if event == "push":
        return pushed(body)
    if event == "pull_request" and action == "closed":
        kind = ForgeEventKind.MERGED if pull.get("merged") is True else ForgeEventKind.CLOSED
        return Heard(kind=kind, actor=who, at_s=moment(text(pull, "updated_at")), **where(body, pull))
    if event in _REVIEWS and action == "reviewed":
        said = text(part(body, "review"), "content", _BODY)
        return Heard(kind=ForgeEventKind.SAID, actor=who, text=said, at_s=moment(text(pull, "updated_at")),
                     **where(body, pull))  # fmt: skip
    if event in ("issue_comment", "pull_request_comment") and action == "created" and _on_request(body):
        return commented(body)
    return None


def _on_request(body: dict[str, Any]) -> bool:
    return body.get("is_pull") is True or bool(part(body, "issue", "pull_request"))
