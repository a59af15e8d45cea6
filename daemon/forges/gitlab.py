"""GitLab, through python-gitlab's HTTP layer; its objects would fetch more than is needed.

API: https://docs.gitlab.com/api/merge_requests/
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from pydantic import ConfigDict, Field, SecretStr

from nightshift.daemon.forges.dialect import Pull, Rules, Wanted, weighed
from nightshift.daemon.forges.owners import owners_of
from nightshift.daemon.forges.patience import Declined, Unsure, judged
from nightshift.daemon.forges.shipping import Shipping
from nightshift.daemon.kit.access import Access, Login, SshKey, origin_of
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.redact import redact, register_secret
from nightshift.daemon.model import ChangeState, CheckState, ForgeCheck, Health, Readiness

if TYPE_CHECKING:
    from gitlab import Gitlab
    from requests import Response

_PAGE, _PAGES = 100, 10
DRAFT = "Draft: "
_DEVELOPER = 30
_PENDING = frozenset({"created", "pending", "running", "preparing", "waiting_for_resource", "scheduled"})
_GREEN = frozenset({"success", "skipped", "manual"})


class Settings(Shipping):
    """A GitLab server. Merge commit or fast-forward is the project's setting; `merge: squash` asks it to squash."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["gitlab"] = "gitlab"
    """GitLab."""
    url: str = Field(default="https://gitlab.com", pattern=r"^https?://[^/@]+(/.*)?$")
    """Address of the server, without `/api/v4`."""
    token: SecretStr
    """A project, group or personal access token with the scope `api`, as a Developer at least."""
    ssh_key: Path | None = None
    """For services with an ssh address: the key file; none: ssh's agent."""
    known_hosts: Path | None = None
    """For ssh: the file of known hosts; unknown ones are refused."""
    ca_file: Path | None = None
    """Certificates to verify the server with instead of the system's."""
    webhook_secret: SecretStr | None = None
    """The secret token of the webhook that calls `/webhooks/forges/NAME`; none: what people do there is not heard."""


class GitLab:
    """`Dialect` of GitLab. Numbers are `iid`s; a draft is a title that begins with `Draft:`."""

    name = "gitlab"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self.origin = origin_of(settings.url)
        self._lock = threading.Lock()
        self._gitlab: Gitlab | None = None
        self._ids: dict[str, int] = {}
        register_secret(settings.token.get_secret_value())

    def access(self, repo: str, address: str) -> Access:  # noqa: ARG002 - the port's signature
        """Git with the token over HTTPS, with the key over ssh."""
        if origin_of(address):
            return Login(origin=self.origin, login=lambda: ("oauth2", self._settings.token.get_secret_value()))
        return SshKey(key=self._settings.ssh_key, known_hosts=self._settings.known_hosts)

    def owners_files(self) -> tuple[str, ...]:
        """In GitLab's order."""
        return ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")

    def owners(self, text: str, paths: Sequence[str]) -> tuple[str, ...]:
        """The last pattern that fits, in each section; groups can't be asked for a review here."""
        return tuple(owner for owner in owners_of(text, paths) if "/" not in owner)

    def pulls_of(self, repo: str, branch: str, target: str) -> Sequence[Pull]:
        """https://docs.gitlab.com/api/merge_requests/#list-project-merge-requests"""
        query = {"state": "all", "source_branch": branch, "target_branch": target, "per_page": str(_PAGE)}
        rows = self._call("get", repo, "/merge_requests", query=query)
        found = [_pull(row) for row in rows if row.get("source_project_id") == row.get("target_project_id")]
        return sorted(found, key=lambda pull: (pull.state is not ChangeState.OPEN, -pull.number))

    def open_count(self, repo: str, prefix: str) -> int:
        """Those of this project, not of forks."""
        rows = self._pages(repo, "/merge_requests", {"state": "opened"})
        own = (row for row in rows if row.get("source_project_id") == row.get("target_project_id"))
        return sum(row["source_branch"].startswith(prefix) for row in own)

    def create(self, repo: str, wanted: Wanted) -> Pull:
        """With its labels and reviewers at once."""
        body: dict[str, Any] = {
            "source_branch": wanted.branch, "target_branch": wanted.target, "description": wanted.body,
            "title": f"{DRAFT}{wanted.title}" if wanted.draft else wanted.title, "labels": ",".join(wanted.labels),
        }  # fmt: skip
        if people := self._people(wanted.reviewers):
            body["reviewer_ids"] = people
        return _pull(self._call("post", repo, "/merge_requests", body=body))

    def dress(self, repo: str, pull: Pull, wanted: Wanted) -> None:
        """Labels a killed call did not get to."""
        missing = [label for label in wanted.labels if label not in pull.labels]
        if missing:
            self._change(repo, pull.number, add_labels=",".join(missing))

    def pull(self, repo: str, number: int) -> Pull:
        """One request."""
        return _pull(self._call("get", repo, f"/merge_requests/{number}"))

    def rewrite(self, repo: str, pull: Pull, title: str, body: str) -> None:
        """Title and description; a draft stays one."""
        self._change(repo, pull.number, title=f"{DRAFT}{title}" if pull.draft else title, description=body)

    def make_ready(self, repo: str, pull: Pull) -> None:
        """Without its prefix."""
        self._change(repo, pull.number, title=pull.title)

    def comments(self, repo: str, number: int) -> Sequence[str]:
        """All of them."""
        return [row.get("body") or "" for row in self._pages(repo, f"/merge_requests/{number}/notes", {})]

    def comment(self, repo: str, number: int, text: str) -> None:
        """One more."""
        self._call("post", repo, f"/merge_requests/{number}/notes", body={"body": text})

    def close(self, repo: str, number: int) -> None:
        """Closed."""
        self._change(repo, number, state_event="close")

    def readiness(self, repo: str, pull: Pull, rules: Rules) -> Readiness:
        """Pipelines' jobs and foreign statuses, approvals, reviewers who want changes."""
        where = f"/merge_requests/{pull.number}"
        approved = self._call("get", repo, f"{where}/approvals")
        needed = max(approved.get("approvals_required") or 0, rules.approvals)
        count = len(approved.get("approved_by") or ())
        if not approved.get("approvals_left") and approved.get("approvals_required"):
            count = max(count, approved["approvals_required"])
        people = self._call("get", repo, f"{where}/reviewers")
        against = [row["user"]["username"] for row in people if row.get("state") == "requested_changes"]
        checks = self._statuses(repo, pull.head)
        return weighed(checks, set(rules.checks), approvals=count, needed=needed, objections=against)

    def merge(self, repo: str, pull: Pull, method: str, title: str, body: str) -> str:
        """https://docs.gitlab.com/api/merge_requests/#merge-a-merge-request"""
        squash, message = method == "squash", f"{title}\n\n{body}"
        wish: dict[str, Any] = {"sha": pull.head, "squash": squash, "merge_commit_message": message}
        if squash:
            wish["squash_commit_message"] = message
        return _pull(self._call("put", repo, f"/merge_requests/{pull.number}/merge", body=wish)).merged

    def may_write(self, repo: str, person: str) -> bool:
        """Whether they are a Developer, or more."""
        who = self._id_of(person)
        if who is None:
            return False
        try:
            member = self._call("get", repo, f"/members/all/{who}")
        except Declined as declined:
            if declined.status == 404:
                return False
            raise
        return bool(member.get("access_level", 0) >= _DEVELOPER) and member.get("state", "active") == "active"

    def examine(self, repo: str, branch: str) -> Sequence[Health]:  # noqa: ARG002 - the port's signature
        """The project as the token sees it, and what it asks for before a merge."""
        what, project = f"forge {self.name}", self._call("get", repo, "")
        rights = project.get("permissions") or {}
        level = max((rights.get(kind) or {}).get("access_level") or 0 for kind in ("project_access", "group_access"))
        may = level >= _DEVELOPER
        fix = "" if may else "give the token the role Developer, or Maintainer where the branch is protected"
        must = bool(project.get("only_allow_merge_if_pipeline_succeeds"))
        hint = (
            ""
            if must or self._settings.required_checks
            else "turn on 'Pipelines must succeed', or set `required_checks`"
        )
        rules = "pipelines must succeed" if must else "pipelines need not succeed"
        return [
            Health(ok=may, what=what, detail=f"access level {level}", fix=fix),
            Health(ok=True, what=what, detail=f"{rules}, merge method {project.get('merge_method', '?')}", fix=hint),
        ]

    def _statuses(self, repo: str, commit: str) -> list[ForgeCheck]:
        rows = self._call("get", repo, f"/repository/commits/{commit}/statuses", query={"per_page": str(_PAGE)})
        return [ForgeCheck(name=row["name"], state=_state(row), url=row.get("target_url") or "") for row in rows]

    def _people(self, names: Sequence[str]) -> list[int]:
        return [found for name in names if (found := self._id_of(name)) is not None]

    def _id_of(self, person: str) -> int | None:
        """A user's number; asked once."""
        if person not in self._ids:
            rows = self._ask("get", "/users", query={"username": person})
            found = next((row["id"] for row in rows if row["username"].lower() == person.lower()), None)
            if found is None:
                return None
            self._ids[person] = found
        return self._ids[person]

    def _change(self, repo: str, number: int, **fields: Any) -> None:
        self._call("put", repo, f"/merge_requests/{number}", body=fields)

    def _pages(self, repo: str, path: str, query: dict[str, str]) -> list[Any]:
        found: list[Any] = []
        for page in range(1, _PAGES + 1):
            rows = self._call("get", repo, path, query=query | {"per_page": str(_PAGE), "page": str(page)})
            found += rows
            if len(rows) < _PAGE:
                break
        return found

    def _call(self, verb: str, repo: str, path: str, *, query: dict[str, str] | None = None, body: Any = None) -> Any:
        return self._ask(verb, f"/projects/{quote(repo, safe='')}{path}", query=query, body=body)

    def _ask(self, verb: str, path: str, *, query: dict[str, str] | None = None, body: Any = None) -> Any:
        import requests

        try:
            with self._lock:
                answer = self._client().http_request(
                    verb, path, query_data=query, post_data=body, obey_rate_limit=False, max_retries=0
                )
        except requests.RequestException as error:
            raise Unsure(f"no answer: {redact(str(error))[:200]}") from error
        try:
            return answer.json() if answer.content else {}
        except ValueError as error:
            raise Unsure(f"answered {answer.status_code} without JSON") from error

    def _client(self) -> Gitlab:
        """Every answer is judged before python-gitlab sees it: it would lose the headers that say how long to wait."""
        import requests
        from gitlab import Gitlab

        if self._gitlab is None:
            session = requests.Session()
            session.hooks["response"].append(self._judge)
            self._gitlab = Gitlab(
                self._settings.url, private_token=self._settings.token.get_secret_value(), session=session,
                timeout=self._settings.timeout_s, keep_base_url=True,
                ssl_verify=str(self._settings.ca_file) if self._settings.ca_file else True,
            )  # fmt: skip
        return self._gitlab

    def _judge(self, answer: Response, *_: object, **__: object) -> None:
        if not answer.is_redirect:
            judged(answer.status_code, answer.headers, answer.text, self._clock.now_ms())


def _pull(row: Any) -> Pull:
    states = {"merged": ChangeState.MERGED, "closed": ChangeState.CLOSED}
    state, title, draft = states.get(row["state"], ChangeState.OPEN), row["title"], bool(row.get("draft"))
    merged = row.get("merge_commit_sha") or row.get("squash_commit_sha") or row.get("sha") or ""
    return Pull(
        number=row["iid"], state=state, branch=row["source_branch"], target=row["target_branch"],
        head=row.get("sha") or "", url=row["web_url"], draft=draft,
        title=title.removeprefix(DRAFT) if draft else title, body=row.get("description") or "",
        merged=merged if state is ChangeState.MERGED else "", labels=tuple(row.get("labels") or ()),
        reviewers=tuple(person["username"] for person in row.get("reviewers") or ()),
    )  # fmt: skip


def _state(row: Any) -> CheckState:
    status = row.get("status", "")
    if status in _PENDING:
        return CheckState.PENDING
    return CheckState.GREEN if status in _GREEN or row.get("allow_failure") else CheckState.RED


def dialect(settings: Settings, clock: Clock) -> GitLab:
    """What `RemoteForge` works with."""
    return GitLab(settings, clock)
