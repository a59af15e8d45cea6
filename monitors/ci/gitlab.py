"""GitLab: `Pipeline Hook`, with the secret as a token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nightshift.daemon.ports import Call
from nightshift.monitors import doors
from nightshift.monitors.ci.run import Run, part, text, verdict


def admits(call: Call, secret: Any) -> bool:
    """Whether the call shows the secret."""
    return doors.same(call.headers.get("x-gitlab-token", ""), secret)


def run_of(event: str, body: Mapping[str, Any]) -> Run | None:
    """The finished run an event is about; None for other events."""
    if event != "Pipeline Hook":
        return None
    pipeline, project = part(body, "object_attributes"), part(body, "project")
    repository = text(project, "path_with_namespace")
    merge = part(body, "merge_request")
    foreign = merge and merge.get("source_project_id") != merge.get("target_project_id")
    builds = body.get("builds")
    jobs = [part(job) for job in builds] if isinstance(builds, list) else []
    failed = [text(job, "name") for job in jobs if job.get("status") == "failed"]
    return Run(
        repository=repository, source="" if foreign else repository, pipeline=text(pipeline, "name") or "pipeline",
        branch=text(pipeline, "ref"), commit=text(pipeline, "sha"), id=text(pipeline, "id"),
        failed=verdict(text(pipeline, "status")), url=text(pipeline, "url", 500) or text(project, "web_url", 500),
        ended_at="", summary=f"failed: {', '.join(filter(None, failed))}"[:300] if failed else "",
    )  # fmt: skip
