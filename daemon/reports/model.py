"""What a report says, before anyone decides how it looks: plain values that renderers read and builders fill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from nightshift.daemon.model import GateResult, Severity

OUTCOMES = ("waiting", "escalated", "rolled_back", "open", "healed", "dismissed")
"""What became of an incident, in the order people want to read them: what needs them first."""


@dataclass(frozen=True, kw_only=True)
class StageTime:
    """How long a mission was in one stage; `stage` is a value of `Stage`."""

    stage: str
    duration_s: float


@dataclass(frozen=True, kw_only=True)
class ReportFix:
    """How it was fixed (or would be): who drafted it, why, and the unified diff."""

    fixer: str
    rationale: str = ""
    diff: str = ""
    files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReportChange:
    """The change request. `undo` is the command line that takes the change back; `number` 0 = it has none."""

    number: int = 0
    title: str = ""
    url: str = ""
    state: str = ""
    undo: str = ""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What it took: seconds of work, candidate patches tried, model tokens."""

    seconds: float = 0.0
    candidates: int = 0
    tokens: int = 0

    def plus(self, other: Cost) -> Cost:
        """Both together."""
        return Cost(
            seconds=self.seconds + other.seconds,
            candidates=self.candidates + other.candidates,
            tokens=self.tokens + other.tokens,
        )


@dataclass(frozen=True, kw_only=True)
class ReportIncident:
    """One incident of the period, with everything that was done about it.

    `outcome` is one of `OUTCOMES`. `deploy` and `watch` are one sentence each. `reason` says why it was escalated,
    rolled back or dismissed. `evidence` is text from logs. `waiting` is the exact command that approves it, '' when
    nothing waits. `quarantined` are tests that could not be relied on. `notes` are further lines people should read
    (before/after figures, for instance).
    """

    id: str
    title: str
    service: str
    severity: Severity = Severity.ERROR
    count: int = 1
    first_at_ms: int
    last_at_ms: int
    outcome: str = "open"
    stages: tuple[StageTime, ...] = ()
    fix: ReportFix | None = None
    gates: tuple[GateResult, ...] = ()
    quarantined: tuple[str, ...] = ()
    change: ReportChange | None = None
    deploy: str = ""
    watch: str = ""
    reason: str = ""
    evidence: str = ""
    waiting: str = ""
    notes: tuple[str, ...] = ()
    cost: Cost = field(default_factory=Cost)

    @property
    def duration_s(self) -> float:
        """Seconds over all stages."""
        return sum(stage.duration_s for stage in self.stages)


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """One report. `id` is its idempotency key, ``report-YYYY-MM-DD`` for the morning report.

    `zone` is an IANA name, `language` ``en`` or ``zh``.
    """

    id: str
    from_ms: int
    to_ms: int
    made_at_ms: int
    incidents: tuple[ReportIncident, ...] = ()
    zone: str = "UTC"
    language: str = "en"
    host: str = ""

    @property
    def ordered(self) -> tuple[ReportIncident, ...]:
        """Incidents in reading order: what needs people first, then the worst, then the latest."""
        rank = {name: at for at, name in enumerate(OUTCOMES)}
        worst = {name: -at for at, name in enumerate(Severity)}
        return tuple(
            sorted(self.incidents, key=lambda i: (rank.get(i.outcome, 3), worst[i.severity], -i.last_at_ms, i.id))
        )

    @property
    def waiting(self) -> tuple[ReportIncident, ...]:
        """Incidents on which a person has to decide."""
        return tuple(incident for incident in self.ordered if incident.waiting)

    @property
    def counts(self) -> Mapping[str, int]:
        """Incidents per outcome, every outcome present."""
        found = Counter(incident.outcome for incident in self.incidents)
        return {name: found.get(name, 0) for name in OUTCOMES}

    @property
    def signals(self) -> int:
        """Observations behind all incidents."""
        return sum(incident.count for incident in self.incidents)

    @property
    def cost(self) -> Cost:
        """What the whole period took."""
        total = Cost()
        for incident in self.incidents:
            total = total.plus(incident.cost)
        return total
