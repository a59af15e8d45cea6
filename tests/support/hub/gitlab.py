"""GitLab's words for the hub: the endpoints in use, each doing what it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from support.hub import gitlab_described, published
from support.hub.server import Answer, Hub, Request, on_pull
from support.hub.state import BOT, Blocked, Conflict, Exists, HubPull, HubRepo, Nothing

WHEN = "2026-01-02T03:04:05.000Z"
_LEVELS = {"read": 20, "write": 30, "admin": 50}


class GitLabApi:
    """Under ``/api/v4``."""

    prefix = "/api/v4"

    def __init__(self, *, fast_forward: bool = False) -> None:
        self.fast_forward = fast_forward

    def described(self) -> published.Described:
        return gitlab_described.described()

    def admits(self, request: Request, tokens: set[str]) -> bool:
        return request.headers.get("private-token") in tokens

    def answer(self, hub: Hub, request: Request) -> Answer:
        path = request.path.removeprefix(self.prefix)
        if path == "/users":
            people = _people(hub)
            name = request.one("username")
            return Answer(200, [{"id": people[name], "username": name, "state": "active"}] if name in people else [])
        found = re.fullmatch(r"/projects/([^/]+)(/.*)?", path)
        repo = hub.repos.get(unquote(found[1])) if found else None
        if repo is None:
            return Answer(404, {"message": "404 Project Not Found"})
        for method, pattern, serve in ROUTES:
            matched = re.fullmatch(pattern, found[2] or "")
            if matched and method == request.method:
                return serve(hub, repo, request, *map(unquote, matched.groups()))
        return Answer(404, {"error": f"404 Not Found: {path}"})


def _people(hub: Hub) -> dict[str, int]:
    names = sorted({name for repo in hub.repos.values() for name in repo.people})
    return {name: at + 100 for at, name in enumerate(names)}


def shown(hub: Hub, repo: HubRepo, pull: HubPull) -> dict[str, Any]:
    state = "merged" if pull.merged else {"open": "opened"}.get(pull.state, pull.state)
    two = bool(pull.merged) and len(repo.bare.out("rev-list", "--parents", "-n", "1", pull.merged).split()) == 3
    return {
        "iid": pull.number, "id": 1000 + pull.number, "state": state, "title": pull.title, "description": pull.body,
        "draft": pull.draft, "source_branch": pull.branch, "target_branch": pull.target, "sha": repo.head(pull) or None,
        "source_project_id": 1, "target_project_id": 1, "labels": pull.labels,
        "web_url": f"{hub.url}/{repo.full_name}/-/merge_requests/{pull.number}",
        "reviewers": [{"id": _people(hub)[name], "username": name} for name in pull.reviewers],
        "merge_commit_sha": pull.merged if two else None,
        "squash_commit_sha": pull.merged if pull.merged and not two and pull.merged != pull.last_head else None,
        "detailed_merge_status": "mergeable" if pull.state == "open" and not repo.why_blocked(pull) else "not_open",
    }  # fmt: skip


def _project(hub: Hub, repo: HubRepo, request: Request) -> Answer:
    access = {"project_access": {"access_level": 40}, "group_access": None}
    return Answer(200, {"id": 1, "path_with_namespace": repo.full_name, "permissions": access, "merge_method": "merge",
                        "only_allow_merge_if_pipeline_succeeds": bool(repo.required_checks)})  # fmt: skip


def _list(hub: Hub, repo: HubRepo, request: Request) -> Answer:
    rows = [shown(hub, repo, pull) for pull in reversed(repo.pulls)]
    for name in ("state", "source_branch", "target_branch"):
        wanted = request.one(name)
        rows = [row for row in rows if not wanted or wanted == "all" or row[name] == wanted]
    size, page = int(request.one("per_page", "20")), int(request.one("page", "1"))
    return Answer(200, rows[size * (page - 1) : size * page])


def _is_draft(title: str) -> bool:
    return title.lower().startswith(("draft:", "[draft]", "(draft)"))


def _create(hub: Hub, repo: HubRepo, request: Request) -> Answer:
    wish = request.body
    try:
        made = repo.open(
            wish["source_branch"],
            wish["target_branch"],
            wish["title"],
            wish.get("description", ""),
            draft=_is_draft(wish["title"]),
        )
    except Exists:
        return Answer(
            409, {"message": [f"Another open merge request already exists for this source branch: !{len(repo.pulls)}"]}
        )
    except Nothing:
        return Answer(400, {"message": {"base": ["Source branch does not exist"]}})
    made.labels = [name for name in wish.get("labels", "").split(",") if name]
    named = {number: name for name, number in _people(hub).items()}
    made.reviewers = [named[number] for number in wish.get("reviewer_ids", [])]
    return Answer(201, shown(hub, repo, made))


_one = on_pull("404 Not found")


@_one
def _get(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    return Answer(200, shown(hub, repo, pull))


@_one
def _edit(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    if request.body.get("state_event") == "close":
        repo.close(pull)
    pull.title, pull.body = request.body.get("title", pull.title), request.body.get("description", pull.body)
    pull.labels += [name for name in request.body.get("add_labels", "").split(",") if name and name not in pull.labels]
    pull.draft = _is_draft(pull.title)
    return Answer(200, shown(hub, repo, pull))


@_one
def _notes(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    if request.method == "POST":
        pull.comments.append((BOT, request.body["body"]))
        return Answer(201, {"id": len(pull.comments), "body": request.body["body"], "author": {"username": BOT}})
    rows = [{"id": at, "body": text, "author": {"username": user}} for at, (user, text) in enumerate(pull.comments)]
    size, page = int(request.one("per_page", "20")), int(request.one("page", "1"))
    return Answer(200, rows[size * (page - 1) : size * page])


@_one
def _approvals(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    last = {user: verdict for user, verdict, _ in pull.reviews}
    by = [{"user": {"username": user}} for user, verdict in last.items() if verdict == "APPROVED"]
    left = max(0, repo.required_approvals - repo.approvals(pull))
    return Answer(
        200,
        {
            "approved": not left,
            "approvals_required": repo.required_approvals,
            "approvals_left": left,
            "approved_by": by,
        },
    )


@_one
def _reviewers(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    words = {"APPROVED": "approved", "CHANGES_REQUESTED": "requested_changes", "COMMENTED": "reviewed"}
    last = {user: words[verdict] for user, verdict, _ in pull.reviews}
    names = dict.fromkeys([*pull.reviewers, *last])
    return Answer(
        200, [{"user": {"username": n}, "state": last.get(n, "unreviewed"), "created_at": WHEN} for n in names]
    )


@_one
def _merge(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    wish = request.body
    api: Any = hub.api
    method = "squash" if wish.get("squash") else "ff" if api.fast_forward else "merge"
    try:
        repo.merge(
            pull, method, wish.get("sha", ""), wish.get("squash_commit_message") or wish.get("merge_commit_message", "")
        )
    except Conflict:
        return Answer(409, {"message": "SHA does not match HEAD of source branch"})
    except Blocked:
        return Answer(405, {"message": "405 Method Not Allowed"})
    return Answer(200, shown(hub, repo, pull))


def _statuses(hub: Hub, repo: HubRepo, request: Request, commit: str) -> Answer:
    words = {"failure": "failed"}
    told = repo.checks.get(commit, {})
    return Answer(200, [{"id": at, "sha": commit, "name": n, "status": words.get(s, s), "target_url": None, "allow_failure": False}
                        for at, (n, s) in enumerate(told.items())])  # fmt: skip


def _member(hub: Hub, repo: HubRepo, request: Request, number: str) -> Answer:
    name = {n: name for name, n in _people(hub).items()}.get(int(number), "")
    if name not in repo.people:
        return Answer(404, {"message": "404 Not found"})
    return Answer(
        200, {"id": int(number), "username": name, "access_level": _LEVELS[repo.people[name]], "state": "active"}
    )


_M = r"/merge_requests/(\d+)"
ROUTES: list[tuple[str, str, Callable[..., Answer]]] = [
    ("GET", "", _project),
    ("GET", "/merge_requests", _list),
    ("POST", "/merge_requests", _create),
    ("GET", _M, _get),
    ("PUT", _M, _edit),
    ("PUT", f"{_M}/merge", _merge),
    ("GET", f"{_M}/notes", _notes),
    ("POST", f"{_M}/notes", _notes),
    ("GET", f"{_M}/approvals", _approvals),
    ("GET", f"{_M}/reviewers", _reviewers),
    ("GET", r"/repository/commits/([0-9a-f]{40})/statuses", _statuses),
    ("GET", r"/members/all/(\d+)", _member),
]
