"""The report as one page that needs nothing from anywhere: no script, no font, no picture; its policy says so."""

from __future__ import annotations

import functools
import re
from importlib.resources import files
from typing import TYPE_CHECKING

from nightshift.daemon.model import Stage
from nightshift.daemon.reports import figures
from nightshift.daemon.reports.clean import clean_report
from nightshift.daemon.reports.model import OUTCOMES, ReportData, ReportIncident
from nightshift.daemon.reports.texts import Words

if TYPE_CHECKING:
    from jinja2 import Template

_ORDER = {stage.value: at for at, stage in enumerate(Stage)}


def to_html(data: ReportData) -> str:
    """The whole report as a self-contained document."""
    data = clean_report(data)
    words, zone = Words(data.language), figures.zone_of(data.zone)
    return _template().render(
        data=data, words=words, zone=zone, outcomes=OUTCOMES, stamp=figures.stamp, duration=figures.duration,
        headline=figures.headline(data, words), cost_text=figures.cost_text, quarantined=figures.quarantined,
        seen=figures.seen, bar=_bar,
        diff_class=_diff_class, web=_web, strip=_night_strip,
    )  # fmt: skip


@functools.cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string((files("nightshift.daemon.reports") / "report.html.j2").read_text("utf-8"))


def _web(url: str) -> bool:
    """Whether a link may be made of it: http and https only (no ``javascript:``)."""
    return re.fullmatch(r"https?://[^\s\"'<>]+", url) is not None


def _diff_class(line: str) -> str:
    if line.startswith(("+++", "---", "diff ", "index ")):
        return "meta"
    return {"+": "add", "-": "del", "@": "at"}.get(line[:1], "")


def _bar(incident: ReportIncident) -> list[tuple[str, int, float, float]]:
    """The stages as (name, hue number, width in percent, seconds) of one bar; slivers stay visible."""
    total = incident.duration_s
    if total <= 0:
        return []
    widths = [max(1.0, 100 * s.duration_s / total) for s in incident.stages]
    scale = 100 / sum(widths)
    return [
        (s.stage, _ORDER.get(s.stage, 0), round(width * scale, 2), s.duration_s)
        for s, width in zip(incident.stages, widths, strict=True)
    ]


def _night_strip(data: ReportData) -> list[tuple[float, str, str]]:
    """Where in the night each incident began: (percent of the period, outcome, title)."""
    span = max(1, data.to_ms - data.from_ms)
    rows = ((100 * (i.first_at_ms - data.from_ms) / span, i.outcome, i.title) for i in data.incidents)
    return [(round(min(100.0, max(0.0, at)), 2), outcome, title) for at, outcome, title in rows]
