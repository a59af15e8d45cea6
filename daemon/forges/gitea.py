"""Gitea and Forgejo, which speak alike, over REST by httpx.

API: https://docs.gitea.com/api · https://forgejo.org/docs/latest/user/api-usage/
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from pydantic import ConfigDict, Field, SecretStr

from nightshift.daemon.forges.dialect import Pull, Rules, Wanted, latest_reviews, weighed
from nightshift.daemon.forges.owners import owners_by_regex
from nightshift.daemon.forges.patience import Declined, Unsure, judged
from nightshift.daemon.forges.shipping import Shipping
from nightshift.daemon.kit.access import Access, Login, SshKey, origin_of
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.redact import redact, register_secret
from nightshift.daemon.model import ChangeState, CheckState, ForgeCheck, Health, Readiness

if TYPE_CHECKING:
    import httpx

_PAGE, _PAGES = 50, 20
WIP = "WIP: "
_VERDICTS = {"APPROVED": "approved", "REQUEST_CHANGES": "changes"}
_COLOUR = "#6f42c1"


class Settings(Shipping):
    """A Gitea or Forgejo server."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["gitea"] = "gitea"
    """Gitea or Forgejo."""
    url: str = Field(pattern=r"^https?://[^/@]+(/.*)?$")
    """Address of the server, without `/api/v1`."""
    token: SecretStr
    """An access token: repositories and issues to write."""
    ssh_key: Path | None = None
    """For services with an ssh address: the key file; none: ssh's agent."""
    known_hosts: Path | None = None
    """For ssh: the file of known hosts; unknown ones are refused."""
    ca_file: Path | None = None
    """Certificates to verify the server with instead of the system's."""
    webhook_secret: SecretStr | None = None
    """The secret of the webhook that calls `/webhooks/forges/NAME`; none: what people do there is not heard."""


class Gitea:
    """`Dialect` of Gitea and Forgejo. A draft is a title that begins with `WIP:`."""

    name = "gitea"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self.origin = origin_of(settings.url)
        self._http: httpx.Client | None = None
        self._labels: dict[str, dict[str, int]] = {}
        register_secret(settings.token.get_secret_value())

    def access(self, repo: str, address: str) -> Access:  # noqa: ARG002 - the port's signature
        """Git with the token over HTTPS, with the key over ssh."""
        if origin_of(address):
            return Login(origin=self.origin, login=lambda: ("nightshift", self._settings.token.get_secret_value()))
        return SshKey(key=self._settings.ssh_key, known_hosts=self._settings.known_hosts)

    def owners_files(self) -> tuple[str, ...]:
        """In Gitea's order, then Forgejo's own place."""
        return ("CODEOWNERS", "docs/CODEOWNERS", ".gitea/CODEOWNERS", ".forgejo/CODEOWNERS")

    def owners(self, text: str, paths: Sequence[str]) -> tuple[str, ...]:
        """Every regular expression that fits."""
        return owners_by_regex(text, paths)

    def pulls_of(self, repo: str, branch: str, target: str) -> Sequence[Pull]:
        """One call as a rule. The server shows one request of a pair of branches, whichever; when that is a closed one
        there may be others, so all are read."""
        try:
            first = _pull(self._get(repo, f"/pulls/{quote(target, safe='')}/{quote(branch)}"), branch)
        except Declined as declined:
            if declined.status == 404:
                return ()
            raise
        if first.state is not ChangeState.CLOSED:
            return (first,)
        rows = [_pull(row) for row in self._pages(repo, "/pulls", {"state": "all"})]
        found = {pull.number: pull for pull in (first, *(p for p in rows if (p.branch, p.target) == (branch, target)))}
        return sorted(found.values(), key=lambda pull: (pull.state is not ChangeState.OPEN, -pull.number))

    def open_count(self, repo: str, prefix: str) -> int:
        """Those of this repository, not of forks."""
        heads = (row.get("head") or {} for row in self._pages(repo, "/pulls", {"state": "open"}))
        return sum(str(h.get("ref", "")).startswith(prefix) for h in heads)

    def create(self, repo: str, wanted: Wanted) -> Pull:
        """With its labels at once."""
        title = f"{WIP}{wanted.title}" if wanted.draft else wanted.title
        body: dict[str, Any] = {"title": title, "head": wanted.branch, "base": wanted.target, "body": wanted.body}
        if labels := self._label_ids(repo, wanted.labels):
            body["labels"] = labels
        return _pull(self._call("POST", repo, "/pulls", body=body))

    def dress(self, repo: str, pull: Pull, wanted: Wanted) -> None:
        """Labels a killed call did not get to, and reviewers."""
        missing = [label for label in wanted.labels if label not in pull.labels]
        if ids := self._label_ids(repo, missing):
            self._call("POST", repo, f"/issues/{pull.number}/labels", body={"labels": ids})
        asked = [one for one in wanted.reviewers if one not in pull.reviewers]
        people, teams = [one for one in asked if "/" not in one], [one.partition("/")[2] for one in asked if "/" in one]
        body = {"reviewers": people} | ({"team_reviewers": teams} if teams else {})
        if asked:
            self._call("POST", repo, f"/pulls/{pull.number}/requested_reviewers", body=body)

    def pull(self, repo: str, number: int) -> Pull:
        """One request."""
        return _pull(self._get(repo, f"/pulls/{number}"))

    def rewrite(self, repo: str, pull: Pull, title: str, body: str) -> None:
        """Title and body; a draft stays one."""
        title = f"{WIP}{title}" if pull.draft else title
        self._call("PATCH", repo, f"/pulls/{pull.number}", body={"title": title, "body": body})

    def make_ready(self, repo: str, pull: Pull) -> None:
        """Without its prefix."""
        self._call("PATCH", repo, f"/pulls/{pull.number}", body={"title": pull.title})

    def comments(self, repo: str, number: int) -> Sequence[str]:
        """All of them; this list has no pages."""
        return [row.get("body") or "" for row in self._get(repo, f"/issues/{number}/comments") or ()]

    def comment(self, repo: str, number: int, text: str) -> None:
        """One more."""
        self._call("POST", repo, f"/issues/{number}/comments", body={"body": text})

    def close(self, repo: str, number: int) -> None:
        """Closed."""
        self._call("PATCH", repo, f"/pulls/{number}", body={"state": "closed"})

    def readiness(self, repo: str, pull: Pull, rules: Rules) -> Readiness:
        """The branch's protection, the commit's statuses, the reviews that count."""
        required, needed = self._protection(repo, pull.target)
        checks = self._statuses(repo, pull.head)
        rows = self._get(repo, f"/pulls/{pull.number}/reviews", {"limit": str(_PAGE)}) or ()
        said = [((row.get("user") or {}).get("login", ""), _verdict(row)) for row in rows]
        approvals, objections = latest_reviews(said)
        wanted = _matching(required, [check.name for check in checks]) | set(rules.checks)
        return weighed(checks, wanted, approvals=approvals, needed=max(needed, rules.approvals), objections=objections)

    def merge(self, repo: str, pull: Pull, method: str, title: str, body: str) -> str:
        """The answer does not tell the commit."""
        wish = {"Do": method, "head_commit_id": pull.head, "MergeTitleField": title, "MergeMessageField": body}
        self._call("POST", repo, f"/pulls/{pull.number}/merge", body=wish)
        return ""

    def may_write(self, repo: str, person: str) -> bool:
        """Whether they have write access, or more."""
        try:
            answer = self._get(repo, f"/collaborators/{quote(person, safe='')}/permission")
        except Declined as declined:
            if declined.status == 404:
                return False
            raise
        return answer.get("permission") in ("owner", "admin", "write")

    def examine(self, repo: str, branch: str) -> Sequence[Health]:
        """The repository as the token sees it, and the rules of its branch."""
        what = f"forge {self.name}"
        may = (self._get(repo, "").get("permissions") or {}).get("push", False)
        fix = "" if may else "give the token's user write access to the repository"
        rows = [Health(ok=bool(may), what=what, detail="may write" if may else "may only read", fix=fix)]
        required, needed = self._protection(repo, branch)
        loose = not required and not self._settings.required_checks
        hint = "require status checks in the branch's protection, or set `required_checks`" if loose else ""
        detail = f"{len(required)} required check(s), {needed} approval(s)"
        return [*rows, Health(ok=True, what=what, detail=detail, fix=hint)]

    def _protection(self, repo: str, branch: str) -> tuple[set[str], int]:
        shown = self._get(repo, f"/branches/{quote(branch, safe='')}")
        required = set(shown.get("status_check_contexts") or ()) if shown.get("enable_status_check") else set()
        return required, shown.get("required_approvals") or 0

    def _statuses(self, repo: str, commit: str) -> list[ForgeCheck]:
        rows = self._get(repo, f"/commits/{commit}/status", {"limit": str(_PAGE)}).get("statuses") or ()
        words = {"success": CheckState.GREEN, "pending": CheckState.PENDING, "skipped": CheckState.GREEN,
                 "warning": CheckState.GREEN}  # fmt: skip
        return [ForgeCheck(name=row["context"], state=words.get(row["status"], CheckState.RED),
                           url=row.get("target_url") or "") for row in rows]  # fmt: skip

    def _label_ids(self, repo: str, names: Sequence[str]) -> list[int]:
        """The numbers of labels; new ones are made. Known ones cost no call."""
        if not names:
            return []
        known = self._labels.setdefault(repo, {})
        if any(name not in known for name in names):
            known.update({row["name"]: row["id"] for row in self._pages(repo, "/labels", {})})
        for name in names:
            if name not in known:
                made = self._call("POST", repo, "/labels", body={"name": name, "color": _COLOUR})
                known[name] = made["id"]
        return [known[name] for name in names]

    def _get(self, repo: str, path: str, query: dict[str, str] | None = None) -> Any:
        return self._call("GET", repo, path, query=query)

    def _pages(self, repo: str, path: str, query: dict[str, str]) -> list[Any]:
        found: list[Any] = []
        for page in range(1, _PAGES + 1):
            rows = self._get(repo, path, query | {"limit": str(_PAGE), "page": str(page)}) or []
            found += rows
            if len(rows) < _PAGE:
                break
        return found

    def _call(self, verb: str, repo: str, path: str, *, query: dict[str, str] | None = None, body: Any = None) -> Any:
        import httpx

        try:
            answer = self._client().request(verb, f"/api/v1/repos/{repo}{path}", params=query, json=body)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Unsure(f"no answer: {type(error).__name__} {redact(str(error))[:200]}") from error
        judged(answer.status_code, answer.headers, answer.text, self._clock.now_ms())
        try:
            return answer.json() if answer.content else {}
        except ValueError as error:
            raise Unsure(f"answered {answer.status_code} without JSON") from error

    def _client(self) -> httpx.Client:
        import ssl

        import httpx

        if self._http is None:
            ca_file = self._settings.ca_file
            verify: bool | ssl.SSLContext = ssl.create_default_context(cafile=str(ca_file)) if ca_file else True
            self._http = httpx.Client(
                base_url=self._settings.url.rstrip("/"), timeout=self._settings.timeout_s, verify=verify,
                headers={"Authorization": f"token {self._settings.token.get_secret_value()}"},
            )  # fmt: skip
        return self._http


def _pull(row: Any, branch: str = "") -> Pull:
    """`branch`: what was asked for; a deleted branch is shown under another name."""
    merged = bool(row.get("merged"))
    draft = bool(row.get("draft")) or row["title"].upper().startswith("WIP:")
    people = [person["login"] for person in row.get("requested_reviewers") or ()]
    return Pull(
        number=row["number"], state=ChangeState.MERGED if merged else ChangeState(row["state"]),
        branch=branch or row["head"]["ref"], target=row["base"]["ref"], head=row["head"]["sha"], url=row["html_url"],
        title=row["title"][len(WIP) :].lstrip() if row["title"].upper().startswith(WIP) else row["title"],
        body=row.get("body") or "", draft=draft, merged=(row.get("merge_commit_sha") or "") if merged else "",
        labels=tuple(label["name"] for label in row.get("labels") or ()), reviewers=tuple(people),
    )  # fmt: skip


def _verdict(row: Any) -> str:
    """Only reviews that the server counts (`official`), and that are about what stands there now."""
    if row.get("dismissed"):
        return "dismissed"
    verdict = _VERDICTS.get(row.get("state", ""), "")
    return "" if verdict == "approved" and (row.get("stale") or not row.get("official", True)) else verdict


def _matching(patterns: set[str], names: Sequence[str]) -> set[str]:
    """Required contexts may have `*` in them; one that nothing fits yet stays as it is, to be waited for."""
    from fnmatch import fnmatchcase

    found = {pattern: {name for name in names if fnmatchcase(name, pattern)} for pattern in patterns}
    return {name for pattern, fits in found.items() for name in (fits or {pattern})}


def dialect(settings: Settings, clock: Clock) -> Gitea:
    """What `RemoteForge` works with."""
    return Gitea(settings, clock)
