"""What must be remembered of containers between two events, small, and kept across restarts of the daemon."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

_MOST = 2000


@dataclass
class Loop:
    """Deaths of one container by one cause. `waiting` of them have not been told; `signal` is the latest one's."""

    times: list[int] = field(default_factory=list)
    told_ms: int = 0
    waiting: int = 0
    first_ms: int = 0
    last_ms: int = 0
    signal: dict[str, Any] = field(default_factory=dict)


@dataclass
class Memory:
    """By container id: when somebody asked it to stop (engine's ns), which run starved, the signal that called it ill,
    when its current run began and its last one ended (ns), how often it was restarted; loops by ``id|cause``."""

    asked: dict[str, int] = field(default_factory=dict)
    starved: dict[str, int] = field(default_factory=dict)
    unhealthy: dict[str, dict[str, Any]] = field(default_factory=dict)
    began: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    loops: dict[str, Loop] = field(default_factory=dict)

    def forget(self, container: str) -> None:
        """It was removed."""
        for known in (self.asked, self.starved, self.unhealthy, self.began, self.ended, self.restarts):
            known.pop(container, None)
        for key in [key for key, loop in self.loops.items() if key.startswith(f"{container}|") and not loop.waiting]:
            del self.loops[key]

    def keep(self, containers: Iterable[str]) -> None:
        """Only these exist."""
        there = set(containers)
        everyone = {*self.asked, *self.starved, *self.unhealthy, *self.began, *self.ended, *self.restarts}
        for container in everyone | {key.partition("|")[0] for key in self.loops}:
            if container not in there:
                self.forget(container)

    def dump(self) -> str:
        """As text; the oldest entries beyond 2,000 of a kind are dropped."""
        for known in (getattr(self, f.name) for f in fields(self)):
            for key in list(known)[:-_MOST]:
                del known[key]
        return json.dumps(asdict(self), separators=(",", ":"))


def load(saved: str) -> Memory:
    """What `dump` wrote; an empty memory for anything else."""
    try:
        found = json.loads(saved or "{}")
        loops = {str(key): Loop(**loop) for key, loop in found.pop("loops", {}).items()}
        made = Memory(**found, loops=loops)
    except (ValueError, TypeError, AttributeError):
        return Memory()
    return made if all(isinstance(getattr(made, f.name), dict) for f in fields(made)) else Memory()
