"""GitLab's words. https://docs.gitlab.com/user/project/integrations/webhook_events/"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nightshift.daemon.forges.heard import Heard, moment
from nightshift.daemon.kit.fields import part, text
from nightshift.daemon.model import ForgeEventKind

_BODY = 10_000
_GONE = "0" * 40
_SETTLED = {"merge": ForgeEventKind.MERGED, "close": ForgeEventKind.CLOSED}


def read(headers: Mapping[str, str], body: dict[str, Any]) -> Heard | None:
    """What a delivery says of a request or a branch; None: nothing."""
    event = headers.get("x-gitlab-event", "")
    if event == "Push Hook":
        return _pushed(body)
    told = part(body, "object_attributes")
    if event == "Merge Request Hook" and text(told, "action") in _SETTLED:
        return Heard(kind=_SETTLED[text(told, "action")], at_s=moment(text(told, "updated_at")), **_where(body, told))
    if event == "Note Hook" and text(told, "noteable_type") == "MergeRequest" and told.get("system") is not True:
        return Heard(kind=ForgeEventKind.SAID, text=text(told, "note", _BODY), at_s=moment(text(told, "created_at")),
                     **_where(body, part(body, "merge_request")))  # fmt: skip
    return None


def _pushed(body: dict[str, Any]) -> Heard | None:
    repository, after = text(part(body, "project"), "path_with_namespace"), text(body, "after")
    if after in ("", _GONE):
        return None
    branch = text(body, "ref").removeprefix("refs/heads/")
    return Heard(kind=ForgeEventKind.PUSHED, repository=repository, source=repository, branch=branch, head=after,
                 actor=text(body, "user_username"))  # fmt: skip


def _where(body: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    repository, number = text(part(body, "project"), "path_with_namespace"), request.get("iid")
    own = request.get("source_project_id") == request.get("target_project_id")
    return {
        "repository": repository, "source": repository if own else "", "branch": text(request, "source_branch"),
        "head": text(part(request, "last_commit"), "id"), "actor": text(part(body, "user"), "username"),
        "number": number if isinstance(number, int) and not isinstance(number, bool) else 0,
    }  # fmt: skip
