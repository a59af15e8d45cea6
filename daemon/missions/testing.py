"""Fakes for missions: an in-memory durable run, and parts that answer as they are told."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nightshift.daemon.missions.durable import Json
from nightshift.daemon.model import (
    Case,
    GateResult,
    Judgement,
    Patch,
    Reproduction,
    Service,
    Verdict,
)
from nightshift.daemon.ports import Budget, EnvironmentBroke, Note, Sandbox, Workbench


class MemoryDurable:
    """`Durable` in memory: remembers finished steps, so that running a workflow again replays them."""

    def __init__(self, signals: Sequence[Mapping[str, str]] = ()) -> None:
        self.signals = deque(signals)
        self.names: list[str] = []
        self.slept_s: list[float] = []

    async def step(self, name: str, work: Callable[..., Json], *args: Any) -> Json:
        self.names.append(name)
        return await asyncio.to_thread(work, *args)

    async def receive(self, timeout_s: float) -> Mapping[str, str] | None:
        if timeout_s == 0 and self.signals and self.signals[0].get("when") not in (None, self._last()):
            return None
        return self.signals.popleft() if self.signals else None

    def _last(self) -> str:
        return self.names[-1] if self.names else ""

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)


@dataclass
class NoBench:
    """A workbench without an engine behind it."""

    case: Case

    def open(self, commit: str = "") -> Sandbox:
        raise EnvironmentBroke("scripted: there is no engine")

    def red(self, commit: str) -> bool | None:
        return None


@dataclass
class ScriptedReproducer:
    """Answers with one reproduction; breaks the first `breaks` times."""

    reproduction: Reproduction
    breaks: int = 0
    calls: int = 0

    def reproduce(self, case: Case, note: Note) -> Reproduction:
        self.calls += 1
        if self.calls <= self.breaks:
            raise EnvironmentBroke("scripted: the engine is gone")
        return self.reproduction

    def bench(self, case: Case) -> Workbench:
        return NoBench(case)


@dataclass
class ScriptedTester:
    """Accepts the patches whose ids it was given, rejects the others."""

    accepts: frozenset[str]
    judged: list[str] = field(default_factory=list)

    def judge(self, case: Case, patch: Patch, note: Note) -> Verdict:
        self.judged.append(patch.id)
        judgement = Judgement.ACCEPTED if patch.id in self.accepts else Judgement.REJECTED
        gate = GateResult(gate="reproduction", judgement=judgement, reason="scripted")
        failed = "" if judgement == Judgement.ACCEPTED else "reproduction"
        return Verdict(judgement=judgement, patch=patch, gates=(gate,), failed=failed, reason="scripted")


@dataclass
class ScriptedFixer:
    """Yields the patches it was given, on the case's base."""

    name: str
    make: Callable[[Case], Sequence[Patch]]

    def draft(self, case: Case, bench: Workbench, budget: Budget, note: Note) -> Iterator[Patch]:
        yield from self.make(case)


@dataclass
class CountingDeployer:
    """Counts deploys by key; fails those whose commit it was told to."""

    fails: bool = False
    keys: list[str] = field(default_factory=list)

    def deploy(self, service: Service, commit: str, key: str) -> str:
        self.keys.append(key)
        if self.fails:
            raise EnvironmentBroke("scripted: the deploy command exited with 1")
        return f"deployed {commit}"
