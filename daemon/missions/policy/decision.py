"""What the rules look at, and what they say. Everything in a `Case` may be unknown (None): then the rule says no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nightshift.daemon.missions.policy.trust import Trust
from nightshift.daemon.model import Patch, Reproduction, Service, Severity


@dataclass(frozen=True, kw_only=True)
class Case:
    """The facts of one decision. None: not known.

    `stopped` is why the kill switch forbids every effect ('' = it does not). `bad_last_hour` counts the service's
    rolled-back fixes, `merged_last_day` its merges that no person approved, `left_s` is what the mission's budget
    still holds, in seconds.
    """

    service: Service
    patch: Patch | None
    reproduction: Reproduction | None
    stopped: str | None
    severity: Severity | None
    now_ms: int | None
    bad_last_hour: int | None
    open_missions: int | None
    merged_last_day: int | None
    left_s: float | None
    trust: Trust | None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule's answer: the most it allows (observe | propose | merge), and why."""

    rule: str
    limit: str
    reason: str

    @property
    def allowed(self) -> bool:
        """Whether it leaves everything as it is."""
        return self.limit == "merge"

    def as_json(self) -> dict[str, Any]:
        """For the journal and for programs."""
        return {"rule": self.rule, "allowed": self.allowed, "limit": self.limit, "reason": self.reason}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`action`: observe (no effect at all) | propose (a person merges) | merge."""

    action: str
    reason: str
    rules: tuple[Rule, ...]
