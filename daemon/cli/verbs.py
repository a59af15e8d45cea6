"""`nightshift approve|reject|pause|resume`: what people tell a mission, through the daemon."""

from __future__ import annotations

import getpass
from typing import Annotated
from urllib.parse import quote

import typer

from nightshift.daemon.cli.options import ConfigPath, configured

Id = Annotated[str, typer.Argument(metavar="ID", help="Mission or its incident.")]
Reason = Annotated[str, typer.Option("--reason", "-m", metavar="TEXT", help="Why; it goes into the journal.")]
Actor = Annotated[str, typer.Option("--actor", metavar="NAME", help="Who; default: your user name.")]


def approve(name: Id, reason: Reason = "", actor: Actor = "", config: ConfigPath = None) -> None:
    """Approve a mission that waits for a person: its proved patch is merged and deployed."""
    _send("approve", name, reason, actor, config)


def reject(name: Id, reason: Reason = "", actor: Actor = "", config: ConfigPath = None) -> None:
    """Reject what a mission proposes; its change request is closed and it ends."""
    _send("reject", name, reason, actor, config)


def pause(name: Id, reason: Reason = "", actor: Actor = "", config: ConfigPath = None) -> None:
    """Hold a mission before its next step."""
    _send("pause", name, reason, actor, config)


def resume(name: Id, reason: Reason = "", actor: Actor = "", config: ConfigPath = None) -> None:
    """Let a paused mission go on."""
    _send("resume", name, reason, actor, config)


def _send(verb: str, name: str, reason: str, actor: str, config: ConfigPath) -> None:
    from nightshift.daemon.cli.client import call

    body = {"actor": actor or me(), "reason": reason}
    answer = call(
        configured(config, demand_secrets=False), "POST", f"/api/missions/{quote(name, safe='')}/{verb}", body
    )
    print(f"{answer['mission']}: {verb} sent")


def me() -> str:
    """Who is at the keyboard."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
