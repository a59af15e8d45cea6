"""GitHub, and Gitea and Forgejo which speak alike: `workflow_run`, `check_suite` and `check_run`, signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nightshift.daemon.kit import doors
from nightshift.daemon.kit.fields import part, text
from nightshift.daemon.ports import Call
from nightshift.monitors.ci.run import Run, verdict

EVENTS = ("x-gitea-event", "x-forgejo-event", "x-gogs-event", "x-github-event")
_SIGNATURES = ("x-hub-signature-256", "x-gitea-signature", "x-forgejo-signature", "x-gogs-signature")


def admits(call: Call, secret: Any) -> bool:
    """Whether the body is signed with the secret."""
    shown = next((call.headers[name] for name in _SIGNATURES if call.headers.get(name)), "")
    return doors.signed(call.body, shown, secret)


def run_of(event: str, body: Mapping[str, Any]) -> Run | None:
    """The finished run an event is about; None for other events."""
    if body.get("action") != "completed":
        return None
    repository = part(body, "repository")
    if event == "workflow_run":
        return _workflow(repository, part(body, "workflow_run"))
    if event == "check_run":
        run = part(body, "check_run")
        return _check(repository, run, part(run, "check_suite"), text(run, "name"))
    if event == "check_suite":
        suite = part(body, "check_suite")
        return _check(repository, suite, suite, text(part(suite, "app"), "name") or "checks")
    return None


def _workflow(repository: Mapping[str, Any], run: Mapping[str, Any]) -> Run:
    own, commit = text(repository, "full_name"), text(run, "head_sha")
    deleted = run.get("head_repository", repository) is None  # a fork that is gone by now
    source = "" if deleted else text(part(run, "head_repository"), "full_name") or own
    return Run(
        repository=own, source=source, pipeline=text(run, "name") or text(run, "path"),
        branch=text(run, "head_branch"), commit=commit, commit_link=_commit_link(repository, commit),
        id=f"{text(run, 'id')}.{text(run, 'run_attempt') or 1}", failed=verdict(text(run, "conclusion")),
        url=text(run, "html_url", 500), ended_at=text(run, "updated_at"), summary=text(run, "display_title"),
    )  # fmt: skip


def _check(repository: Mapping[str, Any], run: Mapping[str, Any], suite: Mapping[str, Any], name: str) -> Run:
    """A check or a whole suite of one; a suite that runs again keeps its id."""
    own, commit = text(repository, "full_name"), text(run, "head_sha")
    foreign = not suite.get("head_branch")  # GitHub leaves it out for commits of forks
    ended_at = text(run, "completed_at") or text(run, "updated_at")
    return Run(
        repository=own, source="" if foreign else own, pipeline=name, branch=text(suite, "head_branch"), commit=commit,
        commit_link=_commit_link(repository, commit), id=f"{text(run, 'id')}.{ended_at}".rstrip("."),
        failed=verdict(text(run, "conclusion")), url=text(run, "html_url", 500), ended_at=ended_at,
        summary=text(part(run, "output"), "title"),
    )  # fmt: skip


def _commit_link(repository: Mapping[str, Any], commit: str) -> str:
    page = text(repository, "html_url")
    return f"{page}/commit/{commit}" if page and commit else ""
