"""A daemon for tests of the HTTP surface: a real store, and calls written down instead of carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from nightshift.daemon.model import Health
from nightshift.daemon.ports import Refused
from nightshift.daemon.store.store import Store
from nightshift.runbooks.errors import BookError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


@dataclass
class FakeApi:
    """Port `Api`. `alerts` is raised by `receive_alerts`, or counted when it is a number."""

    store: Store
    token: SecretStr | None = None
    rows: tuple[Health, ...] = (Health(ok=True, what="store", detail="answers"),)
    running: frozenset[str] = frozenset()
    alerts: int | Exception = 1
    said: list[tuple[str, str, str, str]] = field(default_factory=list)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    bodies: list[tuple[bytes, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        from nightshift.daemon.web.metrics import registry_for

        self.registry: CollectorRegistry = registry_for(self.store)

    def health(self) -> Sequence[Health]:
        """The rows it was given."""
        return self.rows

    def signal_mission(self, mission: str, verb: str, actor: str, reason: str) -> None:
        """Written down in `said`, for missions in `running`."""
        if mission not in self.running:
            raise KeyError(mission)
        if verb == "resume" and not reason:
            raise Refused("say why it may go on")
        self.said.append((mission, verb, actor, reason))

    def runbooks(self) -> Sequence[Mapping[str, Any]]:
        """One book."""
        return [{"name": "restart", "title": "Restart a container", "parameters": [{"name": "container"}]}]

    def run_runbook(self, name: str, params: Mapping[str, Any], dry_run: bool, actor: str) -> str:
        """Written down in `runs`; needs the parameter `container`."""
        if name != "restart":
            raise KeyError(name)
        if "container" not in params:
            raise BookError(["restart needs the parameter 'container'"])
        run = f"run-{len(self.runs) + 1}"
        self.runs[run] = {"book": name, "params": dict(params), "dry_run": dry_run, "actor": actor, "status": "done"}
        return run

    def runbook_run(self, run: str) -> Mapping[str, Any] | None:
        """What was written down."""
        return self.runs.get(run)

    def receive_alerts(self, body: bytes, authorization: str | None) -> int:
        """Written down in `bodies`."""
        self.bodies.append((body, authorization))
        if isinstance(self.alerts, Exception):
            raise self.alerts
        return self.alerts
