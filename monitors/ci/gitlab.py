"""GitLab: `Pipeline Hook` and `Job Hook`, with the secret as a token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nightshift.daemon.kit import doors
from nightshift.daemon.kit.fields import part, text
from nightshift.daemon.ports import Call
from nightshift.monitors.ci.run import Run, verdict


def admits(call: Call, secret: Any) -> bool:
    """Whether the call shows the secret."""
    return doors.same(call.headers.get("x-gitlab-token", ""), secret)


def run_of(event: str, body: Mapping[str, Any]) -> Run | None:
    """The finished run an event is about; None for other events."""
    if event == "Pipeline Hook":
        return _pipeline(body)
    return _job(body) if event == "Job Hook" else None


def _pipeline(body: Mapping[str, Any]) -> Run:
    """A pipeline that is tried again keeps its id, so when it ended belongs to its name."""
    pipeline, project, merge = part(body, "object_attributes"), part(body, "project"), part(body, "merge_request")
    foreign = bool(merge) and merge.get("source_project_id") != merge.get("target_project_id")
    ended_at = _time(text(pipeline, "finished_at"))
    failed = ", ".join(_failed_jobs(body.get("builds")))
    return Run(
        **_where(project, text(pipeline, "sha"), foreign=foreign), pipeline=text(pipeline, "name") or "pipeline",
        branch=text(pipeline, "ref"), id=f"{text(pipeline, 'id')}.{ended_at}".rstrip("."),
        failed=verdict(text(pipeline, "status")), url=text(pipeline, "url", 500) or text(project, "web_url", 500),
        ended_at=ended_at, summary=f"failed: {failed}"[:300] if failed else "",
    )  # fmt: skip


def _job(body: Mapping[str, Any]) -> Run:
    """One job; one that may fail says nothing."""
    project, id_ = part(body, "project"), text(body, "build_id")
    page = text(project, "web_url", 300)
    status = "" if body.get("build_allow_failure") is True else text(body, "build_status")
    return Run(
        **_where(project, text(body, "sha"), foreign=False), pipeline=text(body, "build_name") or "job",
        branch=text(body, "ref"), id=id_, failed=verdict(status), url=f"{page}/-/jobs/{id_}" if page else "",
        ended_at=_time(text(body, "build_finished_at")), summary=text(body, "build_failure_reason"),
    )  # fmt: skip


def _where(project: Mapping[str, Any], commit: str, *, foreign: bool) -> dict[str, Any]:
    own, page = text(project, "path_with_namespace"), text(project, "web_url")
    link = f"{page}/-/commit/{commit}" if page and commit else ""
    return {"repository": own, "source": "" if foreign else own, "commit": commit, "commit_link": link}


def _failed_jobs(builds: object) -> list[str]:
    jobs = [part(job) for job in builds] if isinstance(builds, list) else []
    failed = [job for job in jobs if job.get("status") == "failed" and job.get("allow_failure") is not True]
    return [name for job in failed if (name := text(job, "name"))]


def _time(stamp: str) -> str:
    """GitLab's `2016-08-12 15:26:29 UTC` as ISO 8601."""
    return stamp.replace(" UTC", "+00:00")
