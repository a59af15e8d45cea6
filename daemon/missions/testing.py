"""Fakes for missions: an in-memory durable run, and parts that answer as they are told."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nightshift.daemon.missions.durable import Json, performed, valued
from nightshift.daemon.model import (
    Case,
    Criticism,
    Critique,
    GateResult,
    Judgement,
    Patch,
    Reproduction,
    Service,
    Verdict,
)
from nightshift.daemon.ports import Budget, EnvironmentBroke, Note, Sandbox, Workbench


class MemoryDurable:
    """`Durable` in memory, for one run. A signal may say after which step it comes (`when`)."""

    def __init__(self, signals: Sequence[Mapping[str, str]] = ()) -> None:
        self.signals = deque(signals)
        self.names: list[str] = []
        self.slept_s: list[float] = []

    async def step(self, name: str, work: Callable[..., Json], *args: Any) -> Json:
        self.names.append(name)
        return valued(await asyncio.to_thread(performed, f"{id(self)}:{len(self.names)}", work, *args))

    async def receive(self, timeout_s: float) -> Mapping[str, str] | None:
        if timeout_s == 0 and self.signals and self.signals[0].get("when") not in (None, self._last()):
            return None
        return self.signals.popleft() if self.signals else None

    def _last(self) -> str:
        return self.names[-1] if self.names else ""

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)


class Killed(BaseException):
    """What a `RecordedDurable` raises in place of kill -9."""


class RecordedDurable(MemoryDurable):
    """Remembers what finished, so that the next run replays it, and refuses a run that asks for something else.

    `kill_at` counts steps: the run dies before (even) or after (odd) the effect of step kill_at // 2, in both cases
    before it is remembered.
    """

    def __init__(self, signals: Sequence[Mapping[str, str]] = (), kill_at: int = -1) -> None:
        super().__init__(signals)
        self.history: list[tuple[str, Any]] = []
        self.kill_at = kill_at
        self._at = 0

    def again(self) -> None:
        """The daemon starts anew."""
        self._at, self.kill_at, self.names = 0, -1, []

    async def step(self, name: str, work: Callable[..., Json], *args: Any) -> Json:
        at, steps = self._at, len(self.names)

        async def effect() -> Any:
            if self.kill_at == 2 * steps:
                raise Killed
            result = await asyncio.to_thread(performed, f"run:{at}", work, *args)
            if self.kill_at == 2 * steps + 1:
                raise Killed
            return result

        self.names.append(name)
        return valued(await self._remembered(name, effect))

    async def receive(self, timeout_s: float) -> Mapping[str, str] | None:
        async def look() -> Any:
            return await super(RecordedDurable, self).receive(timeout_s)

        found: Mapping[str, str] | None = await self._remembered("receive", look)
        return found

    async def _remembered(self, name: str, doing: Callable[[], Awaitable[Any]]) -> Any:
        if self._at == len(self.history):
            self.history.append((name, await doing()))
        recorded, value = self.history[self._at]
        if recorded != name:
            raise AssertionError(f"not deterministic: asked for {name}, remembered {recorded}")
        self._at += 1
        return json.loads(json.dumps(value))


@dataclass
class NoBench:
    """A workbench without an engine behind it; base is as red as it was told."""

    case: Case
    is_red: bool | None = None

    def open(self, commit: str = "") -> Sandbox:
        raise EnvironmentBroke("scripted: there is no engine")

    def red(self, commit: str) -> bool | None:
        return self.is_red


@dataclass
class ScriptedReproducer:
    """Answers with one reproduction; breaks the first `breaks` times."""

    reproduction: Reproduction
    breaks: int = 0
    calls: int = 0
    is_red: bool | None = None

    def reproduce(self, case: Case, note: Note) -> Reproduction:
        self.calls += 1
        if self.calls <= self.breaks:
            raise EnvironmentBroke("scripted: the engine is gone")
        return self.reproduction

    def bench(self, case: Case) -> Workbench:
        return NoBench(case, self.is_red)


@dataclass
class ScriptedTester:
    """Accepts the patches whose ids it was given, rejects the others."""

    accepts: frozenset[str]
    judged: list[str] = field(default_factory=list)

    def expect(self, case: Case) -> None:
        """Nothing can be done ahead."""

    def judge(self, case: Case, patch: Patch, note: Note) -> Verdict:
        self.judged.append(patch.id)
        judgement = Judgement.ACCEPTED if patch.id in self.accepts else Judgement.REJECTED
        gate = GateResult(gate="reproduction", judgement=judgement, reason="scripted")
        failed = "" if judgement == Judgement.ACCEPTED else "reproduction"
        return Verdict(judgement=judgement, patch=patch, gates=(gate,), failed=failed, reason="scripted")


@dataclass
class ScriptedCritic:
    """Refutes the patches it was given reasons for, with the lesson that goes with each; abstains when told to.

    Patches that it does not refute are one cluster, refuted ones the other.
    """

    refutes: Mapping[str, str] = field(default_factory=dict)
    lessons: Mapping[str, str] = field(default_factory=dict)
    abstain: str = ""
    fields: list[tuple[str, ...]] = field(default_factory=list)

    def expect(self, case: Case, patches: Sequence[Patch]) -> None:
        """Nothing can be done ahead."""

    def criticise(self, case: Case, patches: Sequence[Patch], note: Note) -> Critique:
        self.fields.append(tuple(patch.id for patch in patches))
        said = tuple(
            Criticism(patch=p.id, cluster=2 if p.id in self.refutes else 1, refuted=self.refutes.get(p.id, ""),
                      lesson=self.lessons.get(p.id, ""))
            for p in patches
        )  # fmt: skip
        clusters = len({criticism.cluster for criticism in said})
        return Critique(criticisms=said, clusters=clusters, inputs=3, abstain=self.abstain)


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

    def undo(self, service: Service, commit: str, key: str, *, of: str) -> str:
        return self.deploy(service, commit, key)
