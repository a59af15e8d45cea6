"""Plays the demo: three requests crash the shop; the daemon heals two and leaves the third to a person."""

from __future__ import annotations

import http.client
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from nightshift.daemon.demo import scene, ship
from nightshift.daemon.demo.scene import Scene
from nightshift.daemon.kit.run import spawn
from nightshift.daemon.model import ENDS, Event, Incident, Mission, Stage
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.daemon.store.store import Store

PATIENCE_S = 180.0


@dataclass(frozen=True, kw_only=True)
class Act:
    """One request that crashes the shop, and how it should end."""

    name: str
    request: str
    expected: Stage
    fixer: str


ACTS = (
    Act(name="an empty cart", request="/cart/average?lines=", expected=Stage.HEALED, fixer="revert"),
    Act(name="a heavy parcel", request="/ship?kilos=31", expected=Stage.HEALED, fixer="templates"),
    Act(
        name="a payment that does not add up", request="/pay?lines=tea:2&cents=899", expected=Stage.ESCALATED, fixer=""
    ),
)


@dataclass
class Played:
    """What one act came to. `status_after` is the same request's HTTP status at the end."""

    act: Act
    mission: Mission
    incident: Incident
    events: list[Event]
    status_before: int
    status_after: int
    detected_s: float
    stages_s: dict[str, float] = field(default_factory=dict)
    diff: str = ""
    fixer: str = ""
    body_after: str = ""

    @property
    def as_expected(self) -> bool:
        """Whether it ended as it should have."""
        fine = 200 if self.act.expected == Stage.HEALED else 500
        return (self.mission.stage, self.fixer, self.status_after) == (self.act.expected, self.act.fixer, fine)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "act": self.act.name, "request": self.act.request, "outcome": self.mission.stage.value,
            "expected": self.act.expected.value, "as_expected": self.as_expected, "fixer": self.fixer,
            "reason": self.mission.reason, "detected_s": round(self.detected_s, 3),
            "stages_s": {k: round(v, 3) for k, v in self.stages_s.items()},
            "total_s": round(sum(self.stages_s.values()), 3), "status_before": self.status_before,
            "status_after": self.status_after, "diff": self.diff, "mission": self.mission.id,
            "incident": self.incident.id,
        }  # fmt: skip


class Audience(Protocol):
    """Who watches."""

    def line(self, text: str) -> None: ...

    def act(self, act: Act, status: int) -> None: ...

    def stage(self, stage: str, seconds: float, note: str) -> None: ...

    def end(self, played: Played) -> None: ...


@contextmanager
def daemon(place: Scene) -> Iterator[None]:
    """The daemon as a process of its own; SIGTERM at the end, and it must exit with 0."""
    argv = [sys.executable, "-m", "nightshift.daemon.cli", "run", "-c", str(place.config)]
    with (place.root / "daemon.log").open("ab") as out:
        process = spawn(argv, cwd=str(place.root), stdout=out)
    try:
        _until(lambda: _status(place.http, "/readyz") == 200 or process.poll() is not None, 60.0)
        if process.poll() is not None:
            raise EnvironmentBroke(f"the daemon did not start; see {place.root}/daemon.log")
        yield
    finally:
        process.terminate()
        code = process.wait(60)
    if code != 0:
        raise EnvironmentBroke(f"the daemon ended with {code}; see {place.root}/daemon.log")


def play(root: Path, audience: Audience) -> tuple[Scene, list[Played]]:
    """The whole demo in an empty folder; everything it started is stopped again."""
    audience.line("a small web shop with its history, deployed as a process of its own")
    place = scene.build(root)
    commit = scene.deploy(place)
    audience.line(f"the shop {commit[:12]} answers on port {place.port}; nightshift run -c {place.config}")
    try:
        with daemon(place):
            store = Store.open(place.store)
            played = [_play_act(place, store, act, audience) for act in ACTS]
            store.close()
    finally:
        ship.stop(place.root)
    return place, played


def _play_act(place: Scene, store: Store, act: Act, audience: Audience) -> Played:
    start_ms = time.time_ns() // 1_000_000
    before = _status(place.port, act.request)
    audience.act(act, before)
    _until(lambda: _newest(store, start_ms) is not None, PATIENCE_S)
    mission = _newest(store, start_ms)
    if mission is None:
        raise EnvironmentBroke(f"no mission was started for {act.request}; see {place.root}/daemon.log")
    stages = _follow(store, mission.id, audience)
    events = store.journal.of(mission.id)
    incident = store.incidents.get(mission.incident)
    mission = store.missions.get(mission.id) or mission
    if incident is None:
        raise EnvironmentBroke(f"mission {mission.id} has no incident")
    status, body = _ask(place.port, act.request)
    result = Played(
        act=act, mission=mission, incident=incident, events=events, status_before=before, status_after=status,
        body_after=body, detected_s=(mission.started_at_ms - start_ms) / 1000, stages_s=stages, **_patch(events),
    )  # fmt: skip
    audience.end(result)
    return result


def _newest(store: Store, since_ms: int) -> Mission | None:
    fresh = [m for m in store.missions.list(limit=5) if m.started_at_ms >= since_ms]
    return fresh[0] if fresh else None


def _follow(store: Store, mission: str, audience: Audience) -> dict[str, float]:
    """Show each stage when it is over; returns seconds by stage."""
    tracker = StageClock()
    deadline = time.monotonic() + PATIENCE_S
    seen = 0
    while time.monotonic() < deadline:
        for event in store.journal.of(mission, after=seen):
            seen = event.id
            for over in tracker.take(event):
                audience.stage(*over)
        current = store.missions.get(mission)
        if current and current.stage in ENDS and tracker.ended:
            return tracker.seconds
        time.sleep(0.03)
    raise EnvironmentBroke(f"mission {mission} did not end within {PATIENCE_S:.0f} s")


class StageClock:
    """Seconds by stage, from journal events in order."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._stage, self._since_ms, self._note = "", 0, ""
        self.ended = False

    def take(self, event: Event) -> list[tuple[str, float, str]]:
        """Stages that this event brings to an end: (name, seconds, last note)."""
        over: list[tuple[str, float, str]] = []
        if event.stage != self._stage:
            if self._stage:
                took = (event.at_ms - self._since_ms) / 1000
                self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + took
                over.append((self._stage, took, self._note))
            self._stage, self._since_ms, self._note = event.stage, event.at_ms, ""
        if event.actor != "mission" or not self._note:
            self._note = event.reason
        self.ended = event.stage in ENDS
        return over


def _patch(events: list[Event]) -> dict[str, str]:
    verdicts = [e.data["verdict"] for e in events if "verdict" in e.data]
    accepted = [v["patch"] for v in verdicts if v["judgement"] == "accepted"]
    return {"diff": accepted[-1]["diff"], "fixer": accepted[-1]["fixer"]} if accepted else {}


def _ask(port: int, target: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    except OSError:
        return 0, ""
    finally:
        connection.close()


def _status(port: int, target: str) -> int:
    return _ask(port, target)[0]


def _until(done: Any, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not done() and time.monotonic() < deadline:
        time.sleep(0.02)
