"""Incidents and facets as one batch works on them: what was read, and what has to be written of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nightshift.daemon.intake.matching import worst
from nightshift.daemon.model import Incident, IncidentState, Severity, Signal

BUCKET_MS = 60_000
MAX_TURNS = 24
CASE = ("id", "fingerprint", "service", "title", "severity", "state", "first_at_ms", "last_at_ms", "count", "previous",
        "held", "joined")  # fmt: skip
"""The columns of an incident that a batch reads."""
Row = Mapping[str, Any]
Key = tuple[str, str]
"""(service, fingerprint)."""


@dataclass(kw_only=True, slots=True)
class Facet:
    """One kind of signal of one service in an incident."""

    service: str
    fingerprint: str
    source: str
    kind: str
    title: str
    severity: Severity
    first_at_ms: int
    last_at_ms: int
    rank: int
    why: str = ""
    count: int = 0
    more: int = 0
    turns: list[int] = field(default_factory=list)
    """When it began to fire, last ones: what flapping is told from."""
    signal: Signal | None = None
    """Its first signal, when it is new."""
    dirty: bool = False

    @classmethod
    def of(cls, row: Row) -> Facet:
        """As it was stored."""
        same = {n: row[n] for n in ("service", "fingerprint", "source", "kind", "title", "first_at_ms", "last_at_ms",
                                    "rank", "why", "count")}  # fmt: skip
        return cls(**same, severity=Severity(row["severity"]), turns=[int(t) for t in row["turns"].split()])

    @property
    def key(self) -> Key:
        """What it is found by."""
        return self.service, self.fingerprint


@dataclass(kw_only=True, slots=True)
class Live:
    """One incident. `first_at_ms` is its anchor: who may join is measured from there, and it never moves."""

    id: str
    fingerprint: str
    service: str
    title: str
    severity: Severity
    state: IncidentState
    first_at_ms: int
    last_at_ms: int
    count: int = 0
    previous: str = ""
    held: str = ""
    joined: str = ""
    signal: Signal | None = None
    facets: dict[Key, Facet] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    new: bool = False
    more: int = 0
    dirty: bool = False
    changed: set[str] = field(default_factory=set)
    """Columns to overwrite, besides the counts."""
    announce: bool = False
    buckets: dict[int, int] = field(default_factory=dict)
    samples: dict[str, tuple[int, str]] = field(default_factory=dict)
    said: dict[str, tuple[int, str, int]] = field(default_factory=dict)
    """action → times, last reason, when."""
    new_tokens: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Row) -> Live:
        """As it was stored; facets and ties come later."""
        values: dict[str, Any] = {name: row[name] for name in CASE}
        values |= {"severity": Severity(row["severity"]), "state": IncidentState(row["state"])}
        return cls(**values)

    @property
    def alive(self) -> bool:
        """Whether it still takes signals as its own."""
        return self.state in (IncidentState.OPEN, IncidentState.ESCALATED)

    @property
    def rank(self) -> int:
        """That of its best facet."""
        return max((facet.rank for facet in self.facets.values()), default=0)

    def put(self, facet: Facet, tokens: Mapping[str, int]) -> None:
        """One more facet with its ties."""
        self.facets[facet.key] = facet
        for token, at_ms in tokens.items():
            if token not in self.tokens:
                self.tokens[token] = self.new_tokens[token] = at_ms

    def see(self, facet: Facet | None, at_ms: int, last_at_ms: int, times: int, severity: Severity) -> None:
        """Count `times` observations between two moments."""
        for counted in (self, facet):
            if counted is not None:
                counted.more += times
                counted.count += times
                counted.last_at_ms = max(counted.last_at_ms, last_at_ms)
                counted.severity = worst(counted.severity, severity)
                counted.dirty = True
        if facet is not None:
            facet.first_at_ms = min(facet.first_at_ms, at_ms)
        minute = last_at_ms // BUCKET_MS * BUCKET_MS
        self.buckets[minute] = self.buckets.get(minute, 0) + times

    def say(self, action: str, reason: str, at_ms: int) -> None:
        """Remember a decision."""
        self.said[action] = (self.said.get(action, (0,))[0] + 1, reason, at_ms)

    def set(self, **values: Any) -> None:
        """Overwrite fields now and their columns at the end of the batch."""
        for name, value in values.items():
            setattr(self, name, value)
            self.changed.add(name)

    def incident(self) -> Incident:
        """As a noun; its signal must be known by now."""
        if self.signal is None:
            raise LookupError(self.id)
        return Incident(
            id=self.id, fingerprint=self.fingerprint, service=self.service, title=self.title, severity=self.severity,
            state=self.state, first_at_ms=self.first_at_ms, last_at_ms=self.last_at_ms, count=self.count,
            signal=self.signal, previous=self.previous, held=self.held, joined=self.joined,
        )  # fmt: skip
