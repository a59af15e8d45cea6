"""When a metric becomes an alert: pure bookkeeping of rule states, apart from any server, so that it can be proved."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Severity, Signal

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


class Rule(BaseModel):
    """One condition on a PromQL expression; each series of its result is judged by itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    """What people read; part of the signal's identity."""
    expr: str = Field(min_length=1)
    """PromQL whose value is compared; an instant vector or a scalar."""
    op: Literal[">", ">=", "<", "<=", "==", "!="] = ">"
    """How the value is compared with the threshold."""
    threshold: float
    """What the value is compared with."""
    for_s: float = Field(default=0.0, ge=0)
    """Seconds the condition must hold before the rule fires."""
    severity: Severity = Severity.ERROR
    """Severity of the signal."""
    service: str = ""
    """The service it is about; '' takes it from `service_label`."""
    service_label: str = "service"
    """Label of the series that names the service when `service` is ''; then `job`."""

    def holds(self, value: float) -> bool:
        """Whether a value meets the condition; NaN is no data and meets none."""
        return not math.isnan(value) and _COMPARE[self.op](value, self.threshold)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One series of a result."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, kw_only=True)
class Held:
    """A condition that holds for one series: since when, and since when it fires (0 = pending)."""

    labels: Mapping[str, str]
    since_ms: int
    firing_ms: int = 0


States = Mapping[str, Held]
"""Series that hold, by the stable id of their labels."""


def advance(
    rule: Rule, before: States, samples: Sequence[Sample], now_ms: int, source: str
) -> tuple[States, list[Signal]]:
    """The states after one evaluation and the signals it caused; like Prometheus, an absent series has cleared."""
    after: dict[str, Held] = {}
    signals: list[Signal] = []
    for sample in samples:
        if not rule.holds(sample.value):
            continue
        key = series_id(sample.labels)
        held = before.get(key) or Held(labels=dict(sample.labels), since_ms=now_ms)
        if not held.firing_ms and now_ms - held.since_ms >= rule.for_s * 1000:
            held = Held(labels=held.labels, since_ms=held.since_ms, firing_ms=now_ms)
            signals.append(_signal(rule, held, now_ms, source, value=sample.value))
        after[key] = held
    cleared = [held for key, held in before.items() if key not in after and held.firing_ms]
    return after, signals + [_signal(rule, held, now_ms, source, value=None) for held in cleared]


def series_id(labels: Mapping[str, str]) -> str:
    """Stable name of a label set."""
    return stable_id("series", *(f"{k}={v}" for k, v in sorted(labels.items())))


def _signal(rule: Rule, held: Held, now_ms: int, source: str, *, value: float | None) -> Signal:
    service = rule.service or held.labels.get(rule.service_label) or held.labels.get("job") or "unknown"
    resolved = value is None
    wanted = f"{rule.expr} {rule.op} {rule.threshold:g}"
    said = f"cleared: {wanted}" if value is None else f"{value:g} where {wanted} for {rule.for_s:g} s"
    return Signal(
        key=f"{source}:{rule.name}:{series_id(held.labels)}:{held.firing_ms}:{'resolved' if resolved else 'firing'}",
        source=source, service=service, title=rule.name, at_ms=now_ms, kind="alert", severity=rule.severity,
        message=said, labels={"alertname": rule.name, **held.labels}, resolved=resolved,
    )  # fmt: skip


def dump_states(states: States) -> str:
    """States as text for a checkpoint."""
    return json.dumps(
        {k: [dict(h.labels), h.since_ms, h.firing_ms] for k, h in states.items()}, sort_keys=True, ensure_ascii=False
    )


def load_states(text: str) -> States:
    """States from a checkpoint; an unreadable one counts as none."""
    try:
        rows = json.loads(text or "{}")
        return {k: Held(labels=dict(r[0]), since_ms=int(r[1]), firing_ms=int(r[2])) for k, r in rows.items()}
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return {}
