"""Mission control: two plain pages, made on the server, complete without scripts; a small one refreshes and acts."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from nightshift.daemon.dossier import dossier, incident_rows, standing
from nightshift.daemon.kit.plain import plain
from nightshift.daemon.model import ENDS, Mission
from nightshift.daemon.store.filter import Filter
from nightshift.daemon.web.answers import Problem
from nightshift.daemon.web.api import Api

if TYPE_CHECKING:
    from jinja2 import Environment

_ORDER = ("waiting", "blocked", "paused", "recovering", "verifying", "running")
"""What needs a person comes first."""


def page_router(api: Api) -> APIRouter:
    """`/` and `/missions/ID`."""
    routes, render = APIRouter(include_in_schema=False), _Renderer()

    @routes.get("/")
    def control() -> HTMLResponse:
        """Missions, incidents, last events."""
        return render("control.html", writable=api.token is not None, **_control(api))

    @routes.get("/missions/{name}")
    def mission(name: str) -> HTMLResponse:
        """One mission: timeline, gates, diff."""
        found = dossier(api.store, name)
        if found is None or found["mission"] is None:
            raise Problem(404, f"no mission '{name}'", "the start page lists them")
        acts = _acts(found["mission"]["stage"], found["mission"]["paused"])
        return render("mission.html", writable=api.token is not None, acts=acts, **found)

    return routes


def _control(api: Api) -> dict[str, Any]:
    missions = api.store.missions.list(open_only=True) + [
        m for m in api.store.missions.list(limit=50) if m.stage.value == "escalated"
    ]
    rows = sorted(map(_row, missions), key=lambda row: _ORDER.index(row["standing"]))
    return {
        "missions": rows,
        "incidents": incident_rows(api.store, Filter(limit=30)),
        "events": api.store.journal.last(40),
        "broken": [row for row in api.health() if not row.ok],
    }


def _row(mission: Mission) -> dict[str, Any]:
    return {"mission": mission, "standing": standing(mission), "acts": _acts(mission.stage.value, mission.paused)}


def _acts(stage: str, paused: bool) -> tuple[str, ...]:
    if stage in {end.value for end in ENDS}:
        return ()
    if paused:
        return ("resume", "reject")
    return ("approve", "reject") if stage == "awaiting_approval" else ("pause", "reject")


class _Renderer:
    def __init__(self) -> None:
        self._environment = _environment()

    def __call__(self, template: str, **values: Any) -> HTMLResponse:
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
            "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        text = self._environment.get_template(template).render(nonce=nonce, **values)
        return HTMLResponse(text, headers={"content-security-policy": policy})


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(plain=_plain, at=_at, side=_side)
    return environment


def _plain(value: object) -> str:
    return plain(str(value))


def _at(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") if ms else ""


def _side(line: str) -> str:
    """The class of a line of a diff."""
    if line.startswith(("+++", "---", "diff ", "index ")):
        return "file"
    return {"+": "plus", "-": "minus", "@": "hunk"}.get(line[:1], "same")
