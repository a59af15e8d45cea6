"""What a mission works with: ports only. The app fills this in; tests fill it with the fakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.missions import policy
from nightshift.daemon.model import Incident, Outcome, Service
from nightshift.daemon.ports import Deployer, Fixer, Forge, Note, Reproducer, Tester
from nightshift.daemon.store.store import Store


class Budget(BaseModel):
    """What one mission may spend."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    mission_s: float = Field(default=900.0, gt=0)
    """Seconds of drafting and judging for one mission."""
    candidates: int = Field(default=20_000, gt=0)
    """Candidate edits one fixer may try."""
    patches: int = Field(default=8, gt=0)
    """Patches one fixer may hand to the tester."""
    rounds: int = Field(default=3, gt=0)
    """How often a mission may start again because the branch moved under it."""


Watcher = Callable[[Service, Incident, int, Note], Outcome]
"""(service, incident, deployed at ms, note) → what production did."""


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
    base_url: str = ""
