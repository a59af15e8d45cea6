"""A scenario with runbooks on the real durable engine; their steps write lines into a file."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from nightshift.daemon.app.desk import RunDesk
from nightshift.daemon.app.dispatch import Dispatcher
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.missions.engine import Engine
from nightshift.daemon.missions.lending import LentFixers, LentRepositories
from nightshift.daemon.missions.operations import Operations
from nightshift.daemon.missions.steps import Steps
from nightshift.daemon.model import ENDS, Incident, IncidentState, Reproduction, Severity, Signal, Stage
from nightshift.runbooks.context import Context
from nightshift.runbooks.load import load_books
from support.scenario import Scenario, scenario

PATIENCE_S = 60.0
WRITE = "import os,sys; open(sys.argv[1], 'a').write(sys.argv[2] + ' ' + os.environ['NIGHTSHIFT_RUN_KEY'] + chr(10))"
NOTHING_RED = Reproduction(kind="none", reason="scripted")


@dataclass
class World:
    """A scenario with books whose steps write lines into a file."""

    made: Scenario
    desk: RunDesk
    dispatcher: Dispatcher
    engine: Engine
    books: Path
    effects: Path
    restart: Callable[[], Engine]

    @property
    def store(self):
        return self.made.store

    def lines(self) -> list[str]:
        return [line.split()[0] for line in self.effects.read_text().splitlines()] if self.effects.exists() else []

    def book(self, name: str, steps: list[str], **more: object) -> None:
        def made(word: str) -> dict[str, object]:
            if word.startswith("ask"):
                return {"name": word, "action": "ask", "with": {"question": "May I?"}}
            if word.startswith("no"):
                return {"name": word, "action": "assert", "with": {"value": False}}
            argv = [sys.executable, "-c", WRITE, str(self.effects), word]
            return {"name": word, "action": "command", "with": {"argv": argv, "repeat": True}}

        lists = {key: [made(word) for word in more.pop(key)] for key in ("verify", "rollback") if key in more}
        data = {"name": name, "description": name, "steps": list(map(made, steps)), "cool_down_s": 0, **lists, **more}
        (self.books / f"{name}.yaml").write_text(json.dumps(data))

    def incident(self, name: str = "inc-1", **signal: object) -> str:
        given = {"key": name, "source": "alertmanager", "service": "shop", "title": "It is slow", "at_ms": 1,
                 "kind": "alert"} | signal  # fmt: skip
        found = Signal(**given)
        incident = Incident(id=name, fingerprint=name, service=found.service, title=found.title,
                            severity=Severity.ERROR, state=IncidentState.OPEN, first_at_ms=1, last_at_ms=1, count=1,
                            signal=found)  # fmt: skip
        self.store.incidents.add(incident)
        self.dispatcher.incident(incident)
        return self.store.missions.get(name).id

    def stage(self, run: str) -> Stage:
        return self.store.missions.get(run).stage

    def until(self, run: str, *stages: Stage) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.stage(run) not in (stages or ENDS):
            assert time.monotonic() < deadline, (self.stage(run), self.said(run))
            time.sleep(0.02)

    def said(self, run: str) -> list[str]:
        return [f"{e.stage} {e.actor}: {e.reason}" for e in self.store.journal.of(run)]


@contextmanager
def worlds(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes worlds in a folder and closes their engine in the end."""
    engines: list[Engine] = []

    def start(cap: str = "merge", automatic: str = "matching", **of: object) -> World:
        made = scenario(tmp_path, red=of.pop("red", NOTHING_RED), **of)
        books, effects = tmp_path / "books", tmp_path / "effects"
        books.mkdir()
        parts = made.parts
        words = [f"{kind}{at}" for kind in ("a", "b", "c", "v", "back") for at in range(4)]
        commands = tuple((sys.executable, "-c", WRITE, str(effects), word) for word in words)
        lent = LentFixers(parts.store, parts.forge, parts.services, parts.policy, parts.reproducer, parts.tester,
                          parts.fixers, parts.budget)  # fmt: skip
        context = Context(commands=commands, clock=SystemClock(), mender=lent,
                          repositories=LentRepositories(parts.store, parts.forge, parts.services, parts.policy,
                                                        parts.clock))  # fmt: skip
        operations = Operations(made.store, lambda: load_books([books]), context, parts.services, parts.policy,
                                cap=cap, automatic=automatic)  # fmt: skip
        made.parts = replace(parts, operations=operations)

        def restart() -> Engine:
            while engines:
                engines.pop().close()
            engines.append(Engine(tmp_path / "missions.db", "test", Steps(made.parts), poll_s=0.1))
            engines[0].launch()
            return engines[0]

        engine = restart()
        desk = RunDesk(made.store, operations, SystemClock(), ["shop"], lambda run: engines[0].start(run))
        dispatcher = Dispatcher(made.store, engine, SystemClock(), desk.for_incident)
        return World(made, desk, dispatcher, engine, books, effects, restart)

    yield start
    while engines:
        engines.pop().close()


def ask(world: World, book: str, **more: object) -> str:
    return world.desk.ask(book, {}, dry_run=False, actor="ada", **more)


def book_of(here: World, action: str, **arguments: object) -> None:
    step = {"name": "do", "action": action, "with": arguments}
    (here.books / "one.yaml").write_text(json.dumps({"name": "one", "description": "d", "steps": [step]}))
