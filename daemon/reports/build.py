"""From the store to a report: what happened in a period, read from incidents, missions and their journals."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nightshift.daemon.kit.sparkline import sparkline
from nightshift.daemon.model import ENDS, Event, GateResult, Incident, IncidentState, Judgement, Mission, Stage
from nightshift.daemon.reports.model import Cost, ReportChange, ReportData, ReportFix, ReportIncident, StageTime
from nightshift.daemon.store.store import Store

_OUTCOMES = {
    Stage.HEALED: "healed",
    Stage.ROLLED_BACK: "rolled_back",
    Stage.ESCALATED: "escalated",
    Stage.DISMISSED: "dismissed",
    Stage.AWAITING_APPROVAL: "waiting",
}


def build_report(
    store: Store, start_ms: int, end_ms: int, *, report_id: str, made_at_ms: int, zone: str = "UTC",
    language: str = "en", host: str = "",
) -> ReportData:  # fmt: skip
    """Everything active in [start_ms, end_ms)."""
    found = store.incidents.list(since_ms=start_ms, until_ms=end_ms, limit=1000)
    rows = tuple(_row(store, incident) for incident in found)
    return ReportData(id=report_id, from_ms=start_ms, to_ms=end_ms, made_at_ms=made_at_ms, incidents=rows, zone=zone,
                      language=language, host=host)  # fmt: skip


def _row(store: Store, incident: Incident) -> ReportIncident:
    row = ReportIncident(
        id=incident.id, title=incident.title, service=incident.service, severity=incident.severity,
        count=incident.count, first_at_ms=incident.first_at_ms, last_at_ms=incident.last_at_ms,
        outcome=incident.state.value if incident.state in IncidentState else "open",
        evidence=_excerpt(incident.signal.sample), notes=_notes(store, incident),
    )  # fmt: skip
    mission = store.missions.get(incident.id)
    return _with_mission(row, mission, store.journal.of(mission.id)) if mission else row


def _notes(store: Store, incident: Incident) -> tuple[str, ...]:
    """When it happened, as a line, and what else belongs to it."""
    counts = store.incidents.buckets(incident.id) if incident.count > 1 else []
    drawn = (sparkline(counts, 40),) if len(counts) > 1 else ()
    facets = store.incidents.facets(incident.id)
    joined = [f"{f['service']} {f['title']}: {f['why']}" for f in facets if f["why"]]
    more = [f"… and {len(joined) - 5} more"] if len(joined) > 5 else []
    return (*drawn, *joined[:5], *more)


def _excerpt(sample: str, lines: int = 30, chars: int = 200) -> str:
    """Evidence for reading; all of it is in the store."""
    kept = sample.splitlines()
    cut = [line if len(line) <= chars else line[: chars - 1] + "…" for line in kept[:lines]]
    return "\n".join(cut if len(kept) <= lines else [*cut, f"… {len(kept) - lines} more lines"])


def _with_mission(row: ReportIncident, mission: Mission, events: Sequence[Event]) -> ReportIncident:
    verdict = _last(events, "verdict")
    waiting = mission.stage == Stage.AWAITING_APPROVAL
    return replace(
        row,
        outcome=_OUTCOMES.get(mission.stage, "open"),
        stages=stage_times(events),
        fix=_fix(verdict) or _ran(_last(events, "run")),
        gates=tuple(_gate(g) for g in (verdict or {}).get("gates", ())),
        quarantined=tuple((verdict or {}).get("quarantined", ())),
        change=_change(_last(events, "change"), mission),
        deploy=_reason(events, Stage.DEPLOYING),
        watch=_reason(events, Stage.WATCHING),
        reason=mission.reason if mission.stage in ENDS - {Stage.HEALED} or waiting else "",
        waiting=f"nightshift approve {mission.id}" if waiting else "",
        notes=(*row.notes, *_figures(_last(events, "outcome"))),
        cost=Cost(seconds=mission.spent_s),
    )


def _figures(outcome: Any) -> list[str]:
    """Before and after, a line each."""
    return [figure["said"] for figure in (outcome or {}).get("figures", ()) if figure.get("said")]


def stage_times(events: Sequence[Event]) -> tuple[StageTime, ...]:
    """Seconds per stage in order of first entry; a stage that came again adds up."""
    spent: dict[str, float] = {}
    for event, following in itertools.pairwise(events):
        spent[event.stage] = spent.get(event.stage, 0.0) + (following.at_ms - event.at_ms) / 1000
    return tuple(
        StageTime(stage=stage, duration_s=round(s, 3)) for stage, s in spent.items() if Stage(stage) not in ENDS
    )


def _last(events: Sequence[Event], key: str) -> Any:
    found = [e.data[key] for e in events if e.data.get(key)]
    return found[-1] if found else None


def _fix(verdict: Any) -> ReportFix | None:
    if not verdict or verdict["judgement"] != "accepted":
        return None
    patch = verdict["patch"]
    return ReportFix(
        fixer=patch["fixer"], rationale=patch["rationale"], diff=patch["diff"], files=tuple(patch["files"])
    )


def _ran(run: Any) -> ReportFix | None:
    """A runbook as what was done about the incident: its steps, each with what came of it."""
    if not run or not run.get("steps"):
        return None
    lines = [f"{step['name']}: {step['status']} {step['reason'] or step['output'].partition(chr(10))[0]}".rstrip()
             for step in run["steps"]]  # fmt: skip
    return ReportFix(fixer=f"runbook {run['book']}", rationale="; ".join(line[:200] for line in lines[:20]))


def _gate(gate: Any) -> GateResult:
    return GateResult(gate=gate["gate"], judgement=Judgement(gate["judgement"]), reason=gate["reason"],
                      duration_s=gate["duration_s"])  # fmt: skip


def _change(change: Any, mission: Mission) -> ReportChange | None:
    if not change:
        return None
    undo = f"git revert {change['merged'][:12]}" if change["merged"] and mission.stage != Stage.ROLLED_BACK else ""
    return ReportChange(number=change["number"], title=change["title"], url=change["url"], state=change["state"],
                        undo=undo)  # fmt: skip


def _reason(events: Sequence[Event], stage: Stage) -> str:
    notes = [e.reason for e in events if e.stage == stage and e.actor == "hand-off"]
    return notes[-1] if notes else ""
