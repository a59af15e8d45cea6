"""The JSON half: health, metrics, incidents, missions, runbooks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from nightshift import __version__
from nightshift.daemon.dossier import dossier, incident_page, masked
from nightshift.daemon.model import IncidentState, Severity, dump
from nightshift.daemon.store.filter import Filter
from nightshift.daemon.web.answers import Problem, require_token
from nightshift.daemon.web.api import Api

Json = dict[str, Any]
Limit = Annotated[int, Query(ge=1, le=1000)]


class Say(BaseModel):
    """What a person tells a mission."""

    model_config = ConfigDict(extra="forbid")

    actor: str = Field(default="http", min_length=1, max_length=100)
    """Who."""
    reason: str = Field(default="", max_length=2000)
    """Why; it goes into the journal."""


class Run(BaseModel):
    """A run of a runbook."""

    model_config = ConfigDict(extra="forbid")

    params: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Values for the book's parameters."""
    dry_run: bool = False
    """Only say what would be done."""
    actor: str = Field(default="http", min_length=1, max_length=100)
    """Who."""
    key: str = Field(default="", max_length=200)
    """The same actor and key start one run, however often they are sent."""
    force: bool = False
    """Go over the book's cool-down."""


class Asked(BaseModel):
    """Which incidents; all that is given must fit."""

    model_config = ConfigDict(extra="forbid")

    state: IncidentState | None = None
    severity: Severity | None = None
    service: str = Field(default="", max_length=200)
    source: str = Field(default="", max_length=200)
    """The monitor any of its signals came from."""
    kind: str = Field(default="", max_length=60)
    """The kind of any of its signals."""
    fingerprint: str = Field(default="", max_length=64)
    grep: str = Field(default="", max_length=200)
    """Text in titles or samples, in any case."""
    since_ms: int = Field(default=0, ge=0, lt=2**62)
    """Active at or after."""
    until_ms: int = Field(default=2**62, ge=0, le=2**62)
    """Begun before."""
    sort: Literal["last", "first", "count", "severity"] = "last"
    after: str = Field(default="", max_length=80)
    """`next` of the answer before."""
    limit: int = Field(default=100, ge=1, le=1000)

    def filter(self) -> Filter:
        """As the store takes it."""
        given = self.model_dump(mode="json")
        filled: dict[str, Any] = {name: "" if value is None else value for name, value in given.items()}
        return Filter(**filled)


def router(api: Api) -> APIRouter:
    """All JSON routes over one daemon."""
    routes = APIRouter()
    _health(routes, api)
    _reads(routes, api)
    _verbs(routes, api)
    _runbooks(routes, api)
    _policy(routes, api)
    return routes


def _health(routes: APIRouter, api: Api) -> None:
    @routes.get("/healthz")
    def healthz() -> Json:
        """The process answers."""
        return {"status": "ok", "version": __version__}

    @routes.get("/readyz")
    def readyz() -> JSONResponse:
        """The daemon can do its work: 200, else 503 with what is wrong."""
        rows = list(api.health())
        ready = all(row.ok for row in rows)
        return JSONResponse({"ready": ready, "checks": masked([dump(r) for r in rows])}, 200 if ready else 503)

    @routes.get("/metrics")
    def metrics() -> Response:
        """Prometheus text format."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return Response(generate_latest(api.registry), media_type=CONTENT_TYPE_LATEST)


def _reads(routes: APIRouter, api: Api) -> None:
    @routes.get("/api/incidents")
    def incidents(wanted: Annotated[Asked, Query()]) -> Json:
        """Incidents, the newest first unless `sort` says otherwise, each with its mission; `next` goes on from here."""
        try:
            return incident_page(api.store, wanted.filter())
        except ValueError as error:
            raise Problem(422, f"after: {error}", "leave `after` out to begin at the start") from None

    @routes.get("/api/services/{service}/decisions")
    def decisions(service: str) -> Json:
        """What was decided of a service's signals that began no incident: how often, and the last reason."""
        return {"decisions": masked(api.store.incidents.decisions(f"service:{service}"))}

    @routes.get("/api/incidents/{name}")
    def incident(name: str) -> Json:
        """Everything known of one incident."""
        return _found(dossier(api.store, name), "incident", name)

    @routes.get("/api/missions")
    def missions(open_only: Annotated[bool, Query(alias="open")] = False, limit: Limit = 100) -> Json:
        """The missions that moved last."""
        rows = api.store.missions.list(open_only=open_only, limit=limit)
        return {"missions": masked([dump(mission) for mission in rows])}

    @routes.get("/api/missions/{name}")
    def mission(name: str) -> Json:
        """One mission with its incident, journal, verdict and diff."""
        return _found(dossier(api.store, name) if api.store.missions.get(name) else None, "mission", name)


def _found(value: Json | None, kind: str, name: str) -> Json:
    if value is None:
        raise Problem(404, f"no {kind} '{name}'", f"GET /api/{kind}s lists them")
    return value


def _verbs(routes: APIRouter, api: Api) -> None:
    @routes.post("/api/missions/{name}/{verb}", status_code=202)
    def signal(
        request: Request, name: str, verb: Literal["approve", "reject", "pause", "resume"],
        say: Annotated[Say | None, Body()] = None,
    ) -> Json:  # fmt: skip
        """Tell a mission something; it acts on it before its next step."""
        require_token(api, request)
        mission, said = api.store.missions.get(name), say or Say()
        if mission is None:
            raise Problem(404, f"no mission '{name}'", "GET /api/missions lists them")
        try:
            api.signal_mission(mission.id, verb, said.actor, said.reason)
        except KeyError:
            raise Problem(
                404, f"mission {mission.id} is not running", "GET /api/missions/ID says how it ended"
            ) from None
        return {"mission": mission.id, "verb": verb}


def _runbooks(routes: APIRouter, api: Api) -> None:
    @routes.get("/api/runbooks")
    def runbooks() -> Json:
        """The runbooks there are."""
        return {"runbooks": masked([dict(book) for book in api.runbooks()])}

    @routes.post("/api/runbooks/{name}/runs", status_code=202)
    def start(request: Request, name: str, run: Annotated[Run | None, Body()] = None) -> Json:
        """Start a run in the background."""
        require_token(api, request)
        asked = run or Run()
        try:
            made = api.run_runbook(name, asked.params, asked.dry_run, asked.actor, key=asked.key, force=asked.force)
            return {"run": made, "dry_run": asked.dry_run}
        except KeyError:
            raise Problem(404, f"no runbook '{name}'", "GET /api/runbooks lists them") from None
        except ValueError as error:
            raise Problem(422, str(error), "correct the parameters; GET /api/runbooks lists them") from None

    @routes.get("/api/runs")
    def runs(book: Annotated[str, Query(max_length=64)] = "", limit: Limit = 50) -> Json:
        """The newest runs."""
        return {"runs": masked([dict(row) for row in api.runbook_runs(book, limit)])}

    @routes.get("/api/runs/{run}")
    def state(run: str) -> Json:
        """How far a run is."""
        found = api.runbook_run(run)
        return _found(masked(dict(found)) if found is not None else None, "run", run)


def _policy(routes: APIRouter, api: Api) -> None:
    @routes.get("/api/missions/{name}/policy")
    def explain(name: str) -> Json:
        """Each rule of policy with its answer, as it would be decided now."""
        mission = api.store.missions.get(name)
        found = api.explain(mission.id) if mission else None
        return _found(masked(dict(found)) if found else None, "mission", name)

    @routes.get("/api/stop")
    def stopped() -> Json:
        """Whether every effect is stopped, and why."""
        why = api.stopped()
        return {"stopped": bool(why), "reason": masked(why)}

    @routes.post("/api/stop")
    def stop(request: Request, say: Annotated[Say | None, Body()] = None) -> Json:
        """Stop every effect: nothing is pushed, merged, deployed or run until it is let go on."""
        require_token(api, request)
        said = say or Say()
        api.stop(said.actor, said.reason)
        return stopped()

    @routes.delete("/api/stop")
    def go(request: Request, say: Annotated[Say | None, Body()] = None) -> Json:
        """Let effects happen again; still `stopped` when a file or the configuration says so."""
        require_token(api, request)
        said = say or Say()
        api.go(said.actor, said.reason)
        return stopped()
