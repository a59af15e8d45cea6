"""What monitors see, and what the intake makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How bad an observation is; the order of the members is the order of severity."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One stack frame. `locals` holds (name, repr) pairs when the source records them, else nothing."""

    path: str
    line: int
    function: str
    code: str = ""
    locals: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One observation by a monitor.

    `key` identifies the observation at its source (for a log: file identity and offset), so that reading it
    twice counts it once. Frames are outermost first, the crash site last. `exception` is the type's name
    as printed (``KeyError``, ``shop.errors.Refused``); empty for alerts and container events. A monitor may fold
    observations of one kind into one signal: `count` says how many it stands for, `last_at_ms` when the last of
    them was (0: `at_ms`).
    """

    key: str
    source: str
    service: str
    title: str
    at_ms: int
    kind: str = "crash"
    severity: Severity = Severity.ERROR
    exception: str = ""
    message: str = ""
    frames: tuple[Frame, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    sample: str = ""
    resolved: bool = False
    count: int = 1
    last_at_ms: int = 0


class IncidentState(StrEnum):
    """Where an incident stands, as people see it."""

    OPEN = "open"
    HEALED = "healed"
    ESCALATED = "escalated"
    DISMISSED = "dismissed"


@dataclass(frozen=True, kw_only=True)
class Incident:
    """Signals with one cause. `signal` is the one to mend from; `previous` links a recurrence to its forerunner.

    `held` says why it has no mission ('' = it should have one): threshold | known | flapping | storm. `joined` names
    the incident that took this one over ('' = none): it was a symptom of that one.
    """

    id: str
    fingerprint: str
    service: str
    title: str
    severity: Severity
    state: IncidentState
    first_at_ms: int
    last_at_ms: int
    count: int
    signal: Signal
    previous: str = ""
    held: str = ""
    joined: str = ""
