"""What people read about one mission: pull request, undo, notices. Facts first, no adjectives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import Case, ChangeRequest, Event, Incident, Mission, Outcome, Patch, Stage, Verdict
from nightshift.daemon.ports import Notice

_LINES = 60


def pull_request(incident: Incident, verdict: Verdict, case: Case, key: str) -> tuple[str, str]:
    """Title and Markdown body of a fix."""
    patch, red = verdict.patch, case.reproduction
    title = f"{_headline(patch.fixer, patch.kind)}: {redact(incident.title)[:90]}"
    gates = "\n".join(f"| {g.gate} | {g.judgement} | {redact(g.reason)[:200]} |" for g in verdict.gates)
    failing = ", ".join(f"`{t}`" for t in red.failing[:5]) if red else ""
    body = f"""{redact(patch.rationale)}

**What broke.** {redact(incident.title)} in {incident.service}, seen {incident.count} time(s).
{_evidence(case)}
**Red before.** {red.kind if red else "nothing"}: `{red.command if red else ""}` {failing}

**Green after.**

| gate | judgement | why |
| --- | --- | --- |
{gates}
{_set_aside(verdict)}
**Blast radius.** {_blast(patch)}

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
    key = f"{mission.id}:waiting:{change.key}" + (f"-r{change.round}" if change.round else "")
    data = {"mission": mission.id, "incident": incident.id, "url": change.url}
    return Notice(key=key, title="A patch waits for you", text=text, severity="warning", data=data)


def runbook_waits(mission: Mission, incident: Incident, book: str, text: str, *, key: str) -> Notice:
    """A person must decide on a runbook, or answer a step of one."""
    said = (
        f"{redact(incident.title)} in {incident.service}: runbook {book} waits for you.\n\n{redact(text)}\n\n"
        f"Approve: nightshift approve {mission.id} · reject: nightshift reject {mission.id}"
    )
    data = {"mission": mission.id, "incident": incident.id, "runbook": book, "waits": True}
    name = f"{mission.id}:asks:{stable_id('ask', key)}"
    return Notice(key=name, title=f"Runbook {book} waits for you", text=said, severity="warning", data=data)


def unclear(mission: Mission, incident: Incident, outcome: Outcome) -> Notice:
    """It was shipped, and a person must say whether it healed."""
    text = (
        f"{redact(incident.title)} in {incident.service}: a fix was shipped, whether it healed can't be told:"
        f" {redact(outcome.reason)}. It healed: nightshift approve {mission.id} · take it back: nightshift reject"
        f" {mission.id}"
    )
    data = {"mission": mission.id, "incident": incident.id, "figures": list(outcome.figures)}
    return Notice(key=f"{mission.id}:unclear", title="Did it heal?", text=text, severity="warning", data=data)


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
    data: dict[str, object] = {"mission": mission.id, "incident": incident.id, "stage": mission.stage.value,
                               "events": len(events)}  # fmt: skip
    if mission.stage is Stage.ROLLED_BACK or any(e.stage == Stage.ROLLING_BACK for e in events):
        data |= {"diff": _last(events, "verdict").get("patch", {}).get("diff", ""), "undo_diff": _text(events)}
        text += f"\n\nThe fix:\n{_short(data['diff'])}\n\nIts undoing:\n{_short(data['undo_diff'])}"
    title = f"{word}: {redact(incident.title)[:100]}"
    return Notice(key=f"{mission.id}:ended", title=title, text=text, severity=severity, data=data)


def _last(events: Sequence[Event], key: str) -> dict[str, Any]:
    return next((dict(e.data[key]) for e in reversed(events) if e.data.get(key)), {})


def _text(events: Sequence[Event]) -> str:
    return next((str(e.data["undo_diff"]) for e in reversed(events) if e.data.get("undo_diff")), "")


def _short(diff: object) -> str:
    """A diff for reading; all of it is in the notice's data and in the journal."""
    lines = redact(str(diff)).splitlines()
    return "\n".join([*lines[:_LINES], *([f"… {len(lines) - _LINES} more lines"] if len(lines) > _LINES else [])])


def _set_aside(verdict: Verdict) -> str:
    """The tests that could not be relied on, as a paragraph; '' when there are none."""
    named = ", ".join(f"`{redact(test)}`" for test in verdict.quarantined[:10])
    more = f" and {len(verdict.quarantined) - 10} more" if len(verdict.quarantined) > 10 else ""
    return (
        f"\n**Not relied on** (on base they change from run to run, or with their order): {named}{more}\n"
        if named
        else ""
    )


def _evidence(case: Case) -> str:
    """Where it broke, innermost frame last, and what was logged."""
    frames = case.diagnosis.frames[-5:]
    where = "\n".join(f"- `{redact(f.path)}:{f.line}` in `{redact(f.function)}`" for f in frames)
    sample = redact(case.diagnosis.sample).replace("```", "~~~")[-1500:].strip()
    shown = f"\n\n```\n{sample}\n```" if sample else ""
    return f"\n**Evidence.**\n\n{where}{shown}\n" if where or shown else ""


def _blast(patch: Patch) -> str:
    """What the change touches: files, and lines added and removed."""
    lines = patch.diff.splitlines()
    added = sum(line.startswith("+") and not line.startswith("+++ ") for line in lines)
    removed = sum(line.startswith("-") and not line.startswith("--- ") for line in lines)
    files = ", ".join(f"`{redact(name)}`" for name in patch.files[:10]) or "no file"
    more = f" and {len(patch.files) - 10} more" if len(patch.files) > 10 else ""
    return f"{len(patch.files)} file(s), +{added} −{removed} lines: {files}{more}."


_HEADLINES = {
    "revert": "Revert the change behind", "partial-revert": "Revert the change behind",
    "dependency": "Take back the packages behind", "configuration": "Configuration for",
}  # fmt: skip


def _headline(fixer: str, kind: str) -> str:
    return _HEADLINES.get(kind, f"Fix ({fixer})")
