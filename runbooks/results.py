"""What came of a run and of its steps, as values that are written down, shown and sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

OVER = ("done", "failed", "rolled_back", "rollback_failed", "planned")
"""The statuses a run ends in."""


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What came of a step. `status`: done | skipped | failed | planned (a dry run). `output` and `values` are what
    later steps can read; `resumed` says it was taken from the record of an earlier run."""

    phase: str
    name: str
    action: str
    status: str
    output: str = ""
    reason: str = ""
    duration_s: float = 0.0
    resumed: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What came of a run. `status`: done | failed (nothing was taken back) | rolled_back | rollback_failed | planned
    (a dry run), or, not over yet: running | waiting (`question` for a person, asked by the step of the key `asks`,
    to be answered within `within_s` seconds)."""

    key: str
    book: str
    status: str
    reason: str = ""
    steps: tuple[StepResult, ...] = ()
    question: str = ""
    asks: str = ""
    within_s: float = 0.0

    @property
    def ok(self) -> bool:
        """Every step and verification was done, or planned."""
        return self.status in ("done", "planned")

    @property
    def over(self) -> bool:
        """Whether it has come to its end."""
        return self.status in OVER


OnStep = Callable[[StepResult], None]
