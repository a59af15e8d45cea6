"""Missions make the track record, reverts by people included; a thrown switch makes them wait, not end."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.scenario import Scenario, commit, scenario

from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.missions.heal import Heal
from nightshift.daemon.missions.policy.explain import explain
from nightshift.daemon.missions.testing import MemoryDurable
from nightshift.daemon.model import Recovery, Stage
from nightshift.daemon.store.shipping import Merged

DAY_MS = 24 * 3600 * 1000


def run(made: Scenario, durable: MemoryDurable | None = None) -> MemoryDurable:
    durable = durable or MemoryDurable()
    asyncio.run(Heal(durable, made.steps, made.mission).run())
    return durable


def past(made: Scenario, count: int, days: int = 8) -> None:
    """Merges of templates that lasted."""
    now = SystemClock().now_ms()
    for n in range(count):
        made.store.merges.add(Merged(key=f"past-{n}", service="shop", fixer="templates", kind="", commit=f"{n:040x}",
                                     at_ms=now - (days + n) * DAY_MS, alone=True))  # fmt: skip


def record(made: Scenario) -> list[Merged]:
    return made.store.merges.of("shop", "templates", "")


def decided(made: Scenario) -> list[str]:
    return [e.data["action"] for e in made.store.journal.of(made.mission) if e.actor == "policy" and "action" in e.data]


def test_a_merge_is_remembered_with_who_allowed_it(tmp_path: Path) -> None:
    alone = scenario(tmp_path / "a")
    run(alone)
    [merge] = record(alone)
    assert (merge.key, merge.alone, merge.reverted_ms) == (alone.mission, True, 0)
    assert merge.commit == alone.upstream.resolve("main")
    asked = scenario(tmp_path / "b", autonomy="propose")
    run(asked, MemoryDurable([{"verb": "approve", "actor": "ada", "reason": "", "when": "authorise"}]))
    assert [merge.alone for merge in record(asked)] == [False]


def test_a_rollback_counts_at_once(tmp_path: Path) -> None:
    made = scenario(tmp_path, outcome=Recovery.STILL_FAILING)
    run(made)
    [merge] = record(made)
    assert merge.reverted_ms > merge.at_ms and merge.reverted_by.startswith("nightshift: ")


def test_earned_autonomy_merges_alone_and_a_person_s_revert_takes_it_away(tmp_path: Path) -> None:
    made = scenario(tmp_path, autonomy="earned")
    past(made, 7)
    run(made)
    assert (made.stage(), decided(made)) == (Stage.HEALED, ["merge"])
    merged = record(made)[0].commit
    commit(made.upstream, {"app.py": b"x = 1\n"}, f'Revert "Fix"\n\nThis reverts commit {merged}.\n')
    made.parts.forge.sync(made.parts.services["shop"])
    verdict = next(e.data["verdict"] for e in made.store.journal.of(made.mission) if e.data.get("verdict"))
    case = {"reproduction": {"kind": "check"}}
    decision = made.steps._decide(made.mission, case, {"verdict": verdict})
    assert decision.action == "propose" and "not earned" in decision.reason
    [first, *_] = record(made)
    assert first.reverted_by == "Nightshift" and first.reverted_ms, "the author of the revert, whoever that is"
    told = explain(made.store, SystemClock(), made.parts.policy, made.parts.services, 900.0, made.mission)
    assert told["decision"] == "propose"


def test_without_a_record_earned_autonomy_asks(tmp_path: Path) -> None:
    made = scenario(tmp_path, autonomy="earned")
    past(made, 7, days=1)
    run(made)
    assert decided(made) == ["propose"]
    assert made.commits() == 1


class Released(MemoryDurable):
    """The switch is released while the mission waits for the third time."""

    def __init__(self, made: Scenario) -> None:
        super().__init__()
        self.made, self.waits = made, 0

    async def receive(self, timeout_s: float):
        if timeout_s > 0:
            self.waits += 1
            assert self.made.commits() == 1 and self.made.deployer.keys == []
            if self.waits == 3:
                self.made.store.switches.release("ada", "", 2)
        return await super().receive(timeout_s)


def test_a_thrown_switch_makes_a_mission_wait_and_it_goes_on_afterwards(tmp_path: Path) -> None:
    made = scenario(tmp_path)
    made.store.switches.throw("ada", "bad feeling", 1)
    durable = run(made, Released(made))
    assert durable.waits == 3
    assert (made.stage(), made.commits()) == (Stage.HEALED, 2)
    assert sum("stopped by ada: bad feeling" in reason for reason in made.reasons()) == 1, "told once, not each time"


def test_a_switch_thrown_after_the_merge_holds_the_deploy_and_the_way_back(tmp_path: Path) -> None:
    made = scenario(tmp_path, outcome=Recovery.STILL_FAILING)
    stops = {"deploy": 0, "rollback": 0}

    class Thrown(MemoryDurable):
        async def step(self, name, work, *args):
            if name in stops and not stops[name]:
                made.store.switches.throw("ada", "", 1)
                stops[name] = 1
            return await super().step(name, work, *args)

        async def receive(self, timeout_s):
            if timeout_s > 0:
                assert made.deployer.keys == []
                made.store.switches.release("ada", "", 2)
            return await super().receive(timeout_s)

        async def sleep(self, seconds):
            assert made.commits() == 2, "nothing is reverted while everything is stopped"
            made.store.switches.release("ada", "", 2)

    run(made, Thrown())
    assert stops == {"deploy": 1, "rollback": 1}
    assert (made.stage(), made.commits()) == (Stage.ROLLED_BACK, 3)


def test_a_person_says_whether_it_healed_when_nothing_else_can(tmp_path: Path) -> None:
    for verb, end, commits in (("approve", Stage.HEALED, 2), ("reject", Stage.ROLLED_BACK, 3)):
        made = scenario(tmp_path / verb, outcome=Recovery.INDETERMINATE)
        durable = run(made, MemoryDurable([{"verb": verb, "actor": "ada", "reason": "looked", "when": "unclear"}]))
        assert (made.stage(), made.commits()) == (end, commits), made.reasons()
        assert "unclear" in durable.names
        assert f"{made.mission}:unclear" in [n.key for _, n, _ in made.store.notices.waiting()]
