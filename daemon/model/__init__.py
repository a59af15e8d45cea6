"""The nouns. Frozen values that cross every boundary of the house; a change is a new value plus one journal event.

Times are Unix milliseconds (`_ms`), durations seconds (`_s`). Every noun survives a JSON round trip:
``load(Signal, dump(signal)) == signal``.
"""

from __future__ import annotations

from nightshift.daemon.model.encoding import dump, load
from nightshift.daemon.model.evidence import Case, Diagnosis, Patch, Precedent, Reproduction, Suspect, TestStatus
from nightshift.daemon.model.missions import ENDS, Event, Mission, Service, Stage
from nightshift.daemon.model.observed import Frame, Incident, IncidentState, Severity, Signal
from nightshift.daemon.model.shipping import (
    ChangeDraft,
    ChangeRequest,
    ChangeState,
    CheckState,
    ForgeCheck,
    ForgeEvent,
    ForgeEventKind,
    Health,
    Outcome,
    Readiness,
    Recovery,
)
from nightshift.daemon.model.verdicts import Criticism, Critique, GateResult, Judgement, Verdict

__all__ = [
    "ENDS",
    "Case",
    "ChangeDraft",
    "ChangeRequest",
    "ChangeState",
    "CheckState",
    "Criticism",
    "Critique",
    "Diagnosis",
    "Event",
    "ForgeCheck",
    "ForgeEvent",
    "ForgeEventKind",
    "Frame",
    "GateResult",
    "Health",
    "Incident",
    "IncidentState",
    "Judgement",
    "Mission",
    "Outcome",
    "Patch",
    "Precedent",
    "Readiness",
    "Recovery",
    "Reproduction",
    "Service",
    "Severity",
    "Signal",
    "Stage",
    "Suspect",
    "TestStatus",
    "Verdict",
    "dump",
    "load",
]
