"""What a mission works with: ports only. The app fills this in; tests fill it with the fakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.missions import policy
from nightshift.daemon.missions.budget import Budget
from nightshift.daemon.missions.operations import Operations
from nightshift.daemon.model import Incident, Outcome, Service
from nightshift.daemon.ports import Critic, Deployer, Fixer, Forge, Note, Reproducer, Tester
from nightshift.daemon.store.store import Store


class Watcher(Protocol):
    """Says what production did after a deploy that began and was done at two moments (0: it took no time)."""

    def __call__(
        self, service: Service, incident: Incident, deployed_ms: int, note: Note, began_ms: int = 0, /
    ) -> Outcome: ...


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Everything a mission needs, by port."""

    store: Store
    clock: Clock
    services: Mapping[str, Service]
    forge: Forge
    reproducer: Reproducer
    tester: Tester
    fixers: Sequence[Fixer]
    deployer: Deployer
    watcher: Watcher
    channels: tuple[str, ...] = ()
    policy: policy.Settings = field(default_factory=policy.Settings)
    budget: Budget = field(default_factory=Budget)
    wake: Callable[[], None] = lambda: None
    node: str = "node"
    """Tells daemons that share a store apart; the same after a restart."""
    operations: Operations | None = None
    critic: Critic | None = None
