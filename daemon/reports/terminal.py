"""The report in a terminal. Everything is `Text`, never markup, so that a log line can't colour or move anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nightshift.daemon.reports.clean import clean_report, one_line
from nightshift.daemon.reports.figures import cost_text, duration, headline, quarantined, seen, stamp, zone_of
from nightshift.daemon.reports.model import ReportData, ReportIncident
from nightshift.daemon.reports.texts import Words

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_STYLES = {
    "healed": ("✔", "green"), "waiting": ("✋", "yellow"), "escalated": ("!", "red"), "rolled_back": ("↩", "magenta"),
    "open": ("…", "cyan"), "dismissed": ("–", "dim"),
}  # fmt: skip
_JUDGED = {"accepted": "green", "rejected": "red", "unjudged": "yellow"}
_LINES = 40


def print_report(data: ReportData, console: Console) -> None:
    """Print the whole report."""
    data = clean_report(data)
    words, zone = Words(data.language), zone_of(data.zone)
    from rich.rule import Rule
    from rich.text import Text

    console.print(Rule(Text(f"{words('title')} · {one_line(data.id).removeprefix('report-')}", style="bold")))
    start, end = stamp(data.from_ms, zone), stamp(data.to_ms, zone)
    console.print(Text(words("period", start=start, end=end, zone=zone.key), style="dim"))
    console.print(Text(headline(data, words), style="bold"))
    for incident in data.ordered:
        console.print()
        for part in _incident(incident, data, words):
            console.print(part)
    if data.incidents:
        console.print()
        console.print(Text(f"{words('cost')}: {cost_text(data.cost, words)}", style="dim"))


def to_text(data: ReportData, width: int = 100) -> str:
    """The same without colours, for files and pipes."""
    import io

    from rich.console import Console

    out = io.StringIO()
    print_report(data, Console(file=out, width=width, no_color=True, force_terminal=False, legacy_windows=False))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _incident(incident: ReportIncident, data: ReportData, words: Words) -> Iterator[RenderableType]:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    mark, style = _STYLES.get(incident.outcome, ("·", ""))
    head = Text.assemble((f"{mark} {words(f'outcome_{incident.outcome}')}  ", f"bold {style}"),
                         (one_line(incident.title), "bold"), (f"  {one_line(incident.service)}", "dim"))  # fmt: skip
    yield head
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _facts(incident, data, words):
        table.add_row(Text(name), value)
    yield Padding(table, (0, 0, 0, 2))
    if incident.fix and incident.fix.diff:
        yield Padding(_diff(incident.fix.diff, words), (1, 0, 0, 2))
    if incident.evidence:
        shown = _first_lines(incident.evidence, words)
        yield Padding(Text(f"{words('evidence')}\n{shown}", style="dim", overflow="fold"), (1, 0, 0, 2))


def _facts(incident: ReportIncident, data: ReportData, words: Words) -> Iterator[tuple[str, RenderableType]]:
    from rich.text import Text

    yield words("seen"), Text(seen(incident, words, zone_of(data.zone)))
    if incident.waiting:
        yield words("waiting_line"), Text(one_line(incident.waiting), style="bold yellow")
    if incident.reason:
        yield words("reason"), Text(one_line(incident.reason))
    if incident.stages:
        stages = (f"{words(f'stage_{s.stage}')} {duration(s.duration_s)}" for s in incident.stages)
        yield words("took"), Text(f"{duration(incident.duration_s)}: {' · '.join(stages)}")
    if fix := incident.fix:
        name = words("fix" if incident.outcome == "healed" else "fix_drafted")
        yield name, Text.assemble((one_line(fix.fixer), "bold"), f"  {one_line(fix.rationale)}")
    if incident.gates:
        yield words("proof"), _gates(incident, words)
    if change := incident.change:
        number = f"#{change.number}" if change.number else ""
        parts = (number, change.title, change.url, f"({change.state})" if change.state else "")
        yield words("change"), Text(one_line(" ".join(part for part in parts if part)))
        if change.undo:
            yield words("undo"), Text(one_line(change.undo))
    for name in ("deploy", "watch"):
        if text := str(getattr(incident, name)):
            yield words(name), Text(one_line(text))
    if incident.quarantined:
        yield words("quarantined"), Text(one_line(quarantined(incident)))
    for note in incident.notes:
        yield words("note"), Text(one_line(note))


def _gates(incident: ReportIncident, words: Words) -> RenderableType:
    from rich.text import Text

    lines = Text()
    for at, gate in enumerate(incident.gates):
        lines.append("\n" if at else "")
        lines.append(f"{words(gate.judgement)} ", style=_JUDGED[gate.judgement])
        lines.append(one_line(f"{gate.gate}  {gate.reason}"))
    return lines


def _diff(diff: str, words: Words) -> RenderableType:
    from rich.text import Text

    text = Text(overflow="fold")
    for line in _first_lines(diff, words).splitlines():
        text.append(line + "\n", style=diff_style(line))
    text.rstrip()
    return text


def diff_style(line: str) -> str:
    """The colour of one line of a unified diff."""
    if line.startswith(("+++", "---", "diff ", "index ")):
        return "dim"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")


def _first_lines(text: str, words: Words) -> str:
    lines = text.rstrip().splitlines()
    rest = len(lines) - _LINES
    return "\n".join(lines[:_LINES] + ([words("more_lines", n=rest)] if rest > 0 else []))
