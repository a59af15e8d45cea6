"""The report as Markdown. Text from outside can neither format itself, nor leave its fence, nor bring in HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nightshift.daemon.reports.clean import clean_report, one_line
from nightshift.daemon.reports.figures import cost_text, duration, headline, quarantined, seen, stamp, zone_of
from nightshift.daemon.reports.model import ReportData, ReportIncident
from nightshift.daemon.reports.texts import Words

_SPECIAL = re.compile(r"([\\`*_\[\]|~])")
_LEADING = re.compile(r"^([#+>=-]|\d+(?=[.)]))")  # what would start a list, a quote or a heading
_MARKS = {
    "healed": "✅", "waiting": "✋", "escalated": "🆘", "rolled_back": "↩️", "open": "⏳", "dismissed": "➖",
}  # fmt: skip


def inline(text: str) -> str:
    """Text as one literal Markdown line."""
    text = one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    text = _LEADING.sub(_escaped_start, _SPECIAL.sub(r"\\\1", text))
    return text.replace("@", "&#64;")


def _escaped_start(found: re.Match[str]) -> str:
    return f"&#{ord(found[0][0])};{found[0][1:]}"


def code(text: str) -> str:
    """Text as inline code, whatever backticks it holds."""
    text = one_line(text)
    ticks = "`" * (_longest(text) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") or not text else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def fence(text: str, language: str = "") -> str:
    """Text as a code block whose fence is longer than any run of backticks in it."""
    ticks = "`" * max(3, _longest(text) + 1)
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


def to_markdown(data: ReportData) -> str:
    """The whole report."""
    data = clean_report(data)
    return "\n\n".join(_parts(data, Words(data.language))) + "\n"


def _parts(data: ReportData, words: Words) -> Iterator[str]:
    zone = zone_of(data.zone)
    yield f"# {words('title')}: {inline(data.id.removeprefix('report-'))}"
    start, end = stamp(data.from_ms, zone), stamp(data.to_ms, zone)
    yield f"{inline(words('period', start=start, end=end, zone=zone.key))}\n\n**{inline(headline(data, words))}**"
    if data.waiting:
        yield f"## {words('waiting_heading')}"
        rows = (f"- {inline(i.title)} ({inline(i.service)}): {words('waiting_line')} {code(i.waiting)}"
                for i in data.waiting)  # fmt: skip
        yield "\n".join(rows)
    if data.incidents:
        yield f"## {words('incidents')}"
    for incident in data.ordered:
        yield from _incident(incident, data, words)
    if data.incidents:
        yield f"---\n\n{words('cost')}: {inline(cost_text(data.cost, words))}"
    at = stamp(data.made_at_ms, zone)
    made = words("made", at=at, host=data.host) if data.host else words("made_nowhere", at=at)
    yield f"*{inline(made)}*"


def _incident(incident: ReportIncident, data: ReportData, words: Words) -> Iterator[str]:
    mark = _MARKS.get(incident.outcome, "")
    yield f"### {mark} {inline(incident.title)}"
    rows = list(_facts(incident, data, words))
    yield "\n".join(f"- **{name}:** {value}" for name, value in rows)
    if incident.stages:
        total = " · ".join(f"{words(f'stage_{s.stage}')} {duration(s.duration_s)}" for s in incident.stages)
        yield f"{words('stages')}: {inline(total)}"
    if incident.gates:
        yield _gates(incident, words)
    if incident.fix and incident.fix.diff:
        yield fence(incident.fix.diff, "diff")
    if incident.evidence:
        yield f"**{words('evidence')}**\n\n{fence(incident.evidence)}"


def _facts(incident: ReportIncident, data: ReportData, words: Words) -> Iterator[tuple[str, str]]:
    severity = words(f"severity_{incident.severity}")
    yield words(f"outcome_{incident.outcome}").capitalize(), f"{inline(incident.service)}, {severity}"
    yield words("seen"), inline(seen(incident, words, zone_of(data.zone)))
    if incident.waiting:
        yield words("waiting_line"), code(incident.waiting)
    if incident.reason:
        yield words("reason"), inline(incident.reason)
    if fix := incident.fix:
        name = words("fix" if incident.outcome == "healed" else "fix_drafted")
        yield name, f"{code(fix.fixer)} {inline(fix.rationale)}".rstrip()
        if fix.files:
            yield words("files"), ", ".join(code(path) for path in fix.files)
    if change := incident.change:
        yield words("change"), _change(change.number, change.title, change.url, change.state)
        if change.undo:
            yield words("undo"), code(change.undo)
    for name in ("deploy", "watch"):
        if text := str(getattr(incident, name)):
            yield words(name), inline(text)
    if incident.quarantined:
        yield words("quarantined"), inline(quarantined(incident))
    yield from ((words("note"), inline(note)) for note in incident.notes)
    yield words("cost"), inline(cost_text(incident.cost, words))


def _change(number: int, title: str, url: str, state: str) -> str:
    name = inline(" ".join(x for x in (f"#{number}" if number else "", title) if x) or url)
    safe = re.fullmatch(r"https?://[^\s<>()\\\"'`]+", url)
    return (f"[{name}]({url})" if safe else name) + (f" ({inline(state)})" if state else "")


def _gates(incident: ReportIncident, words: Words) -> str:
    head = f"| {words('gate')} | {words('judgement')} | {words('why')} |\n| --- | --- | --- |"
    rows = (f"| {inline(g.gate)} | {words(g.judgement)} | {inline(g.reason)} |" for g in incident.gates)
    return "\n".join([head, *rows])


def _longest(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)
