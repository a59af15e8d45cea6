"""GitHub, and Gitea and Forgejo which speak alike: `workflow_run` and `check_run`, signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nightshift.daemon.ports import Call
from nightshift.monitors import doors
from nightshift.monitors.ci.run import Run, part, text, verdict

EVENTS = ("x-gitea-event", "x-forgejo-event", "x-gogs-event", "x-github-event")
_SIGNATURES = ("x-hub-signature-256", "x-gitea-signature", "x-forgejo-signature", "x-gogs-signature")


def admits(call: Call, secret: Any) -> bool:
    """Whether the body is signed with the secret."""
    shown = next((call.headers[name] for name in _SIGNATURES if call.headers.get(name)), "")
    return doors.signed(call.body, shown, secret)


def run_of(event: str, body: Mapping[str, Any]) -> Run | None:
    """The finished run an event is about; None for other events."""
    repository = text(part(body, "repository"), "full_name")
    if event == "workflow_run" and body.get("action") == "completed":
        return _workflow(repository, part(body, "workflow_run"))
    if event == "check_run" and body.get("action") == "completed":
        return _check(repository, part(body, "check_run"))
    return None


def _workflow(repository: str, run: Mapping[str, Any]) -> Run:
    return Run(
        repository=repository, source=text(part(run, "head_repository"), "full_name") or repository,
        pipeline=text(run, "name") or text(run, "path"), branch=text(run, "head_branch"), commit=text(run, "head_sha"),
        id=f"{text(run, 'id')}.{text(run, 'run_attempt') or 1}", failed=verdict(text(run, "conclusion")),
        url=text(run, "html_url", 500), ended_at=text(run, "updated_at"), summary=text(run, "display_title"),
    )  # fmt: skip


def _check(repository: str, run: Mapping[str, Any]) -> Run:
    suite = part(run, "check_suite")
    foreign = not suite.get("head_branch")  # GitHub leaves it out for commits of forks
    return Run(
        repository=repository, source="" if foreign else repository, pipeline=text(run, "name"),
        branch=text(suite, "head_branch"), commit=text(run, "head_sha"), id=text(run, "id"),
        failed=verdict(text(run, "conclusion")), url=text(run, "html_url", 500), ended_at=text(run, "completed_at"),
        summary=text(part(run, "output"), "title"),
    )  # fmt: skip
