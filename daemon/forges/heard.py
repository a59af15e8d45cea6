"""What a webhook says, in one shape whoever sent it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from nightshift.daemon.model import ForgeEventKind


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One delivery about a request or a branch.

    `source` is the repository the branch is in; when it is another one than `repository`, that is a fork. `branch` ''
    with a number: the forge names only the request. `at_s` is in Unix seconds, 0 unknown.
    """

    kind: ForgeEventKind
    repository: str
    source: str
    branch: str
    actor: str
    number: int = 0
    text: str = ""
    head: str = ""
    at_s: float = 0.0


def moment(stamp: str) -> float:
    """Unix seconds of a forge's time stamp; 0 when it is none."""
    text = stamp.strip().replace(" UTC", "+00:00")
    try:
        found = datetime.fromisoformat(text)
        return max(0.0, (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return 0.0
