"""GitLab's API, only the endpoints in use, written by hand after the published document (``openapi_v3.yaml`` and the
pages of the REST API): no package carries that document. Names and types of every field that may be sent or answered.
"""

from __future__ import annotations

from typing import Any

from support.hub.published import Described

_TYPES = {"s": {"type": "string"}, "i": {"type": "integer"}, "b": {"type": "boolean"}, "o": {"type": "object"}}


def _object(required: str = "", **fields: str) -> dict[str, Any]:
    """Fields by letters: s(tring), i(nteger), b(oolean), o(bject), a… array of those, …? may be null."""
    return {
        "type": "object",
        "properties": {name: _type(spelled) for name, spelled in fields.items()},
        "required": required.split(),
    }


def _type(spelled: str) -> dict[str, Any]:
    if spelled.endswith("?"):
        return {**_type(spelled[:-1]), "nullable": True}
    return {"type": "array", "items": _type(spelled[1:])} if spelled[0] == "a" else dict(_TYPES[spelled])


_MR = _object(
    iid="i", id="i", state="s", title="s", description="s?", source_branch="s", target_branch="s", sha="s?", draft="b",
    web_url="s", labels="as", reviewers="ao", merge_commit_sha="s?", squash_commit_sha="s?", source_project_id="i",
    target_project_id="i", detailed_merge_status="s", author="o", merged_at="s?",
)  # fmt: skip


def _does(answer: Any, *codes: int, body: Any = None, **query: str) -> dict[str, Any]:
    parameters = [{"name": n, "in": "query", "schema": _type(t)} for n, t in query.items()]
    responses = {str(code): {"content": {"application/json": {"schema": answer}}} for code in codes or (200,)}
    asked = {"requestBody": {"required": True, "content": {"application/json": {"schema": body}}}} if body else {}
    return {"parameters": parameters, "responses": responses, **asked}


def _list(schema: Any) -> dict[str, Any]:
    return {"type": "array", "items": schema}


_PAGES = {"page": "i", "per_page": "i"}
_P = "/projects/{id}"
_M = f"{_P}/merge_requests/{{merge_request_iid}}"
_CREATE = _object("source_branch target_branch title", source_branch="s", target_branch="s", title="s", description="s",
                  labels="s", reviewer_ids="ai", assignee_ids="ai", remove_source_branch="b", squash="b",
                  target_project_id="i", milestone_id="i", allow_collaboration="b")  # fmt: skip
_CHANGE = _object(title="s", description="s", add_labels="s", remove_labels="s", labels="s", reviewer_ids="ai",
                  state_event="s", target_branch="s", squash="b", remove_source_branch="b")  # fmt: skip
_MERGE = _object(sha="s", squash="b", merge_commit_message="s", squash_commit_message="s", auto_merge="b",
                 should_remove_source_branch="b")  # fmt: skip
_NOTE = _object(id="i", body="s", author="o", system="b")
_STATUS = _object(id="i", sha="s", name="s", status="s", target_url="s?", allow_failure="b", ref="s")

PATHS: dict[str, Any] = {
    _P: {
        "get": _does(
            _object(
                id="i",
                path_with_namespace="s",
                permissions="o",
                merge_method="s",
                only_allow_merge_if_pipeline_succeeds="b",
            )
        )
    },
    f"{_P}/merge_requests": {
        "get": _does(_list(_MR), state="s", source_branch="s", target_branch="s", labels="s", **_PAGES),
        "post": _does(_MR, 201, body=_CREATE),
    },
    _M: {"get": _does(_MR), "put": _does(_MR, body=_CHANGE)},
    f"{_M}/merge": {"put": _does(_MR, body=_MERGE)},
    f"{_M}/notes": {
        "get": _does(_list(_NOTE), order_by="s", sort="s", **_PAGES),
        "post": _does(_NOTE, 201, body=_object("body", body="s")),
    },
    f"{_M}/approvals": {
        "get": _does(_object(approved="b", approvals_required="i", approvals_left="i", approved_by="ao"))
    },
    f"{_M}/reviewers": {"get": _does(_list(_object(user="o", state="s", created_at="s")))},
    f"{_P}/repository/commits/{{sha}}/statuses": {
        "get": _does(_list(_STATUS), ref="s", stage="s", name="s", all="b", **_PAGES)
    },
    f"{_P}/members/all/{{user_id}}": {"get": _does(_object(id="i", username="s", access_level="i", state="s"))},
    "/users": {"get": _does(_list(_object(id="i", username="s", state="s")), username="s", search="s", **_PAGES)},
}


def described() -> Described:
    return Described(PATHS, {})
