"""The report as a notice: a few plain lines for people on the move, the whole of it as data for programs."""

from __future__ import annotations

from nightshift.daemon.ports import Notice
from nightshift.daemon.reports.as_json import to_dict
from nightshift.daemon.reports.clean import clean_report, one_line
from nightshift.daemon.reports.figures import cost_text, headline, stamp, zone_of
from nightshift.daemon.reports.model import ReportData, ReportIncident
from nightshift.daemon.reports.texts import Words

_SEVERITY = {"waiting": "warning", "escalated": "error", "rolled_back": "warning"}


def report_notice(data: ReportData) -> Notice:
    """Key is the report's id; text is paragraphs of plain text; ``data["report"]`` is `to_dict`'s value."""
    shown = clean_report(data)
    words = Words(shown.language)
    zone = zone_of(shown.zone)
    period = words("period", start=stamp(shown.from_ms, zone), end=stamp(shown.to_ms, zone), zone=zone.key)
    paragraphs = [f"{headline(shown, words)}\n{period}", *(_paragraph(i, words) for i in shown.ordered)]
    if shown.incidents:
        paragraphs.append(f"{words('cost')}: {cost_text(shown.cost, words)}")
    worst = next((_SEVERITY[i.outcome] for i in _by_severity(shown) if i.outcome in _SEVERITY), "info")
    title = f"{words('title')} {shown.id.removeprefix('report-')}"
    return Notice(key=data.id, title=title, text="\n\n".join(paragraphs), severity=worst,
                  data={"report": to_dict(data)})  # fmt: skip


def _by_severity(data: ReportData) -> list[ReportIncident]:
    return sorted(data.incidents, key=lambda i: _SEVERITY.get(i.outcome) != "error")


def _paragraph(incident: ReportIncident, words: Words) -> str:
    lines = [f"{words(f'outcome_{incident.outcome}')}: {one_line(incident.title)} ({one_line(incident.service)})"]
    if incident.waiting:
        lines.append(f"{words('waiting_line')}: {one_line(incident.waiting)}")
    if incident.reason:
        lines.append(one_line(incident.reason))
    if incident.fix:
        lines.append(f"{words('fixer')}: {one_line(incident.fix.fixer)} {one_line(incident.fix.rationale)}".rstrip())
    if incident.change and incident.change.url:
        lines.append(f"{words('change')}: {one_line(incident.change.url)}")
    if incident.watch:
        lines.append(f"{words('watch')}: {one_line(incident.watch)}")
    return "\n".join(lines)
