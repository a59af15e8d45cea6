"""The real durable engine under scripted parts: it resumes, hears people, and stops rather than forget."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from support.scenario import Scenario, fix, scenario

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.missions.budget import Budget
from nightshift.daemon.missions.engine import Engine
from nightshift.daemon.missions.testing import ScriptedFixer
from nightshift.daemon.model import ENDS, Mission, Stage

PATIENCE_S = 60.0


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Callable[[Scenario], Engine]]:
    made: list[Engine] = []

    def start(of: Scenario) -> Engine:
        while made:
            made.pop().close()
        made.append(Engine(tmp_path / "missions.db", "test", of.steps, poll_s=0.1))
        made[0].launch()
        return made[0]

    yield start
    while made:
        made.pop().close()


def until(done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if done():
            return True
        time.sleep(0.02)
    return False


def test_a_mission_runs_to_its_end_once_however_often_it_is_started(tmp_path: Path, engines):
    made = scenario(tmp_path)
    engine = engines(made)
    for _ in range(3):
        engine.start(made.mission)
    assert until(lambda: made.stage() == Stage.HEALED), made.reasons()
    engine.start(made.mission)
    assert made.commits() == 2
    assert made.deployer.keys == [f"{made.mission}-fix"]


def test_signals_reach_a_mission_across_a_restart(tmp_path: Path, engines):
    made = scenario(tmp_path, autonomy="propose")
    engine = engines(made)
    engine.start(made.mission)
    assert until(lambda: made.stage() == Stage.AWAITING_APPROVAL), made.reasons()
    engine.signal(made.mission, "pause", "ada", "lunch")
    assert until(lambda: made.store.missions.get(made.mission).paused), made.reasons()
    engine = engines(made)
    engine.signal(made.mission, "resume", "ada", "back")
    engine.signal(made.mission, "approve", "ada", "read it")
    assert until(lambda: made.stage() == Stage.HEALED), made.reasons()
    with pytest.raises(KeyError):
        engine.signal("mis-unknown", "approve", "ada", "")


def test_closing_does_not_wait_for_a_step_and_the_step_runs_again(tmp_path: Path, engines):
    made = scenario(tmp_path)
    began, go_on = threading.Event(), threading.Event()
    judge = made.tester.judge

    def slow(case, patch, note):
        began.set()
        go_on.wait(PATIENCE_S)
        return judge(case, patch, note)

    made.tester.judge = slow
    engine = engines(made)
    engine.start(made.mission)
    assert began.wait(PATIENCE_S), made.reasons()
    engine.close()
    assert made.stage() == Stage.JUDGING, "the step had not ended when the engine was closed"
    go_on.set()
    engines(made)
    assert until(lambda: made.stage() == Stage.HEALED), made.reasons()
    assert made.commits() == 2


def test_a_step_that_raises_what_it_likes_ends_the_mission(tmp_path: Path, engines):
    made = scenario(tmp_path)

    def stops(case, note):
        raise StopIteration

    made.parts.reproducer.reproduce = stops
    engines(made).start(made.mission)
    assert until(lambda: made.stage() == Stage.ESCALATED), made.reasons()
    assert made.reasons()[-1] == "internal error: StopIteration: "


def test_when_the_engine_cannot_write_a_mission_stands_still_and_goes_on_later(tmp_path: Path, engines):
    made = scenario(tmp_path)
    began, go_on = threading.Event(), threading.Event()
    reproduce = made.parts.reproducer.reproduce

    def held(case, note):
        began.set()
        go_on.wait(PATIENCE_S)
        return reproduce(case, note)

    made.parts.reproducer.reproduce = held
    engine = engines(made)
    engine.start(made.mission)
    assert began.wait(PATIENCE_S)
    full = "CREATE TRIGGER full BEFORE INSERT ON operation_outputs BEGIN SELECT RAISE(FAIL, 'disk is full'); END"
    with closing(sqlite3.connect(tmp_path / "missions.db", timeout=30)) as c:
        c.execute(full)
    go_on.set()
    assert until(lambda: engine.revive() == 1)
    assert made.stage() == Stage.REPRODUCING
    with closing(sqlite3.connect(tmp_path / "missions.db", timeout=30)) as c:
        c.execute("DROP TRIGGER full")
    assert until(lambda: engine.revive() == 0 and made.stage() == Stage.HEALED), made.reasons()
    assert made.commits() == 2


def test_a_history_that_does_not_fit_escalates(tmp_path: Path, engines):
    made = scenario(tmp_path, autonomy="propose")
    engines(made).start(made.mission)
    assert until(lambda: made.stage() == Stage.AWAITING_APPROVAL), made.reasons()
    with closing(sqlite3.connect(tmp_path / "missions.db", timeout=30)) as c:
        c.execute("UPDATE operation_outputs SET function_name = 'other' WHERE function_name = 'plan'")
        c.commit()
    engines(made)
    assert until(lambda: made.stage() == Stage.ESCALATED), made.reasons()
    assert made.reasons()[-1].startswith("internal error")


def test_many_missions_of_one_service_all_get_their_turn(tmp_path: Path, engines):
    names = [f"mis-{at}xxxxxx" for at in range(5)]
    made = scenario(tmp_path, accepts=tuple(names))
    gate = threading.Barrier(len(names))
    judge = made.tester.judge

    def together(case, patch, note):
        if patch.id not in made.tester.judged:
            gate.wait(PATIENCE_S)
        return judge(case, patch, note)

    def own_file(case):
        repo = BareRepo(case.repo)
        diff = repo.diff(case.base, repo.with_files(case.base, {f"{case.id}.py": b"y = 1\n"}))
        return [replace(fix(case)[0], id=case.id, diff=diff, files=(f"{case.id}.py",))]

    made.tester.judge = together
    made.parts = replace(made.parts, fixers=[ScriptedFixer("templates", own_file)], budget=Budget(rounds=1))
    first = made.store.incidents.list()[0]
    for name in names:
        made.store.incidents.add(replace(first, id=f"inc{name}"))
        made.store.missions.ensure(Mission(id=name, incident=f"inc{name}", service="shop", stage=Stage.QUEUED))
    engine = engines(made)
    for name in names:
        engine.start(name)
    assert until(lambda: all(made.store.missions.get(name).stage in ENDS for name in names))
    assert {made.store.missions.get(name).stage for name in names} == {Stage.HEALED}
    assert made.commits() == 1 + len(names)
    states = [r.state.value for r in made.parts.forge.list(made.parts.services["shop"])]
    assert states.count("merged") == len(names)
    assert states.count("open") == 0
