"""`nightshift incidents`: the list, read from the store, daemon or not."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from nightshift.daemon.cli.options import ConfigPath, Json, configured, opened
from nightshift.daemon.cli.periods import seconds
from nightshift.daemon.model import IncidentState

Since = Annotated[str, typer.Option("--since", metavar="TIME", help="Active within, for example 24h, 7d, 90m.")]
State = Annotated[IncidentState | None, typer.Option("--state", help="Only those in this state.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=5000, help="At most so many.")]

_STYLES = {"open": "yellow", "escalated": "red", "healed": "green"}


def command(
    config: ConfigPath = None, since: Since = "", state: State = None, limit: Limit = 50, as_json: Json = False
) -> None:
    """List incidents, newest first."""
    since_ms = int((time.time() - seconds(since)) * 1000) if since else 0
    store = opened(configured(config, demand_secrets=False))
    from nightshift.daemon.cli import output
    from nightshift.daemon.dossier import incident_rows

    rows = incident_rows(store, since_ms=since_ms, state=state.value if state else "", limit=limit) if store else []
    if as_json:
        output.print_json(rows)
        return
    if not rows:
        print("no incidents" if store else "no incidents: the daemon has not run with this configuration yet")
        return
    cells = [
        (r["id"], r["state"], (r["mission"] or {}).get("stage", ""), r["service"], str(r["count"]),
         output.at(r["last_at_ms"]), r["title"])
        for r in rows
    ]  # fmt: skip
    heads = ("ID", "STATE", "STAGE", "SERVICE", "COUNT", "LAST SEEN", "TITLE")
    output.table(heads, cells, [_STYLES.get(r["state"], "") for r in rows])
