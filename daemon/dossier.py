"""Everything known of one incident as plain JSON: the same for the command line, the HTTP API and the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.kit.sparkline import sparkline
from nightshift.daemon.model import Event, Incident, Mission, dump
from nightshift.daemon.store.filter import Filter, cursor_of

if TYPE_CHECKING:
    from nightshift.daemon.store.store import Store

Json = dict[str, Any]
Counts = Sequence[tuple[int, int]]


def dossier(store: Store, name: str) -> Json | None:
    """Incident, its facets, samples and decisions, mission, journal, the tournament's table, last verdict, change
    request and diff, by the id (or a unique prefix of 4 and more characters) of either; None when there is no such
    thing."""
    incident = store.incidents.get(name)
    mission = store.missions.get(incident.id if incident else name)
    if incident is None and mission is not None and mission.id.startswith(name):
        incident = store.incidents.get(mission.incident)
    if incident is None:
        return None
    found: Json = masked({"incident": dump(incident), **incident_part(store, incident), **mission_part(store, mission)})
    return found


def incident_part(store: Store, incident: Incident) -> Json:
    """What belongs together in an incident and why, what was seen of it, what was decided, and its neighbours in
    time. `held` is why it gets no mission."""
    counts = store.incidents.buckets(incident.id)
    return {
        "facets": store.incidents.facets(incident.id),
        "samples": store.incidents.samples(incident.id),
        "decisions": store.incidents.decisions(incident.id),
        "counts": [{"at_ms": at_ms, "count": count} for at_ms, count in counts],
        "sparkline": sparkline(counts, 40),
        "held": HELD.get(incident.held, ""),
        "previous": incident.previous,
        "joined": incident.joined,
        "successors": store.incidents.heirs(incident.id),
    }


HELD = {
    "threshold": "below its threshold: no mission yet", "known": "a known error: no mission",
    "flapping": "flapping: no mission until it holds", "storm": "a storm of many kinds: no mission",
}  # fmt: skip


def mission_part(store: Store, mission: Mission | None) -> Json:
    """The mission's half of a dossier; empty values when there is no mission."""
    events = store.journal.of(mission.id) if mission else []
    verdict = _last(events, "verdict")
    held = _last(events, "tournament") or {}
    return {
        "mission": dump(mission) if mission else None,
        "verdict": verdict,
        "change": _last(events, "change"),
        "outcome": _last(events, "outcome"),
        "undo_diff": str(_last(events, "undo_diff") or ""),
        "diff": str(_at(verdict, "patch", "diff") or ""),
        "tournament": held.get("table", []),
        "journal": [_event(event) for event in events],
    }


def _event(event: Event) -> Json:
    """An event without the whole record of a tournament: its table stands beside the journal, the rest is replayed."""
    data = {key: value for key, value in event.data.items() if key != "tournament"}
    return {**dump(event), "data": data}


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


def incident_row(incident: Incident, mission: Mission | None, counts: Counts = ()) -> Json:
    """One incident of a list: the incident without its signal's details, its sparkline, and its mission."""
    row: Json = masked(dump(incident))
    del row["signal"]
    return {**row, "sparkline": sparkline(counts), "mission": dump(mission) if mission else None}


def incident_rows(store: Store, wanted: Filter) -> list[Json]:
    """Incidents with their missions. Raises ValueError for a cursor that is none."""
    found = store.incidents.find(wanted)
    names = [incident.id for incident in found]
    missions, counts = store.missions.of_incidents(names), store.incidents.buckets_of(names)
    return [incident_row(i, missions.get(i.id), counts.get(i.id, ())) for i in found]


def incident_page(store: Store, wanted: Filter) -> Json:
    """The same with `next`: the cursor of the rows that follow, '' at the end. Raises ValueError likewise."""
    rows = incident_rows(store, replace(wanted, limit=wanted.limit + 1))
    page = rows[: wanted.limit]
    return {"incidents": page, "next": cursor_of(page[-1], wanted.sort) if len(rows) > len(page) else ""}


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
