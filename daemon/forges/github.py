"""GitHub and GitHub Enterprise, through PyGithub: with a token, or as an App with tokens that last an hour.

PyGithub's objects would fetch what they lack by themselves, so its requester is used directly: every call is counted.
API: https://docs.github.com/rest
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from pydantic import ConfigDict, Field, SecretStr, model_validator

from nightshift.daemon.forges.dialect import Pull, Rules, Wanted, latest_reviews, weighed
from nightshift.daemon.forges.owners import owners_of
from nightshift.daemon.forges.patience import Declined, Unsure, judged
from nightshift.daemon.forges.shipping import Shipping
from nightshift.daemon.kit.access import Access, Login, SshKey, origin_of
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.redact import redact, register_secret
from nightshift.daemon.model import ChangeState, CheckState, ForgeCheck, Health, Readiness

if TYPE_CHECKING:
    from github import Github
    from github.Auth import Auth

_PAGE, _PAGES = 100, 10
_GREEN = frozenset({"success", "neutral", "skipped"})
_VERDICTS = {"APPROVED": "approved", "CHANGES_REQUESTED": "changes", "DISMISSED": "dismissed"}


class Settings(Shipping):
    """A GitHub or GitHub Enterprise server."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["github"] = "github"
    """GitHub or GitHub Enterprise."""
    url: str = Field(default="https://api.github.com", pattern=r"^https?://[^/@]+(/.*)?$")
    """Address of the API; for Enterprise `https://HOST/api/v3`."""
    token: SecretStr | None = None
    """A personal access token: contents and pull requests to write, checks and metadata to read."""
    app_id: int | None = None
    """Instead of a token: the id of a GitHub App, with `private_key`."""
    private_key: SecretStr | None = None
    """The App's private key (PEM)."""
    installation_id: int | None = None
    """Where the App is installed; asked for when it is not given."""
    ssh_key: Path | None = None
    """For services with an ssh address: the key file; none: ssh's agent."""
    known_hosts: Path | None = None
    """For ssh: the file of known hosts; unknown ones are refused."""
    ca_file: Path | None = None
    """Certificates to verify the server with instead of the system's."""
    webhook_secret: SecretStr | None = None
    """The secret of the webhook that calls `/webhooks/forges/NAME`; none: what people do there is not heard."""

    @model_validator(mode="after")
    def _one_way_in(self) -> Settings:
        app = self.app_id is not None and self.private_key is not None
        if (self.token is None) == (not app):
            raise ValueError("needs either `token`, or `app_id` and `private_key`")
        return self


class GitHub:
    """`Dialect` of GitHub."""

    name = "github"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._lock = threading.Lock()
        self._github: Github | None = None
        api = origin_of(settings.url)
        self.origin = "https://github.com" if api == "https://api.github.com" else api
        for secret in (settings.token, settings.private_key):
            if secret:
                register_secret(secret.get_secret_value())

    def access(self, repo: str, address: str) -> Access:
        """Git with the token over HTTPS, with the key over ssh."""
        if origin_of(address):
            return Login(origin=self.origin, login=lambda: ("x-access-token", self._token(repo)))
        return SshKey(key=self._settings.ssh_key, known_hosts=self._settings.known_hosts)

    def owners_files(self) -> tuple[str, ...]:
        """In GitHub's order."""
        return (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")

    def owners(self, text: str, paths: Sequence[str]) -> tuple[str, ...]:
        """The last pattern that fits."""
        return owners_of(text, paths)

    def pulls_of(self, repo: str, branch: str, target: str) -> Sequence[Pull]:
        """https://docs.github.com/rest/pulls/pulls#list-pull-requests"""
        query = {"state": "all", "head": f"{repo.partition('/')[0]}:{branch}", "base": target, "per_page": str(_PAGE)}
        found = [_pull(row) for row in self._get(repo, "/pulls", query)]
        mine = [pull for pull in found if pull.branch == branch]
        return sorted(mine, key=lambda pull: (pull.state is not ChangeState.OPEN, -pull.number))

    def open_count(self, repo: str, prefix: str) -> int:
        """Those of this repository, not of forks."""
        rows = self._pages(repo, "/pulls", {"state": "open"})
        heads = (row["head"] for row in rows)
        return sum(h["ref"].startswith(prefix) and (h.get("repo") or {}).get("full_name", repo) == repo for h in heads)

    def create(self, repo: str, wanted: Wanted) -> Pull:
        """As a draft where the repository has drafts."""
        body = {"title": wanted.title, "head": wanted.branch, "base": wanted.target, "body": wanted.body}
        try:
            return _pull(self._call("POST", repo, "/pulls", body=body | {"draft": wanted.draft}))
        except Declined as declined:
            if not (wanted.draft and "raft" in declined.text):
                raise
            return _pull(self._call("POST", repo, "/pulls", body=body))

    def dress(self, repo: str, pull: Pull, wanted: Wanted) -> None:
        """Labels are made when they are new."""
        labels = [label for label in wanted.labels if label not in pull.labels]
        if labels:
            self._call("POST", repo, f"/issues/{pull.number}/labels", body={"labels": labels})
        asked = [one for one in wanted.reviewers if one not in pull.reviewers]
        if not asked:
            return
        try:
            self._ask(repo, pull.number, asked)
        except Declined as declined:  # one of them can't review: the others can
            if declined.status != 422:
                raise
            for one in asked if len(asked) > 1 else ():
                self._ask_gently(repo, pull.number, one)

    def pull(self, repo: str, number: int) -> Pull:
        """One request."""
        return _pull(self._get(repo, f"/pulls/{number}"))

    def rewrite(self, repo: str, pull: Pull, title: str, body: str) -> None:
        """Title and body."""
        self._call("PATCH", repo, f"/pulls/{pull.number}", body={"title": title, "body": body})

    def make_ready(self, repo: str, pull: Pull) -> None:
        """Only GraphQL can. https://docs.github.com/graphql/reference/mutations#markpullrequestreadyforreview"""
        self._graphql(repo, "markPullRequestReadyForReview", {"pullRequestId": pull.node})

    def comments(self, repo: str, number: int) -> Sequence[str]:
        """All of them."""
        return [row.get("body") or "" for row in self._pages(repo, f"/issues/{number}/comments", {})]

    def comment(self, repo: str, number: int, text: str) -> None:
        """One more."""
        self._call("POST", repo, f"/issues/{number}/comments", body={"body": text})

    def close(self, repo: str, number: int) -> None:
        """Closed."""
        self._call("PATCH", repo, f"/pulls/{number}", body={"state": "closed"})

    def readiness(self, repo: str, pull: Pull, rules: Rules) -> Readiness:
        """Required by branch protection, rule sets or the configuration; the server itself has the last word."""
        branch = quote(pull.target, safe="")
        required, needed = self._protection(repo, branch)
        checks = [*self._check_runs(repo, pull.head), *self._statuses(repo, pull.head)]
        rows = self._get(repo, f"/pulls/{pull.number}/reviews", {"per_page": str(_PAGE)})
        said = [((row.get("user") or {}).get("login", ""), _VERDICTS.get(row["state"], "")) for row in rows]
        approvals, objections = latest_reviews(said)
        return weighed(checks, required | set(rules.checks), approvals=approvals,
                       needed=max(needed, rules.approvals), objections=objections)  # fmt: skip

    def merge(self, repo: str, pull: Pull, method: str, title: str, body: str) -> str:
        """https://docs.github.com/rest/pulls/pulls#merge-a-pull-request"""
        wish = {"sha": pull.head, "merge_method": method, "commit_title": title, "commit_message": body}
        answer = self._call("PUT", repo, f"/pulls/{pull.number}/merge", body=wish)
        return str(answer.get("sha") or "")

    def may_write(self, repo: str, person: str) -> bool:
        """Whether they have write access, or more."""
        try:
            answer = self._get(repo, f"/collaborators/{quote(person, safe='')}/permission")
        except Declined as declined:
            if declined.status == 404:
                return False
            raise
        return answer.get("permission") in ("admin", "write")

    def examine(self, repo: str, branch: str) -> Sequence[Health]:
        """The repository as the credential sees it, and the rules of its branch."""
        what = f"forge {self.name}"
        rights = self._get(repo, "").get("permissions") or {}
        may = rights.get("push", True)
        fix = "" if may else "give the token write access to contents and pull requests"
        rows = [Health(ok=bool(may), what=what, detail="may write" if may else "may only read", fix=fix)]
        required, needed = self._protection(repo, quote(branch, safe=""))
        detail = f"{len(required)} required check(s), {needed} approval(s)"
        loose = not required and not self._settings.required_checks
        hint = "require checks in the branch's protection, or set `required_checks`" if loose else ""
        return [*rows, Health(ok=True, what=what, detail=detail, fix=hint)]

    # ------------------------------------------------------------ parts

    def _protection(self, repo: str, branch: str) -> tuple[set[str], int]:
        shown = self._get(repo, f"/branches/{branch}").get("protection") or {}
        status = shown.get("required_status_checks") or {}
        required = set(status.get("contexts") or ()) | {c["context"] for c in status.get("checks") or ()}
        needed = (shown.get("required_pull_request_reviews") or {}).get("required_approving_review_count") or 0
        for rule in self._rules(repo, branch):
            asked = rule.get("parameters") or {}
            if rule["type"] == "required_status_checks":
                required |= {check["context"] for check in asked.get("required_status_checks") or ()}
            if rule["type"] == "pull_request":
                needed = max(needed, asked.get("required_approving_review_count") or 0)
        return required, needed

    def _rules(self, repo: str, branch: str) -> Sequence[Any]:
        try:
            found: Sequence[Any] = self._get(repo, f"/rules/branches/{branch}", {"per_page": str(_PAGE)})
        except Declined as declined:
            if declined.status == 404:  # a server older than rule sets
                return ()
            raise
        return found

    def _check_runs(self, repo: str, commit: str) -> list[ForgeCheck]:
        query = {"per_page": str(_PAGE), "filter": "latest"}
        rows = self._get(repo, f"/commits/{commit}/check-runs", query)["check_runs"]
        return [ForgeCheck(name=row["name"], state=_state(row), url=row.get("html_url") or "") for row in rows]

    def _statuses(self, repo: str, commit: str) -> list[ForgeCheck]:
        rows = self._get(repo, f"/commits/{commit}/status", {"per_page": str(_PAGE)})["statuses"]
        words = {"success": CheckState.GREEN, "pending": CheckState.PENDING}
        return [ForgeCheck(name=row["context"], state=words.get(row["state"], CheckState.RED),
                           url=row.get("target_url") or "") for row in rows]  # fmt: skip

    def _ask(self, repo: str, number: int, people: Sequence[str]) -> None:
        body = {"reviewers": [one for one in people if "/" not in one],
                "team_reviewers": [one.partition("/")[2] for one in people if "/" in one]}  # fmt: skip
        self._call("POST", repo, f"/pulls/{number}/requested_reviewers", body={k: v for k, v in body.items() if v})

    def _ask_gently(self, repo: str, number: int, one: str) -> None:
        try:
            self._ask(repo, number, [one])
        except Declined as declined:
            if declined.status != 422:
                raise

    # ------------------------------------------------------------ calls

    def _get(self, repo: str, path: str, query: dict[str, str] | None = None) -> Any:
        return self._call("GET", repo, path, query=query)

    def _pages(self, repo: str, path: str, query: dict[str, str]) -> list[Any]:
        found: list[Any] = []
        for page in range(1, _PAGES + 1):
            rows = self._get(repo, path, query | {"per_page": str(_PAGE), "page": str(page)})
            found += rows
            if len(rows) < _PAGE:
                break
        return found

    def _call(self, verb: str, repo: str, path: str, *, query: dict[str, str] | None = None, body: Any = None) -> Any:
        import requests
        from github import GithubException

        try:
            with self._lock:  # PyGithub keeps one connection, which is not shared between threads
                requester = self._client(repo).requester
                status, headers, text = requester.requestJson(verb, f"/repos/{repo}{path}", query, None, body)
        except requests.RequestException as error:
            raise Unsure(f"no answer: {redact(str(error))[:200]}") from error
        except GithubException as error:  # the App's own tokens
            raise self._refused(error) from error
        judged(status, headers, text, self._clock.now_ms())
        try:
            return json.loads(text) if text else {}
        except ValueError as error:
            raise Unsure(f"answered {status} without JSON") from error

    def _graphql(self, repo: str, mutation: str, wish: dict[str, Any]) -> None:
        import requests
        from github import GithubException

        try:
            with self._lock:
                self._client(repo).requester.graphql_named_mutation(mutation, wish, "clientMutationId")
        except requests.RequestException as error:
            raise Unsure(f"no answer: {redact(str(error))[:200]}") from error
        except GithubException as error:
            raise self._refused(error) from error

    def _refused(self, error: Any) -> Exception:
        try:
            judged(error.status, error.headers or {}, json.dumps(error.data), self._clock.now_ms())
        except (Unsure, Declined) as told:
            return told
        return Declined(error.status, str(error.data))

    def _token(self, repo: str) -> str:
        """The token of this moment, for git. Raises Unsure, Declined."""
        import requests
        from github import GithubException

        try:
            with self._lock:
                auth = self._client(repo).requester.auth
                token = str(auth.token) if auth else ""
        except requests.RequestException as error:
            raise Unsure(f"no answer: {redact(str(error))[:200]}") from error
        except GithubException as error:
            raise self._refused(error) from error
        register_secret(token)
        return token

    def _client(self, repo: str) -> Github:
        from github import Github

        if self._github is None:
            self._github = Github(auth=self._auth(repo), lazy=True, **self._how())
        return self._github

    def _how(self) -> dict[str, Any]:
        """Nothing is tried again or slowed down inside PyGithub: `patience` does that where it is bounded."""
        return {"base_url": self._settings.url.rstrip("/"), "timeout": round(self._settings.timeout_s),
                "retry": None, "seconds_between_requests": None, "seconds_between_writes": None,
                "verify": str(self._settings.ca_file) if self._settings.ca_file else True}  # fmt: skip

    def _auth(self, repo: str) -> Auth:
        from github import Auth, GithubIntegration

        if self._settings.token:
            return Auth.Token(self._settings.token.get_secret_value())
        if self._settings.app_id is None or self._settings.private_key is None:
            raise Declined(401, "no credential is configured")
        app = Auth.AppAuth(self._settings.app_id, self._settings.private_key.get_secret_value())
        where = self._settings.installation_id
        if where is None:
            owner, _, name = repo.partition("/")
            where = GithubIntegration(auth=app, **self._how()).get_repo_installation(owner, name).id
        return app.get_installation_auth(where)


def _pull(row: Any) -> Pull:
    merged = bool(row.get("merged_at") or row.get("merged"))
    state = ChangeState.MERGED if merged else ChangeState(row["state"])
    people = [person["login"] for person in row.get("requested_reviewers") or ()]
    teams = [team["slug"] for team in row.get("requested_teams") or ()]
    return Pull(
        number=row["number"], state=state, branch=row["head"]["ref"], target=row["base"]["ref"],
        head=row["head"]["sha"], url=row["html_url"], title=row["title"], body=row.get("body") or "",
        draft=bool(row.get("draft")), merged=(row.get("merge_commit_sha") or "") if merged else "",
        labels=tuple(label["name"] for label in row.get("labels") or ()), reviewers=(*people, *teams),
        node=row.get("node_id") or "",
    )  # fmt: skip


def _state(row: Any) -> CheckState:
    if row["status"] != "completed":
        return CheckState.PENDING
    return CheckState.GREEN if row.get("conclusion") in _GREEN else CheckState.RED


def dialect(settings: Settings, clock: Clock) -> GitHub:
    """What `RemoteForge` works with."""
    return GitHub(settings, clock)
