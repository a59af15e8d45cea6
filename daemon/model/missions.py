"""What is looked after, and the durable attempt to heal it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Service:
    """What Nightshift looks after: a program, its repository, how it is checked, shipped and watched."""

    name: str
    repo: str
    branch: str = "main"
    check: str = ""
    image: str = "host"
    python: str = ""
    deploy: tuple[str, ...] = ()
    deploy_timeout_s: float = 300.0
    url: str = ""
    probe: tuple[str, ...] = ()
    watch_window_s: float = 60.0
    watch_interval_s: float = 5.0
    autonomy: str = "propose"
    runbook: str = ""
    forge: str = "local"
    canary_s: float = 0.0


class Stage(StrEnum):
    """The stages of a mission, in order; the last four are ends. A runbook's mission is `operating` instead of what
    stands between `gathering` and `deploying`."""

    QUEUED = "queued"
    GATHERING = "gathering"
    REPRODUCING = "reproducing"
    DRAFTING = "drafting"
    JUDGING = "judging"
    PROPOSING = "proposing"
    AWAITING_APPROVAL = "awaiting_approval"
    MERGING = "merging"
    DEPLOYING = "deploying"
    OPERATING = "operating"
    WATCHING = "watching"
    ROLLING_BACK = "rolling_back"
    HEALED = "healed"
    ROLLED_BACK = "rolled_back"
    ESCALATED = "escalated"
    DISMISSED = "dismissed"


ENDS = frozenset({Stage.HEALED, Stage.ROLLED_BACK, Stage.ESCALATED, Stage.DISMISSED})


@dataclass(frozen=True, kw_only=True)
class Mission:
    """The durable attempt to heal one incident. `reason` says why it stands where it stands."""

    id: str
    incident: str
    service: str
    stage: Stage
    paused: bool = False
    round: int = 0
    reason: str = ""
    started_at_ms: int = 0
    updated_at_ms: int = 0
    spent_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of the journal: who moved what, why and when. `data` is plain JSON (evidence, hand-off note)."""

    at_ms: int
    mission: str
    stage: str
    actor: str
    reason: str
    data: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0
