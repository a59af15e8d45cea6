"""`nightshift incidents`: the list, read from the store, daemon or not."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated, Any

import typer

from nightshift.daemon.cli.options import ConfigPath, Json, configured, opened
from nightshift.daemon.cli.periods import seconds
from nightshift.daemon.model import IncidentState, Severity


class Sort(StrEnum):
    """What the list is sorted by, the greatest first."""

    LAST = "last"
    FIRST = "first"
    COUNT = "count"
    SEVERITY = "severity"


Since = Annotated[str, typer.Option("--since", metavar="TIME", help="Active within, for example 24h, 7d, 90m.")]
Until = Annotated[str, typer.Option("--until", metavar="TIME", help="Begun longer ago than, for example 1h.")]
State = Annotated[IncidentState | None, typer.Option("--state", help="Only those in this state.")]
Bad = Annotated[Severity | None, typer.Option("--severity", help="Only those of this severity.")]
ServiceName = Annotated[str, typer.Option("--service", metavar="NAME", help="Only those of this service.")]
Source = Annotated[str, typer.Option("--source", metavar="NAME", help="Only those this monitor saw something of.")]
Kind = Annotated[str, typer.Option("--kind", metavar="KIND", help="Only those with such a signal: crash, alert, oom…")]
Grep = Annotated[str, typer.Option("--grep", metavar="TEXT", help="Only those with this in a title or sample.")]
Mark = Annotated[str, typer.Option("--fingerprint", metavar="ID", help="Only those with this fingerprint.")]
By = Annotated[Sort, typer.Option("--sort", help="The greatest first.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=5000, help="At most so many.")]

_STYLES = {"open": "yellow", "escalated": "red", "healed": "green"}
_HEADS = ("ID", "STATE", "STAGE", "SERVICE", "SEVERITY", "COUNT", "ACTIVITY", "LAST SEEN", "TITLE")


def command(
    config: ConfigPath = None, since: Since = "", until: Until = "", state: State = None, severity: Bad = None,
    service: ServiceName = "", source: Source = "", kind: Kind = "", grep: Grep = "", fingerprint: Mark = "",
    sort: By = Sort.LAST, limit: Limit = 50, as_json: Json = False,
) -> None:  # fmt: skip
    """List incidents, newest first."""
    since_ms, until_ms = _ago_ms(since), _ago_ms(until)
    store = opened(configured(config, demand_secrets=False))
    from nightshift.daemon.dossier import incident_rows
    from nightshift.daemon.store.filter import Filter

    wanted = Filter(
        service=service, state=state or "", severity=severity or "", source=source, kind=kind, grep=grep,
        fingerprint=fingerprint, since_ms=since_ms or 0, until_ms=until_ms or 2**62, sort=sort.value, limit=limit,
    )  # fmt: skip
    _print(incident_rows(store, wanted) if store else None, as_json)


def _ago_ms(period: str) -> int | None:
    return int((time.time() - seconds(period)) * 1000) if period else None


def _print(rows: list[dict[str, Any]] | None, as_json: bool) -> None:
    from nightshift.daemon.cli import output

    if as_json:
        output.print_json(rows or [])
    elif not rows:
        print(
            "no incidents" if rows is not None else "no incidents: the daemon has not run with this configuration yet"
        )
    else:
        cells = [
            (r["id"], r["state"], (r["mission"] or {}).get("stage", r["held"]), r["service"], r["severity"],
             str(r["count"]), r["sparkline"], output.at(r["last_at_ms"]), r["title"])
            for r in rows
        ]  # fmt: skip
        output.table(_HEADS, cells, [_STYLES.get(r["state"], "") for r in rows])
