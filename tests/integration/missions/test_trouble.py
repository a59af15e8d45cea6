"""A world that breaks under a mission: repositories that vanish, a store that can't be written, a budget that ends."""

import asyncio
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from support.scenario import Scenario, commit, drafted, scenario

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.missions.budget import Budget
from nightshift.daemon.missions.heal import Heal
from nightshift.daemon.missions.testing import MemoryDurable, ScriptedFixer
from nightshift.daemon.model import Recovery, Stage


def run(made: Scenario) -> MemoryDurable:
    durable = MemoryDurable()
    asyncio.run(Heal(durable, made.steps, made.mission).run())
    return durable


def test_a_repository_that_vanished_is_tried_again_then_told(tmp_path: Path):
    made = scenario(tmp_path)
    shutil.rmtree(tmp_path / "upstream.git")
    durable = run(made)
    assert made.stage() == Stage.ESCALATED
    assert durable.slept_s == [1.0, 5.0, 30.0, 120.0]
    assert "gather: the environment broke 5 times" in made.reasons()[-1]


def test_an_empty_repository_is_told_at_once(tmp_path: Path):
    made = scenario(tmp_path)
    shutil.rmtree(tmp_path / "upstream.git")
    BareRepo.ensure(tmp_path / "upstream.git")
    durable = run(made)
    assert made.stage() == Stage.ESCALATED
    assert durable.slept_s == []
    assert "has no branch 'main'" in made.reasons()[-1]


def test_a_forced_push_under_the_mission_is_proved_again(tmp_path: Path):
    made = scenario(tmp_path)
    judge = made.tester.judge

    def rewrite_while_judging(case, patch, note):
        if not made.tester.judged:
            made.upstream.out("update-ref", "-d", "refs/heads/main")
            commit(made.upstream, {"app.py": b"x = 1\n", "new.py": b"z = 1\n"}, "another history")
        return judge(case, patch, note)

    made.tester.judge = rewrite_while_judging
    run(made)
    assert made.stage() == Stage.HEALED, made.reasons()
    assert made.content() == b"x = 2\n"
    assert made.upstream.read("main", "new.py") == b"z = 1\n"


def test_other_work_merged_since_is_not_thrown_away_by_a_rollback(tmp_path: Path):
    made = scenario(tmp_path, outcome=Recovery.STILL_FAILING)
    watcher = made.parts.watcher

    def others_push(*args):
        made.push({"other.py": b"y = 1\n"}, "meanwhile")
        made.parts.forge.sync(made.parts.services["shop"])
        return watcher(*args)

    made.parts = replace(made.parts, watcher=others_push)
    run(made)
    assert made.stage() == Stage.ESCALATED
    assert "could not be rolled back: other work was merged since" in made.reasons()[-1]
    assert made.upstream.read("main", "other.py") == b"y = 1\n"


def full(made: Scenario, *, disk: bool) -> None:
    """Whether every change of a mission fails in SQLite as it does on a full disk."""
    raising = "CREATE TRIGGER full BEFORE UPDATE ON missions BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
    with closing(sqlite3.connect(made.store.database.engine.url.database)) as c:
        c.execute(raising if disk else "DROP TRIGGER full")


def test_a_full_disk_delays_and_never_ends_in_a_wrong_word(tmp_path: Path):
    made = scenario(tmp_path)

    class Filling(MemoryDurable):
        async def step(self, name, work, *args):
            if name == "finish" and "finish" not in self.names:
                full(made, disk=True)
            elif name == "finish" and self.names.count("finish") == 3:
                full(made, disk=False)
            return await super().step(name, work, *args)

    durable = Filling()
    asyncio.run(Heal(durable, made.steps, made.mission).run())
    assert durable.names.count("finish") == 4
    assert durable.slept_s == [1.0, 5.0, 30.0]
    assert made.stage() == Stage.HEALED
    assert len(made.store.notices.waiting()) == 1


def spendthrift(made: Scenario, clock: ManualClock, seconds: float) -> None:
    """Two fixers, whose first patch is refused, and work that takes its time."""
    names = ("revert", "templates")
    drafts = [lambda case, n=n, x=x: [drafted(case, n, x, n)] for x, n in enumerate(names, 3)]
    judge = made.tester.judge

    def slowly(case, patch, note):
        clock.advance(seconds)
        return judge(case, patch, note)

    made.tester.judge = slowly
    fixers = [ScriptedFixer(n, d) for n, d in zip(names, drafts, strict=True)]
    made.parts = replace(made.parts, fixers=fixers, clock=clock, budget=Budget(mission_s=100.0))


def test_the_budget_of_a_mission_ends_it_with_that_reason(tmp_path: Path):
    made, clock = scenario(tmp_path, accepts=("templates",)), ManualClock()
    spendthrift(made, clock, 120.0)
    run(made)
    assert made.stage() == Stage.ESCALATED
    assert made.store.missions.get(made.mission).reason == "draft:templates: the mission's budget of 100 s is spent"
    assert made.store.missions.get(made.mission).spent_s == pytest.approx(120.0)


def test_what_was_spent_is_remembered_and_shared(tmp_path: Path):
    made, clock = scenario(tmp_path, accepts=("templates",)), ManualClock()
    spendthrift(made, clock, 40.0)
    seen = []
    second = made.parts.fixers[1]

    def draft(case, bench, budget, note, real=second.draft):
        seen.append(budget.deadline)
        return real(case, bench, budget, note)

    second.draft = draft
    began = time.monotonic()
    run(made)
    assert made.stage() == Stage.HEALED, made.reasons()
    assert made.store.missions.get(made.mission).spent_s == pytest.approx(80.0)
    assert 80 < seen[0] - began < 100, "side by side each may draft for what is left, less what judging needs"
