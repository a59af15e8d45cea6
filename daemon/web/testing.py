"""A daemon for tests of the HTTP surface: a real store, and calls written down instead of carried out."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from nightshift.daemon.model import ForgeEvent, Health, Signal
from nightshift.daemon.ports import Call, Receipt, Receiver, Refused
from nightshift.daemon.store.store import Store
from nightshift.runbooks.errors import BookError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from nightshift.daemon.config.settings import SlackSettings


@dataclass
class FakeApi:
    """Port `Api`. `trouble` is raised by `take`, when there is any."""

    store: Store
    token: SecretStr | None = None
    rows: tuple[Health, ...] = (Health(ok=True, what="store", detail="answers"),)
    running: frozenset[str] = frozenset()
    receivers: Mapping[str, Receiver] = field(default_factory=dict)
    closed: Mapping[str, str] = field(default_factory=dict)
    trouble: Exception | None = None
    slack: SlackSettings | None = None
    said: list[tuple[str, str, str, str]] = field(default_factory=list)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    taken: list[Signal] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    heard: list[ForgeEvent] = field(default_factory=list)

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

    def run_runbook(
        self, name: str, params: Mapping[str, Any], dry_run: bool, actor: str, *, key: str = "", force: bool = False
    ) -> str:
        """Written down in `runs`; needs the parameter `container`."""
        if name != "restart":
            raise KeyError(name)
        if "container" not in params:
            raise BookError(["restart needs the parameter 'container'"])
        run = f"run-{key or len(self.runs) + 1}"
        made = {"book": name, "params": dict(params), "dry_run": dry_run, "actor": actor, "status": "done"}
        self.runs.setdefault(run, made | ({"force": True} if force else {}))
        return run

    def runbook_run(self, run: str) -> Mapping[str, Any] | None:
        """What was written down."""
        return self.runs.get(run)

    def runbook_runs(self, book: str, limit: int) -> Sequence[Mapping[str, Any]]:
        """What was written down, of a book."""
        return [{"id": run, **made} for run, made in self.runs.items() if book in ("", made["book"])][:limit]

    def explain(self, name: str) -> Mapping[str, Any] | None:
        """One rule, for missions in `running`."""
        rule = {"rule": "autonomy", "limit": "propose", "allowed": False, "reason": "autonomy of shop is propose"}
        return {"mission": name, "decision": "propose", "rules": [rule]} if name in self.running else None

    def stop(self, actor: str, reason: str) -> None:
        """In the real store."""
        self.store.switches.throw(actor, reason, 1)

    def go(self, actor: str, reason: str) -> None:
        """In the real store."""
        self.store.switches.release(actor, reason, 2)

    def stopped(self) -> str:
        """What the store says."""
        thrown = self.store.switches.thrown()
        return f"stopped by {thrown.actor}: {thrown.reason}" if thrown else ""

    def hear(self, events: Sequence[ForgeEvent]) -> None:
        """Written down in `heard`, or raises `trouble`."""
        if self.trouble is not None:
            raise self.trouble
        self.heard.extend(events)

    def take(self, signals: Sequence[Signal]) -> None:
        """Written down in `taken`, or raises `trouble`."""
        if self.trouble is not None:
            raise self.trouble
        self.taken.extend(signals)
        self.batches.append(len(signals))


class EchoReceiver:
    """Port `Receiver`: a body of JSON is a list of signals' keys; what it raises can be told it by the body."""

    name = "echo"
    paths: tuple[str, ...] = ("/hooks/echo", "/api/{project}/echo/")
    methods: tuple[str, ...] = ("POST", "OPTIONS")
    body_limit = 2 << 20

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.threads: list[str] = []

    def read(self, call: Call) -> Receipt:
        """One signal for each key."""
        self.calls.append(call)
        self.threads.append(threading.current_thread().name)
        if call.headers.get("authorization") == "Bearer wrong":
            raise Refused("the echo's token is wrong")
        if call.body == b"bug":
            raise RuntimeError("a secret detail")
        keys = json.loads(call.body or b"[]")
        signals = [Signal(key=key, source="echo", service="shop", title=key, at_ms=1) for key in keys]
        return Receipt(signals=signals, status=202, body={"signals": len(signals)}, headers={"x-echo": "yes"})
