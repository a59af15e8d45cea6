"""GitHub's words for the hub: the endpoints in use, each doing what it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from support.hub import published
from support.hub.server import Answer, Hub, Request, on_pull
from support.hub.state import BOT, Blocked, Conflict, Exists, HubPull, HubRepo, Nothing

WHEN = "2026-01-02T03:04:05Z"


class GitHubApi:
    """Under ``/api/v3``, as Enterprise has it; GraphQL under ``/api/graphql``."""

    prefix = "/api/v3"

    def __init__(self, *, app_key: Any = None) -> None:
        self.app_key = app_key
        self.handed_out = 0

    def described(self) -> published.Described:
        return published.github()

    def admits(self, request: Request, tokens: set[str]) -> bool:
        kind, _, shown = request.headers.get("authorization", "").partition(" ")
        if request.path.endswith(("/access_tokens", "/installation")):
            return kind.lower() == "bearer" and self._signed(shown)
        return kind.lower() in ("token", "bearer") and shown in tokens

    def _signed(self, shown: str) -> bool:
        import jwt

        try:
            return bool(jwt.decode(shown, self.app_key, algorithms=["RS256"], issuer="77"))
        except jwt.PyJWTError:
            return False

    def answer(self, hub: Hub, request: Request) -> Answer:
        if request.path == "/api/graphql":
            return self._graphql(hub, request)
        path = request.path.removeprefix(self.prefix)
        if re.fullmatch(r"/app/installations/5/access_tokens", path) and request.method == "POST":
            self.handed_out += 1
            token = f"ghs_{'A' * 30}{self.handed_out:06d}"
            hub.tokens.add(token)
            return Answer(
                201, {"token": token, "expires_at": "2099-01-01T00:00:00Z", "permissions": {"contents": "write"}}
            )
        found = re.fullmatch(r"/repos/([^/]+/[^/]+)(/.*)?", path)
        repo = hub.repos.get(found[1]) if found else None
        if repo is None:
            return Answer(404, {"message": "Not Found"})
        rest = found[2] or ""
        if rest == "/installation":
            return Answer(200, {"id": 5, "app_id": 77})
        for method, pattern, serve in ROUTES:
            matched = re.fullmatch(pattern, rest)
            if matched and method == request.method:
                return serve(hub, repo, request, *map(unquote, matched.groups()))
        return Answer(404, {"message": f"Not Found: {rest}"})

    def _graphql(self, hub: Hub, request: Request) -> Answer:
        wish = request.body["variables"]["input"]
        assert re.search(r"mutation .*markPullRequestReadyForReview\(input: \$input\)", request.body["query"])
        pull = next((p for r in hub.repos.values() for p in r.pulls if _node(r, p) == wish["pullRequestId"]), None)
        if pull is None:
            return Answer(200, {"errors": [{"type": "NOT_FOUND", "message": "no such node"}]})
        pull.draft = False
        return Answer(200, {"data": {"markPullRequestReadyForReview": {"clientMutationId": None}}})


def _node(repo: HubRepo, pull: HubPull) -> str:
    return f"PR_{repo.full_name}_{pull.number}"


def shown(hub: Hub, repo: HubRepo, pull: HubPull) -> dict[str, Any]:
    owner = repo.full_name.partition("/")[0]
    return {
        "number": pull.number, "node_id": _node(repo, pull), "state": pull.state, "title": pull.title, "body": pull.body,
        "draft": pull.draft, "merged_at": WHEN if pull.merged else None,
        "merge_commit_sha": pull.merged or repo.head(pull), "html_url": f"{hub.url}/{repo.full_name}/pull/{pull.number}",
        "head": {"ref": pull.branch, "sha": repo.head(pull), "label": f"{owner}:{pull.branch}"},
        "base": {"ref": pull.target, "sha": repo.tip(pull.target), "label": f"{owner}:{pull.target}"},
        "labels": [{"name": name} for name in pull.labels],
        "requested_reviewers": [{"login": name} for name in pull.reviewers],
        "requested_teams": [{"slug": name} for name in pull.teams],
    }  # fmt: skip


def _repo(hub: Hub, repo: HubRepo, request: Request) -> Answer:
    return Answer(200, {"full_name": repo.full_name, "permissions": {"admin": False, "push": True, "pull": True}})


def _list(hub: Hub, repo: HubRepo, request: Request) -> Answer:
    state, head, base = request.one("state", "open"), request.one("head").partition(":")[2], request.one("base")
    found = [
        p
        for p in repo.pulls
        if state in ("all", p.state) and (not head or p.branch == head) and (not base or p.target == base)
    ]
    size, page = int(request.one("per_page", "30")), int(request.one("page", "1"))
    return Answer(200, [shown(hub, repo, p) for p in reversed(found)][size * (page - 1) : size * page])


def _create(hub: Hub, repo: HubRepo, request: Request) -> Answer:
    wish = request.body
    try:
        made = repo.open(
            wish["head"], wish["base"], wish["title"], wish.get("body") or "", draft=wish.get("draft", False)
        )
    except Exists:
        text = f"A pull request already exists for {repo.full_name.partition('/')[0]}:{wish['head']}."
        return Answer(
            422,
            {
                "message": "Validation Failed",
                "errors": [{"resource": "PullRequest", "code": "custom", "message": text}],
            },
        )
    except Nothing:
        return Answer(
            422,
            {
                "message": "Validation Failed",
                "errors": [{"message": f"No commits between {wish['base']} and {wish['head']}"}],
            },
        )
    return Answer(201, shown(hub, repo, made))


_one = on_pull("Not Found")


@_one
def _get(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    return Answer(
        200, {**shown(hub, repo, pull), "merged": bool(pull.merged), "mergeable": None, "mergeable_state": "unknown"}
    )


@_one
def _edit(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    if request.body.get("state") == "closed":
        repo.close(pull)
    pull.title, pull.body = request.body.get("title", pull.title), request.body.get("body", pull.body)
    return Answer(200, shown(hub, repo, pull))


@_one
def _label(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    pull.labels += [name for name in request.body["labels"] if name not in pull.labels]
    return Answer(200, [{"name": name} for name in pull.labels])


@_one
def _ask(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    people, teams = request.body.get("reviewers", []), request.body.get("team_reviewers", [])
    if any(one == BOT or one not in repo.people for one in people):
        return Answer(422, {"message": "Reviews may only be requested from collaborators."})
    pull.reviewers += [one for one in people if one not in pull.reviewers]
    pull.teams += [one for one in teams if one not in pull.teams]
    return Answer(201, shown(hub, repo, pull))


@_one
def _comments(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    if request.method == "POST":
        pull.comments.append((BOT, request.body["body"]))
        return Answer(201, {"body": request.body["body"], "user": {"login": BOT}})
    size, page = int(request.one("per_page", "30")), int(request.one("page", "1"))
    return Answer(
        200, [{"body": text, "user": {"login": user}} for user, text in pull.comments][size * (page - 1) : size * page]
    )


@_one
def _reviews(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    return Answer(
        200, [{"user": {"login": user}, "state": state, "commit_id": commit} for user, state, commit in pull.reviews]
    )


@_one
def _merge(hub: Hub, repo: HubRepo, request: Request, pull: HubPull) -> Answer:
    wish = request.body
    message = f"{wish.get('commit_title', '')}\n\n{wish.get('commit_message', '')}\n"
    try:
        made = repo.merge(pull, wish.get("merge_method", "merge"), wish.get("sha", ""), message)
    except Conflict as error:
        return Answer(409, {"message": str(error)})
    except Blocked as error:
        return Answer(405, {"message": str(error)})
    return Answer(200, {"sha": made, "merged": True, "message": "Pull Request successfully merged"})


def _branch(hub: Hub, repo: HubRepo, request: Request, branch: str) -> Answer:
    checks = repo.required_checks[:1]
    return Answer(200, {
        "name": branch, "commit": {"sha": repo.tip(branch)}, "protected": bool(repo.required_checks),
        "protection": {"enabled": bool(checks), "required_status_checks": {"enforcement_level": "non_admins", "contexts": checks,
                                                                            "checks": [{"context": c, "app_id": None} for c in checks]}},
    })  # fmt: skip


def _rules(hub: Hub, repo: HubRepo, request: Request, branch: str) -> Answer:
    rules: list[dict[str, Any]] = []
    if repo.required_checks[1:]:
        wanted = [{"context": name} for name in repo.required_checks[1:]]
        rules.append(
            {
                "type": "required_status_checks",
                "parameters": {"required_status_checks": wanted, "strict_required_status_checks_policy": False},
            }
        )
    if repo.required_approvals:
        count = {"required_approving_review_count": repo.required_approvals, "dismiss_stale_reviews_on_push": False,
                 "require_code_owner_review": False, "require_last_push_approval": False,
                 "required_review_thread_resolution": False}  # fmt: skip
        rules.append({"type": "pull_request", "parameters": count})
    return Answer(200, rules)


def _check_runs(hub: Hub, repo: HubRepo, request: Request, commit: str) -> Answer:
    told = {n: s for n, s in repo.checks.get(commit, {}).items() if not n.startswith("status/")}
    runs = [{"name": n, "head_sha": commit, "status": "in_progress" if s == "pending" else "completed",
             "conclusion": None if s == "pending" else s, "html_url": f"{hub.url}/run/{n}"} for n, s in told.items()]  # fmt: skip
    return Answer(200, {"total_count": len(runs), "check_runs": runs})


def _status(hub: Hub, repo: HubRepo, request: Request, commit: str) -> Answer:
    told = {n: s for n, s in repo.checks.get(commit, {}).items() if n.startswith("status/")}
    return Answer(200, {"state": "pending", "sha": commit, "total_count": len(told),
                        "statuses": [{"context": n, "state": s, "target_url": None} for n, s in told.items()]})  # fmt: skip


def _permission(hub: Hub, repo: HubRepo, request: Request, person: str) -> Answer:
    if person not in repo.people:
        return Answer(404, {"message": "Not Found"})
    return Answer(200, {"permission": repo.people[person], "role_name": repo.people[person]})


_N = r"(\d+)"
ROUTES: list[tuple[str, str, Callable[..., Answer]]] = [
    ("GET", "", _repo),
    ("GET", "/pulls", _list),
    ("POST", "/pulls", _create),
    ("GET", f"/pulls/{_N}", _get),
    ("PATCH", f"/pulls/{_N}", _edit),
    ("POST", f"/issues/{_N}/labels", _label),
    ("POST", f"/pulls/{_N}/requested_reviewers", _ask),
    ("GET", f"/issues/{_N}/comments", _comments),
    ("POST", f"/issues/{_N}/comments", _comments),
    ("GET", f"/pulls/{_N}/reviews", _reviews),
    ("PUT", f"/pulls/{_N}/merge", _merge),
    ("GET", r"/branches/([^/]+)", _branch),
    ("GET", r"/rules/branches/([^/]+)", _rules),
    ("GET", r"/commits/([0-9a-f]{40})/check-runs", _check_runs),
    ("GET", r"/commits/([0-9a-f]{40})/status", _status),
    ("GET", r"/collaborators/([^/]+)/permission", _permission),
]
