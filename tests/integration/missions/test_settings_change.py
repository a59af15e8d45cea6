"""Settings that change while a mission is open: today's apply, nothing forbidden today is done, and replay holds."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from support.scenario import Scenario, scenario

from nightshift.daemon.missions.budget import Budget
from nightshift.daemon.missions.heal import Heal
from nightshift.daemon.missions.policy import Settings
from nightshift.daemon.missions.testing import MemoryDurable, RecordedDurable
from nightshift.daemon.model import Recovery, Stage

APPROVE = {"verb": "approve", "actor": "ada", "reason": "read it"}
DRY = {"policy": Settings(dry_run=True)}


class Reconfigured(MemoryDurable):
    """The daemon starts with other parts before the named step."""

    def __init__(self, made: Scenario, before: str, signals=(), **parts: object) -> None:
        super().__init__(signals)
        self.made, self.before, self.new = made, before, parts

    async def step(self, name, work, *args):
        if name == self.before:
            self.made.parts = work.__self__.parts = replace(self.made.parts, **self.new)
        return await super().step(name, work, *args)


def run(made: Scenario, durable: MemoryDurable) -> None:
    asyncio.run(Heal(durable, made.steps, made.mission).run())


def autonomy(made: Scenario, level: str) -> dict[str, object]:
    return {"services": {"shop": replace(made.parts.services["shop"], autonomy=level)}}


@pytest.mark.parametrize("before", ["gather", "reproduce", "judge:p1", "choose", "propose", "authorise", "merge"])
@pytest.mark.parametrize("kind", ["dry", "observe"])
def test_nothing_is_merged_or_shipped_once_it_is_forbidden(tmp_path: Path, before: str, kind: str):
    made = scenario(tmp_path)
    changes = DRY if kind == "dry" else autonomy(made, "observe")
    run(made, Reconfigured(made, before, **changes))
    assert made.stage() == Stage.ESCALATED
    assert made.commits() == 1
    assert made.deployer.keys == []
    opened = made.parts.forge.list(made.parts.services["shop"])
    assert len(opened) == (1 if before in ("authorise", "merge") else 0)
    assert "nothing was merged" in made.reasons()[-1]


def test_what_is_merged_already_is_not_shipped_in_a_dry_run(tmp_path: Path):
    made = scenario(tmp_path)
    run(made, Reconfigured(made, "deploy", **DRY))
    assert made.stage() == Stage.ESCALATED
    assert made.deployer.keys == []
    assert "is merged and not deployed: dry run" in made.reasons()[-1]


def test_a_dry_run_does_not_roll_back_either(tmp_path: Path):
    made = scenario(tmp_path, outcome=Recovery.STILL_FAILING)
    run(made, Reconfigured(made, "rollback", **DRY))
    assert made.stage() == Stage.ESCALATED
    assert made.commits() == 2
    assert "could not be rolled back: the change stays: dry run" in made.reasons()[-1]


def test_autonomy_lowered_before_the_merge_asks_a_person(tmp_path: Path):
    made = scenario(tmp_path)
    durable = Reconfigured(made, "merge", [{**APPROVE, "when": "authorise"}], **autonomy(made, "propose"))
    durable.signals.clear()
    run_until_waiting = Heal(durable, made.steps, made.mission)
    asyncio.run(run_until_waiting.run())
    assert durable.names[-3:] == ["merge", "authorise", "finish"]
    assert made.commits() == 1, "nobody answered, nothing was merged"


def test_autonomy_raised_after_the_observation_merges_nothing(tmp_path: Path):
    made = scenario(tmp_path, autonomy="observe")
    run(made, Reconfigured(made, "authorise", **autonomy(made, "merge")))
    assert made.stage() == Stage.ESCALATED
    assert made.commits() == 1
    assert "the configuration of that time allowed no pull request" in made.reasons()[-1]


@pytest.mark.parametrize("before", ["gather", "propose", "merge", "deploy"])
def test_a_service_that_is_gone_ends_with_a_clear_reason(tmp_path: Path, before: str):
    made = scenario(tmp_path)
    run(made, Reconfigured(made, before, services={}))
    assert made.stage() == Stage.ESCALATED
    assert made.reasons()[-1] == f"{before}: the service shop is no longer in the configuration"


def test_a_fixer_that_is_gone_drafts_nothing(tmp_path: Path):
    made = scenario(tmp_path)
    run(made, Reconfigured(made, "draft:templates", fixers=[]))
    assert made.stage() == Stage.ESCALATED
    assert "templates is no longer in the configuration" in made.reasons()


def test_fewer_rounds_than_were_gone_through_do_not_break_the_replay(tmp_path: Path):
    made = scenario(tmp_path)
    judge = made.tester.judge

    def push_while_judging(case, patch, note):
        if len(made.tester.judged) < 2:
            made.push({f"other{len(made.tester.judged)}.py": b"y = 1\n"}, "meanwhile")
        return judge(case, patch, note)

    made.tester.judge = push_while_judging
    durable = RecordedDurable()
    run(made, durable)
    assert made.stage() == Stage.HEALED
    made.parts = replace(made.parts, budget=Budget(rounds=1))
    durable.again()
    run(made, durable)


def test_a_branch_that_keeps_moving_is_given_up(tmp_path: Path):
    made = scenario(tmp_path)
    judge = made.tester.judge

    def push_while_judging(case, patch, note):
        made.push({f"other{len(made.tester.judged)}.py": b"y = 1\n"}, "meanwhile")
        return judge(case, patch, note)

    made.tester.judge = push_while_judging
    run(made, MemoryDurable())
    assert made.stage() == Stage.ESCALATED
    assert "the branch moved 3 times" in made.reasons()[-1]
    assert [r.state.value for r in made.parts.forge.list(made.parts.services["shop"])] == ["open"]
