"""The daemon as its HTTP API sees it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nightshift.daemon.app.books import Bookshelf
from nightshift.daemon.app.desk import RunDesk
from nightshift.daemon.app.hearing import Hearing
from nightshift.daemon.app.late import LateSandboxes
from nightshift.daemon.config import Config
from nightshift.daemon.eyes import closed, receivers
from nightshift.daemon.intake.intake import Intake
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.missions.engine import Engine
from nightshift.daemon.missions.policy import stopped
from nightshift.daemon.missions.policy.explain import explain
from nightshift.daemon.model import ENDS, ForgeEvent, Health, Mission, Signal, Stage
from nightshift.daemon.ports import Forge, Receiver, Refused
from nightshift.daemon.store.store import Store

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from pydantic import SecretStr

    from nightshift.daemon.config.settings import SlackSettings


class Control:
    """Implements `web.api.Api` over the running parts."""

    def __init__(self, config: Config, store: Store, engine: Engine, sandboxes: LateSandboxes, intake: Intake,
                 shelf: Bookshelf, desk: RunDesk, forge: Forge) -> None:  # fmt: skip
        self._config, self._engine, self._sandboxes = config, engine, sandboxes
        self._forge = forge
        self._intake, self._shelf, self._store, self._desk = intake, shelf, store, desk

    @property
    def store(self) -> Store:
        """What is read for lists and pages."""
        return self._store

    @property
    def token(self) -> SecretStr | None:
        """The bearer token."""
        return self._config.http.token

    @cached_property
    def registry(self) -> CollectorRegistry:
        """What /metrics shows."""
        from nightshift.daemon.web.metrics import registry_for

        return registry_for(self._store)

    def health(self) -> Sequence[Health]:
        """The store answers; a missing sandbox engine delays missions, so it is shown but does not fail readiness."""
        self._store.missions.list(limit=1)
        return [Health(ok=True, what="store", detail="answers")]

    @cached_property
    def _hearing(self) -> Hearing:
        return Hearing(self._config.services_model(), self._store, self._forge, self._signal)

    def hear(self, events: Sequence[ForgeEvent]) -> None:
        """What people did on a forge."""
        self._hearing(events)

    def signal_mission(self, mission: str, verb: str, actor: str, reason: str) -> None:
        """Pass a human signal on. Raises KeyError, Refused."""
        self._signal(mission, verb, actor, reason, "")

    def _signal(self, mission: str, verb: str, actor: str, reason: str, key: str) -> None:
        found = self._store.missions.get(mission)
        if found is None:
            raise KeyError(mission)
        if reason_against := out_of_place(found, verb):
            raise Refused(reason_against)
        self._engine.signal(found.id, verb, actor, reason, key)
        if verb == "pause":  # shown, and to be resumed, from now on; the step under way still ends
            self._store.missions.set(found.id, paused=True)

    def runbooks(self) -> Sequence[Mapping[str, Any]]:
        """Every book."""
        return self._shelf.list()

    def run_runbook(
        self, name: str, params: Mapping[str, Any], dry_run: bool, actor: str, *, key: str = "", force: bool = False
    ) -> str:
        """Start a run."""
        return self._desk.ask(name, params, dry_run=dry_run, actor=actor, key=key, force=force)

    def runbook_run(self, run: str) -> Mapping[str, Any] | None:
        """A run's state."""
        return self._desk.state(run)

    def runbook_runs(self, book: str, limit: int) -> Sequence[Mapping[str, Any]]:
        """The newest runs."""
        return self._desk.newest(book, limit)

    @property
    def slack(self) -> SlackSettings | None:
        """Who may speak from Slack."""
        return self._config.runbooks.slack

    def explain(self, name: str) -> Mapping[str, Any] | None:
        """What policy says of a mission now."""
        config, clock = self._config, SystemClock()
        return explain(self._store, clock, config.policy, config.services_model(), config.budget.mission_s, name)

    def stop(self, actor: str, reason: str) -> None:
        """Throw the kill switch."""
        self._store.switches.throw(actor, reason, SystemClock().now_ms())

    def go(self, actor: str, reason: str) -> None:
        """Release the kill switch."""
        self._store.switches.release(actor, reason, SystemClock().now_ms())

    def stopped(self) -> str:
        """Why there may be no effect now."""
        return stopped(self._store, self._config.policy)

    @cached_property
    def receivers(self) -> Mapping[str, Receiver]:
        """Sources that may call."""
        return receivers(self._config, SystemClock())

    @cached_property
    def closed(self) -> Mapping[str, str]:
        """Where callers would be heard if their receiver were on."""
        return closed(self._config)

    def take(self, signals: Sequence[Signal]) -> None:
        """What callers sent; durable when this returns."""
        self._intake(signals)

    def serve(self, over: threading.Event) -> None:
        """Listen until it is over."""
        from nightshift.daemon.web.server import listening

        http = self._config.http
        where = self._config.state_dir / "http.port"
        with listening(self, host=http.host, port=http.port, hosts=http.hosts, port_file=where):
            over.wait()


def out_of_place(mission: Mission, verb: str) -> str:
    """Why a signal would have no effect where the mission stands; '' when it has one."""
    if mission.stage in ENDS:
        return f"the mission is over: {mission.stage}"
    if verb == "approve" and mission.stage != Stage.AWAITING_APPROVAL:
        return f"nothing waits for approval: the mission is {mission.stage}"
    if verb == "approve" and mission.paused:
        return "the mission is paused: resume it first"
    if verb in ("redirect", "take_over") and mission.stage in (Stage.DEPLOYING, Stage.WATCHING, Stage.ROLLING_BACK):
        return f"the change is merged already: the mission is {mission.stage}"
    if verb == "resume" and not mission.paused:
        return "the mission is not paused"
    if verb in ("pause", "reject") and mission.stage == Stage.ROLLING_BACK:
        return "the change is being taken back already"
    return ""
