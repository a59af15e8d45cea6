"""Why a mission may or may not act alone: every rule with its answer as it would be now, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.missions.policy.facts import facts
from nightshift.daemon.missions.policy.rules import decide
from nightshift.daemon.missions.policy.settings import Settings
from nightshift.daemon.model import Event, Mission, Patch, Reproduction, Service, load
from nightshift.daemon.store.store import Store

Json = dict[str, Any]


def explain(
    store: Store, clock: Clock, settings: Settings, services: Mapping[str, Service], budget_s: float, name: str
) -> Json | None:
    """{mission, incident, service, stage, fixer, kind, decision, reason, rules, decided} of a mission or its incident;
    None when there is none. `rules` have rule, limit, allowed and reason; `decided` are the decisions in its journal.
    Changes nothing; a service that is no longer configured is explained as one that may do nothing."""
    mission = store.missions.get(name)
    if mission is None:
        return None
    service = services.get(mission.service) or Service(name=mission.service, repo="", autonomy="not configured")
    events = store.journal.of(mission.id)
    patch = _patch(events)
    found = facts(store, clock, settings, service, mission=mission, incident=store.incidents.get(mission.incident),
                  patch=patch, reproduction=_reproduction(events), budget_s=budget_s)  # fmt: skip
    decision = decide(found, settings)
    return {
        **_about(mission, patch), "decision": decision.action, "reason": decision.reason,
        "rules": [rule.as_json() for rule in decision.rules],
        "decided": [{"at_ms": e.at_ms, "action": e.data["action"], "reason": e.data.get("reason", "")}
                    for e in events if e.actor == "policy" and "action" in e.data],
    }  # fmt: skip


def _about(mission: Mission, patch: Patch | None) -> Json:
    return {
        "mission": mission.id, "incident": mission.incident, "service": mission.service, "stage": mission.stage.value,
        "fixer": patch.fixer if patch else "", "kind": patch.kind if patch else "",
    }  # fmt: skip


def _patch(events: Sequence[Event]) -> Patch | None:
    """The accepted patch, as its verdict left it."""
    verdicts = [e.data["verdict"] for e in events if e.data.get("verdict")]
    accepted = [v for v in verdicts if v["judgement"] == "accepted"]
    return load(Patch, accepted[-1]["patch"]) if accepted else None


def _reproduction(events: Sequence[Event]) -> Reproduction | None:
    told = [e.data for e in events if e.actor == "hand-off" and {"kind", "command", "failing"} <= set(e.data)]
    return load(Reproduction, told[-1]) if told else None
