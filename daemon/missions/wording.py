"""What people read about one mission: pull request, undo, notices. Facts first, no adjectives."""

from __future__ import annotations

from collections.abc import Sequence

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import Case, ChangeRequest, Event, Incident, Mission, Stage, Verdict
from nightshift.daemon.ports import Notice


def pull_request(incident: Incident, verdict: Verdict, case: Case, key: str) -> tuple[str, str]:
    """Title and Markdown body of a fix."""
    patch, red = verdict.patch, case.reproduction
    title = f"{_headline(patch.fixer, patch.kind)}: {redact(incident.title)[:90]}"
    gates = "\n".join(f"| {g.gate} | {g.judgement} | {redact(g.reason)[:200]} |" for g in verdict.gates)
    failing = ", ".join(f"`{t}`" for t in red.failing[:5]) if red else ""
    body = f"""{redact(patch.rationale)}

**What broke.** {redact(incident.title)} in {incident.service}, seen {incident.count} time(s).

**Red before.** {red.kind if red else "nothing"}: `{red.command if red else ""}` {failing}

**Green after.**

| gate | judgement | why |
| --- | --- | --- |
{gates}

**Judged on** `{case.base}`. **Mission** `{case.id}`, incident `{incident.id}`.

**Undo.** `git revert` the merge of branch `nightshift/{key}`.
"""
    return title, body


def undo(change: ChangeRequest, reason: str) -> tuple[str, str]:
    """Title and body of a rollback."""
    title = f"Undo: {change.title}"[:120]
    return title, f"{redact(reason)}\n\nRestores the tree of `{change.base}`.\n"


def waiting(mission: Mission, incident: Incident, change: ChangeRequest, reason: str) -> Notice:
    """A person must decide."""
    text = (
        f"{redact(incident.title)} in {incident.service}: a proved patch waits as #{change.number}."
        f" {redact(reason)}."
        f" Approve: nightshift approve {mission.id} · reject: nightshift reject {mission.id}"
    )
    key = f"{mission.id}:waiting:{change.key}"
    data = {"mission": mission.id, "incident": incident.id, "url": change.url}
    return Notice(key=key, title="A patch waits for you", text=text, severity="warning", data=data)


_ENDS = {
    Stage.HEALED: ("Healed", "info"),
    Stage.ROLLED_BACK: ("Rolled back", "error"),
    Stage.ESCALATED: ("Needs you", "error"),
    Stage.DISMISSED: ("Dismissed", "info"),
}


def ended(mission: Mission, incident: Incident, events: Sequence[Event]) -> Notice:
    """How a mission ended; one notice each."""
    word, severity = _ENDS[mission.stage]
    took_s = (mission.updated_at_ms - mission.started_at_ms) / 1000
    text = f"{incident.service}: {redact(incident.title)}. {redact(mission.reason)} ({took_s:.1f} s)"
    data = {"mission": mission.id, "incident": incident.id, "stage": mission.stage.value, "events": len(events)}
    title = f"{word}: {redact(incident.title)[:100]}"
    return Notice(key=f"{mission.id}:ended", title=title, text=text, severity=severity, data=data)


def _headline(fixer: str, kind: str) -> str:
    return "Revert the change behind" if kind in ("revert", "partial-revert") else f"Fix ({fixer})"
