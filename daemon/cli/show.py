"""`nightshift show`: one incident from the first signal to its end."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nightshift.daemon.cli.options import ConfigPath, Json, configured, opened
from nightshift.daemon.cli.trouble import Trouble

Id = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="Incident or mission, 4 characters are enough if unique; service:NAME for what began none."
    ),
]


def command(name: Id, config: ConfigPath = None, as_json: Json = False) -> None:
    """Show one incident: its mission, evidence, gates and diff."""
    from nightshift.daemon.dossier import dossier, masked

    store = opened(configured(config, demand_secrets=False))
    if name.startswith("service:"):
        _tell_decisions(masked(store.incidents.decisions(name)) if store else [], name, as_json)
        return
    found = dossier(store, name) if store else None
    if found is None:
        raise Trouble(f"nightshift show: no single incident or mission '{name}'; see nightshift incidents", code=1)
    if as_json:
        from nightshift.daemon.cli.output import print_json

        print_json(found)
    else:
        _tell(found)


def _tell(found: dict[str, Any]) -> None:
    from nightshift.daemon.cli.output import at, line

    incident, mission = found["incident"], found["mission"]
    line(f"{incident['id']}  {incident['title']}", "bold")
    line(f"{incident['service']}, {incident['state']}, {incident['count']} time(s), "
         f"{at(incident['first_at_ms'])} to {at(incident['last_at_ms'])}")  # fmt: skip
    line(f"fingerprint {incident['fingerprint']}  {found['sparkline']}")
    for said in _neighbours(found):
        line(said)
    for frame in incident["signal"]["frames"]:
        line(f"  {frame['path']}:{frame['line']} in {frame['function']}  {frame['code']}")
    _tell_evidence(found)
    if not mission:
        line(f"\nno mission{': ' + found['held'] if found['held'] else ''}")
        return
    paused = ", paused" if mission["paused"] else ""
    line(f"\n{mission['id']}: {mission['stage']}{paused}: {mission['reason']}", "bold")
    for event in found["journal"]:
        line(f"  {at(event['at_ms'])}  {event['stage']:<18} {event['actor']}: {event['reason']}")
    _tell_tournament(found["tournament"])
    _tell_patch(found)


def _tell_tournament(rows: list[dict[str, Any]]) -> None:
    """Who competed, and what became of it."""
    from nightshift.daemon.cli.output import line, table

    if not rows:
        return
    line("\ntournament", "bold")
    heads = ("round", "creator", "rank", "score", "kind", "judgement", "group", "why")
    table(heads, ([_cell(row, head) for head in heads] for row in rows))


def _cell(row: dict[str, Any], head: str) -> str:
    if head == "group":
        return str(row["cluster"] or "")
    if head == "judgement":
        return "refuted" if row["refuted"] else str(row["judgement"])
    if head == "why":
        return str(row["refuted"] or row["failed"] or row["reason"])[:120]
    return str(row[head])


def _neighbours(found: dict[str, Any]) -> list[str]:
    said = [
        f"seen before in {found['previous']}" if found["previous"] else "",
        f"part of {found['joined']} now" if found["joined"] else "",
        f"seen after it in {', '.join(found['successors'])}" if found["successors"] else "",
    ]
    return [text for text in said if text]


def _tell_evidence(found: dict[str, Any]) -> None:
    """What belongs to the incident and why, samples of it, and what was decided."""
    from nightshift.daemon.cli.output import at, line

    if len(found["facets"]) > 1:
        line("\nfacets", "bold")
    for facet in found["facets"] if len(found["facets"]) > 1 else ():
        line(f"  {facet['count']:>6}  {facet['service']} {facet['source']} {facet['kind']}: {facet['title']}")
        line(f"          {facet['why'] or 'it came first'}")
    if found["samples"]:
        line("\nsamples", "bold")
    for sample in found["samples"]:
        first, *more = sample["text"].splitlines() or [""]
        line(f"  {at(sample['at_ms'])}  {first[:200]}{f' (+{len(more)} lines)' if more else ''}")
    if found["decisions"]:
        line("\ndecisions", "bold")
        _lines(found["decisions"])


def _tell_decisions(rows: list[dict[str, Any]], name: str, as_json: bool) -> None:
    """What was decided of a service's signals that are in no incident."""
    from nightshift.daemon.cli.output import line, print_json

    if as_json:
        print_json(rows)
        return
    line(f"signals of {name.removeprefix('service:')} that began no incident" if rows else "no such signals", "bold")
    _lines(rows)


def _lines(rows: list[dict[str, Any]]) -> None:
    from nightshift.daemon.cli.output import line

    for row in rows:
        line(f"  {row['count']:>6}  {row['action']}: {row['reason']}")


def _tell_patch(found: dict[str, Any]) -> None:
    from nightshift.daemon.cli.output import line

    for gate in (found["verdict"] or {}).get("gates", ()):
        style = {"accepted": "green", "rejected": "red"}.get(gate["judgement"], "yellow")
        line(f"  {gate['judgement']:<9} {gate['gate']}: {gate['reason']}", style)
    if change := found["change"]:
        line(f"\n#{change['number']} {change['state']}: {change['title']} {change['url']}")
    if figures := (found["outcome"] or {}).get("figures", ()):
        line("\nbefore and after", "bold")
        for figure in figures:
            line(f"  {figure['said']}")
    if found["diff"]:
        line(f"\n{found['diff']}")
    if found["undo_diff"]:
        line("\nits undoing", "bold")
        line(found["undo_diff"])
