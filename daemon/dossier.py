"""Everything known of one incident as plain JSON: the same for the command line, the HTTP API and the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import Event, Incident, Mission, dump

if TYPE_CHECKING:
    from nightshift.daemon.store.store import Store

Json = dict[str, Any]


def dossier(store: Store, name: str) -> Json | None:
    """Incident, mission, journal, last verdict, change request and diff, by the id (or a unique prefix of 4 and more
    characters) of either; None when there is no such thing."""
    incident = store.incidents.get(name)
    mission = store.missions.get(incident.id if incident else name)
    if incident is None and mission is not None and mission.id.startswith(name):
        incident = store.incidents.get(mission.incident)
    if incident is None:
        return None
    found: Json = masked({"incident": dump(incident), **mission_part(store, mission)})
    return found


def mission_part(store: Store, mission: Mission | None) -> Json:
    """The mission's half of a dossier; empty values when there is no mission."""
    events = store.journal.of(mission.id) if mission else []
    verdict = _last(events, "verdict")
    return {
        "mission": dump(mission) if mission else None,
        "verdict": verdict,
        "change": _last(events, "change"),
        "diff": str(_at(verdict, "patch", "diff") or ""),
        "journal": [dump(event) for event in events],
    }


def _last(events: Iterable[Event], key: str) -> Any:
    found = [event.data[key] for event in events if event.data.get(key)]
    return found[-1] if found else None


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def masked(value: Any) -> Any:
    """Plain JSON with every text redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: masked(inner) for key, inner in value.items()}
    return [masked(inner) for inner in value] if isinstance(value, list) else value


def incident_row(incident: Incident, mission: Mission | None) -> Json:
    """One incident of a list: the incident without its first signal's details, and its mission."""
    row: Json = masked(dump(incident))
    del row["signal"]
    return {**row, "mission": dump(mission) if mission else None}


def incident_rows(store: Store, *, since_ms: int = 0, state: str = "", limit: int = 200) -> list[Json]:
    """The newest incidents with their missions."""
    missions = {m.incident: m for m in store.missions.list(limit=5000)}
    found = store.incidents.list(since_ms=since_ms, state=state, limit=limit)
    return [incident_row(incident, missions.get(incident.id)) for incident in found]


STANDING = {
    "awaiting_approval": "waiting", "judging": "verifying", "watching": "verifying", "rolling_back": "recovering",
    "queued": "waiting",
}  # fmt: skip


def standing(mission: Mission) -> str:
    """What people see on top: paused, waiting, verifying, recovering, running, or the end it came to."""
    if mission.paused:
        return "paused"
    if mission.stage.value in ("healed", "rolled_back", "escalated", "dismissed"):
        return "blocked" if mission.stage.value == "escalated" else mission.stage.value
    return STANDING.get(mission.stage.value, "running")
