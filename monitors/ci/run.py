"""A run of a pipeline, whoever told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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


def part(value: object, *names: str) -> dict[str, Any]:
    """An object inside objects; empty when there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text(value: Mapping[str, Any], name: str, most: int = 300) -> str:
    """A field as text; '' when it is missing or no text or number."""
    found = value.get(name)
    return str(found)[:most] if isinstance(found, (str, int)) and not isinstance(found, bool) else ""


def verdict(conclusion: str) -> bool | None:
    """What a conclusion says, in any forge's words."""
    if conclusion in ("failure", "failed", "timed_out", "startup_failure"):
        return True
    return False if conclusion in ("success", "passed") else None
