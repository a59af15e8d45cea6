"""A run of a pipeline, whoever told of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Run:
    """One finished run. `failed` None: neither failed nor passed (cancelled, skipped), which says nothing."""

    repository: str
    source: str
    """The repository the commit came from; another one than `repository` is a fork."""
    pipeline: str
    branch: str
    commit: str
    id: str
    failed: bool | None
    url: str = ""
    commit_link: str = ""
    ended_at: str = ""
    summary: str = ""


def verdict(conclusion: str) -> bool | None:
    """What a conclusion says, in any forge's words."""
    if conclusion in ("failure", "failed", "timed_out", "startup_failure"):
        return True
    return False if conclusion in ("success", "passed") else None
