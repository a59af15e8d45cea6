"""Gitea's words for the hub: the endpoints in use, each doing what it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from support.hub import published
from support.hub.server import Answer, Hub, Request, on_pull
from support.hub.state import BOT, Blocked, Conflict, Exists, HubPull, HubRepo, Nothing


class GiteaApi:
    """Under ``/api/v1``."""

    prefix = "/api/v1"

    def described(self) -> published.Described:
        return published.gitea()

    def admits(self, request: Request, tokens: set[str]) -> bool:
        kind, _, shown = request.headers.get("authorization", "").partition(" ")
        return kind.lower() in ("token", "bearer") and shown in tokens

    def answer(self, hub: Hub, request: Request) -> Answer:
        path = request.path.removeprefix(self.prefix)
        found = re.fullmatch(r"/repos/([^/]+/[^/]+)(/.*)?", path)
        repo = hub.repos.get(found[1]) if found else None
        if repo is None:
            return Answer(404, {"message": "The target couldn't be found."})
        for method, pattern, serve in ROUTES:
            matched = re.fullmatch(pattern, found[2] or "")
            if matched and method == request.method:
                return serve(hub, repo, request, *map(unquote, matched.groups()))
        return Answer(404, {"message": f"Not Found: {path}"})


def shown(hub: Hub, repo: HubRepo, pull: HubPull) -> dict[str, Any]:
    return {
        "number": pull.number, "state": pull.state, "title": pull.title, "body": pull.body, "draft": pull.draft,
        "merged": bool(pull.merged), "merge_commit_sha": pull.merged or None,
        "html_url": f"{hub.url}/{repo.full_name}/pulls/{pull.number}",
        "head": {"ref": pull.branch, "sha": repo.head(pull), "label": pull.branch},
        "base": {"ref": pull.target, "sha": repo.tip(pull.target), "label": pull.target},
        "labels": [{"id": repo.labels[name], "name": name} for name in pull.labels],
        "requested_reviewers": [{"login": name} for name in pull.reviewers],
    }  # fmt: skip


def _repo(hub: Hub, repo: HubRepo, request: Request) -> Answer:
    return Answer(200, {"full_name": repo.full_name, "permissions": {"admin": False, "push": True, "pull": True}})


def _list(hub: Hub, repo: HubRepo, request: Request) -> Answer:
    found = [p for p in reversed(repo.pulls) if request.one("state", "open") in ("all", p.state)]
    size, page = int(request.one("limit", "30")), int(request.one("page", "1"))
    return Answer(200, [shown(hub, repo, p) for p in found][size * (page - 1) : size * page])


def _by_branches(hub: Hub, repo: HubRepo, request: Request, base: str, head: str) -> Answer:
    pull = next((p for p in repo.pulls if (p.branch, p.target) == (head, base)), None)
    return Answer(200, shown(hub, repo, pull)) if pull else Answer(404, {"message": "pull request does not exist"})


def _create(hub: Hub, repo: HubRepo, request: Request) -> Answer:
    wish = request.body
    named = {number: name for name, number in repo.labels.items()}
    try:
        made = repo.open(
            wish["head"], wish["base"], wish["title"], wish.get("body", ""), draft=_is_draft(wish["title"])
        )
    except Exists:
        return Answer(409, {"message": "pull request already exists for these targets"})
    except Nothing:
        return Answer(404, {"message": "The target couldn't be found."})
    made.labels = [named[number] for number in wish.get("labels", [])]
    return Answer(201, shown(hub, repo, made))


def _is_draft(title: str) -> bool:
    return title.upper().startswith(("WIP:", "[WIP]"))


_one = on_pull("not found")


@_one
def _get(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    return Answer(200, shown(hub, repo, pull))


@_one
def _edit(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    if request.body.get("state") == "closed":
        repo.close(pull)
    pull.title, pull.body = request.body.get("title", pull.title), request.body.get("body", pull.body)
    pull.draft = _is_draft(pull.title)
    return Answer(201, shown(hub, repo, pull))


def _labels(hub: Hub, repo: HubRepo, request: Request) -> Answer:
    if request.method == "POST":
        number = repo.labels.setdefault(request.body["name"], len(repo.labels) + 10)
        return Answer(201, {"id": number, "name": request.body["name"]})
    size, page = int(request.one("limit", "30")), int(request.one("page", "1"))
    return Answer(
        200, [{"id": number, "name": name} for name, number in repo.labels.items()][size * (page - 1) : size * page]
    )


@_one
def _label(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    named = {number: name for name, number in repo.labels.items()}
    pull.labels += [named[number] for number in request.body["labels"] if named[number] not in pull.labels]
    return Answer(200, [{"id": repo.labels[name], "name": name} for name in pull.labels])


@_one
def _ask(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    people = request.body.get("reviewers", [])
    if any(one == BOT or one not in repo.people for one in people):
        return Answer(422, {"message": "reviewer can not be requested"})
    pull.reviewers += [one for one in people if one not in pull.reviewers]
    pull.teams += request.body.get("team_reviewers", [])
    return Answer(201, [{"state": "REQUEST_REVIEW", "user": {"login": one}} for one in people])


@_one
def _comments(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    if request.method == "POST":
        pull.comments.append((BOT, request.body["body"]))
        return Answer(201, {"body": request.body["body"], "user": {"login": BOT}})
    return Answer(200, [{"body": text, "user": {"login": user}} for user, text in pull.comments])


@_one
def _reviews(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    words = {"CHANGES_REQUESTED": "REQUEST_CHANGES", "COMMENTED": "COMMENT"}
    rows = [{"user": {"login": user}, "state": words.get(state, state), "commit_id": commit, "official": repo.people.get(user) == "write",
             "stale": commit != repo.head(pull), "dismissed": False} for user, state, commit in pull.reviews]  # fmt: skip
    return Answer(200, rows)


@_one
def _merge(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    wish = request.body
    try:
        repo.merge(
            pull,
            wish["Do"],
            wish.get("head_commit_id", ""),
            f"{wish.get('MergeTitleField', '')}\n\n{wish.get('MergeMessageField', '')}\n",
        )
    except Conflict as error:
        return Answer(409, {"message": str(error)})
    except Blocked as error:
        return Answer(405, {"message": str(error)})
    return Answer(200)


def _branch(hub: Hub, repo: HubRepo, request: Request, branch: str) -> Answer:
    return Answer(200, {
        "name": branch, "commit": {"id": repo.tip(branch)}, "protected": bool(repo.required_checks or repo.required_approvals),
        "enable_status_check": bool(repo.required_checks), "status_check_contexts": repo.required_checks,
        "required_approvals": repo.required_approvals, "user_can_merge": True,
    })  # fmt: skip


def _status(hub: Hub, repo: HubRepo, request: Request, commit: str) -> Answer:
    told = repo.checks.get(commit, {})
    return Answer(200, {"state": "pending", "sha": commit, "total_count": len(told),
                        "statuses": [{"context": n, "status": s, "target_url": ""} for n, s in told.items()] or None})  # fmt: skip


def _permission(hub: Hub, repo: HubRepo, request: Request, person: str) -> Answer:
    if person not in repo.people:
        return Answer(404, {"message": "user does not exist"})
    return Answer(200, {"permission": repo.people[person], "role_name": repo.people[person], "user": {"login": person}})


_N = r"(\d+)"
ROUTES: list[tuple[str, str, Callable[..., Answer]]] = [
    ("GET", "", _repo),
    ("GET", "/pulls", _list),
    ("POST", "/pulls", _create),
    ("GET", f"/pulls/{_N}", _get),
    ("PATCH", f"/pulls/{_N}", _edit),
    ("POST", f"/pulls/{_N}/requested_reviewers", _ask),
    ("GET", f"/pulls/{_N}/reviews", _reviews),
    ("POST", f"/pulls/{_N}/merge", _merge),
    ("GET", r"/pulls/([^/]+)/(.+)", _by_branches),
    ("GET", "/labels", _labels),
    ("POST", "/labels", _labels),
    ("POST", f"/issues/{_N}/labels", _label),
    ("GET", f"/issues/{_N}/comments", _comments),
    ("POST", f"/issues/{_N}/comments", _comments),
    ("GET", r"/branches/([^/]+)", _branch),
    ("GET", r"/commits/([0-9a-f]{40})/status", _status),
    ("GET", r"/collaborators/([^/]+)/permission", _permission),
]
